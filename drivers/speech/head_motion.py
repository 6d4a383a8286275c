"""What a face does beside speaking: head, gaze, blinks and brows, sampled by a diffusion model that hears the sound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from ...flame_motion import FlameSequence
from ...flame_motion.diffusion import Condition, sample
from ...flame_motion.diffusion.weights import Trained
from ...flame_motion.mirror import mirrored
from ...flame_motion.mouth import Mouth
from ...flame_motion.packing import Layout
from .audio_features import PER_FRAME, AudioFeatures, Heard

CHANNELS = ("neck", "translation", "eyes", "eyelids", "expression")
FRAMES = 150  # of a window
CARRIED = 16  # frames of what came before, given to the next window
PATCH = 4  # frames a token of sound


def sound_tokens(features: Tensor) -> Tensor:
    """Features [2 T, C] at 50 Hz -> tokens [ceil(T / PATCH), C], each the mean over its frames, normalised."""
    padded = F.pad(features, (0, 0, 0, -len(features) % (2 * PATCH)))
    counts = F.pad(torch.ones(len(features)), (0, len(padded) - len(features))).unflatten(0, (-1, 2 * PATCH)).sum(1)
    return F.layer_norm(padded.unflatten(0, (-1, 2 * PATCH)).sum(1) / counts[:, None], features.shape[1:])


def upper_face(motion: FlameSequence, mouth: Mouth) -> FlameSequence:
    """The motion without what the mouth does."""
    return replace(
        motion, jaw=torch.zeros_like(motion.jaw), expression=motion.expression - motion.expression @ mouth.lower.T
    )


class Player:
    """The head's motion, window after window, each going on from the last."""

    def __init__(self, model: Trained, hears: AudioFeatures, *, seed: int, steps: int, guidance: float) -> None:
        """steps, guidance: of the sampler."""
        self.model, self.hears, self.steps, self.guidance = model, hears, steps, guidance
        self.done = 0  # frames
        self._before = torch.zeros(0, len(model.mean))
        self._rng = torch.Generator().manual_seed(seed)

    def window(self, sound: Heard, frames: int, keep: int) -> Tensor:
        """The next `keep` frames of packed motion [keep, D], made as part of a window of so many frames.

        What lies beyond the end of the sound, it does not know yet.
        """
        start, stop = self.done - len(self._before), self.done + frames
        told = sound_tokens(self.hears(sound, PER_FRAME * start, min(PER_FRAME * stop, sound.stop)))
        given, kept = torch.zeros(1, stop - start, len(self.model.mean)), torch.zeros(stop - start, 1)
        given[0, : len(self._before)], kept[: len(self._before)] = self._before, 1
        tokens = torch.zeros(1, -(-(stop - start) // PATCH), self.hears.width)
        tokens[0, : len(told)] = told
        cond = Condition(
            tokens, torch.arange(tokens.shape[1])[None] < len(told), torch.ones(1, stop - start, dtype=torch.bool),
            given, kept.bool().expand_as(given[0])[None],
        )  # fmt: skip
        noise = torch.randn(given.shape, generator=self._rng)
        made = sample(self.model.denoiser, noise, cond, steps=self.steps, guidance=self.guidance)[0]
        made = made[len(self._before) :][:keep]
        self._before = torch.cat([self._before, made])[-CARRIED:]
        self.done += keep
        return self.model.motion(made)


def training_windows(
    motion: FlameSequence, features: Tensor, mouth: Mouth, layout: Layout, hop: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Tokens and packed motion of windows of a clip `hop` frames apart, each also as a mirror shows it."""
    for shown in (motion, mirrored(motion)):
        packed = layout.pack(upper_face(shown, mouth))
        frames = min(len(packed), len(features) // 2)
        for index, start in enumerate(range(0, max(frames - FRAMES // 2, 1), hop)):
            stop = min(start + FRAMES, frames)
            tokens = sound_tokens(features[PER_FRAME * start : PER_FRAME * stop])
            # Of every third, the end is not heard yet: so it is in a stream.
            known = len(tokens) if index % 3 else max(len(tokens) * (1 + index % 4) // 4, 1)
            yield tokens[:known].half(), packed[start:stop].half()
