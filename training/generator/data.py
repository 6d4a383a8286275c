"""Windows of footage as Lightning takes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from ...core.files import PathLike
from .shards import as_given, read_pairs, window_of


@dataclass
class Pairs:
    """Windows stacked by name, as bytes and halves: V views of T frames each."""

    arrays: dict[str, Tensor]
    views: int = 1
    frames: int = 1

    def __len__(self) -> int:
        return len(self.arrays["target"])

    def to(self, device: torch.device) -> Pairs:
        """The same elsewhere."""
        return Pairs({name: values.to(device) for name, values in self.arrays.items()}, self.views, self.frames)

    def rows(self, rows: Tensor) -> dict[str, Tensor]:
        """Some of them as a network takes them."""
        return as_given({name: values[rows.to(values.device)] for name, values in self.arrays.items()})


class PairBatches:
    """Batches of windows in another order every epoch, by seed and by the number of the step alone.

    What Lightning is handed, an epoch of it, is this itself: the module asks for the batch of its step, so that a run
    that goes on takes what it would have taken.
    """

    def __init__(self, pairs: Pairs, batch: int, seed: int) -> None:
        self.pairs, self.batch, self.seed = pairs, min(batch, len(pairs)), seed

    def __len__(self) -> int:
        return max(len(self.pairs) // self.batch, 1)

    def __iter__(self) -> Iterator[PairBatches]:
        return iter([self] * len(self))

    def at(self, step: int, rank: int = 0, world: int = 1) -> dict[str, Tensor]:
        """The batch of a step; of several processes each has its own."""
        turn = step * world + rank
        epoch, place = divmod(turn, len(self))
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.pairs))
        return self.pairs.rows(torch.from_numpy(order[place * self.batch : (place + 1) * self.batch]))


class PortraitData(LightningDataModule):
    """A folder that `flamecast prepare generator` made, all of it in memory of the device that trains."""

    def __init__(
        self, folder: PathLike, batch: int, seed: int = 0, *, only: Iterable[str] | None = None,
        without: Iterable[str] = (),
    ) -> None:  # fmt: skip
        """only, without: people taken, and left out. BadInput where the folder is none, or nothing is left of it."""
        super().__init__()
        self.batch, self.seed = batch, seed
        self.pairs = Pairs(read_pairs(folder, only, without), *window_of(folder))

    def train_dataloader(self) -> PairBatches:
        """An epoch."""
        device = self.trainer.strategy.root_device if self.trainer else torch.device("cpu")
        return PairBatches(self.pairs.to(device), self.batch, self.seed)
