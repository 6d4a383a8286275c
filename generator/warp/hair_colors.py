"""What of a photo is hair, and the photo as if it showed nothing else: the colors of the back of a head."""

from __future__ import annotations

import numpy as np

from ...flame_motion.heads.head import PARTS
from ...renderer import clip, rasterize
from ..portrait import Portrait
from .fill import fill
from .parts import FACE, SKULL, is_part

SURE = 0.95  # of the matte: no background shines through
RIM = 0.2  # of the face's height: so far in from the head's outline the skull shows hair
BALD = 1.0  # spreads of the face's color: a skull no farther from it is bald
FEW = 12  # px of an ear that say nothing
RAYS = 360  # around the head, along each of which its hair is mirrored inwards
ENOUGH = 0.05  # of the head's radius: a band of hair so wide can be mirrored


def shown_parts(portrait: Portrait) -> np.ndarray:
    """Which part of the head, [H, W] index into PARTS, each pixel of the photo shows."""
    height, width = portrait.matte.shape
    seen = rasterize(clip(portrait.camera, portrait.vertices())[0], portrait.head.faces.int(), height, width)[0].numpy()
    return np.where(seen >= 0, portrait.head.part.numpy()[seen], 0)


def covered_ears(portrait: Portrait, shown: np.ndarray) -> tuple[bool, bool]:
    """Whether hair covers the left and the right ear: that its color is what shows there.

    An ear that is out of sight is taken to be as the other; shown [H, W]: `shown_parts`.
    """
    ear = (shown == PARTS.index("ears")) & (portrait.matte > SURE)
    hair = hair_like(portrait, shown)
    middle = float(portrait.landmarks[[234, 454], 0].mean())
    left = np.arange(shown.shape[1])[None] > middle  # the person's left is at the picture's right
    shares = [float(hair[ear & side].mean()) if (ear & side).sum() > FEW else None for side in (left, ~left)]
    usual = max((share for share in shares if share is not None), default=0.0)
    first, second = (usual if share is None else share for share in shares)
    return first > 0.5, second > 0.5


def hair_like(portrait: Portrait, shown: np.ndarray) -> np.ndarray:
    """Where [H, W] bool the photo's color is nearer to the hair's than to the face's; nowhere for a bald head.

    Hair is what the skull shows along its outline, skin what the face shows. shown [H, W]: `shown_parts`.
    """
    import cv2

    lab = cv2.cvtColor(portrait.image, cv2.COLOR_RGB2LAB).astype(np.float32)
    sure = portrait.matte > SURE
    skull, face = ((shown == PARTS.index(name)) & sure for name in ("scalp", "face"))
    inside = cv2.distanceTransform(is_part(shown, FACE + SKULL).astype(np.uint8), cv2.DIST_L2, 3)
    rim = skull & (inside < RIM * float(np.ptp(portrait.landmarks[:, 1])))
    if rim.sum() < FEW or face.sum() < FEW:
        return np.zeros(shown.shape, bool)
    hair, skin = ((np.median(x, 0), 2 * np.median(np.abs(x - np.median(x, 0)), 0) + 6) for x in (lab[rim], lab[face]))
    if np.linalg.norm((hair[0] - skin[0]) / skin[1]) < BALD:
        return np.zeros(shown.shape, bool)
    distance = lambda color: np.linalg.norm((lab - color[0]) / color[1], axis=-1)  # noqa: E731
    return distance(hair) < distance(skin)


def hair_alone(portrait: Portrait, shown: np.ndarray) -> np.ndarray:
    """The photo [H, W, 3] uint8 as if hair were all that it showed: what the back of the head looks like.

    From the hairline inwards the hair around is mirrored, ray by ray, as between two mirrors at its ends, so that it
    keeps its strands; where there is too little of it, its colors go on smoothly. shown [H, W]: the part in sight.
    """
    import cv2

    image, (height, width) = portrait.image, shown.shape
    weight = _hair_shown(portrait, shown)
    ys, xs = np.nonzero(is_part(shown, FACE + SKULL))
    if not weight.any():
        return image
    centre = (float(xs.mean()), float(ys.mean()))
    reach = float(np.hypot(xs - centre[0], ys - centre[1]).max()) + 1
    steps = max(int(reach), 8)
    flags = cv2.INTER_LINEAR | cv2.WARP_FILL_OUTLIERS
    polar = lambda x: cv2.warpPolar(x, (steps, RAYS), centre, reach, flags)  # noqa: E731
    there = polar(weight) > 0.5
    last = steps - 1 - np.argmax(there[:, ::-1], 1)
    gap = ~there & (np.arange(steps) <= last[:, None])
    first = np.where(gap.any(1), steps - np.argmax(gap[:, ::-1], 1), 0)  # where the outermost stretch of hair begins
    wide = np.where(there.any(1), last - first, 0)
    enough = (wide > ENOUGH * reach).astype(np.float32)
    smooth = lambda x: cv2.blur(np.pad(np.float32(x), 9, mode="wrap")[:, None], (1, 9))[9:-9, 0]  # noqa: E731
    first, last = smooth(first), smooth(last)
    r = np.arange(steps)[None].astype(np.float32)
    span = np.maximum(last - first, 1)[:, None]
    fold = np.abs((r - first[:, None] + span) % (2 * span) - span) + first[:, None]
    ray = np.tile(np.arange(RAYS, dtype=np.float32)[:, None], steps)
    strands = cv2.remap(polar(image), fold.astype(np.float32), ray, cv2.INTER_LINEAR)
    back = flags | cv2.WARP_INVERSE_MAP
    strands = cv2.warpPolar(strands, (width, height), centre, reach, back)
    known = cv2.warpPolar(np.tile(enough[:, None], steps), (width, height), centre, reach, back)
    known = np.maximum(cv2.blur(known, (9, 9)) * known, weight)
    mixed = np.where(weight[..., None] > 0.5, image, strands).astype(np.float32)
    return np.clip(fill(mixed, np.clip(known, 0, 1)) + 0.5, 0, 255).astype(np.uint8)


def _hair_shown(portrait: Portrait, shown: np.ndarray) -> np.ndarray:
    """Where [H, W] the photo surely shows hair (1): on the skull, and colored like it unless the head is bald."""
    import cv2

    skull, hair = (shown == PARTS.index("scalp")) & (portrait.matte > SURE), hair_like(portrait, shown)
    if hair.any():
        skull &= hair
    size = max(1, round(0.01 * float(np.ptp(portrait.landmarks[:, 1]))))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * size + 1, 2 * size + 1))
    return cv2.erode(cv2.morphologyEx(skull.astype(np.uint8), cv2.MORPH_CLOSE, kernel), kernel).astype(np.float32)
