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
from ...flame_motion.packing import Layout
from ...flame_motion.windows import windows
from .data import Mouth

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


def play(model: Trained, features: Tensor, frames: int, *, seed: int, steps: int, guidance: float) -> Iterator[Tensor]:
    """Packed motion [t, D] of one window after another, each going on from the last; `frames` in all."""
    rng = torch.Generator().manual_seed(seed)
    before = torch.zeros(0, len(model.mean))
    for window in windows(frames, FRAMES - CARRIED, 0):
        start = window.start - len(before)
        tokens = sound_tokens(features[2 * start : 2 * window.stop])[None]
        count = window.stop - start
        given = torch.cat([before, torch.zeros(count - len(before), len(model.mean))])[None]
        kept = torch.zeros_like(given, dtype=torch.bool)
        kept[:, : len(before)] = True
        cond = Condition(
            tokens, torch.ones(tokens.shape[:2], dtype=torch.bool), torch.ones(1, count, dtype=torch.bool), given, kept
        )
        made = sample(model.denoiser, torch.randn(given.shape, generator=rng), cond, steps=steps, guidance=guidance)[0]
        before = made[-CARRIED:]
        yield model.motion(made[window.start - start :])


def training_windows(
    motion: FlameSequence, features: Tensor, mouth: Mouth, layout: Layout, hop: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Tokens and packed motion of windows of a clip `hop` frames apart, each also as a mirror shows it."""
    for shown in (motion, mirrored(motion)):
        packed = layout.pack(upper_face(shown, mouth))
        frames = min(len(packed), len(features) // 2)
        for start in range(0, max(frames - FRAMES // 2, 1), hop):
            stop = min(start + FRAMES, frames)
            yield sound_tokens(features[2 * start : 2 * stop]).half(), packed[start:stop].half()
