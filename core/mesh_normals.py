"""Normals of triangle meshes: vertices [..., N, 3] m, faces [F, 3], anticlockwise seen from outside."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

Array = TypeVar("Array", np.ndarray, Tensor)


def area_vectors(vertices: Array, faces: Array) -> Array:
    """Normals [..., F, 3] of the faces, as long as twice their area, m^2; numpy or torch."""
    a, b, c = (vertices[..., faces[:, k], :] for k in range(3))
    if isinstance(vertices, np.ndarray):
        return np.cross(b - a, c - a)
    return torch.linalg.cross(b - a, c - a)


def face_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals [..., F, 3] of the faces; 0 where one has no area."""
    return unit(area_vectors(vertices, faces))


def vertex_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """Smooth unit normals [..., N, 3], differentiable; 0 at vertices without a face that has an area.

    The sum of e x f / (|e|^2 |f|^2) over the corners (e and f the two edges there), which is exact on a sphere: Max,
    "Weights for computing vertex normals from facet normals", 1999.
    """
    corners = vertices[..., faces.long(), :]  # [..., F, 3, 3]
    edges = corners[..., [1, 2, 0], :] - corners
    square = (edges * edges).sum(dim=-1, keepdim=True)
    weight = square * square[..., [2, 0, 1], :]  # the edge that leaves each corner, and the one that arrives
    flat = torch.linalg.cross(edges[..., :1, :], edges[..., 1:2, :])
    shares = flat / torch.where(weight > 0, weight, torch.ones_like(weight))
    total = torch.zeros_like(vertices).index_add(-2, faces.long().reshape(-1), shares.flatten(-3, -2))
    return torch.nn.functional.normalize(total, dim=-1)


def area_weighted_normals(vertices: Array, faces: Array) -> Array:
    """Unit normals [N, 3] of vertices [N, 3], the faces around weighted by their area; numpy or torch.

    What the shape of the built-in head and the textures taken from photos are made with; anything new takes
    `vertex_normals`. 0 at vertices without a face.
    """
    areas = area_vectors(vertices, faces)
    if isinstance(vertices, np.ndarray):
        total = np.zeros_like(vertices)
        for k in range(3):
            np.add.at(total, faces[:, k], areas)
        return unit(total)
    corners = torch.zeros_like(vertices).index_add(0, faces.reshape(-1), areas.repeat_interleave(3, 0))
    return torch.nn.functional.normalize(corners, dim=1)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors [..., 3] at length 1; what has none stays 0."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True).clip(1e-20)
