"""The skin behind the face: rings swept from the face oval over skull and throat down to the shoulders.

A ring is a closed curve of 72 points. Eight rails cross the rings: the midline over the crown (rail 0), the midline
under the chin (rail 7) and six on each side. Their points below are sculpted by hand, millimetres in the head's axes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

from flamecast.core.mesh_normals import area_weighted_normals

from .anatomy import sculpted
from .facemesh import OVAL
from .mesh import boundary, fair, umbrella

RAIL_LANDMARKS = [0, 3, 6, 8, 11, 14, 16, 18]  # where each rail starts, as a place in OVAL (left half)
RAILS = [
    [(0, 102, 30), (0, 120, -1), (0, 133, -45), (0, 122, -100), (0, 88, -142),
     (0, 40, -152), (0, -5, -140), (0, -45, -117), (0, -84, -112), (0, -116, -121),
     (0, -143, -137), (0, -168, -149), (0, -195, -157), (0, -222, -161)],
    [(50, 87, 9), (52, 105, -18), (55, 113, -54), (54, 101, -100), (49, 69, -131),
     (40, 31, -141), (37, -8, -128), (31, -47, -106), (29, -84, -101), (34, -113, -110),
     (49, -138, -129), (64, -163, -144), (73, -192, -153), (76, -222, -157)],
    [(73, 42, -22), (77, 58, -42), (80, 62, -68), (74, 52, -98), (63, 30, -117),
     (53, 6, -121), (47, -20, -110), (43, -48, -93), (42, -83, -90), (52, -112, -98),
     (82, -135, -113), (115, -156, -121), (133, -187, -121), (137, -222, -118)],
    [(72, 2, -35), (75, 10, -51), (75, 12, -68), (69, 5, -88), (61, -8, -97),
     (55, -20, -97), (52, -34, -92), (50, -50, -85), (51, -86, -78), (63, -115, -83),
     (95, -136, -86), (130, -154, -83), (150, -182, -77), (155, -222, -74)],
    [(64, -48, -20), (63, -42, -35), (61, -41, -50), (58, -46, -60), (55, -53, -65),
     (54, -60, -66), (54.5, -67, -65), (55, -76, -63), (57.5, -97, -60), (62, -123, -60),
     (90, -146, -53), (122, -163, -43), (141, -189, -32), (145, -222, -26)],
    [(39, -83, 11), (40, -86, 0), (41, -89, -10), (42, -92, -19), (43, -96, -23),
     (44, -99, -25), (45, -102, -27), (46, -106, -29), (47, -116, -31), (49, -134, -34),
     (64, -157, -33), (83, -174, -23), (95, -197, -9), (98, -222, 2)],
    [(19, -94, 26), (19, -98, 14), (19, -101, 7), (19, -105, 3), (19, -108, 0),
     (19, -111, -2), (20, -115, -5), (20, -120, -7), (22, -129, -11), (24, -146, -15),
     (31, -167, -15), (40, -182, -7), (48, -202, 6), (51, -222, 16)],
    [(0, -96, 31), (0, -101, 19), (0, -106, 11), (0, -109.5, 7.5), (0, -113, 5),
     (0, -116, 3.5), (0, -119, 1.5), (0, -124, -1), (0, -132, -5), (0, -149, -10),
     (0, -170, -12), (0, -184, -5), (0, -203, 7), (0, -222, 17)],
]  # fmt: skip
# Where the rings lie along the rails; rail point k is at k + 1, the face oval at 0.
STATIONS = [0.45, 0.95, 1.3, 1.77, 2.23, 2.7, 3.1, 3.55, 4.0, 4.45, 4.9, 5.35, 5.8, 6.3, 6.85, 7.4, 8.0]
STATIONS += [8.5, 9.0, 9.5, 10.0, 10.5, 11.0, 11.6, 12.3, 13.1, 14.0]
EAR_ROWS, EAR_COLUMNS = (3, 6), (15, 20)  # the block of rings and columns (left side) that an ear replaces
HAIRLINE, NECKLINE = 8.0, 11.0  # stations where the scalp ends behind, and where the torso begins
HAIR_CORNER = 32  # row + column of the diagonal on which the scalp ends behind an ear


@dataclass(frozen=True)
class Grid:
    """Skin vertices as rings: `index` [R+1, 72] into the mesh (ring 0 is the oval), `station` [R+1]."""

    index: np.ndarray
    station: np.ndarray


def oval_loop(faces: np.ndarray) -> np.ndarray:
    """The face oval of a subdivided face patch, [72], from the forehead's middle down the subject's left side."""
    loop = next(row for row in boundary(faces) if len(row) == 2 * len(OVAL))
    turned = np.roll(loop, -loop.index(OVAL[0]))
    return turned if OVAL[1] in turned[:3] else np.roll(turned[::-1], 1)


def sweep(oval: np.ndarray) -> np.ndarray:
    """Rings [R, 72, 3] m behind the oval [72, 3] m, through the rails, the oval's own detail fading out."""
    places = 2 * np.array(RAIL_LANDMARKS)
    rails = np.concatenate([oval[places][:, None], np.array(RAILS) / 1000], 1)  # [8, 15, 3]
    along = CubicSpline(np.arange(rails.shape[1]), rails, axis=1)
    stations = np.array([0.0, *STATIONS])
    half = along(stations)  # [8, R+1, 3]
    ring = np.concatenate([half, half[-2::-1] * np.array([-1, 1, 1])])  # rail 0 .. 7 .. 0
    knots = np.concatenate([places, 72 - places[-2::-1]])
    rings = CubicSpline(knots, ring, axis=0, bc_type="periodic")(np.arange(72.0)).swapaxes(0, 1)  # [R+1, 72, 3]
    fade = np.clip(1 - stations / 3, 0, 1)[:, None, None] ** 2
    return (rings + fade * (oval - rings[0]))[1:]


def weld(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray, Grid]:
    """Face patch [M, 3] m and its faces, with the rings added: vertices, faces and the grid of the new part."""
    oval = oval_loop(faces)
    rings = sweep(vertices[oval])
    count, index = len(vertices), [oval]
    for k in range(len(rings)):
        index.append(count + 72 * k + np.arange(72))
    grid = Grid(np.array(index), np.array([0.0, *STATIONS]))
    vertices = np.concatenate([vertices, rings.reshape(-1, 3)])
    faces = np.concatenate([faces, quads(grid.index)])
    free = np.zeros(len(vertices), bool)
    free[grid.index[1:3]] = True
    vertices = fair(vertices, umbrella(faces, len(vertices)), free)
    behind = grid.index[1:]
    vertices[behind] = sculpted(vertices[behind], area_weighted_normals(vertices, faces)[behind])
    return vertices, faces, grid


def labels(grid: Grid) -> np.ndarray:
    """Part name of every face of `quads(grid.index)`, [F] str, in its order.

    Borders run along rings, columns and the quads' diagonals: scalp ends behind on a ring, under each ear on a column,
    and in between on a diagonal.
    """
    row, column, half = np.meshgrid(np.arange(len(grid.station) - 1), np.arange(72), np.arange(2), indexing="ij")
    column = np.minimum(column, 71 - column)
    bare = (row + column + half >= HAIR_CORNER) | (column >= EAR_COLUMNS[1]) | (grid.station[row] >= HAIRLINE)
    return np.where(grid.station[row] >= NECKLINE, "torso", np.where(bare, "neck", "scalp")).ravel()


def quads(index: np.ndarray) -> np.ndarray:
    """Triangles of a ring grid [R, C] closed around, outward; diagonals mirror each other about column 0."""
    rows, columns = index.shape
    faces = []
    for r in range(rows - 1):
        for c in range(columns):
            d = (c + 1) % columns
            a, b, e, f = index[r, c], index[r, d], index[r + 1, c], index[r + 1, d]
            faces += [(a, e, b), (b, e, f)] if c < columns // 2 else [(a, f, b), (a, e, f)]
    return np.array(faces, np.int64)[:, ::-1]
