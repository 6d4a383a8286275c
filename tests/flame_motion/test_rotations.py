"""Rotations against scipy, the matrix exponential, finite differences and themselves, in float64 unless said."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from flamecast.flame_motion import rotations as rot

from ..angles import angle_between

# Angles where formulas break: 0, both sides of the series' edge, pi and its neighbours, and beyond a turn.
EDGE = math.sqrt(rot.SERIES_BELOW)
ANGLES = [0.0, 1e-12, 1e-7, 1e-4, EDGE * 0.999, EDGE * 1.001, 2 * EDGE, 0.3, 1.5, 3.0, math.pi - 1e-4, math.pi - 1e-9]


def axes(count: int = 40, seed: int = 0) -> torch.Tensor:
    """Unit axes [count + 6, 3]: random ones and the coordinate axes, where quaternion formulas branch."""
    generator = torch.Generator().manual_seed(seed)
    random = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator, dtype=torch.float64), dim=-1)
    return torch.cat((random, torch.eye(3, dtype=torch.float64), -torch.eye(3, dtype=torch.float64)))


@pytest.mark.parametrize("angle", [*ANGLES, math.pi, 4.0, 6.5])
def test_exponential_is_scipys_and_the_matrix_exponential(angle):
    vectors = angle * axes()
    matrices = rot.matrix_from_axis_angle(vectors)
    assert torch.allclose(matrices, torch.linalg.matrix_exp(rot.skew(vectors)), atol=5e-15, rtol=0)
    scipys = torch.from_numpy(Rotation.from_rotvec(vectors.numpy()).as_matrix())
    assert torch.allclose(matrices, scipys, atol=2e-15, rtol=0)
    quaternions = rot.quaternion_from_axis_angle(vectors)
    assert torch.allclose(quaternions.norm(dim=-1), torch.ones(len(vectors), dtype=torch.float64), atol=1e-15, rtol=0)
    turned = torch.from_numpy(Rotation.from_quat(quaternions.roll(-1, -1).numpy()).as_matrix())
    assert torch.allclose(turned, matrices, atol=2e-15, rtol=0)


@pytest.mark.parametrize("angle", ANGLES)
def test_logarithm_undoes_the_exponential(angle):
    vectors = angle * axes()
    back = rot.axis_angle_from_matrix(rot.matrix_from_axis_angle(vectors))
    assert torch.allclose(back, vectors, atol=5e-15, rtol=0)
    back = rot.axis_angle_from_quaternion(-rot.quaternion_from_axis_angle(vectors))
    assert torch.allclose(back, vectors, atol=2e-15, rtol=0)


def test_half_a_turn_is_exact_up_to_the_sign_of_its_axis():
    vectors = math.pi * axes()
    back = rot.axis_angle_from_matrix(rot.matrix_from_axis_angle(vectors))
    off = torch.minimum((back - vectors).norm(dim=-1), (back + vectors).norm(dim=-1))
    assert off.max() < 5e-15


def test_beyond_half_a_turn_the_short_way_round_comes_back():
    vectors = 4.0 * axes()
    back = rot.axis_angle_from_quaternion(rot.quaternion_from_axis_angle(vectors))
    assert torch.allclose(back, (4.0 - 2 * math.pi) * axes(), atol=3e-15, rtol=0)


@pytest.mark.parametrize("angle", ANGLES)
def test_float32_keeps_float32_precision(angle):
    vectors = angle * axes()
    back = rot.axis_angle_from_matrix(rot.matrix_from_axis_angle(vectors.float()))
    assert back.dtype == torch.float32
    off = (back - vectors).norm(dim=-1)
    if angle > 3.14:  # float32 cannot tell which way round
        off = torch.minimum(off, (back + vectors).norm(dim=-1))
    assert off.max() < 2e-6
    if 0 < angle < 3.1:
        back = rot.axis_angle_from_quaternion(rot.quaternion_from_axis_angle(vectors.float()))
        assert (back - vectors).norm(dim=-1).max() / angle < 1e-6


@pytest.mark.parametrize("angle", [0.0, 1e-5, EDGE, 0.5, 2.0, 3.0])
def test_gradients_by_finite_differences(angle):
    vectors = (angle * axes(4)[:5]).requires_grad_()
    matrices = rot.matrix_from_axis_angle(vectors.detach()).requires_grad_()
    torch.autograd.gradcheck(rot.matrix_from_axis_angle, vectors)
    torch.autograd.gradcheck(rot.quaternion_from_axis_angle, vectors)
    torch.autograd.gradcheck(rot.axis_angle_from_matrix, matrices, atol=1e-6)
    torch.autograd.gradcheck(lambda v: rot.compose(v, v.flip(0)), vectors, atol=1e-6)


def test_derivative_at_the_identity_is_the_generator():
    jacobian = torch.autograd.functional.jacobian(rot.matrix_from_axis_angle, torch.zeros(3, dtype=torch.float64))
    assert torch.equal(jacobian.permute(2, 0, 1), rot.skew(torch.eye(3, dtype=torch.float64)))


def test_gradients_are_finite_at_zero_and_half_a_turn():
    for dtype in (torch.float32, torch.float64):
        for start in (torch.zeros(7, 3), math.pi * axes(1).to(torch.float32)):
            vectors = start.to(dtype).requires_grad_()
            back = rot.axis_angle_from_matrix(rot.matrix_from_axis_angle(vectors))
            (back.square().sum() + rot.quaternion_from_axis_angle(vectors).sum()).backward()
            assert vectors.grad.isfinite().all()


def test_convention_right_hand_and_order():
    quarter = math.pi / 2
    yaw = rot.matrix_from_axis_angle(torch.tensor([0.0, quarter, 0.0], dtype=torch.float64))
    forward = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    assert torch.allclose(yaw @ forward, torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64), atol=1e-15)  # her left
    first, second = axes(2)[0], 2.0 * axes(2)[1]
    product = rot.matrix_from_axis_angle(first) @ rot.matrix_from_axis_angle(second)
    assert torch.allclose(rot.matrix_from_axis_angle(rot.compose(first, second)), product, atol=1e-14)


def test_slerp_ends_short_way_and_constant_speed():
    start, end = rot.quaternion_from_axis_angle(axes(2)[:2])
    assert torch.allclose(rot.slerp(start, end, 0.0), start, atol=1e-15)
    assert torch.allclose(rot.slerp(start, end, 1.0), end, atol=1e-15)
    weights = torch.linspace(0, 1, 11, dtype=torch.float64)
    track = rot.axis_angle_from_quaternion(rot.slerp(start, -end, weights))
    speeds = angle_between(track[:-1], track[1:])
    total = angle_between(*rot.axis_angle_from_quaternion(torch.stack((start, end))))
    assert torch.allclose(speeds, torch.full((10,), float(total) / 10, dtype=torch.float64), atol=1e-14)


def test_interpolate_is_exact_on_frames_and_geodesic_between():
    track = torch.randn(9, 2, 3, generator=torch.Generator().manual_seed(3))
    assert torch.equal(rot.interpolate(track, torch.arange(9.0)), track)
    assert torch.equal(rot.interpolate(track, torch.tensor([-3.0, 20.0])), track[[0, -1]])
    half = rot.interpolate(track.double(), torch.tensor([2.25], dtype=torch.float64))[0]
    for eye in range(2):
        keys = Rotation.from_rotvec(track[2:4, eye].numpy().astype(np.float64))
        step = (keys[0].inv() * keys[1]).as_rotvec()
        expected = (keys[0] * Rotation.from_rotvec(0.25 * step)).as_rotvec()
        assert np.allclose(half[eye].numpy(), expected, atol=1e-14)


def test_mean_zeroes_the_tangent_and_turns_with_its_input():
    generator = torch.Generator().manual_seed(5)
    spread = 0.4 * torch.randn(30, 3, generator=generator, dtype=torch.float64)
    weights = torch.rand(30, generator=generator, dtype=torch.float64)
    centre = rot.mean(spread, weights)
    offsets = rot.compose(-centre.expand_as(spread), spread)
    assert (weights[:, None] * offsets).sum(0).abs().max() / weights.sum() < 1e-14
    turn = 2.5 * axes(1)[0]
    turned = rot.mean(rot.compose(turn.expand_as(spread), spread), weights)
    assert angle_between(turned, rot.compose(turn, centre)) < 1e-7  # acos-free, limited by the square root near 0
    assert torch.allclose(rot.mean(spread[:1]), spread[0], atol=1e-15)
    pair = torch.stack((torch.zeros(3), torch.tensor([0.0, 1.0, 0.0])))
    assert torch.allclose(rot.mean(pair), torch.tensor([0.0, 0.5, 0.0]), atol=1e-7)
    batch = rot.mean(spread.reshape(15, 2, 3))
    assert torch.allclose(batch[1], rot.mean(spread[1::2]), atol=1e-14)


def test_continuous_quaternions_turn_the_same_and_stay_on_one_side():
    g = torch.Generator().manual_seed(0)
    steps = 0.3 * torch.randn(40, 2, 3, generator=g, dtype=torch.float64)
    track = torch.nn.functional.normalize(rot.quaternion_from_axis_angle(steps.cumsum(0)), dim=-1)
    track = track * torch.where(torch.rand(40, 2, 1, generator=g) < 0.5, -1.0, 1.0)
    made = rot.continuous(track)
    assert ((made[1:] * made[:-1]).sum(-1) >= 0).all() and torch.equal(made[0], track[0])
    assert torch.equal(made.abs(), track.abs()) and ((made * track).sum(-1).abs() - 1).abs().max() < 1e-12
