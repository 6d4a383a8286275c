"""Training of the lip-sync judge with Lightning."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..module import TrainingModule
from ..options import TrainingOptions
from .judge import Judge
from .lips import Windows

NEAR = 4  # frames: sounds as near as that are neither true nor false


class JudgeModule(TrainingModule):
    """Each frame's mouth is to lie nearer to its own sound than to the sounds of the same window's other frames."""

    weight_decay = 0.05

    def __init__(self, judge: Judge, options: TrainingOptions) -> None:
        super().__init__(options)
        self.judge = judge

    def loss(self, batch: Windows, rng: torch.Generator) -> Tensor:
        """InfoNCE over the frames of each window, where the face is seen."""
        mouth, sound = self.judge.embed_mouth(batch.mouth), self.judge.embed_sound(batch.features)
        likeness = torch.einsum("bdt,bdu->btu", mouth, sound) * self.judge.logit_scale.exp()
        frames = torch.arange(mouth.shape[2], device=mouth.device)
        distance = (frames - frames[:, None]).abs()
        likeness = likeness.masked_fill((distance > 0) & (distance < NEAR), -torch.inf)
        loss = F.cross_entropy(likeness.flatten(0, 1), frames.repeat(len(mouth)), reduction="none")
        seen = batch.seen.flatten().to(loss)
        return (loss * seen).sum() / seen.sum().clamp(min=1)
