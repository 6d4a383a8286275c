"""What real footage teaches: the neutral template, identity axes over people, residual expression axes over frames."""

from __future__ import annotations

import numpy as np

from .facemesh import COUNT, LIPS_INNER_LOWER, LIPS_INNER_UPPER, RIGID
from .footage import align

DEPTH = 0.6  # MediaPipe's depth counts this much next to its x and y
FLIP = np.array([-1.0, 1.0, 1.0])


def neutral_face(faces: list[np.ndarray], twin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First guess of each person's rest face [P, 468, 3] and the symmetric template [468, 3] with its lips shut, m.

    A person's rest face is the mean of the quarter of frames with the smallest mouth among those with open eyes.
    """
    rest = np.array([face[_calm(face)].mean(0) for face in faces])
    template = rest.mean(0)
    template = 0.5 * (template + template[twin] * FLIP)
    for upper, lower in zip(LIPS_INNER_UPPER[1:-1], LIPS_INNER_LOWER[1:-1]):
        middle = 0.5 * (template[upper] + template[lower])
        template[upper] = middle + [0, 0.0001, 0]
        template[lower] = middle - [0, 0.0001, 0]
    return rest, template


def _calm(face: np.ndarray) -> np.ndarray:
    mouth = np.linalg.norm(face[:, 13] - face[:, 14], axis=1)
    eyes = np.linalg.norm(face[:, 159] - face[:, 145], axis=1) + np.linalg.norm(face[:, 386] - face[:, 374], axis=1)
    awake = np.flatnonzero(eyes >= np.median(eyes))
    return awake[np.argsort(mouth[awake])[: max(1, len(face) // 4)]]


def solve(basis: np.ndarray, target: np.ndarray, ridge: float | np.ndarray) -> np.ndarray:
    """Ridge regression: coefficients [T, K] of displacements target [T, 468, 3] m in basis [K, 468, 3] m; ridge in mm^2."""
    weight = np.array([1, 1, DEPTH]) * 1000
    rows = (basis * weight).reshape(len(basis), -1)
    gram = rows @ rows.T / COUNT + np.diag(np.broadcast_to(ridge, len(basis)))
    return np.linalg.solve(gram, rows @ (target * weight).reshape(len(target), -1).T / COUNT).T


def jaw_shift(template: np.ndarray, weight: np.ndarray, joint: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Displacement [T, 468, 3] m of template [468, 3] by jaw angles [T] rad about x at joint, weight [468]."""
    local = template - joint
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    turned = np.stack([0 * s + local[:, 0], c * local[:, 1] - s * local[:, 2], s * local[:, 1] + c * local[:, 2]], -1)
    return weight[:, None] * (turned - local)


def remove_named(
    moved: np.ndarray, template: np.ndarray, named: np.ndarray, weight: np.ndarray, joint: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What named axes, jaw and lids leave of displacements `moved` [T, 468, 3]: rest [T, 468, 3], coefficients, jaw [T]."""
    jaw = np.zeros(len(moved))
    slope = jaw_shift(template, weight, joint, np.array([0.1])) / 0.1
    basis = np.concatenate([slope, named])
    ridge = np.array([0.5] + [0.25] * len(named))
    for _ in range(4):
        coefficients = solve(basis, moved - jaw_shift(template, weight, joint, jaw) + jaw[:, None, None] * slope, ridge)
        jaw = np.clip(coefficients[:, 0], -0.05, 0.6)
    coefficients = np.clip(coefficients[:, 1:], -0.3, 1.2)
    explained = np.tensordot(coefficients, named, 1) + jaw_shift(template, weight, joint, jaw)
    return moved - explained, coefficients, jaw


def people_at_rest(
    faces: list[np.ndarray], rest: np.ndarray, template: np.ndarray, named: np.ndarray, weight: np.ndarray, joint: np.ndarray
) -> np.ndarray:
    """Rest faces [P, 468, 3] m: each person's frames with the expression taken out, averaged, twice over."""
    for _ in range(2):
        result = []
        for face, start in zip(faces, rest):
            left, _, _ = remove_named(face - start + (0 if len(face) > 8 else start - template), template, named, weight, joint)
            result.append((left + (start if len(face) > 8 else template)).mean(0))
        rest = np.array(result)
    return rest


def identity_axes(rest: np.ndarray, template: np.ndarray, twin: np.ndarray, count: int) -> tuple[np.ndarray, float]:
    """PCA over people and their mirror images: axes [count, 468, 3] m at one standard deviation, share of variance kept."""
    aligned = align(rest, template, RIGID, scale=False) - template
    return _pca(np.concatenate([aligned, aligned[:, twin] * FLIP]), count)


def residual_axes(left: np.ndarray, template: np.ndarray, twin: np.ndarray, count: int) -> tuple[np.ndarray, float]:
    """PCA over what named axes leave, [T, 468, 3] m, rigid motion and size taken out: axes [count, 468, 3], share kept."""
    shift = left - np.tensordot(solve(rigid_modes(template), left, 1e-9), rigid_modes(template), 1)
    return _pca(np.concatenate([shift, shift[:, twin] * FLIP]), count)


def rigid_modes(template: np.ndarray) -> np.ndarray:
    """Small turns, moves and growth of the template as displacements, [7, 468, 3]; about a millimetre each."""
    local = template - template.mean(0)
    modes = [np.broadcast_to(axis, local.shape) for axis in np.eye(3)]
    modes += [np.cross(axis, local) / 0.05 for axis in np.eye(3)]
    return np.array([*modes, local / 0.05]) * 0.001


def _pca(samples: np.ndarray, count: int) -> tuple[np.ndarray, float]:
    """Principal axes about zero, scaled to one standard deviation, sign fixed so that the build is repeatable."""
    weight = np.array([1, 1, DEPTH])
    flat = (samples * weight).reshape(len(samples), -1)
    _, size, axes = np.linalg.svd(flat / np.sqrt(len(samples)), full_matrices=False)
    axes = axes[:count] * np.sign(axes[:count, np.abs(axes[:count]).argmax(1)].diagonal())[:, None]
    kept = float((size[:count] ** 2).sum() / (size**2).sum())
    return (size[:count, None] * axes).reshape(count, -1, 3) / weight, kept
