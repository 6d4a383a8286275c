"""Edits by name, keyframes and the demo clip: conventions on the mesh itself, exactness, and clear refusals."""

import json
import math
from dataclasses import replace

import pytest
import torch

from flamecast.flame_motion import BadInput, FlameSequence, load_head
from flamecast.flame_motion import rotations as rot
from flamecast.flame_motion.channels import CHANNELS
from flamecast.flame_motion.edit import apply_edit, apply_keyframes, demo_motion
from flamecast.flame_motion.edit.controls import ANGLES, BLENDS, JOINTS, LIDS, apply_controls, control_names
from flamecast.flame_motion.edit.keyframes import EASES, Keyframe, curve

from ..angles import angle_between

NOSE, CHIN, TOP_LIP, LOW_LIP, BROW = 30, 8, 62, 66, 24
SMILING = ("mouthSmileLeft", "mouthSmileRight", "cheekSquintLeft", "cheekSquintRight")


@pytest.fixture(scope="module")
def head():
    return load_head()


@pytest.fixture(scope="module")
def still(head):
    return FlameSequence.neutral(4, 25, head)


@pytest.fixture(scope="module")
def arkit_head(head):
    """The built-in head with four of its axes called what ARKit calls them."""
    names = (*SMILING, *(f"axis_{k}" for k in range(len(head.expression_names) - len(SMILING))))
    return replace(head, id="arkit@00000000", expression_names=names)


def random_motion(head, frames=6) -> FlameSequence:
    g = torch.Generator().manual_seed(0)
    still = FlameSequence.neutral(frames, 25, head)
    return replace(still, **{n: 0.2 * torch.randn(getattr(still, n).shape, generator=g) for n in CHANNELS})


# -- what the names mean, on the mesh ----------------------------------------------------------------------------------


def moved(head, still, edit):
    """How the 68 landmarks move: [68, 3] m."""
    return (head.landmarks(apply_edit(still, edit)) - head.landmarks(still))[0]


def test_yaw_turns_to_the_subjects_left_pitch_looks_down_roll_tilts_to_the_right_shoulder(head, still):
    assert moved(head, still, "yaw=15")[NOSE, 0] > 0.01
    assert moved(head, still, "pitch=15")[NOSE, 1] < -0.01
    assert moved(head, still, "roll=15")[BROW, 0] < -0.01
    for name in ("yaw", "pitch", "roll"):
        there, back = moved(head, still, f"{name}=5"), moved(head, still, f"{name}=-5")
        assert torch.allclose(there, -back, atol=2e-3)


def test_the_jaw_opens_25_degrees_and_slides_to_its_own_left(head, still):
    opened = apply_edit(still, "jawOpen=1")
    assert torch.allclose(opened.jaw, torch.tensor([math.radians(25), 0, 0]).expand(4, 3))
    step = moved(head, still, "jawOpen=1")
    assert step[LOW_LIP, 1] < -0.01 and step[CHIN, 1] < -0.01 and step[TOP_LIP].norm() < 0.3 * step[LOW_LIP].norm()
    assert moved(head, still, "jawLeft=1")[CHIN, 0] > 0.003
    assert moved(head, still, "jawRight=1")[CHIN, 0] < -0.003


@pytest.mark.parametrize(
    ("edit", "left", "right"),
    [
        ("eyeLookInLeft=1", (0, -30), (0, 0)),
        ("eyeLookOutLeft=1", (0, 30), (0, 0)),
        ("eyeLookInRight=1", (0, 0), (0, 30)),
        ("eyeLookOutRight=0.5", (0, 0), (0, -15)),
        ("eyeLookUpLeft=1,eyeLookDownRight=1", (-25, 0), (25, 0)),
        ("gaze=10", (0, 10), (0, 10)),
        ("gaze=0:-8deg", (-8, 0), (-8, 0)),
        ("gazePitch=0.1rad", (math.degrees(0.1), 0), (math.degrees(0.1), 0)),
    ],
)
def test_eyes(still, edit, left, right):
    eyes = torch.rad2deg(apply_edit(still, edit).eyes[0])
    assert torch.allclose(eyes, torch.tensor([[*left, 0], [*right, 0]]).float(), atol=1e-4)


def test_lids_shut_together_or_alone_and_stay_within_0_and_1(still):
    assert apply_edit(still, "blink=1").eyelids.eq(1).all()
    assert torch.equal(apply_edit(still, "eyeBlinkLeft=0.5").eyelids[0], torch.tensor([0.5, 0.0]))
    half = replace(still, eyelids=torch.full((4, 2), 0.6))
    assert apply_edit(half, "blink=0.7").eyelids.eq(1).all()
    assert apply_edit(half, "blink=-5").eyelids.eq(0).all()
    wide = replace(still, eyelids=torch.full((4, 2), -0.1))  # not touched: kept
    assert torch.equal(apply_edit(wide, "eyeBlinkLeft=0,yaw=3").eyelids, wide.eyelids)


def test_every_name_of_the_head_moves_only_its_own_axis(head, still):
    for place, name in enumerate(head.expression_names):
        out = apply_edit(still, {name: 0.5})
        assert out.expression[:, place].eq(0.5).all() and out.expression.count_nonzero() == len(still), name
    assert set(head.expression_names) | set(ANGLES) | set(LIDS) | set(JOINTS) <= set(control_names(head))


def test_smile_is_both_corners_and_what_the_head_has_of_the_cheeks(arkit_head):
    still = FlameSequence.neutral(2, 25, arkit_head)
    assert "smile" in control_names(arkit_head)
    out = apply_edit(still, "smile=0.5", arkit_head)
    assert torch.allclose(out.expression[0, :4], torch.tensor([0.5, 0.5, 0.2, 0.2]))
    assert out.expression[:, 4:].count_nonzero() == 0


def test_a_head_without_the_axes_borrows_them_through_geometry(head):
    """Its own axes have no names: the same edit must move the same points, as far as its axes reach."""
    bare = replace(head, id="bare@0", expression_names=tuple(f"axis_{k}" for k in range(len(head.expression_names))))
    still = FlameSequence.neutral(1, 25, bare)
    rest = bare.landmarks(still)
    for edit in ("smile=1", "mouthPucker=1", "browInnerUp=1", "mouthLeft=0.5,browDownLeft=0.5"):
        made = bare.landmarks(apply_edit(still, edit, bare)) - rest
        wanted = head.landmarks(apply_edit(FlameSequence.neutral(1, 25, head), edit)) - rest
        assert (made - wanted).norm() < 0.02 * wanted.norm(), edit


def test_a_name_the_head_carries_as_an_axis_is_that_axis(head):
    own = replace(head, expression_names=("jawLeft", *head.expression_names[1:]))
    out = apply_controls(FlameSequence.neutral(1, 25, own), {"jawLeft": 1.0}, own)
    assert out.expression[0, 0] == 1 and not out.jaw.any()


# -- adding to what is there -------------------------------------------------------------------------------------------


def test_an_edit_turns_the_posed_head_about_the_torsos_axes(head):
    motion = random_motion(head)
    out = apply_edit(motion, "yaw=20,pitch=-10,roll=5")
    yaw, pitch, roll = (
        rot.matrix_from_axis_angle(math.radians(a) * torch.eye(3)[k]) for a, k in ((20, 1), (-10, 0), (5, 2))
    )
    expected = yaw @ pitch @ roll @ rot.matrix_from_axis_angle(motion.neck)
    assert torch.allclose(rot.matrix_from_axis_angle(out.neck), expected, atol=1e-6)
    for name in set(CHANNELS) - {"neck"}:
        assert torch.equal(getattr(out, name), getattr(motion, name)), name


def test_zero_changes_nothing_bit_for_bit(head):
    motion = random_motion(head)
    zeros = dict.fromkeys(control_names(head), 0.0)
    out = apply_controls(motion, zeros, head)
    for name in CHANNELS:
        assert torch.equal(getattr(out, name), getattr(motion, name)), name


def test_text_and_mapping_say_the_same(head):
    motion = random_motion(head)
    text = apply_edit(motion, " jawOpen = 0.2 , yaw=15deg,gaze=3:0.1rad, blink=+.5e0 ")
    same = apply_edit(motion, {"jawOpen": 0.2, "yaw": "15", "gaze": "3deg:0.1rad", "blink": 0.5})
    for name in CHANNELS:
        assert torch.equal(getattr(text, name), getattr(same, name)), name
    degrees, radians = apply_edit(motion, "yaw=-15°"), apply_edit(motion, f"yaw={-math.radians(15)!r}rad")
    assert torch.allclose(degrees.neck, radians.neck, atol=1e-7)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        ("", "expected name=value"),
        ("yaw", "'yaw': expected name=value"),
        ("yaw=", "expected name=value"),
        ("=3", "expected name=value"),
        ("yaw=3,", "expected name=value"),
        ("yaw=left", "yaw: expected an angle such as 15, 15deg or 0.26rad, got 'left'"),
        ("yaw=5px", "got '5px'"),
        ("yaw=nan", "got 'nan'"),
        ("yaw=1e999", "got '1e999'"),
        ("smile=1e30", "got '1e30'"),
        ("yaw=-1001", "got '-1001'"),
        ("yaw=1=2", "got '1=2'"),
        ("jawOpen=5deg", r"jawOpen: expected a plain number \(1 = full\), got '5deg'"),
        ("jawOpen=wide", "jawOpen: expected a number such as 0.5, got 'wide'"),
        ("yaw=1,yaw=2", "yaw: given twice"),
        ("gaze=1,gazeYaw=2", "gazeYaw: given twice"),
        ("gaze=1:2:3", "got '2:3'"),
        ("blnik=1", "'blnik': .* did you mean blink"),
        ("jawopen=1", "did you mean jawOpen"),
        ("eyeBlink=1", "did you mean .*eyeBlinkLeft"),
        ("gazee=1", "did you mean gaze"),
        ("zzzzzz=1", "no such control; try yaw"),
    ],
)
def test_a_wrong_edit_is_refused_in_one_sentence(still, edit, says):
    with pytest.raises(BadInput, match=says) as caught:
        apply_edit(still, edit)
    assert "\n" not in str(caught.value)


def test_values_of_the_wrong_kind_are_refused(head, still):
    for value in (None, True, [1], {}):
        with pytest.raises(BadInput, match="yaw: expected a number or text"):
            apply_edit(still, {"yaw": value})
    with pytest.raises(BadInput, match=r"yaw: expected one number or \[4\]"):
        apply_controls(still, {"yaw": torch.zeros(3)}, head)


# -- keyframes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ease", EASES)
def test_curves_pass_through_their_points_never_overshoot_and_are_held_outside(ease):
    points = [(0.5, 1.0, ease), (1.0, -2.0, ease), (3.0, 4.0, ease)]
    at = curve(points, torch.tensor([0.0, 0.5, 1.0, 3.0, 9.0], dtype=torch.float64))
    assert at.tolist() == [1.0, 1.0, -2.0, 4.0, 4.0]
    fine = curve(points, torch.linspace(1, 3, 401, dtype=torch.float64))
    assert (fine.diff() >= -1e-12).all() and fine[0] == -2 and fine[-1] == 4


def test_the_smooth_curve_starts_and_ends_at_rest():
    times = torch.linspace(0, 1, 10001, dtype=torch.float64)
    values = curve([(0, 0, "smooth"), (1, 1, "smooth")], times)
    speed = values.diff() * 10000
    assert speed[0] < 1e-6 and speed[-1] < 1e-6 and speed.max() == pytest.approx(15 / 8, abs=1e-6)
    assert values[5000] == pytest.approx(0.5)


def test_hold_and_linear():
    times = torch.tensor([0.0, 0.25, 0.999, 1.0], dtype=torch.float64)
    assert curve([(0, 2, "hold"), (1, 5, "hold")], times).tolist() == [2, 2, 2, 5]
    assert curve([(0, 2, "linear"), (1, 6, "linear")], times).tolist() == pytest.approx([2, 3, 5.996, 6])


def test_each_control_runs_through_the_keyframes_that_name_it(head):
    motion = FlameSequence.neutral(51, 25, head)
    keys = [
        Keyframe(2.0, {"yaw": 0.0}, "linear"),
        Keyframe(0.0, {"yaw": 0.0, "jawOpen": 1.0}, "linear"),
        Keyframe(1.0, {"yaw": 0.4}, "linear"),
    ]
    out = apply_keyframes(motion, keys)
    ramp = torch.cat((torch.arange(26) / 25, torch.arange(24, -1, -1) / 25)) * 0.4
    assert torch.allclose(out.neck[:, 1], ramp, atol=1e-6)
    assert torch.allclose(out.jaw[:, 0], torch.full((51,), math.radians(25)))


def test_keyframe_files(tmp_path, head, still):
    path = tmp_path / "keys.json"
    path.write_text(
        json.dumps(
            [
                {"time": 0, "edits": {"yaw": "10deg", "blink": 1}, "ease": "hold"},
                {"time": 0.08, "edits": "yaw=0.5rad,blink=0"},
            ]
        )
    )
    out = apply_edit(still, str(path))
    assert out.eyelids[:, 0].tolist() == [1, 1, 0, 0]
    assert out.neck[:, 1].tolist() == pytest.approx([math.radians(10)] * 2 + [0.5] * 2)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is empty"),
        (" ", "cannot be read"),
        ("{}", "expected a list of keyframes"),
        ("[]", "expected a list of keyframes"),
        ("[1]", "keyframe 0: expected"),
        ('[{"time": 0}]', "keyframe 0: expected"),
        ('[{"time": 0, "edits": {}, "eased": 1}]', "keyframe 0: expected"),
        ('[{"time": -1, "edits": {}}]', "seconds of at least 0, got -1"),
        ('[{"time": "1", "edits": {}}]', "seconds of at least 0, got '1'"),
        ('[{"time": NaN, "edits": {}}]', "seconds of at least 0, got nan"),
        ('[{"time": 0, "edits": {"yaw": 1}}, {"time": 1, "edits": {"yaww": 1}}]', "keyframe 1: .*did you mean yaw"),
        ('[{"time": 0, "edits": [1]}]', "expected an object or text"),
        ('[{"time": 0, "edits": {}, "ease": "bounce"}]', "one of linear, smooth"),
        ('[{"time": 0, "edits": {"yaw": 1}}, {"time": 0, "edits": {"yaw": 2}}]', "yaw is set twice at 0 s"),
        ("[" * 100000, "cannot be read"),
    ],
)
def test_a_wrong_keyframe_file_is_refused_in_one_sentence(tmp_path, still, content, says):
    path = tmp_path / "keys.json"
    path.write_text(content)
    with pytest.raises(BadInput, match=says) as caught:
        apply_edit(still, str(path))
    assert "\n" not in str(caught.value)
    with pytest.raises(BadInput, match="absent.json does not exist"):
        apply_edit(still, str(tmp_path / "absent.json"))


# -- the demo clip -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fps", [12, 24, 25, 29.97, 30, 60])
def test_the_demo_starts_and_ends_at_rest_and_stays_in_bounds(head, fps):
    motion = demo_motion(head, fps)
    assert len(motion) == round(5 * fps) and motion.fps == fps
    for name in CHANNELS:
        assert not getattr(motion, name)[[0, -1]].any(), name
    assert not motion.rotation.any() and not motion.translation.any() and not motion.shape.any()
    assert math.degrees(motion.neck[:, 1].max()) == pytest.approx(18, abs=0.8)
    assert math.degrees(motion.neck[:, 1].min()) == pytest.approx(-16, abs=0.8)
    assert 0.3 < motion.jaw[:, 0].max() / math.radians(25) < 0.5 and motion.jaw.min() >= 0
    assert motion.expression.abs().max() <= 1


@pytest.mark.parametrize("fps", [24, 25, 30, 60])
def test_the_demo_blinks_fully_and_briefly(fps):
    lids = demo_motion(fps=fps).eyelids
    assert torch.equal(lids[:, 0], lids[:, 1])
    shut = (lids[:, 0] > 0.02).int()
    starts, ends = (shut.diff() == 1).nonzero()[:, 0], (shut.diff() == -1).nonzero()[:, 0]
    assert len(starts) == len(ends) == 5
    assert all(lids[a : b + 1].max() == 1 for a, b in zip(starts, ends, strict=True))
    assert ((ends - starts) / fps <= 0.17).all()


def test_the_demo_moves_as_people_do():
    """Head under 100 deg/s (people turn at 60 to 150), no jump in speed, eyes faster and ahead of the head."""
    motion = demo_motion(fps=100)
    speed = torch.rad2deg(angle_between(motion.neck[:-1], motion.neck[1:])) * 100
    assert speed.max() < 100 and speed.diff().abs().max() < 12
    onset = (motion.neck[:, 1].abs() > 0.01).nonzero()[0]
    assert (motion.eyes[:, 0, 1].abs() > 0.01).nonzero()[0] < onset
    moving = [(getattr(motion, name).flatten(1).diff(dim=0).norm(dim=1) > 1e-5) for name in ("neck", "jaw", "eyes")]
    assert (moving[0] & moving[1]).any() and (moving[0] & moving[2]).any()  # they overlap


def test_the_demo_smiles_on_both_sides(head):
    motion = demo_motion(head)
    left, right = (motion.expression[:, head.expression_names.index(f"mouthSmile{side}")] for side in ("Left", "Right"))
    assert left.max() == pytest.approx(0.75, abs=0.02) and torch.equal(left, right)
    assert set(BLENDS) == {"smile"}
