"""Video out: exact frame counts, faithful colours, sound in sync, and a file that is whole or absent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from flamecast.core.errors import BadInput
from flamecast.flame_motion.media.video_writer import GENERATED_MARK, VideoWriter, check_target


def _decode(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def _sound(path):  # [C, N]
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)


def _write(path, frames, fps=25.0, **options):
    with VideoWriter(path, fps, **options) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def _waveform(seconds, rate=44_100, click_at=()):
    samples = np.zeros(round(seconds * rate), np.float32)
    for second in (second for second in click_at if second < seconds):
        start = round(second * rate)
        samples[start : start + rate // 50] = np.sin(np.arange(rate // 50) * 2 * np.pi * 1000 / rate) * 0.8
    return SimpleNamespace(samples=samples, sample_rate=rate)


def _psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv", "m4v"])
@pytest.mark.parametrize("count, fps", [(1, 25.0), (61, 30000 / 1001), (17, 12.0)])
def test_every_frame_comes_back(tmp_path, ending, count, fps):
    frames = [np.full((32, 48, 3), 4 * index, np.uint8) for index in range(count)]
    back = _decode(_write(tmp_path / f"a.{ending}", frames, fps))
    assert len(back) == count
    assert max(np.abs(a.astype(int) - b).mean() for a, b in zip(frames, back, strict=True)) < 2.5


@pytest.mark.parametrize("fps", [25.0, 30000 / 1001, 24000 / 1001, 29.97, 12.5, 60.0])
def test_the_frame_rate_is_exact(tmp_path, fps):
    with av.open(str(_write(tmp_path / "a.mp4", [np.zeros((16, 16, 3), np.uint8)] * 5, fps))) as container:
        assert container.streams.video[0].average_rate == Fraction(fps).limit_denominator(1001)


@pytest.mark.parametrize("height, width", [(512, 512), (301, 455)])
def test_pictures_survive_and_odd_sides_are_padded(tmp_path, height, width):
    picture = astronaut()[:height, :width]
    back = _decode(_write(tmp_path / "a.mp4", [picture] * 3))[1]
    assert back.shape == (height + height % 2, width + width % 2, 3)
    assert _psnr(back[:height, :width], picture) > 35


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (128, 64, 200)])
def test_colours_are_the_same_for_readers_that_honour_the_tags_and_that_do_not(tmp_path, colour):
    path = _write(tmp_path / "a.mp4", [np.full((64, 64, 3), colour, np.uint8)] * 2)
    honouring = _decode(path)[1][32, 32]
    ignoring = cv2.VideoCapture(str(path)).read()[1][32, 32, ::-1]
    assert np.abs(honouring.astype(int) - colour).max() <= 3 and np.abs(ignoring.astype(int) - colour).max() <= 3


def test_the_video_says_that_it_is_generated(tmp_path):
    with av.open(str(_write(tmp_path / "a.mp4", [np.zeros((16, 16, 3), np.uint8)]))) as container:
        assert container.metadata["comment"] == GENERATED_MARK


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
@pytest.mark.parametrize("seconds", [1.0, 2.0, 5.0])  # shorter than the picture, as long, longer
def test_sound_is_in_sync_and_never_longer_than_the_picture(tmp_path, rate, seconds):
    frames = [np.zeros((16, 16, 3), np.uint8)] * 50
    path = _write(tmp_path / "a.mp4", frames, 25.0, sound=_waveform(seconds, rate, click_at=(0.5, 1.5)))
    sound = np.abs(_sound(path)[0])
    expected = min(seconds, 2.0) * 48_000
    assert expected <= len(sound) < expected + 2 * 1024  # AAC comes in blocks of 1024
    for second in (0.5, 1.5):
        if second < seconds:
            window = sound[int((second - 0.2) * 48_000) :]
            assert abs(np.argmax(window > 0.2) / 48_000 - 0.2) < 0.005


def test_the_sound_of_a_file_is_streamed_into_the_new_one(tmp_path):
    frames = [np.zeros((16, 16, 3), np.uint8)] * 75
    driver = _write(tmp_path / "driver.mp4", frames, sound=_waveform(3.0, click_at=(1.0,)))
    copy = _write(tmp_path / "copy.mp4", frames[:50], sound=driver)
    assert abs(int(np.argmax(np.abs(_sound(copy)[0]) > 0.2)) / 48_000 - 1.0) < 0.005
    silent = _write(tmp_path / "silent.mp4", frames[:5], sound=_write(tmp_path / "mute.mp4", frames[:5]))
    with av.open(str(silent)) as container:
        assert not container.streams.audio


def test_an_exception_leaves_nothing_and_keeps_what_was_there(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"what was there")
    with pytest.raises(RuntimeError, match="stop"), VideoWriter(path, 25) as writer:
        writer.write(np.zeros((16, 16, 3), np.uint8))
        raise RuntimeError("stop")
    assert path.read_bytes() == b"what was there" and os.listdir(tmp_path) == ["a.mp4"]


def test_no_frame_no_file(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", 25):
        pass
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_process_leaves_nothing(tmp_path, number):
    code = (
        "import sys, numpy as np; from flamecast.flame_motion.media.video_writer import VideoWriter\n"
        "with VideoWriter(sys.argv[1], 25) as writer:\n"
        "    frame = np.random.default_rng(0).integers(0, 255, (256, 256, 3), np.uint8)\n"
        "    for index in range(100_000):\n"
        "        writer.write(frame)\n"
        "        if index == 60: print('encoding', flush=True)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.mp4")]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert child.stdout is not None and child.stdout.readline() == b"encoding\n"
        child.send_signal(number)
        assert child.wait(timeout=30) != 0
    finally:
        child.kill()
        child.stdout.close()
    deadline = time.monotonic() + 5
    while os.listdir(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert os.listdir(tmp_path) == []


def test_outputs_that_cannot_be_written_are_refused_at_once(tmp_path):
    (tmp_path / "file").touch()
    for target, word in [
        (tmp_path, "must end in"),
        (tmp_path / "a.gif", "must end in one of .mp4"),
        (tmp_path / "file" / "a.mp4", "not a folder"),
        ("/proc/a.mp4", "cannot be written"),
    ]:
        with pytest.raises(BadInput, match=word):
            check_target(target)
    check_target(tmp_path / "new" / "folder" / "a.mp4")
    assert sorted(os.listdir(tmp_path)) == ["file"]


def test_frames_of_another_size_or_type_are_refused(tmp_path):
    with pytest.raises(ValueError, match="size of the first"), VideoWriter(tmp_path / "a.mp4", 25) as writer:
        writer.write(np.zeros((16, 16, 3), np.uint8))
        writer.write(np.zeros((16, 18, 3), np.uint8))
    with pytest.raises(ValueError, match="uint8"), VideoWriter(tmp_path / "a.mp4", 25) as writer:
        writer.write(np.zeros((16, 16, 3), np.float32))
