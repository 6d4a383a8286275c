"""Pose correctives: what the skin of neck and throat must do besides skinning so that it stays smooth when they bend.

In a sampled pose everything that moves rigidly stands where skinning puts it. The skin in between should keep its edges
as they are at rest, turned as skinning turns them (the global step of as-rigid-as-possible deformation, Sorkine and
Alexa 2007), near to where skinning has it. What skinning lacks of this, brought back to rest, is explained by least
squares through FLAME's pose features, R_j - I of the four joints, so that the correction is exactly zero at rest. The
face keeps to skinning alone, as fitting expects.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse import linalg
from scipy.spatial.transform import Rotation

from .body import Body
from .mesh import edges
from .skinning import JAW, NECK

RIGID = 0.01  # a vertex whose weights are this close to one joint's moves rigidly
HOLD = 1.0 / 0.03**2  # 1/m^2, how much a vertex of equal weights wants to stay where skinning puts it
RIDGE = 0.02  # keeps the least squares from leaning on differences between nearly equal features


def poses() -> np.ndarray:
    """Sampled turns of neck and jaw [P, 2, 3] rad, axis-angle, the left ones with their mirror images."""
    neck = [(x, 0, 0) for x in (-40, -20, 20, 40)] + [(0, y, 0) for y in (20, 40)] + [(0, 0, z) for z in (20, 40)]
    neck += [(x, y, 0) for x in (-25, 25) for y in (25,)] + [(x, 0, z) for x in (-25, 25) for z in (25,)]
    turns = [(n, (0, 0, 0)) for n in neck] + [((0, 0, 0), (x, 0, 0)) for x in (8, 16, 25)]
    turns += [((x, 0, 0), (15, 0, 0)) for x in (-25, 25)] + [((0, 0, 0), (10, y, 0)) for y in (8,)]
    both = [*turns, *(((n[0], -n[1], -n[2]), (j[0], -j[1], -j[2])) for n, j in turns)]
    return np.radians(np.unique(np.array(both, float), axis=0))


def pose_correctives(body: Body) -> np.ndarray:
    """[N, 3, 36] m for `Head.pose_correctives`."""
    count = body.skin
    faces = body.faces[(body.faces < count).all(1)]
    rest, weights = body.vertices[:count], body.weights[:count, :3]
    free = np.zeros(count, bool)
    free[body.grid.index[1:]] = True
    free &= (weights.max(1) < 1 - RIGID) & np.isin(np.arange(count), faces)
    turns = poses()
    shared = 1 - (weights**2).sum(1)  # 0 where one joint moves a vertex alone
    hold = np.where(free, HOLD / np.maximum(shared, 1e-3), np.inf)
    posed, frames = skinned(rest, weights, turns)
    target = rigid_edges(rest, posed, frames, faces, hold)
    lack = np.linalg.solve(frames[:, free], (target - posed)[:, free, :, None])[..., 0]  # [P, M, 3]
    features = (Rotation.from_rotvec(turns.reshape(-1, 3)).as_matrix() - np.eye(3)).reshape(len(turns), 18)
    gram = features.T @ features + RIDGE**2 * np.eye(18)
    solved = np.linalg.solve(gram, features.T @ lack.reshape(len(turns), -1)).reshape(18, -1, 3)
    result = np.zeros((len(body.vertices), 3, 36))
    result[np.flatnonzero(free), :, :18] = solved.transpose(1, 2, 0)
    return result


def rigid_edges(
    rest: np.ndarray, posed: np.ndarray, frames: np.ndarray, faces: np.ndarray, hold: np.ndarray
) -> np.ndarray:
    """Posed vertices [P, N, 3] m moved so that edges keep their length and turn with the frames [P, N, 3, 3].

    Minimises over edges |x_i - x_j - R_ij (r_i - r_j)|^2 / |r_i - r_j|^2 and over vertices hold_i |x_i - posed_i|^2;
    hold [N] in 1/m^2, infinite where a vertex stays.
    """
    count = len(rest)
    free = np.isfinite(hold)
    edge = edges(faces)
    edge = edge[free[edge].any(1)]
    u, _, vt = np.linalg.svd(0.5 * (frames[:, edge[:, 0]] + frames[:, edge[:, 1]]))
    length = np.linalg.norm(rest[edge[:, 0]] - rest[edge[:, 1]], axis=1)
    wanted = ((u @ vt) @ (rest[edge[:, 0]] - rest[edge[:, 1]])[..., None])[..., 0]  # [P, E, 3]
    row = np.arange(len(edge))
    signs = np.concatenate([1 / length, -1 / length])
    difference = sparse.csr_matrix((signs, (np.tile(row, 2), edge.T.ravel())), (len(edge), count))
    lack = (wanted - (posed[:, edge[:, 0]] - posed[:, edge[:, 1]])) / length[:, None]
    inner = difference[:, np.flatnonzero(free)]
    matrix = (inner.T @ inner + sparse.diags(hold[free])).tocsc()
    right = inner.T @ lack.transpose(1, 0, 2).reshape(len(edge), -1)
    target = posed.copy()
    target[:, free] += linalg.splu(matrix).solve(right).reshape(free.sum(), -1, 3).transpose(1, 0, 2)
    return target


def skinned(rest: np.ndarray, weights: np.ndarray, turns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices [P, N, 3] m under turns of neck and jaw [P, 2, 3], and their blended frames [P, N, 3, 3]."""
    neck, jaw = (Rotation.from_rotvec(turns[:, k]).as_matrix() for k in (0, 1))
    blend = np.zeros((len(turns), 3, 3, 4))
    blend[:, 0, :, :3] = np.eye(3)
    blend[:, 1] = np.concatenate([neck, (NECK - neck @ NECK)[..., None]], -1)
    inner = JAW - jaw @ JAW
    blend[:, 2] = np.concatenate([neck @ jaw, (neck @ inner[..., None])[..., 0, None] + blend[:, 1, :, 3:]], -1)
    whole = np.einsum("nk,pkij->pnij", weights, blend)
    return (whole[..., :3] @ rest[..., None])[..., 0] + whole[..., 3], whole[..., :3]
