"""Surfaces of triangles: closest points, neighbours, borders, areas. All lengths m; N vertices, F faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

from ....core.mesh_normals import area_weighted_normals, face_normals

NORMAL = 0.012  # m of distance that a right angle between two normals counts as, by default


@dataclass(frozen=True)
class Mesh:
    """A surface of triangles."""

    vertices: np.ndarray  # [N, 3] m
    faces: np.ndarray  # [F, 3]

    @property
    def face_normals(self) -> np.ndarray:
        """Unit normals [F, 3]."""
        return face_normals(self.vertices, self.faces)

    def normals(self) -> np.ndarray:
        """Unit vertex normals [N, 3], weighted by area."""
        return area_weighted_normals(self.vertices, self.faces)

    def closest(
        self, points: np.ndarray, normals: np.ndarray, turn: float = NORMAL, candidates: int = 8
    ) -> tuple[np.ndarray, np.ndarray]:
        """Face [M] and barycentric place [M, 3] of the closest point whose normal is alike. points, normals [M, 3].

        turn: m of distance that a right angle between two normals counts as.
        """
        tree = cKDTree(np.hstack([self.vertices[self.faces].mean(1), turn * self.face_normals]))
        near = np.asarray(tree.query(np.hstack([points, turn * normals]), k=candidates)[1])
        bary = project(points[:, None], self.vertices[self.faces[near]])  # [M, k, 3]
        found = (bary[..., None] * self.vertices[self.faces[near]]).sum(2)
        unlike = turn * np.linalg.norm(self.face_normals[near] - normals[:, None], axis=-1)
        best = (np.linalg.norm(found - points[:, None], axis=-1) ** 2 + unlike**2).argmin(1)
        rows = np.arange(len(points))
        return near[rows, best], bary[rows, best]

    def at(self, face: np.ndarray, bary: np.ndarray) -> np.ndarray:
        """The points [M, 3] at places on the surface."""
        return (self.vertices[self.faces[face]] * bary[..., None]).sum(1)

    def rows(self, points: np.ndarray, chosen: np.ndarray) -> sparse.csr_matrix:
        """[K, N]: the points of the chosen faces closest to points [K, 3] m, as means of vertices."""
        near = chosen[np.asarray(cKDTree(self.vertices[self.faces[chosen]].mean(1)).query(points, k=12)[1])]
        triangles = self.vertices[self.faces[near]]
        bary = project(points[:, None], triangles)
        best = np.linalg.norm((bary[..., None] * triangles).sum(2) - points[:, None], axis=-1).argmin(1)
        row = np.arange(len(points))
        place = (np.repeat(row, 3), self.faces[near[row, best]].ravel())
        return sparse.csr_matrix((bary[row, best].ravel(), place), (len(points), len(self.vertices)))


def project(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Barycentric coordinates [..., 3] of the point of each triangle [..., 3, 3] closest to points [..., 3].

    Exact: the foot of the perpendicular where it falls inside, otherwise the best point of the three edges.
    """
    a, b, c = triangles[..., 0, :], triangles[..., 1, :], triangles[..., 2, :]
    p, u, v = points - a, b - a, c - a
    uu, uv, vv = (u * u).sum(-1), (u * v).sum(-1), (v * v).sum(-1)
    pu, pv = (p * u).sum(-1), (p * v).sum(-1)
    area = (uu * vv - uv**2).clip(1e-30)
    second, third = (vv * pu - uv * pv) / area, (uu * pv - uv * pu) / area
    inside = np.stack([1 - second - third, second, third], -1)
    options = [np.where((inside >= 0).all(-1, keepdims=True), inside, np.nan)]
    for i, j in ((0, 1), (1, 2), (2, 0)):
        start, along = triangles[..., i, :], triangles[..., j, :] - triangles[..., i, :]
        share = (((points - start) * along).sum(-1) / (along**2).sum(-1).clip(1e-30)).clip(0, 1)
        edge = np.zeros(inside.shape)
        edge[..., i], edge[..., j] = 1 - share, share
        options.append(edge)
    every = np.stack(options, -2)  # [..., 4, 3]
    found = (every[..., None] * triangles[..., None, :, :]).sum(-2)
    distance = ((found - points[..., None, :]) ** 2).sum(-1)
    best = np.where(np.isnan(distance), np.inf, distance).argmin(-1)
    return np.take_along_axis(every, best[..., None, None], -2)[..., 0, :]


def ball_of(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Centre [3] and radius m of the sphere nearest to points [K, 3] (linear least squares)."""
    solution = np.linalg.lstsq(np.c_[2 * points, np.ones(len(points))], (points**2).sum(1), rcond=None)[0]
    return solution[:3], float(np.sqrt(solution[3] + solution[:3] @ solution[:3]))


def edges_of(faces: np.ndarray) -> np.ndarray:
    """The three edges of every face [3F, 2], in the order of their corners."""
    return np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])


def adjacency(faces: np.ndarray, count: int) -> sparse.csr_matrix:
    """[N, N], 1 where two vertices share an edge."""
    edges = edges_of(faces)
    one_way = sparse.coo_matrix((np.ones(len(edges)), edges.T), (count, count))
    return ((one_way + one_way.T) > 0).astype(float).tocsr()


def border_loops(faces: np.ndarray) -> list[np.ndarray]:
    """The mesh's borders as closed rows of vertices."""
    edges = edges_of(faces).tolist()
    known = {(a, b) for a, b in edges}
    following = {a: b for a, b in known if (b, a) not in known}
    loops = []
    while following:
        row = [next(iter(following))]
        while (step := following.pop(row[-1], None)) is not None and step != row[0]:
            row.append(step)
        loops.append(np.array(row))
    return loops


def areas(points: np.ndarray, faces: np.ndarray, signed: bool = False) -> np.ndarray:
    """Area [F] of triangles in space or, where `signed`, in the plane."""
    a, b, c = (points[faces[:, k]] for k in range(3))
    turned = np.cross(b - a, c - a)
    return turned / 2 if signed else np.linalg.norm(turned.reshape(len(faces), -1), axis=1) / 2
