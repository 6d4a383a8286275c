"""An evaluator of text and motion: one space for both, learned by contrast, in which generated motion is measured.

After TMR (Petrovich et al. 2023) and the protocol of Guo et al. 2022; it has no part in generating.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...core.networks import load_network
from ...flame_motion.diffusion.denoiser import TransformerBlock, sinusoids


@dataclass(frozen=True)
class EvaluatorConfig:
    """The numbers that make an `Evaluator`."""

    channels: int  # D of the whole motion
    context: int = 384  # C of the text encoder
    width: int = 128
    layers: int = 3
    heads: int = 4
    patch: int = 4  # frames a token


class Evaluator(nn.Module):
    """Texts and motions as unit vectors; those that belong together lie close."""

    mean: Tensor  # [D]
    spread: Tensor  # [D]

    def __init__(self, config: EvaluatorConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.motion_in = nn.Linear(config.channels * config.patch, width)
        self.text_in = nn.Linear(config.context, width)
        blocks = [
            nn.ModuleList(TransformerBlock(width, config.heads, False) for _ in range(count))
            for count in (config.layers, 2)
        ]
        self.motion_blocks, self.text_blocks = blocks
        self.motion_out, self.text_out = nn.Linear(width, width), nn.Linear(width, width)
        self.register_buffer("mean", torch.zeros(config.channels))
        self.register_buffer("spread", torch.ones(config.channels))
        self.logit_scale = nn.Parameter(torch.tensor(2.6))  # log of 1 / temperature

    def motion(self, motion: Tensor, frames: Tensor) -> Tensor:
        """Motion [B, T, D], frames [B, T] bool -> unit vectors [B, width]."""
        patch = self.config.patch
        normal = (motion - self.mean) / self.spread * frames[..., None]
        normal = F.pad(normal, (0, 0, 0, -motion.shape[1] % patch))
        there = F.pad(frames, (0, -motion.shape[1] % patch)).unflatten(1, (-1, patch)).any(-1)
        tokens = self.motion_in(normal.unflatten(1, (-1, patch)).flatten(2))
        return self._pooled(tokens, there, self.motion_blocks, self.motion_out)

    def text(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Tokens [B, S, C] of the text encoder, mask [B, S] bool -> unit vectors [B, width]."""
        return self._pooled(self.text_in(tokens), mask, self.text_blocks, self.text_out)

    def _pooled(self, tokens: Tensor, mask: Tensor, blocks: nn.ModuleList, out: nn.Linear) -> Tensor:
        place = torch.arange(tokens.shape[1], device=tokens.device, dtype=tokens.dtype)
        tokens = tokens + sinusoids(place, self.config.width)
        for block in blocks:
            tokens = block(tokens, mask)
        share = mask.to(tokens.dtype)[..., None]
        return F.normalize(out((tokens * share).sum(1) / share.sum(1).clamp(min=1)), dim=-1)


def contrastive_loss(evaluator: Evaluator, text: Tensor, motion: Tensor, same: Tensor) -> Tensor:
    """InfoNCE both ways over a batch of unit vectors [B, width]; pairs that mean the `same` [B, B] are no negatives."""
    score = text @ motion.T * evaluator.logit_scale.exp().clamp(max=100)
    own = torch.eye(len(score), dtype=torch.bool, device=score.device)
    score = score.masked_fill(same & ~own, -torch.inf)
    goal = torch.arange(len(score), device=score.device)
    return (F.cross_entropy(score, goal) + F.cross_entropy(score.T, goal)) / 2


def load_evaluator(path: Path) -> Evaluator:
    """Trained weights. BadInput for files that do not fit each other."""
    return load_network(path, lambda sizes: Evaluator(EvaluatorConfig(**sizes)))[0]
