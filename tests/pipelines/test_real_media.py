"""Real clips and portraits, where they lie beside the repository: whole output, sound in sync, bounded memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from flamecast.flame_motion import VideoClip, Waveform
from flamecast.flame_motion.media.photos import load_photo
from flamecast.flame_motion.media.video_writer import VideoWriter
from flamecast.pipelines import AnimatePipeline

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
CLIPS = sorted((DATA / "clips").glob("*.mp4"))
PORTRAITS = sorted((DATA / "portraits").glob("*"))
pytestmark = pytest.mark.skipif(not CLIPS, reason="no real media: ../shared/data is not here")


def _has_sound(path: Path) -> bool:
    with av.open(str(path)) as container:
        return bool(container.streams.audio)


def _sound(path: Path) -> np.ndarray:  # [N] at 48 kHz, from the first picture on
    wave = VideoClip.open(path).audio
    assert wave is not None
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=48_000)
    frame = av.AudioFrame.from_ndarray(wave.samples[None], format="fltp", layout="mono")
    frame.sample_rate = wave.sample_rate
    return np.concatenate([out.to_ndarray()[0] for out in [*resampler.resample(frame), *resampler.resample(None)]])


def _lag(a: np.ndarray, b: np.ndarray) -> float:
    """By how many seconds `b` comes after `a`, from the peak of their cross-correlation."""
    size = 1 << int(np.ceil(np.log2(len(a) + len(b))))
    product = np.fft.irfft(np.fft.rfft(b, size) * np.conj(np.fft.rfft(a, size)))
    place = int(np.argmax(product))
    return (place if place < size // 2 else place - size) / 48_000


@pytest.mark.parametrize("path", [clip for clip in CLIPS if _has_sound(clip)], ids=lambda path: path.stem)
def test_the_sound_of_a_real_clip_stays_in_sync(path, tmp_path):
    clip = VideoClip.open(path)
    with VideoWriter(tmp_path / "out.mp4", clip.fps, sound=path) as writer:
        for _ in range(clip.frame_count):
            writer.write(np.zeros((16, 16, 3), np.uint8))
    before, after = _sound(path), _sound(tmp_path / "out.mp4")
    assert abs(_lag(before, after)) < 0.005
    assert abs(len(after) - min(len(before), clip.frame_count / clip.fps * 48_000)) < 2 * 1024
    assert VideoClip.open(tmp_path / "out.mp4").frame_count == clip.frame_count


@pytest.mark.parametrize("path", PORTRAITS, ids=lambda path: path.stem)
def test_every_portrait_loads(path):
    image, alpha = load_photo(path)
    assert image.dtype == np.uint8 and image.shape[2] == 3 and min(image.shape[:2]) >= 64
    assert alpha is None or alpha.shape == image.shape[:2]


@pytest.mark.slow
@pytest.mark.parametrize("path", CLIPS, ids=lambda path: path.stem)
def test_every_clip_drives_the_demo_portrait_to_its_last_frame(path, tmp_path):
    AnimatePipeline()("demo", video=path, size=128, seconds=2.0, output=tmp_path / "out.mp4")
    clip = VideoClip.open(path)
    assert VideoClip.open(tmp_path / "out.mp4").frame_count == min(round(2.0 * clip.fps), clip.frame_count)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length_of_the_clip(tmp_path):
    source = VideoClip.open(CLIPS[0])
    frames = [frame for frame, _ in zip(source, range(50), strict=False)]
    sound = Waveform(np.zeros(60 * 48_000, np.float32), 48_000)
    peak = {}
    for seconds in (10, 60):
        driver = tmp_path / f"{seconds}.mp4"
        with VideoWriter(driver, 25, sound=sound) as writer:
            for index in range(seconds * 25):
                place = index % (2 * len(frames) - 2)
                writer.write(frames[min(place, 2 * len(frames) - 2 - place)])
        peak[seconds] = _peak_memory(["animate", "demo", "--video", str(driver), "--size", "256"], tmp_path)
    assert peak[60] < 1.1 * peak[10], peak


def _peak_memory(arguments: list[str], folder: Path) -> int:
    """Largest resident size in KiB of a `flamecast` process."""
    code = (
        "import resource, sys\nfrom flamecast.pipelines.cli import main\n"
        "try: main()\nexcept SystemExit as end: assert not end.code, end.code\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    command = [sys.executable, "-c", code, *arguments, "-o", str(folder / "out.mp4")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1])
