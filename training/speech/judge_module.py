"""Training of the lip-sync judge with Lightning."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.nn import functional as F

from ..optimizer import adamw
from ..options import TrainingOptions
from .judge import Judge
from .lips import Windows

NEAR = 4  # frames: sounds as near as that are neither true nor false


class JudgeModule(LightningModule):
    """Each frame's mouth is to lie nearer to its own sound than to the sounds of the same window's other frames."""

    def __init__(self, judge: Judge, options: TrainingOptions) -> None:
        super().__init__()
        self.judge, self.options = judge, options

    def training_step(self, batch: tuple[int, Windows], index: int) -> Tensor:
        """The loss of one batch."""
        loss = self.loss(batch[1])
        self.log("loss", loss, prog_bar=True, batch_size=len(batch[1]))
        return loss

    def validation_step(self, batch: tuple[int, Windows], index: int) -> None:
        """The loss of held-out people."""
        self.log("val_loss", self.loss(batch[1]), batch_size=len(batch[1]), sync_dist=True)

    def loss(self, windows: Windows) -> Tensor:
        """InfoNCE over the frames of each window, where the face is seen."""
        mouth, sound = self.judge.embed_mouth(windows.mouth), self.judge.embed_sound(windows.features)
        likeness = torch.einsum("bdt,bdu->btu", mouth, sound) * self.judge.logit_scale.exp()
        frames = torch.arange(mouth.shape[2], device=mouth.device)
        distance = (frames - frames[:, None]).abs()
        likeness = likeness.masked_fill((distance > 0) & (distance < NEAR), -torch.inf)
        loss = F.cross_entropy(likeness.flatten(0, 1), frames.repeat(len(mouth)), reduction="none")
        seen = windows.seen.flatten().to(loss)
        return (loss * seen).sum() / seen.sum().clamp(min=1)

    def configure_optimizers(self) -> Any:
        """See `adamw`."""
        return adamw(self.judge.parameters(), self.options, weight_decay=0.05)
