"""Plain mesh tools for the build: subdivision, borders, smoothing. Faces [F, 3], vertices [N, 3]."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse import linalg

from flamecast.core.easing import smoothstep


def edges(faces: np.ndarray) -> np.ndarray:
    """Every edge once, [E, 2] with the smaller index first."""
    return np.unique(np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), 1), axis=0)


def boundary(faces: np.ndarray) -> list[list[int]]:
    """Border loops as rows of vertices, each running with the faces' own direction."""
    pairs = faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    directed = set(map(tuple, pairs.tolist()))
    following = {a: b for a, b in directed if (b, a) not in directed}
    loops = []
    while following:
        start = min(following)
        loop = [start]
        while (step := following.pop(loop[-1])) != start:
            loop.append(step)
        loops.append(loop)
    return loops


def ring_faces(first: int, rings: int, segments: int, turns: np.ndarray) -> list[tuple[int, int, int]]:
    """Faces between rings of vertices around an axis, the diagonals of the two sides mirrored.

    Ring r, segment k is vertex first + r * segments + k, at an angle of turns [segments] rad from +x.
    """
    faces = []
    for r in range(rings - 1):
        for k in range(segments):
            a, b = first + r * segments + k, first + r * segments + (k + 1) % segments
            c, d = a + segments, b + segments
            right = np.cos(turns[k]) + np.cos(turns[(k + 1) % segments]) > 0
            faces += [(a, c, b), (b, c, d)] if right else [(a, c, d), (a, d, b)]
    return faces


def loop_subdivision(faces: np.ndarray, count: int) -> tuple[np.ndarray, sparse.csr_matrix]:
    """One step of Loop subdivision with its border rules: new faces [4F, 3] and the matrix [count + E, count]."""
    edge = edges(faces)
    number = {tuple(e): count + i for i, e in enumerate(edge.tolist())}
    wings: dict[tuple[int, int], list[int]] = {tuple(e): [] for e in edge.tolist()}
    quads = []
    for a, b, c in faces.tolist():
        for p, q, r in ((a, b, c), (b, c, a), (c, a, b)):
            wings[min(p, q), max(p, q)].append(r)
        ab, bc, ca = (number[min(p, q), max(p, q)] for p, q in ((a, b), (b, c), (c, a)))
        quads += [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    rows = sparse.lil_matrix((count + len(edge), count))
    border: dict[int, list[int]] = {}
    ring: dict[int, list[int]] = {}
    for (a, b), tips in wings.items():
        ring.setdefault(a, []).append(b)
        ring.setdefault(b, []).append(a)
        row = number[a, b]
        if len(tips) == 2:
            rows[row, [a, b]] = 3 / 8
            rows[row, tips] = 1 / 8
        else:
            rows[row, [a, b]] = 1 / 2
            border.setdefault(a, []).append(b)
            border.setdefault(b, []).append(a)
    for v, around in ring.items():
        if v in border:
            rows[v, border[v]] = 1 / 8
            rows[v, v] = 3 / 4
        else:
            n = len(around)
            beta = (5 / 8 - (3 / 8 + np.cos(2 * np.pi / n) / 4) ** 2) / n
            rows[v, around] = beta
            rows[v, v] = 1 - n * beta
    return np.array(quads, np.int64), rows.tocsr()


def interpolating(matrix: sparse.csr_matrix) -> np.ndarray:
    """A subdivision matrix [M, n] made to keep its first n vertices where they are: dense [M, n], identity on top."""
    count = matrix.shape[1]
    dense = matrix.toarray()
    result = dense @ np.linalg.inv(dense[:count])
    result[:count] = np.eye(count)
    return result


def umbrella(faces: np.ndarray, count: int, vertices: np.ndarray | None = None) -> sparse.csr_matrix:
    """Laplacian [N, N]: mean of the neighbours minus the vertex; uniform, or weighted by 1 / distance of `vertices`."""
    edge = edges(faces)
    ones = np.ones(len(edge))
    if vertices is not None:
        ones = 1 / np.maximum(np.linalg.norm(vertices[edge[:, 0]] - vertices[edge[:, 1]], axis=1), 1e-5)
    near = sparse.coo_matrix((ones, (edge[:, 0], edge[:, 1])), (count, count))
    near = (near + near.T).tocsr()
    degree = np.asarray(near.sum(1)).ravel()
    degree[degree == 0] = 1
    return (sparse.diags(1 / degree) @ near - sparse.identity(count)).tocsr()


def fair(values: np.ndarray, laplacian: sparse.csr_matrix, free: np.ndarray, order: int = 2) -> np.ndarray:
    """Values [N, C] with the free vertices [N] bool moved to the smoothest surface (order 1 membrane, 2 thin plate)."""
    energy = laplacian.T @ laplacian if order == 2 else laplacian
    inside, outside = np.flatnonzero(free), np.flatnonzero(~free)
    rows = energy.tocsr()[inside]
    solution = linalg.spsolve(rows[:, inside].tocsc(), -(rows[:, outside] @ values[outside]))
    result = values.copy()
    result[inside] = solution.reshape(len(inside), -1)
    return result


def gathered(values: np.ndarray, points: np.ndarray, centre: np.ndarray, inner: float, outer: float) -> np.ndarray:
    """Values [N, C] made equal, their mean, within `inner` of a place [3], and left alone beyond `outer`."""
    distance = np.linalg.norm(points - centre, axis=1)
    share = smoothstep((outer - distance) / (outer - inner))[:, None]
    return values + share * (values[distance < inner].mean(0) - values)
