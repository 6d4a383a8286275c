"""Which frame of the driver a portrait is a picture of."""

from __future__ import annotations

import numpy as np

from ..flame_motion import FlameSequence, VideoClip
from ..flame_motion.retargeting.driver_frame import driver_frame
from ..generator import Portrait

MAYBE_SAME = 0.002  # m between two fits of a face, up to which they may be one person's
SAME_FIT = 1.25  # times the error of a photo's own fit, up to which another identity is the person's own
THUMBNAIL = 64  # px, the side at which pictures are compared: what a JPEG or another size changes is gone
SAME_PICTURE = 3.0  # grey levels of mean difference, up to which a frame is the photo


def own_frame(portrait: Portrait, motion: FlameSequence, clip: VideoClip | None) -> int | None:
    """The driver's frame that a portrait is a picture of; None: the portrait is not the driver's.

    Whose face it is the fits say; where they leave it open, it is the driver's person if the driver's identity explains
    the photo nearly as well as the photo's own: 1.07 to 1.16 times the error was measured for one person, 1.4 times and
    more for two. Which frame: the one of `clip`, what the motion was tracked in, that is the photo itself, whole and at
    any size; without one, the frame that holds its face most alike.
    """
    frame = driver_frame(portrait.pose, motion)
    if frame is None:
        frame = driver_frame(portrait.pose, motion, MAYBE_SAME)
        if frame is None or portrait.with_identity(motion.shape).error >= SAME_FIT * portrait.error:
            return None
    exact = None if clip is None or clip.fps != motion.fps else _same_picture(portrait.image, clip, len(motion))
    return frame if exact is None else exact


def _same_picture(image: np.ndarray, clip: VideoClip, frames: int) -> int | None:
    """The one of the first `frames` frames that looks like `image` [H, W, 3] uint8; None if none does."""
    wanted, nearest, found = _thumbnail(image), SAME_PICTURE, None
    for index, picture in zip(range(frames), clip, strict=False):
        difference = float(np.abs(_thumbnail(picture) - wanted).mean())
        if difference < nearest:
            nearest, found = difference, index
    return found


def _thumbnail(image: np.ndarray) -> np.ndarray:
    import cv2

    small = cv2.resize(image, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32)
