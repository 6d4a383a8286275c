"""GeometryMaps against analytic truths."""

from __future__ import annotations

import dataclasses
import importlib
import math

import pytest
import torch
from torch import Tensor

from flamecast.renderer import (
    PLAIN_MAPS,
    SOURCE_MAPS,
    Cameras,
    clip,
    look_at,
    pinhole,
    pixel_rays,
    place_cameras,
    plucker,
    prepare_source,
    rasterize,
    render_maps,
    stream_maps,
    to_pixels,
    unproject,
    vertex_normals,
)

from .conftest import Mesh, make_mesh

maps_module = importlib.import_module("flamecast.renderer.maps.maps")
ORIGIN = [0.0, 0.0, 0.0]


def test_sphere_has_its_analytic_depth_and_normals(sphere) -> None:
    mesh = sphere(6, radius=0.1)
    camera = pinhole(96, 96, focal=380.0, distance=1.0)
    maps = render_maps(mesh.vertices[None], mesh, camera)
    assert maps.depth is not None and maps.normal is not None and maps.mask is not None
    rays = pixel_rays(camera)[0, 0].double()  # the sphere's centre lies at (0, 0, 1) in the camera
    along, square = rays[..., 2], (rays * rays).sum(-1)
    root = along**2 - square * (1.0 - 0.1**2)
    depth = (along - root.clamp_min(0).sqrt()) / square
    normal = (rays * depth[..., None] - torch.tensor([0.0, 0.0, 1.0])) / 0.1
    well = (root > 0) & (-(normal * rays).sum(-1) > 0.5)  # not at the rim, where a hair's breadth decides
    assert well.float().mean() > 0.3 and maps.mask[0, 0][well].all()
    assert (maps.depth[0, 0][well] - depth[well]).abs().max() < 1e-4
    assert (maps.normal[0, 0][well] - normal[well]).abs().max() < 1e-4
    assert (maps.normal[0, 0][well].norm(dim=-1) - 1.0).abs().max() < 1e-5
    assert not maps.mask[0, 0][root < -1e-4].any()
    assert (maps.depth[~maps.mask] == 0).all() and (maps.normal[~maps.mask] == 0).all()


def make_cylinder(radius: float, height: float, segments: int = 3000) -> Mesh:
    """An open cylinder about the y axis, its front anticlockwise seen from outside."""
    angle = torch.arange(segments, dtype=torch.float64) / segments * 2 * math.pi
    ring = torch.stack([radius * torch.sin(angle), torch.zeros_like(angle), radius * torch.cos(angle)], dim=1)
    shift = torch.tensor([0.0, height / 2, 0.0], dtype=torch.float64)
    here = torch.arange(segments)
    there = (here + 1) % segments
    faces = torch.cat(
        [torch.stack([here, there, there + segments], 1), torch.stack([here, there + segments, here + segments], 1)]
    )
    return make_mesh(torch.cat([ring - shift, ring + shift]).float(), faces)


def test_cylinder_has_its_analytic_depth_normals_and_flow(rotation) -> None:
    """Lying askew before the camera, and moved rigidly since the photo."""
    mesh, radius = make_cylinder(0.1, 1.0), 0.1
    turned, shift = rotation((0.48, 0.6, 0.64), 40.0), torch.tensor([0.01, -0.02, 0.03])
    target = (mesh.vertices @ turned.T + shift)[None]
    camera = pinhole(90, 90, focal=380.0, distance=1.0)
    maps = render_maps(target, mesh, camera, source_vertices=mesh.vertices, source_cameras=camera)
    assert maps.depth is not None and maps.normal is not None and maps.flow is not None and maps.mask is not None
    # In the cylinder's own axes the ray is c + s r, and x^2 + z^2 = radius^2 gives s.
    axes = torch.diag(torch.tensor([1.0, -1.0, -1.0])).double()
    own = (turned.double().T @ axes)[None, None]
    rays = (own @ pixel_rays(camera)[0, 0].double()[..., None])[..., 0]
    center = turned.double().T @ (torch.tensor([0.0, 0.0, 1.0]).double() - shift.double())
    flat, start = rays * torch.tensor([1.0, 0.0, 1.0]), center * torch.tensor([1.0, 0.0, 1.0])
    a, b, c = (flat**2).sum(-1), (flat * start).sum(-1), (start**2).sum() - radius**2
    root = b**2 - a * c
    depth = (-b - root.clamp_min(0).sqrt()) / a
    normal = (flat * depth[..., None] + start) / radius
    well = (root > 0) & (-(normal * rays).sum(-1) / rays.norm(dim=-1) > 0.5) & maps.mask[0, 0]
    assert well.float().mean() > 0.15
    assert (maps.depth[0, 0][well] - depth[well]).abs().max() < 1e-4
    seen = (axes @ turned.double() @ normal[..., None])[..., 0]
    assert (maps.normal[0, 0][well] - seen[well]).abs().max() < 1e-4
    here = unproject(camera, maps.depth)[0, 0]
    assert (maps.flow[0, 0][well] - ((here - shift) @ turned - here)[well]).abs().max() < 1e-5


@pytest.mark.parametrize("degrees", [0.0, 35.0, -60.0])
def test_tilted_plane_has_its_analytic_depth_and_normal(plane, rotation, degrees: float) -> None:
    mesh = plane(4.0, cells=3)
    tilt = rotation((1.0, 0.0, 0.0), degrees)
    camera = pinhole(40, 50, focal=80.0, distance=2.0)
    maps = render_maps((mesh.vertices @ tilt.T)[None], mesh, camera, maps=["depth", "normal", "mask", "uv", "part"])
    assert maps.mask is not None and maps.depth is not None and maps.normal is not None and maps.uv is not None
    normal = torch.tensor([1.0, -1.0, -1.0]) * tilt[:, 2]  # the plane's +z, in camera axes
    depth = 2.0 * normal[2] / (pixel_rays(camera)[0, 0] @ normal)
    assert maps.mask.all()
    torch.testing.assert_close(maps.depth[0, 0], depth, atol=1e-5, rtol=0)
    torch.testing.assert_close(maps.normal[0, 0], normal.expand(40, 50, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        maps.uv[0, 0], (unproject(camera, depth[None, None])[0, 0] @ tilt)[..., :2], atol=1e-5, rtol=0
    )
    assert maps.rays is None and maps.flow is None and maps.names() == ("depth", "normal", "mask", "part", "uv")


def test_convention_a_surface_facing_the_camera_has_normal_minus_z(plane) -> None:
    maps = render_maps(plane().vertices[None], plane(), pinhole(4, 4, focal=8.0), maps="normal")
    assert maps.normal is not None
    torch.testing.assert_close(maps.normal[0, 0, 2, 2], torch.tensor([0.0, 0.0, -1.0]))


def test_parts_are_those_of_the_seen_triangles(soup) -> None:
    mesh = soup(2)
    camera = pinhole(30, 30, focal=40.0, distance=0.8)
    seen = rasterize(clip(camera, mesh.vertices[None])[0], mesh.faces, 30, 30)[0]
    part = render_maps(mesh.vertices[None], mesh, camera, maps=["part"]).part
    assert part is not None and part.dtype == torch.uint8
    assert torch.equal(part[0, 0].long(), torch.where(seen >= 0, mesh.part[seen.long()], 0))


def source_pair(mesh, rotation) -> tuple[Tensor, Tensor, Tensor, Cameras]:
    """Target vertices (turned and shifted), the turn, the shift, and a camera that looks on from the side."""
    turned, shift = rotation((0.6, 0.8, 0.0), 25.0), torch.tensor([0.01, -0.02, 0.03])
    camera = pinhole(60, 60, focal=220.0, camera_from_world=look_at((0.2, 0.1, 0.8), ORIGIN))
    return (mesh.vertices @ turned.T + shift)[None], turned, shift, camera


@pytest.mark.parametrize("shape", ["sphere", "plane"])
def test_rigid_motion_gives_its_exact_flow(request, rotation, shape: str) -> None:
    mesh = request.getfixturevalue(shape)()
    target, turned, shift, camera = source_pair(mesh, rotation)
    photo = pinhole(50, 80, focal=150.0, distance=1.0)
    maps = render_maps(target, mesh, camera, source_vertices=mesh.vertices, source_cameras=photo)
    assert maps.depth is not None and maps.flow is not None and maps.mask is not None and maps.source_xy is not None
    here = unproject(camera, maps.depth)[maps.mask]
    there = (here - shift) @ turned
    assert maps.mask.sum() > 300
    torch.testing.assert_close(here + maps.flow[maps.mask], there, atol=2e-6, rtol=0)  # x_target + flow = x_source
    torch.testing.assert_close(maps.source_xy[maps.mask], to_pixels(photo, there[None])[0, 0], atol=2e-3, rtol=0)
    assert (maps.flow[~maps.mask] == 0).all() and (maps.source_xy[~maps.mask] == 0).all()


def test_no_motion_and_the_same_camera_sees_itself_everywhere(sphere) -> None:
    mesh = sphere(3)
    camera = pinhole(64, 64, focal=230.0, distance=0.8)
    maps = render_maps(mesh.vertices[None], mesh, camera, source_vertices=mesh.vertices, source_cameras=camera)
    assert maps.flow is not None and maps.source_xy is not None and maps.mask is not None and maps.visible is not None
    assert (maps.flow == 0).all()
    y, x = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(64) + 0.5, indexing="ij")
    torch.testing.assert_close(maps.source_xy[maps.mask], torch.stack([x, y], -1)[maps.mask[0, 0]], atol=1e-4, rtol=0)
    assert torch.equal(maps.visible, maps.mask)


def hit_anything(start: Tensor, stop: Tensor, triangles: Tensor, margin: float) -> Tensor:
    """Whether something lies between start and stop [P, 3], `margin` away from stop (brute force) -> [P] bool."""
    direction = (stop - start)[:, None]  # [P, 1, 3]
    a, b, c = (triangles[:, k][None] for k in range(3))
    normal = torch.linalg.cross(b - a, c - a)
    facing = (normal * direction).sum(-1)
    share = ((a - start[:, None]) * normal).sum(-1) / facing
    point = start[:, None] + share[..., None] * direction
    inside = torch.ones_like(share, dtype=torch.bool)
    for p, q in ((a, b), (b, c), (c, a)):
        inside &= (torch.linalg.cross((q - p).expand_as(point), point - p) * normal).sum(-1) >= 0
    return (inside & (share > 0) & (share < 1.0 - margin / direction.norm(dim=-1))).any(dim=1)


def test_visibility_agrees_with_brute_force_rays(sphere) -> None:
    ball, wall = sphere(2, radius=0.05, center=(0.0, 0.0, 0.15)), sphere(3, radius=0.12)
    faces = torch.cat([ball.faces, wall.faces + len(ball.vertices)])
    vertices = torch.cat([ball.vertices, wall.vertices])
    mesh = dataclasses.replace(ball, vertices=vertices, faces=faces, uv=vertices[:, :2], uv_faces=faces)
    mesh = dataclasses.replace(mesh, part=torch.ones(len(faces)).long())
    photo = pinhole(240, 240, focal=800.0, distance=1.0)
    camera = pinhole(60, 60, focal=160.0, camera_from_world=look_at((0.6, 0.1, 0.7), ORIGIN))
    maps = render_maps(vertices[None], mesh, camera, source_vertices=vertices, source_cameras=photo)
    assert maps.depth is not None and maps.visible is not None and maps.mask is not None
    points = unproject(camera, maps.depth)[maps.mask]
    hidden = hit_anything(photo.centers[0].expand_as(points), points, vertices[faces], margin=1e-4)
    wrong = maps.visible[maps.mask] == hidden
    assert 0.2 < hidden.float().mean() < 0.8
    # Those that differ lie within a photo pixel of an outline: moving them by a pixel's width there changes the answer.
    assert wrong.float().mean() < 0.02
    around = torch.stack([points[wrong] + 0.003 * step for step in (*torch.eye(3), *-torch.eye(3))])
    answers = [hit_anything(photo.centers[0].expand_as(p), p, vertices[faces], margin=4e-3) for p in around]
    assert (torch.stack(answers) != hidden[wrong]).any(dim=0).all()


def test_what_lies_outside_the_photo_or_faces_away_is_not_visible(plane) -> None:
    mesh = plane(0.4)
    camera = pinhole(20, 20, focal=40.0, distance=1.0)
    options = {"source_vertices": mesh.vertices, "maps": ["visible"]}
    left = pinhole(20, 20, focal=40.0, distance=1.0).cropped(10.0, 0.0, 20, 10)
    visible = render_maps(mesh.vertices[None], mesh, camera, source_cameras=left, **options).visible
    assert visible is not None
    assert visible[0, 0, 5:15, 11:17].all() and not visible[0, 0, :, :10].any()
    behind = pinhole(20, 20, focal=40.0, camera_from_world=look_at((0.0, 0.0, -1.0), ORIGIN))
    visible = render_maps(mesh.vertices[None], mesh, camera, source_cameras=behind, **options).visible
    assert visible is not None and not visible.any()


def test_two_views_agree_on_where_things_are(sphere) -> None:
    mesh = sphere(4)
    cameras = place_cameras(pinhole(80, 80, focal=300.0, distance=0.9), ORIGIN, 1, views="-15,20")
    depth = render_maps(mesh.vertices[None], mesh, cameras, maps=["depth"]).depth
    assert depth is not None
    points = unproject(cameras, depth)[0, 0][depth[0, 0] > 0]
    pixels = to_pixels(cameras.view(1), points[None])[0, 0].long()
    expected = clip(cameras.view(1), points[None])[0, 0, :, 3]
    found = depth[1, 0, pixels[:, 1], pixels[:, 0]]
    facing = (points * cameras.centers[1, 0]).sum(-1) / (points.norm(dim=-1) * cameras.centers[1, 0].norm()) > 0.8
    assert facing.sum() > 1000
    assert (found - expected)[facing].abs().max() < 2e-3  # the centre of a pixel against a point within it


def test_rays_pass_through_the_points_they_show(sphere) -> None:
    mesh = sphere(3)
    cameras = place_cameras(pinhole(30, 40, focal=120.0, distance=0.9), [0.01, 0.0, 0.0], 3, camera="orbit:40,10")
    maps = render_maps(mesh.vertices.expand(3, -1, -1), mesh, cameras, maps=["depth", "mask", "rays"])
    assert maps.depth is not None and maps.rays is not None and maps.mask is not None
    direction, moment = maps.rays[..., :3], maps.rays[..., 3:]
    torch.testing.assert_close(direction.norm(dim=-1), torch.ones(1, 3, 30, 40))
    points = unproject(cameras, maps.depth)
    through = torch.linalg.cross(points, direction)[maps.mask]
    torch.testing.assert_close(through, moment[maps.mask], atol=1e-6, rtol=0)
    still = plucker(pinhole(30, 40, focal=120.0))
    assert still.shape == (1, 1, 30, 40, 6)
    assert still[0, 0, 14:16, 19:21, 2].max() < -0.99  # the default camera looks along -z


def test_gradient_path_and_fast_path_give_the_same_maps(flame, rotation) -> None:
    target, _, _, camera = source_pair(flame, rotation)
    photo = pinhole(96, 96, focal=250.0, distance=1.0)
    options = {"source_vertices": flame.vertices, "source_cameras": photo}
    fast = render_maps(target, flame, camera, **options)
    slow = render_maps(target.clone().requires_grad_(), flame, camera, **options)
    assert fast.names() == slow.names() == tuple(field.name for field in dataclasses.fields(fast))
    for name in fast.names():
        one, other = getattr(fast, name), getattr(slow, name)
        assert one.dtype == other.dtype, name
        torch.testing.assert_close(one, other.detach(), atol=1e-5, rtol=1e-5, msg=lambda m, name=name: f"{name}: {m}")


def test_a_source_camera_inside_the_mesh_sees_what_is_ahead_alike_on_both_paths(sphere) -> None:
    mesh = sphere(3)
    camera = pinhole(30, 30, focal=80.0, distance=0.5)
    inside = pinhole(30, 30, focal=20.0, distance=0.02)
    options = {"source_vertices": mesh.vertices, "source_cameras": inside}
    fast = render_maps(mesh.vertices[None], mesh, camera, **options)
    slow = render_maps(mesh.vertices[None].clone().requires_grad_(), mesh, camera, **options)
    behind = fast.mask & (fast.source_xy == 0).all(-1)
    assert behind.float().mean() > 0.05
    torch.testing.assert_close(fast.source_xy, slow.source_xy.detach(), atol=0.05, rtol=1e-3)
    assert torch.equal(fast.visible, slow.visible)


def test_streaming_gives_the_same_as_all_at_once(sphere) -> None:
    mesh = sphere(2)
    vertices = torch.stack([mesh.vertices + 0.002 * t for t in range(7)])
    cameras = place_cameras(pinhole(24, 30, focal=100.0, distance=0.8), ORIGIN, 7, camera="arc:-20,20", views="0,15")
    options = {"source_vertices": mesh.vertices, "source_cameras": pinhole(30, 30, focal=100.0, distance=0.8)}
    whole = render_maps(vertices, mesh, cameras, **options)
    parts = list(stream_maps(vertices.split(3), mesh, cameras, **options))
    for name in PLAIN_MAPS + SOURCE_MAPS:
        assert getattr(whole, name).shape[:4] == (2, 7, 24, 30)
        assert torch.equal(torch.cat([getattr(part, name) for part in parts], dim=1), getattr(whole, name)), name


@pytest.mark.parametrize("left, top", [(-30, 10), (25, -20), (40, 45)])
def test_a_head_partly_outside_the_picture_is_the_window_of_the_whole(flame, left: int, top: int) -> None:
    camera = pinhole(80, 80, focal=150.0, distance=0.6)
    options = {"source_vertices": flame.vertices * 1.02, "source_cameras": camera}
    whole = render_maps(flame.vertices[None], flame, camera, **options)
    window = render_maps(flame.vertices[None], flame, camera.cropped(left, top, 80, 80), **options)
    rows, columns = (slice(max(0, start), min(80, 80 + start)) for start in (top, left))
    here = (
        slice(max(0, -top), max(0, -top) + rows.stop - rows.start),
        slice(max(0, -left), max(0, -left) + columns.stop - columns.start),
    )
    assert whole.mask[0, 0, rows, columns].float().mean() > 0.1
    for name in whole.names():
        one, other = getattr(whole, name)[0, 0][rows, columns].float(), getattr(window, name)[0, 0][here].float()
        apart = (one - other).abs().flatten(2).amax(dim=2) if one.ndim > 2 else (one - other).abs()
        assert (apart < 2e-3).float().mean() > 0.998, name  # a pixel on an edge may show the other triangle


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 1), (2160, 3840)])
def test_pictures_of_one_pixel_and_of_4k(sphere, size: tuple[int, int]) -> None:
    mesh = sphere(2)
    camera = pinhole(*size, fov=0.1, distance=0.8)
    maps = render_maps(mesh.vertices[None], mesh, camera, source_vertices=mesh.vertices, source_cameras=camera)
    middle = (0, 0, size[0] // 2, size[1] // 2)
    assert maps.names() == tuple(field.name for field in dataclasses.fields(maps))
    assert maps.mask[middle] and maps.visible[middle] and 0.69 < maps.depth[middle] < 0.705
    assert (maps.source_xy[middle] - torch.tensor([size[1] // 2 + 0.5, size[0] // 2 + 0.5])).abs().max() < 1e-2


def test_no_frames_give_empty_maps(sphere) -> None:
    mesh = sphere(0)
    camera = pinhole(5, 6, focal=10.0)
    for vertices in (torch.zeros(0, 12, 3), torch.zeros(0, 12, 3, requires_grad=True)):
        maps = render_maps(vertices, mesh, camera, source_vertices=mesh.vertices, source_cameras=camera)
        assert {getattr(maps, name).shape[:4] for name in maps.names()} == {(1, 0, 5, 6)}
        assert len(maps.names()) == 9
    assert list(stream_maps([], mesh, camera)) == []


def test_the_normals_kernel_agrees_with_its_twin_also_on_degenerate_triangles(flame) -> None:
    faces = torch.cat([flame.faces, flame.faces[:5, [0, 0, 1]], flame.faces[:5, [2, 2, 2]]])
    vertices = torch.stack([flame.vertices, flame.vertices * 1.3])
    fast = maps_module._fast_normals(vertices, faces)
    torch.testing.assert_close(fast, vertex_normals(vertices, faces), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["depth", "normal", "uv", "flow", "source_xy"])
def test_gradients_with_respect_to_vertices_source_and_camera(sphere, name: str) -> None:
    mesh = sphere(0)
    mesh = dataclasses.replace(mesh, vertices=mesh.vertices.double())
    pose = look_at(torch.tensor([0.2, 0.1, 0.6], dtype=torch.float64), torch.zeros(3, dtype=torch.float64))
    photo = pinhole(8, 8, focal=20.0, distance=0.6).to(torch.float64)
    last = torch.tensor([[0.0, 0.0, 0.0, 1.0]], dtype=torch.float64)

    def run(vertices: Tensor, source: Tensor, rows: Tensor) -> Tensor:
        camera = Cameras(photo.intrinsics, torch.cat([rows, last])[None], 6, 6)
        maps = render_maps(vertices[None], mesh, camera, source_vertices=source, source_cameras=photo, maps=[name])
        return getattr(maps, name)

    inputs = [mesh.vertices + 0.003, mesh.vertices, pose[:3]]
    inputs = [value.clone().requires_grad_() for value in inputs]
    assert run(*inputs).count_nonzero() > 10
    assert torch.autograd.gradcheck(run, inputs, eps=1e-7, atol=1e-5, rtol=1e-3, nondet_tol=1e-12)


def test_vertices_that_are_not_finite_name_their_frame(sphere) -> None:
    mesh = sphere(0)
    vertices = mesh.vertices.repeat(5, 1, 1)
    vertices[3, 2, 1] = math.nan
    with pytest.raises(ValueError, match="NaN or infinity in frame 3"):
        render_maps(vertices, mesh, pinhole(4, 4, focal=4.0))
    with pytest.raises(ValueError, match="NaN or infinity in frame 3"):
        list(stream_maps(vertices.split(2), mesh, pinhole(4, 4, focal=4.0)))


def test_bad_arguments(sphere) -> None:
    mesh, camera = sphere(0), pinhole(4, 4, focal=4.0)
    vertices = mesh.vertices[None]
    with pytest.raises(ValueError, match="maps must be some of depth, .*, got colour"):
        render_maps(vertices, mesh, camera, maps=["depth", "colour"])
    with pytest.raises(ValueError, match="the maps flow need source_vertices and source_cameras"):
        render_maps(vertices, mesh, camera, maps=["flow"])
    with pytest.raises(ValueError, match="must be given together"):
        render_maps(vertices, mesh, camera, source_vertices=mesh.vertices)
    with pytest.raises(ValueError, match="as many points as vertices"):
        render_maps(torch.zeros(1, 13, 3), mesh, camera, source_vertices=mesh.vertices, source_cameras=camera)
    with pytest.raises(ValueError, match="source_cameras must be one camera"):
        prepare_source(mesh.vertices, mesh.faces, place_cameras(camera, ORIGIN, 1, views="0,1"))
    with pytest.raises(ValueError, match=r"source_vertices must have shape \[N, 3\]"):
        prepare_source(vertices.expand(2, -1, -1), mesh.faces, camera)
    with pytest.raises(ValueError, match="no more frames than the cameras"):
        moving = place_cameras(camera, ORIGIN, 3, camera="orbit:5")
        list(stream_maps([vertices.expand(2, -1, -1)] * 2, mesh, moving))
    with pytest.raises(ValueError, match=r"depth must have shape \[1, T, 4, 4\]"):
        unproject(camera, torch.zeros(1, 1, 4, 5))
