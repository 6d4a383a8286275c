"""Training of the evaluator with Lightning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from ..motion_pairs import MotionPairs
from ..optimizer import adamw
from ..options import TrainingOptions
from .corpus.script import Pair, Script
from .evaluator import Evaluator, contrastive_loss


class EvaluatorModule(LightningModule):
    """The evaluator and its loss, which knows what each pair of the corpora means."""

    def __init__(
        self, evaluator: Evaluator, options: TrainingOptions, pairs: Sequence[Pair], held_out: Sequence[Pair]
    ) -> None:
        super().__init__()
        self.evaluator, self.options = evaluator, options
        self.register_buffer("meanings", _numbered(pairs), persistent=False)
        self.register_buffer("held_out_meanings", _numbered(held_out), persistent=False)
        self.meanings: Tensor
        self.held_out_meanings: Tensor

    def training_step(self, batch: tuple[int, MotionPairs], index: int) -> Tensor:
        """The loss of one batch."""
        loss = self._loss(batch[1], self.meanings)
        self.log("loss", loss, prog_bar=True, batch_size=len(batch[1].index))
        return loss

    def validation_step(self, batch: tuple[int, MotionPairs], index: int) -> None:
        """The loss of one held-out batch."""
        loss = self._loss(batch[1], self.held_out_meanings)
        self.log("val_loss", loss, batch_size=len(batch[1].index), sync_dist=True)

    def _loss(self, pairs: MotionPairs, meanings: Tensor) -> Tensor:
        meaning = meanings[pairs.index]
        text = self.evaluator.text(pairs.tokens, pairs.token_mask)
        motion = self.evaluator.motion(pairs.motion, pairs.frames)
        return contrastive_loss(self.evaluator, text.float(), motion.float(), meaning[:, None] == meaning)

    def configure_optimizers(self) -> Any:
        """See `adamw`."""
        return adamw(self.evaluator.parameters(), self.options)


def _numbered(pairs: Sequence[Pair]) -> Tensor:
    """A number [N] for each pair; pairs that mean the same have the same."""
    meanings = [meaning(pair.script) for pair in pairs]
    numbers = {text: number for number, text in enumerate(dict.fromkeys(meanings))}
    return torch.tensor([numbers[text] for text in meanings])


def meaning(script: Script) -> str:
    """What a script says, whatever its words: two pairs that mean the same are no counterexamples to each other."""
    beats = [f"{b.name}{b.side}{b.count}{_much(b.size)}{_much(b.tempo)}" for b in script.beats]
    faces = [f"{f.name}{f.side}{_much(f.size)}" for f in script.faces]
    return " ".join([*beats, "|", *faces])


def _much(times: float) -> str:
    """-, = or +: less than usual, as usual, more."""
    return "-" if times < 0.85 else "+" if times > 1.12 else "="
