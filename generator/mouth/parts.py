"""Which parts of the head a crop shows: rows of teeth, what is behind them, lips."""

from __future__ import annotations

import numpy as np

from ...flame_motion.heads.head import PARTS
from .crop import HEIGHT, WIDTH, cut, window_of

PLANES = (("teeth_upper",), ("teeth_lower",), ("tongue", "mouth"), ("lips",))
OPENING = 3  # the first planes: what is seen between the lips


def parts_in_crop(
    seen: np.ndarray, part: np.ndarray, top: int, left: int, crop_from_picture: np.ndarray, margin: int = 0
) -> np.ndarray:
    """How much each pixel of a crop shows of each of PLANES, [HEIGHT + 2 margin, WIDTH + 2 margin, 4] uint8.

    seen [2 h, 2 w] int32: the triangle that each quarter of a picture's pixel shows, of a window from (top, left) on,
    -1 where there is none; part [F] uint8: which part of `PARTS` each triangle is of.
    """
    halves = crop_from_picture.copy()  # from half pixels of the window
    halves[:, 2] += halves[:, :2] @ [left, top]
    halves[:, :2] /= 2
    placed = halves + np.array([[0, 0, margin], [0, 0, margin]])
    x0, y0, x1, y1 = window_of(placed, seen.shape, HEIGHT + 2 * margin, WIDTH + 2 * margin)
    if x1 <= x0 or y1 <= y0:
        return np.zeros((HEIGHT + 2 * margin, WIDTH + 2 * margin, len(PLANES)), np.uint8)
    table = np.zeros((len(PARTS), len(PLANES)), np.uint8)
    for plane, names in enumerate(PLANES):
        table[[PARTS.index(name) for name in names], plane] = 255
    of_triangle = np.concatenate([table[part], np.zeros((1, len(PLANES)), np.uint8)])  # the last row: no triangle
    halves[:, 2] += halves[:, :2] @ [x0, y0]
    return cut(of_triangle[seen[y0:y1, x0:x1]], halves, margin, continued=False)
