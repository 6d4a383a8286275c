"""Samples as batches: packed into one file that is read by pages, and drawn by the number of the step alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ...core.npz import load_arrays
from ...flame_motion import BadInput
from ...generator.completion.atlas import COLUMNS, ROWS
from ...generator.completion.seen import network_input
from ..batches import batch_number, seed_at, shuffled_rows
from .loss import TrueAtlas
from .samples import FINE, is_empty, seen_of

SIZE = ROWS, COLUMNS
PACKED = np.dtype([
    ("seen.fitted", "f2", SIZE), ("seen.has_fit", "?", SIZE), ("seen.facing", "i1", SIZE),
    ("seen.color", "u1", (*SIZE, 3)), ("seen.matte", "i1", SIZE), ("seen.visible", "?", SIZE),
    ("seen.outline", "f2", SIZE), ("seen.cut", "?", SIZE), ("seen.outer", "u1", (*SIZE, 3)),
    ("seen.toward", "i1", SIZE), ("truth.skin", "u1", (*SIZE, 3)), ("truth.skin_there", "u1", SIZE),
    ("truth.skin_radius", "f2", SIZE), ("truth.hair", "u1", (*SIZE, 3)), ("truth.hair_there", "u1", SIZE),
    ("truth.hair_radius", "f2", SIZE), ("truth.painted", "u1", SIZE), ("truth.collar", "u1", SIZE),
    ("truth.seen", "u1", SIZE), ("truth.real", "?"), ("truth.outline", "f2", SIZE), ("truth.rim", "u1", SIZE),
])  # fmt: skip
COLORS = ("seen.color", "seen.outer", "truth.skin", "truth.hair")


def pack(folder: Path) -> np.ndarray:
    """The samples of a folder as one array of `PACKED`, [N], in a file that is read by pages; new ones are added to it.

    BadInput where there are none.
    """
    packed, names = folder / "packed.bin", folder / "packed.txt"
    samples = sorted(folder.glob("*.npz"))
    if not samples:
        raise BadInput(f"{folder}: expected a folder of samples that `flamecast prepare heads` made; there are none")
    done = names.read_text().split() if names.exists() else []
    if packed.exists() and packed.stat().st_size < len(done) * PACKED.itemsize:  # by a version with smaller records
        names.unlink()
        done = []
    have = set(done)
    with open(packed, "r+b" if packed.exists() else "w+b") as file, open(names, "a") as added:
        file.truncate(len(done) * PACKED.itemsize)  # what a kill cut short
        file.seek(0, 2)
        for path in samples:
            if path.stem not in have and not is_empty(path):
                file.write(_packed(path).tobytes())
                file.flush()
                added.write(path.stem + "\n")
                added.flush()
    if not packed.stat().st_size:
        raise BadInput(f"{folder}: no face was found in any of its {len(samples)} photos")
    return np.memmap(packed, PACKED, "r")


def _packed(path: Path) -> np.ndarray:
    """One sample as a record."""
    record, arrays = np.zeros((), PACKED), load_arrays(path)
    skin = arrays["truth.skin_there"] > 0
    hair = arrays["truth.hair_there"] > 0 if "truth.hair_there" in arrays else skin
    for name in set(PACKED.names or ()) & set(arrays):  # a photo does not know what a made-up head does
        value = arrays[name]
        if value.shape[:1] == (ROWS * FINE,):
            value = _smaller(value, {"truth.skin": skin, "truth.hair": hair | skin}.get(name))
        record[name] = value
    return record


def _smaller(values: np.ndarray, there: np.ndarray | None) -> np.ndarray:
    """Means over FINE x FINE texels, of those that are there."""
    blocks = values.reshape(ROWS, FINE, COLUMNS, FINE, -1).astype(np.float32)
    weight = np.ones_like(blocks[..., :1]) if there is None else there.reshape(ROWS, FINE, COLUMNS, FINE, 1)
    mean = (blocks * weight).sum((1, 3)) / np.maximum(weight.sum((1, 3)), 1e-6)
    return (mean + 0.5).astype(np.uint8).reshape(ROWS, COLUMNS, *values.shape[2:])


@dataclass(frozen=True)
class CompletionBatches:
    """Packed samples as batches, mirrored and recolored at random where `varied`; see `training.batches.Batches`."""

    samples: np.ndarray  # [N] of PACKED
    batch_size: int = 8
    seed: int = 0
    varied: bool = True

    def __len__(self) -> int:
        return len(self.samples) // min(self.batch_size, len(self.samples))

    def to(self, device: torch.device) -> CompletionBatches:
        """The same: the samples stay in their file, and Lightning moves each batch."""
        return self

    def at(self, step: int, rank: int = 0, world: int = 1) -> tuple[torch.Tensor, TrueAtlas]:
        """The batch of a step, one of `world` processes' own: every sample at most once an epoch."""
        number = batch_number(step, rank, world)
        rng = np.random.default_rng(seed_at(self.seed, number, "variation"))
        size = min(self.batch_size, len(self.samples))
        rows = shuffled_rows(len(self.samples), size, self.seed, number)
        return collate(_varied(self.samples[k], rng) if self.varied else _plain(self.samples[k]) for k in rows)


def _varied(record: np.void, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A sample, mirrored or not, in other colors."""
    arrays = _plain(record)
    if rng.random() < 0.5:
        arrays = {name: value[:, ::-1] if value.ndim else value for name, value in arrays.items()}
    gain = np.exp(rng.normal() * 0.08 + rng.normal(size=3) * 0.06)
    gamma = np.exp(rng.normal() * 0.12)
    level = np.arange(256)[:, None] / 255
    table = (np.clip(level * gain, 0, 1) ** gamma * 255 + 0.5).astype(np.uint8)  # [256, 3]
    for name in COLORS:
        arrays[name] = np.stack([table[arrays[name][..., k], k] for k in range(3)], -1)
    return arrays


def _plain(record: np.void) -> dict[str, np.ndarray]:
    """A sample as it is."""
    return {name: record[name] for name in PACKED.names or ()}


def collate(samples: Iterable[dict[str, np.ndarray]]) -> tuple[torch.Tensor, TrueAtlas]:
    """Samples as the network's input [B, CHANNELS, H, W], and the truth."""
    several = list(samples)
    inputs = torch.from_numpy(np.stack([network_input(seen_of(arrays)) for arrays in several]))
    get = lambda name: torch.from_numpy(np.stack([arrays[f"truth.{name}"] for arrays in several]))  # noqa: E731
    mask = lambda name: get(name)[:, None].float() / (1 if name == "seen" else 255)  # noqa: E731
    color = lambda name: get(name).permute(0, 3, 1, 2).float() / 255  # noqa: E731
    radius = lambda name: get(name)[:, None].float()  # noqa: E731
    return inputs, TrueAtlas(
        color("skin"), color("hair"), mask("skin_there"), mask("hair_there"), mask("painted"), mask("collar"),
        radius("skin_radius"), radius("hair_radius"), mask("seen"), get("real")[:, None, None, None].float(),
        radius("outline"), mask("rim"),
    )  # fmt: skip
