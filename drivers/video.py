"""The video driver: the face in a video, as a FlameSequence."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from itertools import tee
from typing import Any, Literal

import numpy as np
import torch

from ..core.parallel import read_ahead
from ..core.threads import one_torch_thread
from ..flame_motion import Driven, FlameSequence, Progress, VideoClip, load_head
from ..flame_motion.tracking.anchors import AnchorTracker
from ..flame_motion.tracking.causal import CausalTracker
from ..flame_motion.tracking.confidence import confidences, face_patch
from ..flame_motion.tracking.detector import MediaPipeDetector
from ..flame_motion.tracking.landmarks import POINTS, Face, LandmarkDetector
from ..flame_motion.tracking.shots import CutDetector, Shot, shot_notes, shots_of
from ..flame_motion.tracking.track import Detections, Tracking, track_landmarks

MAX_PENDING = 8  # frames that detection may be ahead of their analysis; bounds the memory


class VideoDriver:
    """Tracks one face through a clip of any length; every frame of the clip gives one frame of motion."""

    def __init__(
        self,
        head: str = "open",
        focal: float | Literal["estimate"] | None = None,
        detector: LandmarkDetector | None = None,
    ) -> None:
        """head: name or file. focal: of the clip's camera in px, guessed when None. detector: MediaPipe when None."""
        self.head = load_head(head)
        self.focal = focal
        self._detector = detector

    open = staticmethod(VideoClip.open)  # the signal that `--signal TEXT` stands for

    @cached_property
    def detector(self) -> LandmarkDetector:
        """The landmark back end, made at first use."""
        return MediaPipeDetector() if self._detector is None else self._detector

    def to(self, device: torch.device | str) -> VideoDriver:
        """Moves a landmark back end that can be moved. Returns self; MediaPipe and the fit run on the CPU."""
        if self._detector is not None and hasattr(self._detector, "to"):
            self._detector.to(device)
        return self

    def __call__(self, signal: VideoClip, *, seed: int = 0, progress: Progress | None = None) -> Driven:
        """The clip's motion, its sound, and the frames without a face. Raises BadInput when no frame shows one.

        Nothing is random: `seed` is what every driver takes.
        """
        tracking = self.track(signal, progress)
        facts = {
            "frames": len(tracking.motion),
            "frames_without_face": int((~tracking.found).sum()),
            "confidence": [round(c, 2) for c in tracking.confidence.tolist()],  # of each frame, 0..1
        }
        sound = signal.audio if signal.path is None else signal.path
        problems = list(dict.fromkeys([*signal.problems, *tracking.problems]))
        return Driven(tracking.motion, facts, sound, problems, _frame_problems(tracking), recorded=True)

    def stream(self, frames: Iterable[np.ndarray], fps: float = 25.0) -> Iterator[FlameSequence]:
        """One frame of motion for each of `frames` [H, W, 3] uint8 as it comes, at a fixed cost and without look-ahead.

        The translation is relative to the first face, and to the calibrated one after `CausalTracker`'s calibration.
        Before a face is seen, the neutral one.
        """
        tracker = CausalTracker(self.head, self.detector, fps=fps)
        for number, image in enumerate(frames):
            motion = tracker.feed(image, number / fps).motion
            yield FlameSequence.neutral(1, fps, self.head) if motion is None else motion

    @one_torch_thread()
    def track(self, clip: VideoClip, progress: Progress | None = None) -> Tracking:
        """The clip's motion with what is known of each frame. Raises BadInput when no frame shows a face."""
        report = progress or (lambda stage, done, of: None)
        record = _ClipRecord()
        frames, detected = tee(read_ahead(clip))  # one is never more than a frame ahead of the other
        pending: deque[Future[None]] = deque()
        with ThreadPoolExecutor(1, "analysis") as pool:  # beside the detector, on another core
            for done, (image, face) in enumerate(zip(frames, self.detector.track(detected, clip.fps)), 1):
                pending.append(pool.submit(record.feed, image, face))
                if len(pending) > MAX_PENDING:
                    pending.popleft().result()
                report("detect", done, clip.expected_frames or 0)
            for future in pending:
                future.result()
        height, width = image.shape[:2]
        points = np.stack(record.points)
        shots = shots_of(points, np.array(record.people), record.cuts)
        trust = _confidence(np.stack(record.patches), points, shots)
        found = Detections(points, width, height, clip.fps, record.anchors.runs, trust, shots)
        tracking = track_landmarks(found, self.head, self.focal, lambda n, of: report("fit", n, of))
        notes = shot_notes(shots, record.cuts, clip.fps)
        return replace(tracking, problems=[*tracking.problems, *notes])


class _ClipRecord:
    """What tracking needs of each frame, collected while the clip is read once."""

    def __init__(self) -> None:
        self.points: list[np.ndarray] = []  # [478, 3] px each, NaN without a face
        self.patches: list[np.ndarray] = []
        self.people: list[int] = []  # who is seen in each frame
        self.cuts: list[int] = []  # frames at which the picture is cut
        self.anchors = AnchorTracker()
        self._cut = CutDetector()

    def feed(self, image: np.ndarray, face: Face | None) -> None:
        """Adds the next frame [H, W, 3] uint8 and its face."""
        cut = self._cut.feed(image)
        if cut:
            self.cuts.append(len(self.points))
        other_person = face is not None and bool(self.people) and face.person != self.people[-1]
        if cut or other_person:
            self.anchors.cut()
        self.anchors.feed(image, face)
        self.people.append((self.people[-1] if self.people else 0) if face is None else face.person)
        self.points.append(np.full((POINTS, 3), np.nan, np.float32) if face is None else face.points.astype(np.float32))
        self.patches.append(face_patch(image, self.points[-1]))


def _confidence(patches: np.ndarray, points: np.ndarray, shots: Iterable[Shot]) -> np.ndarray:
    """Confidence [T] 0..1 of each frame, by comparison with the typical face of its own shot."""
    return np.concatenate([confidences(patches[s.start : s.stop], points[s.start : s.stop]) for s in shots])


def _frame_problems(tracking: Tracking) -> list[dict[str, Any]]:
    """One entry for each run of frames without a face, and one for each frame that begins another shot."""
    entries = _missing_faces(tracking)
    for before, shot in zip(tracking.shots[:-1], tracking.shots[1:]):
        who = "the same face" if before.person == shot.person else "another face"
        entries.append({"frames": [shot.start, shot.start], "problem": f"another shot begins here, with {who}"})
    return sorted(entries, key=lambda entry: entry["frames"])


def _missing_faces(tracking: Tracking) -> list[dict[str, Any]]:
    """One entry for each run of frames without a face."""
    entries: list[dict[str, Any]] = []
    for frame, found in enumerate(tracking.found.tolist()):
        if found:
            continue
        if entries and entries[-1]["frames"][1] == frame - 1:
            entries[-1]["frames"][1] = frame
        else:
            entries.append({"frames": [frame, frame], "problem": "no face in the driver: interpolated"})
    return entries
