"""Clips, and rigs of cameras, as photos and windows of frames with the geometry between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...flame_motion import BadInput, FlameSequence, VideoClip
from ...flame_motion.retargeting.transfer import drive
from ...generator import Portrait
from ...generator.conditioning import Guidance, guide
from ...generator.warp import WarpGenerator
from ...renderer import Cameras
from ...renderer.cameras import to_pixels
from ...renderer.cameras.file import load_cameras
from ..prepare import VIDEOS
from .shards import PICTURES

EXPLAINED = 3.5  # % of the face's size, by which a fit may miss a frame's landmarks
FINER = 2  # times larger a photo is drawn elsewhere, so that being drawn twice blurs little
LEAST = 4  # frames that a clip must have
TURN = 3.0  # how much an angle of the head, in rad, counts beside an expression
RIG = "cameras.json"  # beside several videos of one moment: their cameras, in the order of the videos' names


@dataclass(frozen=True)
class Windows:
    """What is made of a clip."""

    size: int = 256  # px of a picture
    sources: int = 3  # photos a clip, as unlike each other as they are
    targets: int = 16  # windows for each, as unlike it
    frames: int = 1  # of a window, one after the other
    most: int = 250  # frames of a clip that are looked at
    depth_guided: bool = True  # see `guide`
    round_trip: bool = False  # pairs of a photo drawn in a window's pose, and the photo itself: see `moved_away`

    def __post_init__(self) -> None:
        if self.round_trip and self.frames != 1:
            raise BadInput(f"round trips are single pictures: {self.frames} frames of a window cannot be asked for too")


def videos_in(folder: Path) -> list[Path]:
    """The videos of a folder by name."""
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in VIDEOS)


@dataclass(frozen=True)
class Clip:
    """One camera's frames that the fit explains, with their motion."""

    frames: list[np.ndarray]
    motion: FlameSequence
    numbers: list[int]  # of the frames in the clip: those of a window follow each other
    dropped: int
    views: int = 1

    @classmethod
    def read(cls, path: Path, most: int) -> Clip:
        """A video, tracked. BadInput."""
        from ...drivers.video import VideoDriver

        video = VideoClip.open(path)
        video = video.first(most / video.fps)
        driven = VideoDriver()(video)
        bad = {k for problem in driven.frame_problems for k in range(problem["frames"][0], problem["frames"][1] + 1)}
        kept = [k for k in range(len(driven)) if k not in bad]
        if len(kept) < LEAST:
            raise BadInput(f"{path.name}: a face is seen in {len(kept)} frames, and {LEAST} are needed")
        frames = list(video)
        found = [frames[k] for k in kept]
        return cls(found, driven.motion.frames(torch.tensor(kept)), kept, len(frames) - len(kept))

    def starts(self, frames: int) -> list[int]:
        """Places from which so many frames follow each other."""
        apart = frames - 1
        return [k for k in range(len(self.numbers) - apart) if self.numbers[k + apart] - self.numbers[k] == apart]

    def windows(self, windows: Windows) -> Iterator[dict[str, np.ndarray]]:
        """Photos that are unlike each other, each with windows that are unlike it."""
        for source, portrait, starts in self.photos(windows):
            square, cut = _square(portrait, windows.size)
            driven = drive(square.pose, self.motion, "absolute", first=self.motion[source : source + 1])
            how = guide_options(windows)
            if windows.round_trip:
                yield from _round_trips(portrait, driven.frames(torch.tensor(starts)), windows)
                continue
            for start in starts:
                guidance = _whole(guide(square, driven[start : start + windows.frames], **how))
                yield row_of(guidance, [cut(frame) for frame in self.frames[start : start + windows.frames]])

    def photos(self, windows: Windows) -> Iterator[tuple[int, Portrait, list[int]]]:
        """The number of a source frame, its portrait, and where the windows for it start."""
        told, starts = _features(self.motion), torch.tensor(self.starts(windows.frames), dtype=torch.long)
        if not len(starts):
            return
        for source in _unlike(told, [int((told - told.mean(0)).norm(dim=1).argmin())], windows.sources):
            try:
                portrait = Portrait.fit(self.frames[source]).with_identity(self.motion.shape)
            except BadInput:  # no face in this one after all
                continue
            if portrait.error > EXPLAINED:
                continue
            some = torch.cat([told[source : source + 1], told[starts]])
            others = [int(starts[k - 1]) for k in _unlike(some, [0], windows.targets + 1) if k]
            yield source, portrait, [k for k in others if k != source or windows.frames > 1]


@dataclass(frozen=True)
class Rig:
    """One moment in the eyes of several still cameras: the first tells photo and motion, the others only pictures."""

    first: Clip
    others: list[list[np.ndarray]]  # frames by their number in the clip
    cameras: Cameras

    @classmethod
    def read(cls, folder: Path, most: int) -> Rig:
        """A folder of videos that start together, with their cameras in m. BadInput."""
        try:
            cameras = load_cameras(folder / RIG)
        except ValueError as error:
            raise BadInput(str(error)) from None
        files = videos_in(folder)
        if cameras.views != len(files) or cameras.frames is not None or len(files) < 2:
            raise BadInput(f"{folder.name}: {RIG} must hold a still camera for each of {len(files)} videos, 2 or more")
        clips = [VideoClip.open(file) for file in files]
        others = [list(clip.first(most / clip.fps)) for clip in clips[1:]]
        return cls(Clip.read(files[0], most), others, cameras)

    @property
    def views(self) -> int:
        return len(self.others) + 1

    @property
    def dropped(self) -> int:
        return self.first.dropped

    def windows(self, windows: Windows) -> Iterator[dict[str, np.ndarray]]:
        """As of a clip, each window seen by all cameras."""
        if windows.round_trip:
            raise BadInput("a rig makes no round trips: prepare its videos as clips")
        first, last = self.first, min(map(len, self.others)) - 1
        for source, portrait, starts in first.photos(windows):
            square, cut = _square(portrait, windows.size)
            driven = drive(square.pose, first.motion, "absolute", first=first.motion[source : source + 1])
            how = guide_options(windows)
            seen_by = _beside(portrait.camera, self.cameras)
            for start in starts:
                stop = start + windows.frames
                if first.numbers[stop - 1] > last:
                    continue
                parts = [_whole(guide(square, driven[start:stop], **how))]
                pictures = [cut(frame) for frame in first.frames[start:stop]]
                middle = portrait.vertices(driven[start : start + 1]).mean((0, 1))
                for view, frames in enumerate(self.others, 1):
                    camera, place = _window_on(middle, seen_by.view(view), square.camera, windows.size)
                    parts.append(_whole(guide(square, driven[start:stop], camera, **how)))
                    numbers = first.numbers[start:stop]
                    pictures += [_cut(frames[k], place, windows.size) for k in numbers]
                yield row_of(Guidance.concatenate(parts), pictures)


def _round_trips(portrait: Portrait, poses: FlameSequence, windows: Windows) -> Iterator[dict[str, np.ndarray]]:
    """The photo as the truth, from what it looks like in each of some poses."""
    left, top, side = portrait.face_window()
    square = portrait.cropped(left, top, side, side)
    large = square.resized(FINER * windows.size, FINER * windows.size)
    truth, warp = square.resized(windows.size, windows.size).image, WarpGenerator()
    for k in range(len(poses)):
        try:
            away, home = moved_away(large, poses[k : k + 1], warp)
        except BadInput:  # no face is seen there
            continue
        yield row_of(_whole(guide(away.resized(windows.size, windows.size), home)), [truth])


def moved_away(portrait: Portrait, pose: FlameSequence, warp: WarpGenerator) -> tuple[Portrait, FlameSequence]:
    """A portrait drawn in another pose, as a photo whose head is known exactly; and the pose that leads back.

    Drawn back, it differs from the photo by what warping spoils (seams, what it had to invent, hair, teeth) and by
    nothing else: no frame of a clip fits another one so well. BadInput where no face is seen in the picture.
    """
    picture = next(warp(portrait, pose))[0]
    seen = Portrait.fit(picture)  # for its matte and points
    shift = pose.translation[0] - portrait.pose.translation[0]  # a portrait stands at 0: its camera moves instead
    camera = portrait.camera.camera_from_world.clone()
    camera[0, :3, 3] += camera[0, :3, :3] @ shift
    at_zero = lambda x: replace(x, translation=x.translation - shift)  # noqa: E731
    away = replace(
        portrait, image=picture, matte=seen.matte, landmarks=seen.landmarks, pose=at_zero(pose),
        camera=replace(portrait.camera, camera_from_world=camera),
    )  # fmt: skip
    return away, at_zero(portrait.pose)


def guide_options(windows: Windows) -> dict[str, Any]:
    """Options of `guide` for all windows of one portrait."""
    return {"depth_guided": windows.depth_guided, "warp": WarpGenerator()}


def _whole(parts: Iterator[Guidance]) -> Guidance:
    return Guidance.concatenate(list(parts))


def _square(portrait: Portrait, size: int) -> tuple[Portrait, Any]:
    """The portrait's square around the face in `size` px, and what cuts the same square out of other frames."""
    left, top, side = portrait.face_window()
    cut = lambda image: replace(portrait, image=image).cropped(left, top, side, side).resized(size, size).image  # noqa: E731
    return portrait.cropped(left, top, side, side).resized(size, size), cut


def _beside(own: Cameras, rig: Cameras) -> Cameras:
    """A rig's cameras in the world of a portrait whose own camera is the rig's first."""
    first = torch.linalg.inv(rig.camera_from_world[0]) @ own.camera_from_world[0]
    return replace(rig, camera_from_world=rig.camera_from_world @ first)


def _window_on(middle: Tensor, camera: Cameras, own: Cameras, size: int) -> tuple[Cameras, tuple[float, float, float]]:
    """A camera's square around a point of the world, as large on the head as the photo's; (left, top, side) px."""
    x, y = to_pixels(camera, middle.view(1, 1, 3))[0, 0, 0].tolist()
    away = lambda c: float((c.camera_from_world.reshape(4, 4)[:3] @ torch.cat([middle, middle.new_ones(1)]))[2])  # noqa: E731
    side = round(size * float(camera.intrinsics[0, 0, 0] / own.intrinsics[0, 0, 0]) * away(own) / away(camera))
    left, top = round(x - side / 2), round(y - side / 2)
    return camera.cropped(left, top, side, side).resized(size, size), (left, top, side)


def _cut(frame: np.ndarray, place: tuple[float, float, float], size: int) -> np.ndarray:
    """A square of a frame, the frame's edge continued."""
    import cv2

    left, top, side = place
    grid = (np.arange(size, dtype=np.float32) + 0.5) * (side / size) - 0.5
    if side > 1.5 * size:  # as an area, not as points
        frame = cv2.blur(frame, (round(side / size),) * 2)
    x, y = np.meshgrid(grid + np.float32(left), grid + np.float32(top))
    return cv2.remap(frame, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def row_of(guidance: Guidance, targets: list[np.ndarray]) -> dict[str, np.ndarray]:
    """A window by name, pictures as bytes [V T, S, S, 3] and the rest in half precision; the source without an axis."""
    values = {name: getattr(guidance, name) for name in guidance.__dataclass_fields__}
    picture = lambda x: (x.movedim(-3, -1) * 255).round().byte().numpy()  # noqa: E731
    rows = {name: picture(x) if name in PICTURES else x.half().numpy() for name, x in values.items()}
    return rows | {"target": np.stack(targets)}


def _features(motion: FlameSequence) -> Tensor:
    """What makes frames unlike: head angles, jaw, lids and expression [T, F]."""
    return torch.cat([TURN * motion.neck, TURN * motion.jaw, motion.eyelids, 0.3 * motion.expression], 1)


def _unlike(told: Tensor, chosen: list[int], count: int) -> list[int]:
    """Frames as far from each other as they are: the farthest from all before, from `chosen` on."""
    apart = torch.cdist(told, told[chosen]).amin(1)
    while len(chosen) < min(count, len(told)):
        chosen = [*chosen, int(apart.argmax())]
        apart = torch.minimum(apart, (told - told[chosen[-1]]).norm(dim=1))
    return chosen
