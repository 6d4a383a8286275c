"""Eyelids, which FLAME lacks: shapes that shut its lids, sliding over the eyeballs. All lengths m."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from .features import eye_opening
from .surface import Mesh, adjacency, ball_of
from .topology import EYEBALLS, SKIN

CLOSING = 0.78  # where lids meet: this share of the way from the upper to the lower one
OVERLAP = np.radians(1.0)  # by which shut lids overlap
LID_REACH = 1.6  # radii of the eyeball around its centre within which a lid pulls at the skin
CLEAR = 0.0004  # m between a moving lid and the eyeball


def eyelid_shapes(mesh: Mesh) -> np.ndarray:
    """[N, 3, 2] m: displacements that move the left and the right lids until they meet, sliding over the eyeball."""
    skin = np.nonzero((mesh.faces < SKIN).all(1))[0]
    shapes = np.zeros((*mesh.vertices.shape, 2))
    for k, index in enumerate(EYEBALLS.values()):
        ball = np.nonzero(np.isin(mesh.faces, index).all(1))[0]
        shapes[..., k] = _lid_shape(mesh, skin, ball)
    return shapes


def _lid_shape(mesh: Mesh, skin: np.ndarray, ball: np.ndarray) -> np.ndarray:
    """One eye's lid shape [N, 3] m: the margins move to where they meet, and the skin around follows smoothly."""
    centre, radius = ball_of(mesh.vertices[np.unique(mesh.faces[ball])])
    margin = eye_opening(mesh, skin, ball)
    wanted = shut_margin(margin - centre, radius) + centre - margin  # [2, C, 3]
    pick = mesh.rows(margin.reshape(-1, 3), skin)
    local = mesh.vertices - centre
    away = np.linalg.norm(local, axis=1)
    free = np.zeros(len(local), bool)
    free[np.unique(mesh.faces[skin])] = True
    free &= (away < LID_REACH * radius) & (local[:, 2] > -0.2 * radius)
    near = adjacency(mesh.faces, len(local))
    laplacian = (sparse.identity(len(local)) - sparse.diags(1 / np.asarray(near.sum(1)).ravel()) @ near).tocsr()
    bend = laplacian[:, free]
    pick = pick[:, free]
    system = bend.T @ bend + 100.0 * pick.T @ pick + 1e-6 * sparse.identity(int(free.sum()))
    shift = np.zeros_like(local)
    shift[free] = splu(system.tocsc()).solve(100.0 * pick.T @ wanted.reshape(-1, 3))
    return _clear_of_ball(local, shift, free, radius)


def _clear_of_ball(local: np.ndarray, shift: np.ndarray, free: np.ndarray, radius: float) -> np.ndarray:
    """The shift [N, 3] m of vertices `local` [N, 3] around the eyeball's centre, none of which ever dips into it.

    free [N]: which may move. What lies deeper than CLEAR at rest may stay as deep.
    """
    away = np.linalg.norm(local, axis=1)
    floor = np.minimum(radius + CLEAR, away)
    for _round in range(3):
        for share in (0.25, 0.5, 0.75, 1.0):
            moved = local + share * shift
            now = np.linalg.norm(moved, axis=1)
            low = free & (now < floor)
            shift[low] += (floor[low] / now[low] - 1)[:, None] * moved[low] / share
    return shift


def shut_margin(margin: np.ndarray, radius: float) -> np.ndarray:
    """Where both lid margins [2, C, 3] m, seen from the eyeball's centre, lie when they meet: turned about x.

    Each point keeps its distance from the eyeball, unless that is less than CLEAR.
    """
    angle = np.arctan2(margin[..., 1], margin[..., 2])
    close = CLOSING * angle[1] + (1 - CLOSING) * angle[0] + np.array([[-OVERLAP], [OVERLAP]]) / 2
    reach = np.hypot(margin[..., 1], margin[..., 2])
    reach = np.maximum(reach, np.sqrt(np.maximum((radius + CLEAR) ** 2 - margin[..., 0] ** 2, 0)))
    return np.stack([margin[..., 0], reach * np.sin(close), reach * np.cos(close)], -1)
