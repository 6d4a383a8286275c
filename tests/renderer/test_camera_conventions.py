"""Cameras in other programs' conventions: round trips, and points projected by hand with each one's own formulas."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from flamecast.renderer import Cameras, look_at, pinhole, place_cameras, to_pixels
from flamecast.renderer.cameras.conventions import (
    from_opencv,
    from_opengl,
    from_pytorch3d,
    to_opencv,
    to_opengl,
    to_pytorch3d,
)

FRAMES, HEIGHT, WIDTH = 5, 120, 160
NEAR, FAR = 0.1, 4.0
KINDS = ["still", "one view", "moving", "moving and zooming", "zooming"]


def rig(kind: str, dtype: torch.dtype = torch.float64) -> Cameras:
    """Cameras off every axis, with a principal point off the middle and pixels that are not square."""
    pose = look_at((0.13, 0.07, 0.9), (0.02, 0.01, 0.0)).to(torch.float64)
    base = pinhole(HEIGHT, WIDTH, focal=200.0, principal=(70.0, 66.0), camera_from_world=pose)
    base.intrinsics[0, 1, 1] = 190.0
    if kind in ("still", "one view"):
        views = "-40,0,25:10" if kind == "still" else "30"
        return place_cameras(base, [0.0, 0.01, 0.02], FRAMES, views=views).to(dtype)
    moved = place_cameras(base, [0.0, 0.01, 0.02], FRAMES, camera="orbit:30,8+zoom:1.5", views="-40,0,25:10")
    if kind == "moving":
        moved = Cameras(moved.intrinsics[:, 0], moved.camera_from_world, HEIGHT, WIDTH)
    if kind == "zooming":
        moved = Cameras(moved.intrinsics, moved.camera_from_world[:, 0], HEIGHT, WIDTH)
    return moved.to(dtype)


def skewed(cameras: Cameras) -> Cameras:
    intrinsics = cameras.intrinsics.clone()
    intrinsics[..., 0, 1] = 3.0
    return Cameras(intrinsics, cameras.camera_from_world, HEIGHT, WIDTH)


@pytest.fixture
def points() -> Tensor:
    """[T, N, 3] m in the world, around the head."""
    rng = torch.Generator().manual_seed(3)
    return 0.3 * (torch.rand(FRAMES, 20, 3, generator=rng, dtype=torch.float64) - 0.5)


def check_same(first: Cameras, second: Cameras) -> None:
    for name in ("intrinsics", "camera_from_world"):
        torch.testing.assert_close(getattr(first, name), getattr(second, name), atol=1e-6, rtol=0)
    assert (first.height, first.width) == (second.height, second.width)


@pytest.mark.parametrize("kind", KINDS)
def test_round_trips(kind: str) -> None:
    cameras = rig(kind)
    check_same(from_opencv(*to_opencv(cameras), HEIGHT, WIDTH), cameras)
    check_same(from_opengl(*to_opengl(cameras, NEAR, FAR), HEIGHT, WIDTH), cameras)
    back = from_pytorch3d(**to_pytorch3d(cameras), frames=cameras.frames)
    # PyTorch3D has one row a camera: what stands still in a moving rig is written out for every frame.
    frames = 1 if cameras.frames is None else cameras.frames
    keep = slice(None) if cameras.frames is not None else 0
    full = [m.expand(-1, frames, -1, -1)[:, keep] for m in (cameras.intrinsics_vt, cameras.extrinsics_vt)]
    check_same(back, Cameras(*full, HEIGHT, WIDTH))


def test_round_trips_with_skew_and_in_float32() -> None:
    cameras = skewed(rig("moving and zooming"))
    check_same(from_opencv(*to_opencv(cameras), HEIGHT, WIDTH), cameras)
    check_same(from_opengl(*to_opengl(cameras, NEAR, FAR), HEIGHT, WIDTH), cameras)
    single = rig("moving and zooming", torch.float32)
    back = from_pytorch3d(**to_pytorch3d(single), frames=FRAMES)  # only signs change and rows move: every bit stays
    assert torch.equal(back.intrinsics, single.intrinsics)
    assert torch.equal(back.camera_from_world, single.camera_from_world)
    back = from_opengl(*to_opengl(single, NEAR, FAR), HEIGHT, WIDTH)
    assert torch.equal(back.camera_from_world, single.camera_from_world)
    torch.testing.assert_close(back.intrinsics, single.intrinsics, atol=0, rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_convention_opencv(kind: str, points: Tensor) -> None:
    """docs.opencv.org, calib3d: s (u, v, 1) = A [R|t] (X, Y, Z, 1)."""
    for cameras in (rig(kind), skewed(rig(kind))):
        matrix, rt = to_opencv(cameras)
        expected = to_pixels(cameras, points)
        for view in range(cameras.views):
            for frame in range(FRAMES):
                a = matrix[view, frame] if matrix.ndim == 4 else matrix[view]
                motion = rt[view, frame] if rt.ndim == 4 else rt[view]
                world = torch.cat([points[frame], torch.ones(20, 1, dtype=torch.float64)], dim=1)
                suv = (a @ motion @ world.T).T
                torch.testing.assert_close(suv[:, :2] / suv[:, 2:], expected[view, frame])


@pytest.mark.parametrize("kind", KINDS)
def test_convention_opengl(kind: str, points: Tensor) -> None:
    """OpenGL 2.1, sections 2.11 and 2.12: clip = P M x, ndc = clip / w, the viewport's y grows upward."""
    for cameras in (rig(kind), skewed(rig(kind))):
        view, projection = to_opengl(cameras, NEAR, FAR)
        world = torch.cat([points, torch.ones(FRAMES, 20, 1, dtype=torch.float64)], dim=-1)
        eye = torch.einsum("vtij,tnj->vtni", view.expand(-1, FRAMES, -1, -1), world)
        clip = torch.einsum("vtij,vtnj->vtni", projection.expand(-1, FRAMES, -1, -1), eye)
        ndc = clip[..., :3] / clip[..., 3:]
        column = (ndc[..., 0] + 1) * WIDTH / 2
        row_from_below = (ndc[..., 1] + 1) * HEIGHT / 2
        seen = torch.stack([column, HEIGHT - row_from_below], dim=-1)
        torch.testing.assert_close(seen, to_pixels(cameras, points))
        torch.testing.assert_close(clip[..., 3], -eye[..., 2])  # looks along -z
        depth = -eye[..., 2]
        torch.testing.assert_close(ndc[..., 2], (FAR + NEAR - 2 * FAR * NEAR / depth) / (FAR - NEAR))


def test_convention_opengl_is_glfrustum_and_glulookat() -> None:
    """The matrices of the manual pages of glFrustum and gluLookAt, written out."""
    eye, target = torch.tensor([0.3, 0.2, 1.1]), torch.tensor([0.0, 0.05, 0.1])
    camera = pinhole(HEIGHT, WIDTH, focal=200.0, principal=(70.0, 66.0), camera_from_world=look_at(eye, target))
    view, projection = (matrix[0, 0] for matrix in to_opengl(camera, NEAR, FAR))
    left, right = -70.0 / 200 * NEAR, (WIDTH - 70.0) / 200 * NEAR
    bottom, top = -(HEIGHT - 66.0) / 200 * NEAR, 66.0 / 200 * NEAR
    frustum = torch.tensor(
        [
            [2 * NEAR / (right - left), 0, (right + left) / (right - left), 0],
            [0, 2 * NEAR / (top - bottom), (top + bottom) / (top - bottom), 0],
            [0, 0, -(FAR + NEAR) / (FAR - NEAR), -2 * FAR * NEAR / (FAR - NEAR)],
            [0, 0, -1, 0],
        ]
    )
    torch.testing.assert_close(projection, frustum, atol=1e-6, rtol=1e-6)
    forward = (target - eye) / (target - eye).norm()
    side = torch.linalg.cross(forward, torch.tensor([0.0, 1.0, 0.0]))
    side = side / side.norm()
    rotation = torch.stack([side, torch.linalg.cross(side, forward), -forward])
    torch.testing.assert_close(view[:3, :3], rotation, atol=1e-6, rtol=0)
    torch.testing.assert_close(view[:3, 3], -rotation @ eye, atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("height", "width"), [(HEIGHT, WIDTH), (160, 120)])
def test_convention_pytorch3d(kind: str, height: int, width: int, points: Tensor) -> None:
    """PyTorch3D's `transform_points_screen` with in_ndc=False, step by step as its docs/notes/cameras.md has it.

    The camera's view (x left, y up) is scaled by the focal length; the principal point, given from the top left corner
    with x right and y down, is taken off; the shorter side of NDC runs from -1 to 1, +1 at the left and the top.
    """
    cameras = rig(kind)
    cameras = Cameras(cameras.intrinsics, cameras.camera_from_world, height, width)
    given = to_pytorch3d(cameras)
    frames = 1 if cameras.frames is None else FRAMES
    assert given["image_size"].tolist() == [[height, width]] * (cameras.views * frames)
    expected = to_pixels(cameras, points)
    half = min(height, width) / 2
    for view in range(cameras.views):
        for frame in range(FRAMES):
            row = view * frames + min(frame, frames - 1)
            seen = points[frame] @ given["R"][row] + given["T"][row]
            scaled = given["focal_length"][row] * seen[:, :2] / seen[:, 2:] - given["principal_point"][row]
            ndc = (scaled + torch.tensor([width, height]) / 2) / half
            screen = torch.tensor([width, height]) / 2 - half * ndc
            torch.testing.assert_close(screen, expected[view, frame])


def test_convention_pytorch3d_front_camera() -> None:
    """PyTorch3D's `look_at_view_transform(dist=1, elev=0, azim=0)`: at +z, R = diag(-1, 1, -1), T = (0, 0, 1)."""
    given = to_pytorch3d(pinhole(10, 10, focal=10.0, distance=1.0))
    assert torch.equal(given["R"][0], torch.diag(torch.tensor([-1.0, 1.0, -1.0])))
    assert torch.equal(given["T"][0], torch.tensor([0.0, 0.0, 1.0]))


def test_gradients_flow() -> None:
    cameras = rig("moving and zooming")
    size = (2, 2)

    def outputs(focal: Tensor, shift: Tensor) -> tuple[Tensor, ...]:
        intrinsics = cameras.intrinsics[: size[0], : size[1]] * torch.cat([focal, focal, torch.ones(1).double()])
        extrinsics = cameras.camera_from_world[: size[0], : size[1]] + torch.nn.functional.pad(shift, (3, 0, 0, 1))
        moved = Cameras(intrinsics, extrinsics, HEIGHT, WIDTH)
        pytorch3d = to_pytorch3d(moved)
        others = (pytorch3d[name] for name in ("R", "T", "focal_length", "principal_point"))
        back = from_opengl(*to_opengl(moved, NEAR, FAR), HEIGHT, WIDTH)
        again = from_pytorch3d(**pytorch3d, frames=size[1])
        returned = (back.intrinsics, back.camera_from_world, again.intrinsics, again.camera_from_world)
        return (*to_opencv(moved), *to_opengl(moved, NEAR, FAR), *others, *returned)

    focal = torch.ones(1, dtype=torch.float64, requires_grad=True)
    shift = torch.zeros(3, 1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(outputs, (focal, shift))


def test_what_is_wrong_is_named() -> None:
    cameras = rig("moving")
    matrix, rt = to_opencv(cameras)
    with pytest.raises(ValueError, match=r"rt must have shape \[V, 3, 4\].*got \[3, 5, 4, 4\]"):
        from_opencv(matrix, cameras.camera_from_world, HEIGHT, WIDTH)
    for near, far in ((0.0, 1.0), (1.0, 1.0), (2.0, 1.0), (0.1, math.inf), (math.nan, 1.0)):
        with pytest.raises(ValueError, match="near and far must be finite and 0 < near < far"):
            to_opengl(cameras, near, far)
    view, projection = to_opengl(cameras, NEAR, FAR)
    with pytest.raises(ValueError, match=r"view must have shape .*got \[4, 4\]"):
        from_opengl(view[0, 0], projection, HEIGHT, WIDTH)
    with pytest.raises(ValueError, match="projection must be a perspective one"):
        from_opengl(view, torch.eye(4).double().expand(3, 1, 4, 4), HEIGHT, WIDTH)
    with pytest.raises(ValueError, match="PyTorch3D's cameras have no skew"):
        to_pytorch3d(skewed(cameras))
    given = to_pytorch3d(cameras)
    with pytest.raises(ValueError, match=r"T must have shape \[15, 3\], got \[15, 3, 1\]"):
        from_pytorch3d(**{**given, "T": given["T"][..., None]})
    for frames in (0, 2):
        with pytest.raises(ValueError, match=rf"frames must divide the number of cameras \(15\), got {frames}"):
            from_pytorch3d(**given, frames=frames)
    sizes = given["image_size"].clone()
    sizes[3, 0] = 7
    with pytest.raises(ValueError, match="image_size must be one size in whole pixels for all cameras"):
        from_pytorch3d(**{**given, "image_size": sizes})
