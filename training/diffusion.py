"""Training of a denoiser with Lightning."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from ..flame_motion.diffusion.denoiser import Condition, MotionDenoiser
from ..flame_motion.diffusion.loss import diffusion_loss
from ..flame_motion.diffusion.sampler import make_scheduler


@dataclass  # Lightning moves its tensors in place
class Batch:
    """Normalised motions, padded, with what conditions them."""

    motion: Tensor  # [B, T, D]
    frames: Tensor  # [B, T] bool
    tokens: Tensor  # [B, S, C]
    token_mask: Tensor  # [B, S] bool
    index: Tensor  # [B] of each clip in its corpus

    def rows(self, rows: Sequence[int], padded: bool = False) -> Batch:
        """Some of its clips as float32, padded to their own longest, or to the longest of all."""
        index = torch.tensor(rows, device=self.motion.device)
        frames, mask = self.frames[index], self.token_mask[index]
        most, said = frames.shape[1], mask.shape[1]
        if not padded:
            most, said = int(frames.sum(1).max()), max(int(mask.sum(1).max()), 1)
        return Batch(
            self.motion[index, :most].float(),
            frames[:, :most],
            self.tokens[index, :said].float(),
            mask[:, :said],
            index,
        )

    def to(self, device: torch.device) -> Batch:
        """The same elsewhere."""
        return Batch(*(getattr(self, field.name).to(device) for field in fields(self)))


def collate(tokens: Sequence[Tensor], motions: Sequence[Tensor], mean: Tensor, spread: Tensor) -> Batch:
    """Pads tokens [S, C] and motions [T, D] to the longest of each; in half precision, as whole corpora are kept."""
    count, most, said = len(motions), max(len(m) for m in motions), max(max(len(t) for t in tokens), 1)
    motion = torch.zeros(count, most, motions[0].shape[-1], dtype=torch.half)
    frames = torch.zeros(count, most, dtype=torch.bool)
    words = torch.zeros(count, said, tokens[0].shape[-1], dtype=torch.half)
    mask = torch.zeros(count, said, dtype=torch.bool)
    for row, (token, one) in enumerate(zip(tokens, motions)):
        motion[row, : len(one)] = (one.float() - mean) / spread
        frames[row, : len(one)] = True
        words[row, : len(token)], mask[row, : len(token)] = token, True
    return Batch(motion, frames, words, mask, torch.arange(count))


class LengthBatches:
    """Batches of clips of like length, which need little padding; in another order every epoch, by seed.

    The corpus stays whole in one memory, a GPU's where there is one: loading by processes takes longer than a step.
    """

    def __init__(self, whole: Batch, batch: int, seed: int, padded: bool = False) -> None:
        """padded: all batches of one shape, as a compiled model wants them."""
        self.whole, self.seed, self.padded, self.epoch = whole, seed, padded, 0
        self.lengths = whole.frames.sum(1).tolist()
        self.batch = min(batch, len(self.lengths))

    def __len__(self) -> int:
        return len(self.lengths) // self.batch

    def __iter__(self) -> Iterator[Batch]:
        for rows in self.rows():
            yield self.whole.rows(rows, self.padded)

    def rows(self) -> Iterator[list[int]]:
        """Which clips come together, for one epoch."""
        rng = np.random.default_rng([self.seed, self.epoch])
        self.epoch += 1
        order = rng.permutation(len(self.lengths))
        blocks = [order[start : start + 16 * self.batch] for start in range(0, len(order), 16 * self.batch)]
        batches = []
        for block in blocks:
            alike = sorted(block.tolist(), key=lambda index: self.lengths[index])
            batches += [alike[start : start + self.batch] for start in range(0, len(alike), self.batch)]
        whole = [batch for batch in batches if len(batch) == self.batch]
        yield from (whole[k] for k in rng.permutation(len(whole)))


class DiffusionModule(LightningModule):
    """One denoiser, its loss and its optimiser; a tenth of the conditions are left out for guidance."""

    def __init__(
        self,
        denoiser: MotionDenoiser,
        steps: int,
        rate: float = 6e-4,
        dropped: float = 0.1,
        kept: float = 0.3,
        blur: float = 0.3,
        seed: int = 0,
    ) -> None:
        """steps: of the whole training; rate: the highest; kept: share of clips of which something is given.

        blur: noise on the tokens as a share of their size, so that words nearby mean nearly the same.
        """
        super().__init__()
        self.denoiser = denoiser
        self.steps, self.rate, self.dropped, self.kept, self.blur = steps, rate, dropped, kept, blur
        self.seed, self.rng = seed, torch.Generator().manual_seed(seed)
        self.register_buffer("signal", make_scheduler().alphas_cumprod.clone())

    def on_fit_start(self) -> None:
        """Noise is drawn where the model is."""
        self.rng = torch.Generator(self.device).manual_seed(self.seed)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """The loss of one batch."""
        loss = diffusion_loss(self.denoiser, batch.motion, self.condition(batch), self.signal, self.rng)  # type: ignore[arg-type]
        self.log("loss", loss, prog_bar=True)
        return loss

    def condition(self, batch: Batch) -> Condition:
        """What is told of a batch: its words, mostly, and sometimes some of its frames or channels."""
        told = torch.rand(len(batch.motion), 1, generator=self.rng, device=self.rng.device) >= self.dropped
        kept = random_kept(batch.frames, batch.motion.shape[-1], self.kept, self.rng)
        noise = torch.randn(batch.tokens.shape, generator=self.rng, device=self.rng.device).to(batch.tokens)
        tokens = batch.tokens + self.blur * batch.tokens.std(-1, keepdim=True) * noise
        return Condition(tokens, batch.token_mask & told.to(batch.token_mask.device), batch.frames, batch.motion, kept)

    def configure_optimizers(self) -> Any:
        """AdamW; the rate rises over 300 steps and falls along a cosine."""
        optimizer = torch.optim.AdamW(self.denoiser.parameters(), lr=self.rate, weight_decay=0.01, betas=(0.9, 0.98))
        falls = lambda step: min(step / 300, 0.5 + 0.5 * math.cos(math.pi * min(step / self.steps, 1.0)))  # noqa: E731
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, falls)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def random_kept(frames: Tensor, channels: int, share: float, rng: torch.Generator) -> Tensor:
    """Which values [B, T, D] training gives, in a `share` of clips: the first frames, keyframes, or whole channels."""
    count, length = frames.shape

    def drawn(*shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=rng, device=rng.device)

    first = torch.arange(length, device=rng.device)[None, :, None] < 2 + 24 * drawn(1, 1)
    keys, whole = drawn(length, 1) < 0.04, drawn(1, channels) < 0.5
    kind = drawn(1, 1)
    kept = torch.where(kind < 0.45, first, torch.where(kind < 0.8, keys, whole)) & (drawn(1, 1) < share)
    return kept.to(frames.device) & frames[..., None]
