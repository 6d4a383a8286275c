"""Gain, smoothing and time: exact where they must be, without lag, on SO(3)."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch

from flamecast.flame_motion import BadInput, FlameSequence
from flamecast.flame_motion import rotations as rot
from flamecast.flame_motion.channels import CHANNELS, ROTATIONS
from flamecast.flame_motion.edit import apply_edit, changes_time, demo_motion, edit_files, effects
from flamecast.flame_motion.retargeting.rest import rest_of

from ..angles import angle_between


def sway(frames=101, fps=25.0, angle=0.5) -> FlameSequence:
    """Everything swings once a second about a rest that is not neutral; the jaw opens, the left eye blinks."""
    wave = torch.sin(2 * math.pi * torch.arange(frames) / fps)
    still = FlameSequence.neutral(frames, fps)
    turn = torch.tensor([0.1, 0.2, 0.0]) + wave[:, None] * torch.tensor([0.0, angle, 0.0])
    return replace(
        still, neck=turn, expression=0.2 + 0.3 * wave[:, None].expand_as(still.expression),
        eyes=0.1 * turn[:, None].expand(-1, 2, -1), jaw=0.1 + 0.1 * wave[:, None] * torch.tensor([1.0, 0.0, 0.0]),
        translation=0.01 * turn,
        eyelids=(wave.clamp(0, 1)[:, None] * torch.tensor([1.0, 0.0])),
    )  # fmt: skip


def same(first: FlameSequence, second: FlameSequence) -> bool:
    return all(torch.equal(getattr(first, name), getattr(second, name)) for name in CHANNELS)


# -- gain --------------------------------------------------------------------------------------------------------------


def test_a_gain_multiplies_the_distance_from_the_rest():
    motion = sway()
    rest, out = rest_of(motion), effects.amplify(motion, 1.3)
    assert torch.allclose(out.expression - rest.expression, 1.3 * (motion.expression - rest.expression), atol=1e-6)
    before, after = (rot.compose(clip.neck, -rest.neck.expand_as(clip.neck)) for clip in (motion, out))
    assert torch.allclose(after, 1.3 * before, atol=1e-5)
    assert out.jaw[:, 0].min() >= 0 and 0 <= out.eyelids.min() and out.eyelids.max() <= 1
    assert same(effects.amplify(motion, 1.0), motion)


def test_a_gain_of_zero_freezes_at_the_rest():
    out = effects.amplify(sway(), 0.0)
    rest = rest_of(sway())
    for name in ("neck", "expression", "eyes"):
        assert torch.allclose(getattr(out, name), getattr(rest, name).expand_as(getattr(out, name)), atol=1e-5), name
    assert torch.allclose(out.translation.std(0), torch.zeros(3), atol=1e-7)


def test_a_gain_may_differ_by_frame():
    motion = sway()
    gain = torch.ones(len(motion)).index_fill(0, torch.arange(50, 101), 2.0)
    out = effects.amplify(motion, gain)
    assert same(out[:50], motion[:50]) and same(out[50:], effects.amplify(motion, 2.0)[50:])


# -- smoothing ---------------------------------------------------------------------------------------------------------


def test_smoothing_has_no_lag_and_the_gain_of_a_gaussian():
    """A wave of frequency f comes out with the gain exp(-2 (pi f sigma)^2), in phase, for values and rotations."""
    motion, width = sway(frames=201, angle=0.3), 0.2
    out = effects.smooth(motion, width)
    sigma = width / math.sqrt(8 * math.log(2))
    gain = math.exp(-2 * (math.pi * sigma) ** 2)
    middle = slice(50, 151)
    wave = (motion.expression[middle, 0] - 0.2) / 0.3
    assert torch.allclose(out.expression[middle, 0] - 0.2, gain * 0.3 * wave, atol=1e-4)
    side = torch.stack([motion.neck[middle, 1] - 0.2, out.neck[middle, 1] - 0.2])
    assert torch.allclose(side[1], gain * side[0], atol=2e-3)


def test_a_steady_movement_stays_as_it_is_to_the_last_frame():
    ramp = torch.arange(40.0)[:, None] / 40
    still = FlameSequence.neutral(40, 25)
    motion = replace(
        still,
        neck=ramp * torch.tensor([0.0, 1.0, 0.0]),
        expression=ramp.expand_as(still.expression),
        translation=ramp.expand(-1, 3),
    )
    out = effects.smooth(motion, 0.3)
    assert torch.allclose(out.expression, motion.expression, atol=1e-5)
    assert torch.allclose(out.translation, motion.translation, atol=1e-5)
    assert torch.allclose(out.neck[10:30], motion.neck[10:30], atol=1e-5)
    assert torch.allclose(out.neck, motion.neck, atol=3e-3)


def test_smoothing_crosses_pi_and_leaves_short_clips_alone():
    turn = torch.linspace(math.pi - 0.3, math.pi + 0.3, 30)
    motion = replace(
        FlameSequence.neutral(30, 25), rotation=rot.axis_angle_from_quaternion(
            rot.quaternion_from_axis_angle(turn[:, None] * torch.tensor([0.0, 1.0, 0.0])))
    )  # fmt: skip
    out = effects.smooth(motion, 0.2)
    assert angle_between(out.rotation, motion.rotation)[5:25].max() < 1e-3
    assert same(effects.smooth(motion[:1], 0.2), motion[:1]) and same(effects.smooth(motion, 0.0), motion)


# -- time --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [0.3, 0.5, 1.0, 1.5, 2.0, 7.0])
def test_speed_keeps_the_rate_and_changes_the_length(factor):
    motion = demo_motion()
    out = effects.speed(motion, factor)
    assert out.fps == motion.fps and len(out) == round(len(motion) / factor)
    later = torch.arange(len(out), dtype=torch.float64) * factor
    assert torch.equal(out.neck, rot.interpolate(motion.neck, later))
    if factor == 2:
        assert same(out[:62], replace(motion, **{name: getattr(motion, name)[:124:2] for name in CHANNELS}))
    if factor == 1:
        assert same(out, motion)


def test_a_time_map_plays_holds_and_goes_back():
    motion = demo_motion()
    out = effects.warp(motion, [(0, 0, "linear"), (2, 1, "hold"), (3, 1, "linear"), (4, 0, "linear")])
    assert len(out) == 100
    assert all(same(out[frame : frame + 1], motion[25:26]) for frame in range(50, 75))
    assert same(out[:1], motion[:1]) and torch.allclose(out.neck[80], motion.neck[20], atol=1e-6)
    for points in ([(0, 0, "linear")], [(1, 0, "linear"), (2, 1, "linear")], [(0, 0, "linear"), (0, 1, "linear")]):
        with pytest.raises(BadInput, match="start at 0 and ascend"):
            effects.warp(motion, points)


def test_a_clip_of_days_is_refused():
    with pytest.raises(BadInput, match="warp: expected at most 3600 s"):
        effects.warp(demo_motion(), [(0, 0, "linear"), (1e6, 1, "linear")])
    long = FlameSequence.neutral(1000, 1)
    with pytest.raises(BadInput, match="speed: 0.01 makes a clip of 100000 s"):
        effects.speed(long, 0.01)


# -- as edits ----------------------------------------------------------------------------------------------------------


def test_edits_are_applied_in_the_order_written():
    motion = sway()
    assert same(apply_edit(motion, "gain=1.3,smooth=0.2s"), effects.smooth(effects.amplify(motion, 1.3), 0.2))
    assert same(apply_edit(motion, "smooth=200ms,gain=1.3"), effects.amplify(effects.smooth(motion, 0.2), 1.3))
    first = apply_edit(apply_edit(motion, "smile=0.5"), "gain=2")
    for several in ("smile=0.5,gain=2", "smile=0.5; gain=2", ["smile=0.5", {"gain": 2}], [["smile=0.5"], "gain=2"]):
        assert same(apply_edit(motion, several), first)
    assert not same(apply_edit(motion, "speed=2,smooth=0.2s"), apply_edit(motion, "smooth=0.2s,speed=2"))


def test_an_edit_confined_to_the_head_is_the_gain_of_the_head():
    motion = sway()
    out, whole = apply_edit(motion, "gain=1.5,only=head"), apply_edit(motion, "gain=1.5")
    for name in CHANNELS:
        wanted = whole if name in ("neck", "rotation", "translation") else motion
        assert torch.equal(getattr(out, name), getattr(wanted, name)), name
    assert set(ROTATIONS) & {"neck", "rotation"}


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        ("gain=x", "gain: expected a number within 0..10"),
        ("gain=-1", "got '-1'"),
        ("gain=1.3s", "got '1.3s'"),
        ("smooth=0.1deg", "smooth: expected seconds within 0..10 .*got '0.1deg'"),
        ("speed=0", "speed: expected a number within 0.01..100"),
        ("speed=nan", "got 'nan'"),
        ("rest=2", "rest: expected a number within 0..1"),
        ("gian=2", "'gian': there is no such name; did you mean gain"),
        ("smoth=2", "did you mean smooth"),
        ("gain=1.3,only=mouht", "no region 'mouht'; did you mean mouth"),
        ("gain=1,gain=2", "gain: given twice"),
        ("speed=2,only=mouth", "speed changes the whole clip"),
        ("yaw=1; yaw", "'yaw': expected name=value"),
        ("yaw=1;", "'': expected name=value"),
        ("yaw=5s", "yaw: expected an angle"),
    ],
)
def test_a_wrong_effect_is_refused_in_one_sentence(edit, says):
    with pytest.raises(BadInput, match=says) as caught:
        apply_edit(FlameSequence.neutral(2, 25), edit)
    assert "\n" not in str(caught.value)


def test_keyframe_files_hold_gains_regions_and_time_maps(tmp_path):
    path, motion = tmp_path / "keys.json", demo_motion()
    keys = [{"time": 0, "edits": "gain=0"}, {"time": 5, "edits": {"gain": 0}}]
    path.write_text(json.dumps({"keyframes": keys, "only": "head"}))
    out = apply_edit(motion, str(path))
    assert out.neck.std(0).max() < 1e-5 and torch.equal(out.expression, motion.expression)
    path.write_text(json.dumps({"warp": [{"time": 0, "source": 5}, {"time": 2, "source": 0}]}))
    assert len(apply_edit(motion, str(path))) == 50
    assert changes_time(str(path)) and changes_time(["yaw=1", "speed=2"]) and not changes_time("yaw=1; gain=2")
    assert edit_files(f"yaw=1; {path}") == [str(path)] and edit_files(None) == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({}, "expected a list of keyframes"),
        ({"keys": []}, "expected a list of keyframes"),
        ({"keyframes": {}}, "expected a list of keyframes"),
        ({"keyframes": [{"time": 0, "edits": "smooth=1"}]}, "keyframe 0: edits: smooth cannot be keyframed"),
        ({"keyframes": [{"time": 0, "edits": "only=mouth"}]}, "only cannot be keyframed"),
        ({"keyframes": [{"time": 0, "edits": "gaze=1,gazeYaw=1"}]}, "gazeYaw: given twice"),
        ({"only": "mouth", "warp": [{"time": 0, "source": 0}]}, "warp: expected a list"),
        ({"warp": [{"time": 0, "source": 0}, {"time": 1}]}, "warp 1: expected"),
        ({"warp": [{"time": 0, "source": 0}, {"time": 1, "source": -1}]}, "warp 1: source: expected seconds"),
        ({"warp": [{"time": 0, "source": 0}, {"time": 1, "source": 1, "ease": []}]}, "ease: expected one of"),
        ({"only": 3}, "only: expected text"),
        ({"only": "mouht"}, "did you mean mouth"),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence(tmp_path, content, says):
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(content))
    with pytest.raises(BadInput, match=says) as caught:
        apply_edit(FlameSequence.neutral(2, 25), str(path))
    assert "\n" not in str(caught.value)
