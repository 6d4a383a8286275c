"""Training of the evaluator with Lightning."""

from __future__ import annotations

import math
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from ..diffusion import Batch
from .corpus.script import Script
from .evaluator import Evaluator, contrastive_loss


class EvaluatorModule(LightningModule):
    """The evaluator, its loss and its optimiser, and what each pair of the corpus means."""

    def __init__(self, evaluator: Evaluator, steps: int, meanings: list[str], rate: float = 5e-4) -> None:
        super().__init__()
        numbers = {meaning: number for number, meaning in enumerate(dict.fromkeys(meanings))}
        self.register_buffer("numbers", torch.tensor([numbers[one] for one in meanings]), persistent=False)
        self.evaluator, self.steps, self.rate = evaluator, steps, rate

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """The loss of one batch."""
        number = self.numbers[batch.index]  # type: ignore[index]
        same = number[:, None] == number
        text = self.evaluator.text(batch.tokens, batch.token_mask)
        motion = self.evaluator.motion(batch.motion, batch.frames)
        loss = contrastive_loss(self.evaluator, text.float(), motion.float(), same)
        self.log("loss", loss, prog_bar=True, batch_size=len(number))
        return loss

    def configure_optimizers(self) -> Any:
        """AdamW; the rate rises over 200 steps and falls along a cosine."""
        optimizer = torch.optim.AdamW(self.evaluator.parameters(), lr=self.rate, weight_decay=0.01)
        falls = lambda step: min(step / 200, 0.5 + 0.5 * math.cos(math.pi * min(step / self.steps, 1.0)))  # noqa: E731
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, falls)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def meaning(script: Script) -> str:
    """What a script says, whatever its words: two pairs that mean the same are no counterexamples to each other."""
    beats = [f"{b.name}{b.side}{b.count}{_much(b.size)}{_much(b.tempo)}" for b in script.beats]
    faces = [f"{f.name}{f.side}{_much(f.size)}" for f in script.faces]
    return " ".join([*beats, "|", *faces])


def _much(times: float) -> str:
    """-, = or +: less than usual, as usual, more."""
    return "-" if times < 0.85 else "+" if times > 1.12 else "="
