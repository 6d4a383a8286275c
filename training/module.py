"""What every training's Lightning module does besides its loss."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from .batches import rng_at
from .optimizer import adamw
from .options import TrainingOptions


class TrainingModule(LightningModule):
    """A network whose `loss` is minimised by AdamW, over batches of `StepData`.

    Where `loss` draws at random it does so from `rng`, which the batch's number seeds: a resumed run draws the same,
    and every validation does. `self.training` is False in validation.
    """

    weight_decay, betas = 0.01, (0.9, 0.999)

    def __init__(self, options: TrainingOptions) -> None:
        super().__init__()
        self.options: Any = options

    def loss(self, batch: Any, rng: torch.Generator) -> Tensor:
        """The mean loss of a batch."""
        raise NotImplementedError

    def training_step(self, batch: tuple[int, Any], index: int) -> Tensor:
        """The loss of one batch, logged."""
        loss = self.loss(batch[1], rng_at(self.options.seed, batch[0], "training", self.device))
        self.log("loss", loss, prog_bar=True, batch_size=self.options.batch_size)
        return loss

    def validation_step(self, batch: tuple[int, Any], index: int) -> None:
        """The loss of one held-out batch, logged."""
        loss = self.loss(batch[1], rng_at(self.options.seed, batch[0], "validation", self.device))
        self.log("val_loss", loss, batch_size=self.options.batch_size, sync_dist=True)

    def configure_optimizers(self) -> dict[str, Any]:
        """See `adamw`; of all parameters that take gradients."""
        parameters = (parameter for parameter in self.parameters() if parameter.requires_grad)
        return adamw(parameters, self.options, self.weight_decay, self.betas)
