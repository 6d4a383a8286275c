"""Other voices, rooms, microphones, codecs and noises for the same words: what timing there is stays."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from scipy import signal

from ...drivers.speech.audio_features import FPS, SAMPLE_RATE, interpolate
from .footage import Footage

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def perturbed(samples: np.ndarray, rng: np.random.Generator, share: float = 0.4) -> np.ndarray:
    """Sound [N] as somebody else might have said and recorded it, [N] within -1..1; each change comes by chance."""
    for change, often in CHANGES:
        if rng.random() < share * often:
            samples = change(samples, rng)
    loudest = max(float(np.abs(samples).max()), 1e-4)
    level = 10 ** rng.uniform(-1.3, 0.0)
    clipped = 1.0 if rng.random() > 0.1 else rng.uniform(1.0, 3.0)
    return (samples / loudest * level * clipped + rng.normal(0, 0.002)).clip(-1, 1).astype(np.float32)


def faster(clip: Footage, rate: float) -> Footage:
    """The clip said at `rate` times its speed, higher by as much: sound and picture."""
    frames = int(len(clip.mouth) / rate)
    times = torch.arange(frames) * rate
    sound = signal.resample(clip.samples.numpy(), round(len(clip.samples) / rate))
    return replace(
        clip, samples=torch.from_numpy(sound.astype(np.float32)).clamp(-1, 1), mouth=interpolate(clip.mouth, times),
        motion=clip.motion.sample(times.double(), FPS),
        seen=clip.seen[times.round().long().clamp(max=len(clip.seen) - 1)],
    )  # fmt: skip


def _pitch(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A higher or lower voice, formants and all."""
    import librosa

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sounds shorter than its window
        return librosa.effects.pitch_shift(samples, sr=SAMPLE_RATE, n_steps=float(rng.uniform(-4, 5)), n_fft=1024)


def _room(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Echoes that fall off by 60 dB in 0.1 to 0.7 s, the direct sound first."""
    seconds = rng.uniform(0.1, 0.7)
    tail = rng.normal(size=int(seconds * SAMPLE_RATE)) * np.exp(-6.9 * np.linspace(0, 1, int(seconds * SAMPLE_RATE)))
    tail[: int(rng.uniform(0.002, 0.02) * SAMPLE_RATE)] = 0
    tail *= rng.uniform(0.2, 1.2) / max(float(np.linalg.norm(tail)), 1e-9)
    tail[0] = 1
    return signal.fftconvolve(samples, tail)[: len(samples)].astype(np.float32)


def _microphone(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Some bands louder or quieter, the lowest and highest cut."""
    low, high = rng.uniform(40, 300), rng.uniform(3000, 7900)
    band = signal.butter(2, [low, high], "bandpass", fs=SAMPLE_RATE, output="sos")
    samples = signal.sosfilt(band, samples)
    for _ in range(2):
        b, a = signal.iirpeak(rng.uniform(200, 5000), rng.uniform(0.7, 3), fs=SAMPLE_RATE)
        samples = samples + rng.uniform(-0.6, 1.0) * signal.lfilter(b, a, samples)
    return samples.astype(np.float32)


def _codec(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """There and back through a telephone's or a messenger's codec."""
    import av

    name, kind, rate, bits = CODECS[rng.integers(len(CODECS))]
    file = io.BytesIO()
    with av.open(file, "w", format=kind) as container:
        stream = container.add_stream(name, rate=rate, layout="mono")
        if bits:
            stream.bit_rate = bits
        frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32).clip(-1, 1), format="fltp", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        fifo = av.AudioResampler(
            stream.codec_context.format, "mono", rate, frame_size=stream.codec_context.frame_size or 1024
        )
        for part in [*fifo.resample(frame), *fifo.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as container:
        back = av.AudioResampler("fltp", "mono", SAMPLE_RATE)
        parts = [out.to_ndarray()[0] for one in container.decode(audio=0) for out in back.resample(one)]
    return _aligned(np.concatenate(parts), samples)


CODECS = (  # by ffmpeg's names: codec, container, Hz, bits a second
    ("libmp3lame", "mp3", 16000, 24000), ("libopus", "ogg", 16000, 12000), ("pcm_mulaw", "wav", 8000, 0),
    ("aac", "adts", 16000, 24000),
)  # fmt: skip


def _aligned(late: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """A copy [N] of `samples` [N] that comes late by less than a fifth of a second, in its place again."""
    reach = SAMPLE_RATE // 5
    likeness = signal.correlate(np.pad(late, (reach, reach)), samples, "valid" if len(late) >= len(samples) else "full")
    delay = int(likeness[: 2 * reach].argmax()) - reach if len(late) >= len(samples) else 0
    moved = late[max(delay, 0) :] if delay >= 0 else np.pad(late, (-delay, 0))
    return np.pad(moved, (0, max(len(samples) - len(moved), 0)))[: len(samples)].astype(np.float32)


def _noise(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise between white and brown, 5 to 35 dB below the speech."""
    spectrum = np.fft.rfft(rng.normal(size=len(samples)))
    spectrum /= np.maximum(np.arange(len(spectrum)), 30) ** rng.uniform(0, 1)
    return _mixed(samples, np.fft.irfft(spectrum, len(samples)), rng.uniform(5, 35))


def _music(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Chords of plucked harmonics, 8 to 30 dB below the speech."""
    return _mixed(samples, chords(len(samples), rng), rng.uniform(8, 30))


def chords(count: int, rng: np.random.Generator) -> np.ndarray:
    """Music of a kind [N]: chords and a beat, which no mouth says."""
    music, at = np.zeros(count), 0
    while at < count:
        length = int(rng.uniform(0.2, 0.8) * SAMPLE_RATE)
        time = np.arange(min(length, count - at)) / SAMPLE_RATE
        root = 110 * 2 ** (rng.integers(0, 24) / 12)
        for step in (0, rng.choice([3, 4]), 7):
            for harmonic in range(1, 6):
                wave = np.sin(2 * np.pi * root * 2 ** (step / 12) * harmonic * time + rng.uniform(0, 6))
                music[at : at + len(time)] += wave * np.exp(-time * rng.uniform(1, 8)) / harmonic
        beat = rng.normal(size=len(time)) * np.exp(-time * 40)
        music[at : at + len(time)] += rng.uniform(0, 3) * beat
        at += length
    return music / max(float(np.abs(music).max()), 1e-9)


def _mixed(samples: np.ndarray, other: np.ndarray, decibels: float) -> np.ndarray:
    """Two sounds, the other one so many dB quieter."""
    own, its = np.sqrt(np.mean(samples**2)), np.sqrt(np.mean(other**2))
    return (samples + other * (own / max(its, 1e-9)) * 10 ** (-decibels / 20)).astype(np.float32)


CHANGES: tuple[tuple[Change, float], ...] = (
    (_pitch, 1.0), (_room, 1.0), (_noise, 1.2), (_music, 0.5), (_microphone, 1.0), (_codec, 0.7),
)  # fmt: skip
