"""Trained denoisers as files: safetensors, and a card in JSON beside them that says what they are."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...core.files import atomic_path
from ...core.networks import fitting, read_weights
from .denoiser import DenoiserConfig, MotionDenoiser


@dataclass(frozen=True, eq=False)
class Trained:
    """A denoiser, the mean and spread [D] of what it was trained on, and its card."""

    denoiser: MotionDenoiser
    mean: Tensor  # [D]
    spread: Tensor  # [D], above 0
    card: dict[str, Any]

    def to(self, device: torch.device | str) -> Trained:
        """The same on a device; the denoiser itself is moved."""
        return replace(
            self, denoiser=self.denoiser.to(device), mean=self.mean.to(device), spread=self.spread.to(device)
        )

    def normal(self, motion: Tensor) -> Tensor:
        """Packed motion [..., T, D] as the denoiser knows it."""
        return (motion - self.mean) / self.spread

    def motion(self, normal: Tensor) -> Tensor:
        """The way back."""
        return normal * self.spread + self.mean


def save_weights(path: Path, trained: Trained) -> None:
    """Writes PATH.safetensors in half precision and PATH.json, its card, with the sizes needed to load it."""
    from safetensors.torch import save

    arrays = {name: value.half().contiguous() for name, value in trained.denoiser.state_dict().items()}
    arrays |= {"normal.mean": trained.mean.float(), "normal.spread": trained.spread.float()}
    with atomic_path(path.with_suffix(".safetensors")) as file:
        Path(file).write_bytes(save(arrays))
    card = trained.card | {"denoiser": asdict(trained.denoiser.config)}
    with atomic_path(path.with_suffix(".json")) as file:
        Path(file).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def load_weights(path: Path) -> Trained:
    """Reads what `save_weights` wrote. Raises BadInput for files that do not belong together."""
    card, arrays = read_weights(path)
    with fitting(path):
        denoiser = MotionDenoiser(DenoiserConfig(**card["denoiser"]))
        mean, spread = arrays.pop("normal.mean"), arrays.pop("normal.spread")
        denoiser.load_state_dict({name: value.float() for name, value in arrays.items()})
    return Trained(denoiser.eval().requires_grad_(False), mean, spread, card)


def spread_of(motions: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and spread [D] of motions [T, D]; what hardly moves is not blown up."""
    whole = torch.cat([motion.float() for motion in motions])
    spread = whole.std(0)
    return whole.mean(0), spread.clamp(min=max(float(spread.max()) * 1e-2, 1e-4))
