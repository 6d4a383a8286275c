"""The loss of the denoiser, for Lightning."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ...generator.diffusion.network import CONDITIONS, PortraitDenoiser
from ...generator.diffusion.sampler import sample, start_latents
from ..module import TrainingModule
from ..options import names_in
from .data import Examples
from .options import GeneratorTraining
from .perceptual import PerceptualDistance

Rows = dict[str, Tensor]  # a network's conditions, and `target` and `weight`, by name


class GeneratorModule(TrainingModule):
    """A denoiser and its loss; conditions are dropped in training, and none in validation."""

    betas = (0.9, 0.99)

    def __init__(self, network: PortraitDenoiser, options: GeneratorTraining, views: int = 1, frames: int = 1) -> None:
        """views, frames: of the examples' windows. BadInput where the perceptual distance is not installed."""
        super().__init__(options)
        self.network, self.views, self.frames = network, views, frames
        network.requires_grad_(False)
        for parameter in network.stage_parameters(options.part).values():
            parameter.requires_grad_(True)
        # In a list, so that it is no part of what is saved, averaged or trained.
        self._perceptual = [PerceptualDistance()] if options.perceptual else []

    def loss(self, batch: Rows, rng: torch.Generator) -> Tensor:
        """Flow matching (Lipman et al. 2023): the error of the velocity at a random time, by the batch's weights.

        An absolute error leaves a bridge where it is: most of a warped photo is right, and the median change is none.
        A squared one smooths what no example determines; the perceptual distance of the predicted picture counters it.
        """
        clean = self.network.encode(batch["target"])
        start = start_latents(self.network.config.start, self.network.encode(batch["warped"]), rng)
        time = self._times(len(clean), rng)
        share = time[:, None, None, None]
        noisy = (1 - share) * clean + share * start
        velocity = self.network(noisy, time, self._conditions(batch, rng), self.views, self.frames)
        weight = nn.functional.adaptive_avg_pool2d(batch["weight"], clean.shape[-1])
        error = velocity - (start - clean)
        error = error.square() if self.options.squared else error.abs()
        loss = (weight * error).sum() / (clean.shape[1] * weight.sum())
        if not self.options.perceptual:
            return loss
        pictures = self.network.decode(noisy - share * velocity)
        return loss + self.options.perceptual * self._perceptual_distance(pictures, batch["target"], rng)

    def _times(self, rows: int, rng: torch.Generator) -> Tensor:
        """A random time for each row [B] 0..1, one for all rows of a window; 1 where sampling takes a single step."""
        each = self.views * self.frames
        time = torch.rand(rows // each, generator=rng, device=rng.device)
        if self.network.config.sampling_steps == 1:  # sampled nowhere else; on a bridge both ends follow from any point
            time = torch.ones_like(time)
        return time.repeat_interleave(each)

    def _conditions(self, rows: Rows, rng: torch.Generator) -> dict[str, Any]:
        """The conditions of a batch, less those never given and, in training, some at random."""
        probability = self.options.cond_drop_prob if self.training else 0.0
        drawn = torch.rand(len(CONDITIONS), generator=rng, device=rng.device) < probability
        dropped = {name for name, out in zip(CONDITIONS, drawn.tolist(), strict=True) if out}
        dropped |= set(names_in(self.options.drop_conditions))
        conditions: dict[str, Any] = {n: rows[n] for n in (*CONDITIONS, "visible") if n not in dropped}
        if "source" in conditions:  # without gradients: going back through the reading would double a step's time
            with torch.no_grad():
                conditions["reference"] = self.network.read_source(conditions.pop("source"))
        return conditions

    def _perceptual_distance(self, pictures: Tensor, truth: Tensor, rng: torch.Generator) -> Tensor:
        """Mean distance in a window of half the side, at another place each time."""
        half = pictures.shape[-1] // 2
        y, x = torch.randint(half + 1, (2,), generator=rng, device=rng.device).tolist()
        distance = self._perceptual[0].to(pictures.device)
        return distance(*(p[..., y : y + half, x : x + half] for p in (pictures, truth))).mean()

    @torch.inference_mode()
    def samples(self, examples: Examples, count: int = 3) -> Tensor:
        """The first examples as they look now, [count V T, 4, 3, S, S] 0..1: photo, warped, sampled, truth."""
        rows = examples.rows(torch.arange(min(count, examples.count)))
        rows = {name: values.to(self.device) for name, values in rows.items()}
        conditions = {n: values for n, values in rows.items() if n not in names_in(self.options.drop_conditions)}
        rng = torch.Generator().manual_seed(self.options.seed)
        start = start_latents(self.network.config.start, self.network.encode(rows["warped"]), rng)
        steps = self.network.config.sampling_steps
        sampled = sample(self.network, conditions, start, steps, views=self.views, frames=self.frames)
        return torch.stack([rows["source"], rows["warped"], sampled, rows["target"]], 1)
