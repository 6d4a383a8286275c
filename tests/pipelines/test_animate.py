"""The whole path on real pictures: the portrait of scikit-image, driven by the demo motion and by a film of itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
import torch
from skimage.data import astronaut

from flamecast.drivers import load_driver
from flamecast.flame_motion import BadInput, FlameSequence, TextPrompt, load_head
from flamecast.flame_motion.edit import demo_motion
from flamecast.flame_motion.media.video_writer import GENERATED_MARK, VideoWriter
from flamecast.flame_motion.retargeting.lids import WIDE
from flamecast.flame_motion.retargeting.retarget import retarget
from flamecast.generator import Portrait
from flamecast.pipelines import AnimatePipeline
from flamecast.pipelines.fit import open_portrait, write_fit
from flamecast.pipelines.motion import write_motion
from flamecast.pipelines.opening import open_signal
from flamecast.pipelines.render import write_render
from flamecast.pipelines.request import Clip, Drive, Transfer
from flamecast.pipelines.stages import drive_signal, transferred

FRAMES, FPS, GAP = 24, 30000 / 1001, range(8, 12)


@pytest.fixture(scope="module")
def driver(tmp_path_factory) -> Path:
    """A film of the portrait sliding by, with sound; the face is gone for the frames of GAP."""
    path = tmp_path_factory.mktemp("driver") / "driver.mp4"
    samples = (0.3 * np.sin(np.arange(48_000) * 0.05)).astype(np.float32)
    with VideoWriter(path, FPS, sound=SimpleNamespace(samples=samples, sample_rate=48_000)) as writer:
        for frame in range(FRAMES):
            picture = np.ascontiguousarray(astronaut()[:320, 60 + 2 * frame : 380 + 2 * frame])
            writer.write(np.full_like(picture, 90) if frame in GAP else picture)
    return path


@pytest.fixture(scope="module")
def portrait() -> Portrait:
    return open_portrait("demo")[0]


def read(path: Path) -> SimpleNamespace:
    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
        sound = bool(container.streams.audio)
        mark = container.metadata.get("comment")
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return SimpleNamespace(frames=frames, fps=rate, sound=sound, mark=mark)


def test_a_video_drives_frame_for_frame_with_its_sound(driver, portrait, tmp_path):
    done = AnimatePipeline()(portrait, video=driver, output=tmp_path / "out.mp4", size=128)
    assert [file.name for file in done.files] == ["out.mp4", "out.json"]
    assert sorted(os.listdir(tmp_path)) == ["out.json", "out.mp4"]
    out = read(tmp_path / "out.mp4")
    assert len(out.frames) == FRAMES and out.frames[0].shape == (128, 128, 3)
    assert float(out.fps) == FPS and out.sound and out.mark == GENERATED_MARK
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["frames"] == FRAMES and report["driver"]["frames_without_face"] == len(GAP)
    assert report["frame_problems"] == [{"frames": [GAP[0], GAP[-1]], "problem": "no face in the driver: interpolated"}]
    assert {"fit", "motion", "generate", "encode"} <= set(report["timings"])


def test_progress_tells_every_frame(driver, portrait):
    seen: dict[str, list[int]] = {}
    done = AnimatePipeline()(
        portrait, video=driver, size=64, progress=lambda stage, done, of: seen.setdefault(stage, []).append(done)
    )
    assert seen["generate"] == list(range(1, FRAMES + 1)) and len(seen) >= 2
    assert done.frames is not None and done.frames.shape == (FRAMES, 1, 64, 64, 3) and done.files == []


@pytest.mark.parametrize("seconds, fps", [(0.5, None), (None, 12.0), (0.5, 50.0)])
def test_length_and_rate(driver, portrait, tmp_path, seconds, fps):
    AnimatePipeline()(portrait, video=driver, output=tmp_path / "a.mp4", size=64, seconds=seconds, fps=fps)
    frames = FRAMES if seconds is None else round(seconds * FPS)
    expected = frames if fps is None else round(frames / FPS * fps)
    out = read(tmp_path / "a.mp4")
    assert len(out.frames) == expected and float(out.fps) == (fps or FPS)


def test_more_seconds_than_the_driver_has_is_said(driver, portrait):
    done = AnimatePipeline()(portrait, video=driver, size=64, seconds=60.0)
    assert len(done.frames) == FRAMES and any("60 s" in problem for problem in done.problems)


def test_the_untouched_photo_comes_back_where_nothing_moves(portrait):
    still = FlameSequence.neutral(frames=2, fps=25, head=portrait.pose.head)
    done = AnimatePipeline()(portrait, motion=still, size=512)
    difference = np.abs(done.frames[:, 0].astype(int) - astronaut()).max(axis=(0, 3))
    assert np.median(difference) == 0


def test_the_demo_moves_and_is_the_same_every_time(portrait):
    first = AnimatePipeline()(portrait, motion="demo", size=96, seconds=1.0).frames
    again = AnimatePipeline()(portrait, motion="demo", size=96, seconds=1.0).frames
    assert np.array_equal(first, again)
    assert np.abs(first[-1].astype(int) - first[0]).mean() > 0.5


def test_views_make_one_video_each(portrait, tmp_path):
    options = {"motion": "demo", "views": "-20,0,20", "seconds": 0.2, "size": 128}
    done = AnimatePipeline()(portrait, **options, output=tmp_path / "a.mp4")
    names = ["a_view-20.mp4", "a_view0.mp4", "a_view20.mp4", "a.json"]
    assert [file.name for file in done.files] == names and sorted(os.listdir(tmp_path)) == sorted(names)
    views = AnimatePipeline()(portrait, **options).frames
    plain = AnimatePipeline()(portrait, **{**options, "views": None}).frames
    assert np.array_equal(views[:, 1:2], plain)
    for view, name in enumerate(names[:3]):
        written = np.stack(read(tmp_path / name).frames).astype(int)
        distances = [np.abs(written - views[:, other]).mean() for other in range(3)]
        assert int(np.argmin(distances)) == view


def test_a_camera_moves_and_the_head_does_not(portrait):
    still = FlameSequence.neutral(frames=8, fps=25, head=portrait.pose.head)
    moved = AnimatePipeline()(portrait, motion=still, camera="orbit:30", size=96).frames
    assert np.abs(moved[2].astype(int) - moved[0]).mean() > 1


def test_framing_shows_the_face_at_the_size_asked_for(portrait):
    photo = AnimatePipeline()(portrait, motion="demo", seconds=0.04, size=128).frames
    face = AnimatePipeline()(portrait, motion="demo", seconds=0.04, size=128, framing="face").frames
    assert photo.shape == face.shape == (1, 1, 128, 128, 3)
    assert np.abs(photo.astype(int) - face).mean() > 10


def test_a_wide_photo_keeps_its_shape_with_even_sides():
    wide = np.ascontiguousarray(astronaut()[:301])
    assert AnimatePipeline()(wide, motion="demo", seconds=0.04, size=256).frames.shape == (1, 1, 150, 256, 3)


def test_edits_are_added(portrait):
    still = FlameSequence.neutral(frames=1, fps=25, head=portrait.pose.head)
    plain = AnimatePipeline()(portrait, motion=still, size=128).frames
    turned = AnimatePipeline()(portrait, motion=still, edit="yaw=15deg", size=128).frames
    assert np.abs(turned.astype(int) - plain).mean() > 1


def test_edits_that_move_frames_in_time_change_the_length_and_drop_the_sound(portrait, driver, tmp_path):
    done = AnimatePipeline()(portrait, motion="demo", edit="speed=5;smile=0.3,only=mouth", size=64)
    assert len(done.frames) == done.report["frames"] == 25 and not done.problems
    done = AnimatePipeline()(portrait, video=driver, edit="speed=2", output=tmp_path / "fast.mp4", size=64)
    assert done.report["frames"] == FRAMES // 2
    assert any("sound cannot follow" in problem for problem in done.problems)
    with av.open(tmp_path / "fast.mp4") as file:
        assert not file.streams.audio and file.streams.video[0].frames == FRAMES // 2


def test_a_motion_is_edited_mixed_and_written(tmp_path):
    demo = demo_motion()
    demo.save(tmp_path / "demo.npz")
    FlameSequence.neutral(50, 25).save(tmp_path / "still.npz")
    done = write_motion(
        tmp_path / "m.npz", motion=tmp_path / "demo.npz", mix=f"head={tmp_path / 'still.npz'}", edit="speed=2; gain=1.2"
    )
    made, report = FlameSequence.load(tmp_path / "m.npz"), json.loads((tmp_path / "m.json").read_text())
    assert len(made) == report["frames"] == 25 and not made.neck.any() and made.expression.any()
    assert report["mix"].startswith("head=") and report["edit"] == "speed=2; gain=1.2"
    assert done.problems == ["mix head: the clip lasts 2.00 s, the driver 5.00 s: the output ends with it"]


def test_a_motion_of_another_head_is_retargeted_and_the_report_says_so(portrait, install_head, tmp_path):
    head = load_head()
    other = replace(
        head, id="other@00000000", expression=head.expression.flip(-1), expression_names=head.expression_names[::-1]
    )
    install_head(other)
    demo = demo_motion()[:3]
    foreign = retarget(demo, other)
    assert foreign.head == other.id
    plain, driven = (AnimatePipeline()(portrait, motion=clip, size=64) for clip in (demo, foreign))
    assert driven.report["driver"]["retargeted_from"] == other.id and "retargeted_from" not in plain.report["driver"]
    assert np.abs(plain.frames.astype(int) - driven.frames).max() <= 2
    foreign.save(tmp_path / "foreign.npz")
    write_motion(tmp_path / "ours.npz", motion=tmp_path / "foreign.npz", head="open")
    ours, report = FlameSequence.load(tmp_path / "ours.npz"), json.loads((tmp_path / "ours.json").read_text())
    assert ours.head == head.id and report["driver"]["retargeted_from"] == other.id
    write_motion(tmp_path / "theirs.npz", motion=tmp_path / "foreign.npz")
    assert FlameSequence.load(tmp_path / "theirs.npz").head == other.id


def test_motion_and_fit_files_take_the_place_of_video_and_photo(driver, portrait, tmp_path):
    done = write_motion(tmp_path / "m.npz", video=driver)
    assert [file.name for file in done.files] == ["m.npz", "m.json"]
    assert len(FlameSequence.load(tmp_path / "m.npz")) == FRAMES
    done = write_fit("demo", tmp_path / "p.npz")
    assert [file.name for file in done.files] == ["p.npz", "p_overlay.png"]
    from_files = AnimatePipeline()(tmp_path / "p.npz", motion=tmp_path / "m.npz", size=96).frames
    assert np.array_equal(from_files, AnimatePipeline()(portrait, video=driver, size=96).frames)


def test_a_truncated_driver_is_animated_as_far_as_it_decodes(driver, portrait, tmp_path):
    whole = driver.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: int(len(whole) * 0.6)])
    done = AnimatePipeline()(portrait, video=tmp_path / "cut.mp4", size=64, output=tmp_path / "a.mp4")
    assert 0 < done.report["frames"] < FRAMES and done.problems
    assert len(read(tmp_path / "a.mp4").frames) == done.report["frames"]


def test_a_failing_generator_leaves_no_file(portrait, tmp_path, monkeypatch):
    def failing(name, **options):
        def generate(portrait, motion, cameras, *, seed, progress):
            yield np.zeros((1, 64, 64, 3), np.uint8)
            raise RuntimeError("broken")

        return generate

    monkeypatch.setattr("flamecast.pipelines.animate.load_generator", failing)
    with pytest.raises(RuntimeError, match="broken"):
        AnimatePipeline()(portrait, motion="demo", size=64, output=tmp_path / "a.mp4")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_run_leaves_nothing(tmp_path, number):
    code = (
        "import sys; from flamecast.pipelines import cli, console\n"
        "from contextlib import contextmanager\n"
        "@contextmanager\n"
        "def watched():\n"
        "    yield lambda stage, done, of: print(stage, done, flush=True)\n"
        "console.watched = watched; cli.main()\n"
    )
    command = [sys.executable, "-c", code, "animate", "demo", "--motion", "demo", "-o", "a.mp4"]
    child = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert child.stdout is not None
    try:
        assert any(line == "generate 12\n" for line in child.stdout)
        child.send_signal(number)
        assert child.wait(timeout=60) != 0
    finally:
        child.kill()
        child.stdout.close()
    deadline = time.monotonic() + 5
    while os.listdir(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert os.listdir(tmp_path) == []


def test_a_report_replaces_no_file_but_a_report(tmp_path):
    (tmp_path / "me.json").write_text('{"name": "mine"}')
    motion = FlameSequence.neutral(frames=1, fps=25)
    writes = [
        lambda: AnimatePipeline()("demo", motion="demo", output=tmp_path / "me.mp4"),
        lambda: write_motion(tmp_path / "me.npz", motion="demo"),
        lambda: write_render(motion, tmp_path / "me.mp4"),
    ]
    for write in writes:
        with pytest.raises(BadInput, match="me.json, which is none of flamecast's"):
            write()
    assert [file.name for file in tmp_path.iterdir()] == ["me.json"]
    (tmp_path / "me.json").unlink()
    for seconds in (0.04, 0.08):  # one's own is replaced
        write_motion(tmp_path / "me.npz", motion="demo", seconds=seconds)
    assert json.loads((tmp_path / "me.json").read_text())["frames"] == 2


def test_the_photo_is_looked_at_before_any_weights_are_loaded(tmp_path, monkeypatch):
    def loaded(*_, **__):
        raise AssertionError("something was loaded before the photo was looked at")

    for name in ("load_generator", "load_driver", "open_signal"):
        monkeypatch.setattr(f"flamecast.pipelines.animate.{name}", loaded)
    (tmp_path / "letter.jpg").write_text("dear reader\n")
    with pytest.raises(BadInput, match="is not a picture: it holds text"):
        AnimatePipeline()(tmp_path / "letter.jpg", text="nods", output=tmp_path / "out.mp4")
    with pytest.raises(BadInput, match="no face was found"):
        AnimatePipeline()(np.full((96, 96, 3), 90, np.uint8), text="nods", output=tmp_path / "out.mp4")
    with pytest.raises(BadInput, match="face 3 was asked for and the photo shows 1"):
        AnimatePipeline()("demo", text="nods", face=3, output=tmp_path / "out.mp4")


def test_an_array_that_is_no_photo_is_refused():
    for wrong in (astronaut().astype(np.float32), astronaut()[..., 0], astronaut()[None]):
        with pytest.raises(BadInput, match=r"photo must be uint8 \[H, W, 3\], got"):
            AnimatePipeline()(wrong, motion="demo")


def test_a_motion_at_a_rate_of_its_own_is_resampled(portrait):
    still = FlameSequence.neutral(frames=500, fps=1000.0, head=portrait.pose.head)
    with pytest.raises(BadInput, match="runs at 1000 frames a second, expected 1 to 240; give"):
        AnimatePipeline()(portrait, motion=still, size=64)
    assert len(AnimatePipeline()(portrait, motion=still, size=64, fps=10).frames) == 5


def test_a_pipeline_is_saved_and_loaded(tmp_path):
    options = {"video": {"focal": "estimate"}}
    pipeline = AnimatePipeline(
        head="open", generator="warp", generator_options={"rasterizer": "numba"}, driver_options=options
    )
    pipeline.save_pretrained(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["driver_video", "generator", "head", "model_index.json"]
    assert AnimatePipeline.from_pretrained(tmp_path) == pipeline
    (tmp_path / "generator" / "config.json").write_text('{"name": "warp", "speed": 9}')
    with pytest.raises(BadInput, match="must hold ..name., .options.., got"):
        AnimatePipeline.from_pretrained(tmp_path)
    (tmp_path / "model_index.json").write_text('{"_class_name": "AnimatePipeline", "head": "head"}')
    with pytest.raises(BadInput, match="must name a AnimatePipeline with a head and a generator"):
        AnimatePipeline.from_pretrained(tmp_path)
    with pytest.raises(BadInput, match="no pipeline"):
        AnimatePipeline.from_pretrained(tmp_path / "none")


def test_an_absolute_driver_of_more_than_64_frames(portrait):
    motion = FlameSequence.neutral(frames=65, fps=25.0, head=portrait.pose.head)
    done = AnimatePipeline()(portrait, motion=motion, size=64, mode="absolute")
    assert len(done.frames) == 65


def test_a_second_call_loads_nothing_again(portrait, monkeypatch):
    pipeline = AnimatePipeline()
    first = pipeline(portrait, motion="demo", size=64, seconds=0.1).frames
    for name in ("load_generator", "load_driver"):
        monkeypatch.setattr(f"flamecast.pipelines.animate.{name}", lambda *a, **k: pytest.fail("loaded again"))
    assert np.array_equal(first, pipeline(portrait, motion="demo", size=64, seconds=0.1).frames)


def test_two_pipelines_in_two_threads_give_what_they_give_alone(portrait):
    jobs = [{"motion": "demo", "size": 96, "seconds": 0.3, "edit": edit} for edit in ("yaw=10deg", "smile=0.7")]
    before = torch.get_num_threads()
    alone = [AnimatePipeline()(portrait, **job).frames for job in jobs]
    with ThreadPoolExecutor(2) as pool:
        together = [future.result().frames for future in [pool.submit(AnimatePipeline(), portrait, **j) for j in jobs]]
    assert all(np.array_equal(a, b) for a, b in zip(alone, together))
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("fps", [24, 25, 29.97, 30, 60])
def test_a_prompt_has_exactly_as_many_frames_as_its_seconds_say(fps):
    signal = open_signal(Drive(text="nods"), Clip(seconds=1.33))
    for seconds in (1.33, 0.9):
        driven = drive_signal(signal, load_driver, Clip(seconds, fps), head="open")
        assert len(driven.motion) == round(seconds * fps)


def test_words_are_counted_from_the_neutral_face_and_not_from_what_they_mostly_ask_for():
    """A turn or a smile that lasts is no rest of a driver: taken away, the head would begin turned the other way."""
    portrait = FlameSequence.neutral(1, 25.0, load_head())
    driven = load_driver("text")(TextPrompt("turns her head to the left", "happy", 3.0), seed=0)
    posed = transferred(portrait, driven, Transfer())
    assert torch.allclose(posed.neck, driven.motion.neck, atol=1e-5)
    wide = [load_head().expression_names.index(name) for name in WIDE]  # what closes eyes is done by lids
    wanted = driven.motion.expression.index_copy(1, torch.tensor(wide), driven.motion.expression[:, wide].clamp_min(0))
    assert torch.allclose(posed.expression, wanted, atol=1e-5)
