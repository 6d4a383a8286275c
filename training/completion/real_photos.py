"""Pairs for the completion network from photos of real people: what the photo shows, asked for from another side.

The portrait is drawn as a camera beside the photo's own would see it, which hides a part that the photo shows. The
network sees the drawing; where it hides what the photo shows, the photo is the truth. So are its outlines: seen from
the camera of the drawing they say how far hair reaches.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...generator import Portrait
from ...generator.completion.atlas import COLUMNS, FARTHEST, ROWS, surface_normals, surface_points
from ...generator.completion.frame import AtlasView, atlas_view
from ...generator.completion.merge import rim_share, with_whole_head
from ...generator.completion.seen import look, unhidden
from ...generator.completion.whole_head import FINE
from ...generator.warp import WarpGenerator
from ...renderer import Cameras, to_pixels
from ...renderer.cameras.paths import around, still

YAW = (12.0, 40.0)  # degrees between which a camera stands aside
ELEVATION = 8.0  # degrees, one standard deviation
FACING = 0.25  # cosine to the camera from which on a surface is shown well


@dataclass(frozen=True)
class RealTruth:
    """What a photo tells of an atlas; H x W = ROWS x COLUMNS, h x w FINE times as many."""

    skin: np.ndarray  # [h, w, 3] uint8, the photo's colors, be they skin's, hair's or a collar's
    hair: np.ndarray  # [h, w, 3] uint8, the same
    hair_there: np.ndarray  # [h, w] uint8 0..255, where it is hair, as the network says who sees the photo itself
    skin_there: np.ndarray  # [h, w] uint8 0..255, how surely the photo shows them
    seen: np.ndarray  # [H, W] uint8, 1 where the drawing shows them well, too
    outline: np.ndarray  # [H, W] float16 m, beyond which nothing is; 0 where the photo ends before
    rim: np.ndarray  # [H, W] uint8 0..255, how far the surface reaches that outline
    real: np.ndarray  # [] bool, that it is one


def real_view(portrait: Portrait, rng: np.random.Generator) -> tuple[Portrait, RealTruth]:
    """A portrait as it is drawn from aside, and what its photo tells of the head."""
    portrait = with_whole_head(portrait)
    drawn = seen_from_aside(portrait, _camera(portrait, rng))
    return drawn, _truth(portrait, atlas_view(drawn))


def seen_from_aside(portrait: Portrait, camera: Cameras) -> Portrait:
    """The portrait as if the photo had been taken by that camera."""
    generator = WarpGenerator()
    (frame,) = generator(portrait, portrait.pose, camera)
    (person,) = generator(_silhouette(portrait), portrait.pose, camera)
    matte = person[0].astype(np.float32).mean(-1) / 255
    landmarks = portrait.landmarks.copy()
    landmarks[:, :2] = to_pixels(camera, portrait.vertices())[0, 0].numpy()[portrait.head.mediapipe.numpy(), :2]
    return replace(portrait, image=frame[0], matte=matte, camera=camera, landmarks=landmarks, whole=None)


def _silhouette(portrait: Portrait) -> Portrait:
    """The portrait in white on black."""
    assert portrait.whole is not None
    white = np.repeat((portrait.matte * 255 + 0.5).astype(np.uint8)[..., None], 3, -1)
    return replace(portrait, image=white, whole=replace(portrait.whole, color=np.full_like(portrait.whole.color, 255)))


def _camera(portrait: Portrait, rng: np.random.Generator) -> Cameras:
    """A camera aside of the photo's own, around the middle of the head."""
    yaw = float(rng.choice([-1, 1]) * rng.uniform(*YAW))
    elevation = float(np.clip(rng.normal() * ELEVATION, -20, 20))
    return around(portrait.camera, portrait.vertices()[0].mean(0), still([yaw], [elevation]))


def _truth(portrait: Portrait, aside: AtlasView) -> RealTruth:
    """What the portrait's photo tells; aside: the view of the drawing."""
    whole, seen = portrait.whole, look(portrait)
    assert whole is not None
    radius, there = _coarse(whole.radius), _coarse(whole.there.astype(np.float32)) > 0.5
    points = surface_points(radius)
    away = aside.eye - points
    away /= np.linalg.norm(away, axis=-1, keepdims=True)
    shows = unhidden(radius, there, aside, portrait.matte.shape) & ((surface_normals(radius) * away).sum(-1) > FACING)
    outline = np.where(seen.cut, 0, np.minimum(seen.outline, FARTHEST))
    hair = np.where(whole.shown > 127, whole.hair, 0).astype(np.uint8)
    seen_too = shows & (_coarse(whole.shown.astype(np.float32)) > 127)
    return RealTruth(
        whole.color, whole.color, hair, whole.shown, seen_too.astype(np.uint8), outline.astype(np.float16),
        (255 * rim_share(radius, seen) + 0.5).astype(np.uint8), np.array(True),
    )  # fmt: skip


def _coarse(fine: np.ndarray) -> np.ndarray:
    """An atlas [h, w] at the network's side [H, W]."""
    return fine.reshape(ROWS, FINE, COLUMNS, FINE).mean((1, 3))
