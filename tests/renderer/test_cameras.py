"""Conventions and checks of cameras."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from flamecast.renderer import NEAR, Cameras, clip, facing, look_at, pinhole, to_pixels


def test_convention_subject_left_is_on_the_right_of_the_picture_and_up_is_up() -> None:
    camera = pinhole(100, 200, focal=100.0, distance=1.0)
    points = torch.tensor([[[0.0, 0.0, 0.0], [0.1, 0.0, 0.0], [0.0, 0.1, 0.0], [0.1, 0.1, 0.5]]])
    expected = torch.tensor([[100.0, 50.0], [110.0, 50.0], [100.0, 40.0], [120.0, 30.0]])
    torch.testing.assert_close(to_pixels(camera, points)[0, 0], expected)


def test_convention_depth_is_w_and_z_marks_the_near_plane() -> None:
    camera = pinhole(64, 64, focal=64.0, distance=1.0)
    points = torch.tensor([[[0.0, 0.0, 0.25], [0.0, 0.0, 1.0 - NEAR]]])
    seen = clip(camera, points)[0, 0]
    torch.testing.assert_close(seen[:, 3], torch.tensor([0.75, NEAR]))
    torch.testing.assert_close(seen[:, 2] + seen[:, 3], torch.tensor([2 * (0.75 - NEAR), 0.0]), atol=1e-6, rtol=0)


def test_convention_clip_corners_are_the_picture_corners() -> None:
    camera = pinhole(30, 50, focal=40.0, distance=1.0, principal=(20.0, 11.0))
    top_left = torch.tensor([[[-20.0 / 40.0, 11.0 / 40.0, 0.0]]])
    bottom_right = torch.tensor([[[30.0 / 40.0, -19.0 / 40.0, 0.0]]])
    both = clip(camera, torch.cat([top_left, bottom_right], dim=1))[0, 0]
    torch.testing.assert_close(both[:, :2] / both[:, 3:], torch.tensor([[-1.0, -1.0], [1.0, 1.0]]))


def test_points_behind_the_camera_have_no_pixel() -> None:
    camera = pinhole(10, 10, focal=10.0, distance=1.0)
    assert torch.isnan(to_pixels(camera, torch.tensor([[[0.0, 0.0, 2.0], [0.0, 0.0, 1.0]]]))).all()


def test_fov_covers_the_longest_side() -> None:
    camera = pinhole(100, 200, fov=math.pi / 2)
    assert camera.intrinsics[0, 0, 0] == pytest.approx(100.0)


def test_look_at_facing_equals_the_default_camera() -> None:
    torch.testing.assert_close(look_at((0.0, 0.0, 1.5), (0.0, 0.0, 0.0)), facing(1.5))


def test_look_at_puts_the_target_on_the_axis_and_keeps_up_up() -> None:
    eye, target = torch.tensor([0.4, 0.3, 0.8]), torch.tensor([0.05, -0.02, 0.1])
    camera = pinhole(64, 64, focal=64.0, camera_from_world=look_at(eye, target))
    up = target + torch.tensor([0.0, 0.01, 0.0])
    pixels = to_pixels(camera, torch.stack([target, up])[None])[0, 0]
    torch.testing.assert_close(pixels[0], torch.tensor([32.0, 32.0]))
    assert pixels[1, 1] < 32.0 and abs(float(pixels[1, 0]) - 32.0) < 1e-3
    torch.testing.assert_close(camera.centers[0, 0], eye)


def test_resized_and_cropped_keep_the_picture() -> None:
    camera = pinhole(60, 80, focal=70.0)
    points = torch.rand(1, 5, 3) * 0.2
    before = to_pixels(camera, points)
    torch.testing.assert_close(to_pixels(camera.resized(30, 160), points), before * torch.tensor([2.0, 0.5]))
    torch.testing.assert_close(to_pixels(camera.cropped(10, -5, 20, 20), points), before - torch.tensor([10.0, -5.0]))


def test_zoom_and_moving_cameras_follow_the_frame() -> None:
    one = pinhole(10, 10, focal=10.0)
    twice = pinhole(10, 10, focal=20.0)
    zooming = Cameras(torch.stack([one.intrinsics, twice.intrinsics], dim=1), one.camera_from_world, 10, 10)
    points = torch.tensor([[[0.1, 0.0, 0.0]], [[0.1, 0.0, 0.0]]])
    torch.testing.assert_close(to_pixels(zooming, points)[0, :, 0, 0], torch.tensor([6.0, 7.0]))
    assert zooming.frames == 2 and zooming.frame_range(1, 2).frames == 1
    with pytest.raises(ValueError, match="as many frames"):
        Cameras(zooming.intrinsics, facing(2.0).expand(1, 3, 4, 4), 10, 10)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("intrinsics", torch.eye(3), r"intrinsics must have shape \[V, 3, 3\].*got \[3, 3\]"),
        ("intrinsics", [[1.0]], "intrinsics must be a float tensor, got list"),
        ("intrinsics", torch.eye(3).expand(2, 3, 3), "as many views as intrinsics"),
        ("intrinsics", torch.ones(1, 3, 3), "end in the row"),
        ("intrinsics", torch.diag(torch.tensor([0.0, 1.0, 1.0]))[None], "focal lengths other than 0"),
        ("camera_from_world", torch.full((1, 4, 4), math.nan), "must be finite"),
        ("camera_from_world", torch.diag(torch.tensor([2.0, 1, 1, 1]))[None], "must hold rotations"),
        ("camera_from_world", torch.eye(4, dtype=torch.float64)[None], "type and device of intrinsics"),
        ("camera_from_world", torch.eye(4, dtype=torch.int64)[None], "must be a float tensor, got torch.int64"),
        ("height", 0, "height must be a positive whole number of pixels, got 0"),
        ("width", 3.5, "width must be a positive whole number of pixels, got 3.5"),
    ],
)
def test_bad_fields_are_named(field: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(pinhole(10, 10, focal=10.0), **{field: value})


@pytest.mark.parametrize("options", [{}, {"focal": 1.0, "fov": 1.0}, {"focal": -1.0}, {"fov": 4.0}])
def test_pinhole_needs_one_sound_focal_length(options: dict) -> None:
    with pytest.raises(ValueError, match="focal|fov"):
        pinhole(10, 10, **options)


def test_look_at_along_up_is_an_error() -> None:
    with pytest.raises(ValueError, match="not straight along up"):
        look_at((0.0, 1.0, 0.0), (0.0, 0.0, 0.0))


def test_clip_checks_its_points() -> None:
    camera = pinhole(10, 10, focal=10.0)
    with pytest.raises(ValueError, match=r"vertices must have shape \[T, N, 3\], got \[5, 3\]"):
        clip(camera, torch.zeros(5, 3))
    with pytest.raises(ValueError, match="type and device of the cameras .torch.float32"):
        clip(camera, torch.zeros(1, 5, 3).double())
    moving = Cameras(camera.intrinsics, facing(1.0).expand(1, 4, 4, 4), 10, 10)
    with pytest.raises(ValueError, match="as many frames as the cameras"):
        clip(moving, torch.zeros(3, 5, 3))
