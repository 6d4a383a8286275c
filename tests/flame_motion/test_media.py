"""Files as phones, editors and browsers write them: orientation, edit lists, held pictures, odd sound tracks."""

from __future__ import annotations

import io
import struct
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from flamecast.flame_motion import BadInput, VideoClip, Waveform
from flamecast.flame_motion.media.sound import SAMPLE_RATE, Sound, SoundTrack

INPUTS = Path(__file__).resolve().parents[3] / "shared" / "data" / "inputs"
needs_inputs = pytest.mark.skipif(not INPUTS.is_dir(), reason="no real media: ../shared/data/inputs is not here")
RATE = 16_000  # Hz


def shade(index: int) -> int:
    """The brightness that marks frame `index`."""
    return 16 + 8 * (index % 28)


def shades(frames) -> list[int]:
    """Which frame (modulo 28) each picture is."""
    return [round((float(np.median(frame)) - 16) / 8) for frame in frames]


def tone(seconds: float, hertz: float = 440.0) -> np.ndarray:  # [N] at RATE
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def write(path, count, *, tones=(), codec="aac", picture=None, b_frames=True):
    """`count` frames at 25 fps, and a mono track for each of `tones` (samples at RATE)."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv444p"
        video.options = {"crf": "1", "g": "10"} | ({} if b_frames else {"bf": "0"})
        tracks = [out.add_stream(codec, rate=RATE, layout="mono") for _ in tones]
        for index in range(count):
            frame = np.full((48, 64, 3), shade(index), np.uint8) if picture is None else picture
            out.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(video.encode())
        for track, samples in zip(tracks, tones, strict=True):
            for k in range(0, len(samples), 1024):
                block = av.AudioFrame.from_ndarray(samples[None, k : k + 1024], format="fltp", layout="mono")
                block.sample_rate, block.pts, block.time_base = RATE, k, Fraction(1, RATE)
                out.mux(track.encode(block))
            out.mux(track.encode())
    return path


def spoil(path, old: bytes, new: bytes, *, count=1):
    """Replaces the first `count` of `old` in a file, as long as it is."""
    assert len(old) == len(new)
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, count))
    return path


def pitch(wave: Waveform) -> float:
    """The loudest frequency, Hz."""
    return float(np.argmax(np.abs(np.fft.rfft(wave.samples))) * wave.sample_rate / len(wave.samples))


# -- sound tracks ------------------------------------------------------------------------------------------------------


def test_of_several_sound_tracks_the_first_that_decodes_is_taken(tmp_path):
    path = write(tmp_path / "v.mov", 25, tones=(tone(1, 440), tone(1, 880), tone(1, 1320)), codec="pcm_s16le")
    assert pitch(VideoClip.open(path).audio) == pytest.approx(440, abs=3)
    spoil(path, b"sowt", b"apac")  # the sample entry of the first track: a codec that ffmpeg has no name for
    clip = VideoClip.open(path)
    assert pitch(clip.audio) == pitch(Waveform.open(path)) == pytest.approx(880, abs=3)
    assert clip.problems == [] and Sound.of(path).take(SAMPLE_RATE).shape == (1, SAMPLE_RATE)


def test_sound_that_nothing_decodes_is_said_when_the_clip_is_opened(tmp_path):
    path = spoil(write(tmp_path / "v.mov", 25, tones=(tone(1), tone(1)), codec="pcm_s16le"), b"sowt", b"apac", count=2)
    clip = VideoClip.open(path)
    assert clip.problems == ["its sound is in a format that cannot be decoded here: the clip is silent"]
    assert clip.audio is None and Sound.of(path) is None and clip.frame_count == 25
    with pytest.raises(BadInput, match=r"v\.mov: its sound is in a format that cannot be decoded here"):
        Waveform.open(path)


@needs_inputs
def test_a_phones_spatial_sound_gives_way_to_the_plain_track():
    clip = VideoClip.open(INPUTS / "apac_first.mov")
    assert clip.audio.duration == pytest.approx(2.02, abs=0.03) and clip.audio.samples.std() > 0.01
    assert not any("sound" in problem for problem in clip.problems)
    assert np.array_equal(Waveform.open(clip.path).samples, clip.audio.samples)
    assert Sound.of(clip.path) is not None


def test_sound_that_outlasts_the_picture_is_said_and_short_of_two_frames_is_not(tmp_path):
    clip = VideoClip.open(write(tmp_path / "long.mp4", 25, tones=(tone(2.5),)))
    (problem,) = clip.problems
    said = float(problem.split("for ")[1].split(" s")[0])
    assert "left out" in problem and said == pytest.approx(1.5, abs=0.07)  # AAC comes in blocks of 64 ms
    assert clip.audio.duration == pytest.approx(2.5, abs=0.07)
    assert VideoClip.open(write(tmp_path / "same.mp4", 25, tones=(tone(0.96),))).problems == []


def test_frames_and_sound_in_memory_lose_nothing():
    wave = Waveform(tone(2.0), RATE)
    frames = np.zeros((50, 8, 8, 3), np.uint8)
    clip = VideoClip(frames, 25, wave)
    assert clip.audio is wave and clip.problems == [] and clip.frame_count == 50
    assert np.array_equal(clip.first(1).audio.samples, wave.samples[:RATE])
    told: list[str] = []
    assert VideoClip(list(frames[:25]), 25, wave, problems=told).problems is told
    assert told == ["the sound goes on for 1.00 s after the last picture: that part of it is left out"]


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_samples_in_memory_become_the_same_sound_at_the_writers_rate(rate):
    time = np.arange(rate) / rate
    sound = Sound.of(Waveform(0.5 * np.sin(2 * np.pi * 440 * time), rate))
    samples = sound.take(2 * SAMPLE_RATE)
    assert samples.shape[0] == 1 and samples.shape[1] == pytest.approx(SAMPLE_RATE, abs=64)
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)
    inner = slice(2000, SAMPLE_RATE - 2000)
    assert np.abs(samples[0, inner] - expected[inner]).max() < 0.005


@pytest.mark.parametrize("start", [-0.25, 0.0, 0.3])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_every_reader_of_a_files_sound_starts_it_with_the_same_picture(tmp_path, start, suffix):
    path = write(tmp_path / f"plain.{suffix}", 25, tones=(tone(1),))
    track, tracks = SoundTrack.find(path)
    assert tracks == 1 and (track.rate, track.channels) == (RATE, 1)
    whole = np.concatenate(list(track.blocks()), axis=1)
    begin = VideoClip.open(path).frames.start + start
    first = next(block for block in track.blocks(start=begin))
    aligned = np.concatenate(list(track.blocks(start=begin)), axis=1)
    assert first.dtype == np.float32
    shift = aligned.shape[1] - whole.shape[1]  # > 0: so much silence leads it; < 0: so much was cut
    assert not aligned[:, : max(shift, 0)].any()
    assert np.array_equal(aligned[:, max(shift, 0) :], whole[:, max(-shift, 0) :])
    direct, streamed = VideoClip.open(path).audio.samples, Sound.of(path).take(SAMPLE_RATE)[0]
    inner = np.arange(4000, 12000)
    assert np.abs(streamed[inner * 3] - direct[inner]).max() < 0.02


def test_a_track_that_changes_its_rate_midway_is_read_at_the_first(tmp_path):
    path = tmp_path / "chained.aac"
    path.write_bytes(b"".join(adts(rate) for rate in (RATE, 2 * RATE)))
    wave = Waveform.open(path)
    assert wave.sample_rate == RATE and wave.duration == pytest.approx(2.0, abs=0.3)
    assert pitch(wave) == pytest.approx(440, abs=5)


def adts(rate: int) -> bytes:
    """One second of 440 Hz as bare AAC frames."""
    file = io.BytesIO()
    samples = (0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)).astype(np.float32)
    with av.open(file, "w", format="adts") as out:
        stream = out.add_stream("aac", rate=rate, layout="mono")
        for k in range(0, rate, 1024):
            block = av.AudioFrame.from_ndarray(samples[None, k : k + 1024], format="fltp", layout="mono")
            block.sample_rate = rate
            out.mux(stream.encode(block))
        out.mux(stream.encode())
    return file.getvalue()


def test_streaming_a_long_track_keeps_one_block(tmp_path):
    path = write(tmp_path / "v.mkv", 5, tones=(tone(60),), codec="pcm_s16le")
    track, _ = SoundTrack.find(path)
    tracemalloc.start()
    try:
        samples = sum(block.shape[1] for block in track.blocks(rate=SAMPLE_RATE, channels=2, start=0.0))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert samples == pytest.approx(60 * SAMPLE_RATE, abs=100) and peak < 2**20  # the whole is 23 MB


def stereo(path, left, right):
    """A 16-bit file of two channels [N] at RATE."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=RATE, layout="stereo")
        both = np.round(np.stack([left, right], 1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(both.reshape(1, -1), format="s16", layout="stereo")
        frame.sample_rate = RATE
        out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


@pytest.mark.parametrize("balance", [0.9, 0.8])
def test_channels_that_cancel_each_other_are_not_averaged(tmp_path, balance):
    voice, rng = tone(1), np.random.default_rng(0)
    wave = Waveform.open(stereo(tmp_path / "s.wav", balance * voice, -voice))
    assert np.allclose(wave.samples, -voice, atol=1e-4)
    left, right = 0.3 * rng.uniform(-1, 1, (2, RATE))  # of which half the power is left: nothing special
    wave = Waveform.open(stereo(tmp_path / "s.wav", left, right))
    assert np.allclose(wave.samples, (left + right) / 2, atol=1e-4)


@needs_inputs
def test_a_recording_with_swapped_poles_is_heard():
    assert Waveform.open(INPUTS / "antiphase.wav").samples.std() > 0.1


# -- orientation -------------------------------------------------------------------------------------------------------

# a, b, c, d of the matrix; what the ffmpeg program inserts for it (its configure_input_video_filter)
ORIENTATIONS = {
    "as it is": ((1, 0, 0, 1), []),
    "clockwise": ((0, 1, -1, 0), [("transpose", "clock")]),
    "upside down": ((-1, 0, 0, -1), [("hflip", ""), ("vflip", "")]),
    "counter-clockwise": ((0, -1, 1, 0), [("transpose", "cclock")]),
    "mirrored": ((-1, 0, 0, 1), [("hflip", "")]),
    "flipped": ((1, 0, 0, -1), [("vflip", "")]),
    "transposed": ((0, 1, 1, 0), [("transpose", "cclock_flip")]),
    "transposed the other way": ((0, -1, -1, 0), [("transpose", "clock_flip")]),
}


def filtered(picture, filters):
    """`picture` [H, W, 3] through ffmpeg's filters."""
    graph = av.filter.Graph()
    nodes = [graph.add_buffer(width=picture.shape[1], height=picture.shape[0], format="rgb24", time_base=1)]
    nodes += [graph.add(name, args) if args else graph.add(name) for name, args in filters]
    nodes.append(graph.add("buffersink"))
    graph.link_nodes(*nodes).configure()
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    frame.pts = 0
    graph.push(frame)
    return graph.pull().to_ndarray(format="rgb24")


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_a_clip_is_shown_as_players_show_it(tmp_path, name):
    (a, b, c, d), filters = ORIENTATIONS[name]
    stored = np.full((48, 64, 3), 30, np.uint8)
    stored[:24, :32], stored[24:, :16] = 220, 120
    path = write(tmp_path / "v.mp4", 3, picture=stored)
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    data[matrix : matrix + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    shown = filtered(stored, filters)
    for frame in VideoClip.open(path):
        assert frame.shape == shown.shape and frame.flags.c_contiguous
        assert np.abs(frame.astype(int) - shown).max() <= 4


@needs_inputs
@pytest.mark.parametrize(("name", "filters"), [("mir_h", [("hflip", "")]), ("mir_t", [("transpose", "cclock_flip")])])
def test_mirrored_recordings_are_shown_as_players_show_them(name, filters):
    path = INPUTS / f"{name}.mp4"
    with av.open(str(path)) as container:
        stored = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert np.array_equal(next(iter(VideoClip.open(path))), filtered(stored, filters))


# -- the last picture, and edit lists ----------------------------------------------------------------------------------


@needs_inputs
@pytest.mark.parametrize(("name", "fps", "frames"), [("held.mp4", 25, 99), ("hold.gif", 25 / 3, 36)])
def test_the_last_picture_of_a_file_stays_as_long_as_it_says(name, fps, frames):
    clip = VideoClip.open(INPUTS / name)
    assert clip.fps == pytest.approx(fps) and clip.frame_count == clip.expected_frames == frames
    pictures = list(clip)
    assert len(pictures) == frames and np.array_equal(pictures[-1], pictures[-10])
    assert not any("sound" in problem for problem in clip.problems)


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_animations_are_read_and_their_last_picture_is_held(tmp_path, suffix):
    path = animation(tmp_path / f"a.{suffix}", [40] * 7 + [400])
    clip = VideoClip.open(path)
    assert clip.fps == pytest.approx(25) and clip.problems == [] and clip.audio is None
    assert shades(clip) == [*range(7), *[7] * 10] == shades(clip)
    assert clip.frame_count == clip.expected_frames == 17 and shades(clip.first(0.2)) == list(range(5))


def test_one_picture_shown_for_long_is_a_clip_of_that_length(tmp_path):
    path = tmp_path / "slide.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.options = {"bf": "0", "tune": "zerolatency"}
        frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), shade(3), np.uint8), format="rgb24")
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        packets = [*stream.encode(frame), *stream.encode()]
        for packet in packets:
            packet.duration = round(3 / packet.time_base)
            out.mux(packet)
    clip = VideoClip.open(path)
    assert (clip.fps, clip.frame_count) == (25, 75) and shades(clip) == [3] * 75


def edited(path, media_time: int, seconds: float):
    """Puts another first tick and length into the edit list of the (first) track, as a cut without encoding does."""
    data = bytearray(path.read_bytes())
    entry = data.index(b"elst") + 12
    data[entry : entry + 8] = struct.pack(">ii", round(seconds * 1000), media_time)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("b_frames", [True, False])
@pytest.mark.parametrize(("first", "frames"), [(0, 20), (25, 30), (13, 20), (12, 48)])
def test_frames_outside_an_edit_list_are_not_missing(tmp_path, b_frames, first, frames):
    path = write(tmp_path / "v.mp4", 60, b_frames=b_frames)
    with av.open(str(path)) as container:
        step = round(Fraction(1, 25) / container.streams.video[0].time_base)
        delay = step * 2 if b_frames else 0  # the encoder's reordering, which the edit list takes off
    clip = VideoClip.open(edited(path, delay + first * step, frames / 25))
    assert clip.problems == []
    assert shades(clip) == [k % 28 for k in range(first, first + frames)]


def test_a_trimmed_file_that_is_cut_off_says_so(tmp_path):
    path = write(tmp_path / "v.mp4", 60, b_frames=False)
    with av.open(str(path)) as container:
        step = round(Fraction(1, 25) / container.streams.video[0].time_base)
    edited(path, 13 * step, 40 / 25)
    with (
        av.open(str(path), "r") as source,
        av.open(str(tmp_path / "f.mp4"), "w", options={"movflags": "faststart"}) as out,
    ):
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    data = (tmp_path / "f.mp4").read_bytes()
    head = data.index(b"mdat")
    (tmp_path / "f.mp4").write_bytes(data[: head + (len(data) - head) // 2])
    assert any("cut off" in problem for problem in VideoClip.open(tmp_path / "f.mp4").problems)


@needs_inputs
def test_a_clip_cut_without_encoding_is_whole():
    clip = VideoClip.open(INPUTS / "trim_copy.mp4")
    assert not any("cut off" in problem for problem in clip.problems)
    assert clip.frame_count == clip.expected_frames == 66


# -- animated WebP -----------------------------------------------------------------------------------------------------


def animation(path, durations, **options):
    """An animation whose frame k has shade k and shows for durations[k] ms."""
    pictures = [Image.new("RGB", (64, 48), (shade(k),) * 3) for k in range(len(durations))]
    kind = {"lossless": True} if path.suffix == ".webp" else {}
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=durations, **kind, **options)
    return path


def test_an_animated_webp_keeps_its_own_times(tmp_path):
    clip = VideoClip.open(animation(tmp_path / "a.webp", [50, 50, 200, 50, 50, 50]))
    assert clip.fps == pytest.approx(20) and shades(clip) == [0, 1, 2, 2, 2, 2, 3, 4, 5]
    assert clip.problems == ["the frame rate varies: taken at a constant 20 fps (6 frames in the file, 9 shown)"]
    hasty = VideoClip.open(animation(tmp_path / "b.webp", [0] * 5))  # browsers show such a frame for 100 ms
    assert hasty.fps == pytest.approx(10) and shades(hasty) == list(range(5))


def test_a_still_or_broken_webp_is_refused_in_one_sentence(tmp_path):
    Image.new("RGB", (64, 48)).save(tmp_path / "still.webp")
    with pytest.raises(BadInput, match="a single picture"):
        VideoClip.open(tmp_path / "still.webp")
    data = animation(tmp_path / "a.webp", [40] * 9).read_bytes()
    (tmp_path / "cut.webp").write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(BadInput, match=r"cut\.webp: not one frame of its animation can be decoded"):
        VideoClip.open(tmp_path / "cut.webp")


def test_a_transparent_animation_is_on_white(tmp_path):
    pictures = [Image.new("RGBA", (64, 48), (0, 0, 0, alpha)) for alpha in (0, 255, 0)]
    pictures[0].save(tmp_path / "a.webp", save_all=True, append_images=pictures[1:], duration=40, lossless=True)
    assert [int(frame.mean()) for frame in VideoClip.open(tmp_path / "a.webp")] == [255, 0, 255]
