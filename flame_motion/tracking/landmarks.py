"""The landmarks of a face in a picture: their numbers by region, and the protocol of a landmark back end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

POINTS = 478  # 468 on the skin, 5 on each iris
# The two ends of the line between the outer eye corners: the inter-ocular distance of every figure in this project.
OUTER_EYE_CORNERS = (33, 263)
# MediaPipe's landmark numbers by region.
LIPS = [
    0, 11, 12, 13, 14, 15, 16, 17, 37, 38, 39, 40, 41, 42, 61, 62, 72, 73, 74, 76, 77, 78, 80, 81, 82, 84, 85, 86,
    87, 88, 89, 90, 91, 95, 96, 146, 178, 179, 180, 181, 183, 184, 185, 191, 267, 268, 269, 270, 271, 272, 291,
    292, 302, 303, 304, 306, 307, 308, 310, 311, 312, 314, 315, 316, 317, 318, 319, 320, 321, 324, 325, 375, 402,
    403, 404, 405, 407, 408, 409, 415
]  # fmt: skip
INNER_LIPS = [
    78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95
]  # fmt: skip
EYES_OUTLINE = [
    33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246, 263, 249, 390, 373, 374, 380,
    381, 382, 362, 398, 384, 385, 386, 387, 388, 466
]  # fmt: skip
FACE_OUTLINE = [
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149,
    150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109
]  # fmt: skip


@dataclass(frozen=True)
class Face:
    """One face in one picture."""

    points: np.ndarray  # [478, 3] px, y down; z grows away from the camera, in px, zero at the head's centre
    person: int = 0  # in a video: who it is, counted from 0 in the order in which people were followed

    @property
    def size(self) -> float:
        """Side in px of the square that holds the points."""
        return float(np.ptp(self.points[:, :2], axis=0).max())


class LandmarkDetector(Protocol):
    """A landmark back end. A pipeline fits its photo while it tracks a clip: the calls may overlap in two threads."""

    def faces(self, image: np.ndarray, *, small: bool = True) -> list[Face]:
        """All faces of a photo [H, W, 3] uint8, the largest first; small: search longer for small ones if need be."""

    def track(self, frames: Iterable[np.ndarray], fps: float = 25.0) -> Iterator[Face | None]:
        """The face of the person followed in each frame [H, W, 3] uint8, None where it is not seen."""
