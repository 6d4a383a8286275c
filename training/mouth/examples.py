"""Pairs of a drawn mouth and the true one: a clip's motion drawn on one of its frames, beside the clip itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from ...flame_motion import BadInput, FlameSequence, VideoClip
from ...flame_motion.retargeting.transfer import drive
from ...flame_motion.tracking.landmarks import LIPS, Face, LandmarkDetector
from ...generator import Portrait
from ...generator.mouth.crop import EYES, MouthCrop, MouthMarks, cut, place_mouth
from ...generator.mouth.parts import parts_in_crop
from ...generator.warp import WarpGenerator
from ...generator.warp.scene import Scene, prepare
from ...renderer import clip, rasterize, to_pixels

MARGIN = 16  # px around a crop, so that it can be turned and moved in training
MAX_FIT_ERROR = 3.5  # % of the eyes' distance, by which a photo's fit may miss its landmarks
MIN_FRAMES = 10  # with a face, that a clip must have
LARGE = 1300  # px of a frame's longest side, from which on it is halved before it is tracked
STIFF = 0.05  # how strongly lips are held from being stretched onto the drawn ones
GREYS = 25.0  # by which a frame's brightness may be set right

Pairs = dict[str, np.ndarray]


@dataclass(frozen=True)
class MouthOptions:
    """How many pairs a clip gives."""

    frames: int = 100  # of a clip, that are taken
    photos: int = 2  # of a clip: the one with the lips most shut, then the one with the widest open
    clips: int = 4  # of a person, the first by name


class RememberingDetector:
    """A detector that keeps the points of the clip it tracked last."""

    def __init__(self, inner: LandmarkDetector) -> None:
        self.inner = inner
        self.points: list[np.ndarray | None] = []  # [478, 3] px

    def faces(self, image: np.ndarray, *, small: bool = True) -> list[Face]:
        """See `LandmarkDetector`."""
        return self.inner.faces(image, small=small)

    def track(self, frames: Iterable[np.ndarray], fps: float = 25.0) -> Iterator[Face | None]:
        """See `LandmarkDetector`."""
        self.points = []
        for face in self.inner.track(frames, fps):
            self.points.append(None if face is None else face.points.copy())
            yield face


@dataclass(frozen=True, eq=False)
class TalkingClip:
    """The frames of a clip in which a face is tracked."""

    frames: list[np.ndarray]
    points: list[np.ndarray]  # [478, 3] px
    motion: FlameSequence

    @classmethod
    def read(cls, path: Path, most: int, detector: RememberingDetector) -> TalkingClip:
        """At most so many frames, every second one of a clip that has enough. BadInput where too few show a face."""
        from ...drivers.video import VideoDriver

        video = VideoClip.open(path)
        stride = 2 if (video.expected_frames or 0) >= 2 * most else 1
        frames = [
            _small_enough(frame) for k, frame in enumerate(video.first(stride * most / video.fps)) if k % stride == 0
        ]
        driven = VideoDriver(detector=detector)(VideoClip(frames, video.fps / stride))
        bad = {k for problem in driven.frame_problems for k in range(problem["frames"][0], problem["frames"][1] + 1)}
        points = {k: seen for k, seen in enumerate(detector.points) if seen is not None and k not in bad}
        if len(points) < MIN_FRAMES:
            raise BadInput(f"{path.name}: a face is seen in {len(points)} frames, and {MIN_FRAMES} are needed")
        kept = list(points)
        return cls([frames[k] for k in kept], list(points.values()), driven.motion.frames(torch.tensor(kept)))

    def photos(self, count: int) -> list[int]:
        """Which frames to take as photos: the one with the lips most shut, then the one with the widest open."""
        gap = [np.linalg.norm(p[13] - p[14]) / np.linalg.norm(p[33] - p[263]) for p in self.points]
        return list(dict.fromkeys([int(np.argmin(gap)), int(np.argmax(gap))]))[:count]

    def pairs(self, options: MouthOptions) -> Iterator[Pairs]:
        """All frames beside what is drawn of each photo."""
        for source in self.photos(options.photos):
            try:
                portrait = Portrait.fit(self.frames[source]).with_identity(self.motion.shape)
            except BadInput:  # no face in this one after all
                continue
            if portrait.error <= MAX_FIT_ERROR:
                yield _pairs(self, portrait, source)


def _small_enough(frame: np.ndarray) -> np.ndarray:
    if max(frame.shape[:2]) <= LARGE:
        return np.ascontiguousarray(frame)
    return cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


@dataclass(frozen=True, eq=False)
class Stage:
    """A portrait that stands ready to be drawn in a square no larger than the crop wants it."""

    square: Portrait
    scene: Scene
    square_from_frame: np.ndarray  # [3, 3] px
    marks: MouthMarks
    eyes: float  # m
    pixels: float  # px of the frame to one of the crop

    @classmethod
    def of(cls, portrait: Portrait) -> Stage:
        """BadInput where no mouth is seen."""
        marks, eyes, pixels = _mouth_of(portrait)
        left, top, side = portrait.face_window(1.8)
        size = round(side * min(1.0, 1 / pixels))
        square = portrait.cropped(left, top, side, side).resized(size, size)
        ratio = size / side
        square_from_frame = np.array([[ratio, 0, -left * ratio], [0, ratio, -top * ratio], [0, 0, 1]])
        return cls(square, prepare(square), square_from_frame, marks, eyes, pixels)

    @staticmethod
    def pixels_of(portrait: Portrait) -> float:
        """px of a photo to one of the crop. BadInput where no mouth is seen."""
        return _mouth_of(portrait)[2]

    def placed(self, posed: np.ndarray) -> MouthCrop | None:
        """Where the mouth is; posed [N, 4] clip coordinates."""
        return place_mouth(self.marks, posed, self.eyes, self.square.camera)

    def parts(self, posed: torch.Tensor, crop: MouthCrop, margin: int) -> np.ndarray:
        """See `parts_in_crop`; posed [N, 4] clip coordinates."""
        height, width = self.square.image.shape[:2]
        seen = rasterize(posed[None], self.scene.faces, 2 * height, 2 * width)[0].numpy()
        return parts_in_crop(seen, self.scene.part, 0, 0, crop.crop_from_picture, margin)


def _mouth_of(portrait: Portrait) -> tuple[MouthMarks, float, float]:
    """The marks of a portrait's mouth, m between its eyes, and px to one of the crop. BadInput where there is none."""
    marks = MouthMarks.of(portrait.head)
    if marks is None:
        raise BadInput("the head has no lips")
    outer = portrait.vertices()[0, marks.eyes]
    eyes = float((outer[0] - outer[1]).norm())
    placed = place_mouth(marks, clip(portrait.camera, portrait.vertices())[0, 0].numpy(), eyes, portrait.camera)
    if placed is None:
        raise BadInput("the mouth is outside the photo")
    return marks, eyes, placed.scale


def _pairs(talk: TalkingClip, portrait: Portrait, source: int) -> Pairs:
    """All frames of a clip beside what is drawn of its frame `source`, by name; see `MouthPairs`."""
    stage = Stage.of(portrait)
    moved = drive(stage.square.pose, talk.motion, "absolute", first=talk.motion[source : source + 1])
    vertices = stage.scene.portrait.vertices(moved)
    posed = clip(stage.square.camera, vertices)[0]
    lips = to_pixels(stage.square.camera, vertices[:, stage.square.head.mediapipe[torch.tensor(LIPS)]])[0].numpy()
    own = clip(stage.square.camera, stage.scene.before)[0, 0]
    photo = stage.placed(own.numpy())
    if photo is None:
        raise BadInput("the mouth is outside the photo")
    rows = []
    for k, drawn in enumerate(WarpGenerator(mouth=False)(stage.square, moved)):
        crop = stage.placed(posed[k].numpy())
        if crop is not None:
            parts = stage.parts(posed[k], crop, MARGIN)
            picture = cut(drawn[0], crop.crop_from_picture, MARGIN)
            truth, misfit = _truth(talk, k, stage, crop, lips[k])
            rows.append((picture, parts, _as_bright(truth, picture, parts), crop.open, misfit, k))
    names = ("drawn", "parts", "truth", "open", "misfit", "frame")
    return {name: np.stack(values) for name, values in zip(names, zip(*rows))} | {
        "photo": cut(stage.square.image, photo.crop_from_picture, MARGIN),
        "photo_parts": stage.parts(own, photo, MARGIN),
        "photo_open": np.array(photo.open), "pixels": np.array(stage.pixels), "source": np.array(source),
    }  # fmt: skip


def _truth(talk: TalkingClip, k: int, stage: Stage, crop: MouthCrop, lips: np.ndarray) -> tuple[np.ndarray, float]:
    """The crop of a frame whose lips are laid on the drawn ones [L, 2] px, and how far they are off in px of a crop."""
    to_square = stage.square_from_frame
    seen = talk.points[k][LIPS, :2] @ to_square[:2, :2].T + to_square[:2, 2]
    onto = affine_onto(seen, lips, EYES * 0.2 * crop.scale)
    misfit = float(np.linalg.norm(seen @ onto[:, :2].T + onto[:, 2] - lips, axis=1).mean()) / crop.scale
    whole = _square(crop.crop_from_picture) @ _square(onto) @ to_square
    return cut(talk.frames[k], whole[:2], MARGIN), misfit


def affine_onto(points: np.ndarray, onto: np.ndarray, unit: float) -> np.ndarray:
    """The affine map [2, 3] that takes points [N, 2] nearest to others; beyond a shift it is held by a ridge.

    unit: px at which a stretch by 1 costs as much as a point that is off by one px.
    """
    middle, shift = points.mean(0), (onto - points).mean(0)
    x = (points - middle) / unit
    bent = np.linalg.solve(x.T @ x + STIFF * len(x) * np.eye(2), x.T @ (onto - points - shift))
    turn = np.eye(2) + bent.T / unit
    return np.column_stack([turn, middle + shift - turn @ middle])


def _square(affine: np.ndarray) -> np.ndarray:
    return np.vstack([affine, [0, 0, 1]])


def _as_bright(truth: np.ndarray, drawn: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """The true crop with the brightness that the skin around the mouth has in the drawn one."""
    lips = parts.max(2) > 0
    near = cv2.dilate(lips.astype(np.uint8), np.ones((25, 25), np.uint8)) > 0
    skin = near & ~lips
    if not skin.any():
        return truth
    off = np.clip(np.median(drawn[skin].astype(np.float32) - truth[skin], 0), -GREYS, GREYS)
    return np.rint(np.clip(truth + off, 0, 255)).astype(np.uint8)
