"""The speech driver: from sound of any kind to a face that speaks."""

from __future__ import annotations

import json
import re
import shutil
import wave
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from flamecast.core.extras import how_to_install
from flamecast.core.networks import save_network
from flamecast.drivers import load_driver
from flamecast.drivers.mix import DriverCall, MixSignal
from flamecast.drivers.speech import SpeechDriver, SpeechOptions, SpeechSignal
from flamecast.drivers.speech.audio_features import FPS, SAMPLE_RATE
from flamecast.drivers.speech.driver import LATENCY, WEIGHTS
from flamecast.drivers.speech.level import Level, StreamLevel
from flamecast.drivers.speech.signal import audio_buffer
from flamecast.drivers.speech.voice import speak
from flamecast.flame_motion import BadInput, FlameSequence, TextPrompt, Waveform, load_head
from flamecast.flame_motion.channels import CHANNELS
from flamecast.flame_motion.diffusion.weights import load_denoiser
from flamecast.flame_motion.retargeting.mouth import mouth_of
from flamecast.pipelines.motion import write_motion
from flamecast.training.speech.augment import chords
from flamecast.training.speech.facegood import facegood_footage
from flamecast.training.speech.footage import correlation

DATA = Path(__file__).parents[2].parent / "shared" / "data"
FACEGOOD = DATA / "talk" / "facegood"
MOUTH = mouth_of(load_head())
SAID = "Papa bought a big blue map. My mother may buy more bananas, but why would we move?"


@pytest.fixture(scope="module")
def driver() -> SpeechDriver:
    return SpeechDriver(steps=4)


@pytest.fixture(scope="module")
def voice() -> Waveform:
    """A sentence, 24 kHz, with a second of silence at either end."""
    pytest.importorskip("hibari", reason="the voice comes with the extra `voice`")
    sound, _ = speak(SAID)
    quiet = np.zeros(sound.sample_rate, np.float32)
    return Waveform(np.concatenate([quiet, sound.samples, quiet]), sound.sample_rate)


def _mouth(driver: SpeechDriver, sound: Waveform) -> torch.Tensor:
    """Jaw and lower face [T, 3 + E] of a whole sound."""
    return driver.mouth(audio_buffer(sound), 0, max(1, round(sound.duration * FPS)))


def _gap(motion) -> torch.Tensor:
    """The gap between the lips [T] by the 68 landmarks, in distances of the eyes."""
    marks = load_head().landmarks(replace(motion, neck=torch.zeros_like(motion.neck)))
    gap = marks[:, [62, 61, 63]] - marks[:, [66, 67, 65]]
    assert gap[..., 0].abs().max() < 0.004  # m: neither lip is drawn aside
    return gap[..., 1].mean(1).abs() / (marks[:, 36] - marks[:, 45]).norm(dim=-1)


def test_a_mouth_that_speaks_opens_closes_and_is_shut_before_and_after(driver, voice):
    motion = driver(voice, seed=0).motion
    gap = _gap(motion)
    spoken = gap[25:-25]
    assert spoken.max() > 0.1 and spoken.std() > 0.03
    assert int(((spoken[1:-1] < 0.02) & (spoken[:-2] > spoken[1:-1])).sum()) >= 5  # p, b and m, of which it says 13
    assert gap[5:18].max() < 0.02 and gap[-15:-3].max() < 0.02
    assert motion.neck[:25].std() > 0 and bool((motion.eyelids >= 0).all() & (motion.eyelids <= 1).all())


@pytest.mark.parametrize("name", ["silence", "noise", "hum", "music"])
def test_what_nobody_says_moves_no_lips(driver, name):
    rng = np.random.default_rng(5)
    sounds = {
        "silence": np.zeros(64000), "noise": 0.05 * rng.normal(size=64000),
        "hum": 0.3 * np.sin(np.arange(64000) * 2 * np.pi * 50 / 16000), "music": 0.5 * chords(64000, rng),
    }  # fmt: skip
    motion = driver(Waveform(sounds[name].clip(-1, 1).astype(np.float32), 16000)).motion
    assert _gap(motion).max() < (0.03 if name == "silence" else 0.06)
    assert motion.eyes.std() > 0  # but the eyes are alive


def test_the_file_and_its_samples_say_the_same(driver, voice, tmp_path):
    """WAV of 8 to 192 kHz, 16, 24, 32 bit and float, mono to 5.1; FLAC, MP3, OGG, M4A; a video's sound."""
    plain = _mouth(driver, voice)
    forms = [
        ("a.wav", "pcm_s16le", 8000, "mono"), ("b.wav", "pcm_s24le", 48000, "stereo"),
        ("c.wav", "pcm_s32le", 44100, "mono"), ("d.wav", "pcm_f32le", 192000, "mono"), ("e.flac", "flac", 44100, "5.1"),
        ("f.mp3", "libmp3lame", 44100, "stereo"), ("g.ogg", "libopus", 48000, "mono"),
        ("h.m4a", "aac", 44100, "stereo"), ("i.mp4", "aac", 48000, "mono"),
    ]  # fmt: skip
    for name, codec, rate, layout in forms:
        path = _written(tmp_path / name, voice, codec, rate, layout)
        spoken = SpeechSignal.open(path)
        assert spoken.duration == pytest.approx(voice.duration, abs=0.08), name
        made = _mouth(driver, spoken.sound)
        count = min(len(made), len(plain))
        likeness = np.corrcoef((made @ MOUTH.gaps)[:count, 0], (plain @ MOUTH.gaps)[:count, 0])[0, 1]
        assert likeness > (0.85 if rate == 8000 else 0.9), (name, likeness)


def _written(path: Path, sound: Waveform, codec: str, rate: int, layout: str) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        picture = container.add_stream("mpeg4", rate=25) if path.suffix == ".mp4" else None
        if picture is not None:
            picture.width = picture.height = 64
            for _ in range(round(sound.duration * 25)):
                container.mux(picture.encode(av.VideoFrame(64, 64, "yuv420p")))
            container.mux(picture.encode(None))
        frame = av.AudioFrame.from_ndarray(sound.samples[None], format="fltp", layout="mono")
        frame.sample_rate = sound.sample_rate
        size = stream.codec_context.frame_size or 1024
        resampler = av.AudioResampler(stream.codec_context.format, layout, rate, frame_size=size)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


def test_level_offset_and_clipping_hardly_matter(driver, voice):
    plain = _mouth(driver, voice) @ MOUTH.gaps
    for change in (lambda x: x * 0.05, lambda x: x * 0.5 + 0.3, lambda x: (x * 4).clip(-1, 1)):
        made = _mouth(driver, Waveform(change(voice.samples), voice.sample_rate)) @ MOUTH.gaps
        assert np.corrcoef(made[:, 0], plain[:, 0])[0, 1] > 0.8
        assert 0.6 < float(made[:, 0].std() / plain[:, 0].std()) < 1.5


def test_a_voice_of_any_level_is_heard(driver, voice):
    plain = driver(voice).motion.jaw[:, 0]
    for decibels in (-50, -75):
        quiet = Waveform((voice.samples * 10 ** (decibels / 20)).astype(np.float32), voice.sample_rate)
        driven = driver(quiet)
        assert np.corrcoef(driven.motion.jaw[:, 0], plain)[0, 1] > 0.9
        assert driven.motion.jaw[:, 0].std() > 0.7 * plain.std()
        assert driven.sound is quiet and "is very quiet" in driven.problems[0]


def test_a_level_is_that_of_the_voice_not_of_what_is_around_it():
    rng, time = np.random.default_rng(0), np.arange(20 * 16000) / 16000
    word = np.where((time > 8) & (time < 8.5), 0.2, 1e-4) * rng.normal(size=len(time))
    assert Level.of(Waveform(word.clip(-1, 1).astype(np.float32), 16000)).note is None
    for decibels in (-50, -75):  # a hiss
        hiss = Level.of(Waveform((10 ** (decibels / 20) * rng.normal(size=len(time))).astype(np.float32), 16000))
        assert hiss.loud == pytest.approx(decibels, abs=2) and hiss.gain == 1 and hiss.note.startswith("is silent")
    hum = Waveform((0.3 + 1e-3 * np.sin(2 * np.pi * 50 * time)).astype(np.float32), 16000)
    assert Level.of(hum).note == "is silent: the mouth stays shut"
    assert Level.of(Waveform(np.zeros(9, np.float32), 16000)).note == "is silent: the mouth stays shut"
    beeps = 0.5 * np.sin(2 * np.pi * 440 * time) * ((time % 0.5) < 0.06) * (time < 1.5)
    assert Level.of(Waveform(beeps.astype(np.float32), 16000)).note is None  # three short sounds are no clicks


def test_streamed_sound_of_any_level_is_amplified(driver, voice):
    """Twice the same words: the second time, the stream knows how loud they are."""
    rate, half = voice.sample_rate, round(voice.duration * FPS)
    twice = np.concatenate([voice.samples, voice.samples])

    def jaw(gain: float) -> np.ndarray:
        samples = (twice * gain).astype(np.float32)
        parts = (Waveform(samples[start : start + 960], rate) for start in range(0, len(samples), 960))
        return torch.cat([piece.jaw[:, 0] for piece in driver.stream(parts)])[half:].numpy()

    plain, quiet = jaw(1.0), jaw(10 ** (-65 / 20))
    assert np.corrcoef(quiet, plain)[0, 1] > 0.9 and quiet.std() > 0.7 * plain.std()


@pytest.mark.parametrize("block", [100, 320, 16000])
def test_only_a_quiet_voice_is_raised_as_it_comes(block):
    rng, time = np.random.default_rng(0), np.arange(8 * 16000) / 16000
    noise = rng.normal(size=(2, len(time)))
    syllables = (np.sin(2 * np.pi * 3 * time) > 0) * 0.1 * noise[0] + 1e-4 * noise[1]
    loud = syllables.clip(-1, 1).astype(np.float32)

    def heard(samples: np.ndarray) -> np.ndarray:
        level = StreamLevel(16000)
        return np.concatenate([level.amplified(part) for part in np.split(samples, range(block, len(samples), block))])

    assert np.array_equal(heard(loud), loud)
    hiss = (1e-4 * rng.normal(size=len(time))).astype(np.float32)
    assert np.array_equal(heard(hiss), hiss)
    quiet = heard((loud * 10 ** (-55 / 20)).astype(np.float32))[-32000:]
    assert 10 * np.log10(np.square(quiet).mean() * 2) == pytest.approx(-25, abs=4)
    silent = np.zeros(16000 * 8, np.float32)
    again = heard(np.concatenate([(loud * 10 ** (-55 / 20)).astype(np.float32), silent, loud]))
    assert np.abs(again[-32000:] - loud[-32000:]).max() < 1e-6  # a loud voice after it is not raised


@pytest.mark.parametrize("seconds", [0.01, 0.5, 7.77, pytest.param(41.3, marks=pytest.mark.slow)])
def test_it_lasts_as_long_as_the_sound(driver, seconds):
    noise = np.random.default_rng(0).normal(0, 0.1, round(seconds * 22050)).clip(-1, 1).astype(np.float32)
    assert len(driver(Waveform(noise, 22050))) == max(1, round(len(noise) / 22050 * 25))


@pytest.mark.parametrize("size", [pytest.param(400, marks=pytest.mark.slow), 5000, 10**9])
def test_a_stream_equals_the_whole_but_for_sound_still_to_come(driver, voice, size):
    whole = driver(voice, seed=2).motion
    rate, received, lateness = voice.sample_rate, 0, []

    def chunks():
        nonlocal received
        for start in range(0, len(voice.samples), size):
            part = voice.samples[start : start + size]
            received += len(part)
            yield Waveform(part, rate)

    pieces, frames = [], 0
    for piece in driver.stream(chunks(), seed=2):
        pieces.append(piece)
        frames += len(piece)
        lateness.append(received / rate - (frames - len(piece)) / 25)  # s of sound that came before a frame came out
    assert frames == len(whole)
    if size < 10**6:
        assert max(lateness[:-1]) <= LATENCY + size / rate + 0.02 and LATENCY <= 0.5 and len(pieces) > 10
    joined = {name: torch.cat([getattr(piece, name) for piece in pieces]) for name in ("jaw", "expression")}
    gaps = [MOUTH.gap(motion) for motion in (whole, replace(whole, **joined))]
    assert np.corrcoef(*gaps)[0, 1] > 0.95
    again = torch.cat([piece.neck for piece in driver.stream(chunks(), seed=2)])
    assert torch.equal(again, torch.cat([piece.neck for piece in pieces]))


def test_a_stream_of_all_sound_at_once_ends_as_the_whole_does(driver, voice):
    """With all sound known, the mouth is that of the whole sound, exactly."""
    last = list(driver.stream([voice], seed=0))[-1]
    whole = driver(voice, seed=0).motion
    assert torch.allclose(last.jaw, whole.jaw[-len(last) :], atol=1e-4)


def test_controls_move_their_own_part_and_no_other(driver, voice):
    plain = driver(voice, seed=1).motion
    lips = driver(voice, seed=1, options=SpeechOptions(lips=1.6)).motion
    assert 1.3 < float(lips.jaw.std() / plain.jaw.std()) < 1.8 and torch.equal(lips.neck, plain.neck)
    shut = _gap(plain) < 0.01
    assert shut.sum() > 10 and _gap(lips)[shut].max() < 0.03  # lips that meet, meet at any strength
    dumb = driver(voice, seed=1, options=SpeechOptions(lips=0)).motion
    assert not dumb.jaw.any() and _gap(dumb).max() < 0.03
    still = driver(voice, seed=1, options=SpeechOptions(head_motion=0)).motion
    assert not still.neck.any() and not still.translation.any() and torch.equal(still.jaw, plain.jaw)
    staring = driver(voice, seed=1, options=SpeechOptions(blinks=0)).motion
    assert not staring.eyelids.any() and torch.equal(staring.eyes, plain.eyes)
    plainer = driver(voice, seed=1, options=SpeechOptions(style_strength=0)).motion
    assert (
        not plainer.eyes.any() and torch.equal(plainer.jaw, plain.jaw) and torch.equal(plainer.eyelids, plain.eyelids)
    )
    assert torch.allclose(MOUTH.gap(plainer), MOUTH.gap(plain), atol=0.01)
    with pytest.raises(BadInput, match="lips must be 0 to 2, got 3"):
        SpeechOptions(lips=3)


def test_two_seeds_move_the_head_differently_and_the_lips_alike(driver, voice):
    one, other = (driver(voice, seed=seed).motion for seed in (0, 1))
    assert not torch.allclose(one.neck, other.neck, atol=1e-3) and torch.equal(one.jaw, other.jaw)
    again = driver(voice, seed=0).motion
    assert all(torch.equal(getattr(one, name), getattr(again, name)) for name in CHANNELS)


def test_an_emotion_shapes_a_mouth_that_still_closes(driver, voice):
    plain = driver(voice, seed=0)
    words = DriverCall("text", TextPrompt(emotion="very happy, smiling broadly"))
    mixed = load_driver("mix")(MixSignal(DriverCall("speech", SpeechSignal(voice)), {"upper": words}, words), seed=0)
    assert torch.equal(mixed.motion.jaw, driver(voice, seed=0).motion.jaw) and mixed.lips_meet
    shut = _gap(plain.motion) < 0.008
    assert shut.sum() > 10 and float((_gap(mixed.motion)[shut] < 0.03).float().mean()) > 0.9
    width = lambda motion: (MOUTH.face(motion) @ MOUTH.gaps)[:, 3]  # noqa: E731
    assert (width(mixed.motion) - width(plain.motion))[40:-40].mean() > 0.02


def test_an_emotion_shapes_the_first_seconds_of_a_longer_sound_too(driver, tmp_path, voice):
    file = _written(tmp_path / "said.wav", voice, "pcm_s16le", voice.sample_rate, "mono")
    made = {}
    for name, options in (("whole", {}), ("first", {"seconds": 2.0}), ("plain", {"emotion": None})):
        write_motion(tmp_path / f"{name}.npz", speech=file, **{"emotion": "very happy"} | options)
        made[name] = FlameSequence.load(tmp_path / f"{name}.npz")
    width = {name: float((torch.cat([m.jaw, m.expression], 1) @ MOUTH.gaps)[:, 3].mean()) for name, m in made.items()}
    assert len(made["first"]) == 50
    assert width["whole"] > width["plain"] + 0.05 and width["first"] > width["plain"] + 0.05


def test_a_voice_of_this_machine_says_words_of_any_length(voice):
    first, name = speak(SAID)
    again, _ = speak(SAID)
    assert name == "hibari" and np.array_equal(first.samples, again.samples) and 3 < first.duration < 10
    longer, _ = speak(" ".join([SAID] * 5))
    assert longer.duration > 4 * first.duration


@pytest.mark.parametrize(
    ("text", "says"), [("", "expected words"), ("  \n", "expected words"), ("…", "expected words")]
)
def test_words_that_cannot_be_said_are_refused(text, says):
    pytest.importorskip("hibari", reason="the voice comes with the extra `voice`")
    with pytest.raises(BadInput, match=says):
        speak(text)


def test_without_a_voice_it_says_how_to_get_one(monkeypatch):
    from flamecast.drivers.speech import voice as module

    monkeypatch.setattr(module, "find_spec", lambda name: None)
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    with pytest.raises(BadInput, match=re.escape(f"no voice is installed: {how_to_install('voice')}")):
        speak("hello")
    monkeypatch.setattr(module, "find_spec", lambda name: name)
    with pytest.raises(BadInput, match="speaks English"):
        speak("你好，世界")


def test_what_is_no_recording_is_refused(tmp_path):
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("this is a text\n" * 40)
    with wave.open(str(tmp_path / "short.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bytes(3200))
    for name, says in (
        ("empty", "is empty"),
        ("text", "not a media file|expected a media file"),
        ("short", "lasts 0.10 s"),
    ):
        with pytest.raises(BadInput, match=says):
            SpeechSignal.open(tmp_path / f"{name}.wav")
    with pytest.raises(BadInput, match="does not exist"):
        SpeechSignal.open(tmp_path / "nowhere.wav")
    silent = _written(tmp_path / "quiet.wav", Waveform(np.zeros(16000, np.float32), 16000), "pcm_s16le", 16000, "mono")
    assert SpeechSignal.open(silent).problems == [f"the recording {silent} is silent: the mouth stays shut"]


@pytest.mark.parametrize(
    "name, damage, says",
    [
        ("lips.json", lambda data: data[:40], "is no card of weights"),
        ("head.json", lambda data: b"[1]", "is no card of weights .expected an object"),
        ("head.json", lambda data: b"\xff\xfe{", "is no card of weights"),
        ("lips.safetensors", lambda data: data[:1000], "is no whole safetensors file"),
        ("head.safetensors", lambda data: b"", "is no whole safetensors file|is empty"),
        ("lips.json", lambda data: data.replace(b'"out": 66', b'"out": 65'), "do not fit each other"),
    ],
)
def test_damaged_weights_are_refused(tmp_path, name, damage, says):
    folder = shutil.copytree(WEIGHTS, tmp_path / "weights")
    (folder / name).write_bytes(damage((folder / name).read_bytes()))
    with pytest.raises(BadInput, match=says):
        SpeechDriver(weights=str(folder))(Waveform(np.zeros(16000, np.float32), 16000))


def test_a_denoiser_of_something_else_is_refused(tmp_path):
    folder = shutil.copytree(WEIGHTS, tmp_path / "weights")
    words = load_denoiser(WEIGHTS.parents[1] / "text" / "weights" / "motion")
    save_network(folder / "head", words, words.card | {"features": "whisper-base-3"})
    with pytest.raises(BadInput, match="something else than the head motion of a speaker"):
        SpeechDriver(weights=str(folder))(Waveform(np.zeros(16000, np.float32), 16000))


def test_weights_of_other_features_are_refused():
    with pytest.raises(BadInput, match="was trained on the features whisper-base-3, not on log-mel"):
        SpeechDriver(features="mel")(Waveform(np.zeros(16000, np.float32), 16000))


@pytest.mark.skipif(not DATA.is_dir(), reason="the recordings of ../shared/data are not here")
@pytest.mark.parametrize("name", ["sadtalker__driven_audio_chinese_news.wav", "sadtalker__driven_audio_fayu.wav"])
def test_the_mouth_rests_in_pauses_of_other_languages(driver, name):
    spoken = SpeechSignal.open(DATA / "speech" / name).first(20)
    gap = MOUTH.gap(driver(spoken).motion)
    level = torch.from_numpy(spoken.sound.samples)[: len(gap) * 640].unflatten(0, (-1, 640)).square().mean(1).sqrt()
    smooth = torch.nn.functional.max_pool1d(level[None, None], 15, 1, 7)[0, 0]  # quiet for 0.6 s
    quiet, loud = smooth < 0.03 * level.max(), level > 0.3 * level.max()
    assert loud.sum() > 20 and gap[loud].mean() > 0.05
    assert gap.min() < 0.005 and gap.std() > 0.03  # it closes and opens
    if quiet.sum() > 3:
        assert gap[quiet].mean() < 0.4 * gap[loud].mean()


@pytest.mark.skipif(not FACEGOOD.is_dir(), reason="the takes of ../shared/data are not here")
def test_the_jaw_follows_a_take_that_no_training_saw(driver):
    take = facegood_footage(FACEGOOD / "1114_2_05.npz", "actress")
    assert json.loads((WEIGHTS / "lips.json").read_text())["held out"] == take.name
    made = _mouth(driver, Waveform(take.samples.numpy(), SAMPLE_RATE))[: len(take.mouth)]
    assert correlation(made[:, 0], take.motion.jaw[: len(made), 0]) > 0.7
