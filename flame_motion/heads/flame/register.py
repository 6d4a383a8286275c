"""Registration: the built-in head laid over a mesh of FLAME's topology, so that what we know of one holds for both.

A FLAME file says nothing about landmarks, parts, texture or eyelids. The built-in head is brought over the file's own
surface by a similarity, then laid onto it smoothly (`lay`), by features that both show in the same way (`features`);
places that lie on each other then are the same. All lengths m.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....core.errors import BadInput
from ....core.mesh_normals import unit
from ..head import PARTS, Head
from .features import HeadSurface, crown_and_back, nose_tip
from .lay import INSIDE, NOSE_TIP, landmark_vertex, lay
from .surface import Mesh, ball_of

BALLS = ("eye_left", "eye_right")
FITTED_NORMAL = 0.003  # m of distance that a right angle between normals counts as, for surfaces on each other


@dataclass(frozen=True)
class Registration:
    """Which places of the built-in head and of another mesh are the same."""

    source: Mesh  # the built-in head, moved onto the other: vertices [N, 3] m
    target: Mesh
    scale: float  # size of the other head, of the built-in one's
    on_target: tuple[np.ndarray, np.ndarray]  # place of each of our vertices: face [N], bary [N, 3]
    on_source: tuple[np.ndarray, np.ndarray]  # place of each of theirs on our mesh: face [M], bary [M, 3]


def register(head: Head, vertices: np.ndarray, faces: np.ndarray, balls: dict[str, np.ndarray]) -> Registration:
    """Lay `head` over a mesh [M, 3] m, [F, 3]; balls: the vertices of its eyeballs by part name, the rest is skin."""
    mesh = Mesh(vertices.astype(np.float64), faces)
    _check_eyes(mesh, balls)
    theirs = _other_head(mesh, balls)
    ours = _built_in_head(head)
    scale, rotation, shift = _similarity(head, ours, theirs)
    start = ours.moved(scale * ours.mesh.vertices @ rotation.T + shift)
    visible = _before_eyes(theirs)
    fitted = ours.moved(lay(head, start, theirs, visible))
    return Registration(
        fitted.mesh, theirs.mesh, scale, _on_theirs(fitted, theirs, visible), _on_ours(head, fitted, theirs)
    )


def _check_eyes(mesh: Mesh, balls: dict[str, np.ndarray]) -> None:
    """BadInput unless the eyeballs are balls of their own, side by side: everything else starts from them."""
    middles = []
    for name in BALLS:
        rows = balls[name]
        own = np.isin(mesh.faces, rows)
        middles.append(ball_of(mesh.vertices[rows])[0])
        radius = np.linalg.norm(mesh.vertices[rows] - middles[-1], axis=1)
        if (own.any(1) != own.all(1)).any() or not radius.std() < 0.1 * radius.mean():
            raise BadInput(f"the {len(rows)} vertices of {name} are expected to be a ball of its own, and are none")
    across = middles[0] - middles[1]
    if not across[0] > 2 * np.abs(across[1:]).max() or not 0.02 < across[0] < 0.2:
        raise BadInput(f"the left eye is expected about 0.06 m along +x from the right one, got {across.round(3)} m")


def _other_head(mesh: Mesh, balls: dict[str, np.ndarray]) -> HeadSurface:
    left, right = (np.isin(mesh.faces, balls[name]).all(1) for name in BALLS)
    return HeadSurface(mesh, np.nonzero(~(left | right))[0], (np.nonzero(left)[0], np.nonzero(right)[0]))


def _built_in_head(head: Head) -> HeadSurface:
    left, right = (part_faces(head, (name,)) for name in BALLS)
    outside = part_faces(head, tuple(name for name in PARTS if name not in INSIDE))
    return HeadSurface(Mesh(head.template.double().numpy(), head.faces.numpy()), outside, (left, right))


def part_faces(head: Head, names: tuple[str, ...]) -> np.ndarray:
    """Indices of the faces of some parts, ascending."""
    return np.nonzero(np.isin(head.part.numpy(), [PARTS.index(name) for name in names]))[0]


def touchable(head: Head) -> np.ndarray:
    """The built-in head's faces but for eyes, teeth and tongue: the skin, and the bag behind the lips."""
    return part_faces(head, tuple(name for name in PARTS if name == "mouth" or name not in INSIDE))


def _before_eyes(head: HeadSurface) -> np.ndarray:
    """The skin's faces but for those inside an eyeball: FLAME's sockets run through the eyeballs, unseen."""
    middle = head.mesh.vertices[head.mesh.faces[head.skin]].mean(1)
    inside = np.zeros(len(head.skin), bool)
    for ball in head.balls:
        centre, radius = ball_of(head.mesh.vertices[head.ball_vertices(ball)])
        inside |= np.linalg.norm(middle - centre, axis=1) < radius
    return head.skin[~inside]


def _similarity(head: Head, ours: HeadSurface, theirs: HeadSurface) -> tuple[float, np.ndarray, np.ndarray]:
    """Scale, rotation [3, 3] and shift [3] that bring our eyes, nose tip, crown and back to theirs (Umeyama 1991)."""
    skull = ours.mesh.faces[part_faces(head, ("face", "scalp"))]
    a = [*ours.centres, ours.mesh.vertices[landmark_vertex(head, NOSE_TIP)]]
    b = [*theirs.centres, nose_tip(theirs)]
    a += crown_and_back(ours.mesh.vertices[np.unique(skull)], a[0][1])
    b += crown_and_back(theirs.mesh.vertices[np.unique(theirs.mesh.faces[theirs.skin])], b[0][1])
    p, q = np.array(a), np.array(b)
    p0, q0 = p - p.mean(0), q - q.mean(0)
    u, s, vt = np.linalg.svd(q0.T @ p0)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation, scale = (u * sign) @ vt, float((s * sign).sum() / (p0**2).sum())
    return scale, rotation, q.mean(0) - scale * rotation @ p.mean(0)


def _on_theirs(fitted: HeadSurface, theirs: HeadSurface, visible: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place on the other mesh of each of our vertices: skin on skin, eyeballs by direction from their centres."""
    surface = Mesh(theirs.mesh.vertices, theirs.mesh.faces[visible])
    face, bary = surface.closest(fitted.mesh.vertices, fitted.mesh.normals(), FITTED_NORMAL, candidates=24)
    return _with_balls(visible[face], bary, fitted, theirs)


def _on_ours(head: Head, fitted: HeadSurface, theirs: HeadSurface) -> tuple[np.ndarray, np.ndarray]:
    """Place on our mesh of each of their vertices: skin on anything but eyes, teeth and tongue; eyeball on eyeball."""
    allowed = touchable(head)
    surface = Mesh(fitted.mesh.vertices, fitted.mesh.faces[allowed])
    face, bary = surface.closest(theirs.mesh.vertices, theirs.mesh.normals())
    return _with_balls(allowed[face], bary, theirs, fitted)


def _with_balls(face: np.ndarray, bary: np.ndarray, of: HeadSurface, on: HeadSurface) -> tuple[np.ndarray, np.ndarray]:
    """Places (face [M], bary [M, 3]) of one head's vertices on the other, its eyeballs' found by direction."""
    for k, (own, other) in enumerate(zip(of.balls, on.balls)):
        rows = of.ball_vertices(own)
        unit_ball = Mesh(unit(on.mesh.vertices - on.centres[k]), on.mesh.faces[other])
        direction = unit(of.mesh.vertices[rows] - of.centres[k])
        place, bary[rows] = unit_ball.closest(direction, direction)
        face[rows] = other[place]
    return face, bary
