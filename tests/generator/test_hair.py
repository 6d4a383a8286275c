"""The skull under the hair: as wide as the photo shows the head, closed behind, the face untouched."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from flamecast.flame_motion.heads.head import PARTS
from flamecast.flame_motion.rotations import compose
from flamecast.generator import load_generator
from flamecast.generator.warp.hair import with_hair
from flamecast.generator.warp.hair_colors import covered_ears, hair_alone, shown_parts
from flamecast.generator.warp.parts import FACE, SKULL, vertices_of
from flamecast.renderer import clip, rasterize


def outline(portrait) -> np.ndarray:
    """Where the head (without neck) covers the photo, [H, W] bool."""
    head = portrait.head
    inside = vertices_of(head, FACE + SKULL)
    faces = head.faces[inside[head.faces].all(1)].int()
    height, width = portrait.matte.shape
    return rasterize(clip(portrait.camera, portrait.vertices())[0], faces, height, width)[0].numpy() >= 0


def above_ears(portrait) -> np.ndarray:
    """Rows of the picture above the eyes' outer corners."""
    rows = np.arange(portrait.matte.shape[0])
    return rows < portrait.landmarks[[33, 263], 1].min()


@pytest.mark.parametrize("thicker", [1.0, 1.15, 1.35])
def test_the_heads_outline_becomes_that_of_the_matte(portrait, thicker):
    own = outline(portrait)
    rows, columns = np.nonzero(own)
    centre = (float(columns.mean()), float(rows.mean()))
    grown = cv2.warpAffine(own.astype(np.float32), cv2.getRotationMatrix2D(centre, 0, thicker), own.shape[::-1])
    haired = with_hair(replace(portrait, matte=np.ascontiguousarray(grown)), (False, False))
    top = above_ears(portrait)
    now, wanted = outline(haired)[top], grown[top] > 0.5
    assert (now & wanted).sum() / (now | wanted).sum() > 0.93
    before = own[top]
    assert thicker == 1.0 or (before & wanted).sum() / (before | wanted).sum() < 0.9
    face = vertices_of(portrait.head, FACE)
    assert torch.equal(haired.offsets[face], portrait.offsets[face])
    if thicker == 1.0:
        assert (
            float((haired.offsets - portrait.offsets)[vertices_of(portrait.head, ("scalp",))].norm(dim=1).mean())
            < 0.003
        )


def test_a_turned_head_keeps_its_width(portrait):
    """From the side a head is deeper than it is wide; a mask of a face would be a third of it."""
    turn = torch.tensor([[0.0, 1.0, 0.0]])
    motion = replace(portrait.pose, neck=compose(turn, portrait.pose.neck))
    green = replace(
        portrait, image=np.where(portrait.matte[..., None] > 0.5, portrait.image, [0, 255, 0]).astype(np.uint8)
    )
    (frame,) = load_generator("warp")(green, motion)
    person = np.abs(frame[0].astype(int) - [0, 255, 0]).sum(-1) > 120
    brow = int(portrait.landmarks[10, 1])
    wide = lambda mask: np.count_nonzero(mask[brow])  # noqa: E731
    assert wide(person) > 0.9 * wide(portrait.matte > 0.5)


def test_the_back_of_the_head_is_hair_and_not_face(portrait):
    shown = shown_parts(portrait)
    hair = hair_alone(portrait, shown)
    skull = (shown == PARTS.index("scalp")) & (portrait.matte > 0.95)
    face = shown == PARTS.index("face")
    lab = lambda image, where: cv2.cvtColor(image, cv2.COLOR_RGB2LAB)[where].astype(float).mean(0)  # noqa: E731
    to_hair = np.linalg.norm(lab(hair, face) - lab(portrait.image, skull))
    to_face = np.linalg.norm(lab(hair, face) - lab(portrait.image, face))
    assert to_hair < 0.6 * to_face


def test_an_ear_that_hair_covers_lies_flat(portrait):
    shown = shown_parts(portrait)
    ear = (shown == PARTS.index("ears")) & (portrait.matte > 0.95)
    assert ear.any()
    painted = portrait.image.copy()
    painted[shown == PARTS.index("ears")] = 20
    dark = replace(portrait, image=painted)
    assert any(covered_ears(dark, shown))
    rest = lambda p: (p.head.skin.shaped(p.shape, p.offsets)[0])[vertices_of(p.head, ("ears",)), 0].abs().max()  # noqa: E731
    skin = portrait.image.copy()
    skin[shown == PARTS.index("ears")] = np.median(portrait.image[shown == PARTS.index("face")], 0)
    light = replace(portrait, image=skin)
    assert not any(covered_ears(light, shown))
    assert float(rest(with_hair(dark, (True, True)))) < float(rest(with_hair(light, (False, False)))) - 0.005


@pytest.mark.parametrize("matte", [1.0, 0.5])
def test_a_person_that_fills_the_photo_has_no_endless_hair(portrait, matte):
    filled = replace(portrait, matte=np.full_like(portrait.matte, matte))
    grown = (with_hair(filled, (False, False)).offsets - portrait.offsets).norm(dim=1)
    assert float(grown.max()) < 0.08
