"""Gradients of the maps against finite differences on a whole head, and a head pose found through them.

`test_maps` checks the whole Jacobian on a sphere of 20 faces. Here are views and frames, lenses, cameras that turn as
rigid bodies, the photo's own camera, and the 3D flow off the surface.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from flamecast.flame_motion import FlameSequence, Head, load_head
from flamecast.flame_motion.rotations import matrix_from_axis_angle
from flamecast.renderer import (
    Cameras,
    GeometryMaps,
    clip,
    flow_encoding,
    look_at,
    pinhole,
    rasterize,
    render_maps,
    surface_field,
)

from ..angles import angle_between

MAPS = ("depth", "normal", "uv", "flow", "source_xy", "rays")
ON_SURFACE = {"depth", "normal", "uv", "flow", "source_xy"}
# What moves, the shape of its change (-1: the head's vertices), and the maps that change with it: no other may.
MOVES: dict[str, tuple[tuple[int, ...], set[str]]] = {
    "vertices": ((2, -1, 3), ON_SURFACE),  # m
    "source_vertices": ((-1, 3), {"flow", "source_xy"}),  # m
    "camera": ((2, 2, 6), ON_SURFACE | {"rays"}),  # rad, m: each of two views in each of two frames
    "lens": ((2, 5), ON_SURFACE | {"rays"}),  # fx, fy, skew, cx, cy in 100 px
    "focal": ((1,), ON_SURFACE | {"rays"}),  # of both views, in 100 px
    "photo_camera": ((1, 6), {"source_xy"}),
    "photo_lens": ((1, 5), {"source_xy"}),
    "photo_focal": ((1,), {"source_xy"}),
}


def size(head: Head, name: str) -> list[int]:
    """The shape of a change of what MOVES names."""
    return [len(head.template) if side < 0 else side for side in MOVES[name][0]]


def vertices_of(head: Head, poses: list[tuple[float, float, float]]) -> Tensor:
    """Vertices [T, N, 3] m, float64, of poses (pitch of the neck, yaw of the neck, jaw) in rad."""
    motion = FlameSequence.neutral(frames=len(poses), fps=25, head=head)
    for frame, (pitch, yaw, jaw) in enumerate(poses):
        motion.neck[frame, :2], motion.jaw[frame, 0] = torch.tensor([pitch, yaw]), jaw
    return head(motion).double()


def turned(matrix: Tensor, twist: Tensor) -> Tensor:
    """camera_from_world [..., 4, 4] after a small rigid motion [..., 6] (rad, m) in the camera's axes."""
    turn = matrix_from_axis_angle(twist[..., :3])
    moved = torch.cat([turn @ matrix[..., :3, :3], turn @ matrix[..., :3, 3:] + twist[..., 3:, None]], -1)
    return torch.cat([moved, matrix[..., 3:, :]], -2)


def zoomed(intrinsics: Tensor, lens: Tensor, focal: Tensor) -> Tensor:
    """intrinsics [V, 3, 3] px after changes [V, 5] and [1] of 100 px."""
    change = torch.zeros_like(intrinsics)
    places = (torch.tensor([0, 1, 0, 0, 1]), torch.tensor([0, 1, 1, 2, 2]))
    change = change.index_put((torch.arange(len(lens))[:, None], *places), 100.0 * lens)
    return intrinsics + change + 100.0 * focal * torch.diag(torch.tensor([1.0, 1.0, 0.0])).to(intrinsics)


def seen(head: Head, change: dict[str, Tensor]) -> tuple[Tensor, GeometryMaps]:
    """Triangles [4, H, W] and maps of two frames in two moving views, after `change` of what MOVES names."""
    of = {name: change[name] if name in change else torch.zeros(size(head, name)).double() for name in MOVES}
    vertices = vertices_of(head, [(0.1, -0.2, 0.0), (-0.1, 0.3, 0.25)]) + of["vertices"]
    source = vertices_of(head, [(0.05, 0.1, 0.02)])[0] + of["source_vertices"]
    eyes = torch.tensor([[[0.1, 0.0, 0.6], [0.0, 0.1, 0.55]], [[-0.3, 0.05, 0.5], [0.3, 0.0, 0.6]]])
    pose = look_at(eyes.double(), torch.zeros_like(eyes).double())
    plain = pinhole(40, 44, focal=75.0).to(torch.float64)
    lenses = zoomed(plain.intrinsics.expand(2, -1, -1), of["lens"], of["focal"])
    cameras = Cameras(lenses, turned(pose, of["camera"]), 40, 44)
    photo = pinhole(200, 160, focal=330.0, distance=0.7).to(torch.float64)
    photo = replace(
        photo,
        intrinsics=zoomed(photo.intrinsics, of["photo_lens"], of["photo_focal"]),
        camera_from_world=turned(photo.camera_from_world, of["photo_camera"]),
    )
    triangles = rasterize(clip(cameras, vertices).flatten(0, 1), head.faces, 40, 44)
    options = {"source_vertices": source, "source_cameras": photo, "maps": MAPS}
    return triangles, render_maps(vertices, head, cameras, **options)


def along(run: Callable[[Tensor], tuple[Tensor, ...]], step: float) -> tuple[tuple[Tensor, ...], list[Tensor]]:
    """The derivatives at 0 of a function of one number: by the gradients' code, and by central differences."""
    zero = torch.zeros((), dtype=torch.float64)
    slopes = torch.autograd.functional.jvp(run, zero, torch.ones_like(zero))[1]
    return slopes, [(after - before) / (2 * step) for after, before in zip(run(zero + step), run(zero - step))]


@pytest.mark.parametrize("name", MOVES)
def test_derivatives_along_a_direction_are_finite_differences(name: str) -> None:
    head = load_head()
    rng = torch.Generator().manual_seed(1)
    direction = torch.randn(size(head, name), dtype=torch.float64, generator=rng)

    def run(step: Tensor) -> tuple[Tensor, ...]:
        maps = seen(head, {name: step * direction})[1]
        return tuple(getattr(maps, kind) for kind in MAPS)

    slopes, expected = along(run, step=1e-7 if name == "vertices" else 1e-6)
    triangles = [seen(head, {name: sign * 1e-6 * direction})[0] for sign in (-1, 0, 1)]
    same = (triangles[0] == triangles[1]) & (triangles[1] == triangles[2])
    inside = (same & (triangles[1] >= 0)).unflatten(0, (2, 2))
    assert inside.sum() > 0.99 * (triangles[1] >= 0).sum() > 2000
    for kind, slope, difference in zip(MAPS, slopes, expected):
        where = torch.ones_like(inside) if kind == "rays" else inside
        found, wanted = slope[where].reshape(int(where.sum()), -1), difference[where].reshape(int(where.sum()), -1)
        assert bool(found.count_nonzero()) == (kind in MOVES[name][1]), kind
        # A triangle seen edge-on has slopes 1000 times the usual ones, and curves as much: relative to its own slope.
        scale = wanted.norm(dim=1) + wanted.norm(dim=1).mean() + 1e-9
        assert ((found - wanted).norm(dim=1) / scale).max() < 2e-5, kind


def test_the_flow_encoding_of_a_rigid_motion_has_its_derivatives(sphere, rotation) -> None:
    """Through the rendered depth and the cameras too; the flow of a rigid motion is exact wherever the nearest is."""
    mesh = sphere(2)
    source = mesh.vertices.double()
    turn, shift = rotation((0.0, 1.0, 0.0), 20.0).double(), torch.tensor([0.01, 0.02, 0.0], dtype=torch.float64)
    camera = pinhole(24, 28, focal=80.0, distance=0.8).to(torch.float64)
    rng = torch.Generator().manual_seed(0)
    twists = torch.randn(3, 6, dtype=torch.float64, generator=rng)  # of target, source and camera

    def scene(step: Tensor) -> tuple[Tensor, Tensor, Cameras]:
        target, moved = (v @ matrix_from_axis_angle(step * twist[:3]).T + step * twist[3:]
                         for v, twist in zip((source @ turn.T + shift, source), twists))  # fmt: skip
        posed = replace(camera, camera_from_world=turned(camera.camera_from_world, step * twists[2]))
        return target[None], moved, posed

    def run(step: Tensor) -> tuple[Tensor, ...]:
        target, moved, posed = scene(step)
        depth = render_maps(target, mesh, posed, maps=["depth"]).depth
        assert depth is not None
        field = surface_field(target[0], moved, mesh.faces, carry=1.0, reach=2.0)
        return (flow_encoding(depth, [field], posed, samples=4, delta=0.01, near=0.5, far=1.1),)

    def triangles(step: float) -> Tensor:
        target, _, posed = scene(torch.tensor(step, dtype=torch.float64))
        return rasterize(clip(posed, target)[0], mesh.faces, 24, 28)[0]

    (found,), (expected,) = along(run, step=1e-4)
    inside = (triangles(-1e-4) == triangles(1e-4)) & (triangles(0.0) == triangles(1e-4))
    assert inside.float().mean() > 0.97 and expected[..., inside].abs().mean() > 0.1
    assert (inside & (triangles(0.0) >= 0)).sum() > 50
    # The barycentrics of the tree are float32: no smaller step tells more.
    torch.testing.assert_close(found[..., inside], expected[..., inside], atol=1e-4, rtol=0)


def test_the_flow_off_a_mesh_that_deforms_has_its_derivatives(sphere) -> None:
    """A sphere stretched by 1.3, whose vertices and the points around it all move."""
    mesh = sphere(3)
    source = mesh.vertices.double()
    target = source * torch.tensor([1.3, 1.0, 1.0])
    rng = torch.Generator().manual_seed(0)
    points = torch.nn.functional.normalize(torch.randn(300, 3, dtype=torch.float64, generator=rng), dim=1)
    points = points * torch.linspace(0.08, 0.3, 300)[:, None]
    along_of = [torch.randn(x.shape, dtype=torch.float64, generator=rng) for x in (target, source, points)]

    def run(step: Tensor) -> tuple[Tensor, ...]:
        moved = [x + step * direction for x, direction in zip((target, source, points), along_of)]
        return (surface_field(moved[0], moved[1], mesh.faces).flow(moved[2]),)

    (found,), (expected,) = along(run, step=1e-6)
    error = (found - expected).norm(dim=1) / (expected.norm(dim=1) + 0.1)
    assert error.quantile(0.95) < 1e-5  # the others' nearest point goes from one triangle to another


def albedo_of(uv: Tensor) -> Tensor:
    """Colours [1, 3, H, W] of a uv map [1, 1, H, W, 2], from a smooth texture."""
    line = (torch.arange(128, dtype=uv.dtype) + 0.5) / 128
    u, v = torch.meshgrid(line, line, indexing="xy")
    texture = torch.stack([(9 * u + 17 * v).sin(), (21 * u - 8 * v).sin(), (15 * u).cos() * (19 * v).cos()])
    return grid_sample(texture[None], 2 * uv[0] - 1, mode="bicubic", align_corners=False)


def test_a_known_pose_is_recovered_photometrically() -> None:
    """Gauss-Newton on the colours alone, from 2 degrees and 3 mm off: from pose to head to uv to colours, and back."""
    head = load_head()
    neutral = FlameSequence.neutral(frames=1, fps=25, head=head)
    camera = pinhole(96, 96, focal=240.0, distance=0.7)

    def picture(pose: Tensor) -> tuple[Tensor, Tensor]:
        """Colours [3, H, W] and where there are any [H, W] at a pose [6]: neck (rad) and translation (dm)."""
        posed = replace(neutral, neck=pose[None, :3], translation=0.1 * pose[None, 3:])
        maps = render_maps(head(posed), head, camera, maps=["uv", "mask"])
        assert maps.uv is not None and maps.mask is not None
        return albedo_of(maps.uv)[0], maps.mask[0, 0]

    true = torch.tensor([0.08, -0.15, 0.05, 0.05, -0.04, 0.1])
    turn, shift = (torch.nn.functional.normalize(torch.tensor(x), dim=0) for x in ([1.0, -0.7, 0.5], [0.6, 1.0, -0.8]))
    pose = true + torch.cat([turn * math.radians(2.0), shift * 0.03])
    photo, there = picture(true)
    for _ in range(10):
        found, here = picture(pose)
        both = (there & here).expand(3, -1, -1)
        slopes = [torch.autograd.functional.jvp(lambda p: picture(p)[0], pose, unit)[1] for unit in torch.eye(6)]
        jacobian, residual = torch.stack([slope[both] for slope in slopes], 1), (photo - found)[both]
        normal = jacobian.T @ jacobian
        pose = pose + torch.linalg.solve(normal + 1e-3 * torch.diag(normal.diagonal()), jacobian.T @ residual)
    assert math.degrees(angle_between(pose[:3], true[:3])) < 1e-3
    assert (pose - true)[3:].norm() < 1e-4  # 0.01 mm
