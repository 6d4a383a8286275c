"""All parts put together: skin, inner sides of the lids, mouth, eyeballs, teeth and tongue."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from . import eyes, mouth, nostrils, unwrap
from .body import PARTS, Body, skin_body
from .mesh import boundary

EYE_JOINT = {True: 3, False: 4}


def whole_body(vertices: np.ndarray, faces: np.ndarray, twin: np.ndarray) -> Body:
    """The complete head from the refined face patch [M, 3] m and the coarse faces [852, 3]."""
    body = skin_body(vertices, faces, twin)
    for left in (True, False):
        _add_lid_rim(body, left)
    _add_nostrils(body)
    _add_mouth(body)
    for left in (True, False):
        _add_eyeball(body, left)
    _add_teeth(body)
    return body


def _bridge(body: Body, outer: np.ndarray, inner: np.ndarray, across: bool = False) -> np.ndarray:
    """Triangles between two closed rows, turned to fit the skin the outer one belongs to.

    across: rows of both sides run the same way round, so the diagonals on the left must mirror those on the right.
    """
    directed = set(map(tuple, body.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2).tolist()))
    result = []
    flip = (outer[0], outer[1]) not in directed
    for a, b, c, d in zip(outer, np.roll(outer, -1), inner, np.roll(inner, -1)):
        left = across and body.vertices[[a, b], 0].sum() > 0
        pair = [(b, a, d), (d, a, c)] if left else [(b, a, c), (b, c, d)]
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
    fresh = _line_hole(body, eye.loop, rows, eyes.RIM_EXPRESS, PARTS.index("lids"))
    body.lid_shift[left] = list(zip(fresh, shifts))


def _add_nostrils(body: Body) -> None:
    for loop in boundary(body.faces):
        if len(loop) == 2 * len(nostrils.RIGHT):
            rim = np.array(loop)
            rows = nostrils.tube(body.vertices[rim])
            last = _line_hole(body, rim, rows, nostrils.FOLLOW, PARTS.index("face"), across=True)[-1]
            _close(body, last)


def _line_hole(
    body: Body, loop: np.ndarray, rows: np.ndarray, shares: Sequence[float], part: int, across: bool = False
) -> list[np.ndarray]:
    """Rings [R, L, 3] m welded behind a hole of the skin, each with a share of its rim's motion: their vertices.

    across: the left hole's border does not run as the mirror image of the right one's (see `_bridge`).
    """
    size, outer, result = len(loop), loop, []
    hole = body.uv[loop]
    for k, (row, share) in enumerate(zip(rows, shares)):
        fresh = len(body.vertices) + np.arange(size)
        uv = hole + (k + 1) / (len(rows) + 1) * (hole.mean(0) - hole)
        bridge = _bridge(body, outer, fresh, across)
        place = np.zeros(len(body.vertices) + size, np.int64)
        place[outer] = outer if k == 0 else len(body.uv) - size + np.arange(size)
        place[fresh] = len(body.uv) + np.arange(size)
        follow = share * _pick(body, loop) + (1 - share) * _mean(body, loop, size)
        weights = body.weights[loop]
        body.add(row, bridge, part, uv, weights, follow, share * _pick(body, loop), place[bridge] - len(body.uv))
        result.append(fresh)
        outer = fresh
    return result


def _close(body: Body, ring: np.ndarray) -> None:
    """A fan over the last ring that was added, its uv the last points."""
    size, tip = len(ring), len(body.vertices)
    fan = _bridge(body, ring, np.full(size, tip))[::2]
    place = np.zeros(tip + 1, np.int64)
    place[ring], place[tip] = len(body.uv) - size + np.arange(size), len(body.uv)
    mean = lambda rows: sparse.csr_matrix(rows.mean(0))  # noqa: E731
    body.add(
        body.vertices[ring].mean(0, keepdims=True), fan, body.part[-1], body.uv[-size:].mean(0, keepdims=True),
        body.weights[ring].mean(0), mean(body.follow[-1]), mean(body.express[-1]), place[fan] - len(body.uv),
    )  # fmt: skip


def _add_mouth(body: Body) -> None:
    loop, size = body.lips, len(body.lips)
    rings, end = mouth.bag(body.vertices, loop)
    flat = unwrap.in_slot("mouth", 1 - unwrap.polar(len(rings) + 1, size)[:, ::-1])
    start, outer = len(body.uv), loop
    body.uv = np.concatenate([body.uv, flat])
    none = np.zeros((0, 2))
    for k, (ring, share) in enumerate(zip(rings, mouth.BAG_FOLLOW)):
        fresh = len(body.vertices) + np.arange(size)
        faces = _bridge(body, outer, fresh, across=True)
        place = np.zeros(len(body.vertices) + size, np.int64)
        place[outer], place[fresh] = start + k * size + np.arange(size), start + (k + 1) * size + np.arange(size)
        part = PARTS.index("lips" if k == 0 else "mouth")
        follow = share * _pick(body, loop) + (1 - share) * _mean(body, loop, size)
        weights = _bag_weights(body, mouth.BAG_PARTED[k], mouth.BAG_BACK[k])
        body.add(ring, faces, part, none, weights, follow, share * _pick(body, loop), place[faces] - len(body.uv))
        outer = fresh
    last = np.full(size, len(body.vertices))
    faces = _bridge(body, outer, last)[::2]
    place = np.append(place, start + len(flat) - 1)
    follow, weights = _mean(body, loop, 1), _bag_weights(body, 1.0, 1.0)[:1]
    body.add(end[None], faces, PARTS.index("mouth"), none, weights, follow, 0 * follow, place[faces] - len(body.uv))


def _bag_weights(body: Body, parted: float, back: float) -> np.ndarray:
    """Weights [40, 5] of a ring of the mouth bag: as the lips in front, halves parted behind, one at the back."""
    size = len(body.lips)
    lips = body.weights[body.lips, 2]
    half = 0.5 - 0.5 * np.sign(np.round(np.sin(np.pi * (1 - np.arange(size) / (size // 2))), 6))
    jaw = (1 - back) * (lips + (half - lips) * parted) + back * 0.4
    zero = np.zeros(size)
    return np.stack([zero, 1 - jaw, jaw, zero, zero], 1)


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
        body.add(
            points, len(body.vertices) + faces, part, unwrap.in_slot(name, flat), weights, follow, 0 * follow, faces
        )
    points, faces, flat = mouth.tongue(middle)
    share = np.clip((points[:, 2] - points[:, 2].min()) / 0.030, 0, 1)[:, None]
    weights = np.array([0, 1.0, 0, 0, 0]) + (0.4 + 0.55 * share) * np.array([0, -1.0, 1.0, 0, 0])
    follow = _mean(body, body.lips, len(points))
    uv = unwrap.in_slot("tongue", 0.5 + 0.5 * flat)
    body.tongue = body.add(
        points, len(body.vertices) + faces, PARTS.index("tongue"), uv, weights, follow, 0 * follow, faces
    )
