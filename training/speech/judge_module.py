"""Training of the lip-sync judge with Lightning."""

from __future__ import annotations

import math
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.nn import functional as F

from .judge import Judge
from .lips import Windows

NEAR = 4  # frames: sounds as near as that are neither true nor false


class JudgeModule(LightningModule):
    """Each frame's mouth is to lie nearer to its own sound than to the sounds of the same window's other frames."""

    def __init__(self, judge: Judge, steps: int, rate: float = 1e-3) -> None:
        super().__init__()
        self.judge, self.steps, self.rate = judge, steps, rate

    def training_step(self, batch: Windows, index: int) -> Tensor:
        """The contrastive loss of one batch."""
        seen, heard = self.judge.seen(batch.mouth), self.judge.heard(batch.features)
        likeness = torch.einsum("bdt,bdu->btu", seen, heard) * self.judge.sharpness.exp()
        frames = torch.arange(seen.shape[2], device=seen.device)
        apart = (frames - frames[:, None]).abs()
        likeness = likeness.masked_fill((apart > 0) & (apart < NEAR), -torch.inf)
        loss = F.cross_entropy(likeness.flatten(0, 1), frames.repeat(len(seen)), reduction="none")
        told = batch.seen.flatten().to(loss)
        value = (loss * told).sum() / told.sum().clamp(min=1)
        self.log("loss", value, prog_bar=True)
        return value

    def configure_optimizers(self) -> Any:
        """AdamW; the rate falls along a cosine."""
        optimizer = torch.optim.AdamW(self.judge.parameters(), lr=self.rate, weight_decay=0.05)
        falls = lambda step: 0.5 + 0.5 * math.cos(math.pi * min(step / self.steps, 1.0))  # noqa: E731
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, falls)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
