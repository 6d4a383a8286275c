"""Training of the mouth with Lightning: windows of sound and picture, and what is asked of a mouth."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...drivers.speech.articulation import Articulation
from ...drivers.speech.audio_features import FPS, PER_FRAME, SAMPLE_RATE, AudioBuffer, AudioFeatures
from ...flame_motion.retargeting.mouth import Mouth
from ..batches import batch_number, rng_at
from ..module import TrainingModule
from ..options import TrainingOptions
from .augment import chords
from .footage import SHUT, Footage

FRAMES = 75  # of a window
USUAL = 0.06  # spread of the gap between the lips of people who talk, by the eyes' distance
NOBODY = "nobody"  # who speaks where nobody does


@dataclass  # Lightning moves its tensors in place
class Windows:
    """Windows of footage, or a batch of them."""

    features: Tensor  # [B, 2 FRAMES, C] half
    mouth: Tensor  # [B, FRAMES, 4]
    face: Tensor  # [B, FRAMES, 3 + E]
    seen: Tensor  # [B, FRAMES] bool
    style: Tensor  # [B] log of the spread of the gap, over the usual
    share: Tensor  # [B] how often each comes

    def __len__(self) -> int:
        return len(self.style)

    def rows(self, rows: Tensor) -> Windows:
        """Some of them in single precision."""
        found = Windows(*(getattr(self, field.name)[rows] for field in fields(self)))
        found.features = found.features.float()
        return found

    def to(self, device: torch.device) -> Windows:
        """The same on a device."""
        return Windows(*(getattr(self, field.name).to(device) for field in fields(self)))


class WindowBatches:
    """Batches of windows drawn by their share; an epoch is as long as all windows together."""

    def __init__(self, windows: Windows, batch_size: int, seed: int) -> None:
        self.windows, self.batch_size, self.seed = windows, batch_size, seed

    def __len__(self) -> int:
        return max(len(self.windows) // self.batch_size, 1)

    def to(self, device: torch.device) -> WindowBatches:
        """All windows in a device's memory."""
        return WindowBatches(self.windows.to(device), self.batch_size, self.seed)

    def at(self, step: int, rank: int = 0, world: int = 1) -> Windows:
        """See `Batches`."""
        rng = rng_at(self.seed, batch_number(step, rank, world), "rows")
        rows = torch.multinomial(self.windows.share.cpu(), self.batch_size, replacement=True, generator=rng)
        return self.windows.rows(rows.to(self.windows.share.device))


def windows_of(clips: Iterable[tuple[Footage, Tensor]], mouth: Mouth, silent: list[Tensor]) -> Windows:
    """Clips with their features, and features of sounds that nobody speaks in, as windows a second apart.

    A person comes as often as the root of how much there is of him: many people say more than one man's many clips.
    """
    parts: list[tuple[Tensor, Tensor, Tensor, Tensor, float, str]] = []
    for clip, features in clips:
        face, gap = mouth.face(clip.motion), clip.mouth[:, 0]
        style = math.log(max(float(gap.std()), USUAL / 4) / USUAL)
        frames = min(len(face), len(features) // PER_FRAME)
        for start in range(0, max(frames - FRAMES // 2, 1), round(FPS)):
            span = slice(start, min(start + FRAMES, frames))
            sound = features[PER_FRAME * span.start : PER_FRAME * span.stop]
            parts.append((sound, clip.mouth[span], face[span], clip.seen[span], style, clip.speaker))
    for features in silent:
        frames = len(features) // PER_FRAME
        nothing = torch.zeros(frames, parts[0][2].shape[1])
        parts.append((features, torch.zeros(frames, 4), nothing, torch.ones(frames, dtype=torch.bool), 0.0, NOBODY))
    names = [part[5] for part in parts]
    padded = lambda value, length: F.pad(value, (0, 0, 0, length - len(value)))  # noqa: E731
    return Windows(
        features=torch.stack([padded(part[0].half(), PER_FRAME * FRAMES) for part in parts]),
        mouth=torch.stack([padded(part[1], FRAMES) for part in parts]),
        face=torch.stack([padded(part[2], FRAMES) for part in parts]),
        seen=torch.stack([F.pad(part[3], (0, FRAMES - len(part[3]))) for part in parts]),
        style=torch.tensor([part[4] for part in parts]),
        share=torch.tensor([names.count(name) ** -0.5 for name in names]),
    )


def silent_sounds(encoder: AudioFeatures, count: int, seed: int) -> list[Tensor]:
    """Features of sounds that no mouth makes: silence, noise, humming and music, of all levels."""
    found = []
    for index in range(count):
        rng = np.random.default_rng([seed, 7, index])
        size, level = FRAMES * SAMPLE_RATE // round(FPS), 10 ** rng.uniform(-4, -0.3)
        kinds = (np.zeros(size), rng.normal(size=size) / 3, np.cumsum(rng.normal(size=size)) / 200, chords(size, rng))
        sound = torch.from_numpy((kinds[index % len(kinds)] * level).clip(-1, 1).astype(np.float32))
        found.append(encoder(AudioBuffer(sound)))
    return found


class LipsModule(TrainingModule):
    """The network of the mouth and its loss."""

    weight_decay = 0.05

    def __init__(self, network: Articulation, mouth: Mouth, options: TrainingOptions) -> None:
        super().__init__(options)
        self.network = network
        self.register_buffer("points", mouth.points * 100)  # cm
        self.register_buffer("gaps", mouth.gaps * 10)
        self.points: Tensor
        self.gaps: Tensor

    def loss(self, batch: Windows, rng: torch.Generator) -> Tensor:
        """Mostly with how far the person opens the mouth; without that, and for held-out people, with what is usual."""
        styled = torch.rand(len(batch), generator=rng, device=rng.device) < 0.7
        style = torch.where(styled.to(batch.style.device), batch.style, 0.0) if self.training else 0 * batch.style
        return self.error(self.network(batch.features, style), batch)

    def error(self, face: Tensor, windows: Windows) -> Tensor:
        """Where the skin of the mouth is and how fast, and the gaps as the picture shows them; shut lips count double.

        face: jaw and lower face [B, T, 3 + E].
        """
        seen = windows.seen[..., None].to(face)
        gaps = face @ self.gaps - 10 * windows.mouth
        skin = (face - windows.face) @ self.points
        shut = 1 + (windows.mouth[..., :1] < SHUT).to(face)
        both = seen[:, 1:] * seen[:, :-1]
        velocity = lambda value: (value.diff(dim=1).square() * both).mean()  # noqa: E731
        position = 10 * (skin.square() * seen).mean() + (gaps.square() * shut * seen).mean()
        return position + 10 * velocity(skin) + 2 * velocity(gaps) + 1e-4 * face.square().mean()
