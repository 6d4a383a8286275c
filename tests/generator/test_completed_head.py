"""The completed head: in place, closed all around, and what a turned head shows of it."""

from __future__ import annotations

from dataclasses import fields, replace

import cv2
import numpy as np
import pytest
import torch

from flamecast.flame_motion.rotations import compose
from flamecast.generator import Portrait
from flamecast.generator.completion.atlas import COLUMNS, ROWS, directions_of, heights, longitudes, surface_points
from flamecast.generator.completion.merge import FLARE, NAPE, _straight_nape, complete, with_whole_head, within_outline
from flamecast.generator.completion.network import load_completion
from flamecast.generator.completion.seen import look
from flamecast.generator.warp import WarpGenerator
from flamecast.generator.warp.completed_head import _texture_grid
from flamecast.generator.warp.generator import _facing
from flamecast.generator.warp.scene import prepare
from flamecast.renderer import around, clip, rasterize, view_list

GREEN = np.array([0, 255, 0])


@pytest.fixture(scope="module")
def scene(portrait):
    return prepare(portrait)


def turned(portrait, *degrees: float):
    """The portrait's pose with its head turned further by (pitch, yaw, roll)."""
    turn = torch.deg2rad(torch.tensor([degrees]))
    return replace(portrait.pose, neck=compose(turn, portrait.pose.neck))


def test_it_is_in_place_in_the_photos_pose(scene):
    posed = scene.completed.pose(scene.portrait.pose)[0]
    assert torch.allclose(posed, scene.completed.carried.place, atol=1e-5)


def test_points_lie_in_the_directions_of_their_texels():
    rows, columns = directions_of(surface_points(np.full((ROWS, COLUMNS), 0.1)))
    assert np.allclose(rows, np.arange(ROWS)[:, None] + 0.5) and np.allclose(columns, np.arange(COLUMNS) + 0.5)


def test_its_texture_has_a_point_for_each_corner_and_no_triangle_runs_across_it():
    faces, uv_faces, point, uv = _texture_grid()
    assert (point[uv_faces] == faces).all()
    assert np.ptp(uv[uv_faces], axis=1).max() < 0.02


def test_triangles_that_face_the_camera_are_told_by_their_winding(portrait):
    corner = clip(portrait.camera, portrait.vertices())[0, 0]
    assert (_facing(corner, portrait.head.faces) == portrait.front_faces().numpy()).all()


def test_how_far_it_is_turned(scene):
    portrait, completed = scene.portrait, scene.completed
    of = lambda *degrees: float(completed.turned(portrait, turned(portrait, *degrees), portrait.camera)[0, 0])  # noqa: E731
    assert of(0, 0, 0) == 0 and of(0, 0, 40) < 0.05  # rolled, it shows the camera the same side
    assert of(0, 30, 0) == of(0, -30, 0) == of(30, 0, 0) == 1
    assert 0 < of(0, 15, 0) < of(0, 20, 0) < 1
    orbit = around(portrait.camera, completed.centre, view_list("30"))
    assert completed.turned(portrait, portrait.pose, orbit)[0, 0] == 1


@pytest.mark.parametrize("yaw", [-60, -35, 35, 60])
def test_nothing_behind_shows_through_a_turned_head(portrait, scene, yaw):
    green = replace(scene, backdrop=np.broadcast_to(GREEN.astype(np.uint8), scene.backdrop.shape).copy())
    generator, motion = WarpGenerator(), turned(portrait, 0, yaw, 0)
    generator._prepared = portrait, green
    frame = next(iter(generator(portrait, motion)))[0]
    corner = clip(portrait.camera, scene.completed.pose(motion))[0]
    covered = rasterize(corner, scene.completed.faces, *portrait.matte.shape)[0].numpy() >= 0
    covered = cv2.erode(covered.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0  # without its soft outline
    above = np.arange(len(covered))[:, None] < portrait.landmarks[152, 1]
    seen_through = (np.abs(frame.astype(int) - GREEN).max(-1) < 100) & covered & above
    assert seen_through.sum() < 0.002 * covered.sum()


@pytest.mark.parametrize("yaw, out", [(4, False), (-4, False), (25, True)])
def test_a_head_that_has_hardly_turned_keeps_the_outline_of_the_photo(portrait, scene, yaw, out):
    texture = scene.completed.texture.copy()
    texture[..., :3] = GREEN
    generator = WarpGenerator()
    generator._prepared = portrait, replace(scene, completed=replace(scene.completed, texture=texture))
    frame = next(iter(generator(portrait, turned(portrait, 0, yaw, 0))))[0]
    green = (np.abs(frame.astype(int) - GREEN).max(-1) < 60)[: int(portrait.landmarks[152, 1])]
    assert (green.sum() > 100) == out


def test_it_agrees_with_the_outline(portrait):
    seen = look(portrait)
    radius = within_outline(np.full(seen.outline.shape, 0.3), seen)
    assert (radius <= np.where(seen.cut, 0.3, seen.outline) + 1e-6).all()
    near = within_outline(seen.outline - 0.02, seen)
    aside = (np.abs(seen.toward) < 0.02) & ~seen.cut & (np.arange(ROWS) < 80)[:, None]
    toward = (seen.toward > 0.9) & ~seen.cut
    assert aside.sum() > 50
    assert np.abs(near - seen.outline)[aside].mean() < 0.004  # that is what the outline is the outline of
    assert np.allclose(near[toward], (seen.outline - 0.02)[toward], atol=1e-4)  # of this it says nothing


def test_the_same_photo_is_completed_alike_to_the_bit(portrait):
    one, two = (complete(portrait, load_completion()) for _ in range(2))
    assert one.whole is not None and two.whole is not None
    assert (one.whole.color == two.whole.color).all() and (one.whole.radius == two.whole.radius).all()
    assert torch.equal(one.offsets, two.offsets)


def test_shoulders_stay_at_the_photos_edge(scene):
    portrait, shell = scene.portrait, scene.shell
    motion = replace(portrait.pose, translation=torch.tensor([[0.0, 0.25, 0.0]]))
    moved = (shell.pose(motion) - shell.carried.place)[0].norm(dim=1)
    held = shell.carried.free < 0.02
    assert bool(held.any()) and float(moved[held].max()) < 0.006
    assert float(moved[shell.carried.body < 1e-3].min()) > 0.2


def test_a_portrait_keeps_its_whole_head(portrait, tmp_path):
    kept = with_whole_head(portrait)
    kept.save(tmp_path / "p.npz")
    back = Portrait.load(tmp_path / "p.npz")
    assert back.whole is not None and kept.whole is not None
    for field in fields(kept.whole):
        assert (getattr(back.whole, field.name) == getattr(kept.whole, field.name)).all()
    assert with_whole_head(back) is back
    motion = turned(portrait, 0, 40, 0)
    drawn = [next(iter(WarpGenerator()(one, motion))) for one in (portrait, back)]
    assert (drawn[0] == drawn[1]).all()


def test_a_bare_neck_does_not_widen_behind_and_hair_and_throat_stay():
    scale, height = 2, heights(2)
    neck = np.where(height < -0.12, 0.055 + 0.6 * (-0.12 - height), 0.055)[:, None] + np.zeros(scale * COLUMNS)
    hair = np.zeros_like(neck)
    assert np.array_equal(_straight_nape(neck, hair + 1), neck)
    out, below = _straight_nape(neck, hair), height < NAPE
    behind, before = np.cos(longitudes(2)) < -0.3, np.cos(longitudes(2)) > 0.2
    assert np.array_equal(out[:, before], neck[:, before]) and np.array_equal(out[~below], neck[~below])
    assert np.allclose(
        out[:, behind], np.minimum(neck[:, behind], 0.055 + FLARE * np.maximum(-0.12 - height, 0)[:, None]), atol=1e-3
    )


@pytest.mark.parametrize("yaw", [-30, 30])
def test_shoulders_fall_away_beyond_the_photos_sides(portrait, yaw):
    whole = with_whole_head(portrait)
    image, matte = whole.image.copy(), whole.matte.copy()
    chest = int(0.8 * len(image))
    image[chest:], matte[chest:] = GREEN, 1
    broad = replace(whole, image=image, matte=matte)
    generator, scene = WarpGenerator(), prepare(broad)
    generator._prepared = broad, replace(scene, backdrop=np.zeros_like(scene.backdrop))
    orbit = around(broad.camera, scene.completed.centre, view_list(str(yaw)))
    green = np.abs(next(iter(generator(broad, broad.pose, orbit)))[0].astype(int) - GREEN).max(-1) < 60
    columns = np.flatnonzero(green.any(0))[:: -1 if yaw < 0 else 1]  # from the side that the photo does not show
    top = green[:, columns].argmax(0)
    edge = int(top.argmin())  # where the photo's own chest begins, whose level outline is seen slightly from above
    arc, chest_line = top[: edge + 1].astype(int), top[edge:].astype(int)
    assert edge > 40 and (np.diff(arc) <= 0).all() and arc[0] - arc[edge // 2] > 1.2 * (arc[edge // 2] - arc[edge])
    assert arc[0] - arc[-1] > 0.8 * edge and np.abs(np.diff(chest_line)).max() <= 1
