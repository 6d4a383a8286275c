"""Clips of the player's file: parameters frame by frame, and their sound."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import torch

from ...flame_motion import Driven, FlameSequence
from ...flame_motion.media.sound import SAMPLE_RATE, Sound
from .container import Container

CHANNELS = ("expression", "rotation", "neck", "jaw", "eyes", "eyelids", "translation")  # in this order in a frame


def add_clip(made: Container, name: str, motion: FlameSequence, driven: Driven) -> None:
    """Adds a motion on the portrait's head, with the sound it came with."""
    clips: list[dict[str, Any]] = made.header.setdefault("clips", [])
    number = len(clips)
    frames = torch.cat([getattr(motion, channel).flatten(1) for channel in CHANNELS], 1)
    made.array(f"clip{number}_motion", frames.numpy().astype("f4"))
    sound = None if driven.sound is None else Sound.of(driven.sound)
    if sound is not None:
        made.file(f"clip{number}_sound", flac(sound.take(round(motion.duration * SAMPLE_RATE))), "audio/flac")
    clips.append({"name": name, "fps": motion.fps, "frames": len(motion), "sound": sound is not None})


def flac(samples: np.ndarray) -> bytes:
    """Sound [channels, N] -1..1 at SAMPLE_RATE as a FLAC file, mono: no codec's delay, and every browser plays it."""
    import av

    buffer = io.BytesIO()
    mono = (samples.mean(0).clip(-1, 1) * 32767).astype("<i2")[None]
    with av.open(buffer, "w", format="flac") as file:
        stream = file.add_stream("flac", rate=SAMPLE_RATE)
        stream.layout = "mono"
        for start in range(0, mono.shape[1], 4096):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(mono[:, start : start + 4096]), "s16", "mono")
            frame.sample_rate, frame.pts = SAMPLE_RATE, start
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return buffer.getvalue()
