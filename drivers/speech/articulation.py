"""The mouth, regressed from sound: a small convolutional network from features at 50 Hz to jaw and lower face at 25."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class ArticulationConfig:
    """The numbers that make an `Articulation`."""

    features: int  # C of the audio features
    out: int  # 3 + E: jaw, and expression of the lower face
    width: int = 192
    dilations: tuple[int, ...] = (1, 2, 1, 3)
    kernel: int = 5
    hidden: int = 24  # numbers that the mouth is made of
    dropout: float = 0.3


class Articulation(nn.Module):
    """Features [B, 2 T, C] and how far a person opens the mouth [B] -> jaw and lower face [B, T, 3 + E]."""

    def __init__(self, config: ArticulationConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.enter = nn.Sequential(nn.LayerNorm(config.features), nn.Dropout(config.dropout), nn.Linear(config.features, width))
        self.style = nn.Linear(1, width)
        self.blocks = nn.ModuleList(_Block(width, config.kernel, step, config.dropout) for step in config.dilations)
        self.down = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Dropout(config.dropout), nn.Linear(width, config.hidden))
        self.mouth = nn.Linear(config.hidden, config.out)

    @property
    def ahead(self) -> int:
        """Features after a frame's own that it hangs on."""
        return 1 + sum(self.config.dilations) * (self.config.kernel // 2)

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        """style [B]: log of how far the person opens the mouth, over the usual."""
        x = self.enter(features) + self.style(style[:, None])[:, None]
        x = x.transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        return self.mouth(self.leave(F.silu(self.down(x)).transpose(1, 2)))


class _Block(nn.Module):
    def __init__(self, width: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, width) if False else nn.LayerNorm(width)
        self.spread = nn.Conv1d(width, width, kernel, padding=dilation * (kernel // 2), dilation=dilation)
        self.mix = nn.Conv1d(width, width, 1)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, width, T]."""
        y = self.norm(x.transpose(1, 2)).transpose(1, 2)
        return x + self.drop(self.mix(F.silu(self.spread(y))))
