"""What real footage teaches: the neutral template, identity axes over people, residual expression axes over frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .facemesh import COUNT, LIPS_INNER_LOWER, LIPS_INNER_UPPER, LIPS_MIDDLE, LIPS_OUTER_LOWER, LIPS_OUTER_UPPER, RIGID
from .footage import align

DEPTH = 0.6  # MediaPipe's depth counts this much next to its x and y
FLIP = np.array([-1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Axes:
    """What expression may do to the landmarks by name: the sculpted axes and lids, and the jaw joint."""

    named: np.ndarray  # [K, 468, 3] m
    jaw: np.ndarray  # [468] skinning weight
    joint: np.ndarray  # [3] m


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


def solve(basis: np.ndarray, target: np.ndarray, ridge: float | np.ndarray | list[float]) -> np.ndarray:
    """Ridge regression: coefficients [T, K] of target [T, 468, 3] m in basis [K, 468, 3] m; ridge in mm^2."""
    weight = np.array([1, 1, DEPTH]) * 1000
    rows = (basis * weight).reshape(len(basis), -1)
    gram = rows @ rows.T / COUNT + np.diag(np.broadcast_to(ridge, len(basis)))
    return np.linalg.solve(gram, rows @ (target * weight).reshape(len(target), -1).T / COUNT).T


def jaw_shift(template: np.ndarray, axes: Axes, angle: np.ndarray) -> np.ndarray:
    """Displacement [T, 468, 3] m of template [468, 3] by jaw angles [T] rad about x."""
    local = template - axes.joint
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    turned = np.stack([0 * s + local[:, 0], c * local[:, 1] - s * local[:, 2], s * local[:, 1] + c * local[:, 2]], -1)
    return axes.jaw[:, None] * (turned - local)


def remove_named(moved: np.ndarray, template: np.ndarray, axes: Axes) -> np.ndarray:
    """What named axes, jaw and lids leave of displacements `moved` [T, 468, 3] m."""
    jaw = np.zeros(len(moved))
    slope = jaw_shift(template, axes, np.array([0.1])) / 0.1
    basis = np.concatenate([slope, axes.named])
    ridge = np.array([0.5] + [0.25] * len(axes.named))
    for _ in range(4):  # the jaw turns: linear about the last angle
        rest = moved - jaw_shift(template, axes, jaw) + jaw[:, None, None] * slope
        coefficients = solve(basis, rest, ridge)
        jaw = np.clip(coefficients[:, 0], -0.05, 0.6)
    named = np.clip(coefficients[:, 1:], -0.3, 1.2)
    return moved - np.tensordot(named, axes.named, 1) - jaw_shift(template, axes, jaw)


def people_at_rest(faces: list[np.ndarray], rest: np.ndarray, template: np.ndarray, axes: Axes) -> np.ndarray:
    """Rest faces [P, 468, 3] m: each person's frames with the expression taken out, averaged, twice over, lips shut.

    A photo says nothing about how the face differs at rest, so there the expression is sought against the template.
    """
    for _ in range(2):
        result = []
        for face, own in zip(faces, rest):
            base = own if len(face) > 8 else template
            result.append((base + remove_named(face - base, template, axes)).mean(0))
        rest = np.array([shut(face) for face in result])
    return rest


def shut(face: np.ndarray) -> np.ndarray:
    """A face [468, 3] with each lip moved, as a whole, to where both meet: nobody's identity is an open mouth."""
    columns = [LIPS_MIDDLE[k : k + 11] for k in (0, 11)]
    lower = [[a, *row, b] for a, b, row in ((76, 306, LIPS_MIDDLE[22:31]), (62, 292, LIPS_MIDDLE[31:]))]
    uppers = [LIPS_INNER_UPPER, *columns, LIPS_OUTER_UPPER]
    lowers = [LIPS_INNER_LOWER, *lower, LIPS_OUTER_LOWER]
    gap = face[LIPS_INNER_LOWER] - face[LIPS_INNER_UPPER]  # [11, 3]
    result = face.copy()
    for rows, sign in ((uppers, 0.5), (lowers, -0.5)):
        for row, share in zip(rows, (1.0, 1.0, 0.9, 0.7)):
            result[row[1:-1]] += sign * share * gap[1:-1]
    return result


def identity_axes(
    rest: np.ndarray, template: np.ndarray, twin: np.ndarray, count: int, never: np.ndarray
) -> tuple[np.ndarray, float]:
    """PCA over people made symmetric: axes [count, 468, 3] m at one standard deviation, share kept.

    What is left out of a face's asymmetry is half as large in one person's frames as it is between people: a turn of
    the head or a crooked smile that the detector takes for shape. Residual axes and vertex offsets carry it.
    never [K, 468, 3] m: expressions that are no part of anybody's identity, left out as well. Many people smile in
    their pictures, and with that the widest identity axis is a smile.
    """
    aligned = align(rest, template, RIGID, scale=False) - template
    even = (aligned + aligned[:, twin] * FLIP) / 2
    left = even - np.tensordot(solve(never, even, 1e-9), never, 1)
    return _pca(np.array([shut(template + shift) - template for shift in left]), count)  # those part the lips


def residual_axes(left: np.ndarray, template: np.ndarray, twin: np.ndarray, count: int) -> tuple[np.ndarray, float]:
    """PCA over what named axes leave, [T, 468, 3] m, without rigid motion and size: [count, 468, 3], share kept."""
    shift = left - np.tensordot(solve(rigid_modes(template), left, 1e-9), rigid_modes(template), 1)
    return _pca(np.concatenate([shift, shift[:, twin] * FLIP]), count)


def landmark_errors(
    faces: list[np.ndarray], rest: np.ndarray, template: np.ndarray, axes: Axes, residual: np.ndarray
) -> tuple[float, float]:
    """Mean 2D landmark error over the clips, % of the outer eye distance: named axes alone, with residual axes."""
    modes = rigid_modes(template)
    basis = np.concatenate([modes, residual])
    sums = []
    for face, own in zip(faces, rest):
        if len(face) < 2:
            continue
        left = remove_named(face - own, template, axes)
        rough = left - np.tensordot(solve(modes, left, 1e-9), modes, 1)
        fine = left - np.tensordot(solve(basis, left, [1e-9] * len(modes) + [0.01] * len(residual)), basis, 1)
        scale = 100 / np.linalg.norm(own[33] - own[263])
        sums.append([scale * np.linalg.norm(e[..., :2], axis=-1).mean() for e in (rough, fine)])
    named, whole = np.mean(sums, 0)
    return float(named), float(whole)


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
