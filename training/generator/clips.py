"""Clips of one camera, and moments seen by several, cut into examples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...flame_motion import BadInput, FlameSequence, VideoClip
from ...flame_motion.retargeting.transfer import drive
from ...generator import Portrait
from ...generator.conditioning import Conditioning
from ...renderer import Cameras
from ...renderer.cameras import to_pixels
from ...renderer.cameras.file import load_cameras
from ..prepare import VIDEOS
from .examples import Example, ExampleOptions, FaceSquare, example_of
from .round_trips import round_trips

MAX_FIT_ERROR = 3.5  # % of the eyes' distance, by which a photo's fit may miss its landmarks
MIN_FRAMES = 4  # with a face, that a clip must have
ANGLE_WEIGHT = 3.0  # how much an angle of the head, in rad, counts beside an expression
RIG = "cameras.json"  # beside several videos of one moment: their cameras, in the order of the videos' names
Window = tuple[float, float, float]  # (left, top, side) px of a square of a frame


def videos_in(folder: Path) -> list[Path]:
    """The videos of a folder by name."""
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in VIDEOS)


@dataclass(frozen=True)
class Clip:
    """The frames of one camera in which a face is tracked, with their motion."""

    frames: list[np.ndarray]
    motion: FlameSequence
    numbers: list[int]  # of the frames in the clip: those of a window follow each other
    dropped: int  # frames without a face
    views: int = 1

    @classmethod
    def read(cls, path: Path, max_frames: int) -> Clip:
        """Tracks the first frames of a video. BadInput where too few show a face."""
        from ...drivers.video import VideoDriver

        video = VideoClip.open(path)
        video = video.first(max_frames / video.fps)
        driven = VideoDriver()(video)
        bad = {k for problem in driven.frame_problems for k in range(problem["frames"][0], problem["frames"][1] + 1)}
        kept = [k for k in range(len(driven)) if k not in bad]
        if len(kept) < MIN_FRAMES:
            raise BadInput(f"{path.name}: a face is seen in {len(kept)} frames, and {MIN_FRAMES} are needed")
        frames = list(video)
        found = [frames[k] for k in kept]
        return cls(found, driven.motion.frames(torch.tensor(kept)), kept, len(frames) - len(kept))

    def starts(self, frames: int) -> list[int]:
        """Where so many frames follow each other."""
        last = frames - 1
        return [k for k in range(len(self.numbers) - last) if self.numbers[k + last] - self.numbers[k] == last]

    def examples(self, options: ExampleOptions) -> Iterator[Example]:
        """Photos that are unlike each other, each with windows that are unlike it."""
        for source, portrait, starts in self.photos(options):
            square = FaceSquare(portrait, options)
            driven = self.driven(square.portrait, source)
            if options.round_trip:
                yield from round_trips(portrait, driven.frames(torch.tensor(starts)), options)
                continue
            for start in starts:
                window = slice(start, start + options.frames)
                yield example_of(
                    square.conditioning(driven[window]), [square.cut(frame) for frame in self.frames[window]]
                )

    def photos(self, options: ExampleOptions) -> Iterator[tuple[int, Portrait, list[int]]]:
        """The number of a source frame, its portrait, and where the windows for it start."""
        features, starts = _features(self.motion), torch.tensor(self.starts(options.frames), dtype=torch.long)
        if not len(starts):
            return
        usual = int((features - features.mean(0)).norm(dim=1).argmin())
        for source in _unlike(features, usual, options.sources):
            try:
                portrait = Portrait.fit(self.frames[source]).with_identity(self.motion.shape)
            except BadInput:  # no face in this one after all
                continue
            if portrait.error > MAX_FIT_ERROR:
                continue
            some = torch.cat([features[source : source + 1], features[starts]])
            others = [int(starts[k - 1]) for k in _unlike(some, 0, options.targets + 1) if k]
            yield source, portrait, [k for k in others if k != source or options.frames > 1]

    def driven(self, portrait: Portrait, source: int) -> FlameSequence:
        """The clip's motion as that of a portrait made from its frame `source`."""
        return drive(portrait.pose, self.motion, "absolute", first=self.motion[source : source + 1])


@dataclass(frozen=True)
class Rig:
    """One moment seen by several still cameras: photo and motion come from the first, the others add pictures."""

    first: Clip
    others: list[list[np.ndarray]]  # frames by their number in the clip
    cameras: Cameras

    @classmethod
    def read(cls, folder: Path, max_frames: int) -> Rig:
        """A folder of videos that start together, with their cameras in m. BadInput."""
        cameras = load_cameras(folder / RIG)
        files = videos_in(folder)
        if cameras.views != len(files) or cameras.frames is not None or len(files) < 2:
            raise BadInput(f"{folder.name}: {RIG} must hold a still camera for each of {len(files)} videos, 2 or more")
        clips = [VideoClip.open(file) for file in files]
        others = [list(clip.first(max_frames / clip.fps)) for clip in clips[1:]]
        return cls(Clip.read(files[0], max_frames), others, cameras)

    @property
    def views(self) -> int:
        """The number of cameras."""
        return len(self.others) + 1

    @property
    def dropped(self) -> int:
        """Frames without a face."""
        return self.first.dropped

    def examples(self, options: ExampleOptions) -> Iterator[Example]:
        """As of a clip, each window seen by all cameras."""
        if options.round_trip:
            raise BadInput("a rig makes no round trips: prepare its videos as clips")
        last = min(map(len, self.others)) - 1
        for source, portrait, starts in self.first.photos(options):
            square = FaceSquare(portrait, options)
            driven = self.first.driven(square.portrait, source)
            for start in starts:
                window = slice(start, start + options.frames)
                if self.first.numbers[window][-1] <= last:
                    yield self._example(square, driven[window], window)

    def _example(self, square: FaceSquare, motion: FlameSequence, window: slice) -> Example:
        """One window of all cameras; motion: its frames on the portrait."""
        own, size = square.portrait.camera, square.options.size
        seen_by = _beside(square.whole.camera, self.cameras)
        parts = [square.conditioning(motion)]
        pictures = [square.cut(frame) for frame in self.first.frames[window]]
        middle = square.whole.vertices(motion[:1]).mean((0, 1))
        for view, frames in enumerate(self.others, 1):
            camera, place = _window_on(middle, seen_by.view(view), own, size)
            parts.append(square.conditioning(motion, camera))
            pictures += [_cut(frames[k], place, size) for k in self.first.numbers[window]]
        return example_of(Conditioning.concatenate(parts), pictures)


def _beside(own: Cameras, rig: Cameras) -> Cameras:
    """A rig's cameras in the world of a portrait whose own camera is the rig's first."""
    first = torch.linalg.inv(rig.camera_from_world[0]) @ own.camera_from_world[0]
    return replace(rig, camera_from_world=rig.camera_from_world @ first)


def _window_on(middle: Tensor, camera: Cameras, own: Cameras, size: int) -> tuple[Cameras, Window]:
    """A camera's square around a point [3] m of the world, as large on the head as the photo's, and its window."""
    x, y = to_pixels(camera, middle.view(1, 1, 3))[0, 0, 0].tolist()
    away = lambda c: float((c.camera_from_world.reshape(4, 4)[:3] @ torch.cat([middle, middle.new_ones(1)]))[2])  # noqa: E731
    side = round(size * float(camera.intrinsics[0, 0, 0] / own.intrinsics[0, 0, 0]) * away(own) / away(camera))
    left, top = round(x - side / 2), round(y - side / 2)
    return camera.cropped(left, top, side, side).resized(size, size), (left, top, side)


def _cut(frame: np.ndarray, window: Window, size: int) -> np.ndarray:
    """A square of a frame at `size` px, the frame's edge continued."""
    import cv2

    left, top, side = window
    grid = (np.arange(size, dtype=np.float32) + 0.5) * (side / size) - 0.5
    if side > 1.5 * size:  # as an area, not as points
        frame = cv2.blur(frame, (round(side / size),) * 2)
    x, y = np.meshgrid(grid + np.float32(left), grid + np.float32(top))
    return cv2.remap(frame, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _features(motion: FlameSequence) -> Tensor:
    """What makes frames unlike each other: head angles, jaw, lids and expression [T, F]."""
    return torch.cat(
        [ANGLE_WEIGHT * motion.neck, ANGLE_WEIGHT * motion.jaw, motion.eyelids, 0.3 * motion.expression], 1
    )


def _unlike(features: Tensor, first: int, count: int) -> list[int]:
    """So many rows of features [T, F], `first` and then always the farthest from all before."""
    chosen = [first]
    distance = torch.cdist(features, features[chosen]).amin(1)
    while len(chosen) < min(count, len(features)):
        chosen.append(int(distance.argmax()))
        distance = torch.minimum(distance, (features - features[chosen[-1]]).norm(dim=1))
    return chosen
