"""Detail that 468 landmarks are too few for: creases and ridges pressed into the refined face along its normals."""

from __future__ import annotations

import numpy as np

from flamecast.core.mesh_normals import area_weighted_normals

from .eyes import lids_off
from .facemesh import COUNT, mirrored
from .mesh import boundary, fair, umbrella
from .mouth import lip_loop

# Rows of landmarks on the subject's right half (or across the middle), the height in mm along the normal, and the
# standard distance in mm over which it dies away.
STROKES: list[tuple[list[int], float, float]] = [
    ([164, 0], -0.7, 1.7),  # philtrum
    ([97, 167, 37], 0.45, 1.5),  # its columns
    ([61, 185, 40, 39, 37, 0], 0.40, 0.9),  # border of the red, upper and lower
    ([61, 146, 91, 181, 84, 17], 0.25, 0.9),
    ([184, 74, 73, 72, 11], 0.25, 1.6),  # volume of the lips
    ([77, 90, 180, 85, 16], 0.35, 2.0),
    ([247, 30, 29, 27, 28, 56], -1.1, 1.1),  # fold of the upper lid
    ([225, 224, 223, 222], 0.7, 2.2),  # the skin that hangs over it
    ([98, 129, 102, 49, 131], -0.8, 1.3),  # groove around the wing of the nose
    ([240, 64, 48, 115], 0.7, 1.5),  # the wing
    ([18, 83], -0.5, 2.5),  # under the lower lip
]
LIP_GAP = np.array([0, 0.0001, 0])  # m, from the line where the lips meet
FIRM = 0.35  # share of it that the landmarks themselves take: they are measured


def sculpted(vertices: np.ndarray, faces: np.ndarray, twin: np.ndarray) -> np.ndarray:
    """The refined face [M, 3] m (landmarks first, faces [F, 3]) with every stroke on both halves."""
    height = np.zeros(len(vertices))
    for row, up, width in STROKES:
        near = _distance(vertices, vertices[row])
        near = np.minimum(near, _distance(vertices, vertices[mirrored(row, twin)]))
        height += up * np.exp(-0.5 * (near / width * 1000) ** 2)
    height[:COUNT] *= FIRM
    raised = vertices + height[:, None] / 1000 * area_weighted_normals(vertices, faces)
    return lids_off(_lips_shut(raised, faces), twin)


def _lips_shut(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """The inner lips [40] meet along their whole length: between landmarks subdivision lets them cross.

    The points between landmarks nearby follow.
    """
    loop = lip_loop(boundary(faces))
    half, shift = len(loop) // 2, np.zeros_like(vertices)
    upper, lower = loop[1:half], loop[:half:-1]
    middle = 0.5 * (vertices[upper] + vertices[lower])
    shift[upper], shift[lower] = middle + LIP_GAP - vertices[upper], middle - LIP_GAP - vertices[lower]
    near = np.linalg.norm(vertices[:, None] - vertices[loop], axis=-1).min(1) < 0.004
    near[:COUNT], near[loop] = False, False
    return vertices + fair(shift, umbrella(faces, len(vertices), vertices), near, order=1)


def _distance(points: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Distance [N] m of points to a chain of straight pieces [K, 3]."""
    best = np.full(len(points), np.inf)
    for a, b in zip(line, line[1:]):
        share = np.clip((points - a) @ (b - a) / ((b - a) ** 2).sum(), 0, 1)
        best = np.minimum(best, np.linalg.norm(points - a - share[:, None] * (b - a), axis=1))
    return best
