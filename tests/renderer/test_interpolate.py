"""Perspective-correct interpolation: against the analytic answer, against its twin, and its gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from flamecast.renderer import clip, interpolate, interpolate_fast, pinhole, rasterize, unproject


def test_a_slanted_plane_is_exact_at_every_pixel(plane, rotation) -> None:
    mesh = plane(2.0, cells=2)
    tilt = rotation((1.0, 0.0, 0.0), -60.0)
    camera = pinhole(48, 64, focal=60.0, distance=1.5)
    points = clip(camera, (mesh.vertices @ tilt.T)[None])[0]
    seen = rasterize(points, mesh.faces, 48, 64)
    got = interpolate(seen, points, mesh.faces, mesh.vertices[None])
    depth = interpolate(seen, points, mesh.faces, points[..., 3:])[..., 0]
    where = unproject(camera, depth[None])[0] @ tilt  # back to the plane's own axes
    mask = seen >= 0
    assert mask.float().mean() > 0.3
    torch.testing.assert_close(got[mask], where[mask], atol=2e-6, rtol=0)
    assert where[mask][:, 2].abs().max() < 2e-6
    assert (got[~mask] == 0).all()


@pytest.mark.parametrize("channels", [1, 4, 7])
def test_the_twins_agree(soup, channels: int) -> None:
    mesh = soup(5)
    points = clip(pinhole(40, 56, focal=50.0, distance=0.5), torch.stack([mesh.vertices, mesh.vertices * 0.7]))[0]
    seen = rasterize(points, mesh.faces, 40, 56)
    for batch in (1, 2):
        values = torch.randn(batch, len(mesh.vertices), channels, generator=torch.Generator().manual_seed(1))
        slow = interpolate(seen, points, mesh.faces, values)
        torch.testing.assert_close(torch.from_numpy(interpolate_fast(seen, points, mesh.faces, values)), slow)
        per_corner = values[:, mesh.faces.flatten()]
        own = torch.arange(3 * len(mesh.faces)).reshape(-1, 3)
        torch.testing.assert_close(interpolate(seen, points, mesh.faces, per_corner, own), slow)
        out = np.full((2, 40, 56, channels), 7.0, np.float32)
        fast = interpolate_fast(seen.numpy(), points.numpy(), mesh.faces.numpy(), per_corner.numpy(), own.numpy(), out)
        assert fast is out
        torch.testing.assert_close(torch.from_numpy(out), slow)


def test_unit_scales_vectors_to_length_one(sphere) -> None:
    mesh = sphere(1)
    points = clip(pinhole(20, 20, focal=60.0, distance=0.6), mesh.vertices[None])[0]
    seen = rasterize(points, mesh.faces, 20, 20)
    fast = torch.from_numpy(interpolate_fast(seen, points, mesh.faces, mesh.vertices[None], unit=True))
    slow = torch.nn.functional.normalize(interpolate(seen, points, mesh.faces, mesh.vertices[None]), dim=-1)
    torch.testing.assert_close(fast, slow)


def test_constants_stay_constant_across_the_near_plane() -> None:
    camera = pinhole(20, 20, focal=10.0, camera_from_world=torch.eye(4))
    floor = torch.tensor([[[-500.0, 1.0, -500.0], [500.0, 1.0, -500.0], [0.0, 1.0, 2000.0]]])
    points, faces = clip(camera, floor)[0], torch.tensor([[0, 1, 2]])
    seen = rasterize(points, faces, 20, 20)
    height = interpolate(seen, points, faces, floor[..., 1:])
    depth = 1.0 / ((torch.arange(10, 20) + 0.5 - 10.0) / 10.0)  # of a floor 1 m below the camera
    torch.testing.assert_close(height[0, 10:, :, 0], torch.ones(10, 20), atol=1e-4, rtol=0)
    torch.testing.assert_close(height[0, 10:, :, 1], depth[:, None].expand(10, 20), atol=1e-3, rtol=1e-4)
    fast = torch.from_numpy(interpolate_fast(seen, points, faces, floor[..., 1:]))
    torch.testing.assert_close(fast, height, atol=1e-4, rtol=1e-5)


def test_gradients_of_values_and_places(sphere) -> None:
    mesh = sphere(0)
    points = clip(pinhole(6, 6, focal=20.0, distance=0.6).to(torch.float64), mesh.vertices.double()[None])[0]
    seen = rasterize(points, mesh.faces, 6, 6)
    assert (seen >= 0).sum() > 10
    values = torch.randn(1, len(mesh.vertices), 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    inputs = (points.requires_grad_(), values.requires_grad_())
    assert torch.autograd.gradcheck(lambda p, v: interpolate(seen, p, mesh.faces, v), inputs, eps=1e-6, atol=1e-6)


def test_nothing_seen_and_nothing_to_see() -> None:
    points, faces = torch.ones(2, 3, 4), torch.tensor([[0, 1, 2]])
    empty = torch.full((2, 3, 3), -1, dtype=torch.int32)
    for values in (torch.ones(1, 3, 2), torch.ones(2, 3, 0)):
        for result in (interpolate(empty, points, faces, values), interpolate_fast(empty, points, faces, values)):
            assert tuple(result.shape) == (2, 3, 3, values.shape[-1]) and (result == 0).all()
    assert interpolate_fast(empty[:0], points[:0], faces, torch.ones(1, 3, 2)).shape == (0, 3, 3, 2)


def test_bad_arguments() -> None:
    points, faces = torch.ones(1, 3, 4), torch.tensor([[0, 1, 2]])
    seen = torch.zeros(1, 2, 2, dtype=torch.int32)
    for run in (interpolate, interpolate_fast):
        with pytest.raises(ValueError, match=r"triangles must have shape \[B, H, W\]"):
            run(seen[0], points, faces, torch.ones(1, 3, 2))
        with pytest.raises(ValueError, match=r"clip must have shape \[1, N, 4\]"):
            run(seen, points[..., :3], faces, torch.ones(1, 3, 2))
        with pytest.raises(ValueError, match=r"attributes must have shape \[1 or 1, M, C\], got \[2, 3, 2\]"):
            run(seen, points, faces, torch.ones(2, 3, 2))
        with pytest.raises(ValueError, match=r"attribute_faces must name points 0\.\.1"):
            run(seen, points, faces, torch.ones(1, 2, 2))
        with pytest.raises(ValueError, match="attribute_faces must have the shape of faces"):
            run(seen, points, faces, torch.ones(1, 3, 2), faces.repeat(2, 1))
    with pytest.raises(ValueError, match="out must be contiguous float32"):
        interpolate_fast(seen, points, faces, torch.ones(1, 3, 2), out=np.zeros((1, 2, 2, 2)))
