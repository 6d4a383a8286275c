"""Cameras around a portrait: what --camera and --views ask for."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from flamecast.flame_motion import FlameSequence, load_head
from flamecast.flame_motion.heads.head import PARTS
from flamecast.renderer import (
    Cameras,
    around,
    camera_path,
    look_at,
    pinhole,
    place_cameras,
    render_maps,
    still,
    to_pixels,
    view_list,
)

PIVOT = torch.tensor([0.01, -0.02, 0.03])


@pytest.fixture
def base() -> Cameras:
    """A portrait's camera: off its subject's axis, its principal point off the middle."""
    pose = look_at((0.13, 0.07, 0.9), (0.02, 0.01, 0.0))
    return pinhole(120, 160, focal=200.0, principal=(70.0, 66.0), camera_from_world=pose)


def test_view_zero_is_the_base_camera_bit_for_bit(base: Cameras) -> None:
    for cameras in (
        place_cameras(base, PIVOT, 5),
        place_cameras(base, PIVOT, 5, views="0"),
        place_cameras(base, PIVOT, 5, views="-30,0,30").view(1),
        place_cameras(base, PIVOT, 5, camera="orbit:40,10+zoom:2").frame_range(0, 1),
    ):
        assert torch.equal(cameras.camera_from_world.reshape(4, 4), base.camera_from_world[0])
        assert torch.equal(cameras.intrinsics.reshape(3, 3), base.intrinsics[0])


def test_orbit_keeps_distance_and_the_pivot_in_place(base: Cameras) -> None:
    cameras = place_cameras(base, PIVOT, 9, camera="orbit:40,10", views="-90,0,170")
    assert cameras.camera_from_world.shape == (3, 9, 4, 4)
    distance = (cameras.centers - PIVOT).norm(dim=-1)
    torch.testing.assert_close(distance, (base.centers - PIVOT).norm().expand(3, 9))
    pixels = to_pixels(cameras, PIVOT.expand(9, 1, 3))
    torch.testing.assert_close(pixels, to_pixels(base, PIVOT[None, None]).expand(3, 9, 1, 2), atol=1e-3, rtol=0)


def test_convention_positive_yaw_goes_to_the_subjects_left_and_elevation_up() -> None:
    front = pinhole(10, 10, focal=10.0, distance=1.0)
    left = around(front, [0.0, 0.0, 0.0], still(90.0)).centers[0, 0]
    torch.testing.assert_close(left, torch.tensor([1.0, 0.0, 0.0]), atol=1e-6, rtol=0)
    above = around(front, [0.0, 0.0, 0.0], still(0.0, 30.0)).centers[0, 0]
    torch.testing.assert_close(above, torch.tensor([0.0, 0.5, math.sqrt(0.75)]), atol=1e-6, rtol=0)


def test_orbiting_the_camera_is_turning_the_world_the_other_way(base: Cameras, rotation, sphere) -> None:
    points = sphere(1).vertices
    turned = (points - PIVOT) @ rotation((0.0, 1.0, 0.0), -30.0).T + PIVOT
    seen = to_pixels(around(base, PIVOT, still(30.0)), points[None])
    torch.testing.assert_close(seen, to_pixels(base, turned[None]), atol=1e-3, rtol=0)


def test_turning_the_head_and_orbiting_the_camera_differ_in_torso_and_background(rotation) -> None:
    """30 degrees either way: the head looks the same, pixel for pixel; the torso and the background do not."""
    head = load_head()
    rest = FlameSequence.neutral(frames=1, fps=25, head=head)
    turned = replace(rest, neck=torch.tensor([[0.0, math.radians(30), 0.0]]))
    camera = pinhole(256, 256, fov=math.radians(40), distance=0.9)
    orbited = around(camera, head.skin.joints[1], still(-30.0))  # about the joint that the head turns at
    maps = ("part", "normal", "rays")
    turn, orbit, before = (
        render_maps(head(motion), head, seen_by, maps=maps)
        for motion, seen_by in ((turned, camera), (rest, orbited), (rest, camera))
    )

    def shows(rendered, *names: str) -> torch.Tensor:
        return torch.isin(rendered.part, torch.tensor([PARTS.index(name) for name in names], dtype=torch.uint8))

    def overlap(first: torch.Tensor, second: torch.Tensor) -> float:
        return float((first & second).sum() / (first | second).sum())

    def degrees(first, second, where: torch.Tensor) -> torch.Tensor:
        """Between the normals, which are in camera axes, at the pixels `where`."""
        cosine = (first.normal[where] * second.normal[where]).sum(dim=-1)
        return torch.rad2deg(torch.acos(cosine.clamp(-1, 1)))

    face = shows(turn, "face", "lips", "lids")
    assert face.sum() > 2000 and overlap(face, shows(orbit, "face", "lips", "lids")) > 0.995
    assert float(torch.quantile(degrees(turn, orbit, face), 0.99)) < 1
    assert float(degrees(turn, before, face & shows(before, "face")).median()) > 15  # it did turn

    # The torso stays when the head turns, as far as the head leaves it in view, and swings round with the camera.
    torso = [shows(rendered, "torso") for rendered in (turn, orbit, before)]
    assert overlap(torso[0], torso[2]) > 0.98 and overlap(torso[0], torso[1]) < 0.8
    assert float(degrees(turn, orbit, torso[0] & torso[1]).median()) > 15

    # The background: rays of the still camera are those of before to the bit, those of the orbit a rotation of them.
    assert torch.equal(turn.rays, before.rays)
    expected = turn.rays[..., :3] @ rotation((0.0, 1.0, 0.0), -30.0).T
    torch.testing.assert_close(orbit.rays[..., :3], expected, atol=1e-6, rtol=0)
    assert float((orbit.rays[..., :3] * turn.rays[..., :3]).sum(dim=-1).max()) < math.cos(math.radians(28))


def test_orbit_swings_both_ways_and_comes_home() -> None:
    path = camera_path("orbit:40,10", 9)
    torch.testing.assert_close(path.yaw[[0, 2, 4, 6, 8]], torch.tensor([0.0, 40, 0, -40, 0]).double())
    torch.testing.assert_close(path.elevation[[0, 1, 4, 8]], torch.tensor([0.0, 10, 0, 0]).double())


def test_arc_dolly_zoom_and_still() -> None:
    path = camera_path("arc:-20,30,0,5 + dolly:0.5 + zoom:1.5,2 + still:1,2", 11)
    assert path.yaw.tolist()[0] == -19.0 and path.yaw.tolist()[-1] == 31.0
    assert path.elevation.tolist()[0] == 2.0 and path.elevation.tolist()[-1] == 7.0
    assert path.distance[0] == 1.0 and float(path.distance[-1]) == pytest.approx(0.5)
    assert float(path.zoom[0]) == pytest.approx(1.5) and float(path.zoom[-1]) == pytest.approx(2.0)
    assert (path.yaw.diff() > 0).all() and (path.distance.diff() < 0).all()


def test_dolly_scales_the_distance_and_zoom_the_focal_length(base: Cameras) -> None:
    cameras = place_cameras(base, PIVOT, 3, camera="dolly:0.5+zoom:2")
    ratio = (cameras.centers[0, -1] - PIVOT).norm() / (base.centers[0, 0] - PIVOT).norm()
    assert float(ratio) == pytest.approx(0.5)
    assert float(cameras.intrinsics[0, -1, 0, 0]) == pytest.approx(400.0)
    assert torch.equal(cameras.intrinsics[0, :, :2, 2], base.intrinsics[0, :2, 2].expand(3, 2))


def test_views_are_yaws_with_optional_elevations() -> None:
    path = view_list("-30, 0,30:10")
    assert path.yaw.tolist() == [-30.0, 0.0, 30.0] and path.elevation.tolist() == [0.0, 0.0, 10.0]


def test_one_frame_and_no_frame(base: Cameras) -> None:
    assert place_cameras(base, PIVOT, 1, camera="orbit:40").camera_from_world.shape == (1, 1, 4, 4)
    assert place_cameras(base, PIVOT, 0, camera="orbit:40").camera_from_world.shape == (1, 0, 4, 4)


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "orbit",
        "orbit:",
        "orbit:a",
        "orbit:1,2,3,4",
        "spin:3",
        "arc:1",
        "dolly:0",
        "zoom:-1",
        "orbit:nan",
        "dolly:1e9",
        "dolly:1e-9",
        "zoom:2,99",
        "orbit:10,0,1e30",
    ],
)
def test_bad_camera_specs_list_the_known_forms(spec: str) -> None:
    with pytest.raises(ValueError, match=r"known forms: orbit:YAW.*arc:.*dolly:.*zoom:.*still:"):
        camera_path(spec, 5)


@pytest.mark.parametrize("spec", ["orbit:10,95", "orbit:400", "still:0,90", "arc:0,500"])
def test_cameras_stay_within_reach(spec: str) -> None:
    with pytest.raises(ValueError, match="must stay within"):
        camera_path(spec, 5)


@pytest.mark.parametrize("spec", ["", "a", "1,,2", "1:2:3", "inf"])
def test_bad_views(spec: str) -> None:
    with pytest.raises(ValueError, match="--views must be yaw degrees between commas"):
        view_list(spec)


def test_the_base_camera_must_stand_still(base: Cameras) -> None:
    moving = place_cameras(base, PIVOT, 3, camera="orbit:10")
    with pytest.raises(ValueError, match="one camera standing still"):
        around(moving, PIVOT, still(0.0))
    with pytest.raises(ValueError, match=r"pivot must have shape \[3\]"):
        around(base, [0.0, 0.0], still(0.0))
