"""Which frame of a driver a portrait is a picture of, if it shows the driver at all."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from ..heads.library import load_head
from ..sequence import FlameSequence

SAME_FACE = 0.0012  # m: two fits of one person mostly lie nearer to each other, those of two people do not
FIRST = 2.0  # the first frame may be so many times as far off as the nearest (measured on own frames: up to 1.7)
FACES = 64  # frames of the driver whose faces are compared, at most


def driver_frame(source: FlameSequence, motion: FlameSequence, max_distance: float = SAME_FACE) -> int | None:
    """The frame of the driver's motion that a portrait of pose `source` (one frame) seems to show; None: no frame.

    It shows the driver where the 68 landmarks of some driver frame (at most 64 are tried), heads straight and of one
    size, lie within `max_distance` m of the portrait's on average, seen from the front. A clip knows its person's face
    at rest better than one picture does, so such a portrait should be fitted again with the clip's identity. The frame
    is the one whose head and face are held most like the portrait's; the first frame, which is most often the portrait,
    is preferred where it is hardly less like it.
    """
    if source.head != motion.head:
        return None
    some = motion.frames(torch.arange(0, len(motion), math.ceil(len(motion) / FACES)))
    faces = [_landmarks(clip, straight=True) for clip in (source, some)]
    portrait, driver = (x - x.mean(1, keepdim=True) for x in faces)
    u, sizes, vt = torch.linalg.svd(driver.transpose(1, 2) @ portrait)  # Kabsch; near-identical faces do not mirror
    scale = sizes.sum(1) / driver.square().sum((1, 2))
    offsets = scale[:, None, None] * driver @ (u @ vt) - portrait
    if not bool(offsets[..., :2].norm(dim=-1).mean(1).min() < max_distance):
        return None
    # As pictures, at one size: two fits of one picture agree on that better than on how far a head turns.
    held = [_landmarks(clip)[..., :2] for clip in (replace(source, shape=motion.shape), motion)]
    held = [x - x.mean(1, keepdim=True) for x in held]
    portrait, driver = (x / x.square().sum((1, 2), keepdim=True).sqrt() for x in held)
    distance = (portrait - driver).norm(dim=-1).mean(1)
    return 0 if bool(distance[0] < FIRST * distance.min()) else int(distance.argmin())


def _landmarks(motion: FlameSequence, straight: bool = False) -> Tensor:
    """The 68 landmarks [T, 68, 3] m of a clip whose head stays in one place and, where `straight`, does not turn."""
    still = torch.zeros_like(motion.neck)
    if straight:
        motion = replace(motion, neck=still, rotation=still)
    return load_head(motion.head).landmarks(replace(motion, translation=still))
