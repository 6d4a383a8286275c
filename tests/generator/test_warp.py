"""The warp generator: exact at rest, right where the geometry says what must appear."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from flamecast.flame_motion import BadInput, FlameSequence
from flamecast.generator import load_generator
from flamecast.generator.warp.generator import wall_homography
from flamecast.generator.warp.shell import build_shell
from flamecast.renderer import Cameras, place_cameras, to_pixels


def held(pose: FlameSequence, frames: int) -> FlameSequence:
    """A pose kept for some frames."""
    grow = lambda x: x.repeat(frames, *[1] * (x.ndim - 1))  # noqa: E731
    names = ("expression", "rotation", "neck", "jaw", "eyes", "eyelids", "translation")
    return replace(pose, **{n: grow(getattr(pose, n)) for n in names})


def test_the_source_pose_returns_the_photo_to_the_bit(portrait):
    (frame,) = load_generator("warp")(portrait, portrait.pose)
    assert np.array_equal(frame[0], portrait.image)


def test_shell_stands_still_with_the_pose_and_moves_with_the_head(portrait):
    shell = build_shell(portrait)
    at = to_pixels(portrait.camera, shell.pose(portrait.pose))[0, 0, :, :2]
    assert torch.allclose(at, shell.photo_at[:, :2] / shell.photo_at[:, 2:], atol=2e-2)
    shift = torch.tensor([[0.01, -0.02, 0.03]])
    moved = shell.pose(replace(portrait.pose, translation=shift)) - shell.pose(portrait.pose)
    head = shell.carried.body < 1e-6
    assert head.any() and torch.allclose(moved[0, head], shift.expand(int(head.sum()), 3), atol=1e-5)


def test_the_torso_follows_large_moves_only(portrait):
    shell = build_shell(portrait)
    torso = (shell.carried.body * (shell.carried.free == 1)).argmax()  # not held by the photo's edge
    for distance, least, most in ((0.002, 0.0, 0.05), (0.025, 0.4, 0.6), (0.5, 0.95, 1.0)):
        shift = torch.tensor([[distance, 0.0, 0.0]])
        moved = shell.pose(replace(portrait.pose, translation=shift)) - shell.pose(portrait.pose)
        share = float(moved[0, torso, 0] / distance)
        assert (
            1 - shell.carried.body[torso] * (1 - least) - 1e-3
            <= share
            <= 1 - shell.carried.body[torso] * (1 - most) + 1e-3
        )


def test_far_background_never_moves(portrait):
    motion = held(portrait.pose, 3)
    motion = replace(motion, neck=motion.neck + torch.linspace(0, 0.4, 3)[:, None] * torch.tensor([0.0, 1.0, 0.0]))
    frames = list(load_generator("warp")(portrait, motion))
    away = portrait.matte.max(0) < 0.01  # columns without the person
    if away.any():
        for frame in frames:
            assert np.array_equal(frame[0][:, away], portrait.image[:, away])
    assert np.array_equal(frames[2][0][:40, :40], portrait.image[:40, :40])


def test_whole_body_shift_moves_the_face_by_the_projected_amount(portrait):
    shift = torch.tensor([[0.02, 0.0, 0.0]])
    (frame,) = load_generator("warp")(portrait, replace(portrait.pose, translation=shift))
    nose = portrait.head.mediapipe[4]
    before, after = (
        to_pixels(portrait.camera, portrait.vertices(m)[:, nose : nose + 1])[0, 0, 0, :2].numpy()
        for m in (portrait.pose, replace(portrait.pose, translation=shift))
    )
    step = np.round(after - before).astype(int)
    size = 12
    x, y = np.round(before).astype(int)
    source = portrait.image[y - size : y + size, x - size : x + size].astype(float)
    x, y = x + step[0], y + step[1]
    target = frame[0][y - size : y + size, x - size : x + size].astype(float)
    assert np.corrcoef(source.ravel(), target.ravel())[0, 1] > 0.97


def test_every_view_is_drawn_and_view_zero_is_the_photo(portrait):
    centre = portrait.head.skin.joints[1]
    cameras = place_cameras(portrait.camera, centre, 1, views="-20,0,20")
    (frame,) = load_generator("warp")(portrait, portrait.pose, cameras)
    assert frame.shape == (3, *portrait.image.shape)
    assert np.array_equal(frame[1], portrait.image)
    assert not np.array_equal(frame[0], frame[2])


def test_same_input_same_video(portrait):
    motion = held(portrait.pose, 2)
    motion = replace(motion, jaw=motion.jaw + torch.tensor([0.2, 0.0, 0.0]))
    first, again = (np.stack(list(load_generator("warp")(portrait, motion))) for _ in range(2))
    assert np.array_equal(first, again)


def test_wall_homography_is_the_plane_seen_by_both_cameras(portrait):
    target = place_cameras(portrait.camera, [0.0, 0.0, 0.0], 1, views="25").view(0)
    source = portrait.camera
    distance = float(source.camera_from_world[0, 2, 3]) + 0.35
    wall = torch.tensor([[x, y, distance] for x in (-0.3, 0.1) for y in (-0.2, 0.3)])
    inverse = torch.linalg.inv(source.camera_from_world[0])
    world = (wall @ inverse[:3, :3].T + inverse[:3, 3])[None]
    flat = lambda camera: to_pixels(camera, world)[0, 0, :, :2].double().numpy()  # noqa: E731
    mapped = np.c_[flat(target), np.ones(4)] @ wall_homography(source, target).T
    assert np.allclose(mapped[:, :2] / mapped[:, 2:], flat(source), atol=1e-2)


def test_unknown_generator_lists_the_known():
    with pytest.raises(BadInput, match="there is no generator 'magic'; known are:.*warp"):
        load_generator("magic")


def test_output_size_follows_the_camera(portrait):
    small = portrait.camera.resized(120, 160)
    assert isinstance(small, Cameras)
    (frame,) = load_generator("warp")(portrait, portrait.pose, small)
    assert frame.shape == (1, 120, 160, 3)


def test_nothing_of_shut_lips_is_left_between_lips_that_part(portrait):
    """A line of lips that the photo shows shut is no part of the mouth behind them."""
    points = portrait.landmarks.copy()
    points[14] = points[13]
    image = portrait.image.copy()
    magenta = [255, 0, 255]
    lips = portrait.landmarks[
        [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95]
    ]
    left, top = lips[:, :2].min(0).astype(int)
    right, bottom = lips[:, :2].max(0).astype(int) + 1
    image[top:bottom, left:right] = magenta
    shut = replace(portrait, image=image, landmarks=points)
    (frame,) = load_generator("warp")(shut, shut.pose)
    assert np.array_equal(frame[0], image)
    opened = replace(shut.pose, jaw=shut.pose.jaw + torch.tensor([[0.35, 0.0, 0.0]]))
    (frame,) = load_generator("warp")(shut, opened)
    upper, lower = to_pixels(shut.camera, shut.vertices(opened)[:, shut.head.mediapipe[torch.tensor([13, 14])]])[
        0, 0, :, :2
    ]
    x, y = ((upper + lower) / 2).round().int().tolist()
    middle = frame[0][y - 2 : y + 3, x - 4 : x + 5].reshape(-1, 3).astype(int)
    assert (np.abs(middle - magenta).sum(1) > 200).all()


def test_a_portrait_is_prepared_once_and_another_anew(portrait, monkeypatch):
    from flamecast.generator.warp import generator as module

    made: list[object] = []
    prepare = module.prepare
    monkeypatch.setattr(module, "prepare", lambda one: made.append(one) or prepare(one))
    warp, small = load_generator("warp"), portrait.resized(96, 96)
    first, again = next(warp(small, small.pose)), next(warp(small, small.pose))
    assert made == [small] and np.array_equal(first, again)
    other = portrait.resized(64, 64)
    assert np.array_equal(next(warp(other, other.pose))[0], other.image) and made == [small, other]
