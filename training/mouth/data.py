"""Pairs of mouths in memory, and batches of them by step: turned, moved, mirrored, in other colours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from ...core.files import PathLike
from ...core.npz import load_arrays
from ...flame_motion import BadInput
from ...generator.mouth.crop import HEIGHT, WIDTH
from ...generator.mouth.painter import numbers_of
from ..batches import batch_number, seed_at
from .examples import MARGIN
from .prepare import read_index

MISFIT = 3.0  # px by which lips may be off after all
ENLARGED = 1 / 1.4  # px of a frame to one of the crop: what is more enlarged is learned from more rarely
RARELY = 0.25
GREY = 0.1  # of the batches' pictures are without colors
TURN, GROW, SHIFT = 0.12, 0.08, 4.0  # rad, share and px by which a crop is turned, scaled and moved

Rows = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class MouthPairs:
    """Pairs stacked by name; see `training.batches.Batches`."""

    arrays: dict[
        str, np.ndarray
    ]  # drawn, truth [N, h, w, 3], parts [N, h, w, 4] uint8 with MARGIN around; photo, photo_parts of each photo
    of: np.ndarray  # [N] whose photo each is drawn of
    numbers: np.ndarray  # [N, 3] float32
    person: np.ndarray  # [N] number of the person
    people: list[str]
    clip: np.ndarray  # [N] number of the clip
    frame: np.ndarray  # [N]
    chance: np.ndarray  # [N] of being drawn
    batch_size: int = 1
    seed: int = 0
    varied: bool = True

    @classmethod
    def read(
        cls, folders: Iterable[PathLike], batch_size: int = 1, seed: int = 0, *, people: Iterable[str] | None = None,
        without: Iterable[str] = (), varied: bool = True,
    ) -> MouthPairs:  # fmt: skip
        """All that `flamecast prepare mouths` wrote of some people (all when None), without others. BadInput.

        varied: turned, moved, mirrored and in other colours; as they are otherwise.
        """
        clips = _clips(folders, None if people is None else set(people), set(without))
        names = sorted({person for _, person in clips})
        rows: dict[str, list[np.ndarray]] = {}
        photos = 0
        for number, (path, person) in enumerate(clips):
            pairs = load_arrays(path)
            for name, values in _rows(pairs, photos, number, names.index(person)).items():
                rows.setdefault(name, []).append(values)
            photos += len(pairs["photo"])
        joined = {name: np.concatenate(values) for name, values in rows.items()}
        pictures = {name: joined[name] for name in ("drawn", "truth", "parts", "photo", "photo_parts")}
        return cls(
            pictures, joined["of"], joined["numbers"], joined["person"], names, joined["clip"], joined["frame"],
            _chance(joined), batch_size, seed, varied,
        )  # fmt: skip

    @property
    def count(self) -> int:
        """How many pairs."""
        return len(self.of)

    def __len__(self) -> int:
        return max(self.count // self.batch_size, 1)

    def to(self, device: torch.device) -> MouthPairs:
        """Itself: pictures are varied on the CPU."""
        return self

    def at(self, step: int, rank: int = 0, world: int = 1) -> Rows:
        """The batch of a step, one of `world` processes' own: those with open mouths more often."""
        number = batch_number(step, rank, world)
        rng = np.random.default_rng(seed_at(self.seed, number, "rows"))
        if not self.varied:
            start = number * self.batch_size % self.count
            return self.rows(np.arange(start, min(start + self.batch_size, self.count)))
        return self.rows(rng.choice(self.count, self.batch_size, p=self.chance), rng)

    def rows(self, which: np.ndarray, rng: np.random.Generator | None = None) -> Rows:
        """Some pairs as a network's inputs and truth, pictures [B, 3, HEIGHT, WIDTH] 0..1; varied by rng if given."""
        places = [_place(rng) for _ in which]
        cut = {name: [] for name in self.arrays}  # type: dict[str, list[np.ndarray]]
        for k, place in zip(which, places):
            for name in ("drawn", "truth", "parts"):
                cut[name].append(_cut(self.arrays[name][k], place, name))
            for name in ("photo", "photo_parts"):
                cut[name].append(_cut(self.arrays[name][self.of[k]], place, name))
        rows = {
            name: torch.from_numpy(np.stack(values)).permute(0, 3, 1, 2).float() / 255 for name, values in cut.items()
        }
        rows["numbers"] = torch.from_numpy(self.numbers[which])
        return rows if rng is None else _other_colours(rows, rng)


def _clips(
    folders: Iterable[PathLike], people: set[str] | None, without: set[str]
) -> list[tuple[Path, str]]:  # fmt: skip
    """The files of some people, and who is in each. BadInput."""
    found = [
        (Path(folder) / f"{clip}.npz", entry["person"])
        for folder in folders
        for clip, entry in sorted(read_index(folder).items())
        if "person" in entry
    ]
    known = {person for _, person in found}
    if unknown := sorted((without | (people or set())) - known):
        raise BadInput(f"nobody is called {unknown[0]!r}; there are {', '.join(sorted(known))}")
    kept = [(path, person) for path, person in found if person not in without and (people is None or person in people)]
    if not kept:
        raise BadInput("no pairs are left")
    return kept


def _rows(pairs: Mapping[str, np.ndarray], photos: int, clip: int, person: int) -> dict[str, np.ndarray]:
    """The arrays of one clip, ready to be joined to others'; photos: how many came before."""
    of, count = pairs["of"], len(pairs["of"])
    numbers = [
        numbers_of(float(now), float(pairs["photo_open"][k]), float(pairs["pixels"][k]))
        for now, k in zip(pairs["open"], of)
    ]
    return {
        **{name: pairs[name] for name in ("drawn", "truth", "parts", "photo", "photo_parts", "frame", "misfit")},
        "of": of + photos, "numbers": np.array(numbers, np.float32), "pixels": pairs["pixels"][of],
        "open": pairs["open"], "self": pairs["frame"] == pairs["source"][of],
        "clip": np.full(count, clip), "person": np.full(count, person),
    }  # fmt: skip


def _chance(rows: dict[str, np.ndarray]) -> np.ndarray:
    """How likely each pair is drawn [N]: no bad ones, open mouths more, blurred footage less.

    A person is drawn as often as the root of how many pairs there are of them: neither one clip nor many photos of one
    smile each may be all that is learned.
    """
    weight = (0.15 + np.minimum(4 * rows["open"], 1.5)) * (rows["misfit"] < MISFIT) * ~rows["self"]
    of_person = np.bincount(rows["person"], weight)[rows["person"]]
    weight = weight / np.maximum(of_person, 1e-6) * np.sqrt(np.bincount(rows["person"])[rows["person"]])
    weight = weight * np.where(rows["pixels"] < ENLARGED, RARELY, 1.0)
    return weight / weight.sum()


def _place(rng: np.random.Generator | None) -> tuple[np.ndarray, bool]:
    """Where a varied crop lies in the larger one [2, 3], and whether it is mirrored."""
    turn, grow, x, y = np.zeros(4) if rng is None else rng.normal(0, 0.5, 4).clip(-1, 1)
    scale, angle = np.exp(GROW * grow), TURN * turn
    rotation = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.array([WIDTH - 1, HEIGHT - 1]) / 2
    shift = middle + [SHIFT * x, SHIFT * y] - rotation @ (middle + MARGIN)
    return np.column_stack([rotation, shift]), rng is not None and bool(rng.random() < 0.5)


def _cut(picture: np.ndarray, place: tuple[np.ndarray, bool], name: str) -> np.ndarray:
    """The crop [HEIGHT, WIDTH, C] of a larger one [h, w, C] uint8."""
    flags = cv2.INTER_LINEAR if "parts" in name else cv2.INTER_CUBIC
    crop = cv2.warpAffine(picture, place[0], (WIDTH, HEIGHT), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(crop[:, ::-1]) if place[1] else crop


def _other_colours(rows: Rows, rng: np.random.Generator) -> Rows:
    """The same change of brightness, contrast, tint and saturation in all pictures of a pair."""
    count = len(rows["numbers"])

    def draw(spread: float, channels: int = 1) -> Tensor:
        return torch.from_numpy(rng.normal(0, spread, (count, channels, 1, 1)).astype(np.float32))

    gain, contrast, saturation, lift = (draw(0.12) + draw(0.05, 3)).exp(), draw(0.12).exp(), draw(0.2).exp(), draw(0.03)
    saturation *= torch.from_numpy(rng.random((count, 1, 1, 1)) > GREY)
    gain = torch.where(saturation == 0, gain.mean(1, keepdim=True), gain)
    for name in ("drawn", "truth", "photo"):
        picture = rows[name] * gain
        grey = picture.mean(1, keepdim=True)
        picture = grey + (picture - grey) * saturation
        rows[name] = ((picture - 0.45) * contrast + 0.45 + lift).clamp(0, 1)
    return rows
