"""Surfaces laid flat without overlap: mean-value maps onto a convex outline (Tutte 1963, Floater 2003)."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from .surface import areas

AREA_ROUNDS = 12


def flattened(
    points: np.ndarray, faces: np.ndarray, wanted: np.ndarray, border: np.ndarray, places: np.ndarray
) -> np.ndarray:
    """A map [M, 2] without overlap, triangles nearly of the wanted areas [F], the border at places on a convex curve.

    Every round is a mean-value map and so without overlap; between rounds, edges of vertices that came out too small
    are loosened (Yoshizawa, Belyaev and Seidel 2004).
    """
    weights = mean_value_weights(points, faces)
    inside = np.setdiff1d(np.arange(len(points)), border)
    result = np.zeros((len(points), 2))
    result[border] = places
    around = sparse.csr_matrix(
        (np.ones(faces.size), (faces.ravel(), np.repeat(np.arange(len(faces)), 3))), (len(points), len(faces))
    )
    for _ in range(AREA_ROUNDS):
        weights = sparse.diags(1 / np.asarray(weights.sum(1)).ravel()) @ weights
        system = (sparse.identity(len(points)) - weights).tocsr()[inside]
        result[inside] = splu(system[:, inside].tocsc()).solve(-(system[:, border] @ places))
        small = (around @ wanted) / (around @ areas(result, faces)).clip(1e-12)
        weights = weights @ sparse.diags((small / np.median(small)).clip(1e-3, 1e3) ** -0.25)
    return result


def mean_value_weights(points: np.ndarray, faces: np.ndarray) -> sparse.csr_matrix:
    """Rows [M, M] of positive weights that sum to 1: each point as a mean of its neighbours (Floater 2003)."""
    rows, columns, weights = [], [], []
    for k in range(3):
        i, j, m = faces[:, k], faces[:, k - 2], faces[:, k - 1]
        to_j, to_m = points[j] - points[i], points[m] - points[i]
        long_j, long_m = (np.linalg.norm(x, axis=1).clip(1e-6) for x in (to_j, to_m))
        half = np.tan(0.5 * np.arccos(np.clip((to_j * to_m).sum(1) / (long_j * long_m), -0.999, 0.999)))
        rows += [i, i]
        columns += [j, m]
        weights += [half / long_j, half / long_m]
    matrix = sparse.csr_matrix(
        (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))), (len(points), len(points))
    )
    return (sparse.diags(1 / np.asarray(matrix.sum(1)).ravel().clip(1e-12)) @ matrix).tocsr()
