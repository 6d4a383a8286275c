"""Head motion, gaze, blinks and brows of a speaker, sampled by a diffusion model conditioned on the sound."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from ...flame_motion import FlameSequence
from ...flame_motion.diffusion import Conditioning, sample
from ...flame_motion.diffusion.weights import TrainedDenoiser
from ...flame_motion.heads.head import Head
from ...flame_motion.packing import Layout
from .audio_features import PER_FRAME, FeatureSpan

CHANNELS = ("neck", "translation", "eyes", "eyelids")  # first, as in the text driver's motion model (trained from it)
UPPER_FACE = (
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekSquintLeft",
    "cheekSquintRight", "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight",
)  # fmt: skip
WINDOW_FRAMES = 150
CARRIED_FRAMES = 16  # of the window before, which the next one goes on from
PATCH = 4  # frames of motion a sound token


def sound_tokens(features: Tensor) -> Tensor:
    """Audio features [2 T, C] -> tokens [ceil(T / PATCH), C]: means over `PATCH` frames of motion, normalised."""
    padded = F.pad(features, (0, 0, 0, -len(features) % (2 * PATCH)))
    counts = (
        F.pad(torch.ones(len(features), device=features.device), (0, len(padded) - len(features)))
        .unflatten(0, (-1, 2 * PATCH))
        .sum(1)
    )
    return F.layer_norm(padded.unflatten(0, (-1, 2 * PATCH)).sum(1) / counts[:, None], features.shape[1:])


@dataclass(frozen=True)
class HeadMotionChannels:
    """Packs what the model generates into [..., T, D] and back: head, gaze, lids, and axes of the upper face."""

    head: Head

    @cached_property
    def layout(self) -> Layout:
        """The layout of `CHANNELS`, which come first."""
        return Layout.of(self.head, CHANNELS)

    @cached_property
    def axes(self) -> list[int]:
        """Indices of the upper face in the head's expression."""
        return [self.head.expression_names.index(name) for name in UPPER_FACE]

    @property
    def size(self) -> int:
        """D."""
        return self.layout.size + len(UPPER_FACE)

    def pack(self, motion: FlameSequence) -> Tensor:
        """A motion as [T, D], without its other channels."""
        return torch.cat([self.layout.pack(motion), motion.expression[:, self.axes]], 1)

    def channels(self, packed: Tensor) -> dict[str, Tensor]:
        """[T, D] as channels by name; the expression [T, E] holds the upper face only."""
        expression = packed.new_zeros(len(packed), self.head.expression.shape[-1])
        expression[:, self.axes] = packed[:, self.layout.size :]
        return self.layout.channels(packed[:, : self.layout.size]) | {"expression": expression}


class HeadMotionSampler:
    """Samples head motion window by window, each continuing the one before, on the device of the model."""

    def __init__(self, model: TrainedDenoiser, *, seed: int, steps: int, guidance: float) -> None:
        """steps: of the sampler; guidance: scale of classifier-free guidance."""
        self.model, self.steps, self.guidance = model, steps, guidance
        self.done = 0  # frames
        self._before = torch.zeros(0, len(model.mean), device=model.mean.device)
        self._rng = torch.Generator().manual_seed(seed)

    def window(self, features: FeatureSpan, frames: int, keep: int) -> Tensor:
        """The next `keep` frames of packed motion [keep, D] on the CPU, sampled in a window of `frames` frames.

        features: from `CARRIED_FRAMES` frames before on; beyond their end the sound is not known yet. The noise is
        drawn on the CPU, so that a seed means the same on every device.
        """
        start, stop, device = self.done - len(self._before), self.done + frames, self._before.device
        sound = sound_tokens(features.slice(PER_FRAME * start, PER_FRAME * stop))
        tokens = sound.new_zeros(1, -(-(stop - start) // PATCH), self.model.denoiser.config.context)
        tokens[0, : len(sound)] = sound
        token_mask = torch.arange(tokens.shape[1], device=device)[None] < len(sound)
        known = torch.zeros(1, stop - start, len(self.model.mean), device=device)
        known[0, : len(self._before)] = self._before
        known_mask = (torch.arange(stop - start, device=device) < len(self._before))[None, :, None].expand_as(known)
        exists = torch.ones(1, stop - start, dtype=torch.bool, device=device)
        conditioning = Conditioning(tokens, token_mask, exists, known, known_mask)
        noise = torch.randn(known.shape, generator=self._rng).to(device)
        motion = sample(self.model.denoiser, noise, conditioning, steps=self.steps, guidance=self.guidance)[0]
        motion = motion[len(self._before) :][:keep]
        self._before = torch.cat([self._before, motion])[-CARRIED_FRAMES:]
        self.done += keep
        return self.model.motion(motion).cpu()


def sharpen_blinks(lids: Tensor) -> Tensor:
    """Sampled lids [T, 2] with blinks that close fully: sampling smooths so short an event."""
    return ((lids - 0.1) / 0.45).clamp(0, 1)
