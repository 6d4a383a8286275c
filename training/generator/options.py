"""Options of `flamecast train generator-image`, `generator-temporal` and `generator-views`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..options import TrainingOptions, option


@dataclass(frozen=True)
class GeneratorTraining(TrainingOptions):
    """Options of a training of the diffusion generator. Several names in one option stand between commas."""

    steps: int = 4000
    batch_size: int = 4
    lr: float = 3e-4
    ema_decay: float = 0.97
    precision: str = "32-true"
    part: Literal["image", "temporal", "views"] = option("image", "layers to train; the others stay as they are")
    init_weights: str | None = option(None, "weights that temporal and views start from; None: the shipped ones")
    data: str = option("pairs", "folder that `flamecast prepare` made: of pairs, of windows of frames, or of views")
    preset: Literal["tiny", "mid", "small", "sd15"] = option("small", "size; sd15 needs stable_diffusion=FOLDER")
    stable_diffusion: str = option("", "a local folder of Stable Diffusion 1.5, for sd15")
    adapter: str = option("", "a local folder of an AnimateDiff motion adapter, for sd15")
    start: Literal["warp", "noise"] = option("warp", "a bridge from the warped photo, or diffusion from noise")
    sampling_steps: int = option(1, "steps in which the network is to be sampled")
    drop_conditions: str = option("", "names of conditions that are never given, for ablations")
    cond_drop_prob: float = option(0.1, "how often each other condition is dropped, so that it may be missing later")
    held_out: str = option("", "names of people who are not trained on but validated on")
    only: str = option("", "names of the only people to train on, for overfitting")
    squared: bool = option(True, "squared error of the velocity; absolute error otherwise")
    perceptual: float = option(0.02, "weight of the perceptual distance beside that error")
