"""A portrait prepared for drawing: all that does not change from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor

from ...core.easing import smoothstep
from ...flame_motion.heads.head import PARTS
from ...flame_motion.tracking.landmarks import FACE_OUTLINE
from ...renderer import clip, rasterize, to_pixels
from ..mouth.painter import MouthPainter, mouth_network
from ..portrait import Portrait
from .fill import backdrop
from .hair import with_hair
from .hair_colors import covered_ears, shown_parts
from .lid_colors import lid_colors
from .parts import FACE, MOUTH, SKULL, faces_of, vertices_of
from .shell import Shell, build_shell, homogeneous_pixels
from .teeth import INNER_LIPS, lips_parted, with_teeth
from .texture import bake_texture
from .uv_map import facing, uv_vertices

OVER = (*FACE, *MOUTH)  # drawn over the shell
UNDER = ("neck", *SKULL)  # drawn under it, where they fill what the shell leaves open beside a turned jaw
SEAM = 0.012  # m inside the face's outline over which the head fades in over the shell
BESIDE = 0.025  # m outside the face's outline over which what is drawn under the shell fades out
NAPE = 0.12  # m below the skull over which it does too
SEEN = 0.3  # cosine between a surface and the view of it, from which on the photo surely shows it


@dataclass(frozen=True, eq=False)
class Scene:
    """What drawing a portrait needs of it."""

    portrait: Portrait
    shell: Shell
    drawn: Tensor  # indices of the vertices of `faces`
    photo: np.ndarray  # [H, W, 4] float32 0..255, matte in alpha
    backdrop: np.ndarray  # [H, W, 3] uint8
    texture: np.ndarray  # [R, R, 4] uint8
    lids: np.ndarray  # [2 R, 2 R, 4] uint8, what shut lids show, on the same uv map
    faces: Tensor  # [F, 3] int32
    uv_faces: np.ndarray  # [F, 3] int32
    attributes: np.ndarray  # [1, U, 6] homogeneous photo px, u, v, opacity
    part: np.ndarray  # [F] uint8, 0 for what is drawn under the shell
    photo_part: np.ndarray  # [2 H, 2 W] uint8, which of them the photo shows
    lips: Tensor  # indices of vertices along the inner lips
    lips_at: np.ndarray  # [L, 2] px, where they are in the photo
    before: Tensor  # [1, N, 3] m, the head in the photo
    mouth: MouthPainter | None = None  # what makes its mouth look like a photo's


def prepare(portrait: Portrait) -> Scene:
    """The scene of a portrait, whose hair, ears and teeth are fitted to its photo first."""
    covered = covered_ears(portrait, shown_parts(portrait))
    portrait = with_teeth(with_hair(portrait, covered))
    head = portrait.head
    vertex = uv_vertices(head)
    photo_at = homogeneous_pixels(portrait.camera, portrait.vertices()[0])
    attributes = torch.cat([photo_at[vertex], head.uv, _opacity(portrait, photo_at)[vertex, None]], 1)[None]
    matte = (portrait.matte * 255 + 0.5).astype(np.uint8)
    drawn = faces_of(head, OVER + UNDER)
    under = faces_of(head, UNDER)[drawn]
    faces, part = head.faces[drawn].int(), head.part[drawn].masked_fill(under, 0).numpy().astype(np.uint8)
    height, width = portrait.matte.shape
    lips = head.mediapipe[torch.tensor(INNER_LIPS)]
    seen = rasterize(clip(portrait.camera, portrait.vertices())[0], faces, 2 * height, 2 * width)[0].numpy()
    texture = bake_texture(portrait, covered=covered)
    return Scene(
        portrait,
        build_shell(portrait),
        head.faces[drawn].unique(),
        np.dstack([portrait.image, matte]).astype(np.float32),
        backdrop(portrait.image, portrait.matte),
        texture,
        lid_colors(portrait, texture),
        faces,
        head.uv_faces[drawn].int().numpy(),
        attributes.contiguous().numpy(),
        part,
        _photo_part(portrait, np.where(seen >= 0, part[seen], 0).astype(np.uint8)),
        lips,
        to_pixels(portrait.camera, portrait.vertices()[:, lips])[0, 0, :, :2].numpy(),
        portrait.vertices(),
    )


def with_mouth(scene: Scene) -> Scene:
    """The scene with what paints its mouth, where the head has one."""
    return replace(scene, mouth=MouthPainter.of(scene.portrait, scene.faces, scene.part, mouth_network()))


def _photo_part(portrait: Portrait, part: np.ndarray) -> np.ndarray:
    """Which part [2 H, 2 W] the photo shows, of those the model has there: SLIT between lips that it shows shut."""
    from .composite_kernel import SLIT

    if lips_parted(portrait):
        return part
    return np.where(part >= PARTS.index(MOUTH[0]), np.uint8(SLIT), part)


def _opacity(portrait: Portrait, photo_at: Tensor) -> Tensor:
    """Opacity [N] of the head. Over the shell: 1, falling to 0 at the face's outline, where the shell takes over.

    Under it: of what the photo sees, the matte at its place there, since what falls beside the person is no part of
    them; all of the skull behind; of the neck what is near either.
    """
    head = portrait.head
    outline = head.mediapipe_skin(torch.tensor(FACE_OUTLINE)).template
    between = torch.cat([outline, (outline + outline.roll(-1, 0)) / 2])
    distance = torch.cdist(head.template, between).min(1).values
    inside = smoothstep(distance / SEAM)
    beside = (1.8 - distance / BESIDE).clamp(0, 1)
    x, y = (photo_at[:, :2] / photo_at[:, 2:]).numpy().T.astype(np.float32)
    matte = cv2.remap(portrait.matte, x - 0.5, y - 0.5, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    over = vertices_of(head, OVER)
    matte, skull = torch.from_numpy(matte.ravel()), vertices_of(head, SKULL)
    below = torch.cdist(head.template, head.template[skull]).min(1).values if bool(skull.any()) else beside + NAPE
    nape = 1 - smoothstep(below / NAPE)
    seen = smoothstep(facing(portrait) / SEEN)
    matte = torch.where(vertices_of(head, ("ears",)), (2 * matte).clamp_max(1), matte)
    return torch.where(over, inside, torch.where(skull, 1 - seen * (1 - matte), nape.maximum(beside) * matte))
