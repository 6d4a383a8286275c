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

SIDE = 320  # px: the head's window is followed at this size
WINDOW = 2.4  # side of the window, in sizes of the face
MOST, FEWEST = 100, 16  # points started with; points without which they are not worth following
LONGEST = 75  # frames from one start
CLOSED = 0.6  # px (of SIDE): followed there and back again, a point must come back so near
RETRY = 15  # frames until a start that found too few points is tried again


@dataclass
class Anchors:
    """M points found in frame `key` and where they were in the frames after it."""

    key: int
    start: np.ndarray  # [M, 2] px
    later: list[np.ndarray] = field(default_factory=list)  # [M, 2] px each, NaN where a point was lost


class AnchorTracker:
    """Follows anchors while frames go by; `runs` holds what was found."""

    def __init__(self) -> None:
        self.runs: list[Anchors] = []
        self._frame = -1
        self._wait = 0
        self._box: tuple[float, float, float] | None = None  # left, top, side px of the window being followed in
        self._gray: np.ndarray | None = None  # of the key frame
        self._last: np.ndarray | None = None  # [M, 2] px in the window, in the frame before

    def feed(self, image: np.ndarray, face: Face | None) -> None:
        """The next frame [H, W, 3] uint8 with its face."""
        self._frame += 1
        self._wait -= 1
        if face is None:
            self._box = None
            return
        if self._box is not None and self._follow(image):
            return
        self._box = None
        if self._wait <= 0:
            self._begin(image, face)

    def _begin(self, image: np.ndarray, face: Face) -> None:
        import cv2

        side = WINDOW * face.size
        low, high = face.points[:, :2].min(0), face.points[:, :2].max(0)
        left, top = (low + high) / 2 - [side / 2, side * 0.58]  # more above: there the hair is
        box = float(left), float(top), float(side)
        window = self._crop(image, box)
        gray = cv2.cvtColor(window, cv2.COLOR_RGB2GRAY)
        mask = self._around_face(window, (face.points[:, :2] - [left, top]) * SIDE / side)
        points = cv2.goodFeaturesToTrack(gray, MOST, 0.01, 5, mask=mask)
        if points is None or len(points) < FEWEST:
            self._wait = RETRY
            return
        self._box, self._gray, self._last = box, gray, points.astype(np.float32)
        self.runs.append(Anchors(self._frame, self._to_image(points[:, 0])))

    def _follow(self, image: np.ndarray) -> bool:
        """Adds this frame to the run; False when it holds too few of the points."""
        import cv2

        run = self.runs[-1]
        gray = cv2.cvtColor(self._crop(image, self._box), cv2.COLOR_RGB2GRAY)  # type: ignore[arg-type]
        first = ((run.start - self._box[:2]) * SIDE / self._box[2]).astype(np.float32)[:, None]  # type: ignore[index]
        lost = ~np.isfinite(self._last)  # type: ignore[arg-type]
        guess = np.where(lost, first, self._last).astype(np.float32)
        options = {"winSize": (17, 17), "maxLevel": 3, "flags": cv2.OPTFLOW_USE_INITIAL_FLOW}
        there, found, _ = cv2.calcOpticalFlowPyrLK(self._gray, gray, first, guess.copy(), **options)
        back, again, _ = cv2.calcOpticalFlowPyrLK(gray, self._gray, there, first.copy(), **options)
        good = (found[:, 0] > 0) & (again[:, 0] > 0) & (np.linalg.norm((back - first)[:, 0], axis=1) < CLOSED)
        if good.sum() < max(FEWEST, len(first) // 3) or len(run.later) >= LONGEST:
            return False
        self._last = np.where(good[:, None, None], there, np.nan)
        run.later.append(self._to_image(self._last[:, 0]))
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
        import mediapipe

        return mediapipe.solutions.selfie_segmentation.SelfieSegmentation(model_selection=0)

    def _crop(self, image: np.ndarray, box: tuple[float, float, float]) -> np.ndarray:
        import cv2

        scale = SIDE / box[2]
        matrix = np.array([[scale, 0, -box[0] * scale], [0, scale, -box[1] * scale]])
        return cv2.warpAffine(image, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def _to_image(self, points: np.ndarray) -> np.ndarray:
        return (points * self._box[2] / SIDE + self._box[:2]).astype(np.float32)  # type: ignore[index]
