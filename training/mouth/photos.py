"""Pairs out of single photos: a mouth that shows its teeth is drawn shut, and opened again from there.

Footage is small and its teeth are blurred; the truth here is a sharp photo, and fits to the pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from ...flame_motion import BadInput
from ...flame_motion.tracking.landmarks import LandmarkDetector
from ...generator import Portrait
from ...generator.mouth.crop import cut
from ...generator.warp import WarpGenerator
from ...generator.warp.teeth import lips_parted
from ...renderer import clip
from .examples import MARGIN, MAX_FIT_ERROR, Pairs, Stage

FINER = 1.3  # px to one of a crop, so that being drawn twice blurs little


def photo_pairs(image: np.ndarray, detector: LandmarkDetector) -> Iterator[Pairs]:
    """A photo [H, W, 3] uint8 beside what is drawn of it out of itself with the mouth shut; none without teeth."""
    whole = Portrait.fit(image, detector=detector)
    if whole.error > MAX_FIT_ERROR or not lips_parted(whole):
        return
    portrait, pixels = _square(whole)
    away = _shut(portrait, detector)
    if away is not None:
        yield _pair(portrait, Stage.of(away)) | {"pixels": np.array(pixels)}


def _square(portrait: Portrait) -> tuple[Portrait, float]:
    """The square around the face, FINER than a crop wants it and no larger; and how large the photo's pixels are."""
    pixels = Stage.pixels_of(portrait)
    left, top, side = portrait.face_window(1.8)
    size = round(side * min(1.0, FINER / pixels))
    return portrait.cropped(left, top, side, side).resized(size, size), pixels


def _shut(portrait: Portrait, detector: LandmarkDetector) -> Portrait | None:
    """The portrait with its mouth drawn shut, as a photo whose head is known exactly; None where no face is seen."""
    pose = portrait.pose
    rest = replace(pose, expression=torch.zeros_like(pose.expression), jaw=torch.zeros_like(pose.jaw))
    picture = next(WarpGenerator(mouth=False)(portrait, rest))[0]
    faces = detector.faces(picture)
    return replace(portrait, image=picture, pose=rest, landmarks=faces[0].points) if faces else None


def _pair(portrait: Portrait, stage: Stage) -> Pairs:
    """One pair by name, as those of a clip; the photo's number is -1: it is none of the frames."""
    posed = clip(stage.square.camera, stage.scene.portrait.vertices(portrait.pose))[0, 0]
    own = clip(stage.square.camera, stage.scene.before)[0, 0]
    crop, photo = stage.placed(posed.numpy()), stage.placed(own.numpy())
    if crop is None or photo is None:
        raise BadInput("the mouth is outside the photo")
    drawn = next(WarpGenerator(mouth=False)(stage.square, portrait.pose))[0]
    whole = np.vstack([crop.crop_from_picture, [0, 0, 1]]) @ stage.square_from_frame
    one = lambda x: np.asarray(x)[None]  # noqa: E731
    return {
        "drawn": one(cut(drawn, crop.crop_from_picture, MARGIN)), "parts": one(stage.parts(posed, crop, MARGIN)),
        "truth": one(cut(portrait.image, whole[:2], MARGIN)), "open": one(crop.open), "misfit": one(0.0),
        "frame": one(0), "photo": cut(stage.square.image, photo.crop_from_picture, MARGIN),
        "photo_parts": stage.parts(own, photo, MARGIN), "photo_open": np.array(photo.open), "source": np.array(-1),
    }  # fmt: skip
