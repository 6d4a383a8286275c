"""ARKit CSV: a clip goes out and comes back the same, and real files' quirks are handled or refused in a sentence."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from flamecast.flame_motion import BadInput, FlameSequence, load_head
from flamecast.flame_motion.edit import demo_motion
from flamecast.flame_motion.edit.controls import JOINTS, apply_controls
from flamecast.flame_motion.formats import from_arkit_csv, load_motion
from flamecast.flame_motion.formats.arkit import (
    ANGLES,
    NAMES,
    SHAPES,
    box_least_squares,
    euler,
    from_arkit,
    to_arkit,
    turned,
)
from flamecast.flame_motion.formats.arkit_csv import read_arkit_csv, write_arkit_csv
from flamecast.flame_motion.heads.head import PARTS

from ..angles import angle_between

HEAD = load_head()
PRINTED = 1e-6  # half a unit of the last decimal, and float32


def named_motion(frames: int = 40, fps: float = 25.0, seed: int = 0) -> FlameSequence:
    """Everything that ARKit has a name for, moving at once; jaw and eyes also beyond ARKit's full."""
    random = torch.Generator().manual_seed(seed)
    still = FlameSequence.neutral(frames, fps, HEAD)
    named = torch.tensor([name in SHAPES for name in HEAD.expression_names])
    angles = 0.7 * torch.rand(frames, 3, generator=random) - 0.35
    jaw = torch.rand(frames, 3, generator=random) * torch.tensor([0.3, 0.6, 0.0]) - torch.tensor([0.15, 0.05, 0.0])
    gaze = 1.4 * torch.rand(frames, 2, 3, generator=random) - 0.7
    return replace(
        still,
        expression=torch.rand(frames, len(named), generator=random) * named,
        neck=turned(angles),
        jaw=turned(jaw),
        eyes=turned(gaze),
        eyelids=torch.rand(frames, 2, generator=random),
    )


def apart(first: FlameSequence, second: FlameSequence) -> float:
    """The largest difference of any coefficient, lid or angle."""
    assert len(first) == len(second) and first.head == second.head
    turns = [angle_between(getattr(first, n), getattr(second, n)).max() for n in ("neck", "jaw", "eyes")]
    plain = [(getattr(first, n) - getattr(second, n)).abs().max() for n in ("expression", "eyelids")]
    return float(max(turns + plain))


# -- round trips -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fps", [25.0, 24.0, 30.0, 60.0, 30000 / 1001, 24000 / 1001, 12.5, 120.0])
@pytest.mark.parametrize("frames", [2, 90])
def test_motion_to_csv_to_motion_is_equal(fps, frames, tmp_path):
    motion = named_motion(frames, fps)
    take = to_arkit(motion, HEAD)
    write_arkit_csv(tmp_path / "take.csv", take)
    back, notes = from_arkit_csv(tmp_path / "take.csv", HEAD)
    assert apart(motion, back) < PRINTED and notes == []
    assert back.fps == pytest.approx(fps, rel=1e-3 if frames == 2 else 1e-6)


def test_csv_to_motion_to_csv_is_equal(tmp_path):
    write_arkit_csv(tmp_path / "take.csv", to_arkit(named_motion(), HEAD))
    first = read_arkit_csv(tmp_path / "take.csv")
    write_arkit_csv(tmp_path / "again.csv", to_arkit(from_arkit(first, HEAD), HEAD))
    again = read_arkit_csv(tmp_path / "again.csv")
    assert first.fps == again.fps and first.values.keys() == again.values.keys()
    # An eye's angle and its eyeLook shapes are rounded apart: at 25 degrees to 1, two units of the last decimal.
    assert max(np.abs(first.values[name] - again.values[name]).max() for name in NAMES) < 4 * PRINTED


def test_the_demo_clip_loses_nothing(tmp_path):
    motion = demo_motion("open")
    write_arkit_csv(tmp_path / "take.csv", to_arkit(motion, HEAD))
    assert apart(load_motion(tmp_path / "take.csv")[0], motion) < PRINTED


def test_names_are_the_controls_of_the_same_name():
    """What the CSV calls jawOpen, eyeLookInLeft … moves the head as the edit of that name does."""
    still = FlameSequence.neutral(1, 25.0, HEAD)
    for name in (*JOINTS, "eyeBlinkLeft", "eyeBlinkRight", "mouthSmileLeft", "tongueOut"):
        motion = apply_controls(still, {name: 0.5}, HEAD)
        values = to_arkit(motion, HEAD).values
        assert values[name][0] == pytest.approx(0.5, abs=1e-6)
        assert [other for other in SHAPES if abs(values[other][0]) > 1e-6] == [name]


def test_convention_of_angles():
    """Yaw to the subject's left, pitch down, roll toward the right shoulder, in rad; yaw @ pitch @ roll."""
    still = FlameSequence.neutral(1, 25.0, HEAD)
    for angle, axis in (("Pitch", 0), ("Yaw", 1), ("Roll", 2)):
        turn = torch.zeros(1, 3)
        turn[0, axis] = 0.3
        values = to_arkit(replace(still, neck=turn), HEAD).values
        assert {name: round(float(values[name][0]), 6) for name in ANGLES if values[name][0]} == {f"head{angle}": 0.3}
    edited = apply_controls(still, {"yaw": 0.5, "pitch": 0.2, "roll": -0.1}, HEAD)
    assert torch.allclose(euler(edited.neck), torch.tensor([[0.5, 0.2, -0.1]]), atol=1e-6)


def test_the_whole_bodys_turn_is_in_the_heads():
    still = FlameSequence.neutral(1, 25.0, HEAD)
    motion = replace(still, rotation=torch.tensor([[0.0, 0.2, 0.0]]), neck=torch.tensor([[0.0, 0.3, 0.0]]))
    assert to_arkit(motion, HEAD).values["headYaw"][0] == pytest.approx(0.5, abs=1e-6)


# -- what ARKit has no name for ----------------------------------------------------------------------------------------


def test_learned_axes_go_into_the_named_ones_that_come_nearest():
    random = torch.Generator().manual_seed(3)
    motion = named_motion(20)
    unnamed = torch.tensor([name not in SHAPES for name in HEAD.expression_names])
    learned = replace(motion, expression=motion.expression + unnamed * torch.randn(20, len(unnamed), generator=random))
    take = to_arkit(learned, HEAD)
    assert any("mm of the face's movement" in note for note in take.notes)
    kept = from_arkit(take, HEAD)
    lips = HEAD.expression[HEAD.faces[HEAD.part == PARTS.index("lips")].unique()].reshape(-1, len(unnamed))
    moved = lambda clip: (clip.expression @ lips.T).double()  # noqa: E731
    lost, dropped = (moved(learned) - moved(kept)).norm(), (moved(learned) - moved(motion)).norm()
    assert lost < 0.7 * dropped
    tongue = HEAD.expression_names.index("tongueOut")
    assert torch.allclose(kept.expression[:, tongue], motion.expression[:, tongue], atol=1e-2)
    shapes = np.stack([take.values[name] for name in HEAD.expression_names if name in SHAPES])
    assert shapes.min() >= 0 and shapes.max() <= 1


def test_box_least_squares_meets_the_conditions_of_the_optimum():
    g = np.random.default_rng(0)
    root = g.normal(size=(30, 8))
    normal, wanted = root.T @ root, g.normal(0, 20, (50, 8))
    x = box_least_squares(normal, wanted, np.full((50, 8), 0.5))
    slope = x @ normal - wanted  # of the objective: 0 inside the box, pointing out of it at its walls
    inside = (x > 0) & (x < 1)
    assert np.abs(slope[inside]).max() < 1e-3
    assert (slope[x == 0] > -1e-9).all() and (slope[x == 1] < 1e-9).all() and (x == 0).any() and (x == 1).any()


def test_what_is_left_out_is_said():
    still = FlameSequence.neutral(2, 25.0, HEAD)
    shifted = to_arkit(replace(still, translation=torch.full((2, 3), 0.01)), HEAD)
    assert any("no place for the head's shift (up to 17 mm)" in note for note in shifted.notes)
    wide = to_arkit(apply_controls(still, {"jawOpen": 1.5}, HEAD), HEAD)
    assert any("outside 0..1" in note and "jawOpen" in note for note in wide.notes)
    assert to_arkit(still, HEAD).notes == []


# -- other programs' files ---------------------------------------------------------------------------------------------


def csv_text(rows: list[str], columns: str = "EyeBlinkLeft,JawOpen,HeadYaw") -> str:
    return "\n".join([f"Timecode,BlendShapeCount,{columns}", *rows]) + "\n"


def read(tmp_path, text: str | bytes, **options):
    data = text if isinstance(text, bytes) else text.encode()
    (tmp_path / "take.csv").write_bytes(data)
    return read_arkit_csv(tmp_path / "take.csv", **options)


ROWS = [f"15:43:32:{k}.310,61,0.1,{k / 100},0.2" for k in range(10, 30)]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\n\n"),
        lambda text: text.replace(",", ";").replace("0.", "0,"),
        lambda text: text.replace(",", "\t"),
        lambda text: text.replace("EyeBlinkLeft", "eyeBlink_L").replace("JawOpen", "jawopen"),
        lambda text: text.replace(",61,", ",51,"),
    ],
    ids=["plain", "BOM", "CRLF", "blank lines", "semicolons", "tabs", "other spelling", "count"],
)
def test_forms_of_the_same_file_read_the_same(change, tmp_path):
    take = read(tmp_path, change(csv_text(ROWS)))
    assert take.fps == 60 and set(take.values) == {"eyeBlinkLeft", "jawOpen", "headYaw"}
    assert np.allclose(take.values["jawOpen"], np.arange(10, 30) / 100)


@pytest.mark.parametrize(
    "codes, fps",
    [
        ([f"01:02:{3 + k // 60:02d}:{k % 60:02d}.{k % 7}00" for k in range(150)], 60),
        ([f"01:02:{3 + k // 60:02d}:{k % 60:02d}" for k in range(50, 150)], 60),
        ([f"01:02:{3 + k // 30:02d}:{k % 30:02d}.000" for k in range(70)], 30),
        ([f"01:02:{3 + k // 24:02d}:{k % 24:02d}" for k in range(70)], 24),
        ([f"01:02:{3 + k // 25:02d};{k % 25:02d}" for k in range(70)], 25),
        ([f"00:00:{k / 50:06.3f}" for k in range(70)], 50),
        ([f"{k / 30:.4f}" for k in range(70)], 30),
        (["23:59:58:00", "23:59:59:00", "00:00:00:00", "00:00:01:00"], 1),
        ([f"00:00:{k * 1.001 // 60:02.0f}:{k * 1.001 % 60:06.3f}" for k in range(300)], 60000 / 1001),
    ],
    ids=["60 with parts", "60", "30", "24", "25 drop-frame", "clock", "seconds", "past midnight at 1 Hz", "59.94"],
)  # fmt: skip
def test_every_form_of_time(codes, fps, tmp_path):
    take = read(tmp_path, csv_text([f"{code},61,0.1,{k / 1000},0.2" for k, code in enumerate(codes)]))
    assert take.fps == fps and len(take.values["jawOpen"]) == len(codes)
    assert np.allclose(take.values["jawOpen"], np.arange(len(codes)) / 1000)


def test_dropped_frames_and_holes_are_interpolated_and_said(tmp_path):
    rows = [f"00:00:{k // 60:02d}:{k % 60:02d}.000,61,0.5,{k / 1000},0.1" for k in range(200)]
    rows[30] = rows[30].rsplit(",", 2)[0] + ",NaN,0.1"
    rows[60] = rows[60].rsplit(",", 2)[0] + ",,0.1"
    rows[90] = rows[90].rsplit(",", 2)[0]
    take = read(tmp_path, csv_text([row for k, row in enumerate(rows) if k % 10 != 7]))
    assert take.fps == 60 and np.allclose(take.values["jawOpen"], np.arange(200) / 1000)
    assert "3 of 180 rows" in take.notes[-2] and "lacks 20 of 200 frames" in take.notes[-1]


def test_a_head_that_turns_past_half_a_circle_is_interpolated_the_short_way(tmp_path):
    angles = [3.1, 3.12, -3.1432, -3.1232]
    rows = [f"00:00:00:{k:02d},61,0,0,{a}" for k, a in zip((0, 1, 3, 4), angles)]
    yaw = read(tmp_path, csv_text(rows)).values["headYaw"]
    assert np.abs(np.diff(yaw)).max() < 0.03


def test_missing_and_extra_columns_are_said_and_the_rest_is_read(tmp_path):
    take = read(tmp_path, csv_text(["00:00:00:00,61,1,0.5,0.1,7"] * 1, "EyeBlinkLeft,JawOpen,HeadYaw,Cheese"))
    assert "no eyeLookDownLeft" in take.notes[0] and "and 44 more" in take.notes[0] and "Cheese" in take.notes[1]
    motion = from_arkit(take, HEAD)
    assert motion.eyelids.tolist() == [[1.0, 0.0]] and len(motion) == 1
    assert float(motion.jaw[0, 0]) == pytest.approx(math.radians(12.5))


def test_gaze_follows_the_shapes_where_the_angles_are_anothers(tmp_path):
    """Programs disagree about units and signs of the eye angles, not about what eyeLookInLeft is."""
    names = "EyeLookInLeft,EyeLookOutRight,LeftEyeYaw,RightEyeYaw"
    both = from_arkit(read(tmp_path, csv_text(["00:00:00:00,61,0.5,0.5,0.9,0.9"], names)), HEAD)
    assert torch.allclose(both.eyes[0, :, 1], torch.full((2,), -math.radians(15)), atol=1e-6)
    alone = from_arkit(read(tmp_path, csv_text(["00:00:00:00,61,0,0.2,0.3"], "JawOpen,LeftEyeYaw,RightEyeYaw")), HEAD)
    assert torch.allclose(alone.eyes[0, :, 1], torch.tensor([0.2, 0.3]), atol=1e-6)


@pytest.mark.parametrize(
    "text, says",
    [
        (b"", "is empty"),
        (b"\n\n", "nothing in it"),
        (csv_text([]), "no row"),
        ("a,b\n1,2\n", "named as ARKit's blend shapes"),
        ("Timecode,HeadYaw\n00:00:00:00,0\n", "named as ARKit's blend shapes"),
        (csv_text(["00:00:00:00,61,x,0,0"]), "row 2, eyeBlinkLeft: expected a number, got 'x'"),
        (csv_text(["yesterday,61,0,0,0"]), "expected a timecode"),
        (csv_text(["00:00:02:00,61,0,0,0", "00:00:01:00,61,0,0,0"]), "row 3 is earlier"),
        (csv_text(["00:00:00:00,61,0,0,0", "09:00:01:00,61,0,0,0"]), "not one take"),
        (csv_text(["00:00:00:00,61,nan,0,0"]), "no row is complete"),
        (csv_text(["00:00:00:00,61,0,87.5,0"]), "up to 87.5, expected 0..1"),
        (csv_text(["00:00:00:00,61,0,0,0"], "JawOpen,jawopen,HeadYaw"), "jawOpen is there twice"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "not text"),
        (b"JawOpen\n0\x00\n", "CSV|number"),
    ],
)
def test_what_is_no_take_is_refused_in_a_sentence(text, says, tmp_path):
    with pytest.raises(BadInput, match=says) as error:
        read(tmp_path, text)
    assert "take.csv" in str(error.value) and "\n" not in str(error.value)


def test_a_head_without_arkits_names_is_refused(tmp_path):
    numbered = replace(
        HEAD, id="numbers@1", expression_names=tuple(f"e_{k}" for k in range(len(HEAD.expression_names)))
    )
    write_arkit_csv(tmp_path / "take.csv", to_arkit(named_motion(2), HEAD))
    with pytest.raises(BadInput, match="take.csv: head numbers@1 has no ARKit"):
        from_arkit_csv(tmp_path / "take.csv", numbered)
    with pytest.raises(BadInput, match="retarget"):
        to_arkit(FlameSequence.neutral(1, 25.0, numbered), numbered)
