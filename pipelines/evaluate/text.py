"""`flamecast evaluate text`: generated motion beside real, on held-out wordings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ...drivers.text import TextDriver
from ...drivers.text.channels import ALL_CHANNELS, FPS
from ...drivers.text.driver import WEIGHTS
from ...flame_motion import Progress, TextPrompt
from ...flame_motion.packing import Layout
from ...training.text.data import TextCorpus
from ...training.text.evaluator import Evaluator, load_evaluator
from .text_metrics import (
    diversity,
    frechet_distance,
    head_acceleration,
    matching_distance,
    multimodality,
    r_precision,
)


def evaluate_text(
    samples: int = 512, seed: int = 0, driver: TextDriver | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """R-Precision in pools of 32, FID, MM-Dist, Diversity, MultiModality and acceleration, the real row first.

    samples: pairs whose wordings no training saw; the motions of their scripts are "real". FID of the real row is that
    between two halves of a real set twice as large: the floor at this number of samples.
    """
    driver = driver or TextDriver()
    evaluator = load_evaluator(WEIGHTS / "evaluator")
    corpus = TextCorpus("both", 2 * samples, 1000 + seed, driver.encoder, driver.head, held_out=True)
    text = _features(evaluator, [one.float() for one in corpus.tokens], "text")
    real = _features(evaluator, [one.float() for one in corpus.motions], "motion")
    layout = Layout.of(driver.head, ALL_CHANNELS)
    made: list[torch.Tensor] = []
    for index, pair in enumerate(corpus.pairs[:samples]):
        made.append(_packed(driver, layout, pair.text, pair.script.duration, seed + index))
        if progress is not None:
            progress("evaluate", index + 1, samples)
    again = [
        [_packed(driver, layout, pair.text, pair.script.duration, 10_000 + 10 * k + i) for i in range(6)]
        for k, pair in enumerate(corpus.pairs[: max(samples // 32, 4)])
    ]
    several = np.stack([_features(evaluator, motions, "motion") for motions in again])
    fake, rng = _features(evaluator, made, "motion"), np.random.default_rng(seed)
    half, rest = real[:samples], real[samples:]
    return {
        "samples": samples,
        "real": _row(text[:samples], half, frechet_distance(half, rest), rng, None)
        | _acceleration(layout, [one.float() for one in corpus.motions[:samples]]),
        "generated": _row(text[:samples], fake, frechet_distance(fake, half), rng, multimodality(several))
        | _acceleration(layout, made),
    }


def _acceleration(layout: Layout, motions: Sequence[torch.Tensor]) -> dict[str, list[int]]:
    """The head's angular acceleration (degrees/s^2) of packed motions: its 50th, 90th and 99th percentile."""
    found = [head_acceleration(layout.channels(one)["neck"].numpy(), FPS) for one in motions if len(one) > 6]
    return {"acceleration": np.percentile(np.concatenate(found), (50, 90, 99)).round().astype(int).tolist()}


def _packed(driver: TextDriver, layout: Layout, text: str, seconds: float, seed: int) -> torch.Tensor:
    return layout.pack(driver(TextPrompt(text, duration=seconds), seed=seed).motion)


def _row(text: np.ndarray, motion: np.ndarray, fid: float, rng: np.random.Generator, many: float | None) -> dict:
    tops = r_precision(text, motion, rng)
    return {
        "R1": round(float(tops[0]), 3), "R2": round(float(tops[1]), 3), "R3": round(float(tops[2]), 3),
        "FID": round(fid, 4), "MM-Dist": round(matching_distance(text, motion), 3),
        "Diversity": round(diversity(motion, rng), 3), "MultiModality": None if many is None else round(many, 3),
    }  # fmt: skip


@torch.no_grad()
def _features(evaluator: Evaluator, pieces: Sequence[torch.Tensor], kind: str) -> np.ndarray:
    """Unit vectors [N, W] of texts [S, C] or motions [T, D]."""
    found = []
    for start in range(0, len(pieces), 64):
        batch = pieces[start : start + 64]
        padded = torch.nn.utils.rnn.pad_sequence(list(batch), batch_first=True).float()
        mask = torch.arange(padded.shape[1])[None] < torch.tensor([len(one) for one in batch])[:, None]
        found.append((evaluator.text if kind == "text" else evaluator.motion)(padded, mask))
    return torch.cat(found).numpy()
