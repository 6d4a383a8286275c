"""A portrait prepared for drawing: all that does not change from frame to frame."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ...core.easing import smoothstep
from ...flame_motion.heads.head import PARTS
from ...flame_motion.tracking.landmarks import FACE_OUTLINE
from ...renderer import clip, rasterize, to_pixels
from .. import covers
from ..completion.ears import Ears, ears_in_photo, ears_of_photo
from ..completion.merge import with_whole_head
from ..completion.seen import in_photo
from ..mouth.painter import MouthPainter, mouth_network
from ..portrait import Portrait
from .completed_head import CompletedHead, completed_head
from .fill import backdrop
from .folds import fold_maps
from .lid_colors import lid_colors
from .parts import FACE, MOUTH, faces_of, is_part, vertices_of
from .shell import Shell, build_shell, homogeneous_pixels
from .teeth import INNER_LIPS, lips_parted, with_teeth
from .texture import bake_texture
from .uv_map import uv_vertices

DRAWN = (*FACE, *MOUTH)  # over everything else
OUTSIDE = 0.15  # of the face's height: the farthest that the completed head is waited for beyond the photo's outline
SEAM = 0.012  # m inside the face's outline over which the face fades in


@dataclass(frozen=True, eq=False)
class Scene:
    """What drawing a portrait needs of it."""

    portrait: Portrait
    shell: Shell
    completed: CompletedHead
    drawn: Tensor  # indices of the vertices of `faces`
    photo: np.ndarray  # [H, W, 6] float32 0..255: color, matte, what the completed head stands for, and how far outside
    backdrop: np.ndarray  # [H, W, 3] uint8
    texture: np.ndarray  # [R, R, 4] uint8
    lids: np.ndarray  # [2 R, 2 R, 4] uint8, what shut lids show, on the same uv map
    faces: Tensor  # [F, 3] int32
    uv_faces: np.ndarray  # [F, 3] int32
    vertex: Tensor  # [U] the vertex of each uv point
    attributes: np.ndarray  # [U, 6] homogeneous photo px, u, v, opacity
    part: np.ndarray  # [F] uint8
    photo_part: np.ndarray  # [2 H, 2 W] uint8, which of them the photo shows
    lips: Tensor  # indices of vertices along the inner lips
    lips_at: np.ndarray  # [L, 2] px, where they are in the photo
    before: Tensor  # [1, N, 3] m, the head in the photo
    folds: Tensor | None  # [E, N], see `folds.fold_maps`; None where there are none
    mouth: MouthPainter | None = None  # what makes its mouth look like a photo's


def prepare(portrait: Portrait) -> Scene:
    """The scene of a portrait, whose teeth are fitted to its photo and whose head is completed first."""
    portrait = with_teeth(with_whole_head(portrait))
    head = portrait.head
    vertex = uv_vertices(head)
    photo_at = homogeneous_pixels(portrait.camera, portrait.vertices()[0])
    ears = ears_of_photo(portrait)
    opacity = _opacity(portrait, ears)
    attributes = torch.cat([photo_at[vertex], head.uv, opacity[vertex, None]], 1)
    drawn = faces_of(head, DRAWN)
    faces, part = head.faces[drawn].int(), head.part[drawn].numpy().astype(np.uint8)
    part[is_part(part, covers.behind(portrait.covers))] = PARTS.index("face")
    height, width = portrait.matte.shape
    lips = head.mediapipe[torch.tensor(INNER_LIPS)]
    seen = rasterize(clip(portrait.camera, portrait.vertices())[0], faces, 2 * height, 2 * width)[0].numpy()
    with ThreadPoolExecutor(1, "texture") as beside:
        colors = beside.submit(_colors, portrait)
        shell = build_shell(portrait)
        completed = completed_head(portrait, shell, opacity, ears)
        texture, lids = colors.result()
    matte = (portrait.matte * 255 + 0.5).astype(np.uint8)
    return Scene(
        portrait,
        shell,
        completed,
        head.faces[drawn].unique(),
        np.dstack([portrait.image, matte, 255 * completed.own, 255 * _outside(portrait)]).astype(np.float32),
        backdrop(portrait.image, portrait.matte),
        texture,
        lids,
        faces,
        head.uv_faces[drawn].int().numpy(),
        vertex,
        attributes.contiguous().numpy(),
        part,
        _photo_part(portrait, np.where(seen >= 0, part[seen], 0).astype(np.uint8)),
        lips,
        to_pixels(portrait.camera, portrait.vertices()[:, lips])[0, 0, :, :2].numpy(),
        portrait.vertices(),
        None if portrait.covers else fold_maps(head),  # what covers a face has no folds
    )


def _colors(portrait: Portrait) -> tuple[np.ndarray, np.ndarray]:
    """See `Scene.texture` and `Scene.lids`."""
    texture = bake_texture(portrait)
    return texture, lid_colors(portrait, texture)


def _outside(portrait: Portrait) -> np.ndarray:
    """How far [H, W] each pixel is outside the person's outline, 1 from `OUTSIDE` on."""
    import cv2

    away = cv2.distanceTransform((portrait.matte < 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    return np.minimum(away / (OUTSIDE * float(np.ptp(portrait.landmarks[:, 1]))), 1)


def with_mouth(scene: Scene) -> Scene:
    """The scene with what paints its mouth, where the head has one and nothing covers it."""
    if covers.MOUTH in scene.portrait.covers:
        return scene
    return replace(scene, mouth=MouthPainter.of(scene.portrait, scene.faces, scene.part, mouth_network()))


def _photo_part(portrait: Portrait, part: np.ndarray) -> np.ndarray:
    """Which part [2 H, 2 W] the photo shows, of those the model has there: SLIT between lips that it shows shut."""
    from .composite_kernel import SLIT

    if lips_parted(portrait):
        return part
    return np.where(part >= PARTS.index(MOUTH[0]), np.uint8(SLIT), part)


def _opacity(portrait: Portrait, ears: Ears) -> Tensor:
    """Opacity [N] of the face: 1, falling to 0 at its outline, where the shell and the completed head take over.

    So it does where the photo shows an ear that a fitted face is too wide for: else it would be on the cheek.
    """
    head = portrait.head
    ear = in_photo(
        ears_in_photo(portrait, ears), to_pixels(portrait.camera, portrait.vertices())[0, 0, None, :, :2].numpy()
    )
    outline = head.mediapipe_skin(torch.tensor(FACE_OUTLINE)).template
    between = torch.cat([outline, (outline + outline.roll(-1, 0)) / 2])
    inside = smoothstep(torch.cdist(head.template, between).min(1).values / SEAM)
    return torch.where(vertices_of(head, DRAWN), inside * (1 - torch.from_numpy(ear[0])), 0.0)
