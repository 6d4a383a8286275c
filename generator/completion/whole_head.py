"""A head's surface all around, as a portrait keeps it."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from ...core.errors import BadInput
from .atlas import COLUMNS, ROWS

FINE = 2  # times the atlas's side that colors are kept at


@dataclass(frozen=True, eq=False)
class WholeHead:
    """h x w = FINE times ROWS x COLUMNS directions. Shares are 0..255."""

    radius: np.ndarray  # [h, w] float32 m
    there: np.ndarray  # [h, w] bool, whether there is a surface
    color: np.ndarray  # [h, w, 3] uint8 sRGB
    hair: np.ndarray  # [h, w] uint8, how much of it is hair
    shown: np.ndarray  # [h, w] uint8, how much of it is the photo's own pixels
    fitted: np.ndarray  # [ROWS, COLUMNS] float32 m, the distance of the fitted head

    def __post_init__(self) -> None:
        fine = FINE * ROWS, FINE * COLUMNS
        shapes = {"color": (*fine, 3), "fitted": (ROWS, COLUMNS)}
        dtypes = {"radius": np.float32, "fitted": np.float32, "there": np.bool_}
        for name in (f.name for f in fields(self)):
            array, shape, dtype = getattr(self, name), shapes.get(name, fine), np.dtype(dtypes.get(name, np.uint8))
            if array.shape != shape or array.dtype != dtype:
                raise BadInput(
                    f"whole head's {name} must be {dtype} {list(shape)}, got {array.dtype} {list(array.shape)}"
                )
            if not ((array >= 0) & (array <= 255)).all():
                raise BadInput(f"whole head's {name} must be finite and not negative")
