"""Examples in memory, and batches of them by step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...core.files import PathLike
from ..batches import batch_number, shuffled_rows
from .shards import read_examples, rows_of, window_of


@dataclass(frozen=True)
class Examples:
    """Examples stacked by name, pictures as bytes and the rest in half precision; see `training.batches.Batches`."""

    arrays: dict[str, Tensor]  # [E, V T, ...], the source [E, ...]
    views: int = 1
    frames: int = 1
    batch_size: int = 1
    seed: int = 0

    @classmethod
    def read(
        cls, folder: PathLike, batch_size: int = 1, seed: int = 0, *, people: Iterable[str] | None = None,
        without: Iterable[str] = (),
    ) -> Examples:  # fmt: skip
        """All that `flamecast prepare generator` wrote of some people (all when None), without others. BadInput."""
        return cls(read_examples(folder, people, without), *window_of(folder), batch_size, seed)

    @property
    def count(self) -> int:
        """How many examples."""
        return len(self.arrays["target"])

    def __len__(self) -> int:
        return self.count // min(self.batch_size, self.count)

    def to(self, device: torch.device) -> Examples:
        """The same on a device."""
        return replace(self, arrays={name: values.to(device) for name, values in self.arrays.items()})

    def rows(self, indices: Tensor) -> dict[str, Tensor]:
        """Some examples [N] as a network's inputs, N V T rows."""
        return rows_of({name: values[indices.to(values.device)] for name, values in self.arrays.items()})

    def at(self, step: int, rank: int = 0, world: int = 1) -> dict[str, Tensor]:
        """The batch of a step, one of `world` processes' own."""
        size = min(self.batch_size, self.count)
        chosen = shuffled_rows(self.count, size, self.seed, batch_number(step, rank, world))
        return self.rows(torch.from_numpy(chosen))
