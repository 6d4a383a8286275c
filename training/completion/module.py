"""The loss of the completion network, for Lightning."""

from __future__ import annotations

import torch
from torch import Tensor

from ...generator.completion.network import CompletionNetwork
from ..module import TrainingModule
from .loss import TrueAtlas, loss_terms, weighted_sum
from .options import CompletionTraining


class CompletionModule(TrainingModule):
    """A completion network that learns whole atlases from what photos show of them."""

    weight_decay, betas = 1e-3, (0.9, 0.98)

    def __init__(self, network: CompletionNetwork, options: CompletionTraining) -> None:
        super().__init__(options)
        self.network = network

    def loss(self, batch: tuple[Tensor, TrueAtlas], rng: torch.Generator) -> Tensor:
        """See `loss_terms`, each of which is logged, too. batch: inputs [B, CHANNELS, H, W] and the truth."""
        inputs, truth = batch
        terms = loss_terms(self.network(inputs), truth)
        for name, value in terms.items():
            self.log(f"{'loss' if self.training else 'val_loss'}_{name}", value, batch_size=len(inputs))
        return weighted_sum(terms)
