"""Makes samples into a folder, one file each; a run that stopped goes on, and the same seeds give the same samples.

python -m flamecast.training.completion.prepare --heads FOLDER --photos FOLDER --output FOLDER --count N
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from ...core.files import atomic_path
from ...flame_motion.tracking.detector import MediaPipeDetector
from .heads import load_heads
from .people import PeopleBank
from .photos import Backgrounds
from .samples import make_sample, sample_arrays


def prepare(
    heads: Path, photos: Path | None, output: Path, count: int, seed: int, without: tuple[str, ...] = (),
    only: tuple[str, ...] | None = None, minutes: float = float("inf"),
) -> None:  # fmt: skip
    """Samples 0..count-1 of a seed, without some people or of some only; where no face was found, an empty file says
    so."""
    bank, backgrounds, detector = PeopleBank(load_heads(heads, without, only)), Backgrounds(photos), MediaPipeDetector()
    output.mkdir(parents=True, exist_ok=True)
    start, made = time.perf_counter(), 0
    for k in range(count):
        path = output / f"{seed:03d}_{k:06d}.npz"
        if path.exists():
            continue
        if time.perf_counter() - start > 60 * minutes:
            break
        sample = make_sample(bank, backgrounds, detector, (seed, k))
        with atomic_path(path) as hidden:
            arrays = {} if sample is None else sample_arrays(sample)
            with open(hidden, "wb") as file:
                np.savez_compressed(file, **arrays)
        made += 1
        if made % 50 == 0:
            print(f"{k + 1} of {count}, {(time.perf_counter() - start) / made:.2f} s each", flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heads", type=Path, required=True, help="folder of textured heads, NAME.npz")
    parser.add_argument("--photos", type=Path, help="folder of photos whose corners make backgrounds")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--without", default="", help="people held out, NAME,NAME")
    parser.add_argument("--only", default="", help="people taken, and no others, NAME,NAME")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after them; the same line goes on")
    given = parser.parse_args()
    without, only = (tuple(names.split(",")) if names else () for names in (given.without, given.only))
    prepare(given.heads, given.photos, given.output, given.count, given.seed, without, only or None,
            given.minutes)  # fmt: skip


if __name__ == "__main__":
    main()
