"""Skinning at FLAME's size: equal to smplx, the fast path to the plain one, gradients by finite differences, speed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from flamecast.core.threads import one_torch_thread
from flamecast.flame_motion import FlameSequence
from flamecast.pipelines.bench.bench_skinning import noise_head, noise_motion, skinning_times, smplx_vertices

from .test_heads import random_head, random_motion

needs_smplx = pytest.mark.usefixtures("smplx")


@pytest.fixture
def smplx():
    pytest.importorskip("smplx.lbs", reason="smplx, the oracle, is not installed (extra `flame`)")


@needs_smplx
@pytest.mark.parametrize("frames", [1, 2, 7])
def test_flame_sized_skinning_equals_smplx_to_1e_5(frames):
    """300 + 100 axes, all 36 pose correctives, every joint turned; the fast path and the differentiable one."""
    head = noise_head(frames)
    motion = noise_motion(head, frames, seed=frames)
    theirs = smplx_vertices(head)(motion)
    assert (head(motion) - theirs).abs().max() < 1e-5
    wanted = replace(motion, expression=motion.expression.clone().requires_grad_())
    assert (head(wanted) - theirs).abs().max() < 1e-5


@needs_smplx
def test_a_batch_of_identities_is_several_clips_and_equals_smplx():
    head = noise_head()
    clips = [noise_motion(head, 3, seed) for seed in (4, 5)]
    theirs = smplx_vertices(head)
    for clip in clips:
        assert (head(clip) - theirs(clip)).abs().max() < 1e-5
    assert not torch.equal(clips[0].shape, clips[1].shape)


def test_the_fast_path_equals_the_differentiable_one():
    head = random_head()
    motion = random_motion(head, frames=5)
    rest, joints = head.skin.shaped(motion.shape)
    fast = head.skin.pose(rest, joints, motion)
    plain, frames = head.skin.pose(rest, joints, motion, with_frames=True)
    assert torch.allclose(fast, plain, atol=2e-5)
    tracked = head.skin.pose(rest.clone().requires_grad_(), joints, motion)
    assert tracked.requires_grad and torch.equal(tracked.detach(), plain)
    assert not fast.requires_grad and frames.shape == (5, 60, 3, 3)


def test_a_long_clip_is_the_same_on_any_number_of_threads():
    head = random_head()
    motion = random_motion(head, frames=101)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        several = head(motion)
    finally:
        torch.set_num_threads(before)
    with one_torch_thread():
        assert torch.allclose(several, head(motion), atol=1e-5)


def test_fast_skinning_leaves_its_inputs_alone():
    head = random_head()
    motion = random_motion(head)
    rest, joints = head.skin.shaped(motion.shape)
    before = rest.clone(), motion.expression.clone()
    assert torch.equal(head.skin.pose(rest, joints, motion), head.skin.pose(rest, joints, motion))
    assert torch.equal(rest, before[0]) and torch.equal(motion.expression, before[1])


def test_points_on_corners_are_the_vertices():
    head = random_head()
    motion = random_motion(head)
    faces = torch.tensor([3, 9, 17])
    skin = head.points(faces, torch.eye(3))
    posed = skin.pose(*skin.shaped(motion.shape), motion)
    assert torch.equal(posed, head.subset(head.faces[faces, torch.arange(3)]).pose(*skin.shaped(motion.shape), motion))


def test_points_between_corners_move_with_them():
    """A point is the mean of its corners at rest and under linear axes; skinned too where weights are alike."""
    head = random_head()
    head = replace(head, weights=head.weights[:1].expand(60, -1).contiguous())
    motion = random_motion(head)
    faces, bary = torch.tensor([0, 5, 39]), torch.tensor([[0.2, 0.3, 0.5], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    skin = head.points(faces, bary)
    expected = (head(motion)[:, head.faces[faces]] * bary[..., None]).sum(2)
    assert torch.allclose(skin.pose(*skin.shaped(motion.shape), motion), expected, atol=1e-4)


@needs_smplx
def test_three_times_as_fast_as_smplx():
    with one_torch_thread():
        times = skinning_times(frames=100, rounds=9)
    assert times.error < 1e-5
    assert times.ratio >= 3.0, times


def test_a_neutral_motion_is_the_template():
    head = noise_head()
    assert torch.allclose(head(FlameSequence.neutral(2, 25, head))[1], head.template, atol=1e-6)
