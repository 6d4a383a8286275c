"""The corpus as tensors: texts encoded once, motions performed anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ...drivers.text.channels import ALL_CHANNELS, CHANNELS, Part, combined_closure
from ...drivers.text.encoder import TextEncoder
from ...flame_motion.heads.head import Head
from ...flame_motion.packing import Layout
from .corpus.compose import emotion_pair, motion_pair
from .corpus.script import Pair, Performance, perform, sequence_of
from .corpus.take import LIDS

SHARE = 500  # pairs drawn from one seed


class TextCorpus:
    """`size` pairs of words and motion, drawn by seed; the same seed gives the same pairs."""

    def __init__(
        self, part: Part | Literal["both"], size: int, seed: int, encoder: TextEncoder, head: Head, *,
        held_out: bool = False, workers: int = 0,
    ) -> None:  # fmt: skip
        """part: whose channels and whose mixture of texts; "both": all channels, and texts for either.

        workers: processes that perform it; the corpus is the same for any number of them.
        """
        self.layout = Layout.of(head, ALL_CHANNELS if part == "both" else CHANNELS[part])
        shares = [(part, min(SHARE, size - start), (seed, start, held_out)) for start in range(0, size, SHARE)]
        self.pairs: list[Pair] = []
        self.motions: list[Tensor] = []
        for pairs, motion in _each(partial(_share, head=head, layout=self.layout), shares, workers):
            self.pairs += pairs
            self.motions += torch.from_numpy(motion).split([pair.script.frames for pair in pairs])
        self.tokens = _encoded([pair.text for pair in self.pairs], encoder)

    def __len__(self) -> int:
        return len(self.pairs)


def _each(work: Callable[..., Any], shares: list[tuple[Any, ...]], workers: int) -> Iterator[Any]:
    """work(*share) of every share, in order."""
    if workers < 2:
        yield from (work(*share) for share in shares)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield from pool.map(work, *zip(*shares))


def _share(
    part: str, count: int, seed: tuple[int, int, bool], head: Head, layout: Layout
) -> tuple[list[Pair], np.ndarray]:
    """Some pairs and their motions [sum of T, D] in half precision, in one piece: posing by names costs by the call."""
    rng = np.random.default_rng(seed)
    draws = [motion_pair, emotion_pair] if part == "both" else [motion_pair if part == "motion" else emotion_pair]
    pairs = [draws[k % len(draws)](rng, seed[-1]) for k in range(count)]
    played = [_played(perform(pair.script, rng), part) for pair in pairs]
    frames = [pair.script.frames for pair in pairs]
    names = sorted({name for tracks in played for name in tracks} | {"yaw"})
    joined = {
        name: np.concatenate([tracks.get(name, np.zeros(count)) for tracks, count in zip(played, frames)])
        for name in names
    }
    if part == "emotion":
        joined["yaw"] = np.zeros(sum(frames))
    return pairs, layout.pack(sequence_of(joined, head)).half().numpy()


def _played(done: Performance, part: str) -> dict[str, np.ndarray]:
    """The tracks of one part, or of both, lids as far shut as both say."""
    if part != "both":
        return done.head if part == "motion" else done.face
    lids = {
        name: combined_closure(done.head[name], done.face[name])
        for name in LIDS
        if name in done.head and name in done.face
    }
    return done.head | done.face | lids


def _encoded(texts: list[str], encoder: TextEncoder) -> list[Tensor]:
    """Token embeddings [S, C] in half precision, texts of like length together, on the fastest device there is."""
    order = sorted(range(len(texts)), key=lambda k: len(texts[k]))
    found: dict[int, Tensor] = {}
    device = "cuda" if torch.cuda.is_available() else "cpu"
    encoder.model.to(device)
    for start in range(0, len(order), 256):
        batch = order[start : start + 256]
        with torch.autocast(device, dtype=torch.bfloat16):
            tokens, mask = encoder([texts[k] for k in batch])
        tokens = tokens.half().cpu()
        found |= {k: tokens[row, mask[row]] for row, k in enumerate(batch)}
    encoder.model.to("cpu")
    return [found[k] for k in range(len(texts))]
