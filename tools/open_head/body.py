"""The mesh while it grows, and its first part: the skin (face, rings behind it, ears) with labels, uv and weights."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from . import ears, eyes, loft, mouth, skinning, unwrap
from .facemesh import COUNT, LIPS_INNER_LOWER, LIPS_INNER_UPPER, LIPS_MIDDLE, LIPS_OUTER_LOWER, LIPS_OUTER_UPPER
from .mesh import boundary, loop_subdivision

PARTS: tuple[str, ...] = ("empty", "face", "lips", "lids", "scalp", "ears", "neck", "torso")
PARTS += ("eye_left", "eye_right", "teeth_upper", "teeth_lower", "tongue", "mouth")


@dataclass
class Body:
    """The mesh while it grows. `skin` vertices come first; the rest follows them.

    follow / express: rows [N, skin] that carry a displacement of the skin to every vertex, for identity and for
    expression (eyeballs and teeth move with the person's shape and not with an expression).
    """

    vertices: np.ndarray  # [N, 3] m
    faces: np.ndarray  # [F, 3]
    part: np.ndarray  # [F]
    uv: np.ndarray  # [U, 2]
    uv_faces: np.ndarray  # [F, 3]
    weights: np.ndarray  # [N, 5]
    grid: loft.Grid
    ears: list[ears.Ear]
    follow: list[sparse.csr_matrix]
    express: list[sparse.csr_matrix]
    skin: int
    lips: np.ndarray  # [40] inner lip border
    eyes: dict[bool, eyes.Eye] = field(default_factory=dict)
    ball: dict[bool, np.ndarray] = field(default_factory=dict)  # vertices of the eyeballs
    tongue: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    lid_shift: dict[bool, list[tuple[np.ndarray, np.ndarray]]] = field(default_factory=dict)  # (vertices, shift)

    def add(
        self,
        points: np.ndarray,  # [M, 3] m
        faces: np.ndarray,  # [G, 3] into the whole mesh, new vertices included
        part: int | np.ndarray,
        uv: np.ndarray,  # [V, 2]
        weights: np.ndarray,  # [M, 5] or [5]
        follow: sparse.csr_matrix,  # [M, skin]
        express: sparse.csr_matrix,  # [M, skin]
        uv_faces: np.ndarray,  # [G, 3] into the new uv (negative: older ones)
    ) -> np.ndarray:
        """Append vertices and faces; the new vertices' indices."""
        fresh = len(self.vertices) + np.arange(len(points))
        start = len(self.uv)
        self.vertices = np.concatenate([self.vertices, points])
        self.faces = np.concatenate([self.faces, faces])
        self.part = np.concatenate([self.part, np.broadcast_to(part, len(faces))])
        self.uv = np.concatenate([self.uv, uv])
        self.uv_faces = np.concatenate([self.uv_faces, start + uv_faces])
        self.weights = np.concatenate([self.weights, np.broadcast_to(weights, (len(points), 5))])
        self.follow.append(follow)
        self.express.append(express)
        return fresh


def skin_body(vertices: np.ndarray, faces: np.ndarray, twin: np.ndarray) -> Body:
    """The skin from the coarse face patch (468 vertices, 852 faces): subdivided face, rings, ears."""
    fine, _ = loop_subdivision(faces, COUNT)
    patch = len(vertices)
    loops = boundary(fine)
    whole, all_faces, grid = loft.weld(vertices, fine)
    oval = grid.index[0]
    angle = unwrap.oval_angles(whole[oval])
    uv = np.zeros((len(whole), 2))
    uv[grid.index] = unwrap.rings(grid, angle)
    uv[:patch] = unwrap.face_disc(vertices, fine, oval, angle)
    part = np.concatenate([np.repeat(_face_labels(faces, loops), 4), [PARTS.index(p) for p in loft.labels(grid)]])
    label = PARTS.index("ears")
    whole, all_faces, part, own = ears.weld_ears(whole, all_faces, part, grid, label)
    uv, uv_faces = _ear_uv(uv, all_faces, part == label, own, len(whole))
    jaw, head = skinning.jaw_field(whole, all_faces, grid), skinning.head_field(whole)
    eye = sparse.identity(len(whole), format="csr")
    body = Body(
        whole,
        all_faces,
        part,
        uv,
        uv_faces,
        skinning.skin_weights(jaw, head),
        grid,
        own,
        [eye],
        [eye],
        len(whole),
        mouth.lip_loop(loops),
    )
    body.eyes = {left: eyes.eye_of(whole, loops, twin, left) for left in (True, False)}
    return body


def _face_labels(faces: np.ndarray, loops: list[list[int]]) -> np.ndarray:
    """Part of each coarse face: lips between their rows, lids around the eyes, else face."""
    lips = {*LIPS_MIDDLE, *LIPS_INNER_UPPER, *LIPS_INNER_LOWER, *LIPS_OUTER_UPPER, *LIPS_OUTER_LOWER}
    lids = {v for loop in loops if len(loop) == 32 for v in loop}
    labels = []
    for face in faces.tolist():
        name = "lips" if lips.issuperset(face) else "lids" if lids & set(face) else "face"
        labels.append(PARTS.index(name))
    return np.array(labels)


def _ear_uv(
    uv: np.ndarray, faces: np.ndarray, is_ear: np.ndarray, welded: list[ears.Ear], count: int
) -> tuple[np.ndarray, np.ndarray]:
    """uv and uv_faces with the ears in their own squares: the roots have a second uv point there."""
    uv = np.concatenate([uv, np.zeros((count - len(uv), 2))])
    uv_faces = faces.copy()
    for name, ear in zip(("ear_left", "ear_right"), welded):
        root = ear.rings[0]
        uv[root[1::2]] = 0.5 * (uv[root[::2]] + uv[np.roll(root[::2], -1)])
        flat = unwrap.polar(*ear.rings.shape)
        if name == "ear_left":  # the rings run backwards over the top: turned so that uv faces keep their sense
            flat[:, 0] = 1 - flat[:, 0]
        own = [*ear.rings.ravel(), ear.centre]
        new_place = np.zeros(count, np.int64)
        new_place[own] = len(uv) + np.arange(len(own))
        chosen = is_ear & np.isin(faces, own).all(1)
        uv_faces[chosen] = new_place[faces[chosen]]
        uv = np.concatenate([uv, unwrap.in_slot(name, flat)])
    return uv, uv_faces
