"""Files whose clock stops, drifts, jumps or starts over: pictures and sound stay together, as players show them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from flamecast.drivers.speech.signal import SpeechSignal
from flamecast.flame_motion import VideoClip, Waveform
from flamecast.flame_motion.media.sound import SAMPLE_RATE, Sound
from flamecast.flame_motion.media.sound_clock import on_its_clock
from flamecast.flame_motion.media.timeline import Timeline

INPUTS = Path(__file__).resolve().parents[3] / "shared" / "data" / "inputs"
needs_inputs = pytest.mark.skipif(not INPUTS.is_dir(), reason="no real media: ../shared/data/inputs is not here")
RATE = 48_000  # Hz
BEEPS = (0.5, 1.2, 2.5)  # s: of each sound made here
SLACK = 0.025  # s: how far sound may lie from its place, in the middle of a frame of 25 fps


def beeps(seconds: float = 3.0) -> np.ndarray:  # [N] at RATE
    samples = np.zeros(round(seconds * RATE), np.float32)
    for begin in BEEPS:
        place = slice(round(begin * RATE), round((begin + 0.06) * RATE))
        samples[place] = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(samples[place].size) / RATE)
    return samples


def heard(samples: np.ndarray, rate: int) -> list[float]:
    """When a sound begins to be loud after a tenth of a second of silence, s."""
    loud = np.flatnonzero(np.abs(samples) > 0.1) / rate
    return [float(at) for at in loud[np.diff(loud, prepend=-1.0) > 0.1]]


def shades(frames) -> list[int]:
    """The number of each picture."""
    return [round((float(np.median(frame)) - 16) / 3) for frame in frames]


def written(path, *, picture=lambda t: t, sound=lambda t: t, frames=75, samples=None):
    """A file of 25 fps whose frame k has shade k, with beeps, each packet at the time that the functions make of its.

    None of them leaves the packet out; `sound` None leaves out the track.
    """
    samples = beeps(frames / 25) if samples is None else samples
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv444p"
        video.options = {"crf": "1", "bf": "0", "g": "10"}
        track = None if sound is None else out.add_stream("aac", rate=RATE, layout="mono")

        def mux(packets, stream, moved):
            for packet in packets:
                tick = packet.time_base
                shifted = moved(float(packet.pts * tick))
                if shifted is not None:
                    change = round(shifted / tick) - packet.pts
                    packet.pts, packet.dts = packet.pts + change, packet.dts + change
                    packet.stream = stream
                    out.mux(packet)

        for k in range(frames):
            if track is not None:
                block = av.AudioFrame.from_ndarray(
                    samples[None, k * 1920 : (k + 1) * 1920], format="fltp", layout="mono"
                )
                block.sample_rate, block.pts, block.time_base = RATE, k * 1920, Fraction(1, RATE)
                mux(track.encode(block), track, sound)
            picture_k = np.full((48, 64, 3), 16 + 3 * k, np.uint8)
            mux(video.encode(av.VideoFrame.from_ndarray(picture_k, format="rgb24")), video, picture)
        mux(video.encode(), video, picture)
        if track is not None:
            mux(track.encode(), track, sound)
    return path


def every_reader(path) -> list[list[float]]:
    """When beeps are heard, by each way in which a file's sound is read."""
    streamed = Sound.of(path).take(20 * SAMPLE_RATE)[0]
    waves = (VideoClip.open(path).audio, Waveform.open(path), SpeechSignal.open(path).sound)
    return [heard(streamed, SAMPLE_RATE), *[heard(wave.samples, wave.sample_rate) for wave in waves]]


# -- the sound's own clock ---------------------------------------------------------------------------------------------


def frames_at(samples: np.ndarray, stamp, size=1024):
    """Decoded frames of a sound whose k-th comes at stamp(its place in the sound, s)."""
    for begin in range(0, len(samples), size):
        frame = av.AudioFrame.from_ndarray(samples[None, begin : begin + size], format="fltp", layout="mono")
        frame.sample_rate, frame.time_base = RATE, Fraction(1, 1_000_000)
        frame.pts = round(stamp(begin / RATE) * 1e6)
        yield frame


def laid(samples, stamp) -> np.ndarray:
    return np.concatenate([frame.to_ndarray() for frame in on_its_clock(frames_at(samples, stamp))], axis=1)[0]


@pytest.mark.parametrize("drift", [-0.1, -0.01, -0.001, 0.001, 0.01, 0.1])
def test_drift_is_followed(drift):
    samples = np.tile(beeps(), 4)
    wanted = [(begin + 3 * k) * (1 + drift) for k in range(4) for begin in BEEPS]
    assert heard(laid(samples, lambda t: t * (1 + drift)), RATE) == pytest.approx(wanted, abs=SLACK)


@pytest.mark.parametrize("hole", [0.15, 0.9, 4.0])
def test_a_hole_is_silent_and_what_follows_keeps_its_time(hole):
    sound = laid(beeps(), lambda t: t if t < 1.0 else t + hole)
    assert heard(sound, RATE) == pytest.approx([0.5, 1.2 + hole, 2.5 + hole], abs=1e-3)
    assert len(sound) == pytest.approx((3 + hole) * RATE, abs=2)


def test_what_comes_twice_is_heard_once():
    sound = laid(beeps(), lambda t: t if t < 1.0 else t - 0.3)
    assert heard(sound, RATE) == pytest.approx([0.5, 2.2], abs=1e-3) and len(sound) / RATE == pytest.approx(2.7)


def test_rounded_and_jittering_stamps_change_nothing():
    rng, samples = np.random.default_rng(0), np.random.default_rng(1).uniform(-1, 1, 3 * RATE).astype(np.float32)
    assert np.array_equal(laid(samples, lambda t: round(t, 3)), samples)
    assert np.array_equal(laid(samples, lambda t: t + rng.uniform(-0.008, 0.008)), samples)


def test_stretched_sound_has_no_seams():
    tone = np.sin(2 * np.pi * 200 * np.arange(3 * RATE) / RATE).astype(np.float32)
    sound = laid(tone, lambda t: t * 1.05)
    steepest = 2 * np.pi * 200 / RATE
    assert np.abs(np.diff(sound)).max() < 1.1 * steepest


def test_integers_and_many_channels_are_laid_too():
    def frames():
        for k, at in enumerate((0, 1, 4)):
            frame = av.AudioFrame.from_ndarray(
                np.full((1, 6 * 4800), 1000 * (k + 1), np.int16), format="s16", layout="5.1"
            )
            frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, 10), at
            yield frame

    first, second, silence, third = on_its_clock(frames())
    assert first.format.name == second.format.name == "s16" and third.layout.name == "5.1"
    assert not silence.to_ndarray().any() and silence.samples == 9600
    assert np.allclose(third.to_ndarray(), 3000 / 32768) and third.samples == 4800


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_every_reader_keeps_a_files_holes(tmp_path, suffix):
    hole = written(tmp_path / f"v.{suffix}", sound=lambda t: None if 1.4 <= t < 2.3 else t)
    for times in every_reader(hole):
        assert times == pytest.approx(BEEPS, abs=SLACK)
    assert VideoClip.open(hole).problems == []


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_every_reader_follows_a_files_drift(tmp_path, suffix):
    drifting = written(tmp_path / f"v.{suffix}", sound=lambda t: t * 1.1)
    for times in every_reader(drifting):
        assert times == pytest.approx([1.1 * begin for begin in BEEPS], abs=SLACK)


@needs_inputs
@pytest.mark.parametrize(("name", "wanted"), [("gap.mp4", (0.5, 1.2, 2.5)), ("drift.mkv", (0.55, 1.32, 2.75))])
def test_the_real_files_of_holes_and_drift(name, wanted):
    for times in every_reader(INPUTS / name):
        assert times == pytest.approx(wanted, abs=SLACK)


# -- jumps -------------------------------------------------------------------------------------------------------------


def jumping(by: float, at: float = 1.6):
    return lambda t: t if t < at - 1e-6 else t + by


@pytest.mark.parametrize("by", [7.0, 3600.0])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_a_jump_of_the_clock_is_closed_for_picture_and_sound(tmp_path, suffix, by):
    path = written(tmp_path / f"v.{suffix}", picture=jumping(by), sound=jumping(by))
    clip = VideoClip.open(path)
    assert shades(clip) == list(range(75)) and clip.fps == 25 and clip.frame_count == clip.expected_frames == 75
    (problem,) = clip.problems
    assert f"jumps by {by:.2f} s" in problem and "1.6" in problem
    for times in every_reader(path):
        assert times == pytest.approx(BEEPS, abs=SLACK)
    assert SpeechSignal.open(path).problems == [problem]


def test_every_jump_is_closed_and_a_silent_file_too(tmp_path):
    def moved(t):
        return t + 30 * (t > 0.99) + 600 * (t > 1.99)

    path = written(tmp_path / "v.mkv", picture=moved, sound=None)
    clip = VideoClip.open(path)
    assert shades(clip) == list(range(75)) and clip.audio is None
    assert clip.problems == [
        "the file's clock jumps by 30.00 s at 1.00 s, and 1 times after that, and there is neither picture nor sound "
        "in between: closed"
    ]


def test_a_held_picture_is_no_jump(tmp_path):
    held = written(tmp_path / "short.mkv", picture=jumping(3.0), sound=jumping(3.0))
    assert VideoClip.open(held).frame_count == 150
    assert heard(VideoClip.open(held).audio.samples, RATE) == pytest.approx([0.5, 1.2, 5.5], abs=SLACK)
    # However long, while sound goes on; and in an animation, whose pictures say how long they show.
    slides = written(tmp_path / "v.mkv", picture=lambda t: t if t < 0.1 else t + 8, sound=lambda t: 4 * t)
    assert VideoClip.open(slides).frame_count == 75 + 200 and Timeline.of(slides).jumps == []
    pictures = [Image.new("RGB", (64, 48), (16 + 3 * k,) * 3) for k in range(3)]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=[40, 8000, 40])
    assert VideoClip.open(tmp_path / "a.gif").duration == pytest.approx(8.08, abs=0.05)


@needs_inputs
@pytest.mark.parametrize(("name", "lost"), [("jump1h.mkv", 3600), ("jump20s.mkv", 20)])
def test_the_real_files_with_a_jump(name, lost):
    clip = VideoClip.open(INPUTS / name)
    assert clip.frame_count == clip.expected_frames == 75 and f"jumps by {lost}.00 s at 1.60 s" in clip.problems[0]
    assert len(clip.problems) == 1 and clip.audio.duration == pytest.approx(3.0, abs=0.03)
    for times in every_reader(clip.path):
        assert times == pytest.approx(BEEPS, abs=SLACK)


# -- parts put together ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sound", [True, False])
def test_parts_put_together_follow_each_other(tmp_path, sound):
    path, counts = tmp_path / "all.ts", (75, 65, 40)
    parts = [
        written(tmp_path / f"{k}.ts", frames=count, sound=(lambda t: t) if sound else None)
        for k, count in enumerate(counts)
    ]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    clip = VideoClip.open(path)
    assert shades(clip) == [k for count in counts for k in range(count)]
    assert clip.fps == 25 and clip.frame_count == clip.expected_frames == 180
    assert clip.problems == ["the file's clock starts over at 3.00 s: its 3 parts follow each other"]
    if sound:
        wanted = [*BEEPS, *[3.0 + begin for begin in BEEPS], *[5.6 + begin for begin in BEEPS[:2]]]
        for times in every_reader(path):
            assert times == pytest.approx(wanted, abs=2 * SLACK)
    else:
        assert clip.audio is None


@pytest.mark.parametrize("sounding", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)])
def test_of_parts_put_together_some_may_be_silent(tmp_path, sounding):
    """The sound of a part after a silent one was heard with the silent one's pictures."""
    path, counts = tmp_path / "all.ts", (75, 65, 40)
    parts = [
        written(tmp_path / f"{k}.ts", frames=count, sound=(lambda t: t) if k in sounding else None)
        for k, count in enumerate(counts)
    ]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    clip = VideoClip.open(path)
    assert shades(clip) == [k for count in counts for k in range(count)]
    starts, ends = (0.0, 3.0, 5.6), (3.0, 5.6, 7.2)
    wanted = [starts[k] + begin for k in sounding for begin in BEEPS if starts[k] + begin < ends[k]]
    for samples in (Sound.of(path).take(20 * SAMPLE_RATE)[0], clip.audio.samples):
        assert heard(samples, SAMPLE_RATE) == pytest.approx(wanted, abs=2 * SLACK)


def test_sound_that_outlasts_its_part_is_not_cut_by_the_next(tmp_path):
    long = written(tmp_path / "a.ts", picture=lambda t: t if t < 1.0 else None)
    path = tmp_path / "all.ts"
    path.write_bytes(long.read_bytes() + written(tmp_path / "b.ts").read_bytes())
    assert heard(VideoClip.open(path).audio.samples, RATE) == pytest.approx(
        [*BEEPS, *[3.0 + begin for begin in BEEPS]], abs=2 * SLACK
    )


@needs_inputs
def test_the_real_file_of_two_parts():
    clip = VideoClip.open(INPUTS / "cat.ts")
    assert clip.frame_count == clip.expected_frames == len(list(clip)) == 90
    assert clip.audio.duration == pytest.approx(3.6, abs=0.03)
    assert clip.problems == ["the file's clock starts over at 1.60 s: its 2 parts follow each other"]


# -- AVIs that say "as before" by an empty packet ----------------------------------------------------------------------


def chunks(avi: bytes) -> list[bool]:
    """Whether each packet of the only track of an AVI holds a picture."""
    at, found = avi.index(b"movi") + 4, []
    while avi[at : at + 4] == b"00dc":
        size = int.from_bytes(avi[at + 4 : at + 8], "little")
        found.append(size > 0)
        at += 8 + size + size % 2
    return found


@pytest.mark.parametrize("codec", ["mjpeg", "libx264", "libx264 with B frames"])
@pytest.mark.parametrize("more", [0, 2])
def test_an_avi_with_empty_packets_is_whole(tmp_path, codec, more):
    path, kept = tmp_path / "v.avi", [k for k in range(75) if k not in {3, 4, 10, *range(20, 39)}]
    with av.open(str(path), "w") as out:  # its writer puts empty packets where frames are missing
        video = out.add_stream(codec.split()[0], rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        video.options = {"qscale": "1"} if codec == "mjpeg" else {"crf": "1", "bf": "2" if "B" in codec else "0"}
        for k in kept:
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 16 + 3 * k, np.uint8), format="rgb24")
            frame.pts, frame.time_base = k, Fraction(1, 25)
            out.mux(video.encode(frame))
        out.mux(video.encode())
    data = path.read_bytes()
    full = chunks(data)
    assert full.count(True) == len(kept) == 53 and full.count(False) > 15
    if more:  # packets that are empty to the end
        for place in (data.index(b"avih") + 8 + 16, data.index(b"strh") + 8 + 32):
            data = data[:place] + (len(full) + more).to_bytes(4, "little") + data[place + 4 :]
        path.write_bytes(data)
    clip = VideoClip.open(path)
    wanted = [kept[k - 1] for k in np.cumsum([*full, *[False] * more])]
    assert np.abs(np.subtract(shades(clip), wanted)).max() <= 1
    assert clip.frame_count == clip.expected_frames == len(full) + more
    assert not any("cut off" in problem for problem in clip.problems)
    path.write_bytes(data[: (data.index(b"movi") + data.index(b"idx1")) // 2])
    assert any("cut off" in problem for problem in VideoClip.open(path).problems)
