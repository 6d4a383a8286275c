"""The hair: the skull's surface moved outwards until the head's outline is the one that the photo shows."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ...core.easing import smoothstep
from ...flame_motion import Head
from ...flame_motion.heads.head import PARTS
from ...renderer import clip, rasterize, to_pixels
from ..portrait import Portrait
from .hair_colors import SURE
from .parts import FACE, SKULL, faces_of, vertices_of

RAYS = 180  # around the head, on each of which its outline is looked for
MIN_RADIUS, MAX_RADIUS = 0.85, 1.6  # how far out the outline may lie, of the skull's
ABOVE = (1.75, 2.3)  # rad from straight up within which hair is the head's, and beyond which it is the shoulders'
SMOOTH = 3.0  # rays
WITHIN = 0.015  # of the skull's radius that it stays within the outline, whose soft edge is the photo's own
ROUNDS = 4
HAIRLINE = 0.03  # m from the face over which the hair reaches its thickness
NAPE = 0.05  # m below the skull over which it ends
EAR_SIZES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)  # of the model's: the first that the photo has room for is taken
INSIDE = 0.97  # of an ear's vertices, that lie within the person then
FLAT = 0.85  # of the way that a covered ear stands off, by which it is laid flat


def with_hair(portrait: Portrait, covered: tuple[bool, bool]) -> Portrait:
    """The portrait whose skull is as thick, all around, as its hair makes it seem from the front.

    covered: whether hair covers the left and the right ear (`covered_ears`): such an ear lies flat.
    """
    grown = replace(portrait, offsets=portrait.offsets + _hair(portrait))
    return replace(grown, offsets=grown.offsets + _fitted_ears(grown, covered))


def _hair(portrait: Portrait) -> Tensor:
    """Offsets [N, 3] m at rest that the hair adds to the skull's vertices."""
    head = portrait.head
    rest, joints = head.skin.shaped(portrait.shape, portrait.offsets)
    posed, frames = (x[0] for x in head.skin.pose(rest, joints, portrait.pose, with_frames=True))
    matrix = portrait.camera.camera_from_world[0]
    points = start = posed @ matrix[:3, :3].T + matrix[:3, 3]
    skull = vertices_of(head, SKULL)
    face = vertices_of(head, FACE)
    if not bool(skull.any() and face.any()):
        return torch.zeros_like(head.template)
    roots = _ears(head)
    worn = _worn(head, skull, face)[:, None]
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
        shift *= worn
        for ear, root in roots:
            if bool(root.any()):
                shift[ear] = shift[root].mean(0)
        points = points + shift
    # The rounds are counted from each other: together, too, they stay within the largest thickness that hair may have.
    room = (MAX_RADIUS - 1) * (start - middle).norm(dim=1, keepdim=True)
    shift = points - start
    shift = shift * (room / shift.norm(dim=1, keepdim=True).clamp_min(1e-9)).clamp_max(1)
    turn = frames.mT @ matrix[:3, :3].T  # the frames' blended rotations are nearly orthonormal
    return (turn @ shift[..., None]).squeeze(-1)


def _ears(head: Head) -> list[tuple[Tensor, Tensor]]:
    """Each ear's vertices [N], the left one's first, and which of them join it to the head."""
    ears, others = vertices_of(head, ("ears",)), vertices_of(head, tuple(set(PARTS[1:]) - {"ears"}))
    sides = [ears & (head.template[:, 0] * side > 0) for side in (1, -1)]
    return [(ear, ear & others) for ear in sides]


def _fitted_ears(portrait: Portrait, covered: tuple[bool, bool]) -> Tensor:
    """Offsets [N, 3] m at rest that lay ears flat which hair covers, and make others as small as the photo has them."""
    import cv2

    head = portrait.head
    offsets = torch.zeros_like(head.template)
    rest = head.skin.shaped(portrait.shape, portrait.offsets)[0]
    for (ear, root), under_hair in zip(_ears(head), covered, strict=True):
        if not bool(root.any()):
            continue
        out = rest - rest[root].mean(0)
        if under_hair:
            side = out[ear, 0].sum().sign()
            offsets[ear, 0] = -FLAT * side * (side * out[ear, 0]).clamp_min(0)
            continue
        for size in EAR_SIZES:
            offsets[ear] = (size - 1) * out[ear]
            sized = replace(portrait, offsets=portrait.offsets + offsets).vertices()[:, ear]
            x, y = to_pixels(portrait.camera, sized)[0, 0, :, :2].numpy().T.astype(np.float32)
            matte = cv2.remap(portrait.matte, x - 0.5, y - 0.5, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            if (matte > 0.5).mean() > INSIDE:
                break
    return offsets


def _worn(head: Head, skull: Tensor, face: Tensor) -> Tensor:
    """How much of the hair's thickness each vertex [N] takes on: none in the face, all on the skull, less below it."""
    nearest = lambda where: torch.cdist(head.template, head.template[where]).min(1).values  # noqa: E731
    below = 1 - smoothstep(nearest(skull) / NAPE)
    outer = skull | vertices_of(head, ("neck",))
    return outer * ~face * smoothstep(nearest(face) / HAIRLINE) * torch.where(skull, 1.0, below)


def _thickness(portrait: Portrait, points: Tensor, middle: Tensor) -> Tensor:
    """How much farther out [RAYS] than the skull's the person's outline lies, as a share of the skull's radius.

    Negative where the head is narrower than the model's. points [N, 3] m and the rays' middle are in the camera's axes.
    Rays start at +x of the camera and go clockwise in the picture. Never wider below, where hair is the shoulders'.
    """
    import cv2

    head, (height, width) = portrait.head, portrait.matte.shape
    parts = faces_of(head, (*FACE, "scalp"))
    seen = rasterize(_clip(portrait, points)[None], head.faces[parts].int(), height, width)[0].numpy() >= 0
    k = portrait.camera.intrinsics[0]
    centre = (k @ (middle / middle[2]))[:2].tolist()
    reach = MAX_RADIUS * float(np.hypot(*(np.argwhere(seen)[:, ::-1] - centre).T).max()) if seen.any() else 1.0
    steps = max(int(reach), 1)
    flags = cv2.INTER_LINEAR | cv2.WARP_FILL_OUTLIERS
    polar = lambda x: cv2.warpPolar(x.astype(np.float32), (steps, RAYS), centre, reach, flags)  # noqa: E731
    outer = steps - 1 - np.argmax(polar(seen)[:, ::-1] > 0.5, 1)  # the last of each ray that the skull covers
    person, inside = polar(portrait.matte) > SURE, polar(np.ones((height, width))) > 0.5
    share = np.zeros(RAYS)
    known = np.zeros(RAYS, bool)
    for ray in range(RAYS):
        start = int(MIN_RADIUS * outer[ray])
        gone = np.flatnonzero(~person[ray, start:])
        stop = start + (int(gone[0]) if len(gone) else steps - start)
        known[ray] = len(gone) > 0 and inside[ray, min(stop, steps - 1)] and outer[ray] > 0
        share[ray] = stop / max(outer[ray], 1) - 1
    share = np.interp(np.arange(RAYS), np.flatnonzero(known), share[known], period=RAYS) if known.any() else 0 * share
    share = np.clip(share, MIN_RADIUS - 1, MAX_RADIUS - 1)
    up = _up(head, points)
    away = np.abs((2 * np.pi / RAYS * np.arange(RAYS) - up + np.pi) % (2 * np.pi) - np.pi)
    above = 1 - np.clip((away - ABOVE[0]) / (ABOVE[1] - ABOVE[0]), 0, 1)
    share = np.where(share > 0, share * above, share) - WITHIN
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
