"""The video driver: the face in a video, as a FlameSequence."""

from __future__ import annotations

from itertools import tee
from typing import Any, Literal

import numpy as np

from ..flame_motion import Driven, Progress, VideoClip, load_head
from ..flame_motion.threads import one_torch_thread
from ..flame_motion.tracking.anchors import AnchorTracker
from ..flame_motion.tracking.confidence import confidences, face_patch
from ..flame_motion.tracking.landmarks import POINTS, LandmarkDetector, MediaPipeDetector
from ..flame_motion.tracking.track import Tracking, track_landmarks


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
        self.detector = detector or MediaPipeDetector()

    open = staticmethod(VideoClip.open)

    def __call__(self, signal: VideoClip, *, seed: int = 0, progress: Progress | None = None) -> Driven:
        """The clip's motion. seed is there for all drivers' sake: nothing here is random."""
        tracking = self.track(signal, progress)
        facts = {
            "frames": len(tracking.motion),
            "frames_without_face": int((~tracking.found).sum()),
            "confidence": [round(c, 2) for c in tracking.confidence.tolist()],  # of each frame, 0..1
        }
        problems = list(dict.fromkeys([*signal.problems, *tracking.problems]))
        sound = signal.path if signal.path is not None else signal.audio
        return Driven(tracking.motion, facts, sound, problems, missing_faces(tracking))

    @one_torch_thread()
    def track(self, clip: VideoClip, progress: Progress | None = None) -> Tracking:
        """The clip's motion with what is known of each frame. Raises BadInput when no frame shows a face."""
        tell = progress or (lambda stage, done, of: None)
        seen: list[np.ndarray] = []
        patches: list[np.ndarray] = []
        anchors = AnchorTracker()
        frames, watched = tee(clip)  # one is never more than a frame ahead of the other
        for image, face in zip(frames, self.detector.track(watched)):
            anchors.feed(image, face)
            seen.append(np.full((POINTS, 3), np.nan, np.float32) if face is None else face.points.astype(np.float32))
            patches.append(face_patch(image, seen[-1]))
            tell("detect", len(seen), clip.expected_frames or 0)
        height, width = image.shape[:2]
        points = np.stack(seen)
        return track_landmarks(
            points, width, height, clip.fps, self.head, self.focal, anchors.runs,
            confidences(np.stack(patches), points), lambda n, of: tell("fit", n, of),
        )  # fmt: skip


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
