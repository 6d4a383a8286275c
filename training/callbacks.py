"""Lightning callbacks that make a resumed training equal to an unbroken one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from .batches import seed_at


class SeededBatches(Callback):
    """Seeds torch's own random numbers (dropout) by the number of each batch, which `StepData` yields with it."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: Trainer, module: LightningModule, batch: Any, batch_idx: int) -> None:
        torch.manual_seed(seed_at(self.seed, batch[0], "layers"))


class LastCheckpoint(Callback):
    """Writes the checkpoint that a later run is resumed from where training ends.

    It must stand before the callback that averages weights, which then puts the average in their place.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        trainer.save_checkpoint(self.path)
