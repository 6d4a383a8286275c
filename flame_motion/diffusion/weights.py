"""Trained denoisers: with the statistics that normalise their motion, from and to the files of `core.networks`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...core.networks import load_network
from .denoiser import DenoiserConfig, MotionDenoiser


class TrainedDenoiser(nn.Module):
    """A denoiser, the mean and spread [D] of the motion that it was trained on, and its card."""

    mean: Tensor  # [D]
    spread: Tensor  # [D], above 0

    def __init__(self, denoiser: MotionDenoiser, mean: Tensor | None = None, spread: Tensor | None = None) -> None:
        """mean, spread: 0 and 1 where they are yet to be loaded."""
        super().__init__()
        self.denoiser, self.config = denoiser, denoiser.config
        self.card: dict[str, Any] = {}
        self.register_buffer("mean", torch.zeros(self.config.channels) if mean is None else mean.float())
        self.register_buffer("spread", torch.ones(self.config.channels) if spread is None else spread.float())

    def normal(self, motion: Tensor) -> Tensor:
        """Packed motion [..., T, D], normalised as the denoiser takes it."""
        return (motion - self.mean) / self.spread

    def motion(self, normal: Tensor) -> Tensor:
        """The way back."""
        return normal * self.spread + self.mean


def load_denoiser(path: Path) -> TrainedDenoiser:
    """Reads what `save_network` wrote of a `TrainedDenoiser`. BadInput for files that do not fit each other."""
    trained, card = load_network(path, lambda sizes: TrainedDenoiser(MotionDenoiser(DenoiserConfig(**sizes))))
    trained.card = card
    return trained
