"""Options of `flamecast train completion`."""

from __future__ import annotations

from dataclasses import dataclass

from ..options import TrainingOptions, option


@dataclass(frozen=True)
class CompletionTraining(TrainingOptions):
    """Options of a training of the completion network."""

    steps: int = 4000
    batch_size: int = 8
    warmup_steps: int = 300
    data: str = option("heads", "folder that `flamecast prepare heads` made")
    validation: str = option("", "another such folder, of people who are held out; empty: no validation")
    init_weights: str | None = option(None, "weights to start from; their sizes are kept")
    kept: float = option(0.0, "share of `init_weights` in the weights that are written, 0..1: more of what they knew")
    widths: str = option("40,80,128,192", "channels of the network's levels, from fine to coarse; each divides by 8")
    fine: int = option(24, "channels of its last layers, at the atlas's own size")
