"""Features that any head shows from the front, found by looking: eye openings, the parting of the lips, nose tip.

They are looked for in the same way on the built-in head and on FLAME, so that what is found on both belongs together.
All lengths m.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import ndimage, sparse

from .surface import Mesh, adjacency, ball_of

STEP = 0.00025  # m, side of the cells in which the front view of eyes and mouth is looked at
COLUMNS = 21  # places along each lid and along each lip


@dataclass(frozen=True, eq=False)
class HeadSurface:
    """A head as a surface: its skin and its two eyeballs, each by their faces in the mesh."""

    mesh: Mesh
    skin: np.ndarray  # [K]
    balls: tuple[np.ndarray, np.ndarray]  # of the left and the right eye

    def moved(self, vertices: np.ndarray) -> HeadSurface:
        """The same head with its vertices [N, 3] m elsewhere."""
        return replace(self, mesh=Mesh(vertices, self.mesh.faces))

    @cached_property
    def centres(self) -> list[np.ndarray]:
        """Middle [3] of the left and the right eyeball."""
        return [ball_of(self.mesh.vertices[self.ball_vertices(ball)])[0] for ball in self.balls]

    def ball_vertices(self, ball: np.ndarray) -> np.ndarray:
        """The vertices of an eyeball's faces, ascending."""
        return np.unique(self.mesh.faces[ball])


@dataclass(frozen=True)
class View:
    """A view from the front (along -z) through a window, cell by cell; x grows with columns, y with rows."""

    face: np.ndarray  # [H, W], -1 where there is nothing
    points: np.ndarray  # [H, W, 3] m


def front_view(mesh: Mesh, chosen: np.ndarray, low: np.ndarray, high: np.ndarray) -> View:
    """The chosen faces seen from the front through a window from `low` [2] to `high` [2] m, in cells of STEP."""
    x, y = (np.arange(a, b, STEP) for a, b in zip(low, high))
    depth, face = np.full((len(y), len(x)), -np.inf), np.full((len(y), len(x)), -1)
    corners = mesh.vertices[mesh.faces]
    lowest, highest = corners[..., :2].min(1), corners[..., :2].max(1)
    for f in chosen[((highest[chosen] > low) & (lowest[chosen] < high)).all(1)]:
        (c0, r0), (c1, r1) = (np.ceil((lowest[f] - low) / STEP).astype(int).clip(0),
                              np.floor((highest[f] - low) / STEP).astype(int) + 1)  # fmt: skip
        px, py = x[None, c0:c1], y[r0:r1, None]
        a, b, c = corners[f]
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if abs(area) < 1e-14 or not px.size or not py.size:
            continue
        w2 = ((b[0] - a[0]) * (py - a[1]) - (b[1] - a[1]) * (px - a[0])) / area
        w1 = ((px - a[0]) * (c[1] - a[1]) - (py - a[1]) * (c[0] - a[0])) / area
        z = a[2] + w1 * (b[2] - a[2]) + w2 * (c[2] - a[2])
        window = depth[r0:r1, c0:c1]
        nearer = (w1 >= 0) & (w2 >= 0) & (w1 + w2 <= 1) & (z > window)
        window[nearer] = z[nearer]
        face[r0:r1, c0:c1][nearer] = f
    grid = np.broadcast_arrays(x[None], y[:, None])
    return View(face, np.stack([*grid, depth], -1))


def eye_opening(mesh: Mesh, skin: np.ndarray, ball: np.ndarray) -> np.ndarray:
    """The edge of the lids around the visible part of an eyeball: [2, COLUMNS, 3] m, upper and lower, by growing x.

    skin and ball: face indices. The first and the last column are the corners. Where a corner reaches past the eyeball
    one looks into the head: what skin is seen there (the back of the skull, from inside) is no lid.
    """
    eye = mesh.vertices[np.unique(mesh.faces[ball])]
    low, high = eye[:, :2].min(0) - 0.006, eye[:, :2].max(0) + 0.006
    lids, white = front_view(mesh, skin, low, high), front_view(mesh, ball, low, high)
    behind = eye[:, 2].min() - np.ptp(eye[:, 2]) / 2  # m, half an eyeball farther back than the eyeball
    shown, _ = ndimage.label(np.maximum(white.points[..., 2], behind) > lids.points[..., 2])
    opening = shown == np.bincount(shown[shown > 0]).argmax()
    columns = np.nonzero(opening.any(0))[0]
    rows = np.arange(len(opening))[:, None]
    top = np.where(opening, rows, -1).max(0)[columns] + 1
    bottom = np.where(opening, rows, len(opening)).min(0)[columns] - 1
    return np.stack([_evenly(lids.points[row, columns]) for row in (top, bottom)])


def lip_parting(mesh: Mesh, skin: np.ndarray, mouth: np.ndarray) -> np.ndarray:
    """Where closed lips touch, seen from the front: [2, COLUMNS, 3] m on the upper and the lower lip, by growing x.

    Cells above each other that show skin far apart on the mesh. mouth [K, 3] m: the border of the mouth's opening.
    """
    low = mouth[:, :2].min(0) - [0.008, 0.012]
    high = mouth[:, :2].max(0) + [0.008, 0.012]
    view = front_view(mesh, skin, low, high)
    near = _neighbourhood(mesh.faces, len(mesh.vertices), rings=2)
    upper, lower = view.face[1:], view.face[:-1]
    a, b = mesh.faces[upper][..., 0], mesh.faces[lower][..., 0]
    parted = np.asarray(near[a.ravel(), b.ravel()]).reshape(a.shape) == 0
    parted &= (upper >= 0) & (lower >= 0)
    label, _ = ndimage.label(ndimage.binary_dilation(parted, np.ones((3, 5), bool)))
    line = parted & (label == np.bincount(label[parted]).argmax())
    columns = np.nonzero(line.any(0))[0]
    row = (line * np.arange(len(line))[:, None]).sum(0)[columns] // line.sum(0)[columns]
    return np.stack([_evenly(view.points[r, columns]) for r in (row + 1, row)])


def _neighbourhood(faces: np.ndarray, count: int, rings: int) -> sparse.csr_matrix:
    """Which vertices [N, N] are at most so many edges apart."""
    near = adjacency(faces, count) + sparse.identity(count)
    reach = near
    for _ in range(rings - 1):
        reach = reach @ near
    return reach.tocsr()


def _evenly(row: np.ndarray) -> np.ndarray:
    """COLUMNS points [COLUMNS, 3], evenly spread by x over a row of points [K, 3] sorted by x."""
    return np.stack([np.interp(np.linspace(row[0, 0], row[-1, 0], COLUMNS), row[:, 0], row[:, k]) for k in range(3)], 1)


def nose_tip(head: HeadSurface) -> np.ndarray:
    """The skin's foremost point [3] between the eyes."""
    left, right = head.centres
    points = head.mesh.vertices[np.unique(head.mesh.faces[head.skin])]
    distance = np.linalg.norm(left - right)
    between = np.abs(points[:, 0] - (left + right)[0] / 2) < 0.3 * distance
    below = np.abs(points[:, 1] - (left + right)[1] / 2 + 0.6 * distance) < 0.6 * distance
    chosen = points[between & below]
    return chosen[chosen[:, 2].argmax()]


def crown_and_back(points: np.ndarray, level: float) -> list[np.ndarray]:
    """Crown and back of a skull [K, 3] in its middle plane: how high it is, and how far back above the eyes' level."""
    above = points[points[:, 1] > level]
    low, high = above.min(0), above.max(0)
    middle = (low + high) / 2
    return [np.array([middle[0], high[1], middle[2]]), np.array([middle[0], middle[1], low[2]])]
