"""Motion files of other programs: their rate, their clock, their units, read as they mean them or with a note."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from flamecast.core.npz import save_arrays
from flamecast.flame_motion import BadInput, FlameSequence, load_head
from flamecast.flame_motion import rotations as rot
from flamecast.flame_motion.channels import CHANNELS
from flamecast.flame_motion.formats import load_motion
from flamecast.flame_motion.formats.arkit_csv import read_arkit_csv
from flamecast.flame_motion.formats.trackers import read_cap4d, read_vhap

INPUTS = Path(__file__).resolve().parents[3] / "shared" / "data" / "inputs"
HEAD = load_head()


def given(name: str) -> Path:
    if not (INPUTS / name).exists():
        pytest.skip(f"{name} is not here (../shared/data/inputs)")
    return INPUTS / name


def take(tmp_path, header: str, cells: list[str], angle: float = 0.001):
    rows = [f"{cell},{k / 1000},{angle * k}" for k, cell in enumerate(cells)]
    (tmp_path / "take.csv").write_text("\n".join([f"{header},JawOpen,HeadYaw", *rows]) + "\n")
    return tmp_path / "take.csv"


# -- tracks of FLAME ---------------------------------------------------------------------------------------------------


def track(kind: str, frames: int = 6, **more) -> dict:
    g = np.random.default_rng(0)
    wide = {"cap4d": ("rot", "tra", "eye_rot"), "vhap": ("rotation", "neck_pose", "jaw_pose", "translation")}[kind]
    arrays = {name: g.normal(0, 0.1, (frames, 3)).astype(np.float32) for name in wide}
    arrays |= {"expr": g.normal(0, 0.1, (frames, 10)).astype(np.float32)}
    if kind == "vhap":
        arrays["eyes_pose"] = g.normal(0, 0.1, (frames, 6)).astype(np.float32)
    return {**arrays, **more}


@pytest.mark.parametrize("name", ["cap4d_noshape.npz", "cap4d_fps24.npz"])
def test_a_cap4d_file_runs_at_the_rate_it_says_with_or_without_a_shape(name, flame_head):
    motion, notes = load_motion(given(name), flame_head)
    assert motion.fps == 24 and len(motion) == 60 and notes == [] and not motion.shape.any()
    motion, notes = load_motion(given(name), flame_head, fps=30)
    assert motion.fps == 24 and "says its own rate, 24 Hz" in notes[0]


@pytest.mark.parametrize("kind", ["cap4d", "vhap"])
@pytest.mark.parametrize("key", ["fps", "frame_rate", "FrameRate", "video_fps"])
@pytest.mark.parametrize("rate", [np.array(30), np.array([30.0]), np.full(6, 30, np.float32)])
def test_the_rate_in_a_track(kind, key, rate, tmp_path):
    save_arrays(tmp_path / "t.npz", track(kind, **{key: rate}))
    motion, notes = load_motion(tmp_path / "t.npz", HEAD)
    assert motion.fps == 30 and notes == []


@pytest.mark.parametrize("kind", ["cap4d", "vhap"])
def test_a_track_without_a_rate_takes_the_given_one_or_says_so(kind, tmp_path):
    save_arrays(tmp_path / "t.npz", track(kind))
    motion, notes = load_motion(tmp_path / "t.npz", HEAD)
    assert motion.fps == 25 and "does not say its rate: 25 Hz taken; give --motion-fps" in notes[0]
    motion, notes = load_motion(tmp_path / "t.npz", HEAD, fps=50)
    assert motion.fps == 50 and notes == []


@pytest.mark.parametrize("rate", [np.array(0), np.array([24, 25]), np.array("24"), np.array(np.nan)])
def test_a_rate_that_is_none_is_refused(rate, tmp_path):
    save_arrays(tmp_path / "t.npz", track("vhap", fps=rate))
    with pytest.raises(BadInput, match="t.npz: fps: expected one number"):
        load_motion(tmp_path / "t.npz", HEAD)


@pytest.mark.parametrize("kind", ["cap4d", "vhap"])
def test_a_shape_once_or_a_frame_is_the_same(kind, tmp_path):
    shape = np.random.default_rng(1).normal(size=4).astype(np.float32)
    read = []
    for form in (shape, shape[None], np.repeat(shape[None], 6, 0)):
        save_arrays(tmp_path / "t.npz", track(kind, shape=form))
        read.append(load_motion(tmp_path / "t.npz", HEAD)[0].shape)
    assert np.array_equal(read[0][:4], shape) and not read[0][4:].any()
    assert all(torch.equal(read[0], other) for other in read)
    form[3] += 1
    save_arrays(tmp_path / "t.npz", track(kind, shape=form))
    with pytest.raises(BadInput, match="expected one person"):
        load_motion(tmp_path / "t.npz", HEAD)


def test_a_vhap_folder_says_its_rate_too(tmp_path):
    save_arrays(tmp_path / "00000.npz", track("vhap", 1, fps=np.array(30)))
    motion, notes = load_motion(tmp_path, HEAD)
    assert motion.fps == 30 and len(motion) == 1 and notes == []


def test_our_own_file_keeps_its_rate(tmp_path):
    FlameSequence.neutral(5, 24.0, HEAD).save(tmp_path / "ours.npz")
    motion, notes = load_motion(tmp_path / "ours.npz", fps=30)
    assert motion.fps == 24 and "says its own rate" in notes[0]
    with pytest.raises(BadInput, match="above 0"):
        load_motion(tmp_path / "ours.npz", fps=0)


def vhap_arrays(head, frames=6):
    g = np.random.default_rng(0)
    sizes = {"rotation": 3, "neck_pose": 3, "jaw_pose": 3, "eyes_pose": 6, "translation": 3}
    arrays = {name: g.normal(0, 0.2, (frames, size)).astype(np.float32) for name, size in sizes.items()}
    s, e = head.identity.shape[-1], head.expression.shape[-1]
    arrays |= {
        "shape": g.normal(size=s - 2),
        "expr": g.normal(size=(frames, e + 3)),
        "static_offset": np.zeros((1, 5, 3)),
    }
    arrays["expr"][:, e:] = 0
    return arrays


def test_vhap_track_and_its_exported_folder(tmp_path):
    head = load_head()
    arrays = vhap_arrays(head)
    save_arrays(tmp_path / "tracked_flame_params_30.npz", arrays)
    motion, _ = load_motion(tmp_path / "tracked_flame_params_30.npz", head.id, fps=30)
    assert len(motion) == 6 and motion.fps == 30 and motion.head == head.id
    assert np.array_equal(motion.neck.numpy(), arrays["neck_pose"])
    assert np.array_equal(motion.eyes[:, 1].numpy(), arrays["eyes_pose"][:, 3:])
    assert np.array_equal(motion.shape[:-2].numpy(), arrays["shape"].astype(np.float32)) and not motion.shape[-2:].any()
    folder = tmp_path / "flame_param"
    folder.mkdir()
    for t in range(6):
        frame = {k: v if k in ("shape", "static_offset") else v[t : t + 1] for k, v in arrays.items()}
        save_arrays(folder / f"{t:05d}.npz", frame)
    again, _ = load_motion(folder, head, fps=30)
    assert all(torch.equal(getattr(again, name), getattr(motion, name)) for name in ("shape", *CHANNELS))


def test_cap4d_head_moves_exactly_as_cap4d_moves_it(tmp_path):
    head = load_head()
    g = np.random.default_rng(1)
    frames, e = 5, head.expression.shape[-1]
    arrays = {k: g.normal(0, 0.3, (frames, 3)).astype(np.float32) for k in ("rot", "tra", "eye_rot", "neck_rot")}
    arrays |= {"shape": g.normal(size=3).astype(np.float32), "expr": g.normal(0, 0.3, (frames, e)).astype(np.float32)}
    arrays["expr"][:, -1] = [-0.2, 0, 0.5, 1, 1.4]
    arrays |= {"fx": np.ones((1, 1)), "camera_order": np.array(["cam0"])}
    save_arrays(tmp_path / "fit.npz", arrays)
    motion, _ = load_motion(tmp_path / "fit.npz", head)
    assert torch.equal(motion.eyelids[:, 0], torch.tensor([0, 0, 0.5, 1, 1]))
    # A point that hangs on the neck joint alone goes to R x + tra.
    top = int(head.weights[:, 1].argmax())
    assert head.weights[top, 1] > 0.999
    still = replace(motion, rotation=0 * motion.rotation, neck=0 * motion.neck, translation=0 * motion.translation)
    if head.pose_correctives is None:
        x = head(still)[:, top]
        expected = (rot.matrix_from_axis_angle(torch.from_numpy(arrays["rot"])) @ x[..., None]).squeeze(-1)
        assert torch.allclose(head(motion)[:, top], expected + torch.from_numpy(arrays["tra"]), atol=1e-5)


@pytest.mark.parametrize("read", [read_vhap, read_cap4d])
def test_foreign_files_that_do_not_fit_are_bad_input(tmp_path, read):
    head = load_head()
    arrays = vhap_arrays(head)
    arrays |= {"rot": arrays["rotation"], "tra": arrays["translation"], "eye_rot": arrays["jaw_pose"]}

    def refuse(says, **change):
        save_arrays(tmp_path / "t.npz", {k: v for k, v in {**arrays, **change}.items() if v is not None})
        with pytest.raises(BadInput, match=says):
            FlameSequence(**read(tmp_path / "t.npz", head), fps=25)

    refuse("lacks expr", expr=None)
    refuse("expr uses", expr=np.ones_like(arrays["expr"]))
    refuse("shape uses", shape=np.ones(head.identity.shape[-1] + 1))
    refuse("shape: expected", shape=np.ones((2, 3)))
    refuse("expected numbers", shape=np.array(["a"]))
    refuse("expected .T, 3., got .6, 2.", rotation=np.zeros((6, 2)), rot=np.zeros((6, 2)))
    refuse("finite", translation=np.full((6, 3), np.nan), tra=np.full((6, 3), np.nan))
    refuse("frames|expected", translation=np.zeros((4, 3)), tra=np.zeros((4, 3)))


# -- takes -------------------------------------------------------------------------------------------------------------


def test_rows_without_times_run_at_the_given_rate_or_the_usual_one():
    motion, notes = load_motion(given("notime.csv"))
    assert motion.fps == 30 and len(motion) == 125 and "30 Hz taken; give --motion-fps" in notes[-1]
    motion, notes = load_motion(given("notime.csv"), fps=25)
    assert motion.fps == 25 and len(motion) == 125 and not any("rate" in note for note in notes)


def test_rows_that_share_a_timecode_are_frames_of_their_own():
    """60 rows a second counted at base 30: the very rows of the file, one a frame."""
    shared, plain = read_arkit_csv(given("dup.csv")), read_arkit_csv(given("notime.csv"))
    assert shared.fps == 60 and shared.notes == []
    assert all(np.array_equal(shared.values[name], plain.values[name]) for name in plain.values)


@pytest.mark.parametrize("base, rate", [(30, 60), (30, 50), (25, 50), (24, 60), (24, 30), (25, 60), (24, 48)])
@pytest.mark.parametrize("start", [0, 13])
def test_a_clock_that_ticks_more_slowly_than_rows_come(base, rate, start, tmp_path):
    ticks = [int((k + start) * base / rate + 1e-9) for k in range(4 * rate)]
    path = take(tmp_path, "Timecode", [f"00:00:{tick // base:02d}:{tick % base:02d}" for tick in ticks])
    read = read_arkit_csv(path)
    assert read.fps == rate and np.allclose(read.values["jawOpen"], np.arange(4 * rate) / 1000)


def test_a_hole_in_such_a_clock_is_filled(tmp_path):
    ticks = [k // 2 for k in range(240) if not 100 <= k < 140]
    read = read_arkit_csv(take(tmp_path, "Timecode", [f"00:00:{t // 30:02d}:{t % 30:02d}" for t in ticks]))
    assert read.fps == 60 and abs(len(read.values["jawOpen"]) - 240) <= 1


def test_half_a_second_that_shares_timecodes_is_taken_as_60_a_second(tmp_path):
    codes = [f"00:00:00:{k // 2:02d}" for k in range(50)]
    assert read_arkit_csv(take(tmp_path, "Timecode", codes)).fps == 60


@pytest.mark.parametrize(
    "header, scale",
    [("Time", 1), ("time_s", 1), ("Timestamp", 1), ("Timestamp", 1e3), ("Timestamp (ms)", 1e3), ("FrameTime", 1),
     ("timestamp_us", 1e6), ("timestamp", 1e9), ("Time [s]", 1), ("Time(sec)", 1), ("Seconds", 1)],
)  # fmt: skip
@pytest.mark.parametrize("start", [0.0, 1700000000.0])
def test_columns_of_time_by_other_names(header, scale, start, tmp_path):
    cells = [f"{(start + k / 50) * scale:.3f}" for k in range(100)]
    read = read_arkit_csv(take(tmp_path, header, cells))
    assert read.fps == 50 and np.allclose(read.values["jawOpen"], np.arange(100) / 1000)
    assert not any(header in note for note in read.notes)


def test_times_that_stand_still_say_nothing(tmp_path):
    read = read_arkit_csv(take(tmp_path, "Timecode", ["00:00:00:00"] * 40))
    assert read.fps == 30 and len(read.values["jawOpen"]) == 40 and "no times that differ" in read.notes[-1]


def test_angles_in_degrees_are_recognised():
    degrees, radians = read_arkit_csv(given("deg.csv")), read_arkit_csv(given("notime.csv"))
    assert degrees.fps == 25 and "are degrees" in degrees.notes[-1]
    assert all(np.allclose(degrees.values[name], radians.values[name], atol=1e-5) for name in radians.values)
    motion, _ = load_motion(given("deg.csv"))
    assert float(motion.neck.norm(dim=1).max()) < np.deg2rad(25)


def test_angles_that_radians_can_be_stay(tmp_path):
    read = read_arkit_csv(take(tmp_path, "Time", [str(k / 25) for k in range(32)], angle=0.1))
    assert read.values["headYaw"].max() == pytest.approx(3.1) and not any("degrees" in note for note in read.notes)
