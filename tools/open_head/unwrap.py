"""Texture coordinates: the skin as one face-centred disc, everything else in squares along the bottom edge.

u -> 1 - u maps the left half of the head onto the right half. Origin bottom left.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse import linalg

from .loft import Grid
from .mesh import boundary

CENTRE = np.array([0.5, 0.575])
FACE, OUTER = np.array([0.27, 0.29]), np.array([0.49, 0.42])  # half axes of the face oval and of the neck's edge
SLOT = 0.125  # side of a square
SLOTS = {
    "ear_right": 0,
    "eye_right": 1,
    "teeth_upper": 2,
    "mouth": 3,
    "tongue": 4,
    "teeth_lower": 5,
    "eye_left": 6,
    "ear_left": 7,
}


def face_disc(vertices: np.ndarray, faces: np.ndarray, oval: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """uv [M, 2] of the face patch: oval on an ellipse, inside by mean-value weights (Floater 2003: no overlap)."""
    count = len(vertices)
    points = np.concatenate([vertices, [vertices[loop].mean(0) for loop in boundary(faces) if len(loop) != len(oval)]])
    fans = [
        (b, a, count + k)
        for k, loop in enumerate([row for row in boundary(faces) if len(row) != len(oval)])
        for a, b in zip(loop, np.roll(loop, -1))
    ]
    closed = np.concatenate([faces, np.array(fans, np.int64)])
    rows, columns, weights = [], [], []
    for k in range(3):
        i, j, m = closed[:, k], closed[:, k - 2], closed[:, k - 1]
        to_j, to_m = points[j] - points[i], points[m] - points[i]
        length_j, length_m = np.linalg.norm(to_j, axis=1), np.linalg.norm(to_m, axis=1)
        half = np.tan(0.5 * np.arccos(np.clip((to_j * to_m).sum(1) / (length_j * length_m), -1, 1)))
        rows += [i, i]
        columns += [j, m]
        weights += [half / length_j, half / length_m]
    matrix = sparse.csr_matrix((np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))))
    matrix = (sparse.diags(1 / np.asarray(matrix.sum(1)).ravel()) @ matrix).tocsr()
    uv = np.zeros((len(points), 2))
    uv[oval] = ellipse(angle, FACE)
    inside = np.setdiff1d(np.arange(len(points)), oval)
    system = (sparse.identity(len(points)) - matrix).tocsr()[inside]
    uv[inside] = linalg.spsolve(system[:, inside].tocsc(), -(system[:, oval] @ uv[oval]))
    return uv[:count]


def ellipse(angle: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Points of an ellipse round CENTRE; angle 0 = top, growing towards the subject's left (larger u)."""
    return CENTRE + half * np.stack([np.sin(angle), np.cos(angle)], -1)


def oval_angles(oval: np.ndarray) -> np.ndarray:
    """Where the oval's points [72, 3] m stand on the ellipse, by their share of its length, mirrored, [72] rad."""
    step = np.linalg.norm(np.roll(oval, -1, 0) - oval, axis=1)
    share = np.concatenate([[0], np.cumsum(step)]) / step.sum()
    share = 0.5 * (share[:72] + 1 - share[72:0:-1])
    return 2 * np.pi * share


def rings(grid: Grid, angle: np.ndarray) -> np.ndarray:
    """uv [R+1, 72, 2] of the ring grid, from the face oval out to the neck's edge."""
    share = ((grid.station / grid.station[-1]) ** 0.8)[:, None, None]
    return (1 - share) * ellipse(angle, FACE) + share * ellipse(angle, OUTER)


def in_slot(name: str, unit: np.ndarray) -> np.ndarray:
    """Points of the unit square moved into a named square."""
    left = SLOTS[name] * SLOT
    return np.array([left, 0.0]) + SLOT * (0.04 + 0.92 * unit)


def polar(rows: int, columns: int, start: float = 1.0) -> np.ndarray:
    """Concentric rings in the unit square, outermost first, then the centre: [rows * columns + 1, 2]."""
    turn = 2 * np.pi * np.arange(columns) / columns
    circle = np.stack([np.cos(turn), np.sin(turn)], 1)
    radius = start * (1 - np.arange(rows) / rows)
    points = 0.5 + 0.5 * radius[:, None, None] * circle
    return np.concatenate([points.reshape(-1, 2), [[0.5, 0.5]]])
