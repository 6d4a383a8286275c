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

from ..core.threads import one_torch_thread
from ..flame_motion import Driven, FlameSequence, Progress, VideoClip, load_head
from ..flame_motion.tracking.anchors import AnchorTracker
from ..flame_motion.tracking.causal import CausalTracker
from ..flame_motion.tracking.confidence import confidences, face_patch
from ..flame_motion.tracking.detector import MediaPipeDetector
from ..flame_motion.tracking.landmarks import POINTS, Face, LandmarkDetector
from ..flame_motion.tracking.shots import CutDetector, Shot, shot_notes, shots_of
from ..flame_motion.tracking.track import Tracking, track_landmarks

WAITING = 8  # frames the detector may be ahead; bounds the memory


class VideoDriver:
    """Tracks one face through a clip of any length; every frame of the clip gives one frame of motion."""

    def __init__(
        self,
        head: str = "open",
        focal: float | Literal["estimate"] | None = None,
        detector: LandmarkDetector | None = None,
    ) -> None:
        """head: name or file; focal: of the clip's camera in px, guessed when None; detector: MediaPipe when None."""
        self.head = load_head(head)
        self.focal = focal
        self._given = detector

    open = staticmethod(VideoClip.open)  # what the command line's text stands for

    @cached_property
    def detector(self) -> LandmarkDetector:
        """The landmark back end, made when first needed and kept."""
        return MediaPipeDetector() if self._given is None else self._given

    def __call__(self, signal: VideoClip, *, seed: int = 0, progress: Progress | None = None) -> Driven:
        """The clip's motion with its sound and what to know of it. Raises BadInput when no frame shows a face.

        seed is there for all drivers' sake: nothing here is random.
        """
        tracking = self.track(signal, progress)
        facts = {
            "frames": len(tracking.motion),
            "frames_without_face": int((~tracking.found).sum()),
            "confidence": [round(c, 2) for c in tracking.confidence.tolist()],  # of each frame, 0..1
        }
        sound = signal.audio if signal.path is None else signal.path
        problems = list(dict.fromkeys([*signal.problems, *tracking.problems]))
        return Driven(tracking.motion, facts, sound, problems, frame_problems(tracking))

    def stream(self, frames: Iterable[np.ndarray], fps: float = 25.0) -> Iterator[FlameSequence]:
        """The motion, one frame for each of `frames` [H, W, 3] uint8 as it comes: a fixed cost, no look-ahead.

        Counted from the place of the first face, and anew after `CausalTracker`'s calibration; the neutral face before
        any is seen.
        """
        tracker = CausalTracker(self.head, self.detector, fps=fps)
        for number, image in enumerate(frames):
            motion = tracker.feed(image, number / fps).motion
            yield FlameSequence.neutral(1, fps, self.head) if motion is None else motion

    @one_torch_thread()
    def track(self, clip: VideoClip, progress: Progress | None = None) -> Tracking:
        """The clip's motion with what is known of each frame. Raises BadInput when no frame shows a face."""
        tell = progress or (lambda stage, done, of: None)
        watch = _Watch()
        frames, watched = tee(clip)  # one is never more than a frame ahead of the other
        waiting: deque[Future[None]] = deque()
        with ThreadPoolExecutor(1, "watch") as beside:  # what is not the detector's own takes the other core
            for done, (image, face) in enumerate(zip(frames, self.detector.track(watched, clip.fps)), 1):
                waiting.append(beside.submit(watch.feed, image, face))
                if len(waiting) > WAITING:
                    waiting.popleft().result()
                tell("detect", done, clip.expected_frames or 0)
            for late in waiting:
                late.result()
        height, width = image.shape[:2]
        points = np.stack(watch.seen)
        shots = shots_of(points, np.array(watch.people), watch.cuts)
        tracking = track_landmarks(
            points, width, height, clip.fps, self.head, self.focal, watch.anchors.runs,
            _trust(np.stack(watch.patches), points, shots), lambda n, of: tell("fit", n, of), shots,
        )  # fmt: skip
        notes = shot_notes(shots, watch.cuts, clip.fps)
        return replace(tracking, problems=[*tracking.problems, *notes])


class _Watch:
    """What is kept of each frame while a clip goes by."""

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []  # [478, 3] px each, NaN without a face
        self.patches: list[np.ndarray] = []
        self.people: list[int] = []
        self.cuts: list[int] = []  # frames that begin another picture
        self.anchors = AnchorTracker()
        self._cut = CutDetector()

    def feed(self, image: np.ndarray, face: Face | None) -> None:
        """The next frame [H, W, 3] uint8 and its face."""
        cut = self._cut.feed(image)
        if cut:
            self.cuts.append(len(self.seen))
        someone = face is not None and bool(self.people) and face.person != self.people[-1]
        if cut or someone:
            self.anchors.cut()
        self.anchors.feed(image, face)
        self.people.append((self.people[-1] if self.people else 0) if face is None else face.person)
        self.seen.append(np.full((POINTS, 3), np.nan, np.float32) if face is None else face.points.astype(np.float32))
        self.patches.append(face_patch(image, self.seen[-1]))


def _trust(patches: np.ndarray, points: np.ndarray, shots: Iterable[Shot]) -> np.ndarray:
    """Confidence [T] of each frame, compared with the usual face of its own shot."""
    return np.concatenate([confidences(patches[s.start : s.stop], points[s.start : s.stop]) for s in shots])


def frame_problems(tracking: Tracking) -> list[dict[str, Any]]:
    """One entry for each run of frames in which no face was found, and one for each frame that begins another shot."""
    entries = missing_faces(tracking)
    for before, shot in zip(tracking.shots[:-1], tracking.shots[1:]):
        who = "the same face" if before.person == shot.person else "another face"
        entries.append({"frames": [shot.start, shot.start], "problem": f"another shot begins here, with {who}"})
    return sorted(entries, key=lambda entry: entry["frames"])


def missing_faces(tracking: Tracking) -> list[dict[str, Any]]:
    """One entry for each run of frames in which no face was found."""
    entries: list[dict[str, Any]] = []
    for frame, found in enumerate(tracking.found.tolist()):
        if found:
            continue
        if entries and entries[-1]["frames"][1] == frame - 1:
            entries[-1]["frames"][1] = frame
        else:
            entries.append({"frames": [frame, frame], "problem": "no face in the driver: interpolated"})
    return entries
