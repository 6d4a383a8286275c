"""Words spoken by a voice of this machine: hibari (extra `voice`; English), or espeak-ng. Nothing is downloaded."""

from __future__ import annotations

import io
import shutil
import subprocess
import wave
from importlib.util import find_spec

import numpy as np

from ...flame_motion import BadInput, Waveform

LONGEST = 100_000  # characters


def speak(text: str) -> tuple[Waveform, str]:
    """The text as sound, and the name of the voice that says it. BadInput when it is empty, or no voice is here."""
    if not isinstance(text, str) or not any(map(str.isalnum, text)):
        raise BadInput("say: expected words to speak, got none")
    if len(text) > LONGEST:
        raise BadInput(f"say: expected at most {LONGEST} characters, got {len(text)}; make several clips of it")
    english = sum(letter.isascii() for letter in text if letter.isalpha()) * 2 >= sum(map(str.isalpha, text))
    if english and find_spec("hibari") is not None:
        sound, voice = _hibari(text), "hibari"
    elif shutil.which("espeak-ng") is not None:
        sound, voice = _espeak(text), "espeak-ng"
    elif find_spec("hibari") is not None:
        raise BadInput("say: the voice here speaks English; for other languages install espeak-ng, or give a recording")
    else:
        raise BadInput('say: no voice is installed: pip install "flamecast[voice]", or install espeak-ng')
    if len(sound.samples) < 2:
        raise BadInput(f"say: the voice {voice} has nothing to say to {text.strip()[:40]!r}; give words")
    return sound, voice


def _hibari(text: str) -> Waveform:
    from hibari import Hibari

    voice = Hibari()
    samples = voice(text, seed=0)
    return Waveform(np.append(samples, 0.0).clip(-1, 1).astype(np.float32), voice.sample_rate)


def _espeak(text: str) -> Waveform:
    """Through standard input, so that words are never options."""
    said = subprocess.run(["espeak-ng", "--stdin", "--stdout"], input=text.encode(), capture_output=True, check=False)
    if said.returncode or not said.stdout:
        raise BadInput(f"say: espeak-ng failed: {said.stderr.decode(errors='replace').strip()[:90]}")
    with wave.open(io.BytesIO(said.stdout)) as file:  # its header does not know the length yet
        samples = np.frombuffer(file.readframes(len(said.stdout)), "<i2")
        return Waveform(samples.astype(np.float32) / 32768, file.getframerate())
