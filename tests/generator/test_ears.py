"""Ears: found where the photo's outline has them, and drawn where nothing better is there."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from flamecast.flame_motion.heads.head import PARTS
from flamecast.generator.completion.ears import (
    SIDES,
    USUALLY,
    _move,
    ear_faces,
    ear_place,
    ears_in_photo,
    ears_of_photo,
)  # fmt: skip
from flamecast.generator.completion.frame import atlas_view, in_atlas
from flamecast.generator.completion.merge import with_whole_head
from flamecast.generator.completion.seen import view_clip
from flamecast.generator.warp.completed_head import _Layout, _with_ear
from flamecast.generator.warp.ears import PATCH, drawn_ears
from flamecast.generator.warp.scene import _opacity, prepare
from flamecast.renderer import rasterize, to_pixels


@pytest.fixture(scope="module")
def level(portrait):
    """The portrait's head looking straight at its camera."""
    return replace(portrait, pose=replace(portrait.pose, neck=torch.tensor([[0.17, 0.0, 0.0]])))


def fitted_ear(portrait, side):
    return in_atlas(portrait, portrait.vertices()[0, np.unique(ear_faces(portrait, side))]) + USUALLY * [side, 1, 1]


def drawn(portrait, points, faces):
    """Where [H, W] a mesh of the atlas's space appears in the photo."""
    size = portrait.matte.shape
    return (
        rasterize(view_clip(atlas_view(portrait), points, size), torch.from_numpy(faces).int(), *size)[0].numpy() >= 0
    )


@pytest.mark.parametrize(("out", "up"), [(0.0, 0.0), (0.008, -0.004), (-0.003, 0.005), (0.012, 0.0)])
def test_an_ear_is_moved_to_where_the_outline_has_it(level, out, up):
    head = level.head.faces[level.head.part != PARTS.index("ears")].numpy()
    matte = drawn(level, in_atlas(level, level.vertices()[0]), head).astype(np.float32)
    for side in SIDES:
        ear, (_, triangles) = fitted_ear(level, side), np.unique(ear_faces(level, side), return_inverse=True)
        for share in np.linspace(0, 1, 6):  # no gap is between it and the head
            place = ear + [side * out * share, up, 0]
            matte = np.maximum(matte, drawn(level, place, triangles.reshape(-1, 3)))
    moved = ears_of_photo(replace(level, matte=matte))
    for side in SIDES:
        found = (moved[side].points - fitted_ear(level, side))[0] * [side, 1, 1]
        assert np.allclose(found, [out, up, 0], atol=[0.003, 0.006, 0]), found


def test_an_ear_that_the_photo_shows_bare_is_drawn_whatever_is_likely_there(level):
    head = level.head.faces.numpy()
    matte = drawn(level, in_atlas(level, level.vertices()[0]), head).astype(np.float32)
    ears = [fitted_ear(level, side) for side in SIDES]
    for side, ear in zip(SIDES, ears):
        _, triangles = np.unique(ear_faces(level, side), return_inverse=True)
        matte = np.maximum(matte, drawn(level, ear, triangles.reshape(-1, 3)))
    skin = level.landmarks[[151, 9, 117, 346, 50, 280], :2].astype(int)
    image = np.broadcast_to(np.median(level.image[skin[:, 1], skin[:, 0]], 0), level.image.shape).astype(np.uint8)
    whole = with_whole_head(level).whole
    haired = replace(whole, hair=0 * whole.hair + 255, shown=0 * whole.shown)
    shown = replace(level, matte=matte, image=image)
    assert [ear.bare for ear in ears_of_photo(shown).values()] == [1, 1] and len(
        drawn_ears(ears_of_photo(shown), haired)
    ) == 2
    there = ears_in_photo(shown, ears_of_photo(shown))[..., None] > 0
    blue = replace(shown, image=np.where(there, [0, 0, 200], image).astype(np.uint8))
    for none in (level, blue):
        assert not drawn_ears(ears_of_photo(none), haired)


def test_an_outline_that_is_not_an_ears_moves_none(level):
    view, full = atlas_view(level), np.ones_like(level.matte)
    for side in SIDES:
        ear = fitted_ear(level, side)
        assert _move(ear, side, view, full) is None and _move(ear, side, view, 0 * full) is None


def test_without_an_outline_it_stays_where_people_have_it(level):
    for side, ear in ears_of_photo(replace(level, matte=np.ones_like(level.matte))).items():
        assert np.array_equal(ear.points, fitted_ear(level, side)) and ear.faces.max() == len(ear.points) - 1
        assert ear.bare is None


def test_ears_are_drawn_where_bare_and_not_shown(level):
    whole = with_whole_head(level).whole
    bare = replace(whole, hair=0 * whole.hair, shown=0 * whole.shown)
    ears = drawn_ears(ears_of_photo(level), bare)
    assert [np.sign(ear.points[:, 0].mean()) for ear in ears] == list(SIDES)
    for ear in ears:
        assert np.isfinite(ear.picture).all()
        assert ((ear.uv >= 0) & (ear.uv <= 1)).all()
        a, b, c = (ear.points[ear.faces[:, k]] for k in range(3))
        outwards = np.sign(ear.points[:, 0].mean()) * np.cross(b - a, c - a)[:, 0]
        assert outwards.sum() > 0  # it is open towards the skull
    one = np.where(ears[0].place, 255, 0).astype(np.uint8)
    for covered in (replace(bare, hair=one), replace(bare, shown=one)):
        assert len(drawn_ears(ears_of_photo(level), covered)) == 1
    assert not drawn_ears(
        ears_of_photo(level), replace(bare, hair=one | np.where(ears[1].place, 255, 0).astype(np.uint8))
    )


def test_the_photos_ear_is_where_its_points_are(level):
    inside = ears_in_photo(level, ears_of_photo(level))
    for ear in ears_of_photo(level).values():
        column, row = atlas_view(level).to_pixels(ear.points)[0].astype(int).T
        assert inside[row, column].min() > 0.5 and ear_place(ear.points).any()
    assert inside.mean() < 0.1


def test_no_face_is_drawn_where_the_photo_shows_an_ear(level):
    wide = replace(level, matte=np.ones_like(level.matte))
    row, column = to_pixels(wide.camera, wide.vertices())[0, 0, :, [1, 0]].long().T
    opacity = _opacity(wide, ears_of_photo(wide)).numpy()
    inside = cv2.erode(ears_in_photo(wide, ears_of_photo(wide)), np.ones((5, 5)))[row, column] == 1
    assert inside.any() and (opacity[inside] == 0).all() and (opacity == 1).any()


def test_a_texture_with_an_ear_under_it_is_the_same_above(level):
    whole = with_whole_head(level).whole
    ear = drawn_ears(ears_of_photo(level), replace(whole, hair=0 * whole.hair, shown=0 * whole.shown))[0]
    rng = np.random.default_rng(0)
    before = _Layout(
        np.array([[0, 1, 2]], np.int32), np.array([[0, 1, 2]], np.int32), np.arange(3),
        rng.uniform(size=(3, 3)).astype(np.float32), rng.integers(0, 255, (200, 128, 4)).astype(np.uint8),
    )  # fmt: skip
    after = _with_ear(before, ear)
    assert np.array_equal(after.texture[:200], before.texture) and len(after.texture) == 200 + PATCH
    assert np.allclose(
        (1 - after.attributes[:3, 1]) * len(after.texture), (1 - before.attributes[:, 1]) * 200, atol=1e-3
    )
    assert np.array_equal(after.attributes[:3, [0, 2]], before.attributes[:, [0, 2]])
    assert after.faces[1:].min() == 3 and after.vertex.max() == 2 + len(ear.points)
    assert ((1 - after.attributes[3:, 1]) * len(after.texture) >= 200).all()  # its own picture, not the head's


def test_the_completed_head_goes_along_with_its_ears(level):
    whole = with_whole_head(level)
    bare = replace(whole, whole=replace(whole.whole, hair=0 * whole.whole.hair, shown=0 * whole.whole.shown))
    scene = prepare(bare)
    ears = drawn_ears(ears_of_photo(bare), bare.whole)
    count = sum(len(ear.points) for ear in ears)
    at_rest = scene.completed.carried.place[-count:].numpy()
    assert np.allclose(in_atlas(bare, torch.from_numpy(at_rest)), np.concatenate([e.points for e in ears]), atol=1e-4)
    assert len(scene.completed.vertex) == len(scene.completed.attributes)
