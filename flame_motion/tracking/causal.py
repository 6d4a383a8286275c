"""A face tracked as its frames come: a fixed cost a frame, without look-ahead."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ...core.threads import one_torch_thread
from ..heads.head import Head
from ..retargeting.rest import rest_of
from ..rotations import axis_angle_from_matrix, matrix_from_axis_angle
from ..sequence import FlameSequence
from .landmark_fit import LandmarkFit, observe
from .landmarks import Face, LandmarkDetector
from .one_euro import OneEuro
from .pinhole import Pinhole
from .solution import gaze_divergence, landmark_error, to_motion
from .solve import fit_frames, fit_identity, initial
from .track import IDENTITY_FRAMES
from .unknowns import Unknowns

CALIBRATION = 1.0  # s of a face that its identity and its rest are taken from
MIN_FRAMES = 8  # of a calibration, however slowly they come
ITERATIONS = 2  # of each frame's fit, which starts where the frame before ended
# Of the head's turns (per rad/s) and place (per m/s). On four clips they take .4 of the shimmer of a head that is held
# still, and leave landmarks .70 to 1.26 times as far off as tracking with look-ahead; a third of the rise takes .65 and
# leaves 1.7 on a head that shakes.
TURN, PLACE = (1.5, 100.0), (1.5, 1500.0)
STEPS = (1 / 120, 0.5)  # s between two frames, as far as the prior on change believes it


@dataclass(frozen=True)
class Followed:
    """The result of one frame."""

    motion: FlameSequence | None  # one frame, on the head that is tracked; None before any face was seen
    found: bool  # a face was seen; otherwise the motion is that of the last frame which showed one
    rest: FlameSequence | None  # one frame: the driver's rest, once it is calibrated


@dataclass(frozen=True)
class _Calibration:
    """What is known of the person followed."""

    shape: Tensor  # [S]
    origin: Tensor  # [3] m, the place that translations are counted from
    divergence: Tensor  # [2] rad, see `gaze_divergence`
    rest: FlameSequence | None
    last: Unknowns  # the last frame that this was learned from, which the next one's fit starts at


class CausalTracker:
    """One face, frame by frame: `tracker.feed(image, at)`. Of two people one is followed, as in a video.

    A frame is fitted by the frames before it alone, so its only delay is the computation. The identity is that of the
    first frame at first, and that of the first second (`CALIBRATION`) once it has passed, whose typical frame is the
    driver's rest; `calibrate` measures both anew.
    """

    def __init__(
        self, head: Head, detector: LandmarkDetector, *, fps: float = 25.0, in_background: bool = False
    ) -> None:
        """fps: about how often frames come; in_background: calibrate in a thread while
        frames go on, for live use."""
        self.head, self._problem, self._fps = head, LandmarkFit(head, thin=True), fps
        self._image = np.empty((0, 0, 3), np.uint8)
        self._faces = detector.track(self._images(), fps)
        self._pool = ThreadPoolExecutor(1, "calibrate") if in_background else None
        self._known: _Calibration | None = None
        self._next: Future[_Calibration] | None = None
        self._before: Unknowns | None = None
        self._last: FlameSequence | None = None
        self._fit: tuple[Unknowns, np.ndarray, Pinhole] | None = None  # of the last frame, as returned
        self._turn, self._place = OneEuro(*TURN), OneEuro(*PLACE)
        self._who, self._at = -1, 0.0
        self._collected: list[np.ndarray] | None = []  # [478, 3] px each; None when no calibration goes on
        self._since: float | None = None  # s, the first of them

    @property
    def calibrated(self) -> bool:
        """Whether the driver's rest is known, and none newer is being looked for."""
        looking = self._collected is not None or self._next is not None
        return self._known is not None and self._known.rest is not None and not looking

    def calibrate(self) -> None:
        """Measure identity and rest anew in the next second of frames; until then the old ones hold."""
        self._collected, self._since = [], None

    def close(self) -> None:
        """Ends the thread of calibrations."""
        if self._pool is not None:
            self._pool.shutdown()

    @one_torch_thread()
    def feed(self, image: np.ndarray, at: float) -> Followed:
        """The next frame [H, W, 3] uint8 RGB, seen `at` s on any clock that goes forward."""
        if image.shape != self._image.shape:
            self._forget()
        self._image = image
        face = next(self._faces)
        if face is None:
            self._fit = None
            return Followed(self._last, False, None if self._known is None else self._known.rest)
        if face.person != self._who:
            self._forget()
            self._who = face.person
        camera = Pinhole.guess(image.shape[1], image.shape[0])
        points = face.points[None]
        data = observe(self._problem, points, camera)
        if self._known is None:
            shape, state = fit_identity(self._problem, data, initial(self._problem, data, points))
            self._know(_Calibration(shape, state.translation[0], gaze_divergence(state.eyes), None, state))
        self._take_calibration(face, at, camera)
        known, step = self._known, min(max(at - self._at, STEPS[0]), STEPS[1])
        assert known is not None and self._before is not None
        self._before = fit_frames(
            self._problem, known.shape, data, self._before, 1 / step, self._before, iterations=ITERATIONS
        )
        self._at = at
        turn = matrix_from_axis_angle(self._turn(axis_angle_from_matrix(self._before.neck), step))
        steady = replace(self._before, neck=turn, translation=self._place(self._before.translation, step))
        self._last = to_motion(steady, known.shape, self._fps, self.head, known.origin, known.divergence)
        self._fit = steady, points, camera
        return Followed(self._last, True, known.rest)

    @one_torch_thread()
    def error(self) -> float:
        """Of the last frame, mean landmark distance in % of the inter-ocular distance; NaN without a face."""
        if self._fit is None or self._known is None:
            return float("nan")
        steady, points, camera = self._fit
        return float(landmark_error(self._problem, self._known.shape, steady, points, camera)[0])

    def _images(self) -> Iterator[np.ndarray]:
        """What the detector iterates over: each time the frame that was fed last."""
        while True:
            yield self._image

    def _forget(self) -> None:
        """Drop all that is known: another person or another picture."""
        self._known = self._before = self._next = None
        self.calibrate()

    def _know(self, person: _Calibration) -> None:
        """Count motion from this place from now on; the filters begin anew, as that is a jump."""
        self._before = person.last
        self._known, self._turn, self._place = person, OneEuro(*TURN), OneEuro(*PLACE)

    def _take_calibration(self, face: Face, at: float, camera: Pinhole) -> None:
        """Collects a frame, begins a calibration when they are enough, takes over one that has ended."""
        if self._collected is not None:
            self._since = at if self._since is None else self._since
            self._collected.append(face.points)
            if at - self._since >= CALIBRATION and len(self._collected) >= MIN_FRAMES:
                points, self._collected = np.stack(self._collected), None
                if self._pool is None:
                    self._know(self._calibration(points, camera))
                else:
                    self._next = self._pool.submit(self._calibration, points, camera)
        if self._next is not None and self._next.done():
            self._know(self._next.result())
            self._next = None

    @one_torch_thread()
    def _calibration(self, points: np.ndarray, camera: Pinhole) -> _Calibration:
        """A person by a second of frames [T, 478, 3] px."""
        chosen = points[np.linspace(0, len(points) - 1, min(len(points), IDENTITY_FRAMES)).round().astype(int)]
        data = observe(self._problem, chosen, camera)
        shape, state = fit_identity(self._problem, data, initial(self._problem, data, chosen))
        state = fit_frames(self._problem, shape, data, state, self._fps)
        origin, divergence = state.translation.median(0).values, gaze_divergence(state.eyes)
        rest = rest_of(to_motion(state, shape, self._fps, self.head, origin, divergence))
        return _Calibration(shape, origin, divergence, replace(rest, translation=torch.zeros(1, 3)), state[-1:])
