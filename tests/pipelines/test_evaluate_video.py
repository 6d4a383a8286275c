"""A video beside the truth: exact answers for made up pictures, points and sounds, and the right order on real ones."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from flamecast.flame_motion import BadInput, FlameSequence, VideoClip, Waveform, load_head
from flamecast.flame_motion.edit import apply_edit
from flamecast.flame_motion.media.video_writer import VideoWriter
from flamecast.flame_motion.tracking.detector import MediaPipeDetector
from flamecast.pipelines import AnimatePipeline, cli
from flamecast.pipelines.evaluate.faces import FaceReader, angle, landmark_distances, pose_distances, track_face
from flamecast.pipelines.evaluate.lips import lip_dynamics, opening, pearson, silent_frames, speed
from flamecast.pipelines.evaluate.measures import HIGHER, MEASURES, lines_of, plain, text_table
from flamecast.pipelines.evaluate.page import curves, runs
from flamecast.pipelines.evaluate.pairs import ClipPair
from flamecast.pipelines.evaluate.pictures import boxes, change_error, edges, psnr, unrest
from flamecast.pipelines.evaluate.text_metrics import frechet_distance
from flamecast.pipelines.evaluate.video import evaluate_video, measure_video

ROOT = Path(__file__).parents[2]
FPS, FRAMES, LATE = 25.0, 16, 2


def write(path, frames, fps=FPS):
    """A video file of frames."""
    with VideoWriter(path, fps) as writer:
        for frame in frames:
            writer.write(np.ascontiguousarray(frame))
    return path


# -- exact answers -----------------------------------------------------------------------------------------------------


def test_pictures_are_measured_exactly():
    assert psnr(0.0) == math.inf and psnr(255.0**2) == 0 and psnr(1.0) == pytest.approx(48.1308, abs=1e-4)
    noise = np.random.default_rng(0).integers(0, 120, (32, 32, 3)).astype(np.uint8)
    assert edges(2 * noise) == pytest.approx(4 * edges(noise), rel=0.02)  # rounded to whole greys
    assert edges(cv2.GaussianBlur(noise, (0, 0), 2)) < 0.01 * edges(noise)
    ramp = np.arange(5.0).reshape(5, 1, 1, 1) * np.ones((5, 4, 4, 3))
    assert unrest(ramp) == 0 and unrest(ramp % 2) == 2
    assert change_error(ramp + 7, ramp) == 0 and change_error(3 * ramp, ramp) == 2


def test_lips_are_measured_exactly():
    points = np.full((4, 478, 3), 0.0)
    points[:, 33, 0], points[:, 263, 0] = -50, 50
    points[:, 14, 1] = [0, 10, 20, np.nan]
    assert opening(points)[:3].tolist() == [0, 0.1, 0.2] and np.isnan(opening(points)[3])
    time = np.arange(100) / FPS
    real = 0.1 + 0.05 * np.sin(2 * np.pi * 1.5 * time) + 0.02 * np.sin(2 * np.pi * 0.4 * time)
    assert lip_dynamics(real, real, FPS) == {"correlation": 1.0, "gain": 1.0, "lag": 0.0}
    wide = lip_dynamics(0.3 + 2 * real, real, FPS)
    assert wide["correlation"] == pytest.approx(1) and wide["gain"] == pytest.approx(2) and wide["lag"] == 0
    late = lip_dynamics(np.r_[real[:3], real[:-3]], real, FPS)
    assert late["lag"] == pytest.approx(120) and late["correlation"] < 0.7
    early = lip_dynamics(np.r_[real[3:], real[-3:]], real, FPS)
    assert early["lag"] == pytest.approx(-120)
    gaps = np.where(np.arange(100) % 7 == 0, np.nan, real)
    assert lip_dynamics(gaps, real, FPS)["correlation"] == pytest.approx(1)
    assert np.isnan(lip_dynamics(real, np.full(100, 0.2), FPS)["correlation"])  # a still mouth
    assert pearson(real, np.full(100, 0.2)) == 0


def test_lips_in_silence_are_those_of_the_pauses():
    rate = 16000
    hum = 0.5 * np.sin(np.arange(rate) * 0.3)
    sound = Waveform(np.concatenate([hum, 0.01 * hum, hum]).astype(np.float32), rate)
    quiet = silent_frames(sound, 75, FPS)
    assert runs(quiet) == [(27, 48)]  # the second second, less 0.1 s (2 frames) on each side
    moving = np.where(np.arange(75) % 2 == 0, 0.0, 0.01)
    assert speed(moving, FPS, quiet) == pytest.approx(25)  # 1 % a frame
    assert speed(np.where(quiet, 0.0, moving), FPS, quiet) == 0
    assert not silent_frames(None, 75, FPS).any() and np.isnan(speed(moving, FPS, np.zeros(75, bool)))
    assert not silent_frames(Waveform(np.zeros(rate, np.float32), rate), 25, FPS).any()  # no speech, no pause of it


def test_faces_are_measured_exactly():
    truth = np.random.default_rng(0).uniform(0, 200, (3, 478, 3))
    truth[:, 33], truth[:, 263] = [40, 80, 0], [140, 80, 0]
    assert landmark_distances(truth, truth).tolist() == [0, 0, 0]
    assert landmark_distances(truth + [3, 4, 100], truth) == pytest.approx([5, 5, 5])
    still = FlameSequence.neutral(3, FPS, load_head())
    turn = torch.deg2rad(torch.tensor([[0.0, 10.0, 0.0]] * 3))
    for moved in (replace(still, neck=turn), replace(still, rotation=turn)):
        assert pose_distances(moved, still)["pose"].numpy() == pytest.approx(10, abs=1e-3)
    both = replace(still, rotation=-turn, neck=turn)
    assert pose_distances(both, still)["pose"].numpy() == pytest.approx(0, abs=1e-3)  # the head looks ahead
    looking = replace(still, eyes=torch.stack([turn, 0 * turn], 1))
    assert pose_distances(looking, still)["gaze"].numpy() == pytest.approx(5, abs=1e-3)  # one eye by 10 degrees
    half_turn = torch.diag(torch.tensor([-1.0, 1.0, -1.0]))
    assert float(angle(half_turn, torch.eye(3))) == pytest.approx(180) and float(angle(half_turn, half_turn)) == 0


def test_regions_lie_inside_the_picture():
    points = np.zeros((478, 3))
    points[:, 0], points[:, 1] = np.linspace(-40, 30, 478), np.linspace(0, 90, 478)
    for rows, columns in boxes(points, 64, 48).values():
        assert 0 <= rows.start <= rows.stop - 8 <= 56 and 0 <= columns.start <= columns.stop - 8 <= 40


def test_few_features_have_a_distance_too():
    few = np.random.default_rng(0).standard_normal((6, 20))
    assert frechet_distance(few, few) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(few, few + 1) == pytest.approx(20, rel=1e-6)


def test_the_best_of_a_table_is_by_its_direction():
    rows = {"a": {"x": {"psnr": 30.0, "pose": 2.0, "gain": 0.7}}, "b": {"x": {"psnr": 20.0, "pose": 1.0, "gain": 1.4}}}
    assert {line.measure: line.best for line in lines_of(rows)} == {"psnr": "a", "pose": "b", "gain": "a"}
    assert MEASURES["psnr"].direction == HIGHER and MEASURES["gain"].direction == "1 is best"
    assert lines_of({"a": rows["a"], "b": rows["a"], "c": rows["b"]})[0].best is None  # as good as each other
    one = {"a": {"x": {"psnr": math.inf, "pose": math.nan}}}
    assert [line.best for line in lines_of(one)] == [None, None]
    assert lines_of(plain(one))[0].values == {"a": math.inf}  # what JSON holds is read back
    table = text_table(rows).splitlines()
    assert len(table) == 4 and re.search(r"x +pose +2.000 +1.000\* +degrees +lower is better", table[2])
    assert json.loads(json.dumps(plain(one), allow_nan=False)) == {"a": {"x": {"psnr": "inf", "pose": None}}}


def test_curves_have_gaps_where_nothing_is_known():
    drawn = curves({"truth": np.array([0, 1, np.nan, 1, 0.5])}, FPS, np.array([0, 1, 1, 0, 0], bool))
    assert drawn.count("<polyline") == 2 and drawn.count("<rect") == 1


# -- which frame goes with which ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bars(tmp_path_factory):
    """The same second at two rates and sizes: frame k is as bright as it is late."""
    folder = tmp_path_factory.mktemp("bars")
    for name, fps, size in (("slow", 10.0, 64), ("fast", 30.0, 32), ("wide", 10.0, 64)):
        width = 96 if name == "wide" else size
        write(
            folder / f"{name}.mp4",
            [np.full((size, width, 3), 8 * (30 * k // fps), np.uint8) for k in range(int(fps))],
            fps,
        )
    return folder


def test_frames_are_matched_by_time(bars):
    pair = ClipPair.open(bars / "fast.mp4", bars / "slow.mp4")
    index = pair.matched(30, 10)
    assert index.tolist() == list(range(1, 30, 3))  # what shows midway through each frame of the truth
    assert "32x32 px: scaled" in pair.notes[0] and "30 frames a second and the truth 10" in pair.notes[1]
    (triple,) = pair.triples(index, np.array([4]))
    assert triple.index == 4 and [one.shape for one in triple.made + triple.real] == [(64, 64, 3)] * 6
    for made, real in zip(triple.made, triple.real):
        assert made.mean() == pytest.approx(real.mean() + 8, abs=3)  # a third of a frame of the truth later
    assert pair.to_truth(np.array([8.0, 16.0, 4.0])).tolist() == [16, 32, 8]
    slower = ClipPair.open(bars / "slow.mp4", bars / "fast.mp4").matched(10, 30)
    assert slower.tolist() == sorted(3 * list(range(10)))


def test_the_shorter_of_two_is_compared(bars, tmp_path):
    write(tmp_path / "short.mp4", [np.zeros((64, 64, 3), np.uint8)] * 6, 10.0)
    pair = ClipPair.open(tmp_path / "short.mp4", bars / "slow.mp4")
    assert pair.notes == ["the video lasts 0.60 s and the truth 1.00 s: the first 0.60 s are compared"]
    assert sum(1 for _ in pair.truth) == 6 and pair.matched(6, 6).tolist() == list(range(6))
    with pytest.raises(BadInput, match="at least 3 frames, got 2"):
        pair.matched(2, 6)


def test_other_pictures_are_refused(bars):
    with pytest.raises(
        BadInput, match=r"wide.mp4 is 96x64 px and the truth .*slow.mp4 64x64: expected pictures of one"
    ):
        ClipPair.open(bars / "wide.mp4", bars / "slow.mp4")
    with pytest.raises(BadInput, match="no face is found in any of the 10 frames of the truth"):
        evaluate_video(bars / "fast.mp4", bars / "slow.mp4")
    with pytest.raises(BadInput, match="must end in .html"):
        evaluate_video(bars / "fast.mp4", bars / "slow.mp4", page="page")


# -- a face that speaks ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def speaking(tmp_path_factory):
    """A face whose mouth opens and shuts, and its frames [T, H, W, 3]."""
    still = FlameSequence.neutral(FRAMES, FPS, load_head())
    wide = apply_edit(still, {"jawOpen": "0.6"}, load_head())
    share = torch.sin(torch.arange(FRAMES) * 0.9)[:, None].square() * torch.linspace(0.4, 1, FRAMES)[:, None]
    motion = replace(still, jaw=share * wide.jaw, expression=share * wide.expression)
    frames = AnimatePipeline()("demo", motion=motion, size=256).frames[:, 0]
    return write(tmp_path_factory.mktemp("speaking") / "truth.mp4", frames), frames


@pytest.fixture(scope="module")
def measured(speaking):
    """How a video of frames measures beside the truth."""
    detector, faces, (path, _) = MediaPipeDetector(), FaceReader(), speaking
    return lambda video: measure_video(video, path, 3, detector, faces)


def test_a_video_is_itself(speaking, tmp_path):
    path, _ = speaking
    found = evaluate_video(path, path, pictures=3, page=tmp_path / "page.html")
    row = found["rows"]["video"]
    for region in ("picture", "head", "mouth"):
        assert row[region] == {
            "psnr": "inf", "ssim": 1, "perceptual": 0, "sharpness": 1, "flicker": 0, "unrest": 1
        }  # fmt: skip
    assert row["face"].items() >= {"landmarks": 0, "pose": 0, "gaze": 0, "expression": 0, "lost": 0}.items()
    assert row["face"]["identity"] in (None, pytest.approx(1))
    assert row["lips"]["correlation"] == pytest.approx(1) and row["lips"]["gain"] == pytest.approx(1)
    assert row["lips"]["lag"] == 0 and row["lips"]["silence"] is None
    assert found["notes"] == ["neither video has a sound: what lips do in silence is not known"]
    documented = (ROOT / "docs" / "evaluation.md").read_text().split("| figure |")[1].split("\n\n")[0]
    named = [
        name for cell in re.findall(r"^\| (`.*?) \|", documented, re.MULTILINE) for name in re.findall("`(.+?)`", cell)
    ]
    assert set(named) == set(found["measures"]) == {name for section in row.values() for name in section}
    page = (tmp_path / "page.html").read_text()
    assert page.count("data:image/jpeg;base64,") >= 4 and "<polyline" in page and "://" not in page


def test_a_blurred_video_is_worse(speaking, measured, tmp_path):
    blurred = [cv2.GaussianBlur(frame, (0, 0), 1.5) for frame in speaking[1]]
    row = measured(write(tmp_path / "blurred.mp4", blurred)).row
    for region in ("picture", "head", "mouth"):
        assert row[region]["sharpness"] < 0.5 and row[region]["ssim"] < 0.95 and row[region]["perceptual"] > 0.05
        assert 15 < row[region]["psnr"] < 40
    assert row["face"]["landmarks"] > 0


def test_lips_that_are_late_are_found_out(speaking, measured, tmp_path):
    frames = speaking[1]
    late = measured(write(tmp_path / "late.mp4", [*frames[:1].repeat(LATE, 0), *frames[:-LATE]])).row
    assert late["lips"]["correlation"] < 0.5 and late["lips"]["lag"] == pytest.approx(1000 * LATE / FPS)
    assert late["picture"]["flicker"] > 0.1 and late["face"]["landmarks"] > 0.3


def test_a_video_moved_aside_is_off_by_as_much(speaking, measured, tmp_path):
    frames, aside = speaking[1], 8
    moved = [cv2.warpAffine(f, np.float32([[1, 0, aside], [0, 1, 0]]), f.shape[1::-1], borderMode=1) for f in frames]
    row = measured(write(tmp_path / "moved.mp4", moved)).row
    points = track_face(VideoClip.open(speaking[0]), MediaPipeDetector()).points
    eyes = np.linalg.norm(points[:, 33, :2] - points[:, 263, :2], axis=1).mean()
    assert row["face"]["landmarks"] == pytest.approx(100 * aside / eyes, rel=0.1)
    # How wide a drawn mouth is open the detector sees by up to a fifth otherwise where it crops the face otherwise.
    assert row["lips"]["correlation"] > 0.9 and abs(row["lips"]["gain"] - 1) < 0.25 and row["face"]["pose"] < 2


def test_a_video_without_a_face_is_measured_all_the_same(speaking, measured, tmp_path):
    found = measured(write(tmp_path / "grey.mp4", [np.full((256, 256, 3), 128, np.uint8)] * FRAMES))
    assert found.row["face"]["lost"] == 100 and np.isnan(found.row["face"]["landmarks"])
    assert np.isfinite(found.row["picture"]["psnr"]) and np.isnan(found.row["lips"]["correlation"])
    assert found.notes[0] == "no face is found in the video: what faces and lips do is not known"


def test_the_command_prints_a_table_or_json(speaking, capsys):
    path = str(speaking[0])
    arguments = ["evaluate", "video", path, "--truth", path, "--pictures", "1"]
    cli.app(arguments, standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    assert re.match(r"picture +psnr +identical +dB +higher is better", lines[1])
    cli.app([*arguments, "--json"], standalone_mode=False)
    found = json.loads(capsys.readouterr().out)
    assert found["frames"] == FRAMES and found["rows"]["video"]["head"]["ssim"] == 1
    assert found["measures"]["pose"] == "angle between the heads' rotations; degrees; lower is better"
