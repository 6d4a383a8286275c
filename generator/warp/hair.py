"""The hair: the skull's surface moved outwards until the head's outline is the one that the photo shows."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ...flame_motion import Head
from ...flame_motion.easing import smoothstep
from ...flame_motion.heads import PARTS
from ...renderer import clip, rasterize
from ..portrait import Portrait
from .fill import fill

RAYS = 180  # around the head, on each of which its outline is looked for
LEAST, MOST = 0.85, 1.6  # how far out the outline may lie, of the skull's
ABOVE = (1.75, 2.3)  # rad from straight up within which hair is the head's, and beyond which it is the shoulders'
SMOOTH = 3.0  # rays
ROUNDS = 4
FACE = ("face", "lips", "lids", "eye_left", "eye_right")
SKULL = ("scalp", "ears")
HAIRLINE = 0.03  # m from the face over which the hair reaches its thickness
NAPE = 0.05  # m below the skull over which it ends
SURE = 0.95  # of the matte: no background shines through
RIM = 0.2  # of the face's height: so far in from the head's outline the skull shows hair
BALD = 1.0  # spreads of the face's color: a skull no farther from it is bald
FEW = 12  # px of an ear that say nothing
FLAT = 0.85  # of the way that a covered ear stands off, by which it is laid flat
ENOUGH = 0.05  # of the head's radius: a band of hair so wide can be mirrored


def with_hair(portrait: Portrait) -> Portrait:
    """The portrait whose skull is as thick, all around, as its hair makes it seem from the front."""
    grown = replace(portrait, offsets=portrait.offsets + _hair(portrait))
    return replace(grown, offsets=grown.offsets + _flat_ears(grown))


def part_of(head: Head, names: tuple[str, ...]) -> Tensor:
    """Whether each vertex [N] belongs to one of the parts."""
    inside = torch.zeros(head.template.shape[0], dtype=torch.bool)
    inside[head.faces[torch.isin(head.part, torch.tensor([PARTS.index(name) for name in names]))].unique()] = True
    return inside


def _hair(portrait: Portrait) -> Tensor:
    """Offsets [N, 3] m at rest that the hair adds to the skull's vertices."""
    head = portrait.head
    rest, joints = head.skin.shaped(portrait.shape, portrait.offsets)
    posed, frames = (x[0] for x in head.skin.pose(rest, joints, portrait.pose, with_frames=True))
    matrix = portrait.camera.camera_from_world[0]
    points = start = posed @ matrix[:3, :3].T + matrix[:3, 3]
    skull = part_of(head, SKULL)
    worn = _worn(head, skull, part_of(head, FACE))[:, None]
    middle = (points[skull].max(0).values + points[skull].min(0).values) / 2
    behind = (points[:, 2] > middle[2]) * (points[:, 2] - middle[2])
    for _ in range(ROUNDS):  # what takes on only a part of the thickness comes nearer each time
        thickness = _thickness(portrait, points, middle)
        from_middle = points - middle
        angle = torch.atan2(from_middle[:, 1], from_middle[:, 0]) / (2 * math.pi) % 1 * RAYS
        low = angle.floor()
        near, far = thickness[low.long() % RAYS], thickness[(low.long() + 1) % RAYS]
        shift = torch.lerp(near, far, angle - low)[:, None] * from_middle
        shift[:, 2] = thickness.mean() * behind  # the photo says nothing about it
        points = points + shift * worn
    turn = frames.mT @ matrix[:3, :3].T  # the frames' blended rotations are nearly orthonormal
    return (turn @ (points - start)[..., None]).squeeze(-1)


def _flat_ears(portrait: Portrait) -> Tensor:
    """Offsets [N, 3] m at rest that lay the ears which hair covers flat against the head."""
    head = portrait.head
    offsets = torch.zeros_like(head.template)
    ears, others = part_of(head, ("ears",)), part_of(head, tuple(set(PARTS[1:]) - {"ears"}))
    rest = head.skin.shaped(portrait.shape, portrait.offsets)[0]
    for side, covered in zip((1, -1), covered_ears(portrait, shown_parts(portrait)), strict=True):
        ear = ears & (head.template[:, 0] * side > 0)
        if covered and bool((ear & others).any()):
            out = (rest[:, 0] - rest[ear & others, 0].mean()) * side
            offsets[ear, 0] = -side * FLAT * out[ear].clamp_min(0)
    return offsets


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
    told = [float(hair[ear & side].mean()) if (ear & side).sum() > FEW else None for side in (left, ~left)]
    usual = max((share for share in told if share is not None), default=0.0)
    first, second = (usual if share is None else share for share in told)
    return first > 0.5, second > 0.5


def hair_like(portrait: Portrait, shown: np.ndarray) -> np.ndarray:
    """Where [H, W] bool the photo's color is nearer to the hair's than to the face's; nowhere for a bald head.

    Hair is what the skull shows along its outline, skin what the face shows. shown [H, W]: `shown_parts`.
    """
    import cv2

    lab = cv2.cvtColor(portrait.image, cv2.COLOR_RGB2LAB).astype(np.float32)
    sure = portrait.matte > SURE
    skull, face = ((shown == PARTS.index(name)) & sure for name in ("scalp", "face"))
    inside = cv2.distanceTransform(
        np.isin(shown, [PARTS.index(n) for n in FACE + SKULL]).astype(np.uint8), cv2.DIST_L2, 3
    )
    rim = skull & (inside < RIM * float(np.ptp(portrait.landmarks[:, 1])))
    if rim.sum() < FEW or face.sum() < FEW:
        return np.zeros(shown.shape, bool)
    hair, skin = ((np.median(x, 0), 2 * np.median(np.abs(x - np.median(x, 0)), 0) + 6) for x in (lab[rim], lab[face]))
    if np.linalg.norm((hair[0] - skin[0]) / skin[1]) < BALD:
        return np.zeros(shown.shape, bool)
    apart = lambda color: np.linalg.norm((lab - color[0]) / color[1], axis=-1)  # noqa: E731
    return apart(hair) < apart(skin)


def _worn(head: Head, skull: Tensor, face: Tensor) -> Tensor:
    """How much of the hair's thickness each vertex [N] takes on: none in the face, all on the skull, less below it."""
    nearest = lambda where: torch.cdist(head.template, head.template[where]).min(1).values  # noqa: E731
    below = 1 - smoothstep(nearest(skull) / NAPE)
    outer = skull | part_of(head, ("neck",))
    return outer * ~face * smoothstep(nearest(face) / HAIRLINE) * torch.where(skull, 1.0, below)


def _thickness(portrait: Portrait, points: Tensor, middle: Tensor) -> Tensor:
    """How much farther out [RAYS] than the skull's the person's outline lies, as a share of the skull's radius.

    points [N, 3] m and the rays' middle are in the camera's axes. Rays start at +x of the camera and go clockwise in
    the picture. 0 below, where hair is no longer the head's.
    """
    import cv2

    head, (height, width) = portrait.head, portrait.matte.shape
    parts = torch.isin(head.part, torch.tensor([PARTS.index(name) for name in FACE + SKULL]))
    seen = rasterize(_clip(portrait, points)[None], head.faces[parts].int(), height, width)[0].numpy() >= 0
    k = portrait.camera.intrinsics[0]
    centre = (k @ (middle / middle[2]))[:2].tolist()
    reach = MOST * float(np.hypot(*(np.argwhere(seen)[:, ::-1] - centre).T).max()) if seen.any() else 1.0
    steps = max(int(reach), 1)
    flags = cv2.INTER_LINEAR | cv2.WARP_FILL_OUTLIERS
    polar = lambda x: cv2.warpPolar(x.astype(np.float32), (steps, RAYS), centre, reach, flags)  # noqa: E731
    outer = steps - 1 - np.argmax(polar(seen)[:, ::-1] > 0.5, 1)  # the last of each ray that the skull covers
    person, inside = polar(portrait.matte) > 0.5, polar(np.ones((height, width))) > 0.5
    share = np.zeros(RAYS)
    known = np.zeros(RAYS, bool)
    for ray in range(RAYS):
        start = int(LEAST * outer[ray])
        gone = np.flatnonzero(~person[ray, start:])
        stop = start + (int(gone[0]) if len(gone) else steps - start)
        known[ray] = inside[ray, min(stop, steps - 1)] and outer[ray] > 0
        share[ray] = stop / max(outer[ray], 1) - 1
    share = np.interp(np.arange(RAYS), np.flatnonzero(known), share[known], period=RAYS) if known.any() else 0 * share
    share = np.clip(share, LEAST - 1, MOST - 1)
    up = _up(head, points)
    away = np.abs((2 * np.pi / RAYS * np.arange(RAYS) - up + np.pi) % (2 * np.pi) - np.pi)
    share *= 1 - np.clip((away - ABOVE[0]) / (ABOVE[1] - ABOVE[0]), 0, 1)
    kernel = np.exp(-0.5 * (np.arange(-9, 10) / SMOOTH) ** 2)
    share = np.convolve(np.pad(share, 9, mode="wrap"), kernel / kernel.sum(), "valid")
    return torch.from_numpy(share).float()


def _clip(portrait: Portrait, points: Tensor) -> Tensor:
    """Clip coordinates [N, 4] of points [N, 3] m in the camera's axes."""
    matrix = portrait.camera.camera_from_world[0]
    return clip(portrait.camera, ((points - matrix[:3, 3]) @ matrix[:3, :3])[None])[0, 0]


def _up(head: Head, points: Tensor) -> float:
    """The direction in the picture, rad clockwise from +x, that the head's top points to."""
    chin, brow = points[head.mediapipe[torch.tensor([152, 10])]]
    return math.atan2(float(brow[1] - chin[1]), float(brow[0] - chin[0]))


def hair_alone(portrait: Portrait, shown: np.ndarray) -> np.ndarray:
    """The photo [H, W, 3] uint8 as if hair were all that it showed: what the back of the head looks like.

    From the hairline inwards the hair around is mirrored, ray by ray, as between two mirrors at its ends, so that it
    keeps its strands; where there is too little of it, its colors go on smoothly. shown [H, W]: the part in sight.
    """
    import cv2

    image, (height, width) = portrait.image, shown.shape
    weight = _hair_shown(portrait, shown)
    ys, xs = np.nonzero(np.isin(shown, [PARTS.index(name) for name in FACE + SKULL]))
    if not weight.any():
        return image
    centre = (float(xs.mean()), float(ys.mean()))
    reach = float(np.hypot(xs - centre[0], ys - centre[1]).max()) + 1
    steps, rays = max(int(reach), 8), 2 * RAYS
    flags = cv2.INTER_LINEAR | cv2.WARP_FILL_OUTLIERS
    polar = lambda x: cv2.warpPolar(x, (steps, rays), centre, reach, flags)  # noqa: E731
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
    ray = np.tile(np.arange(rays, dtype=np.float32)[:, None], steps)
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
