"""`flamecast train`: the models that come with flamecast, made again, or made from other settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..configs.load import load_config
from ..core.files import PathLike
from ..flame_motion import BadInput
from .generator.train import train_generator
from .loop import check_training
from .speech.train import train_speech_head, train_speech_judge, train_speech_lips
from .text.train import train_evaluator, train_text

TRAININGS: dict[str, Callable[..., list[Path]]] = {
    "text_motion": train_text, "text_emotion": train_text, "text_evaluator": train_evaluator,
    "generator_image": train_generator, "generator_temporal": train_generator, "generator_views": train_generator,
    "speech_lips": train_speech_lips, "speech_head": train_speech_head, "speech_judge": train_speech_judge,
}  # fmt: skip


def train(name: str, overrides: list[str], config: PathLike | None = None) -> list[Path]:
    """Runs a training by name (`text-motion`), with `key=value` overrides of its preset. Raises BadInput."""
    key = name.replace("-", "_")
    if key not in TRAININGS:
        known = ", ".join(sorted(training.replace("_", "-") for training in TRAININGS))
        raise BadInput(f"train {name!r}: there is no such training; known are: {known}")
    try:
        options = load_config(config or key, TRAININGS[key], overrides)
    except ValueError as error:
        raise BadInput(str(error)) from error
    check_training()
    return TRAININGS[key](**options)
