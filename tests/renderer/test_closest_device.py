"""Nearest points where the tensors are: warp's BVH and plain torch, here on the CPU, against the tree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from flamecast.renderer import surface_field
from flamecast.renderer.flow import closest_device
from flamecast.renderer.flow.closest import build_tree
from flamecast.renderer.flow.closest_device import DeviceTriangles, nearest_by_trial


@pytest.fixture(params=["warp", "torch"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways in turn."""
    if request.param == "warp":
        pytest.importorskip("warp")
    monkeypatch.setattr(closest_device, "with_warp", lambda device: request.param == "warp")
    return request.param


def queries(count: int) -> torch.Tensor:
    return (torch.rand(count, 3, generator=torch.Generator().manual_seed(0)) - 0.5) * 1.2


def distances(vertices, faces, points, face, weights) -> np.ndarray:
    corners = vertices.numpy().astype(float)[np.asarray(faces)[np.asarray(face)]]
    return np.linalg.norm((np.asarray(weights, float)[..., None] * corners).sum(1) - points.numpy(), axis=1)


@pytest.mark.parametrize("count", [1, 3, 33, 200])
def test_as_near_as_the_tree_says(soup, way: str, count: int) -> None:
    mesh = soup(count, count=count)
    faces = mesh.faces.clone()
    if count > 3:
        faces[1] = faces[0, :1]  # a triangle that is a point
        faces[2, 2] = faces[2, 1]  # and one that is a line
    points = torch.cat([queries(300), mesh.vertices[faces[:, 0]], mesh.vertices[faces].mean(1)])
    face, weights = DeviceTriangles(mesh.vertices, faces).nearest(points)
    assert face.dtype == torch.int32 and weights.dtype == points.dtype and (face >= 0).all()
    assert (weights >= -1e-5).all() and torch.allclose(weights.sum(1), torch.ones(len(points)), atol=1e-6)
    tree = build_tree(mesh.vertices.numpy(), faces.numpy()).nearest(points.numpy())
    found = distances(mesh.vertices, faces, points, face, weights)
    np.testing.assert_allclose(found, distances(mesh.vertices, faces, points, *tree), atol=1e-6)


def test_trial_of_all_in_pieces_is_the_same(soup, monkeypatch: pytest.MonkeyPatch) -> None:
    mesh = soup(5)
    corners, points = mesh.vertices[mesh.faces].double(), queries(50).double()
    whole = nearest_by_trial(corners, points)
    monkeypatch.setattr(closest_device, "PAIRS", 7 * len(corners))
    assert torch.equal(nearest_by_trial(corners, points), whole)


def test_nothing_but_slivers_is_found_too(way: str) -> None:
    """warp's own query leaves triangles without an area out."""
    line = torch.tensor([[-0.1, 0.0, 0.0], [0.1, 0.0, 0.0], [0.1, 0.0, 0.0]])
    face, weights = DeviceTriangles(line, torch.tensor([[0, 1, 2]])).nearest(torch.tensor([[0.05, 0.2, 0.0]]))
    assert face.tolist() == [0]
    torch.testing.assert_close(weights @ line, torch.tensor([[0.05, 0.0, 0.0]]))


def test_within_a_distance_no_points_and_what_is_wrong(sphere, way: str) -> None:
    mesh = sphere(2, radius=0.1)
    triangles = DeviceTriangles(mesh.vertices, mesh.faces)
    points = torch.tensor([[0.0, 0.0, 0.15], [0.0, 0.0, 0.25]])
    assert (triangles.nearest(points, within=0.1)[0] >= 0).tolist() == [True, False]
    face, weights = triangles.nearest(points[:0])
    assert face.shape == (0,) and face.dtype == torch.int32 and weights.shape == (0, 3)
    with pytest.raises(ValueError, match=r"points must have shape \[P, 3\]"):
        triangles.nearest(points[:, :2])
    with pytest.raises(ValueError, match="points must be finite"):
        triangles.nearest(points * torch.nan)
    with pytest.raises(ValueError, match="vertices must be finite"):
        DeviceTriangles(mesh.vertices * torch.nan, mesh.faces).nearest(points)
    with pytest.raises(ValueError, match="at least one face"):
        DeviceTriangles(mesh.vertices, mesh.faces[:0])


def test_the_flow_and_its_gradient_are_those_of_the_tree(sphere, rotation, way: str) -> None:
    mesh = sphere(3)
    target = mesh.moved(rotation((0.0, 0.6, 0.8), 30.0), torch.tensor([0.02, 0.0, -0.01])).vertices
    by_tree = surface_field(target, mesh.vertices, mesh.faces)
    on_device = replace(by_tree, search=DeviceTriangles(target, mesh.faces))
    points, same = (queries(200).mul(0.4).requires_grad_() for _ in range(2))
    flow, expected = on_device.flow(points), by_tree.flow(same)
    torch.testing.assert_close(flow, expected, atol=2e-6, rtol=0)
    flow.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(points.grad, same.grad, atol=2e-4, rtol=0)


def test_off_the_cpu_nothing_comes_to_the_cpu(sphere) -> None:
    """A meta tensor has no values: whoever wants them fails."""
    mesh = sphere(1)
    vertices, faces = mesh.vertices.to("meta"), mesh.faces.to("meta")
    field = surface_field(vertices, vertices, faces)
    field = surface_field(vertices, vertices, faces, like=field)
    assert isinstance(field.search, DeviceTriangles)
    with pytest.raises(ValueError, match="needs a field on the CPU, got one on meta"):
        field.mesh()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
def test_on_a_gpu(soup, way: str) -> None:
    mesh, points = soup(3, count=200), queries(300)
    face, weights = DeviceTriangles(mesh.vertices.cuda(), mesh.faces.cuda()).nearest(points.cuda())
    assert face.is_cuda and weights.is_cuda
    tree = build_tree(mesh.vertices.numpy(), mesh.faces.numpy()).nearest(points.numpy())
    found = distances(mesh.vertices, mesh.faces, points, face.cpu(), weights.cpu())
    np.testing.assert_allclose(found, distances(mesh.vertices, mesh.faces, points, *tree), atol=1e-6)
