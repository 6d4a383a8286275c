"""Eyeballs, the inner side of the lids, and the two eyelid shapes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .facemesh import RIGHT_LOWER_LID, RIGHT_UPPER_LID
from .mesh import fair, ring_faces, umbrella

RADIUS = 0.0120  # m
LID = 0.0014  # m, from the eyeball to the outer edge of a lid margin
IRIS_ACROSS, IRIS_ABOVE = 0.471, 0.063  # median place of the iris between the eye corners and above their line (shares)
LIMBUS = np.radians(29.2)  # the iris' half opening: 11.7 mm across, as in every adult
POLAR = np.radians(
    [5, 12, 21, 29.2, 36, 48, 62, 82, 110]
)  # rings of the eyeball, from the pupil to the hidden back, left open
SEGMENTS = 24
CORNEA = 0.0004  # m, how far the cornea stands out
RIM = (
    (0.0007, 1.5),
    (0.0008, 8.0),
    (0.0010, 22.0),
    (0.0012, 40.0),
)  # inside of a lid: m off the eyeball, degrees behind the margin
RIM_FOLLOW = (1.0, 0.75, 0.4, 0.0)  # how much of the margin's turn each row makes when the lid shuts
DROP = (0.0018, 0.0036, 0.0060, 0.0090)  # m: no row lies further behind the margin, which is flesh in the inner corner
RIM_EXPRESS = (1.0, 1.0, 0.8, 0.4)  # how much of an expression's motion of the margin each row makes
MARGIN_FLOOR, RIM_FLOOR = 0.0012, 0.0005  # m off the eyeball on the way: the cornea must pass below in any gaze
THIN = 0.0011  # m off the eyeball: no lid is nearer at rest
SHARES = (0.25, 0.4, 0.5, 0.6, 0.75, 1.0)  # of the way a lid shuts, where it is held off the eyeball


@dataclass(frozen=True)
class Eye:
    """One eye opening: its margin as two equally long rows from outer to inner corner, and its eyeball's centre."""

    upper: np.ndarray  # [K] vertex indices
    lower: np.ndarray  # [K]
    centre: np.ndarray  # [3] m

    @property
    def loop(self) -> np.ndarray:
        """The margin as a closed row, corners once."""
        return np.concatenate([self.upper, self.lower[-2:0:-1]])


def eye_of(vertices: np.ndarray, loops: list[list[int]], twin: np.ndarray, left: bool) -> Eye:
    """The left or right eye of a subdivided face; `loops` are its border loops."""
    upper, lower = ([int(twin[i]) if left else i for i in row] for row in (RIGHT_UPPER_LID, RIGHT_LOWER_LID))
    loop = next(row for row in loops if upper[0] in row)
    rows = [_fine_row(loop, row) for row in (upper, lower)]
    return Eye(rows[0], rows[1], _centre(vertices, upper, lower))


def _fine_row(loop: list[int], row: list[int]) -> np.ndarray:
    """The part of a border loop that runs through a coarse row of landmarks."""
    for direction in (loop, loop[::-1]):
        k = direction.index(row[0])
        turned = direction[k:] + direction[:k]
        if turned[2] == row[1]:
            return np.array(turned[: 2 * len(row) - 1])
    raise ValueError(f"no border runs through landmarks {row}")


def _centre(vertices: np.ndarray, upper: list[int], lower: list[int]) -> np.ndarray:
    """Where an eyeball must stand: behind the place irises have in the footage, both lids LID in front of it."""
    outer, inner = vertices[upper[0]], vertices[upper[-1]]
    across = outer + IRIS_ACROSS * (inner - outer)
    height = across[1] + IRIS_ABOVE * np.linalg.norm(inner - outer)
    middle = vertices[[*upper[3:6], *lower[3:6]]]
    off = np.linalg.norm(middle[:, :2] - [across[0], height], axis=1)
    depth = (middle[:, 2] - np.sqrt((RADIUS + LID) ** 2 - off**2)).mean()
    return np.array([across[0], height, depth])


def lids_off(vertices: np.ndarray, twin: np.ndarray) -> np.ndarray:
    """The refined face [M, 3] m with every lid at least THIN in front of its eyeball."""
    result = vertices.copy()
    for left in (True, False):
        upper, lower = ([int(twin[i]) if left else i for i in row] for row in (RIGHT_UPPER_LID, RIGHT_LOWER_LID))
        centre = _centre(vertices, upper, lower)
        local = vertices - centre
        radius = np.linalg.norm(local, axis=1)
        low = radius < RADIUS + THIN
        result[low] = centre + local[low] * ((RADIUS + THIN) / radius[low])[:, None]
    return result


def eyeball(centre: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices [N, 3] m, faces and polar uv [N, 2] in the unit disc; vertex 0 is the pupil's middle."""
    around = 2 * np.pi * np.arange(SEGMENTS) / SEGMENTS
    points, flat = [[0, 0, RADIUS + CORNEA]], [[0, 0]]
    for polar in POLAR:
        bulge = CORNEA * np.clip(1 - (polar / LIMBUS) ** 2, 0, 1)
        for a in around:
            points.append(
                (RADIUS + bulge) * np.array([np.sin(polar) * np.cos(a), np.sin(polar) * np.sin(a), np.cos(polar)])
            )
            flat.append(np.sqrt(polar / POLAR[-1]) * np.array([np.cos(a), np.sin(a)]))
    faces = [(0, 1 + k, 1 + (k + 1) % SEGMENTS) for k in range(SEGMENTS)]
    faces += ring_faces(1, len(POLAR), SEGMENTS, around)
    return np.array(points) + centre, np.array(faces, np.int64), np.array(flat)


def iris_vertices() -> list[int]:
    """MediaPipe's five iris landmarks on an eyeball: centre, then +x, top, -x, bottom of the limbus."""
    ring = 1 + int(np.argmin(np.abs(POLAR - LIMBUS))) * SEGMENTS
    return [0, ring, ring + SEGMENTS // 4, ring + SEGMENTS // 2, ring + 3 * SEGMENTS // 4]


def shut_positions(eye: Eye, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where both margin rows lie when the lids meet, [K, 3] m, and each row's turn about x, [2, K] rad."""
    local = [vertices[row] - eye.centre for row in (eye.upper, eye.lower)]
    angle = [np.arctan2(p[:, 1], p[:, 2]) for p in local]
    close = 0.78 * angle[1] + 0.22 * angle[0]
    x = 0.5 * (local[0][:, 0] + local[1][:, 0])
    reach = np.sqrt(np.maximum((RADIUS + LID) ** 2 - x**2, 1e-8))
    corner = [np.hypot(p[:, 1], p[:, 2]) for p in local]
    reach = np.maximum(
        reach, 0.5 * (corner[0] + corner[1]) - 0.0003
    )  # corners lie off the eyeball: do not pull them in
    target = np.stack([x, reach * np.sin(close), reach * np.cos(close)], 1)
    for p in local:
        target = p + cleared(p, target - p, RADIUS + MARGIN_FLOOR)
    return target + eye.centre, np.stack([close - angle[0], close - angle[1]])


def cleared(rest: np.ndarray, shift: np.ndarray, floor: float | np.ndarray) -> np.ndarray:
    """`shift` [N, 3] with its end raised so that rest + share * shift stays `floor` m off the origin for all shares.

    rest [N, 3] is seen from the eyeball's centre; what lies lower at rest may stay as low. A lid moves along a straight
    line, so it must end a little higher for the way there to pass over the eyeball.
    """
    floor = np.minimum(floor, np.linalg.norm(rest, axis=1))
    result = shift.copy()
    for _ in range(8):
        for share in SHARES:
            moved = rest + share * result
            radius = np.linalg.norm(moved, axis=1)
            end = rest + result
            up = end / np.linalg.norm(end, axis=1, keepdims=True)
            lift = np.maximum(floor - radius, 0) / share / np.maximum((up * moved).sum(1) / radius, 0.3)
            result += lift[:, None] * up
    return result


def _turned(points: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Points [..., 3] turned about x by angle [...] rad: a lid that shuts from above turns by a negative angle."""
    c, s = np.cos(angle), np.sin(angle)
    x, y, z = np.moveaxis(points, -1, 0)
    return np.stack([x, c * y + s * z, c * z - s * y], -1)


def lid_shape(eye: Eye, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Displacement [N, 3] m of the skin that shuts one eye: the margins meet, the lid slides over the eyeball.

    The skin turns about the eyeball by an angle that fades out from the margin to the brow and the cheek.
    """
    target, turn = shut_positions(eye, vertices)
    local = vertices - eye.centre
    near = (np.abs(local[:, 0]) < 0.021) & (local[:, 1] < 0.0185) & (local[:, 1] > -0.0145) & (local[:, 2] > 0)
    free = near.copy()
    free[eye.loop] = False
    laplacian = umbrella(faces, len(vertices))
    angle = np.zeros((len(vertices), 1))
    for row, share in zip((eye.upper, eye.lower), turn):
        angle[row[1:-1], 0] = share[1:-1]
    angle = fair(angle, laplacian, free, order=1)[:, 0]
    rolled = _turned(local, angle) - local
    rest = np.zeros_like(vertices)
    for row in (eye.upper, eye.lower):
        rest[row[1:-1]] = (target - vertices[row] - rolled[row])[1:-1]
    shift = rolled + fair(rest, laplacian, free, order=1)
    shift[[eye.upper[0], eye.upper[-1]]] = 0
    for _ in range(4):
        shift[free] = cleared(local[free], shift[free], RADIUS + 0.8 * LID)
        shift[free] += 0.5 * (laplacian @ shift)[free]
    for _ in range(4):  # the shut lid is smooth, also where it meets the nose
        shift += 0.6 * np.minimum(np.abs(angle) / 0.25, 1)[:, None] * free[:, None] * (laplacian @ (vertices + shift))
    shift[free] = cleared(local[free], shift[free], RADIUS + 0.8 * LID)
    return shift


def pushed_out(eye: Eye, vertices: np.ndarray, shift: np.ndarray, chosen: np.ndarray, share: float = 1.0) -> np.ndarray:
    """`shift` [N, 3] changed so that chosen skin near the eye, moved by share * shift, stays off the eyeball."""
    local = vertices - eye.centre
    rest = np.linalg.norm(local, axis=1)
    moved = local + share * shift
    radius = np.linalg.norm(moved, axis=1)
    floor = np.minimum(RADIUS + LID, rest)  # what lies closer at rest may stay there
    low = chosen & (radius < floor) & (rest < 1.6 * RADIUS) & (local[:, 2] > 0)
    result = shift.copy()
    result[low] += (floor[low] / radius[low] - 1)[:, None] * moved[low] / share
    return result


def lid_rim(eye: Eye, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows behind the margin, on the eyeball: at rest [4, L, 3] m and their shift when the eye shuts [4, L, 3]."""
    loop = eye.loop
    local = vertices[loop] - eye.centre
    radius = np.linalg.norm(local, axis=1)
    direction = local / radius[:, None]
    polar = np.arccos(direction[:, 2])
    azimuth = np.arctan2(direction[:, 1], direction[:, 0])
    target, turn = shut_positions(eye, vertices)
    angle = np.concatenate([turn[0], turn[1][-2:0:-1]])
    angle[[0, len(eye.upper) - 1]] = 0
    beside = np.concatenate([target, target[-2:0:-1]]) - eye.centre - _turned(local, angle)  # besides the turn
    beside[[0, len(eye.upper) - 1]] = 0
    rows: list[np.ndarray] = []
    shifts: list[np.ndarray] = []
    for (off, behind), follow in zip(RIM, RIM_FOLLOW):
        p = polar + np.radians(behind)
        stand = RADIUS + np.maximum(off, radius - RADIUS - DROP[len(rows)])[:, None]
        row = stand * np.stack([np.sin(p) * np.cos(azimuth), np.sin(p) * np.sin(azimuth), np.cos(p)], 1)
        rows.append(row + eye.centre)
        share = follow + (1 - follow) * 0.5 * (angle > 0) * (follow > 0.5)  # the lower lid moves as one piece
        shift = _turned(row, angle * share) - row + share[:, None] * beside
        for _ in range(6 + len(shifts)):  # near the corners the turn changes fast, and the rows are narrow
            shift = 0.5 * shift + 0.25 * (np.roll(shift, 1, 0) + np.roll(shift, -1, 0))
        shifts.append(cleared(row, shift, RADIUS + RIM_FLOOR))
    return np.array(rows), np.array(shifts)
