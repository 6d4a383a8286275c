"""The mouth, regressed from sound: a small convolutional network from features at 50 Hz to jaw and lower face at 25."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...core.networks import load_network
from ...flame_motion import BadInput, FlameSequence, load_head
from ...flame_motion.retargeting.mirror import mirror_axes
from ...flame_motion.retargeting.mouth import Mouth, mouth_of

WIDE = 0.06  # of the eyes' distance: a mouth as open as that takes all of a feeling's shape
TOUCH = 0.02  # of the eyes' distance: what is predicted nearer than so is a touch


@dataclass(frozen=True)
class ArticulationConfig:
    """The numbers that make an `Articulation`."""

    features: int  # C of the audio features
    out: int  # 3 + E: jaw, and expression of the lower face
    width: int = 192
    dilations: tuple[int, ...] = (1, 1, 2)
    kernel: int = 5
    hidden: int = 24  # numbers that the mouth is made of
    dropout: float = 0.3


class Articulation(nn.Module):
    """Features [B, 2 T, C] and how far a person opens the mouth [B] -> jaw and lower face [B, T, 3 + E]."""

    def __init__(self, config: ArticulationConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.norm, self.enter = nn.LayerNorm(config.features), nn.Linear(config.features, width)
        self.down = nn.Conv1d(width, width, 4, stride=2, padding=1)
        self.style = nn.Linear(1, width)
        self.blocks = nn.ModuleList(_Block(width, config.kernel, step, config.dropout) for step in config.dilations)
        self.leave = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, config.hidden)
        )
        self.mouth = nn.Linear(config.hidden, config.out)
        self.drop = nn.Dropout1d(config.dropout)  # whole channels: neighbours in time would tell what was dropped

    @property
    def reach(self) -> int:
        """Frames on either side that a frame hangs on."""
        return 1 + sum(self.config.dilations) * (self.config.kernel // 2)

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        """style [B]: log of how far the person opens the mouth, over the usual."""
        x = self.enter(self.norm(features)) + self.style(style[:, None])[:, None]
        x = self.down(self.drop(x.transpose(1, 2)))
        for block in self.blocks:
            x = block(x)
        return self.mouth(self.leave(self.drop(x).transpose(1, 2)))


class _Block(nn.Module):
    """A dilated convolution in time, added to what comes in."""

    def __init__(self, width: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.spread = nn.Conv1d(width, width, kernel, padding=dilation * (kernel // 2), dilation=dilation)
        self.mix = nn.Conv1d(width, width, 1)
        self.drop = nn.Dropout1d(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, width, T]."""
        normal = F.layer_norm(x.transpose(1, 2), (x.shape[1],)).transpose(1, 2)
        return x + self.drop(self.mix(F.silu(self.spread(normal))))


@dataclass(frozen=True, eq=False)
class Speaking:
    """A trained mouth and its card."""

    network: Articulation
    card: dict[str, Any]

    @torch.no_grad()
    def __call__(self, features: Tensor, gain: float = 1.0) -> Tensor:
        """Features [2 T, C] -> jaw and lower face [T, 3 + E], `gain` times as strong; lips that nearly meet, meet.

        Left and right are averaged: which side somebody's mouth was drawn to, no sound says.
        """
        head, made = load_head(), self.network(features[None], torch.zeros(1))[0] * gain
        even = (made[:, 3:] + made[:, 3:] @ mirror_axes(head)) / 2
        jaw = made[:, :3] * torch.tensor([1.0, 0.0, 0.0])
        return touching(torch.cat([jaw, even], 1), mouth_of(head), TOUCH * gain)


def touching(face: Tensor, mouth: Mouth, touch: float) -> Tensor:
    """Jaw and lower face [T, 3 + E] whose lips meet where they would be no farther apart than `touch`.

    The gap g becomes 0 up to `touch`, and all of itself from three times as much on; the lips alone are moved, by the
    axis that shuts them without the jaw. Lips that would go through each other only meet.
    """
    gap = (face @ mouth.gaps)[:, :3].mean(1)
    wanted = ((gap - touch) * 1.5).clamp(min=0).minimum(gap.clamp(min=0))
    jaw = torch.cat([face[:, :1].clamp(min=0), face[:, 1:3]], 1)
    closed = torch.cat([jaw, face[:, 3:]], 1)
    too_far = (closed @ mouth.gaps)[:, :3].mean(1) - wanted
    return torch.cat([jaw, face[:, 3:] + too_far[:, None] * mouth.closing], 1)


def tinted(speech: FlameSequence, feeling: FlameSequence) -> FlameSequence:
    """Speech with the mouth's shape of a feeling laid over it; two motions of the built-in head, of one length.

    The jaw stays the speech's. The feeling parts the lips as far as the speech has opened them, and not at all where
    it has them shut: a smile says p, b and m with closed lips.
    """
    mouth = mouth_of(load_head())
    shape = feeling.expression @ mouth.lower.T
    parted = (shape @ mouth.gaps[3:])[:, :3].mean(1)
    too_far = parted * (1 - (mouth.gap(speech) / WIDE).clamp(0, 1))
    return replace(speech, expression=speech.expression + shape + too_far[:, None] * mouth.closing)


def load_articulation(path: Path, features: str) -> Speaking:
    """A trained mouth. BadInput for files that do not fit each other, or other features."""
    network, card = load_network(
        path, lambda sizes: Articulation(ArticulationConfig(**sizes | {"dilations": tuple(sizes["dilations"])}))
    )
    if card.get("features") != features:
        raise BadInput(f"{path} was trained on the features {card.get('features')}, not on {features}")
    if network.config.out != 3 + load_head().expression.shape[-1]:
        raise BadInput(f"{path} moves a mouth of another head: {network.config.out} numbers a frame")
    return Speaking(network, card)
