"""What a tracked face does is made larger for another face, feature by feature, and nothing else is."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from flamecast.flame_motion import BadInput, FlameSequence, load_head
from flamecast.flame_motion.channels import CHANNELS
from flamecast.flame_motion.retargeting.emphasis import GAINS, GAZE, MAX_GAZE, emphasised
from flamecast.flame_motion.retargeting.lips import lip_gap

REST = FlameSequence.neutral(1, 25.0, load_head())


def moved(seed: int, frames: int) -> FlameSequence:
    g = torch.Generator().manual_seed(seed)
    r = lambda *size: 0.1 * torch.randn(*size, generator=g)  # noqa: E731
    still = FlameSequence.neutral(frames, 25.0, load_head())
    return replace(
        still, expression=r(*still.expression.shape), neck=r(frames, 3), jaw=r(frames, 3).abs(), eyes=r(frames, 2, 3),
        eyelids=r(frames, 2).abs(), translation=r(frames, 3),
    )  # fmt: skip


def face(**axes: float) -> FlameSequence:
    names = load_head().expression_names
    expression = REST.expression.clone()
    for name, amount in axes.items():
        expression[:, names.index(name)] = amount
    return replace(REST, expression=expression)


def test_a_face_at_rest_stays_and_so_do_jaw_head_and_place():
    motion = moved(0, 5)
    same = emphasised(motion, motion[:1])
    for name in CHANNELS:
        assert torch.allclose(getattr(same, name)[0], getattr(motion, name)[0], atol=1e-6), name
        if name in ("jaw", "neck", "rotation", "translation"):
            assert torch.equal(getattr(same, name), getattr(motion, name)), name


def test_a_frame_is_what_it_is_alone():
    motion, rest = moved(1, 1100), moved(2, 1)
    whole = emphasised(motion, rest)
    for frame in (0, 511, 512, 1099):
        alone = emphasised(motion[frame : frame + 1], rest)
        for name in CHANNELS:
            assert torch.equal(getattr(alone, name), getattr(whole, name)[frame : frame + 1]), (frame, name)


@pytest.mark.parametrize(
    ("axes", "gain", "axis", "landmarks", "from_"),
    [
        ({"browInnerUp": 0.6}, "brow", 1, [20, 21, 22, 23], []),
        ({"browOuterUpLeft": 0.6, "browOuterUpRight": 0.6}, "brow", 1, [17, 18, 24, 25], []),
        ({"browDownLeft": 0.6, "browDownRight": 0.6}, "brow", 1, [20, 21, 22, 23], []),
        ({"mouthSmileLeft": 0.6, "mouthSmileRight": 0.6}, "aside", 0, [54], [48]),
        ({"mouthPucker": 0.6}, "aside", 0, [54], [48]),
        ({"mouthUpperUpLeft": 0.6, "mouthUpperUpRight": 0.6}, "upper", 1, [50, 51, 52], []),
        ({"mouthFunnel": 0.6}, "gap", 1, [61, 62, 63], [65, 66, 67]),
        ({"mouthRollLower": 0.6}, "held", 1, [65, 66, 67], [56, 57, 58]),
        ({"mouthPressLeft": 0.6, "mouthPressRight": 0.6}, "held", 1, [65, 66, 67], [56, 57, 58]),
    ],
)
def test_each_feature_grows_by_its_gain(axes, gain, axis, landmarks, from_):
    head, before = load_head(), face(**axes)

    def feature(motion: FlameSequence) -> float:
        points = head.landmarks(motion)[0, :, axis]
        return float(points[landmarks].mean() - (points[from_].mean() if from_ else 0))

    after = emphasised(before, REST)
    change = [feature(x) - feature(REST) for x in (before, after)]
    assert change[1] / change[0] == pytest.approx(GAINS[gain], abs=0.07)


def test_lips_do_not_part_when_corners_and_brows_move():
    head = load_head()
    for axes in ({"browInnerUp": 0.8}, {"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8}, {"mouthPucker": 0.8}):
        before = face(**axes)
        gap = [float(lip_gap(head, motion)[0]) for motion in (before, emphasised(before, REST))]
        assert gap[1] == pytest.approx(gap[0], abs=0.01), axes  # of the distance between the eyes


def test_small_glances_grow_and_far_ones_end_where_eyes_do():
    turns = torch.tensor([[0.01, -0.01, 0.0], [-0.3, 0.95, 0.0], [3.0, -3.0, 0.0]])
    motion = replace(FlameSequence.neutral(3, 25.0, load_head()), eyes=turns[:, None].expand(3, 2, 3).contiguous())
    eyes = emphasised(motion, REST).eyes
    assert torch.allclose(eyes[0], torch.tensor([0.01 * GAZE[0], -0.01 * GAZE[1], 0.0]), atol=1e-4)
    assert (eyes[1].abs() < torch.tensor([*MAX_GAZE, 1e-6])).all() and torch.equal(eyes[:, 0], eyes[:, 1])
    assert torch.allclose(eyes[2], torch.tensor([MAX_GAZE[0], -MAX_GAZE[1], 0.0]), atol=0.01)


def test_where_landmarks_are_not_known_only_the_gaze_grows(monkeypatch):
    def unknown(_):
        raise BadInput("its file does not say where the landmarks are")

    monkeypatch.setattr("flamecast.flame_motion.retargeting.emphasis._features", unknown)
    motion = moved(3, 4)
    after = emphasised(motion, REST)
    assert torch.equal(after.expression, motion.expression) and torch.equal(after.eyelids, motion.eyelids)
    assert not torch.equal(after.eyes, motion.eyes)
