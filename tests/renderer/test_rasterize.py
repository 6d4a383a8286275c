"""Back ends: the oracle, the rules, the registry."""

from __future__ import annotations

import importlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import EntryPoint

import pytest
import torch
from torch import Tensor

from flamecast.core import plugins
from flamecast.core.parallel import split
from flamecast.renderer import clip, facing, look_at, pinhole, rasterize, rasterizer_names
from flamecast.renderer.rasterizers.rasterize import missing

registry = importlib.import_module("flamecast.renderer.rasterizers.rasterize")
BACKENDS = [
    "numba",
    "torch",
    pytest.param("cuda", marks=pytest.mark.skipif(bool(missing("cuda")), reason=f"to run it: {missing('cuda')}")),
]


def corners(*triangles: list[tuple[float, float, float]]) -> tuple[Tensor, Tensor]:
    """Triangles given by (x, y, w) with x, y as seen in the picture (-1..1) -> clip [1, 3F, 4] and faces [F, 3]."""
    points = torch.tensor([point for triangle in triangles for point in triangle])
    w = points[:, 2:]
    return torch.cat([points[:, :2] * w, w - 0.02, w], dim=1)[None], torch.arange(len(points)).reshape(-1, 3)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed", range(4))
def test_soups_before_and_across_the_near_plane_equal_the_oracle(soup, seed: int, backend: str) -> None:
    mesh = soup(seed, spread=0.3 + 0.2 * seed)
    camera = pinhole(45, 70, focal=60.0, distance=0.5)
    points = torch.cat([clip(camera, mesh.vertices[None])[0], clip(camera, mesh.vertices[None] * 0.5)[0]])
    oracle = rasterize(points, mesh.faces, 45, 70, "torch")
    assert torch.equal(rasterize(points, mesh.faces, 45, 70, backend), oracle)
    assert len(oracle.unique()) > 10 or seed == 3


@pytest.mark.parametrize("yaw", [0.0, 0.5, 2.0])
def test_numba_equals_the_oracle_on_the_flame_topology(flame, yaw: float) -> None:
    eye = (0.7 * torch.sin(torch.tensor(yaw)).item(), 0.1, 0.7 * torch.cos(torch.tensor(yaw)).item())
    camera = pinhole(40, 40, focal=66.0, camera_from_world=look_at(eye, (0.0, 0.0, 0.0)))
    points = clip(camera, flame.vertices[None])[0]
    oracle = rasterize(points, flame.faces, 40, 40, "torch")
    assert (oracle >= 0).float().mean() > 0.2
    assert torch.equal(rasterize(points, flame.faces, 40, 40, "numba"), oracle)


@pytest.mark.parametrize("backend", BACKENDS)
def test_batches_are_independent_and_bands_leave_no_seam(sphere, backend: str) -> None:
    mesh = sphere(2)
    camera = pinhole(33, 40, focal=120.0, distance=0.6)
    clips = clip(camera, torch.stack([mesh.vertices, mesh.vertices * 0.5, mesh.vertices + 0.03]))[0]
    together = rasterize(clips, mesh.faces, 33, 40, backend)
    for b in range(3):
        assert torch.equal(together[b], rasterize(clips[b : b + 1], mesh.faces, 33, 40, backend)[0])


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_closed_plane_covers_every_pixel_even_where_edges_meet_centres(plane, backend: str) -> None:
    mesh = plane(1.0, cells=8)
    camera = pinhole(16, 16, focal=16.0, distance=1.0, principal=(8.5, 8.5))  # edges fall on pixel centres
    assert (rasterize(clip(camera, mesh.vertices[None])[0], mesh.faces, 16, 16, backend)[0, 1:, 1:] >= 0).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_equal_depth_goes_to_the_lowest_index_and_nearer_wins(backend: str) -> None:
    full = [(-3.0, -3.0, 1.0), (3.0, -3.0, 1.0), (0.0, 3.0, 1.0)]
    near = [(x, y, 0.5) for x, y, _ in full]
    assert (rasterize(*corners(full, full), 3, 3, backend) == 0).all()
    assert (rasterize(*corners(full, near, near), 3, 3, backend) == 1).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_both_sides_of_a_triangle_are_seen(backend: str) -> None:
    front = [(-3.0, -3.0, 1.0), (3.0, -3.0, 1.0), (0.0, 3.0, 1.0)]
    for triangle in (front, front[::-1]):
        assert (rasterize(*corners(triangle), 4, 4, backend) == 0).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_pixel_centres_decide_inclusively(backend: str) -> None:
    # In a 4 x 4 picture the centres lie at -0.75, -0.25, 0.25, 0.75; this one spans exactly two by two of them.
    points, faces = corners([(-0.25, -0.25, 1.0), (0.25, -0.25, 1.0), (-0.25, 0.25, 1.0)])
    seen = rasterize(points, faces, 4, 4, backend)[0] >= 0
    expected = torch.zeros(4, 4, dtype=torch.bool)
    expected[1, 1] = expected[1, 2] = expected[2, 1] = True
    assert torch.equal(seen, expected)


@pytest.mark.parametrize("backend", BACKENDS)
def test_triangles_behind_the_camera_before_the_near_plane_and_degenerate_are_not_seen(backend: str) -> None:
    full = [(-3.0, -3.0, 1.0), (3.0, -3.0, 1.0), (0.0, 3.0, 1.0)]
    behind = [(x, y, -1.0) for x, y, _ in full]
    before_near = [(x, y, 0.005) for x, y, _ in full]
    line = [full[0], full[1], full[1]]
    broken = [full[0], full[1], (float("nan"), 0.0, 1.0)]
    points, faces = corners(behind, before_near, line, broken)
    assert (rasterize(points, faces, 5, 5, backend) == -1).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_triangle_whose_only_nan_is_its_z_is_not_seen(backend: str) -> None:
    points, faces = corners([(-3.0, -3.0, 1.0), (3.0, -3.0, 1.0), (0.0, 3.0, 1.0)])
    points[0, 1, 2] = float("nan")
    assert (rasterize(points, faces, 5, 5, backend) == -1).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_floor_through_the_near_plane_is_seen_exactly_to_the_horizon(backend: str) -> None:
    camera = pinhole(20, 20, focal=10.0, camera_from_world=torch.eye(4))  # x right, y down, z forward
    floor = torch.tensor([[[-500.0, 1.0, -500.0], [500.0, 1.0, -500.0], [0.0, 1.0, 2000.0]]])
    seen = rasterize(clip(camera, floor)[0], torch.tensor([[0, 1, 2]]), 20, 20, backend)[0] >= 0
    assert seen[10:].all() and not seen[:10].any()


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_pixel_no_picture_no_face_and_mirrored_cameras(sphere, backend: str) -> None:
    mesh = sphere(1)
    camera = pinhole(1, 1, focal=2.0, distance=1.0)
    points = clip(camera, mesh.vertices[None])[0]
    assert rasterize(points, mesh.faces, 1, 1, backend).item() >= 0
    assert rasterize(points[:0], mesh.faces, 4, 5, backend).shape == (0, 4, 5)
    assert (rasterize(points, mesh.faces[:0], 4, 5, backend) == -1).all()
    mirror = pinhole(24, 24, focal=60.0, camera_from_world=facing(1.0) * torch.tensor([-1.0, 1, 1, 1])[:, None])
    plain = pinhole(24, 24, focal=60.0, distance=1.0)
    seen = [rasterize(clip(c, mesh.vertices[None] + 0.04)[0], mesh.faces, 24, 24, backend) for c in (plain, mirror)]
    assert torch.equal(seen[0].flip(-1) >= 0, seen[1] >= 0)


def test_large_pictures(sphere) -> None:
    mesh = sphere(1)
    points = clip(pinhole(2160, 3840, focal=8000.0, distance=1.0), mesh.vertices[None])[0]
    seen = rasterize(points, mesh.faces, 2160, 3840)[0]
    assert seen[1080, 1920] >= 0 and seen[0, 0] == -1


def test_several_threads_may_rasterize_at_once(sphere) -> None:
    mesh = sphere(3)
    points = clip(pinhole(64, 64, focal=200.0, distance=1.0), mesh.vertices[None])[0]
    expected = rasterize(points, mesh.faces, 64, 64)
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(lambda _: rasterize(points, mesh.faces, 64, 64), range(40)):
            assert torch.equal(result, expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_process_gets_threads_of_its_own(tmp_path) -> None:
    def kernel(start: int, stop: int, done: list[int]) -> None:
        done.extend(range(start, stop))

    split(kernel, 8, [], pieces=4)
    child = os.fork()
    if child == 0:
        done: list[int] = []
        split(kernel, 8, done, pieces=4)
        os._exit(0 if sorted(done) == list(range(8)) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize(
    ("points", "faces", "size", "backend", "message"),
    [
        (torch.zeros(3, 4), torch.zeros(1, 3).long(), (4, 4), "auto", r"clip must be float with shape \[B, N, 4\]"),
        (torch.zeros(1, 3, 4).long(), torch.zeros(1, 3).long(), (4, 4), "auto", "clip must be float"),
        (torch.zeros(1, 3, 4), torch.zeros(1, 3), (4, 4), "auto", "faces must be whole numbers"),
        (torch.zeros(1, 3, 4), torch.tensor([[0, 1, 3]]), (4, 4), "auto", r"name points 0\.\.2, got 0\.\.3"),
        (torch.zeros(1, 3, 4), torch.tensor([[0, 1, -1]]), (4, 4), "auto", r"got -1\.\.1"),
        (torch.zeros(1, 3, 4), torch.zeros(1, 3).long(), (0, 4), "auto", "positive, got 0 x 4"),
        (
            torch.zeros(1, 3, 4),
            torch.zeros(1, 3).long(),
            (4, 4),
            "opengl",
            "'opengl' is unknown; known are auto",
        ),
    ],
)
def test_bad_arguments(points: Tensor, faces: Tensor, size: tuple[int, int], backend: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rasterize(points, faces, *size, backend)


@pytest.fixture
def plug_in(monkeypatch: pytest.MonkeyPatch, tmp_path):
    """A way to install rasterizer entry points for one test."""

    def install(**where: str) -> None:
        found = [EntryPoint(name, value, registry.GROUP) for name, value in where.items()]
        monkeypatch.setattr(plugins, "entry_points", lambda group: found)
        registry._registered.cache_clear()

    yield install
    monkeypatch.undo()
    registry._registered.cache_clear()


def test_built_in_back_ends_need_no_metadata(plug_in) -> None:
    plug_in()
    assert rasterizer_names() == ("numba", "torch", "cuda", "pytorch3d", "nvdiffrast")


def test_a_plug_in_enters_by_its_entry_point(plug_in, monkeypatch: pytest.MonkeyPatch) -> None:
    module = type(sys)("sixes")
    module.rasterize = lambda clip, faces, height, width: torch.full((len(clip), height, width), 6).int()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sixes", module)
    plug_in(sixes="sixes:rasterize")
    assert (rasterize(torch.zeros(1, 3, 4), torch.tensor([[0, 1, 2]]), 2, 2, "sixes") == 6).all()


def test_a_broken_plug_in_is_no_fault_of_the_others(plug_in) -> None:
    plug_in(broken="no_such_module_of_ours:rasterize")
    with pytest.raises(ValueError, match="rasterizer 'broken' .* does not load: No module named"):
        rasterize(torch.zeros(1, 3, 4), torch.tensor([[0, 1, 2]]), 2, 2, "broken")
    assert (rasterize(torch.zeros(1, 3, 4), torch.tensor([[0, 1, 2]]), 2, 2) == -1).all()
