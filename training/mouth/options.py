"""Options of `flamecast train mouth`."""

from __future__ import annotations

from dataclasses import dataclass

from ..options import TrainingOptions, option


@dataclass(frozen=True)
class MouthTraining(TrainingOptions):
    """Options of the training of the mouth's network. Several names in one option stand between commas."""

    steps: int = 8000
    batch_size: int = 8
    lr: float = 4e-4
    precision: str = "32-true"
    data: str = option("mouths", "folders that `flamecast prepare mouths` made, between commas")
    init_weights: str | None = option(None, "weights to start from; their sizes are kept")
    held_out: str = option("", "names of people who are not trained on but validated on")
    perceptual: float = option(0.15, "weight of the perceptual distance beside the absolute error")
    critic_from: int = option(1000, "step from which on a critic learns; 200 steps later it is listened to")
    critic: float = option(1.0, "weight of the critic, of the other terms' gradient; it falls to half at the end")
