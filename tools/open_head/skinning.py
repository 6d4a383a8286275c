"""Joints and skinning weights: root, neck, jaw, left eye, right eye."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from .facemesh import LIPS_INNER_LOWER, LIPS_INNER_UPPER, LIPS_MIDDLE, LIPS_OUTER_LOWER, LIPS_OUTER_UPPER, OVAL
from .loft import Grid
from .mesh import fair, gathered, umbrella

ROOT = np.array([0.0, -0.150, -0.055])  # base of the neck
NECK = np.array([0.0, -0.072, -0.045])  # upper cervical spine, where nodding and turning happen
JAW = np.array([0.0, -0.006, -0.028])  # the line through both jaw hinges, just in front of the ears

CHIN = [199, 200, 18, 83, 313, 201, 421, 208, 428, 175, 152, 171, 396, 140, 369, 148, 377, 176, 400, 32, 262, 182, 406]
JAW_REACH = (0.035, 0.088)  # m, how far behind the jaw line skin follows the jaw: at its angle, under the chin
CORNERS = dict.fromkeys((61, 291, 76, 306, 62, 292, 78, 308), 0.45)
CORNER_STIFF, CORNER_SOFT = 0.0015, 0.0075  # m: the four rows end so close to each other that they must move as one
UPPER_ROWS = [LIPS_OUTER_UPPER, LIPS_MIDDLE[:11], LIPS_MIDDLE[11:22], LIPS_INNER_UPPER]
LOWER_ROWS = [LIPS_OUTER_LOWER, [76, *LIPS_MIDDLE[22:31], 306], [62, *LIPS_MIDDLE[31:], 292], LIPS_INNER_LOWER]
# Jaw line, from under the mouth to the ear, right side and left: the bone turns less the nearer it is to the hinge.
JAW_LINE = {149: 0.97, 150: 0.92, 136: 0.82, 172: 0.62, 58: 0.36, 132: 0.12}
JAW_LINE |= {378: 0.97, 379: 0.92, 365: 0.82, 397: 0.62, 288: 0.36, 361: 0.12}
# Skin that does not follow the jaw at all.
STILL = [
    0,
    2,
    164,
    1,
    4,
    98,
    327,
    129,
    358,
    50,
    280,
    205,
    425,
    116,
    345,
    123,
    352,
    93,
    323,
    234,
    454,
    33,
    263,
    133,
    362,
]
STILL += [36, 266, 206, 426, 137, 366, 147, 376, 10, 9, 6]


def jaw_field(vertices: np.ndarray, faces: np.ndarray, grid: Grid) -> np.ndarray:
    """How much of the jaw's turn each skin vertex makes, [N]: 1 on lower lip and chin, fading over cheek and throat."""
    value = dict.fromkeys(STILL, 0.0) | dict.fromkeys(CHIN, 1.0) | JAW_LINE | CORNERS
    value |= dict.fromkeys((v for row in UPPER_ROWS for v in row[1:-1]), 0.0)
    value |= dict.fromkeys((v for row in LOWER_ROWS for v in row[4:-4]), 1.0)
    for step, low, high in ((1, 0.57, 0.33), (2, 0.80, 0.13), (3, 0.95, 0.03)):  # from the corners towards the middle
        for rows, share in ((LOWER_ROWS, low), (UPPER_ROWS, high)):
            for row in rows:
                value |= {row[step]: share, row[-1 - step]: share}
    weight = np.zeros((len(vertices), 1))
    free = np.ones(len(vertices), bool)
    for v, w in value.items():
        weight[v], free[v] = w, False
    oval = [value.get(v, 0.0) for v in OVAL]
    along = np.interp(np.arange(72), np.arange(0, 74, 2), [*oval, oval[0]])
    step = np.linalg.norm(np.diff(vertices[grid.index], axis=0), axis=2)
    behind = np.concatenate([np.zeros((1, 72)), np.cumsum(step, 0)])[1:]  # m from the oval along each column
    reach = JAW_REACH[0] + (JAW_REACH[1] - JAW_REACH[0]) * along**2
    weight[grid.index[1:], 0] = along * _ramp(1 - behind / reach)
    free[grid.index[1:]] = False
    laplacian = umbrella(faces, len(vertices))
    weight = fair(weight, laplacian, free, order=1)
    smooth = weight + 0.5 * (laplacian @ weight)
    weight = np.where(_lips(len(vertices))[:, None], weight, smooth)
    for corner in (62, 292):
        weight = gathered(weight, vertices, vertices[corner], CORNER_STIFF, CORNER_SOFT)
    weight = weight[:, 0]
    return np.where(weight < 0.003, 0, np.clip(weight, 0, 1))


def _ramp(x: np.ndarray, soft: float = 0.2) -> np.ndarray:
    """0 below 0, 1 above 1, straight between but for soft ends: the gentlest slope, so that skin folds least."""
    x = np.clip(x, 0, 1)
    near = np.minimum(x, 1 - x)
    half = np.where(near < soft, near * near / (2 * soft), near - soft / 2) / (1 - soft)
    return np.where(x > 0.5, 1 - half, half)


def _lips(count: int) -> np.ndarray:
    return np.isin(np.arange(count), [v for row in UPPER_ROWS + LOWER_ROWS for v in row])


def head_field(vertices: np.ndarray) -> np.ndarray:
    """How much of the neck joint's turn each skin vertex makes, [N]: 1 on the head, 0 at the shoulders."""
    start = -0.100 - 0.45 * vertices[:, 2]
    length = 0.078 - 0.08 * vertices[:, 2]
    return _ramp(1 + (vertices[:, 1] - start) / length, 0.3)


def skin_weights(jaw: np.ndarray, head: np.ndarray) -> np.ndarray:
    """[N, 5] from the two fields; each row sums to one."""
    jaw = np.minimum(jaw, head)
    zero = np.zeros_like(jaw)
    return np.stack([1 - head, head - jaw, jaw, zero, zero], 1)


def joint_row(joint: np.ndarray, vertices: np.ndarray, index: np.ndarray) -> sparse.csr_matrix:
    """Row [1, N] with the smallest weights over `index` that sum to one and give the joint's place."""
    terms = np.concatenate([vertices[index].T, np.ones((1, len(index)))])
    weights = np.linalg.lstsq(terms, np.array([*joint, 1.0]), rcond=None)[0]
    return sparse.csr_matrix((weights, (np.zeros(len(index), int), index)), (1, len(vertices)))
