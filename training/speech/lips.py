"""Training of the mouth with Lightning: windows of sound and picture, and what is asked of a mouth."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.nn import functional as F

from ...drivers.speech.articulation import Articulation
from ...drivers.speech.audio_features import FPS, PER_FRAME, SAMPLE_RATE, AudioFeatures, Heard
from ...flame_motion.retargeting.mouth import Mouth
from .augment import chords
from .footage import SHUT, Footage

FRAMES = 75  # of a window
USUAL = 0.06  # spread of the gap between the lips of people who talk, by the eyes' distance
STILL = "nobody"  # who speaks where nobody does


@dataclass  # Lightning moves its tensors in place
class Windows:
    """Windows of footage, or a batch of them."""

    features: Tensor  # [B, 2 FRAMES, C] half
    mouth: Tensor  # [B, FRAMES, 4]
    face: Tensor  # [B, FRAMES, 3 + E]
    seen: Tensor  # [B, FRAMES] bool
    style: Tensor  # [B] log of the spread of the gap, over the usual
    share: Tensor  # [B] how often each comes

    def rows(self, rows: Tensor) -> Windows:
        """Some of them in single precision."""
        found = Windows(*(getattr(self, field.name)[rows] for field in fields(self)))
        found.features = found.features.float()
        return found

    def to(self, device: torch.device) -> Windows:
        """The same elsewhere."""
        return Windows(*(getattr(self, field.name).to(device) for field in fields(self)))


class WindowBatches:
    """Batches drawn by share, an epoch as long as all windows together; another draw every epoch, by seed."""

    def __init__(self, whole: Windows, batch: int, seed: int) -> None:
        self.whole, self.batch, self.seed, self.epoch = whole, batch, seed, 0

    def __len__(self) -> int:
        return max(len(self.whole.style) // self.batch, 1)

    def __iter__(self) -> Iterator[Windows]:
        rng = torch.Generator().manual_seed(self.seed * 100003 + self.epoch)
        self.epoch += 1
        for _ in range(len(self)):
            yield self.whole.rows(torch.multinomial(self.whole.share.cpu(), self.batch, True, generator=rng))


def windows_of(heard: Iterable[tuple[Footage, Tensor]], mouth: Mouth, still: list[Tensor]) -> Windows:
    """Clips with their features, and features of sounds that nobody speaks in, as windows a second apart.

    A person comes as often as the root of how much there is of him: many people say more than one man's many clips.
    """
    parts: list[tuple[Tensor, Tensor, Tensor, Tensor, float, str]] = []
    for clip, features in heard:
        face, gap = mouth.face(clip.motion), clip.mouth[:, 0]
        style = math.log(max(float(gap.std()), USUAL / 4) / USUAL)
        frames = min(len(face), len(features) // PER_FRAME)
        for start in range(0, max(frames - FRAMES // 2, 1), round(FPS)):
            span = slice(start, min(start + FRAMES, frames))
            sound = features[PER_FRAME * span.start : PER_FRAME * span.stop]
            parts.append((sound, clip.mouth[span], face[span], clip.seen[span], style, clip.speaker))
    for features in still:
        frames = len(features) // PER_FRAME
        nothing = torch.zeros(frames, parts[0][2].shape[1])
        parts.append((features, torch.zeros(frames, 4), nothing, torch.ones(frames, dtype=torch.bool), 0.0, STILL))
    names = [part[5] for part in parts]
    pad = lambda value, most: F.pad(value, (0, 0, 0, most - len(value)))  # noqa: E731
    return Windows(
        features=torch.stack([pad(part[0].half(), PER_FRAME * FRAMES) for part in parts]),
        mouth=torch.stack([pad(part[1], FRAMES) for part in parts]),
        face=torch.stack([pad(part[2], FRAMES) for part in parts]),
        seen=torch.stack([F.pad(part[3], (0, FRAMES - len(part[3]))) for part in parts]),
        style=torch.tensor([part[4] for part in parts]),
        share=torch.tensor([names.count(name) ** -0.5 for name in names]),
    )


def still_sounds(hears: AudioFeatures, count: int, seed: int) -> list[Tensor]:
    """Features of sounds that no mouth makes: silence, noise, humming and music, of all levels."""
    found = []
    for index in range(count):
        rng = np.random.default_rng([seed, 7, index])
        size, level = FRAMES * SAMPLE_RATE // round(FPS), 10 ** rng.uniform(-4, -0.3)
        kinds = (np.zeros(size), rng.normal(size=size) / 3, np.cumsum(rng.normal(size=size)) / 200, chords(size, rng))
        sound = torch.from_numpy((kinds[index % len(kinds)] * level).clip(-1, 1).astype(np.float32))
        found.append(hears(Heard(sound)))
    return found


class LipsModule(LightningModule):
    """The network, its loss and its optimiser."""

    def __init__(self, network: Articulation, mouth: Mouth, steps: int, rate: float = 1e-3, seed: int = 0) -> None:
        super().__init__()
        self.network, self.steps, self.rate = network, steps, rate
        self.rng = torch.Generator().manual_seed(seed)
        self.register_buffer("points", mouth.points * 100)  # cm
        self.register_buffer("gaps", mouth.gaps * 10)
        self.points: Tensor
        self.gaps: Tensor

    def training_step(self, batch: Windows, index: int) -> Tensor:
        """The loss of one batch."""
        # Mostly it is told how far the person opens the mouth; without that, it makes what is usual.
        told = torch.rand(len(batch.style), generator=self.rng).to(batch.style) < 0.7
        made = self.network(batch.features, torch.where(told, batch.style, 0.0))
        loss = self.loss(made, batch)
        self.log("loss", loss, prog_bar=True)
        return loss

    def loss(self, made: Tensor, batch: Windows) -> Tensor:
        """Where the skin of the mouth is and how fast, and the gaps as the picture shows them; shut lips count double.

        made: jaw and lower face [B, T, 3 + E].
        """
        seen = batch.seen[..., None].to(made)
        apart = made @ self.gaps - 10 * batch.mouth
        skin = (made - batch.face) @ self.points
        shut = 1 + (batch.mouth[..., :1] < SHUT).to(made)
        both = seen[:, 1:] * seen[:, :-1]
        steady = lambda value: (value.diff(dim=1).square() * both).mean()  # noqa: E731
        where = 10 * (skin.square() * seen).mean() + (apart.square() * shut * seen).mean()
        return where + 10 * steady(skin) + 2 * steady(apart) + 1e-4 * made.square().mean()

    def configure_optimizers(self) -> Any:
        """AdamW; the rate rises over 100 steps and falls along a cosine."""
        optimizer = torch.optim.AdamW(self.network.parameters(), lr=self.rate, weight_decay=0.05)
        falls = lambda step: min(step / 100, 0.5 + 0.5 * math.cos(math.pi * min(step / self.steps, 1.0)))  # noqa: E731
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, falls)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
