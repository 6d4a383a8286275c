"""Rotations: axis-angle, matrix and quaternion, batched over any leading axes, smooth at 0 and exact at pi.

Axis-angle is [..., 3] rad, quaternions are [..., 4] unit (w, x, y, z) with q and -q the same rotation, matrices are
[..., 3, 3] and act on column vectors. Everything follows the input's dtype and device; gradients are finite everywhere,
also at the identity. Logarithms return the short way round: an angle in 0..pi.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Below this squared angle the series are used: their first dropped term is then under 1e-20 of the value.
SERIES_BELOW = 1e-3


def _split(squared: Tensor) -> tuple[Tensor, Tensor]:
    """Where the series serve, and an angle that is safe to differentiate elsewhere (1 where it is not looked at)."""
    small = squared < SERIES_BELOW
    return small, torch.where(small, torch.ones_like(squared), squared).sqrt()


def _sinc(squared: Tensor) -> Tensor:
    """sin(x) / x as a smooth function of x^2."""
    small, angle = _split(squared)
    near_zero = torch.where(small, squared, torch.zeros_like(squared))
    series = 1 - near_zero / 6 * (1 - near_zero / 20 * (1 - near_zero / 42 * (1 - near_zero / 72)))
    return torch.where(small, series, angle.sin() / angle)


def _cos(squared: Tensor) -> Tensor:
    """cos(x) as a smooth function of x^2."""
    small, angle = _split(squared)
    near_zero = torch.where(small, squared, torch.zeros_like(squared))
    series = 1 - near_zero / 2 * (1 - near_zero / 12 * (1 - near_zero / 30 * (1 - near_zero / 56)))
    return torch.where(small, series, angle.cos())


def skew(vector: Tensor) -> Tensor:
    """[..., 3] to the matrix [..., 3, 3] of the cross product: skew(a) @ b = a x b."""
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), -1).unflatten(-1, (3, 3))


def matrix_from_axis_angle(axis_angle: Tensor) -> Tensor:
    """The exponential map so(3) -> SO(3) (Rodrigues): [..., 3] rad -> [..., 3, 3]."""
    squared = axis_angle.square().sum(-1)[..., None, None]
    # (1 - cos x) / x^2 loses all its digits near 0; the half angle keeps them.
    cross = skew(axis_angle)
    identity = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    return identity + _sinc(squared) * cross + 0.5 * _sinc(squared / 4).square() * (cross @ cross)


def quaternion_from_axis_angle(axis_angle: Tensor) -> Tensor:
    """[..., 3] rad -> unit quaternion [..., 4]."""
    quarter = axis_angle.square().sum(-1, keepdim=True) / 4
    return torch.cat((_cos(quarter), 0.5 * _sinc(quarter) * axis_angle), -1)


def axis_angle_from_quaternion(quaternion: Tensor) -> Tensor:
    """Unit quaternion [..., 4] -> axis-angle [..., 3] rad of length 0..pi."""
    quaternion = torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)
    cosine, vector = quaternion[..., :1], quaternion[..., 1:]
    squared = vector.square().sum(-1, keepdim=True)
    small, sine = _split(squared)
    ratio = torch.where(small, squared / cosine.square().clamp_min(0.5), torch.zeros_like(squared))
    series = 1 - ratio * (1 / 3 - ratio * (1 / 5 - ratio * (1 / 7 - ratio * (1 / 9 - ratio / 11))))
    near_zero = series / torch.where(small, cosine, torch.ones_like(cosine))
    return 2 * vector * torch.where(small, near_zero, torch.atan2(sine, cosine) / sine)


def quaternion_from_matrix(matrix: Tensor) -> Tensor:
    """Rotation matrix [..., 3, 3] -> unit quaternion [..., 4], w >= 0; no angle is special.

    The matrix 4 q q^T is linear in the rotation matrix; its row with the largest diagonal, normalised, is q.
    """
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = (row.unbind(-1) for row in matrix.unbind(-2))
    rows = (
        (1 + xx + yy + zz, zy - yz, xz - zx, yx - xy),
        (zy - yz, 1 + xx - yy - zz, xy + yx, xz + zx),
        (xz - zx, xy + yx, 1 - xx + yy - zz, yz + zy),
        (yx - xy, xz + zx, yz + zy, 1 - xx - yy + zz),
    )
    outer = torch.stack([torch.stack(row, -1) for row in rows], -2)
    best = outer.diagonal(dim1=-2, dim2=-1).argmax(-1)[..., None, None].expand(*outer.shape[:-2], 1, 4)
    quaternion = torch.nn.functional.normalize(outer.gather(-2, best).squeeze(-2), dim=-1)
    return torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)


def axis_angle_from_matrix(matrix: Tensor) -> Tensor:
    """The logarithm SO(3) -> so(3): [..., 3, 3] -> [..., 3] rad of length 0..pi."""
    return axis_angle_from_quaternion(quaternion_from_matrix(matrix))


def columns_from_axis_angle(axis_angle: Tensor) -> Tensor:
    """[..., 3] rad -> the matrix's first two columns [..., 6], one after the other (Zhou et al. 2019): continuous."""
    return matrix_from_axis_angle(axis_angle)[..., :2].transpose(-1, -2).flatten(-2)


def axis_angle_from_columns(columns: Tensor) -> Tensor:
    """Two columns [..., 6] -> axis-angle [..., 3] rad of length 0..pi; what is not orthonormal is made so, x first."""
    first, second = columns.unflatten(-1, (2, 3)).unbind(-2)
    x = torch.nn.functional.normalize(first, dim=-1)
    y = torch.nn.functional.normalize(second - (x * second).sum(-1, keepdim=True) * x, dim=-1)
    return axis_angle_from_matrix(torch.stack((x, y, torch.linalg.cross(x, y)), -1))


def quaternion_multiply(first: Tensor, second: Tensor) -> Tensor:
    """The Hamilton product [..., 4]: the rotation `second` followed by `first`."""
    a, u = first[..., :1], first[..., 1:]
    b, v = second[..., :1], second[..., 1:]
    u, v = torch.broadcast_tensors(u, v)
    return torch.cat((a * b - (u * v).sum(-1, keepdim=True), a * v + b * u + torch.linalg.cross(u, v)), -1)


def quaternion_inverse(quaternion: Tensor) -> Tensor:
    """The inverse of a unit quaternion [..., 4]."""
    return torch.cat((quaternion[..., :1], -quaternion[..., 1:]), -1)


def compose(first: Tensor, second: Tensor) -> Tensor:
    """Axis-angle [..., 3] of the rotation `second` followed by `first` (matrix product first @ second)."""
    return axis_angle_from_quaternion(
        quaternion_multiply(quaternion_from_axis_angle(first), quaternion_from_axis_angle(second))
    )


def slerp(start: Tensor, end: Tensor, weight: Tensor | float) -> Tensor:
    """The geodesic from `start` (weight 0) to `end` (weight 1), unit quaternions [..., 4]; the short way round.

    `weight` is a number or a tensor [...]; outside 0..1 it extrapolates.
    """
    step = axis_angle_from_quaternion(quaternion_multiply(quaternion_inverse(start), end))
    weight = torch.as_tensor(weight, dtype=step.dtype, device=step.device)[..., None]
    return quaternion_multiply(start, quaternion_from_axis_angle(weight * step))


def blend(start: Tensor, end: Tensor, weight: Tensor | float) -> Tensor:
    """`slerp` for axis-angle [..., 3]; a weight of exactly 0 or 1 gives that end back bit for bit."""
    start, end = torch.broadcast_tensors(start, end)
    weight = torch.as_tensor(weight, dtype=start.dtype, device=start.device)
    middle = axis_angle_from_quaternion(
        slerp(quaternion_from_axis_angle(start), quaternion_from_axis_angle(end), weight)
    )
    middle = torch.where(weight[..., None] == 0, start, middle)
    return torch.where(weight[..., None] == 1, end, middle)


def interpolate(track: Tensor, positions: Tensor) -> Tensor:
    """A rotation track [T, ..., 3] axis-angle sampled at fractional frame `positions` [N] (held beyond its ends).

    Piecewise geodesic on SO(3); whole positions give the track's own values bit for bit. -> [N, ..., 3]
    """
    last = track.shape[0] - 1
    positions = positions.clamp(0, last)
    before = positions.floor().long()
    weight = (positions - before).to(track.dtype).reshape(-1, *[1] * (track.ndim - 2))
    return blend(track[before], track[(before + 1).clamp_max(last)], weight)


def mean(rotations: Tensor, weights: Tensor | None = None) -> Tensor:
    """The geodesic (Karcher) mean over the first axis: axis-angle [N, ..., 3] -> [..., 3].

    `weights` [N] >= 0 (default: equal). Starts at the chordal mean (largest eigenvector of the sum of q q^T), which
    is already right to second order, then follows the tangent mean. Unique when all lie within 90 degrees of it.
    """
    if weights is None:
        weights = rotations.new_ones(rotations.shape[0])
    share = (weights / weights.sum()).reshape(-1, *[1] * (rotations.ndim - 1))
    quaternions = quaternion_from_axis_angle(rotations)
    moment = (share[..., None] * quaternions[..., :, None] * quaternions[..., None, :]).sum(0)
    centre = torch.linalg.eigh(moment).eigenvectors[..., -1]
    tolerance = 4 * torch.finfo(rotations.dtype).eps * math.pi
    for _ in range(50):
        offsets = axis_angle_from_quaternion(quaternion_multiply(quaternion_inverse(centre), quaternions))
        step = (share * offsets).sum(0)
        centre = quaternion_multiply(centre, quaternion_from_axis_angle(step))
        if step.detach().abs().max() < tolerance:
            break
    return axis_angle_from_quaternion(torch.nn.functional.normalize(centre, dim=-1))


def continuous(quaternions: Tensor) -> Tensor:
    """A track [T, ..., 4] with signs such that neighbours are on the same side, as interpolation and averages want."""
    turns = (quaternions[1:] * quaternions[:-1]).sum(-1, keepdim=True) < 0
    sign = torch.where(torch.cumsum(turns, 0) % 2 == 1, -1.0, 1.0)
    return torch.cat([quaternions[:1], quaternions[1:] * sign])
