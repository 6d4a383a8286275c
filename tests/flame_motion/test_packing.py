"""A motion as one tensor and back."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from flamecast.flame_motion import BadInput, Pose
from flamecast.flame_motion import rotations as rot
from flamecast.flame_motion.channels import CHANNELS, ROTATIONS
from flamecast.flame_motion.packing import Layout

from ..angles import angle_between
from .test_heads import random_head, random_motion

HEAD = random_head()


@pytest.mark.parametrize("channels", [tuple(CHANNELS), ("neck", "eyes", "eyelids"), ("jaw", "expression")], ids=len)
def test_axis_angle_comes_back_bit_for_bit(channels):
    motion, layout = random_motion(HEAD, 6), Layout.of(HEAD, channels)
    packed = layout.pack(motion)
    assert packed.shape == (6, layout.size)
    back = layout.unpack(packed, motion)
    for name in ("shape", *CHANNELS):
        assert torch.equal(getattr(back, name), getattr(motion, name)), name
    assert back.head == motion.head and back.fps == motion.fps
    for name, place in layout.slices.items():
        assert torch.equal(packed[:, place], getattr(motion, name).flatten(1)), name


def test_slices_tile_the_axis_in_the_order_asked_for():
    layout = Layout.of(HEAD, ("eyes", "expression", "neck"), "6d")
    assert layout.slices == {"eyes": slice(0, 12), "expression": slice(12, 17), "neck": slice(17, 23)}
    assert layout.size == 23
    assert Layout.of(HEAD).size == 5 + 3 + 3 + 3 + 6 + 2 + 3


def test_six_numbers_are_the_first_two_columns_and_come_back():
    motion, layout = random_motion(HEAD, 50), Layout.of(HEAD, rotations="6d")
    packed = layout.pack(motion)
    matrix = rot.matrix_from_axis_angle(motion.neck)
    assert torch.equal(packed[:, layout.slices["neck"]], torch.cat([matrix[..., 0], matrix[..., 1]], -1))
    back = layout.unpack(packed, motion)
    for name in CHANNELS:
        if name in ROTATIONS:
            assert angle_between(getattr(back, name), getattr(motion, name)).max() < 1e-6, name
        else:
            assert torch.equal(getattr(back, name), getattr(motion, name)), name


def test_six_numbers_are_continuous_and_true_where_axis_angle_jumps():
    axis = torch.nn.functional.normalize(torch.tensor([[0.3, -0.5, 0.8]], dtype=torch.float64), dim=-1)
    for angle in (0.0, 1e-9, 3.14159265, 3.2, 6.28):
        given = angle * axis
        back = rot.axis_angle_from_columns(rot.columns_from_axis_angle(given))
        assert angle_between(back, given).max() < 1e-12
    near, far = (rot.columns_from_axis_angle(a * axis) for a in (torch.pi - 1e-6, torch.pi + 1e-6))
    assert (near - far).abs().max() < 4e-6


def test_six_numbers_of_a_network_are_made_a_rotation():
    noise = torch.randn(40, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    once = rot.columns_from_axis_angle(rot.axis_angle_from_columns(noise))
    assert torch.allclose(once[:, :3], torch.nn.functional.normalize(noise[:, :3], dim=-1))
    assert torch.allclose(once, rot.columns_from_axis_angle(rot.axis_angle_from_columns(once)))


@pytest.mark.parametrize("kind", ["axis_angle", "6d"])
def test_batches_and_gradients_go_both_ways(kind):
    layout = Layout.of(HEAD, ("neck", "eyes", "expression"), kind)
    motion = Pose.of(random_motion(HEAD, 6)).to(dtype=torch.float64)
    batch = {name: 0.5 * getattr(motion, name).unflatten(0, (3, 2)) for name in CHANNELS}
    packed = layout.pack(batch)
    assert packed.shape == (3, 2, layout.size)
    back = layout.channels(packed)
    assert list(back) == ["neck", "eyes", "expression"]
    for name, value in back.items():
        assert value.shape == batch[name].shape and (value - batch[name]).abs().max() < 1e-12
    wanted = batch["neck"].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda neck: layout.pack({**batch, "neck": neck}), wanted)
    assert torch.autograd.gradcheck(lambda x: tuple(layout.channels(x).values()), packed.clone().requires_grad_())


def test_one_frame_holds_what_is_not_packed():
    motion, layout = random_motion(HEAD, 6), Layout.of(HEAD, ("neck",))
    back = layout.unpack(layout.pack(motion), motion[2:3])
    assert torch.equal(back.neck, motion.neck) and torch.equal(back.jaw, motion.jaw[2:3].expand(6, 3))


def test_what_does_not_fit_is_named():
    motion, layout = random_motion(HEAD, 6), Layout.of(HEAD)
    with pytest.raises(BadInput, match="no channel 'nose'"):
        Layout.of(HEAD, ("nose",))
    with pytest.raises(BadInput, match="each channel once"):
        Layout.of(HEAD, ("neck", "neck"))
    with pytest.raises(BadInput, match="axis_angle or 6d"):
        Layout.of(HEAD, rotations="quaternion")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=r"expression: expected \[..., T, 5\]"):
        layout.pack(replace(motion, expression=torch.zeros(6, 4)))
    with pytest.raises(BadInput, match=r"expected \[..., T, 25\], got \[6, 24\]"):
        layout.channels(torch.zeros(6, 24))
    with pytest.raises(BadInput, match="1 or T frames"):
        layout.unpack(layout.pack(motion), motion[:4])
