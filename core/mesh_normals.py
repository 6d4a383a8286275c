"""Normals of triangle meshes in numpy: vertices [N, 3] m, faces [F, 3]."""

from __future__ import annotations

import numpy as np


def area_vectors(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Normals [F, 3] of the faces, as long as twice their area, m^2."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return np.cross(b - a, c - a)


def face_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals [F, 3] of the faces; 0 where one has no area."""
    return unit(area_vectors(vertices, faces))


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals [N, 3], the faces around weighted by their area; 0 at vertices without a face."""
    total, areas = np.zeros_like(vertices), area_vectors(vertices, faces)
    for k in range(3):
        np.add.at(total, faces[:, k], areas)
    return unit(total)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors [..., 3] at length 1; what has none stays 0."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True).clip(1e-20)
