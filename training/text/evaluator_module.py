"""Training of the evaluator with Lightning."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..module import TrainingModule
from ..motion_pairs import MotionPairs
from ..options import TrainingOptions
from .corpus.script import Pair, Script
from .evaluator import Evaluator, contrastive_loss


class EvaluatorModule(TrainingModule):
    """The evaluator and its loss, which knows what each pair of the corpora means."""

    def __init__(
        self, evaluator: Evaluator, options: TrainingOptions, pairs: Sequence[Pair], held_out: Sequence[Pair]
    ) -> None:
        super().__init__(options)
        self.evaluator = evaluator
        self.register_buffer("meanings", _numbered(pairs), persistent=False)
        self.register_buffer("held_out_meanings", _numbered(held_out), persistent=False)
        self.meanings: Tensor
        self.held_out_meanings: Tensor

    def loss(self, batch: MotionPairs, rng: torch.Generator) -> Tensor:
        """See `contrastive_loss`."""
        meaning = (self.meanings if self.training else self.held_out_meanings)[batch.index]
        text = self.evaluator.text(batch.tokens, batch.token_mask)
        motion = self.evaluator.motion(batch.motion, batch.frames)
        return contrastive_loss(self.evaluator, text.float(), motion.float(), meaning[:, None] == meaning)


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
