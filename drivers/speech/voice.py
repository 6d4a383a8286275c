"""Text to speech by a voice of this machine: hibari (extra `voice`, English) or espeak-ng. Nothing is downloaded."""

from __future__ import annotations

import io
import shutil
import subprocess
import wave
from importlib.util import find_spec

import numpy as np

from ...core.extras import how_to_install
from ...flame_motion import BadInput, Waveform

MAX_CHARACTERS = 100_000


def speak(text: str) -> tuple[Waveform, str]:
    """The text as sound, and the voice's name. Raises BadInput for an empty or too long text, or without a voice."""
    if not isinstance(text, str) or not any(map(str.isalnum, text)):
        raise BadInput("say: expected words to speak, got none")
    if len(text) > MAX_CHARACTERS:
        raise BadInput(f"say: expected at most {MAX_CHARACTERS} characters, got {len(text)}; make several clips of it")
    english = sum(letter.isascii() for letter in text if letter.isalpha()) * 2 >= sum(map(str.isalpha, text))
    if english and find_spec("hibari") is not None:
        sound, voice = _hibari(text), "hibari"
    elif shutil.which("espeak-ng") is not None:
        sound, voice = _espeak(text), "espeak-ng"
    elif find_spec("hibari") is not None:
        raise BadInput("say: the voice here speaks English; for other languages install espeak-ng, or give a recording")
    else:
        raise BadInput(f"say: no voice is installed: {how_to_install('voice')}, or install espeak-ng")
    if len(sound.samples) < 2:
        raise BadInput(f"say: the voice {voice} has nothing to say to {text.strip()[:40]!r}; give words")
    return sound, voice


def _hibari(text: str) -> Waveform:
    from hibari import Hibari

    voice = Hibari()
    samples = voice(text, seed=0)
    return Waveform(np.append(samples, 0.0).clip(-1, 1).astype(np.float32), voice.sample_rate)


def _espeak(text: str) -> Waveform:
    """Reads the text from standard input, where no word is taken for an option."""
    result = subprocess.run(["espeak-ng", "--stdin", "--stdout"], input=text.encode(), capture_output=True, check=False)
    if result.returncode or not result.stdout:
        raise BadInput(f"say: espeak-ng failed: {result.stderr.decode(errors='replace').strip()[:90]}")
    with wave.open(io.BytesIO(result.stdout)) as file:  # the header was written before the length was known
        samples = np.frombuffer(file.readframes(len(result.stdout)), "<i2")
        return Waveform(samples.astype(np.float32) / 32768, file.getframerate())
