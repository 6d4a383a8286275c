"""Two videos of one thing: which frame of one goes with which of the other, laid onto each other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np

from ...core.files import PathLike
from ...flame_motion import BadInput, VideoClip

ASPECT = 0.01  # by which aspect ratios of the same picture may differ
RATE = 1e-3  # the share by which frame rates may differ and still be one
FEWEST = 3  # frames


@dataclass(frozen=True, eq=False)
class Triple:
    """Three neighbouring frames of a video, and those of the truth."""

    index: int  # of the middle one in the truth
    made: list[np.ndarray]  # [H, W, 3] uint8 each, of the truth's size
    real: list[np.ndarray]


@dataclass(frozen=True, eq=False)
class ClipPair:
    """A video and the true one, of one aspect ratio."""

    video: VideoClip
    truth: VideoClip
    video_size: tuple[int, int]  # height, width, px
    size: tuple[int, int]  # of the truth
    notes: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, video: PathLike, truth: PathLike) -> ClipPair:
        """BadInput for what is no video, or another picture than the truth."""
        clips = [VideoClip.open(path) for path in (video, truth)]
        (height, width), (true_height, true_width) = sizes = [_size(clip) for clip in clips]
        if abs(width * true_height / (height * true_width) - 1) > ASPECT:
            raise BadInput(
                f"{video} is {width}x{height} px and the truth {truth} {true_width}x{true_height}: expected pictures "
                "of one aspect ratio that show the same; crop or pad one of them first"
            )
        notes = []
        if sizes[0] != sizes[1]:
            notes.append(f"the video is {width}x{height} px: scaled to the truth's {true_width}x{true_height}")
        fps, true_fps = (clip.fps for clip in clips)
        if abs(fps / true_fps - 1) > RATE:
            notes.append(
                f"the video has {fps:g} frames a second and the truth {true_fps:g}: each frame of the truth is "
                "compared with the one that the video shows at that time"
            )
        lasts = [(clip.expected_frames or clip.frame_count) / clip.fps for clip in clips]
        if abs(lasts[0] - lasts[1]) > 0.5 / true_fps:
            clips = [clip.first(min(lasts)) for clip in clips]
            notes.append(
                f"the video lasts {lasts[0]:.2f} s and the truth {lasts[1]:.2f} s: the first {min(lasts):.2f} s are "
                "compared"
            )
        return cls(clips[0], clips[1], sizes[0], sizes[1], notes)

    def matched(self, made: int, real: int) -> np.ndarray:
        """The video's frame [K] for each of the truth's first K, as long as both last; made, real: how many they have.

        BadInput where one has less than `FEWEST` frames.
        """
        for clip, count in ((self.video, made), (self.truth, real)):
            if count < FEWEST:
                raise BadInput(f"{clip.path}: expected a video of at least {FEWEST} frames, got {count}")
        fps = self.truth.fps
        frames = min(max(round(made / self.video.fps * fps), FEWEST), real)
        return np.minimum((np.arange(frames) + 0.5) / fps * self.video.fps, made - 1).astype(int)

    def triples(self, index: np.ndarray, chosen: np.ndarray) -> Iterator[Triple]:
        """The chosen frames of the truth [N], ascending, with their neighbours; index: as `matched` gives it."""
        wanted = set(chosen.tolist())
        made: deque[np.ndarray] = deque(maxlen=3)
        real: deque[np.ndarray] = deque(maxlen=3)
        frames = enumerate(self.video)
        at, shown = next(frames)
        for k, (goal, truth) in enumerate(zip(index, self.truth)):
            while at < goal:
                at, shown = next(frames)
            made.append(shown)
            real.append(truth)
            if k - 1 in wanted and len(real) == 3:
                yield Triple(k - 1, [self.laid(one) for one in made], list(real))

    def laid(self, frame: np.ndarray) -> np.ndarray:
        """A frame of the video, of the truth's size."""
        height, width = self.size
        if frame.shape[:2] == self.size:
            return frame
        flags = cv2.INTER_AREA if frame.shape[0] > height else cv2.INTER_CUBIC
        return cv2.resize(frame, (width, height), interpolation=flags)

    def to_truth(self, points: np.ndarray) -> np.ndarray:
        """Landmarks [..., 3] px of the video in the truth's pixels."""
        across, down = self.size[1] / self.video_size[1], self.size[0] / self.video_size[0]
        return points * [across, down, across]


def _size(clip: VideoClip) -> tuple[int, int]:
    """Height and width of a clip, px."""
    height, width, _ = next(iter(clip)).shape
    return height, width
