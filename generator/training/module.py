"""Training of the denoiser with Lightning."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from ..diffusion.network import CONDITIONS, PortraitDenoiser
from ..diffusion.sampler import Start, start_of
from .shards import as_given


@dataclass
class Pairs:
    """Pairs of pictures stacked by name, as bytes and halves."""

    arrays: dict[str, Tensor]

    def __len__(self) -> int:
        return len(self.arrays["target"])

    def to(self, device: torch.device) -> Pairs:
        """The same elsewhere."""
        return Pairs({name: values.to(device) for name, values in self.arrays.items()})

    def rows(self, rows: Tensor) -> dict[str, Tensor]:
        """Some of them as a network takes them."""
        return as_given({name: values[rows.to(values.device)] for name, values in self.arrays.items()})


class PairBatches:
    """Batches of pairs in another order every epoch, by seed and by the number of the step alone.

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


class GeneratorModule(LightningModule):
    """The denoiser, its loss and its optimiser; each condition is left out now and then, so that it may be."""

    def __init__(
        self, network: PortraitDenoiser, steps: int, rate: float, start: Start, dropped: float,
        without: tuple[str, ...] = (), seed: int = 0,
    ) -> None:  # fmt: skip
        """steps: of the whole training; dropped: how often each condition is left out; without: those never given."""
        super().__init__()
        self.network, self.steps, self.rate, self.start = network, steps, rate, start
        self.dropped, self.without, self.seed = dropped, without, seed

    def training_step(self, batch: PairBatches, index: int) -> Tensor:
        """The loss of one batch."""
        rank, world = self.global_rank, self.trainer.world_size
        turn = self.global_step * world + rank  # as the batch, noise goes by the step's number and not by a state
        rng = torch.Generator(self.device).manual_seed(self.seed * 1_000_003 + turn)
        loss = self.loss(batch.at(self.global_step, rank, world), rng)
        self.log("loss", loss, prog_bar=True)
        return loss

    def loss(self, batch: dict[str, Tensor], rng: torch.Generator) -> Tensor:
        """Flow matching (Lipman et al. 2023): the way from picture to start at a random time, by what matters.

        The error is absolute and not squared, so that a bridge that is unsure changes little; it smooths all the same.
        """
        clean = 2 * batch["target"] - 1
        began = start_of(self.start, batch["warped"], rng)
        time = torch.rand(len(clean), generator=rng, device=clean.device)
        if self.start == "warp":  # few steps are taken, and the first from the warped photo itself
            time = torch.where(torch.rand(time.shape, generator=rng, device=time.device) < 0.5, 1.0, time)
        at = time[:, None, None, None]
        way = self.network((1 - at) * clean + at * began, time, self._given(batch, rng))
        weight = torch.nn.functional.interpolate(batch["weight"], size=clean.shape[-2:])
        return (weight * (way - (began - clean)).abs()).sum() / (3 * weight.sum())

    def _given(self, batch: dict[str, Tensor], rng: torch.Generator) -> dict[str, Tensor]:
        """The conditions of a batch, less those left out this time."""
        drawn = torch.rand(len(CONDITIONS), generator=rng, device=rng.device) < self.dropped
        left_out = {name for name, out in zip(CONDITIONS, drawn.tolist(), strict=True) if out} | set(self.without)
        return {name: batch[name] for name in (*CONDITIONS, "visible") if name not in left_out}

    def configure_optimizers(self) -> Any:
        """AdamW; the rate rises over 100 steps and falls along a cosine."""
        optimizer = torch.optim.AdamW(self.network.parameters(), lr=self.rate, weight_decay=0.01, betas=(0.9, 0.99))
        falls = lambda step: min((step + 1) / 100, 0.5 + 0.5 * math.cos(math.pi * min(step / self.steps, 1.0)))  # noqa: E731
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, falls)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
