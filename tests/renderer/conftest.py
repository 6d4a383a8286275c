"""Shapes with known answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from flamecast.core import parallel

FLAME = Path(__file__).parents[3] / "shared" / "data" / "flame" / "flame2023_open_core60.npz"


@dataclass(frozen=True)
class Mesh:
    """Vertices and what `Topology` asks for."""

    vertices: Tensor  # [N, 3] m
    faces: Tensor  # [F, 3]
    uv: Tensor  # [U, 2]
    uv_faces: Tensor  # [F, 3]
    part: Tensor  # [F]

    def moved(self, rotation: Tensor, shift: Tensor) -> Mesh:
        return replace(self, vertices=self.vertices @ rotation.T + shift)


def make_mesh(vertices: Tensor, faces: Tensor) -> Mesh:
    """A mesh whose uv are the vertices' x and y, and whose parts count 1, 2, 3, 1, ..."""
    return Mesh(vertices, faces, vertices[:, :2].clone(), faces, torch.arange(len(faces)) % 3 + 1)


def make_sphere(level: int = 3, radius: float = 0.1, center: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Mesh:
    """An icosphere, 20 * 4^level faces, anticlockwise seen from outside."""
    golden = (1 + 5**0.5) / 2
    corners = [(-1, golden, 0), (1, golden, 0), (-1, -golden, 0), (1, -golden, 0)]
    points = [np.array(c, float) for shift in range(3) for c in (np.roll(k, shift) for k in corners)]
    vertices = [p / np.linalg.norm(p) for p in points]
    pairs = [np.linalg.norm(a - vertices[0]) for a in vertices[1:]]
    edge = min(pairs) * 1.01
    faces = []
    for a in range(12):
        for b in range(a + 1, 12):
            for c in range(b + 1, 12):
                x, y, z = vertices[a], vertices[b], vertices[c]
                if max(np.linalg.norm(x - y), np.linalg.norm(y - z), np.linalg.norm(z - x)) < edge:
                    faces.append((a, b, c) if np.linalg.det([x, y, z]) > 0 else (a, c, b))
    for _ in range(level):
        middle: dict[tuple[int, int], int] = {}

        def between(a: int, b: int, middle: dict[tuple[int, int], int] = middle) -> int:
            key = (min(a, b), max(a, b))
            if key not in middle:
                point = vertices[a] + vertices[b]
                vertices.append(point / np.linalg.norm(point))
                middle[key] = len(vertices) - 1
            return middle[key]

        finer = []
        for a, b, c in faces:
            ab, bc, ca = between(a, b), between(b, c), between(c, a)
            finer += [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
        faces = finer
    xyz = torch.tensor(np.array(vertices) * radius + np.array(center), dtype=torch.float32)
    return make_mesh(xyz, torch.tensor(faces))


def make_plane(size: float = 1.0, cells: int = 4) -> Mesh:
    """A square in z = 0 whose front is +z, size x size m, uv = (x, y)."""
    line = torch.linspace(-size / 2, size / 2, cells + 1)
    x, y = torch.meshgrid(line, line, indexing="xy")
    vertices = torch.stack([x.flatten(), y.flatten(), torch.zeros(x.numel())], dim=1)
    corner = (torch.arange(cells)[:, None] * (cells + 1) + torch.arange(cells)).flatten()
    right, up, both = corner + 1, corner + cells + 1, corner + cells + 2
    faces = torch.cat([torch.stack([corner, right, both], 1), torch.stack([corner, both, up], 1)])
    return make_mesh(vertices, faces)


def make_soup(seed: int, count: int = 60, spread: float = 0.3) -> Mesh:
    """Random triangles around the origin, in no order."""
    rng = torch.Generator().manual_seed(seed)
    vertices = (torch.rand(3 * count, 3, generator=rng) - 0.5) * 2 * spread
    return make_mesh(vertices, torch.randperm(3 * count, generator=rng).reshape(count, 3))


def turn(axis: tuple[float, float, float], degrees: float) -> Tensor:
    """Right-handed rotation matrix [3, 3]."""
    x, y, z = axis
    cross = torch.tensor([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]], dtype=torch.float64)
    return torch.linalg.matrix_exp(cross * np.deg2rad(degrees)).float()


@pytest.fixture
def sphere() -> Callable[..., Mesh]:
    return make_sphere


@pytest.fixture
def plane() -> Callable[..., Mesh]:
    return make_plane


@pytest.fixture
def soup() -> Callable[..., Mesh]:
    return make_soup


@pytest.fixture
def rotation() -> Callable[..., Tensor]:
    return turn


@pytest.fixture
def flame() -> Mesh:
    """FLAME's real topology around the origin."""
    if not FLAME.exists():
        pytest.skip(f"the FLAME topology {FLAME.name} is not in shared/data")
    data = np.load(FLAME)
    vertices = torch.from_numpy(data["v_template"]).float()
    return make_mesh(vertices - vertices.mean(dim=0), torch.from_numpy(data["faces"].astype(np.int64)))


@pytest.fixture
def with_cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """From with_cores(n) on the renderer works as on a machine with n cores."""

    def pretend(count: int) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(count)), raising=False)
        parallel._pool.cache_clear()

    yield pretend
    parallel._pool.cache_clear()
