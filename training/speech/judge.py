"""A lip-sync judge: does this mouth belong to this sound? For evaluation only.

Two small networks put a second of mouth motion and a second of sound into one space, trained so that the two lie nearer
to each other than to the same sound at another time (after SyncNet, Chung and Zisserman 2016, with the contrastive loss
of van den Oord et al. 2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...core.networks import load_network
from ...drivers.speech.audio_features import PER_FRAME

FRAMES = 25  # that are judged together
SHIFTS = (-24, -20, -16, -12, -8, 8, 12, 16, 20, 24)  # frames: false sounds


@dataclass(frozen=True)
class JudgeConfig:
    """The numbers that make a `Judge`."""

    features: int  # C
    width: int = 96
    space: int = 48
    dropout: float = 0.3


class Judge(nn.Module):
    """Mouths [B, T, 4] and sounds [B, 2 T, C] -> how well each frame's neighbourhood fits, [B, T], -1..1."""

    def __init__(self, config: JudgeConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.norm, self.proj_in = nn.LayerNorm(config.features), nn.Linear(config.features, width)
        self.mouth, self.sound = _encoder(8, config), _encoder(PER_FRAME * width, config)
        self.logit_scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, mouth: Tensor, features: Tensor) -> Tensor:
        """Likeness of sound and mouth around each frame."""
        return (self.embed_mouth(mouth) * self.embed_sound(features)).sum(1)

    def embed_mouth(self, mouth: Tensor) -> Tensor:
        """Mouths [B, T, 4] -> [B, space, T] of unit length: their shape against the clip's own, and how it changes."""
        shape = (mouth - mouth.mean(1, keepdim=True)) / (mouth.std(1, keepdim=True) + 0.01)
        change = F.pad(shape.diff(dim=1), (0, 0, 1, 0))
        return F.normalize(self.mouth(torch.cat([shape, change], 2).transpose(1, 2)), dim=1)

    def embed_sound(self, features: Tensor) -> Tensor:
        """Sounds [B, 2 T, C] -> [B, space, T] of unit length."""
        paired = self.proj_in(self.norm(features)).unflatten(1, (-1, PER_FRAME)).flatten(2)
        return F.normalize(self.sound(paired.transpose(1, 2)), dim=1)


def _encoder(channels: int, config: JudgeConfig) -> nn.Sequential:
    """Convolutions over 25 frames in all."""
    width = config.width
    return nn.Sequential(
        nn.Conv1d(channels, width, 5, padding=2), nn.SiLU(), nn.Dropout1d(config.dropout),
        nn.Conv1d(width, width, 5, padding=4, dilation=2), nn.SiLU(), nn.Dropout1d(config.dropout),
        nn.Conv1d(width, width, 7, padding=6, dilation=2), nn.SiLU(), nn.Conv1d(width, config.space, 1),
    )  # fmt: skip


@torch.no_grad()
def sync_wins(judge: Judge, mouth: Tensor, features: Tensor) -> tuple[int, int]:
    """How often the true sound of a second fits better than a shifted one, and of how many times.

    mouth [T, 4], features [2 T, C]: of one clip. Seconds begin a fifth of a second apart; shifts are `SHIFTS`.
    """
    mouths, sounds = judge.embed_mouth(mouth[None])[0], judge.embed_sound(features[None])[0]
    wins = trials = 0
    for start in range(0, mouths.shape[1] - FRAMES + 1, 5):
        for shift in SHIFTS:
            if 0 <= start + shift <= sounds.shape[1] - FRAMES:
                window = mouths[:, start : start + FRAMES]
                true = (window * sounds[:, start : start + FRAMES]).sum()
                false = (window * sounds[:, start + shift : start + shift + FRAMES]).sum()
                wins, trials = wins + int(true > false), trials + 1
    return wins, trials


def load_judge(path: Path) -> tuple[Judge, dict[str, Any]]:
    """A trained judge and its card. BadInput."""
    return load_network(path, lambda sizes: Judge(JudgeConfig(**sizes)))
