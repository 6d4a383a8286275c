"""From displacements of the 468 landmarks to the whole head; and the identity axes that landmarks cannot give."""

from __future__ import annotations

import numpy as np

from flamecast.core.easing import smoothstep

from .body import Body
from .facemesh import COUNT

BLOB = 0.030  # m, how far a landmark's own displacement reaches beyond the face


def identity_shift(body: Body, refine: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Skin displacement [skin, 3] m of a person's landmark shift [468, 3]: growth of the whole head plus local detail.

    refine [M, 468] takes landmarks to the refined face. Fades to nothing at the shoulders.
    """
    anchors, points = body.vertices[:COUNT], body.vertices[: body.skin]
    centre = np.array([0.0, 0.0, -0.02])
    terms = np.concatenate([anchors - centre, np.ones((COUNT, 1))], 1)
    ridge = np.diag([0.02, 0.02, 0.08, 0.0]) ** 2 * COUNT
    growth = np.linalg.solve(terms.T @ terms + ridge, terms.T @ shift)
    local = _blobs(anchors, anchors)
    detail = np.linalg.solve(local + 0.02 * np.eye(COUNT), shift - terms @ growth)
    whole = np.concatenate([points - centre, np.ones((len(points), 1))], 1) @ growth + _blobs(points, anchors) @ detail
    whole *= smoothstep((points[:, 1:2] + 0.175) / 0.09)
    return _joined(body, whole, refine @ shift, last=4.0)


def expression_shift(body: Body, refine: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Skin displacement [skin, 3] m of an expression's landmark shift [468, 3]: the face, fading on the first rings."""
    return _joined(body, np.zeros((body.skin, 3)), refine @ shift, last=3.0)


def _joined(body: Body, whole: np.ndarray, face: np.ndarray, last: float) -> np.ndarray:
    """`whole` with the face put in; what differs at the oval fades out until ring station `last`."""
    grid = body.grid
    gap = face[grid.index[0]] - whole[grid.index[0]]
    fade = (1 - smoothstep(grid.station / last))[1:, None, None]
    result = whole.copy()
    result[grid.index[1:]] += fade * gap
    result[: len(face)] = face
    for ear in body.ears:  # an ear rides on its root
        root = ear.rings[0]
        result[root[1::2]] = 0.5 * (result[root[::2]] + result[np.roll(root[::2], -1)])
        result[ear.rings[1:]] = whole[ear.rings[1:]] + (result[root] - whole[root]).mean(0)
        result[ear.centre] = whole[ear.centre] + (result[root] - whole[root]).mean(0)
    return result


def _blobs(points: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    distance = ((points[:, None] - anchors[None]) ** 2).sum(-1)
    return np.exp(-0.5 * distance / BLOB**2)


def anthropometric(body: Body) -> dict[str, np.ndarray]:
    """Skin displacements [skin, 3] m, one standard deviation each, of what the landmarks do not show."""
    points = body.vertices[: body.skin]
    x, y, z = points.T
    behind = np.zeros(body.skin)
    behind[body.grid.index] = smoothstep(body.grid.station / 2.5)[:, None]
    size, spread = np.zeros((body.skin, 3)), np.zeros((body.skin, 3))
    for ear in body.ears:
        behind[ear.rings] = behind[ear.rings[0, ::2]].mean()
        behind[ear.centre] = behind[ear.rings[0, 0]]
        out = np.minimum(np.arange(len(ear.rings)) / 2, 1)[:, None, None]
        root = points[ear.rings[0]].mean(0)
        size[ear.rings] = 0.06 * out * (points[ear.rings] - root)
        size[ear.centre] = 0.06 * (points[ear.centre] - root)
        away = np.clip((0.042 + root[2] - points[ear.rings][..., 2]) / 0.05 - 0.5, 0, 1)
        spread[ear.rings, 0] = 0.0015 * np.sign(root[0]) * away * out[..., 0]
    none = np.zeros(body.skin)
    above = smoothstep((y + 0.06) / 0.08)
    neck = smoothstep((-0.045 - 0.3 * (z + 0.05) - y) / 0.07) * smoothstep((y + 0.185) / 0.06)
    bulge = smoothstep((y - 0.055) / 0.07) * behind
    return {
        "skull_height": np.stack([none, 0.006 * bulge, none], 1),
        "skull_depth": np.stack([none, none, -0.006 * behind * above * smoothstep((-0.02 - z) / 0.12)], 1),
        "skull_width": np.stack([0.0045 * behind * above * x / 0.075, none, none], 1),
        "neck_width": 0.07 * (behind * neck)[:, None] * np.stack([x, none, z + 0.05], 1),
        "ear_size": size,
        "ear_spread": spread,
    }
