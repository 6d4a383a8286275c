"""The atlas: for each direction around a head, the outermost surface there: how far out, and of what color.

A ray starts at the middle of the head for directions above it, and on the vertical axis below, where the rays are
level: half a sphere upon a cylinder. Rows run from the crown down, columns around the head from its back by its right
side (the subject's), the face and its left side to its back again, so that a column's neighbour may be the first one.

Space of the atlas: metres, +x the subject's left, +y up, +z out of the face, the origin midway between the eyeballs.
Letters: H x W rows and columns, N vertices, F triangles.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

CENTER = np.array([0.0, 0.02, -0.085])  # m: where the rays of the half sphere start
BOTTOM = -0.28  # m: the height of the last row
ROWS, COLUMNS = 144, 192
CAP_ROWS = 56  # rows of the half sphere
FARTHEST = 0.25  # m: nothing farther out is looked for


def rays(scale: float = 1) -> tuple[np.ndarray, np.ndarray]:
    """Where the rays start and their unit directions, both [H, W, 3]; `scale` times as many a side."""
    height, direction_up, longitude = heights(scale), latitudes(scale), longitudes(scale)
    start = np.zeros((len(height), len(longitude), 3))
    start[:] = CENTER
    start[..., 1] = height[:, None]
    level = np.cos(direction_up)[:, None]
    up = np.broadcast_to(np.sin(direction_up)[:, None], start.shape[:2])
    return start, np.stack([level * np.sin(longitude), up, level * np.cos(longitude)], -1)


def longitudes(scale: float = 1) -> np.ndarray:
    """The direction of each column [W], rad: 0 is the face, positive the subject's left."""
    return ((np.arange(round(COLUMNS * scale)) + 0.5) / round(COLUMNS * scale) - 0.5) * 2 * np.pi


def latitudes(scale: float = 1) -> np.ndarray:
    """How far the rays of each row point up [H], rad; 0 on the cylinder."""
    row = (np.arange(round(ROWS * scale)) + 0.5) / scale
    return np.where(row < CAP_ROWS, np.pi / 2 * (1 - row / CAP_ROWS), 0.0)


def heights(scale: float = 1) -> np.ndarray:
    """Where on the axis the rays of each row start [H], m."""
    row = (np.arange(round(ROWS * scale)) + 0.5) / scale
    return np.where(row < CAP_ROWS, CENTER[1], CENTER[1] - (row - CAP_ROWS) * row_height())


def row_height() -> float:
    """How tall a row of the cylinder is, m."""
    return (CENTER[1] - BOTTOM) / (ROWS - CAP_ROWS)


def surface_points(radius: np.ndarray) -> np.ndarray:
    """Points [H, W, 3] m at these distances [H, W] m along the rays; of the atlas's size or a multiple of it."""
    start, direction = _rays_of(radius.shape[0] / ROWS)
    return start + direction * radius[..., None]


@lru_cache(maxsize=4)
def _rays_of(scale: float) -> tuple[np.ndarray, np.ndarray]:
    return rays(scale)


def directions_of(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row and column [...], with fractions, of the directions in which points [..., 3] m lie."""
    offset = points - CENTER
    level = np.hypot(offset[..., 0], offset[..., 2])
    up = np.arctan2(offset[..., 1], level)
    row = np.where(offset[..., 1] > 0, CAP_ROWS * (1 - up / (np.pi / 2)), CAP_ROWS - offset[..., 1] / row_height())
    return row, (np.arctan2(offset[..., 0], offset[..., 2]) / (2 * np.pi) + 0.5) * COLUMNS


def surface_normals(radius: np.ndarray) -> np.ndarray:
    """Unit normals [H, W, 3] of the surface at these distances [H, W] m, pointing outwards."""
    points = surface_points(radius)
    along = np.roll(points, -1, 1) - np.roll(points, 1, 1)
    down = np.gradient(points, axis=0)
    normal = np.cross(down, along)
    return normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)


@lru_cache(maxsize=2)
def grid_faces(scale: float = 1) -> np.ndarray:
    """Triangles [F, 3] that join the atlas's points, seen from outside anticlockwise; the top is closed by the point
    that follows the H * W others."""
    rows, columns = round(ROWS * scale), round(COLUMNS * scale)
    i, j = (x.ravel() for x in np.mgrid[0 : rows - 1, 0:columns])
    at = lambda row, column: row * columns + column % columns  # noqa: E731
    a, b, c, d = at(i, j), at(i, j + 1), at(i + 1, j), at(i + 1, j + 1)
    first = np.arange(columns)
    cap = np.stack([np.full(columns, rows * columns), at(0, first), at(0, first + 1)], -1)
    return np.concatenate([np.stack([a, c, b], -1), np.stack([b, c, d], -1), cap]).astype(np.int32)


def grid_mesh(radius: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The surface as vertices [H W + 1, 3] m and the triangles [F, 3] of which all corners are `there` [H, W]."""
    points = surface_points(radius).reshape(-1, 3)
    top = CENTER + [0, float(radius[0][there[0]].mean()) if there[0].any() else 0.0, 0]
    faces = grid_faces(radius.shape[0] / ROWS)
    known = np.append(there.ravel(), there[0].any())
    return np.concatenate([points, top[None]]), np.ascontiguousarray(faces[known[faces].all(1)])


def outermost(
    vertices: np.ndarray, faces: np.ndarray, scale: float = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """What each ray meets last of a mesh: distance [H, W] m (0: nothing), triangle (-1), and the weights [H, W, 2] of
    its second and third corner. vertices [N, 3] m in the space of the atlas, faces [F, 3]."""
    from .atlas_kernel import cast

    start, direction = _rays_of(scale)
    shape = start.shape[:2]
    distance, triangle = np.zeros(shape), np.full(shape, -1, np.int64)
    weights = np.zeros((*shape, 2))
    cast(
        np.ascontiguousarray(vertices, np.float64), np.ascontiguousarray(faces, np.int64), start, direction,
        CAP_ROWS * float(scale), row_height() / scale, CENTER, distance, triangle, weights,
    )  # fmt: skip
    return distance, triangle, weights


def around(picture: np.ndarray, columns: int) -> np.ndarray:
    """An atlas [H, W, ...] with `columns` of its other end on either side."""
    return np.concatenate([picture[:, -columns:], picture, picture[:, :columns]], 1)


def blurred(picture: np.ndarray, sigma: float) -> np.ndarray:
    """An atlas [H, W, ...] blurred by a Gaussian, around the back too."""
    import cv2

    edge = int(4 * sigma) + 1
    wide = cv2.GaussianBlur(around(picture, edge), (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return wide[:, edge:-edge]


def carried(values: np.ndarray, weight: np.ndarray, reaches: tuple[float, ...], start: np.ndarray) -> np.ndarray:
    """Values [H, W, C] that are known by weights [H, W] 0..1, carried on to where they are not.

    reaches: texels over which, from the farthest to the nearest; start [H, W, C]: what there is beyond all of them.
    """
    out, weight = start.copy(), weight.astype(np.float32)
    known = values * weight[..., None]
    for reach in reaches:
        near = blurred(weight, reach)[..., None]
        mean = blurred(known, reach) / np.maximum(near, 1e-4)
        out += np.clip(4 * near, 0, 1) * (mean - out)
    return out
