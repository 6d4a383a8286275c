"""Normals of meshes: the tetrahedron and the sphere, for numpy and torch alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.measure import marching_cubes

from flamecast.core.mesh_normals import area_vectors, area_weighted_normals, face_normals, vertex_normals

VERTICES = np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1], [9, 9, 9]])  # the last on no face
FACES = np.array([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])
OUT = VERTICES[:4] / np.sqrt(3)


def sphere() -> tuple[np.ndarray, np.ndarray]:
    """Vertices [N, 3] on the unit sphere, as unevenly as marching cubes leaves them, and faces [F, 3]."""
    line = np.linspace(-1.1, 1.1, 16)
    radius = np.linalg.norm(np.stack(np.meshgrid(line, line, line, indexing="ij")), axis=0)
    vertices, faces, _, _ = marching_cubes(radius, 1.0)
    vertices = vertices.astype(float) - 7.5  # cells to the middle
    return vertices / np.linalg.norm(vertices, axis=1, keepdims=True), faces.astype(int)


def test_normals_of_a_tetrahedron_point_from_its_middle():
    assert np.allclose(area_weighted_normals(VERTICES, FACES)[:4], OUT)
    assert np.allclose(vertex_normals(torch.from_numpy(VERTICES), torch.from_numpy(FACES))[:4], OUT)
    assert np.allclose(face_normals(VERTICES, FACES), -OUT[[3, 2, 1, 0]])


def test_what_has_no_area_has_no_normal():
    mesh = torch.from_numpy(VERTICES), torch.from_numpy(FACES)
    assert not face_normals(VERTICES, np.array([[0, 0, 1]])).any()
    assert not area_weighted_normals(VERTICES, FACES)[4].any()
    assert not area_weighted_normals(*mesh)[4].any() and not vertex_normals(*mesh)[4].any()


def test_numpy_and_torch_agree():
    vertices, faces = sphere()
    mesh = torch.from_numpy(vertices), torch.from_numpy(faces)
    assert np.allclose(area_vectors(vertices, faces), area_vectors(*mesh), atol=1e-15)
    assert np.allclose(area_weighted_normals(vertices, faces), area_weighted_normals(*mesh), atol=1e-12)


@pytest.mark.parametrize("batch", [(), (2, 3)])
def test_vertex_normals_are_exact_on_a_sphere(batch):
    vertices, faces = sphere()
    normals = vertex_normals(torch.from_numpy(vertices).expand(*batch, -1, -1), torch.from_numpy(faces))
    assert np.allclose(normals, np.broadcast_to(vertices, normals.shape), atol=1e-12)
