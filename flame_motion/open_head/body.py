"""All parts put together: one mesh with labels, texture coordinates, weights and who follows whom."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from . import ears, eyes, loft, mouth, skinning, unwrap
from .facemesh import COUNT, LIPS_INNER_LOWER, LIPS_INNER_UPPER, LIPS_MIDDLE, LIPS_OUTER_LOWER, LIPS_OUTER_UPPER
from .mesh import boundary, loop_subdivision

PARTS = ("empty", "face", "lips", "lids", "scalp", "ears", "neck", "torso")
PARTS += ("eye_left", "eye_right", "teeth_upper", "teeth_lower", "tongue", "mouth")
EYE_JOINT = {True: 3, False: 4}


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
    follow: list[sparse.spmatrix]
    express: list[sparse.spmatrix]
    skin: int
    lips: np.ndarray  # [40] inner lip border
    eyes: dict[bool, eyes.Eye] = field(default_factory=dict)
    ball: dict[bool, np.ndarray] = field(default_factory=dict)  # vertices of the eyeballs
    tongue: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    lid_shift: dict[bool, list[tuple[np.ndarray, np.ndarray]]] = field(default_factory=dict)  # (vertices, shift)

    def add(self, points, faces, part, uv, weights, follow, express, uv_faces=None) -> np.ndarray:
        """Append vertices and faces (faces index the whole mesh; uv_faces the new uv when they differ); their indices."""
        fresh = len(self.vertices) + np.arange(len(points))
        start = len(self.uv)
        self.vertices = np.concatenate([self.vertices, points])
        self.faces = np.concatenate([self.faces, faces])
        self.part = np.concatenate([self.part, np.broadcast_to(part, len(faces))])
        self.uv = np.concatenate([self.uv, uv])
        self.uv_faces = np.concatenate([self.uv_faces, start + uv_faces])
        self.weights = np.concatenate([self.weights, np.broadcast_to(weights, (len(points), 5))])
        self.follow.append(sparse.csr_matrix(follow))
        self.express.append(sparse.csr_matrix(express))
        return fresh


def skin_body(vertices: np.ndarray, faces: np.ndarray, twin: np.ndarray) -> Body:
    """The skin from the coarse face patch (468 vertices, 852 faces): subdivided face, rings, ears."""
    fine, _ = loop_subdivision(faces, COUNT)
    patch_faces, patch = len(fine), len(vertices)
    loops = boundary(fine)
    whole, all_faces, grid = loft.weld(vertices, fine)
    oval = grid.index[0]
    angle = unwrap.oval_angles(whole[oval])
    uv = np.zeros((len(whole), 2))
    uv[grid.index] = unwrap.rings(grid, angle)
    uv[:patch] = unwrap.face_disc(vertices, fine, oval, angle)
    whole, all_faces, is_ear, own = ears.weld_ears(whole, all_faces, grid)
    uv, uv_faces = _ear_uv(uv, all_faces, is_ear, own, len(whole))
    part = np.full(len(all_faces), PARTS.index("face"))
    part[patch_faces:] = _back_labels(whole[all_faces[patch_faces:]].mean(1))
    part[is_ear] = PARTS.index("ears")
    part[:patch_faces] = np.repeat(_face_labels(faces, loops), 4)
    jaw, head = skinning.jaw_field(whole, all_faces, grid), skinning.head_field(whole)
    eye = sparse.identity(len(whole), format="csr")
    body = Body(whole, all_faces, part, uv, uv_faces, skinning.skin_weights(jaw, head), grid, own, [eye], [eye], len(whole), mouth.lip_loop(loops))
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


def _back_labels(centre: np.ndarray) -> np.ndarray:
    """Scalp, neck or torso by place; centre [F, 3] m."""
    neck = centre[:, 1] < -0.052 - 0.25 * (centre[:, 2] + 0.05)
    torso = centre[:, 1] < -0.128 + 0.06 * (centre[:, 2] + 0.05)
    return np.where(torso, PARTS.index("torso"), np.where(neck, PARTS.index("neck"), PARTS.index("scalp")))


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


def whole_body(vertices: np.ndarray, faces: np.ndarray, twin: np.ndarray) -> Body:
    """The complete head from the refined face patch [M, 3] m and the coarse faces [852, 3]."""
    body = skin_body(vertices, faces, twin)
    for left in (True, False):
        _add_lid_rim(body, left)
    _add_mouth(body)
    for left in (True, False):
        _add_eyeball(body, left)
    _add_teeth(body)
    return body


def _bridge(body: Body, outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Triangles between two closed rows, turned to fit the skin the outer one belongs to."""
    directed = set(map(tuple, body.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2).tolist()))
    result = []
    flip = (outer[0], outer[1]) not in directed
    for a, b, c, d in zip(outer, np.roll(outer, -1), inner, np.roll(inner, -1)):
        pair = [(b, a, c), (b, c, d)]
        result += [face[::-1] for face in pair] if flip else pair
    return np.array(result, np.int64)


def _pick(body: Body, index: np.ndarray) -> sparse.csr_matrix:
    """Rows that take the displacement of skin vertices `index`."""
    ones = np.ones(len(index))
    return sparse.csr_matrix((ones, (np.arange(len(index)), index)), (len(index), body.skin))


def _mean(body: Body, index: np.ndarray, rows: int) -> sparse.csr_matrix:
    """`rows` equal rows that take the mean displacement of skin vertices `index`."""
    row = np.zeros((1, body.skin))
    row[0, index] = 1 / len(index)
    return sparse.csr_matrix(np.repeat(row, rows, 0))


def _add_lid_rim(body: Body, left: bool) -> None:
    eye = body.eyes[left]
    rows, shifts = eyes.lid_rim(eye, body.vertices)
    loop, size = eye.loop, len(eye.loop)
    outer, body.lid_shift[left] = loop, []
    hole = body.uv[loop]
    for k, (row, shift) in enumerate(zip(rows, shifts)):
        share = eyes.RIM_FOLLOW[k]
        fresh = len(body.vertices) + np.arange(size)
        uv = hole + (k + 1) / (len(rows) + 1) * (hole.mean(0) - hole)
        bridge = _bridge(body, outer, fresh)
        place = np.zeros(len(body.vertices) + size, np.int64)
        place[outer] = outer if k == 0 else len(body.uv) - size + np.arange(size)
        place[fresh] = len(body.uv) + np.arange(size)
        follow = share * _pick(body, loop) + (1 - share) * _mean(body, loop, size)
        weights = body.weights[loop]
        body.add(row, bridge, PARTS.index("lids"), uv, weights, follow, share * _pick(body, loop), place[bridge] - len(body.uv))
        body.lid_shift[left].append((fresh, shift))
        outer = fresh


def _add_mouth(body: Body) -> None:
    loop, size = body.lips, len(body.lips)
    rings, end = mouth.bag(body.vertices, loop)
    flat = unwrap.in_slot("mouth", 1 - unwrap.polar(len(rings) + 1, size)[:, ::-1])
    outer = loop
    jaw = body.weights[loop, 2]
    half = np.clip(0.5 - 0.6 * np.sin(np.pi * (1 - np.arange(size) / (size // 2))), 0, 1)
    start = len(body.uv)
    for k in range(len(rings) + 1):
        last = k == len(rings)
        share = (1.0, 0.85, 0.5, 0.2, 0.1, 0.0, 0.0, 0.0, 0.0)[k]
        depth = k / len(rings)
        weight = np.zeros((size, 5))
        weight[:, 2] = (1 - depth) * (jaw + (half - jaw) * min(1.0, 0.35 * k)) + depth * 0.4
        weight[:, 1] = 1 - weight[:, 2]
        if last:
            fresh = np.full(size, len(body.vertices))
            faces = _bridge(body, outer, fresh)[::2]
            points, weight = end[None], weight.mean(0, keepdims=True)
            follow, express = _mean(body, loop, 1), sparse.csr_matrix((1, body.skin))
        else:
            fresh = len(body.vertices) + np.arange(size)
            faces, points = _bridge(body, outer, fresh), rings[k]
            follow = share * _pick(body, loop) + (1 - share) * _mean(body, loop, size)
            express = share * _pick(body, loop)
        uv = flat[: 2 * size] if k == 0 else flat[[-1]] if last else flat[(k + 1) * size : (k + 2) * size]
        place = np.zeros(len(body.vertices) + size, np.int64)
        place[outer] = start + k * size + np.arange(size)
        place[fresh] = start + (k + 1) * size + (0 if last else np.arange(size))
        part = np.full(len(faces), PARTS.index("lips" if k == 0 else "mouth"))
        body.add(points, faces, part, uv, weight, follow, express, place[faces] - len(body.uv))
        outer = fresh


def _add_eyeball(body: Body, left: bool) -> None:
    eye, name = body.eyes[left], "eye_left" if left else "eye_right"
    points, faces, flat = eyes.eyeball(eye.centre)
    weights = np.zeros(5)
    weights[EYE_JOINT[left]] = 1
    follow = _mean(body, eye.loop, len(points))
    uv = unwrap.in_slot(name, 0.5 + 0.5 * flat)
    count = len(body.vertices)
    body.ball[left] = body.add(points, count + faces, PARTS.index(name), uv, weights, follow, 0 * follow, faces)


def _add_teeth(body: Body) -> None:
    middle = mouth.lip_middle(body.vertices)
    for upper in (True, False):
        points, faces, gum, flat = mouth.teeth(middle, upper)
        name = "teeth_upper" if upper else "teeth_lower"
        part = np.where(gum, PARTS.index("mouth"), PARTS.index(name))
        weights = np.array([0, 1.0, 0, 0, 0]) if upper else np.array([0, 0, 1.0, 0, 0])
        follow = _mean(body, body.lips, len(points))
        body.add(points, len(body.vertices) + faces, part, unwrap.in_slot(name, flat), weights, follow, 0 * follow, faces)
    points, faces, flat = mouth.tongue(middle)
    share = np.clip((points[:, 2] - points[:, 2].min()) / 0.030, 0, 1)[:, None]
    weights = np.array([0, 1.0, 0, 0, 0]) + (0.4 + 0.55 * share) * np.array([0, -1.0, 1.0, 0, 0])
    follow = _mean(body, body.lips, len(points))
    uv = unwrap.in_slot("tongue", 0.5 + 0.5 * flat)
    body.tongue = body.add(points, len(body.vertices) + faces, PARTS.index("tongue"), uv, weights, follow, 0 * follow, faces)
