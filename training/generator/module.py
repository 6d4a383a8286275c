"""Training of the denoiser with Lightning."""

from __future__ import annotations

import math
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from ...generator.diffusion.network import CONDITIONS, PortraitDenoiser
from ...generator.diffusion.sampler import Start, sample, start_of
from .data import PairBatches
from .perceptual import PerceptualDistance


class GeneratorModule(LightningModule):
    """The denoiser, its loss and its optimiser; each condition is left out now and then, so that it may be."""

    def __init__(
        self, network: PortraitDenoiser, steps: int, rate: float, start: Start, dropped: float,
        without: tuple[str, ...] = (), seed: int = 0, perceptual: float = 0.0, stage: str = "image",
        squared: bool = True,
    ) -> None:  # fmt: skip
        """steps: of the whole training; dropped: how often each condition is left out; without: those never given.

        perceptual: what the perceptual distance weighs beside the error of pixels (BadInput where it is not installed);
        stage: of `STAGES`: image, temporal or views; squared: whether the error of pixels is, or absolute.
        """
        super().__init__()
        self.network, self.steps, self.rate, self.start = network, steps, rate, start
        self.dropped, self.without, self.seed, self.perceptual = dropped, without, seed, perceptual
        self.squared = squared
        network.requires_grad_(False)
        for parameter in network.trained_in(stage).values():
            parameter.requires_grad_(True)
        # In a list, so that it is no part of what is saved, averaged or trained.
        self._looks = [PerceptualDistance()] if perceptual else []

    def training_step(self, batch: PairBatches, index: int) -> Tensor:
        """The loss of one batch."""
        rank, world = self.global_rank, self.trainer.world_size
        turn = self.global_step * world + rank  # as the batch, noise goes by the step's number and not by a state
        rng = torch.Generator(self.device).manual_seed(self.seed * 1_000_003 + turn)
        rows = batch.at(self.global_step, rank, world)
        loss = self.loss(rows, rng, batch.pairs.views, batch.pairs.frames)
        self.log("loss", loss, prog_bar=True)
        return loss

    def loss(self, batch: dict[str, Tensor], rng: torch.Generator, views: int = 1, frames: int = 1) -> Tensor:
        """Flow matching (Lipman et al. 2023): the way from picture to start at a random time, by what matters.

        An absolute error leaves a bridge where it is: most of a warped photo is right, and the median change is none.
        A squared one smooths what no pair tells, which the perceptual distance of the picture that the way leads to is
        there against.
        """
        clean = self.network.encode(batch["target"])
        began = start_of(self.start, self.network.encode(batch["warped"]), rng)
        each = views * frames
        time = torch.rand(len(clean) // each, generator=rng, device=clean.device)
        if self.network.config.steps == 1:
            time = torch.ones_like(time)  # sampled nowhere else; and on a bridge's way both its ends can be worked out
        time = time.repeat_interleave(each)  # a window is at one time
        at = time[:, None, None, None]
        noisy = (1 - at) * clean + at * began
        way = self.network(noisy, time, self._given(batch, rng), views, frames)
        weight = torch.nn.functional.adaptive_avg_pool2d(batch["weight"], clean.shape[-1])
        apart = way - (began - clean)
        apart = apart.square() if self.squared else apart.abs()
        loss = (weight * apart).sum() / (clean.shape[1] * weight.sum())
        if not self.perceptual:
            return loss
        return loss + self.perceptual * self._unlike(self.network.decode(noisy - at * way), batch["target"], rng)

    def _unlike(self, made: Tensor, truth: Tensor, rng: torch.Generator) -> Tensor:
        """The perceptual distance in a window of half the side, at another place each time."""
        half = made.shape[-1] // 2
        y, x = torch.randint(half + 1, (2,), generator=rng, device=rng.device).tolist()
        self._looks[0].to(made.device)
        return self._looks[0](*(p[..., y : y + half, x : x + half] for p in (made, truth))).mean()

    def _given(self, batch: dict[str, Tensor], rng: torch.Generator) -> dict[str, Any]:
        """The conditions of a batch, less those left out this time."""
        drawn = torch.rand(len(CONDITIONS), generator=rng, device=rng.device) < self.dropped
        left_out = {name for name, out in zip(CONDITIONS, drawn.tolist(), strict=True) if out} | set(self.without)
        given: dict[str, Any] = {n: batch[n] for n in (*CONDITIONS, "visible") if n not in left_out}
        if "source" in given:  # read with the weights as they are: gradients through it would double a step's time
            with torch.no_grad():
                given["memory"] = self.network.read_source(given.pop("source"))
        return given

    @torch.inference_mode()
    def samples(self, batches: PairBatches, windows: int = 3) -> Tensor:
        """What the first windows look like now, [windows x (V T), 4, 3, S, S] 0..1: photo, warped, made, truth."""
        pairs = batches.pairs
        rows = pairs.rows(torch.arange(min(windows, len(pairs))))
        given = {name: values for name, values in rows.items() if name not in self.without}
        rng = torch.Generator(self.device).manual_seed(self.seed)
        began = start_of(self.start, self.network.encode(rows["warped"]), rng)
        steps = self.network.config.steps
        made = sample(self.network, given, began, steps, views=pairs.views, frames=pairs.frames)
        return torch.stack([rows["source"], rows["warped"], made, rows["target"]], 1)

    def configure_optimizers(self) -> Any:
        """AdamW; the rate rises over 100 steps and falls along a cosine."""
        trained = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=self.rate, weight_decay=0.01, betas=(0.9, 0.99))
        falls = lambda step: min((step + 1) / 100, 0.5 + 0.5 * math.cos(math.pi * min(step / self.steps, 1.0)))  # noqa: E731
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, falls)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
