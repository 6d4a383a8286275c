"""A clip as keyword arguments of smplx's FLAME and back; smplx itself is the oracle where it is installed."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from flamecast.flame_motion import BadInput, FlameSequence
from flamecast.flame_motion.channels import CHANNELS
from flamecast.flame_motion.heads.head import PARENTS
from flamecast.pipelines.bench.bench_skinning import noise_head, noise_motion

from .test_heads import random_head, random_motion


def assert_same(first: FlameSequence, second: FlameSequence) -> None:
    """Equal bit for bit."""
    assert (first.fps, first.head) == (second.fps, second.head)
    for name in ("shape", *CHANNELS):
        assert torch.equal(getattr(first, name), getattr(second, name)), name


def test_names_and_sizes_are_smplxs():
    motion = random_motion(random_head(), frames=4)
    parameters = motion.to_smplx()
    s, e = motion.shape.shape[0], motion.expression.shape[1]
    poses = dict.fromkeys(("global_orient", "neck_pose", "jaw_pose", "leye_pose", "reye_pose", "transl"), (4, 3))
    assert {name: tuple(value.shape) for name, value in parameters.items()} == {
        **poses,
        "betas": (4, s),
        "expression": (4, e),
    }
    assert torch.equal(parameters["leye_pose"], motion.eyes[:, 0])
    assert torch.equal(parameters["reye_pose"], motion.eyes[:, 1])


@pytest.mark.parametrize("frames", [1, 5])
def test_there_and_back_is_the_same_bit_for_bit(frames):
    head = random_head()
    motion = random_motion(head, frames=frames)
    assert_same(FlameSequence.from_smplx(motion.to_smplx(), motion.fps, head, motion.eyelids), motion)
    arrays = {name: value.numpy() for name, value in motion.to_smplx().items()}
    for betas in (arrays["betas"][0], arrays["betas"][:1]):
        assert_same(FlameSequence.from_smplx({**arrays, "betas": betas}, motion.fps, head, motion.eyelids), motion)


def test_what_is_not_given_is_at_rest():
    head = random_head()
    motion = FlameSequence.from_smplx({"expression": torch.ones(2, 1)}, 30, head)
    still = FlameSequence.neutral(2, 30, head)
    only = torch.zeros_like(still.expression)
    only[:, 0] = 1
    assert_same(motion, replace(still, expression=only))


@pytest.mark.parametrize(
    "change, says",
    [
        ({"body_pose": torch.zeros(4, 63)}, "no parameter 'body_pose'; known are global_orient"),
        ({"expression": None}, "expected expression"),
        ({"expression": torch.zeros(4, 900)}, "expression: expected"),
        ({"jaw_pose": torch.zeros(4, 3, 3)}, r"jaw_pose: expected axis-angle or m \[4, 3\], got \[4, 3, 3\]"),
        ({"transl": torch.zeros(3, 3)}, "transl: expected"),
        ({"betas": torch.zeros(3, 2)}, "betas: expected"),
        ({"betas": torch.arange(4.0)[:, None]}, "expected one person"),
    ],
)
def test_what_is_no_clip_is_refused(change, says):
    head = random_head()
    given = {**random_motion(head, frames=4).to_smplx(), **change}
    with pytest.raises(BadInput, match=says):
        FlameSequence.from_smplx({name: value for name, value in given.items() if value is not None}, 25, head)


@pytest.mark.parametrize("frames", [1, 3])
def test_smplxs_flame_poses_it_as_we_do(frames, tmp_path):
    smplx = pytest.importorskip("smplx", reason="smplx, the oracle, is not installed (extra `flame`)")
    head = noise_head(frames)
    motion = noise_motion(head, frames, seed=frames)
    size, parents = head.expression.shape[-1], np.array(PARENTS)
    parents[0] = 2**32 - 1 if parents.dtype == np.int64 else parents[0]  # as FLAME's files have it
    file = {
        "v_template": head.template.numpy(), "f": head.faces.numpy(), "weights": head.weights.numpy(),
        "shapedirs": torch.cat([head.identity, head.expression], -1).numpy(),
        "posedirs": head.pose_correctives.numpy(), "J_regressor": head.joint_regressor.numpy(),
        "kintree_table": np.stack([parents, np.arange(5)]),
    }  # fmt: skip
    (tmp_path / "FLAME_NEUTRAL.pkl").write_bytes(pickle.dumps(file))
    places = {"lmk_face_idx": np.zeros(51, np.int64), "lmk_b_coords": np.ones((51, 3)) / 3}
    (tmp_path / "flame_static_embedding.pkl").write_bytes(pickle.dumps(places))
    sizes = {"num_betas": len(motion.shape), "num_expression_coeffs": size}
    flame = smplx.FLAME(str(tmp_path), batch_size=frames, **sizes)
    theirs = flame(**motion.to_smplx()).vertices
    assert (head(motion) - theirs).abs().max() < 1e-5
