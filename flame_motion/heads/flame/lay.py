"""The built-in head's skin laid smoothly over another head's: pinned at features, drawn to closest points.

Non-rigid ICP (Amberg et al. 2007) with a Laplacian of the displacement for stiffness. All lengths m.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from ..head import PARTS, Head
from .features import HeadSurface, eye_opening, lip_parting, nose_tip
from .surface import Mesh, adjacency, border_loops

INNER_UPPER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)  # landmarks, right corner to left
INNER_LOWER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
NOSE_TIP = 4
INSIDE = ("mouth", "teeth_upper", "teeth_lower", "tongue", "eye_left", "eye_right")
PIN_WEIGHT = 20.0  # of a feature, in closest points
MEMBRANE = 0.3  # share of first-order smoothness: without it a displacement runs away where nothing holds it
ROUNDS = ((30.0, 0.03), (30.0, 0.02), (10.0, 0.02), (10.0, 0.015), (3.0, 0.010), (3.0, 0.010), (1.0, 0.006),
          (1.0, 0.006), (0.3, 0.005), (0.3, 0.005))  # stiffness, farthest closest point m  # fmt: skip


def lay(head: Head, start: HeadSurface, theirs: HeadSurface, visible: np.ndarray) -> np.ndarray:
    """Vertices [N, 3] m of the built-in `head`, moved from `start` onto the other skin.

    Eyeballs go as a whole, what is inside follows. visible: those faces of their skin that ours are drawn to.
    """
    pick, goal = pins(head, start, theirs)
    rest, faces = start.mesh.vertices, start.mesh.faces
    near = adjacency(faces, len(rest))
    laplacian = sparse.diags(np.asarray(near.sum(1)).ravel()) - near
    stiff = laplacian.T @ laplacian + MEMBRANE * laplacian
    outside = _outside(head)
    surface = Mesh(theirs.mesh.vertices, theirs.mesh.faces[visible])
    border = np.isin(surface.faces, np.concatenate(border_loops(theirs.mesh.faces[theirs.skin])))
    pinned = PIN_WEIGHT * pick.T
    result = rest
    for stiffness, farthest in ROUNDS:
        weight, found = _pulls(Mesh(result, faces), outside, surface, border, farthest)
        system = stiffness * stiff + sparse.diags(weight + 1e-4) + pinned @ pick
        right = weight[:, None] * (found - rest) + pinned @ (goal - pick @ rest)
        result = rest + splu(system.tocsc()).solve(right)
    for k, ball in enumerate(start.balls):
        rows = start.ball_vertices(ball)
        result[rows] = rest[rows] + theirs.centres[k] - start.centres[k]
    return result


def pins(head: Head, start: HeadSurface, theirs: HeadSurface) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Rows [K, N] that pick points of our mesh, and where they belong [K, 3] m on the other: lids, lips, nose tip."""
    lids, their_lids = (
        np.concatenate([eye_opening(side.mesh, side.skin, ball).reshape(-1, 3) for ball in side.balls])
        for side in (start, theirs)
    )
    lips = lip_parting(theirs.mesh, theirs.skin, theirs.mesh.vertices[_mouth_border(theirs)])
    rows = [np.array([landmark_vertex(head, k) for k in row]) for row in (INNER_UPPER, INNER_LOWER)]
    places = [_along(start.mesh.vertices[row], lip) for row, lip in zip(rows, lips)]
    vertex = np.array([*rows[0], *rows[1], landmark_vertex(head, NOSE_TIP)])
    single = sparse.csr_matrix(
        (np.ones(len(vertex)), (np.arange(len(vertex)), vertex)), (len(vertex), len(start.mesh.vertices))
    )
    pick = sparse.vstack([start.mesh.rows(lids, start.skin), single]).tocsr()
    return pick, np.concatenate([their_lids, *places, nose_tip(theirs)[None]])


def landmark_vertex(head: Head, landmark: int) -> int:
    """The vertex that is a MediaPipe landmark of the built-in head."""
    return int(head.mediapipe[landmark])


def _mouth_border(head: HeadSurface) -> np.ndarray:
    """The border of the mouth's opening, as vertices: of all borders of the skin the one nearest to the eyes."""
    eyes = np.mean(head.centres, 0)
    loops = border_loops(head.mesh.faces[head.skin])
    return min(loops, key=lambda row: float(np.linalg.norm(head.mesh.vertices[row].mean(0) - eyes)))


def _along(row: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Points of a line [C, 3] at the shares of its width at which those of a row [K, 3] stand in theirs."""
    share = (row[:, 0] - row[0, 0]) / (row[-1, 0] - row[0, 0])
    return np.stack([np.interp(share, np.linspace(0, 1, len(line)), line[:, k]) for k in range(3)], 1)


def _outside(head: Head) -> np.ndarray:
    """Our vertices that belong to the skin one can touch."""
    inside = np.isin(head.part.numpy(), [PARTS.index(name) for name in INSIDE])
    return np.setdiff1d(head.faces[~inside].unique().numpy(), head.faces[inside].unique().numpy())


def _pulls(
    now: Mesh, outside: np.ndarray, surface: Mesh, border: np.ndarray, farthest: float
) -> tuple[np.ndarray, np.ndarray]:
    """Which of our vertices have a closest point to go to [N] (1 or 0), and which [N, 3] m.

    None when it is too far, faces elsewhere, or lies on the other's border (`border` [F, 3]: corners that do).
    """
    normals = now.normals()[outside]
    face, bary = surface.closest(now.vertices[outside], normals)
    found = now.vertices.copy()
    found[outside] = surface.at(face, bary)
    like = (surface.face_normals[face] * normals).sum(1) > 0.5
    beyond = (border[face] & (bary > 0.0)).any(1)
    near = np.linalg.norm(found[outside] - now.vertices[outside], axis=1) < farthest
    weight = np.zeros(len(now.vertices))
    weight[outside] = like & near & ~beyond
    return weight, found
