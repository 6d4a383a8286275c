"""Every registered back end against the torch oracle: ours to the last pixel, others off the edges."""

from __future__ import annotations

import importlib
import re
import sys
import time
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import Tensor

from flamecast.core.extras import how_to_install
from flamecast.flame_motion import FlameSequence, load_head
from flamecast.renderer import Cameras, clip, load_rasterizer, look_at, pinhole, rasterize, rasterizer_names
from flamecast.renderer.rasterizers.nvdiffrast_rasterizer import padded
from flamecast.renderer.rasterizers.rasterize import missing

registry = importlib.import_module("flamecast.renderer.rasterizers.rasterize")
EXACT = ("numba", "torch", "cuda")  # same arithmetic: bit-equal
NEARNESS = {"nvdiffrast": 0.0625}  # px from an edge within which a pixel may differ; nvdiffrast snaps to 1/16 px
CONTRIBUTING = Path(__file__).parents[2] / "CONTRIBUTING.md"


def device_for(backend: str) -> str:
    """Where a back end can run here; skips the test where it cannot."""
    if missing(backend):
        pytest.skip(f"the package of {backend} is not installed: {missing(backend)}")
    if backend == "nvdiffrast" and not torch.cuda.is_available():
        pytest.skip("nvdiffrast needs a CUDA device")
    return "cuda" if torch.cuda.is_available() and backend in ("cuda", "nvdiffrast") else "cpu"


def run(backend: str, points: Tensor, faces: Tensor, height: int, width: int) -> Tensor:
    """Its triangle map [B, H, W], on the CPU."""
    device = device_for(backend)
    seen = rasterize(points.to(device), faces.to(device), height, width, backend)
    assert seen.dtype == torch.int32 and seen.device.type == device and seen.shape == (len(points), height, width)
    return seen.cpu()


def lines_near(corners: Tensor, x: Tensor, y: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """For triangles [P, 3, 4] float64 and pixel centres [P]: the distance [P] px of the nearest edge (or near plane),
    and the plane [P, 3] (a, b, c) of 1/w = a x + b y + c over the picture."""
    v = corners[..., [0, 1, 3]]
    edges = torch.linalg.cross(v[:, [1, 2, 0]], v[:, [2, 0, 1]])
    near = ((corners[..., 2] + corners[..., 3])[..., None] * edges).sum(dim=1, keepdim=True)
    distance = distance_to(torch.cat([edges, near], dim=1), x[:, None], y[:, None], size).amin(dim=1)
    return distance, edges.sum(dim=1) / (edges[:, 0] * v[:, 0]).sum(dim=1, keepdim=True)


def distance_to(line: Tensor, x: Tensor, y: Tensor, size: tuple[int, int]) -> Tensor:
    """How far the line a x + b y + c = 0 is from a pixel centre, px."""
    slope = torch.hypot(line[..., 0] * 2.0 / size[1], line[..., 1] * 2.0 / size[0])
    return (line[..., 0] * x + line[..., 1] * y + line[..., 2]).abs() / slope.clamp_min(1e-300)


def assert_agree(backend: str, seen: Tensor, oracle: Tensor, points: Tensor, faces: Tensor) -> None:
    """Equal maps; a back end with arithmetic of its own may differ near edges and where triangles meet."""
    if backend in EXACT:
        assert torch.equal(seen, oracle)
        return
    size, nearness = (seen.shape[1], seen.shape[2]), NEARNESS.get(backend, 1e-3)
    b, row, column = (seen != oracle).nonzero(as_tuple=True)
    assert len(b) < 0.05 * seen.numel() + 3
    y, x = ((2.0 * place.double() + 1.0) / side - 1.0 for place, side in zip((row, column), size))
    planes, excused = [], torch.zeros(len(b), dtype=torch.bool)
    for map_ in (seen, oracle):
        triangle = map_[b, row, column].long()
        distance, plane = lines_near(points[b[:, None], faces.long()[triangle.clamp_min(0)]].double(), x, y, size)
        excused |= (triangle >= 0) & (distance <= nearness)
        planes.append(torch.where(triangle[:, None] >= 0, plane, torch.nan))
    tie = planes[0] - planes[1]  # 0 where both are as deep
    inverse = planes[0][:, 0] * x + planes[0][:, 1] * y + planes[0][:, 2]
    gap = (tie[:, 0] * x + tie[:, 1] * y + tie[:, 2]).abs()
    excused |= (distance_to(tie, x, y, size) <= nearness) | (gap <= 3e-5 * inverse.abs())
    assert excused.all(), f"{int((~excused).sum())} pixels differ away from every edge"


def random_cameras(count: int, size: int, seed: int) -> Cameras:
    """Cameras around the origin at 0.25 to 0.9 m, one a frame of a path."""
    rng = torch.Generator().manual_seed(seed)
    eyes = torch.nn.functional.normalize(torch.randn(count, 3, generator=rng), dim=1)
    eyes = eyes * (0.25 + 0.65 * torch.rand(count, 1, generator=rng))
    poses = torch.stack([look_at(eye, (0.0, 0.0, 0.0)) for eye in eyes])
    return Cameras(pinhole(size, size, focal=1.3 * size).intrinsics, poses[None], size, size)


def random_heads(count: int, size: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Clip space [count, N, 4] of the built-in head in random poses before random cameras, and its faces [F, 3]."""
    head, rng = load_head(), torch.Generator().manual_seed(seed)
    motion = FlameSequence.neutral(frames=count, fps=25, head=head.id)
    motion.neck.copy_(0.5 * torch.randn(count, 3, generator=rng))
    motion.jaw[:, 0] = 0.4 * torch.rand(count, generator=rng)
    motion.eyes.copy_(0.2 * torch.randn(count, 2, 3, generator=rng))
    motion.eyelids.copy_(torch.rand(count, 2, generator=rng))
    motion.expression.copy_(torch.rand(motion.expression.shape, generator=rng))
    vertices = head(motion)
    return clip(random_cameras(count, size, seed), vertices - vertices.mean(dim=(0, 1)))[0], head.faces


def random_flames(flame, count: int, size: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """The same of FLAME's topology, its surface bent by smooth random waves."""
    rng = torch.Generator().manual_seed(seed)
    waves = 20.0 * torch.randn(count, 3, 3, generator=rng)
    bent = flame.vertices + 0.005 * torch.sin(flame.vertices @ waves)
    return clip(random_cameras(count, size, seed + 1), bent)[0], flame.faces


def assert_numba_is_the_oracle(points: Tensor, faces: Tensor, size: int) -> None:
    oracle = rasterize(points, faces, size, size, "torch")
    assert ((oracle >= 0).float().mean(dim=(1, 2)) > 0.02).all()
    assert torch.equal(rasterize(points, faces, size, size, "numba"), oracle)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("backend", rasterizer_names())
def test_soups_before_and_across_the_near_plane(soup, backend: str, seed: int) -> None:
    mesh = soup(seed, spread=0.3 + 0.2 * seed)
    camera = pinhole(45, 70, focal=60.0, distance=0.5)
    points = clip(camera, torch.stack([mesh.vertices, 0.5 * mesh.vertices]))[0]
    oracle = rasterize(points, mesh.faces, 45, 70, "torch")
    assert_agree(backend, run(backend, points, mesh.faces, 45, 70), oracle, points, mesh.faces)


@pytest.mark.parametrize("backend", [name for name in rasterizer_names() if name not in ("torch", "numba")])
def test_heads_in_random_poses_before_random_cameras(backend: str) -> None:
    device_for(backend)
    points, faces = random_heads(10, size=64)
    seen = run(backend, points, faces, 64, 64)
    # numba stands in for the oracle, which takes a second a head; they are held equal below
    assert_agree(backend, seen, rasterize(points, faces, 64, 64, "numba"), points, faces)


@pytest.mark.parametrize("backend", rasterizer_names())
def test_tall_and_wide_pictures_of_any_size_no_frame_and_no_face(sphere, backend: str) -> None:
    mesh = sphere(2)
    for height, width in ((1, 1), (13, 50), (50, 13), (8, 16)):
        points = clip(pinhole(height, width, focal=100.0, distance=0.8), mesh.vertices[None] + 0.01)[0]
        oracle = rasterize(points, mesh.faces, height, width, "torch")
        assert (oracle >= 0).any()
        assert_agree(backend, run(backend, points, mesh.faces, height, width), oracle, points, mesh.faces)
        assert run(backend, points[:0], mesh.faces, height, width).shape == (0, height, width)
        assert (run(backend, points, mesh.faces[:0], height, width) == -1).all()


def test_20_random_poses_of_the_built_in_head_are_the_same_in_numba_and_the_oracle() -> None:
    assert_numba_is_the_oracle(*random_heads(20, size=24), size=24)


def test_20_random_poses_of_flame_are_the_same_in_numba_and_the_oracle(flame) -> None:
    assert_numba_is_the_oracle(*random_flames(flame, 20, size=24), size=24)


@pytest.mark.slow
def test_200_random_poses_of_the_built_in_head_are_the_same_in_numba_and_the_oracle() -> None:
    assert_numba_is_the_oracle(*random_heads(200, size=48, seed=1), size=48)


@pytest.mark.slow
def test_200_random_poses_of_flame_are_the_same_in_numba_and_the_oracle(flame) -> None:
    assert_numba_is_the_oracle(*random_flames(flame, 200, size=48, seed=1), size=48)


def test_agreement_off_the_edges_forgives_a_hair_and_no_more(sphere) -> None:
    mesh = sphere(3)
    points = clip(pinhole(64, 64, focal=250.0, distance=0.8, principal=(32.5, 32.5)), mesh.vertices[None])[0]
    oracle = rasterize(points, mesh.faces, 64, 64, "torch")

    def moved(pixels: float) -> Tensor:
        shift = torch.stack([points[..., 3] * pixels * 2.0 / 64, *torch.zeros(3, *points.shape[:2])], dim=-1)
        return rasterize(points + shift, mesh.faces, 64, 64, "torch")

    assert not torch.equal(moved(3e-4), oracle)  # the middle's edges lie on pixel centres
    assert_agree("another", moved(3e-4), oracle, points, mesh.faces)
    with pytest.raises(AssertionError, match="away from every edge"):
        assert_agree("another", moved(0.03), oracle, points, mesh.faces)
    with pytest.raises(AssertionError):
        assert_agree("another", oracle.flip(-1), oracle, points, mesh.faces)


@pytest.mark.parametrize("backend", ["cuda", "pytorch3d", "nvdiffrast"])
def test_an_absent_package_is_named_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    package = registry.OPTIONAL[backend][0]
    monkeypatch.setitem(sys.modules, package, None)
    how = re.escape(how_to_install("cuda")) if backend == "cuda" else "no wheel on PyPI, build it from https"
    with pytest.raises(ImportError, match=f"the {backend} rasterizer needs the package {package}: .*{how}"):
        rasterize(torch.zeros(1, 3, 4), torch.tensor([[0, 1, 2]]), 2, 2, backend)


def test_auto_takes_cuda_for_cuda_tensors_where_its_package_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    class OnCuda(Tensor):
        is_cuda = True

    asked: list[str] = []

    def load(name: str):
        asked.append(name)
        return load_rasterizer("numba")

    monkeypatch.setattr(registry, "load_rasterizer", load)
    for lacking, points in (("", torch.zeros(1, 3, 4)), ("", torch.zeros(1, 3, 4).as_subclass(OnCuda)),
                            ("warp", torch.zeros(1, 3, 4).as_subclass(OnCuda))):  # fmt: skip
        monkeypatch.setattr(registry, "missing", lambda name, lacking=lacking: lacking)
        rasterize(points, torch.tensor([[0, 1, 2]]), 2, 2)
    assert asked == ["numba", "cuda", "numba"] and load_rasterizer("auto") is load_rasterizer("numba")


def _rasterize_meshes(meshes, image_size, z_clip_value, **options) -> tuple[Tensor]:
    """PyTorch3D's conventions as its documentation gives them, for meshes wholly beyond the near plane."""
    assert options["faces_per_pixel"] == 1 and options["blur_radius"] == 0.0 and not options["cull_backfaces"]
    assert options["perspective_correct"] and abs(z_clip_value - 0.01) < 1e-6 and meshes.verts[..., 2].min() > 0.01
    height, width = image_size
    across, up = max(1.0, width / height), max(1.0, height / width)  # the short side is -1..1
    x = across * (1.0 - (2.0 * torch.arange(width).double() + 1.0) / width)  # +x is left
    y = up * (1.0 - (2.0 * torch.arange(height).double() + 1.0) / height)[:, None]  # +y is up
    found = []
    for index, (verts, faces) in enumerate(zip(meshes.verts.double(), meshes.faces)):
        v = verts[faces]  # [F, 3, 3]
        dx, dy = v[:, :, 0, None, None] - x, v[:, :, 1, None, None] - y
        area = dx[:, [1, 2, 0]] * dy[:, [2, 0, 1]] - dx[:, [2, 0, 1]] * dy[:, [1, 2, 0]]  # [F, 3, H, W]
        flat = area / area.sum(dim=1, keepdim=True)
        depth = 1.0 / (flat / v[:, :, 2, None, None]).sum(dim=1)
        nearest, which = torch.where((flat > 0).all(dim=1), depth, torch.inf).min(dim=0)
        found.append(torch.where(nearest.isinf(), -1, which + index * len(faces)))
    return (torch.stack(found)[..., None],)


def test_pytorch3d_is_given_its_handedness_and_its_fragments_are_read(monkeypatch: pytest.MonkeyPatch, sphere) -> None:
    names = ("pytorch3d", "pytorch3d.renderer", "pytorch3d.renderer.mesh", "pytorch3d.structures",
             "pytorch3d.renderer.mesh.rasterize_meshes")  # fmt: skip
    for name in names:
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None, origin="a stand-in")
        monkeypatch.setitem(sys.modules, name, module)
    sys.modules[names[-1]].rasterize_meshes = _rasterize_meshes  # type: ignore[attr-defined]
    sys.modules[names[-2]].Meshes = SimpleNamespace  # type: ignore[attr-defined]
    mesh = sphere(2)
    for height, width in ((40, 40), (30, 50), (50, 30)):
        vertices = torch.stack([mesh.vertices, mesh.vertices * 0.7 + torch.tensor([0.03, 0.02, 0.0])])
        points = clip(pinhole(height, width, focal=150.0, distance=0.8), vertices)[0]
        seen = rasterize(points, mesh.faces, height, width, "pytorch3d")
        assert seen.dtype == torch.int32 and (seen >= 0).any(dim=2).any(dim=1).all()
        assert_agree("pytorch3d", seen, rasterize(points, mesh.faces, height, width, "torch"), points, mesh.faces)


def test_padding_for_nvdiffrast_leaves_every_pixel_where_it_was(sphere) -> None:
    mesh = sphere(2)
    for height, width in ((16, 24), (13, 50), (50, 13)):
        points = clip(pinhole(height, width, focal=100.0, distance=0.8), mesh.vertices[None] + 0.01)[0]
        wider, size = padded(points, height, width)
        assert size[0] % 8 == size[1] % 8 == 0 and 0 <= size[0] - height < 8 and 0 <= size[1] - width < 8
        seen = rasterize(wider, mesh.faces, *size, "torch")[:, :height, :width]
        oracle = rasterize(points, mesh.faces, height, width, "torch")
        assert_agree("nvdiffrast" if size != (height, width) else "torch", seen, oracle, points, mesh.faces)


def test_nvdiffrast_wants_a_cuda_device(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("nvdiffrast")
    module.__spec__ = ModuleSpec("nvdiffrast", None, origin="a stand-in")
    monkeypatch.setitem(sys.modules, "nvdiffrast", module)
    with pytest.raises(ValueError, match="nvdiffrast rasterizer needs tensors on a CUDA device, got clip on cpu"):
        rasterize(torch.zeros(1, 3, 4), torch.tensor([[0, 1, 2]]), 2, 2, "nvdiffrast")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
def test_cuda_on_a_gpu_is_the_oracle_does_not_wait_and_is_fast() -> None:
    device_for("cuda")
    points, faces = random_heads(10, size=512)
    expected = rasterize(points, faces, 512, 512, "numba")
    points, faces = points.cuda(), faces.cuda().int()
    assert torch.equal(rasterize(points, faces, 512, 512).cpu(), expected)
    draw = load_rasterizer("cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        draw(points, faces, 512, 512)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(20):
        draw(points, faces, 512, 512)
    torch.cuda.synchronize()
    assert (time.perf_counter() - start) / 200 < 2e-3  # s a frame


def test_the_rasterizer_of_contributing_is_short_and_works(sphere) -> None:
    section = CONTRIBUTING.read_text(encoding="utf-8").split("## Add a rasterizer")[1].split("\n## ")[0]
    (block,) = re.findall(r"^```py\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    assert len([line for line in block.splitlines() if line.strip()]) <= 15
    space: dict = {}
    exec(compile(block, "CONTRIBUTING.md", "exec"), space)
    mesh = sphere(2)
    points = clip(pinhole(30, 40, focal=150.0, distance=0.8), torch.stack([mesh.vertices, mesh.vertices + 0.02]))[0]
    oracle = rasterize(points, mesh.faces, 30, 40, "torch")
    assert_agree("mine", space["rasterize"](points, mesh.faces, 30, 40), oracle, points, mesh.faces)
