"""Lip sync: a small convolutional network from audio features at 50 Hz to jaw and lower face at 25 frames a second."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...core.networks import load_network, weight_files
from ...flame_motion import BadInput, FlameSequence, load_head
from ...flame_motion.retargeting.mirror import mirror_axes
from ...flame_motion.retargeting.mouth import Mouth, mouth_of
from .lip_shapes import WAKE_FRAMES, LipShapes, load_lip_shapes, with_shapes

SHAPES = "lip_shapes"  # weights beside those of the mouth
OPEN_GAP = 0.06  # between the lips, by the eyes' distance, from which an emotion shapes the mouth fully
CONTACT_GAP = 0.03  # between the lips, by the eyes' distance, below which they are meant to touch


@dataclass(frozen=True)
class ArticulationConfig:
    """The numbers that make an `Articulation`."""

    features: int  # C of the audio features
    out: int  # 3 + E: jaw, and expression of the lower face
    width: int = 192
    dilations: tuple[int, ...] = (1, 1, 2)
    kernel: int = 5
    hidden: int = 24  # size of the last hidden layer
    dropout: float = 0.3


class Articulation(nn.Module):
    """Audio features [B, 2 T, C] and a speaker's style [B] -> jaw and lower face [B, T, 3 + E]."""

    def __init__(self, config: ArticulationConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.norm, self.proj_in = nn.LayerNorm(config.features), nn.Linear(config.features, width)
        self.down = nn.Conv1d(width, width, 4, stride=2, padding=1)
        self.style = nn.Linear(1, width)
        self.blocks = nn.ModuleList(_ConvBlock(width, config.kernel, step, config.dropout) for step in config.dilations)
        self.proj_out = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, config.hidden)
        )
        self.mouth = nn.Linear(config.hidden, config.out)
        self.drop = nn.Dropout1d(config.dropout)  # whole channels: neighbours in time are alike

    @property
    def reach(self) -> int:
        """Frames on either side that a frame depends on."""
        return 1 + sum(self.config.dilations) * (self.config.kernel // 2)

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        """style [B]: log of how far the speaker opens the mouth, relative to the average speaker."""
        x = self.proj_in(self.norm(features)) + self.style(style[:, None])[:, None]
        x = self.down(self.drop(x.transpose(1, 2)))
        for block in self.blocks:
            x = block(x)
        return self.mouth(self.proj_out(self.drop(x).transpose(1, 2)))


class _ConvBlock(nn.Module):
    """A residual block with a dilated convolution in time."""

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
class TrainedArticulation:
    """A trained network and its card."""

    network: Articulation
    card: dict[str, Any]
    shapes: LipShapes | None = None  # that round and press the lips; None: as the network alone has them

    @property
    def reach(self) -> int:
        """Frames on either side that a frame depends on."""
        return self.network.reach + (0 if self.shapes is None else WAKE_FRAMES)

    def to(self, device: torch.device | str) -> TrainedArticulation:
        """Moves the network to a device. Returns self."""
        self.network.to(device)
        if self.shapes is not None:
            self.shapes.to(device)
        return self

    @torch.no_grad()
    def __call__(self, features: Tensor, gain: float = 1.0) -> Tensor:
        """Features [2 T, C] on the network's device -> jaw and lower face [T, 3 + E] on the CPU.

        Scaled by `gain`, with lips closed that nearly touch. Left and right are averaged: sound does not say to which
        side a mouth is drawn.
        """
        head, style = load_head(), torch.zeros(1, device=features.device)
        face = self.network(features[None], style)[0].cpu()
        even = (face[:, 3:] + face[:, 3:] @ mirror_axes(head)) / 2
        face = torch.cat([face[:, :3] * torch.tensor([1.0, 0.0, 0.0]), even], 1)
        if self.shapes is not None:
            face = with_shapes(face, self.shapes(features).cpu(), head)
        return close_contacts(face * gain, mouth_of(head), CONTACT_GAP * gain)


def close_contacts(face: Tensor, mouth: Mouth, contact: float) -> Tensor:
    """Jaw and lower face [T, 3 + E] with lips that touch where the gap between them is at most `contact`.

    A gap becomes 0 up to `contact` and stays as it is from three times that on. Only the lips move, along the axis that
    closes them without the jaw. Lips that would go through each other touch.
    """
    gap = (face @ mouth.gaps)[:, :3].mean(1)
    wanted = ((gap - contact) * 1.5).clamp(min=0).minimum(gap.clamp(min=0))
    jaw = torch.cat([face[:, :1].clamp(min=0), face[:, 1:3]], 1)
    closed = torch.cat([jaw, face[:, 3:]], 1)
    excess = (closed @ mouth.gaps)[:, :3].mean(1) - wanted
    return torch.cat([jaw, face[:, 3:] + excess[:, None] * mouth.closing], 1)


def add_emotion(speech: FlameSequence, emotion: FlameSequence) -> FlameSequence:
    """Speech with the shape of an emotion's mouth added; two motions of the built-in head, of the same length.

    The jaw stays that of the speech. The emotion parts the lips only as far as the speech opens them, so that p, b and
    m are said with closed lips in a smile, too.
    """
    mouth = mouth_of(load_head())
    shape = emotion.expression @ mouth.lower.T
    parted = (shape @ mouth.gaps[3:])[:, :3].mean(1)
    excess = parted * (1 - (mouth.gap(speech) / OPEN_GAP).clamp(0, 1))
    return replace(speech, expression=speech.expression + shape + excess[:, None] * mouth.closing)


def load_articulation(path: Path, features: str) -> TrainedArticulation:
    """Trained weights, with those of `SHAPES` beside them where there are some.

    Raises BadInput for damaged files, other audio features than `features`, and another head.
    """
    network, card = load_network(
        path, lambda sizes: Articulation(ArticulationConfig(**sizes | {"dilations": tuple(sizes["dilations"])}))
    )
    if card.get("features") != features:
        raise BadInput(f"{path} was trained on the features {card.get('features')}, not on {features}")
    if network.config.out != 3 + load_head().expression.shape[-1]:
        raise BadInput(f"{path} moves a mouth of another head: {network.config.out} numbers a frame")
    beside = path.with_name(SHAPES)
    shapes = load_lip_shapes(beside, features)[0] if weight_files(beside)[0].exists() else None
    return TrainedArticulation(network, card, shapes)
