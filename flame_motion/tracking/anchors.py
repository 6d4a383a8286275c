"""Points of the head around the face (hair, ears, hats), followed through a video by optical flow.

Face landmarks come from a network that has seen many faces: when a mouth is drawn aside it moves the temples too, and a
fit to landmarks alone takes that for a turn of the head. What the picture itself shows around the face settles it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from .landmarks import Face
from .mediapipe_models import solutions

SIDE = 320  # px: the head's window is followed at this size
WINDOW = 2.4  # side of the window, in sizes of the face
MAX_POINTS, MIN_POINTS = 100, 16  # points of a run at its start; a run with fewer is not begun or ends
MAX_FRAMES = 75  # of a run
CLOSED = 0.6  # px (of SIDE): followed there and back again, a point must come back so near
PATCH = (17, 17)  # px (of SIDE) that are compared around a point
_GUESSED = 4  # cv2.OPTFLOW_USE_INITIAL_FLOW
RETRY = 15  # frames from a start that found too few points to the next try


@dataclass
class Anchors:
    """M points found in frame `key` and where they were in the frames after it."""

    key: int
    start: np.ndarray  # [M, 2] px
    later: list[np.ndarray] = field(default_factory=list)  # [M, 2] px each, NaN where a point was lost


@dataclass
class _Window:
    """A window of the picture, SIDE px wide, that stands still while one run is followed in it."""

    box: tuple[float, float, float]  # left, top, side px
    gray: np.ndarray  # [SIDE, SIDE] uint8, the window in the key frame
    first: np.ndarray  # [M, 1, 2] px in the window, in the key frame
    last: np.ndarray  # the same, in the frame before; NaN where lost

    def crop(self, image: np.ndarray) -> np.ndarray:
        """The window of a frame, gray."""
        import cv2

        return cv2.cvtColor(_crop(image, self.box), cv2.COLOR_RGB2GRAY)

    def to_image(self, points: np.ndarray) -> np.ndarray:
        """Window px [M, 1, 2] as picture px [M, 2]."""
        return (points[:, 0] * self.box[2] / SIDE + self.box[:2]).astype(np.float32)

    def follow(self, gray: np.ndarray) -> np.ndarray:
        """Which points [M] were found again in a frame's window; their places become `last`."""
        import cv2

        guess = np.where(np.isfinite(self.last), self.last, self.first)
        there, found, _ = cv2.calcOpticalFlowPyrLK(self.gray, gray, self.first, guess, winSize=PATCH, flags=_GUESSED)
        back, again, _ = cv2.calcOpticalFlowPyrLK(
            gray, self.gray, there, self.first.copy(), winSize=PATCH, flags=_GUESSED
        )
        near = np.linalg.norm((back - self.first)[:, 0], axis=1) < CLOSED
        good = (found[:, 0] > 0) & (again[:, 0] > 0) & near
        self.last = np.where(good[:, None, None], there, np.float32(np.nan))
        return good


class AnchorTracker:
    """Follows anchors while frames go by; `runs` holds what was found."""

    def __init__(self) -> None:
        self.runs: list[Anchors] = []
        self._frame = -1
        self._wait = 0
        self._window: _Window | None = None

    def feed(self, image: np.ndarray, face: Face | None) -> None:
        """The next frame [H, W, 3] uint8 with its face."""
        self._frame += 1
        self._wait -= 1
        if self._window is not None and (face is None or not self._follow(self._window, image)):
            self._window = None
        if self._window is None and face is not None and self._wait <= 0:
            self._begin(image, face)

    def cut(self) -> None:
        """The next frame shows another picture or person: nothing is followed across."""
        self._window, self._wait = None, 0

    def _begin(self, image: np.ndarray, face: Face) -> None:
        import cv2

        side = WINDOW * face.size
        low, high = face.points[:, :2].min(0), face.points[:, :2].max(0)
        left, top = (low + high) / 2 - [side / 2, side * 0.58]  # more above: there the hair is
        box = float(left), float(top), float(side)
        window = _crop(image, box)
        gray = cv2.cvtColor(window, cv2.COLOR_RGB2GRAY)
        mask = self._around_face(window, (face.points[:, :2] - [left, top]) * SIDE / side)
        points = cv2.goodFeaturesToTrack(gray, MAX_POINTS, 0.01, 5, mask=mask)
        if points is None or len(points) < MIN_POINTS:
            self._wait = RETRY
            return
        self._window = _Window(box, gray, points, points)
        self.runs.append(Anchors(self._frame, self._window.to_image(points)))

    def _follow(self, window: _Window, image: np.ndarray) -> bool:
        """Adds this frame to the run; False when it holds too few of the points, or has lasted long enough."""
        later = self.runs[-1].later
        fewest = max(MIN_POINTS, len(window.first) // 3)
        if len(later) >= MAX_FRAMES or window.follow(window.crop(image)).sum() < fewest:
            return False
        later.append(window.to_image(window.last))
        return True

    def _around_face(self, window: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Where to look for points: on the person, above the mouth, and not on the face, whose skin moves."""
        import cv2

        person = self._segmenter.process(window).segmentation_mask
        mask = ((person > 0.8) * 255).astype(np.uint8)
        mask = cv2.erode(mask, np.ones((5, 5), np.uint8))
        mask[int(points[[61, 291], 1].mean()) :] = 0
        hull = cv2.convexHull(points[:468].astype(np.float32)).round().astype(np.int32)
        cv2.fillConvexPoly(mask, hull, 0)
        reach = np.zeros_like(mask)
        centre, size = points[:468].mean(0), np.ptp(points[:468], 0)
        axes = (int(size[0] * 0.72), int(size[1] * 0.85))
        cv2.ellipse(reach, (int(centre[0]), int(centre[1] - 0.15 * size[1])), axes, 0, 0, 360, 255, -1)
        return mask & reach

    @cached_property
    def _segmenter(self) -> Any:
        return solutions().selfie_segmentation.SelfieSegmentation(model_selection=0)


def _crop(image: np.ndarray, box: tuple[float, float, float]) -> np.ndarray:
    """A square [left, top, side] px of a picture, SIDE px wide; beyond the picture its edge goes on."""
    import cv2

    scale = SIDE / box[2]
    matrix = np.array([[scale, 0, -box[0] * scale], [0, scale, -box[1] * scale]])
    return cv2.warpAffine(image, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
