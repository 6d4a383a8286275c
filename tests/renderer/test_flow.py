"""The surface field and the depth-guided encoding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from flamecast.flame_motion import FlameSequence, load_head
from flamecast.flame_motion.edit import apply_edit
from flamecast.renderer import (
    flow_encoding,
    pinhole,
    pixel_rays,
    place_cameras,
    render_maps,
    sample_depths,
    surface_field,
    to_pixels,
    unproject,
)
from flamecast.renderer.flow.closest import build_tree, neighbors


def brute_force(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Distance [P] to the nearest of triangles [F, 3, 3], each sampled at its interior point, edges and corners."""
    best = np.full(len(points), np.inf)
    for a, b, c in corners.astype(np.float64):
        for p, q in ((a, b), (b, c), (c, a)):
            edge = q - p
            share = np.clip((points - p) @ edge / max(edge @ edge, 1e-30), 0, 1)
            best = np.minimum(best, np.linalg.norm(points - p - share[:, None] * edge, axis=1))
        normal = np.cross(b - a, c - a)
        if normal @ normal > 1e-20:
            unit = normal / np.linalg.norm(normal)
            height = (points - a) @ unit
            foot = points - height[:, None] * unit
            sides = [np.cross(q - p, foot - p) @ normal for p, q in ((a, b), (b, c), (c, a))]
            inside = np.all(np.array(sides) >= 0, axis=0)
            best = np.where(inside, np.minimum(best, np.abs(height)), best)
    return best


@pytest.mark.parametrize("count", [1, 3, 4, 5, 33, 200])
def test_the_nearest_point_is_the_nearest(soup, count: int) -> None:
    mesh = soup(count, count=count)
    faces = mesh.faces.clone()
    if count > 3:
        faces[1] = faces[0, :1]  # a triangle that is a point
        faces[2, 2] = faces[2, 1]  # and one that is a line
    vertices = mesh.vertices.numpy()
    points = np.random.default_rng(0).uniform(-0.6, 0.6, (300, 3)).astype(np.float32)
    face, weights = build_tree(vertices, faces.numpy()).nearest(points)
    corners = vertices[faces.numpy()]
    found = (weights[..., None] * corners[face]).sum(axis=1)
    assert (weights >= -1e-6).all() and np.allclose(weights.sum(axis=1), 1.0, atol=1e-6)
    distance = np.linalg.norm(found - points, axis=1)
    np.testing.assert_allclose(distance, brute_force(points, corners), atol=1e-6)
    alone = [build_tree(vertices, faces.numpy()).nearest(points[k : k + 1])[0][0] for k in range(0, 300, 37)]
    assert (face[::37] == alone).all()  # ties do not depend on the neighbours asked before


def test_rigid_motion_carries_space_rigidly_and_fades_far_away(sphere, rotation) -> None:
    mesh = sphere(3)
    turned, shift = rotation((0.0, 0.6, 0.8), 30.0), torch.tensor([0.02, 0.0, -0.01])
    target = mesh.vertices @ turned.T + shift
    field = surface_field(target, mesh.vertices, mesh.faces, carry=0.05, reach=0.2)
    rng = torch.Generator().manual_seed(0)
    outward = torch.nn.functional.normalize(torch.randn(400, 3, generator=rng), dim=1)
    near = outward * (0.1 + 0.049 * torch.rand(400, 1, generator=rng)) + shift
    expected = (near - shift) @ turned - near
    torch.testing.assert_close(field.flow(near), expected, atol=2e-6, rtol=0)
    assert (field.flow(outward * 0.31 + shift) == 0).all()
    between = field.flow(outward * 0.22 + shift).norm(dim=-1)
    whole = ((outward * 0.22) @ turned - outward * 0.22 - shift).norm(dim=-1)
    assert (between < whole).all() and (between > 0).all()


def test_a_still_mesh_moves_nothing(soup) -> None:
    mesh = soup(1)
    field = surface_field(mesh.vertices, mesh.vertices, mesh.faces)
    assert field.flow(torch.rand(2, 5, 3) - 0.5).abs().max() < 1e-6


def test_samples_lie_around_the_surface_and_between_near_and_far_off_it() -> None:
    depths = sample_depths(torch.tensor([[0.8, 0.0]]), samples=5, delta=0.01, near=0.5, far=2.5)
    torch.testing.assert_close(depths[0, 0], torch.tensor([0.79, 0.795, 0.8, 0.805, 0.81]))
    torch.testing.assert_close(depths[0, 1], torch.tensor([0.5, 1.0, 1.5, 2.0, 2.5]))
    assert sample_depths(torch.tensor([0.8]), samples=1, delta=0.01, near=0.5, far=2.5).tolist() == [
        [pytest.approx(0.8)]
    ]
    for bad in ({"samples": 0}, {"delta": -1.0}, {"near": 0.0}, {"far": 0.1}):
        with pytest.raises(ValueError, match="sampling needs"):
            sample_depths(torch.zeros(1), **{"samples": 5, "delta": 0.01, "near": 0.5, "far": 2.5, **bad})


def test_the_encoding_points_back_to_the_source(sphere, rotation) -> None:
    mesh = sphere(3)
    turned, shift = rotation((0.0, 1.0, 0.0), 20.0), torch.tensor([0.01, 0.02, 0.0])
    targets = torch.stack([mesh.vertices, mesh.vertices @ turned.T + shift])
    cameras = place_cameras(
        pinhole(12, 14, focal=40.0, distance=0.8), [0.0, 0.0, 0.0], 2, camera="arc:0,9", views="0,25"
    )
    depth = render_maps(targets, mesh, cameras, maps=["depth"]).depth
    assert depth is not None
    fields = [surface_field(target, mesh.vertices, mesh.faces, carry=1.0, reach=2.0) for target in targets]
    encoding = flow_encoding(depth, fields, cameras, samples=4, delta=0.01, near=0.5, far=1.1)
    assert encoding.shape == (2, 2, 12, 12, 14)
    assert encoding[:, 0].abs().max() < 1e-5  # nothing moved in the first frame
    distance = sample_depths(depth, samples=4, delta=0.01, near=0.5, far=1.1)[:, 1]  # [V, H, W, 4]
    rays = torch.einsum("vba,vhwb->vhwa", cameras.extrinsics_vt[:, 1, :3, :3], pixel_rays(cameras)[:, 0])
    points = cameras.centers[:, 1, None, None, None] + rays[..., None, :] * distance[..., None]
    flow = encoding[:, 1].reshape(2, 4, 3, 12, 14).permute(0, 3, 4, 1, 2)
    torch.testing.assert_close(points + flow, (points - shift) @ turned, atol=2e-5, rtol=0)


def test_bad_arguments(sphere) -> None:
    mesh = sphere(0)
    with pytest.raises(ValueError, match=r"target and source must both be \[N, 3\]"):
        surface_field(mesh.vertices, mesh.vertices[1:], mesh.faces)
    with pytest.raises(ValueError, match="0 <= carry < reach"):
        surface_field(mesh.vertices, mesh.vertices, mesh.faces, carry=0.2, reach=0.1)
    with pytest.raises(ValueError, match="at least one face"):
        build_tree(mesh.vertices.numpy(), mesh.faces.numpy()[:0])
    with pytest.raises(ValueError, match="vertices must be finite"):
        build_tree(mesh.vertices.numpy() * np.nan, mesh.faces.numpy())
    tree = build_tree(mesh.vertices.numpy(), mesh.faces.numpy())
    with pytest.raises(ValueError, match=r"points must have shape \[P, 3\]"):
        tree.nearest(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="points must be finite"):
        tree.nearest(np.full((2, 3), np.nan))
    field = surface_field(mesh.vertices, mesh.vertices, mesh.faces)
    with pytest.raises(ValueError, match=r"depth must have shape \[1, 1, 4, 4\]"):
        flow_encoding(torch.zeros(1, 2, 4, 4), [field], pinhole(4, 4, focal=4.0), near=0.1, far=1.0)


@pytest.fixture(scope="module")
def nodding_head():
    """The built-in head: at rest, and turned with an open mouth; its depth from the front."""
    head = load_head("open")
    motion = apply_edit(FlameSequence.neutral(frames=2, fps=25, head=head), "yaw=20deg,pitch=8deg,jawOpen=0.5")
    target, source = head(motion)[1], head(FlameSequence.neutral(frames=1, fps=25, head=head))[0]
    camera = pinhole(256, 256, fov=0.49, distance=0.9)
    depth = render_maps(target[None], head, camera, maps=["depth"]).depth
    return head, target, source, camera, depth


def by_tree_search(depth, field, camera, **options):
    """The encoding by its slow twin, which a depth that wants gradients asks for."""
    return flow_encoding(depth.clone().requires_grad_(), [field], camera, **options).detach()


def test_the_fast_encoding_agrees_with_the_tree_search(nodding_head) -> None:
    """To its tolerance nearly everywhere; where two parts are about as near it may follow the other one."""
    head, target, source, camera, depth = nodding_head
    field = surface_field(target, source, head.faces)
    options = {"near": 0.6, "far": 1.2, "samples": 10, "delta": 0.01}
    fast = flow_encoding(depth, [field], camera, **options)
    slow = by_tree_search(depth, field, camera, **options)
    apart = (fast - slow).unflatten(2, (10, 3)).norm(dim=3)[0, 0]  # [10, H, W]
    on = depth[0, 0] > 0
    length = slow.unflatten(2, (10, 3)).norm(dim=3)[0, 0]
    assert length[:, on].mean() > 0.01 and length[:, ~on].mean() > 0.005  # there is something to get right
    assert apart[:, on].mean() < 5e-5 and apart[:, ~on].mean() < 3e-4
    assert (apart[:, on] < 4e-4).float().mean() > 0.985 and (apart[:, ~on] < 5e-4).float().mean() > 0.96
    assert apart[5, on].max() < 1e-3  # next to the surface there is no doubt which part is meant


def test_the_encoding_leads_back_to_the_source_on_the_head(nodding_head) -> None:
    """At the surface the flow is the flow map, and where it leads, the source camera shows that very point."""
    head, target, source, camera, depth = nodding_head
    maps = render_maps(target[None], head, camera, source_vertices=source, source_cameras=camera)
    field = surface_field(target, source, head.faces)
    encoding = flow_encoding(depth, [field], camera, near=0.6, far=1.2, samples=3, delta=0.002)[0, 0, 3:6]
    mask = maps.mask[0, 0]
    found = encoding.permute(1, 2, 0)[mask]
    assert (found - maps.flow[0, 0][mask]).norm(dim=-1).quantile(0.99) < 4e-4
    there = to_pixels(camera, (unproject(camera, depth)[0, 0][mask] + found)[None])[0, 0]
    assert (there - maps.source_xy[0, 0][mask]).norm(dim=-1).quantile(0.99) < 0.2  # px


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 5), (8, 8), (17, 33)])
@pytest.mark.parametrize("samples", [1, 2, 3])
def test_encodings_of_any_size(nodding_head, size: tuple[int, int], samples: int) -> None:
    head, target, source, _, _ = nodding_head
    camera = pinhole(*size, fov=0.3, distance=0.9)
    depth = render_maps(target[None], head, camera, maps=["depth"]).depth
    field = surface_field(target, source, head.faces)
    options = {"near": 0.6, "far": 1.2, "samples": samples, "delta": 0.01}
    fast = flow_encoding(depth, [field], camera, **options)
    slow = by_tree_search(depth, field, camera, **options)
    assert fast.shape == slow.shape and torch.isfinite(fast).all()
    assert (fast - slow).abs().median() < 1e-4


def test_a_field_made_like_another_is_the_same(nodding_head) -> None:
    head, target, source, camera, depth = nodding_head
    anew = surface_field(target, source, head.faces)
    like = surface_field(target, source, head.faces, like=surface_field(source, source, head.faces))
    points = torch.rand(200, 3, generator=torch.Generator().manual_seed(0)) * 0.4 - 0.2
    torch.testing.assert_close(like.flow(points), anew.flow(points), atol=1e-6, rtol=0)


def test_neighbors_across_edges_and_around_vertices(sphere) -> None:
    mesh = sphere(2)
    faces = mesh.faces.numpy()
    around = neighbors(faces, len(mesh.vertices))
    for t in range(0, len(faces), 7):
        for corner in range(3):
            edge = set(faces[t].tolist()) - {int(faces[t, corner])}
            assert edge <= set(faces[around.across[t, corner]].tolist()) and around.across[t, corner] != t
    for v in range(0, len(mesh.vertices), 11):
        ring = around.ring[around.start[v] : around.start[v + 1]]
        assert set(ring[:, 0].tolist()) == set(faces[(faces == v).any(1)].ravel().tolist()) - {v}
        assert all({v, other} <= set(faces[face].tolist()) for other, face in ring.tolist())


def test_nearest_within_a_distance(sphere) -> None:
    mesh = sphere(2, radius=0.1)
    tree = build_tree(mesh.vertices.numpy(), mesh.faces.numpy())
    points = np.array([[0.0, 0.0, 0.15], [0.0, 0.0, 0.25]], np.float32)
    assert (tree.nearest(points, within=0.1)[0] >= 0).tolist() == [True, False]
    assert tree.nearest(points, within=0.1)[0][0] == tree.nearest(points)[0][0]


def test_a_lens_alone_may_want_a_gradient(nodding_head) -> None:
    head, target, source, camera, depth = nodding_head
    lens = pinhole(8, 8, fov=0.49, distance=0.9)
    lens = replace(lens, intrinsics=lens.intrinsics.clone().requires_grad_())
    depth = render_maps(target[None], head, lens, maps=["depth"]).depth.detach()
    field = surface_field(target, source, head.faces)
    flow_encoding(depth, [field], lens, near=0.6, far=1.2, samples=2).sum().backward()
    assert lens.intrinsics.grad is not None and lens.intrinsics.grad.abs().max() > 0


@pytest.mark.parametrize("size", [96, 512])
def test_the_encoding_does_not_depend_on_the_number_of_cores(nodding_head, with_cores, size: int) -> None:
    head, target, source, _, _ = nodding_head
    camera = pinhole(size, size, fov=0.49, distance=0.9)
    depth = render_maps(target[None], head, camera, maps=["depth"]).depth
    found = []
    for count in (1, 2, 16):
        with_cores(count)
        field = surface_field(target, source, head.faces)
        found.append(flow_encoding(depth, [field], camera, near=0.6, far=1.2, samples=20, delta=0.01))
    assert torch.equal(found[1], found[0]) and torch.equal(found[2], found[0])


def test_maps_do_not_depend_on_the_number_of_cores(nodding_head, with_cores) -> None:
    head, target, source, _, _ = nodding_head
    camera = pinhole(95, 127, fov=0.49, distance=0.9)
    found = []
    for count in (1, 2, 16):
        with_cores(count)
        maps = render_maps(target[None], head, camera, source_vertices=source, source_cameras=camera)
        found.append({name: value for name, value in vars(maps).items() if isinstance(value, torch.Tensor)})
    assert len(found[0]) > 7
    for other in found[1:]:
        assert all(torch.equal(value, other[name]) for name, value in found[0].items())


def test_the_nearest_faces_do_not_depend_on_the_number_of_cores(with_cores) -> None:
    """Where many are as near: a cube, asked from the planes between its corners."""
    corner = np.stack(np.meshgrid(*[[-0.1, 0.1]] * 3, indexing="ij"), -1).reshape(-1, 3).astype(np.float32)
    faces = np.array([(a, b, c) for a in range(8) for b in range(a + 1, 8) for c in range(b + 1, 8)])
    points = np.random.default_rng(0).integers(-3, 4, (3000, 3)).astype(np.float32) * np.float32(0.1)
    tree, found = build_tree(corner, faces), []
    for count in (1, 2, 16):
        with_cores(count)
        found.append(tree.nearest(points))
    for other in found[1:]:
        assert all((one == two).all() for one, two in zip(found[0], other, strict=True))
