"""What a face does beside speaking: head, gaze, blinks and brows, sampled by a diffusion model that hears the sound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from ...flame_motion import FlameSequence
from ...flame_motion.diffusion import Condition, sample
from ...flame_motion.diffusion.weights import Trained
from ...flame_motion.heads.head import Head
from ...flame_motion.packing import Layout
from ...flame_motion.retargeting.mirror import mirrored
from .audio_features import PER_FRAME, Stretch

CHANNELS = (
    "neck",
    "translation",
    "eyes",
    "eyelids",
)  # as of the text driver's motion model, which training starts from
UPPER = (
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekSquintLeft",
    "cheekSquintRight", "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight",
)  # fmt: skip
FRAMES = 150  # of a window
CARRIED = 16  # frames of what came before, given to the next window
PATCH = 4  # frames a token of sound
BLINK = 0.2  # of a lid's way: what tracking makes of a blink at least


def sound_tokens(features: Tensor) -> Tensor:
    """Features [2 T, C] at 50 Hz -> tokens [ceil(T / PATCH), C], each the mean over its frames, normalised."""
    padded = F.pad(features, (0, 0, 0, -len(features) % (2 * PATCH)))
    counts = F.pad(torch.ones(len(features)), (0, len(padded) - len(features))).unflatten(0, (-1, 2 * PATCH)).sum(1)
    return F.layer_norm(padded.unflatten(0, (-1, 2 * PATCH)).sum(1) / counts[:, None], features.shape[1:])


@dataclass(frozen=True)
class Liveliness:
    """What the model makes, as one tensor [..., T, D] and back: head, gaze, lids, and axes of the upper face."""

    head: Head

    @cached_property
    def layout(self) -> Layout:
        """Of the channels before the axes."""
        return Layout.of(self.head, CHANNELS)

    @cached_property
    def axes(self) -> list[int]:
        """The upper face in the head's expression."""
        return [self.head.expression_names.index(name) for name in UPPER]

    @property
    def size(self) -> int:
        """D."""
        return self.layout.size + len(UPPER)

    def pack(self, motion: FlameSequence) -> Tensor:
        """A motion as [T, D]; what else it does is left out."""
        return torch.cat([self.layout.pack(motion), motion.expression[:, self.axes]], 1)

    def channels(self, packed: Tensor) -> dict[str, Tensor]:
        """[T, D] as channels by name, the expression [T, E] with nothing but the upper face."""
        expression = packed.new_zeros(len(packed), self.head.expression.shape[-1])
        expression[:, self.axes] = packed[:, self.layout.size :]
        return self.layout.channels(packed[:, : self.layout.size]) | {"expression": expression}


class Player:
    """The head's motion, window after window, each going on from the last."""

    def __init__(self, model: Trained, *, seed: int, steps: int, guidance: float) -> None:
        """steps, guidance: of the sampler."""
        self.model, self.steps, self.guidance = model, steps, guidance
        self.done = 0  # frames
        self._before = torch.zeros(0, len(model.mean))
        self._rng = torch.Generator().manual_seed(seed)

    def window(self, heard: Stretch, frames: int, keep: int) -> Tensor:
        """The next `keep` frames of packed motion [keep, D], made as part of a window of so many frames.

        heard: from `CARRIED` frames before on; what lies beyond its end is not known yet.
        """
        start, stop = self.done - len(self._before), self.done + frames
        told = sound_tokens(heard.between(PER_FRAME * start, PER_FRAME * stop))
        given, kept = torch.zeros(1, stop - start, len(self.model.mean)), torch.zeros(stop - start, 1)
        given[0, : len(self._before)], kept[: len(self._before)] = self._before, 1
        tokens = torch.zeros(1, -(-(stop - start) // PATCH), self.model.denoiser.config.context)
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


def shut_or_open(lids: Tensor) -> Tensor:
    """Sampled lids [T, 2] with blinks that shut: samples of so short a thing are its mean, in part."""
    return ((lids - 0.1) / 0.45).clamp(0, 1)


def whole_blinks(lids: Tensor) -> Tensor:
    """Lids [T, 2] of a tracked clip, whose blinks shut: tracking sees about a third of one, more or less by person.

    The widest closure becomes 0.95 and what is below a fifth of it an open eye; a clip that never comes to `BLINK` has
    no blink, and stays.
    """
    most = lids.mean(1).max()
    if most < BLINK:
        return lids
    return ((lids - 0.2 * most) / (0.8 * most)).clamp(0, 1) * 0.95


def training_windows(
    motion: FlameSequence, features: Tensor, lively: Liveliness, hop: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Tokens and packed motion of windows of a clip `hop` frames apart, each also as a mirror shows it."""
    whole = replace(motion, eyelids=whole_blinks(motion.eyelids))
    for shown in (whole, mirrored(whole)):
        packed = lively.pack(shown)
        frames = min(len(packed), len(features) // 2)
        for index, start in enumerate(range(0, max(frames - FRAMES // 2, 1), hop)):
            stop = min(start + FRAMES, frames)
            tokens = sound_tokens(features[PER_FRAME * start : PER_FRAME * stop])
            # Of every third, the end is not heard yet: so it is in a stream.
            known = len(tokens) if index % 3 else max(len(tokens) * (1 + index % 4) // 4, 1)
            yield tokens[:known].half(), packed[start:stop].half()
