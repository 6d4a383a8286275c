"""Batches by step, rank and world alone: a resumed run draws what an unbroken one draws, two processes differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

import numpy as np
import torch
from lightning.pytorch import LightningDataModule, Trainer


class Batches(Protocol):
    """Training data that knows every batch by its place in the run, without a state."""

    def __len__(self) -> int:
        """Batches an epoch."""

    def at(self, step: int, rank: int = 0, world: int = 1) -> Any:
        """The batch of a step, one of `world` processes' own."""

    def to(self, device: torch.device) -> Batches:
        """The same on a device: corpora are small, and stay whole in its memory."""


def batch_number(step: int, rank: int = 0, world: int = 1) -> int:
    """Counts the batches of all steps and processes, each once."""
    return step * world + rank


def seed_at(seed: int, number: int, stream: str) -> int:
    """The seed of one batch's random numbers; `stream` keeps the draws for different purposes independent."""
    entropy = [seed, number, *stream.encode()]
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0]) >> 1


def rng_at(seed: int, number: int, stream: str, device: torch.device | str = "cpu") -> torch.Generator:
    """`seed_at` as a generator on a device."""
    return torch.Generator(device).manual_seed(seed_at(seed, number, stream))


def shuffled_rows(rows: int, batch_size: int, seed: int, number: int) -> np.ndarray:
    """Which of `rows` rows [batch_size] are in a batch: each at most once an epoch, in another order every epoch."""
    epoch, place = divmod(number, rows // batch_size)
    return np.random.default_rng([seed, epoch]).permutation(rows)[place * batch_size : (place + 1) * batch_size]


class StepData(LightningDataModule):
    """Training batches from the run's present step on, and held-out batches to validate on.

    Either yields `(number, batch)`: the number seeds whatever the batch's loss draws at random.
    """

    def __init__(self, batches: Batches, held_out: Batches | None = None) -> None:
        """held_out: of texts, people or clips that are not trained on; None: no validation."""
        super().__init__()
        self.batches, self.held_out = batches, held_out

    def train_dataloader(self) -> EndlessBatches:
        """Without epochs: training ends by steps or minutes."""
        return EndlessBatches(*self._placed(self.batches))

    def val_dataloader(self) -> HeldOutBatches | list[Any]:
        """One epoch, the same every time, shared out among the processes."""
        return [] if self.held_out is None else HeldOutBatches(*self._placed(self.held_out))

    def _placed(self, batches: Batches) -> tuple[Batches, Trainer]:
        assert self.trainer is not None  # Lightning sets it before it asks for batches
        return batches.to(self.trainer.strategy.root_device), self.trainer


@dataclass(frozen=True)
class EndlessBatches:
    """What Lightning iterates over in training: from the run's present step on."""

    batches: Batches
    trainer: Trainer

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        rank, world = self.trainer.global_rank, self.trainer.world_size
        for step in count(self.trainer.global_step * self.trainer.accumulate_grad_batches):
            yield batch_number(step, rank, world), self.batches.at(step, rank, world)


@dataclass(frozen=True)
class HeldOutBatches:
    """What Lightning iterates over in validation."""

    batches: Batches
    trainer: Trainer

    def __len__(self) -> int:
        return max(len(self.batches) // self.trainer.world_size, 1)

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        rank, world = self.trainer.global_rank, self.trainer.world_size
        for step in range(len(self)):
            yield batch_number(step, rank, world), self.batches.at(step, rank, world)
