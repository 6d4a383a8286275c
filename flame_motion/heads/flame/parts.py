"""Which part of a head each of its faces is, carried over from the built-in head."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from ..head import PARTS, Head
from .register import Registration, touchable
from .surface import Mesh, edges_of
from .topology import EYEBALLS

ROUNDS, OWN = 4, 1.2  # of smoothing; how much a face's own label counts, in neighbours


def part_labels(head: Head, found: Registration) -> np.ndarray:
    """Part [F] of each of their faces: that of ours where its middle lies."""
    part, mesh = head.part.numpy(), found.target
    allowed = touchable(head)
    ours = Mesh(found.source.vertices, found.source.faces[allowed])
    face, _ = ours.closest(mesh.vertices[mesh.faces].mean(1), mesh.face_normals)
    label = _smoothed(part[allowed[face]], mesh.faces)
    for name, index in EYEBALLS.items():
        label[np.isin(mesh.faces, index).all(1)] = PARTS.index(name)
    return label


def _smoothed(label: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Labels [F] after a few rounds in which each face joins the majority of itself and its neighbours."""
    edges = np.sort(edges_of(faces), 1)
    _, edge = np.unique(edges, axis=0, return_inverse=True)
    touches = sparse.csr_matrix((np.ones(len(edge)), (np.tile(np.arange(len(faces)), 3), edge.ravel())))
    weights = (touches @ touches.T).tocsr()
    weights.setdiag(OWN)
    for _ in range(ROUNDS):
        label = np.asarray(weights @ np.eye(len(PARTS))[label]).argmax(1)
    return label
