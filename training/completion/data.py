"""Samples as batches: packed into one file that is read by pages, and drawn by the number of the step alone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from ...generator.completion.atlas import COLUMNS, ROWS
from ...generator.completion.loss import TrueAtlas
from ...generator.completion.seen import network_input
from .samples import FINE, seen_of

SIZE = ROWS, COLUMNS
PACKED = np.dtype([
    ("seen.fitted", "f2", SIZE), ("seen.has_fit", "?", SIZE), ("seen.facing", "i1", SIZE),
    ("seen.color", "u1", (*SIZE, 3)), ("seen.matte", "i1", SIZE), ("seen.visible", "?", SIZE),
    ("seen.outline", "f2", SIZE), ("seen.cut", "?", SIZE), ("seen.outer", "u1", (*SIZE, 3)),
    ("seen.toward", "i1", SIZE), ("truth.skin", "u1", (*SIZE, 3)), ("truth.skin_there", "u1", SIZE),
    ("truth.skin_radius", "f2", SIZE), ("truth.hair", "u1", (*SIZE, 3)), ("truth.hair_there", "u1", SIZE),
    ("truth.hair_radius", "f2", SIZE), ("truth.painted", "u1", SIZE), ("truth.collar", "u1", SIZE),
    ("truth.seen", "u1", SIZE),
])  # fmt: skip
COLORS = ("seen.color", "seen.outer", "truth.skin", "truth.hair")


def pack(folder: Path) -> np.memmap:
    """The samples of a folder as one array of `PACKED`, [N]; those that are new since the last time are added."""
    packed, names = folder / "packed.bin", folder / "packed.txt"
    done = names.read_text().split() if names.exists() else []
    have = set(done)
    with open(packed, "r+b" if packed.exists() else "w+b") as file, open(names, "a") as list_:
        file.truncate(len(done) * PACKED.itemsize)  # what a kill cut short
        file.seek(0, 2)
        for path in sorted(folder.glob("*.npz")):
            if path.stem not in have and path.stat().st_size > 1000:  # else no face was found in its photo
                file.write(_packed(path).tobytes())
                file.flush()
                list_.write(path.stem + "\n")
                list_.flush()
    return np.memmap(packed, PACKED, "r")


def _packed(path: Path) -> np.ndarray:
    """One sample as a record."""
    record = np.zeros((), PACKED)
    with np.load(path) as arrays:
        skin, hair = arrays["truth.skin_there"] > 0, arrays["truth.hair_there"] > 0
        for name in PACKED.names or ():
            value = arrays[name]
            if value.shape[0] != ROWS:
                value = _smaller(value, {"truth.skin": skin, "truth.hair": hair | skin}.get(name))
            record[name] = value
    return record


def _smaller(values: np.ndarray, there: np.ndarray | None) -> np.ndarray:
    """Means over FINE x FINE texels, of those that are there."""
    blocks = values.reshape(ROWS, FINE, COLUMNS, FINE, -1).astype(np.float32)
    weight = np.ones_like(blocks[..., :1]) if there is None else there.reshape(ROWS, FINE, COLUMNS, FINE, 1)
    mean = (blocks * weight).sum((1, 3)) / np.maximum(weight.sum((1, 3)), 1e-6)
    return (mean + 0.5).astype(np.uint8).reshape(ROWS, COLUMNS, *values.shape[2:])


class CompletionBatches:
    """Batches of packed samples by seed and step: mirrored and recolored at random, the same whenever they are asked
    for."""

    def __init__(self, samples: np.ndarray, batch_size: int, seed: int = 0) -> None:
        self.samples, self.batch_size, self.seed = samples, batch_size, seed

    def at(self, step: int) -> tuple[torch.Tensor, TrueAtlas]:
        """The batch of a step: every sample once an epoch."""
        each = max(len(self.samples) // self.batch_size, 1)
        epoch, place = divmod(step, each)
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.samples))
        rng = np.random.default_rng([self.seed, 1, step])
        chosen = order[place * self.batch_size : (place + 1) * self.batch_size]
        return collate(_varied(self.samples[k], rng) for k in chosen)


def _varied(record: np.void, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A sample, mirrored or not, in other colors."""
    arrays = {name: record[name] for name in PACKED.names or ()}
    if rng.random() < 0.5:
        arrays = {name: value[:, ::-1] for name, value in arrays.items()}
    gain = np.exp(rng.normal() * 0.08 + rng.normal(size=3) * 0.06)
    gamma = np.exp(rng.normal() * 0.12)
    level = np.arange(256)[:, None] / 255
    table = (np.clip(level * gain, 0, 1) ** gamma * 255 + 0.5).astype(np.uint8)  # [256, 3]
    for name in COLORS:
        arrays[name] = np.stack([table[arrays[name][..., k], k] for k in range(3)], -1)
    return arrays


def plain(record: np.void) -> dict[str, np.ndarray]:
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
        radius("skin_radius"), radius("hair_radius"), mask("seen"),
    )  # fmt: skip
