"""Signals: prompts, sound, video. Files made here say exactly what must come back; real clips when present."""

import struct
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import Colorspace

from flamecast.flame_motion import BadInput, TextPrompt, VideoClip, Waveform
from flamecast.flame_motion.media.frames import constant_rate

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
CLIPS = sorted((DATA / "clips").glob("*.mp4"))
SPEECH = sorted((DATA / "speech").glob("*.*"))
needs_data = pytest.mark.skipif(not CLIPS, reason="no real media: ../shared/data is not here")


def grey(index: int) -> int:
    """The brightness that marks frame `index`: steps of 8, told apart after compression."""
    return 16 + 8 * (index % 28)


def marks(frames) -> list[int]:
    """Which frame (modulo 28) each picture is."""
    return [round((float(np.median(frame)) - 16) / 8) for frame in frames]


def write_video(
    path, ticks, *, base=Fraction(1, 1000), rate=25, size=(64, 48), codec="libx264", sound=None, rgb=None, **options
):
    """A video whose frame k shows at ticks[k] * base seconds; `sound`: (first second, samples at 16 kHz)."""
    with av.open(str(path), "w", options=options) as out:
        stream = out.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv444p" if rgb is not None else "yuv420p"
        stream.time_base = stream.codec_context.time_base = base
        stream.options = {"crf": "1", "g": "10"} if codec == "libx264" else {}
        track = out.add_stream("aac", rate=16000, layout="mono") if sound is not None else None
        for index, tick in enumerate(ticks):
            picture = np.full((size[1], size[0], 3), grey(index), np.uint8) if rgb is None else rgb(index)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = tick, base
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
        if track is not None:
            start, samples = sound
            for k in range(0, len(samples), 1024):
                block = av.AudioFrame.from_ndarray(samples[None, k : k + 1024], format="fltp", layout="mono")
                block.sample_rate, block.pts, block.time_base = 16000, round(start * 16000) + k, Fraction(1, 16000)
                out.mux(track.encode(block))
            out.mux(track.encode())
    return path


def every(step, count):
    return [step * k for k in range(count)]


# -- text and sound ----------------------------------------------------------------------------------------------------


def test_prompts_are_checked():
    assert TextPrompt(motion="nods twice", emotion="happy", duration=3.0).duration == 3.0
    for wrong, says in [
        ({"motion": 3}, "TextPrompt.motion: expected text, got int"),
        ({"motion": "nods", "duration": 0}, "duration: expected"),
        ({"motion": "nods", "duration": float("inf")}, "duration: expected"),
    ]:
        with pytest.raises(BadInput, match=says):
            TextPrompt(**wrong)


@pytest.mark.parametrize(
    ("samples", "rate", "says"),
    [
        (np.zeros((2, 9), np.float32), 16000, r"floats \[N\].*got float32 \[2, 9\]"),
        (np.zeros(9, np.int16), 16000, "got int16"),
        (np.zeros(0, np.float32), 16000, r"N >= 1"),
        (np.array([0.0, np.nan]), 16000, "-1..1"),
        (np.array([0.0, 1.5]), 16000, "-1..1, got 0 to 1.5"),
        (np.zeros(9), 0, "sample_rate"),
        (np.zeros(9), 16000.5, "whole number"),
    ],
)
def test_sound_is_checked(samples, rate, says):
    with pytest.raises(BadInput, match=says):
        Waveform(samples, rate)


def test_stereo_sound_is_averaged_sample_for_sample(tmp_path):
    channels = np.random.default_rng(0).integers(-(2**15), 2**15, (2, 5000), dtype=np.int16)
    with av.open(str(tmp_path / "s.wav"), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=22050, layout="stereo")
        frame = av.AudioFrame.from_ndarray(channels.T.reshape(1, -1), format="s16", layout="stereo")
        frame.sample_rate, frame.pts = 22050, 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode())
    wave = Waveform.open(tmp_path / "s.wav")
    assert wave.sample_rate == 22050 and wave.samples.dtype == np.float32
    assert np.allclose(wave.samples, channels.astype(np.float64).mean(0) / 32768, atol=1e-7)


@pytest.mark.skipif(not SPEECH, reason="no real media: ../shared/data is not here")
@pytest.mark.parametrize("path", SPEECH, ids=lambda p: p.name)
def test_real_recordings_open(path):
    wave = Waveform.open(path)
    with av.open(str(path)) as container:
        announced = container.duration / 1e6
    assert wave.duration == pytest.approx(announced, abs=0.05)
    assert wave.samples.std() > 0.01


# -- video -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001), Fraction(12), Fraction(60)])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov", "avi"])
def test_every_frame_of_a_constant_rate_file_once_in_order(tmp_path, rate, suffix):
    path = write_video(tmp_path / f"v.{suffix}", range(50), base=1 / rate, rate=rate)
    clip = VideoClip.open(path)
    frames = list(clip)
    assert marks(frames) == [k % 28 for k in range(50)]
    assert frames[0].shape == (48, 64, 3) and frames[0].dtype == np.uint8
    assert clip.fps == pytest.approx(float(rate), rel=1e-4 if suffix == "mkv" else 1e-9)
    assert clip.frame_count == clip.expected_frames == 50 and clip.problems == [] and clip.audio is None
    assert clip.duration == pytest.approx(50 / float(rate), rel=1e-4)


def test_iterating_again_starts_over_and_two_readers_do_not_meet(tmp_path):
    clip = VideoClip.open(write_video(tmp_path / "v.mp4", every(40, 12)))
    pairs = zip(clip, clip, strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)
    half = iter(clip)
    next(half), next(half)
    assert marks(clip) == list(range(12)) and marks(half) == list(range(2, 12))


def test_colours_and_their_order_are_right(tmp_path):
    halves = np.zeros((48, 64, 3), np.uint8)
    halves[:, :32], halves[:, 32:] = (200, 40, 40), (40, 40, 200)
    clip = VideoClip.open(write_video(tmp_path / "v.mp4", every(40, 3), rgb=lambda _: halves))
    for frame in clip:
        assert np.abs(frame.astype(int) - halves).max() <= 4


@pytest.mark.parametrize(("space", "matrix"), [(1, Colorspace.ITU709), (6, Colorspace.ITU601)])
def test_the_colour_matrix_a_file_names_is_used(tmp_path, space, matrix):
    """HD video is BT.709; read with the older matrix its reds are 20 levels off."""
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:, :32], picture[:, 32:] = (200, 40, 40), (40, 160, 60)
    with av.open(str(tmp_path / "v.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.options = 64, 48, "yuv444p", {"crf": "1"}
        stream.codec_context.colorspace, stream.codec_context.color_range = space, 1
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv444p", dst_colorspace=matrix)
        frame.pts, frame.time_base, frame.colorspace = 0, Fraction(1, 25), space
        out.mux(stream.encode(frame))
        out.mux(stream.encode())
    assert np.abs(next(iter(VideoClip.open(tmp_path / "v.mp4"))).astype(int) - picture).max() <= 4


@pytest.mark.parametrize(("degrees", "turns"), [(0, 0), (90, 3), (180, 2), (270, 1)])
def test_a_phone_held_sideways_gives_upright_frames(tmp_path, degrees, turns):
    """MP4 says by a matrix how many degrees clockwise to turn what is stored."""
    stored = np.full((48, 64, 3), 30, np.uint8)
    stored[:24, :32] = 220
    path = write_video(tmp_path / "v.mp4", every(40, 3), rgb=lambda _: stored)
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    cos, sin = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    data[matrix : matrix + 36] = struct.pack(">9i", cos << 16, sin << 16, 0, -(sin << 16), cos << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    frame = next(iter(VideoClip.open(path)))
    upright = np.rot90(stored, turns)
    assert frame.shape == upright.shape and np.abs(frame.astype(int) - upright).max() <= 4


def test_a_pause_in_the_middle_is_held_so_that_pictures_stay_with_the_sound(tmp_path):
    ticks = [*every(40, 10), *(1000 + t for t in every(40, 10))]
    clip = VideoClip.open(write_video(tmp_path / "v.mp4", ticks))
    assert clip.fps == pytest.approx(25) and clip.frame_count == 35
    assert marks(clip) == [*range(10), *[9] * 15, *range(10, 20)]
    assert any("varies" in problem for problem in clip.problems)


def test_a_camera_that_slows_down_in_the_dark_keeps_every_frame(tmp_path):
    ticks = [*every(40, 20), *(800 + t for t in every(80, 8))]
    clip = VideoClip.open(write_video(tmp_path / "v.mkv", ticks))
    assert clip.fps == pytest.approx(25, rel=1e-3)
    assert marks(clip) == [*range(20), *[k % 28 for k in range(20, 28) for _ in range(2)][:-1]]


def test_constant_rate_forgives_rounding_and_follows_true_changes():
    rounded = [round(k * 1001 / 30) for k in range(3000)]  # milliseconds, as Matroska writes 29.97
    fps, slots = constant_rate(rounded, Fraction(1, 1000), None)
    assert slots == rounded and fps == pytest.approx(30000 / 1001, rel=1e-5)
    assert constant_rate(rounded, Fraction(1, 1000), Fraction(30000, 1001))[0] == 30000 / 1001
    assert constant_rate([7], Fraction(1, 25), None) == (25.0, [7])
    jumpy = [0, 1, 2, 3, 10, 11, 12]
    assert constant_rate(jumpy, Fraction(1, 10), Fraction(7)) == (10.0, [0, 1, 2, 3, *[None] * 6, 10, 11, 12])
    crowded = [0, 40, 80, 81, 82, 83, 120, 160, 200, 240, 280]  # a burst shares one place: its first is shown
    fps, slots = constant_rate(crowded, Fraction(1, 1000), None)
    assert fps == 25.0 and slots == [0, 40, 80, 120, 160, 200, 240, 280]


@pytest.mark.parametrize("start", [0.0, 0.5])
def test_sound_begins_with_the_first_frame(tmp_path, start):
    tone = (0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)).astype(np.float32)
    path = write_video(tmp_path / "v.mp4", every(40, 50), sound=(start, tone))
    wave = VideoClip.open(path).audio
    assert wave is not None and wave.sample_rate == 16000
    loud = np.flatnonzero(np.abs(wave.samples) > 0.2)
    assert loud[0] / 16000 == pytest.approx(start, abs=0.01)
    assert loud[-1] / 16000 == pytest.approx(start + 1, abs=0.01)


def test_first_seconds_cut_picture_and_sound(tmp_path):
    tone = np.full(32000, 0.25, np.float32)
    clip = VideoClip.open(write_video(tmp_path / "v.mp4", every(40, 50), sound=(0.0, tone))).first(0.5)
    assert marks(clip) == list(range(12)) and clip.frame_count == clip.expected_frames == 12
    assert len(clip.audio.samples) == round(12 / 25 * 16000)
    assert VideoClip.open(tmp_path / "v.mp4").first(99).frame_count == 50


def test_a_clip_can_be_made_of_arrays():
    pictures = [np.full((4, 4, 3), k, np.uint8) for k in range(5)]
    wave = Waveform(np.zeros(100), 1000)
    clip = VideoClip(pictures, 10, wave)
    assert clip.frame_count == 5 and clip.duration == 0.5 and clip.audio is wave
    assert [int(frame[0, 0, 0]) for frame in clip.first(0.3)] == [0, 1, 2]
    with pytest.raises(BadInput, match="fps"):
        VideoClip(pictures, 0)


# -- damage ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [0.15, 0.5, 0.9])
def test_of_a_cut_off_file_what_decodes_is_given_and_the_rest_reported(tmp_path, kept):
    noise = np.random.default_rng(0).integers(0, 255, (40, 48, 64, 3), dtype=np.uint8)
    path = write_video(tmp_path / "v.mp4", every(40, 40), rgb=lambda k: noise[k], movflags="faststart")
    data = path.read_bytes()
    head = data.index(b"mdat")
    path.write_bytes(data[: head + int(kept * (len(data) - head))])
    clip = VideoClip.open(path)
    frames = list(clip)
    assert 0 < len(frames) == clip.frame_count <= 40 * kept + 6
    assert len(frames) >= 40 * kept - 12
    assert any("cut off" in problem or "cannot be decoded" in problem for problem in clip.problems)


def test_damage_in_the_middle_keeps_the_timing(tmp_path):
    path = write_video(tmp_path / "v.mp4", every(40, 60), size=(320, 240))
    whole = marks(VideoClip.open(path))
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    for position, size in packets[20:24]:
        data[position : position + size] = bytes(size)
    path.write_bytes(data)
    clip = VideoClip.open(path)
    seen = marks(clip)
    assert len(seen) == clip.frame_count == 60
    assert seen[:10] == whole[:10] and seen[-10:] == whole[-10:]
    assert any("damaged" in problem for problem in clip.problems)


def bad_files(tmp_path):
    """(file, what its sentence says)."""
    write_video(tmp_path / "ok.mp4", every(40, 30))
    data = (tmp_path / "ok.mp4").read_bytes()
    with av.open(str(tmp_path / "sound.mp4"), "w") as out:
        stream = out.add_stream("aac", rate=16000, layout="mono")
        block = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        block.sample_rate = 16000
        out.mux(stream.encode(block))
        out.mux(stream.encode())
    with av.open(str(tmp_path / "none.mp4"), "w") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        out.start_encoding()
    texts = {"text.mp4": b"this is no video\n" * 99, "text.txt": b"this is no video\n" * 99, "empty.mp4": b""}
    texts |= {
        "cut.mp4": data[: len(data) // 2],
        "zeros.mp4": bytes(4096),
        "noise.mp4": np.random.default_rng(0).bytes(4096),
    }
    texts["list.mp4"] = b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nok.mp4\n#EXT-X-ENDLIST\n"
    texts["list2.mp4"] = b"ffconcat version 1.0\nfile ok.mp4\n"
    for name, content in texts.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder.mp4").mkdir()
    return [
        ("sound.mp4", "no picture in this file, only sound"),
        ("none.mp4", "not one frame|no picture|not a media file"),
        ("empty.mp4", "is empty"),
        ("absent.mp4", "does not exist"),
        ("folder.mp4", "folder"),
        ("cut.mp4", "cut off"),
        *((name, "media file") for name in ("text.mp4", "text.txt", "zeros.mp4", "noise.mp4", "list.mp4", "list2.mp4")),
    ]


def test_what_is_no_video_is_refused_in_one_sentence(tmp_path):
    for name, says in bad_files(tmp_path):
        with pytest.raises(BadInput, match=says) as caught:
            VideoClip.open(tmp_path / name)
        assert "\n" not in str(caught.value) and name in str(caught.value)
        if name != "sound.mp4":
            with pytest.raises(BadInput):
                Waveform.open(tmp_path / name)
    with pytest.raises(BadInput, match="no sound"):
        Waveform.open(tmp_path / "ok.mp4")


def test_a_name_with_odd_characters_is_a_name(tmp_path):
    for name in ("a %03d.mp4", "http:x.mp4", "pipe:0.mp4", "ü#?.mp4", "-i.mp4"):
        assert VideoClip.open(write_video(tmp_path / name, every(40, 3), format="mp4")).frame_count == 3


# -- real clips --------------------------------------------------------------------------------------------------------


@needs_data
@pytest.mark.parametrize("path", CLIPS, ids=lambda p: p.stem)
def test_real_clips_give_every_frame_that_decodes(path):
    clip = VideoClip.open(path)
    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
        container.streams.video[0].thread_type = "AUTO"
        decoded = sum(1 for _ in container.decode(video=0))
        has_sound = bool(container.streams.audio)
    assert clip.frame_count == decoded == clip.expected_frames and clip.problems == []
    assert clip.fps == pytest.approx(float(rate), rel=1e-6)
    assert (clip.audio is not None) == has_sound
    if clip.audio is not None:
        assert clip.audio.duration == pytest.approx(clip.duration, abs=0.12)


@needs_data
def test_a_long_clip_is_never_held_in_memory():
    clip = VideoClip.open(DATA / "clips" / "liveportrait__driving_d10.mp4")
    tracemalloc.start()
    try:
        size = max(frame.nbytes for frame in clip.first(4))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6 * size


@needs_data
@pytest.mark.parametrize("name", ["liveportrait__driving_d12", "smirk__dafoe", "liveportrait__driving_d0"])
def test_a_truncated_real_clip_gives_its_beginning_or_says_why_not(tmp_path, name):
    whole = (DATA / "clips" / f"{name}.mp4").read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    full = VideoClip.open(DATA / "clips" / f"{name}.mp4")
    try:
        clip = VideoClip.open(path)
    except BadInput as error:
        assert "cut off before its index" in str(error) and whole.index(b"moov") > len(whole) * 2 // 3
        return
    beginning = list(clip)
    assert 0 < len(beginning) == clip.frame_count < full.frame_count and clip.problems
    assert all(np.array_equal(a, b) for a, b in zip(beginning[:-3], full, strict=False))
