"""`flamecast train`: the models that come with flamecast, made again, or made from other settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..configs.load import load_config
from ..core.files import PathLike
from ..flame_motion import BadInput
from .completion.options import CompletionTraining
from .completion.train import train_completion
from .generator.options import GeneratorTraining
from .generator.train import train_generator
from .loop import check_training
from .mouth.options import MouthTraining
from .mouth.train import train_mouth
from .options import TrainingOptions, describe
from .run_record import check_run
from .speech.train import (
    HeadTraining,
    JudgeTraining,
    LipsTraining,
    ShapesTraining,
    train_speech_head,
    train_speech_judge,
    train_speech_lip_shapes,
    train_speech_lips,
)  # fmt: skip
from .text.train import EvaluatorTraining, TextTraining, train_evaluator, train_text

TRAININGS: dict[str, tuple[type[TrainingOptions], Callable[[Any], list[Path]]]] = {
    "generator_image": (GeneratorTraining, train_generator), "generator_temporal": (GeneratorTraining, train_generator),
    "generator_views": (GeneratorTraining, train_generator), "mouth": (MouthTraining, train_mouth),
    "text_motion": (TextTraining, train_text), "text_emotion": (TextTraining, train_text),
    "text_evaluator": (EvaluatorTraining, train_evaluator), "speech_lips": (LipsTraining, train_speech_lips),
    "speech_lip_shapes": (ShapesTraining, train_speech_lip_shapes),
    "speech_head": (HeadTraining, train_speech_head), "speech_judge": (JudgeTraining, train_speech_judge),
    "completion": (CompletionTraining, train_completion),
}  # fmt: skip


def train(name: str, overrides: list[str], config: PathLike | None = None) -> list[Path]:
    """Runs a training by name (`text-motion`), with `key=value` overrides of its preset. Raises BadInput."""
    key = _key(name)
    kind, training = TRAININGS[key]
    options = _preset(key, overrides, config)
    check_training()
    given = kind(**options)
    check_run(given)
    return training(given)


def described(name: str) -> list[str]:
    """A line for each option of a training: `key=value` as its preset has it, and the option's help. BadInput."""
    key = _key(name)
    return describe(TRAININGS[key][0](**_preset(key, [], None)))


def _preset(key: str, overrides: list[str], config: PathLike | None) -> dict[str, Any]:
    try:
        return load_config(config or key, TRAININGS[key][0], overrides)
    except ValueError as error:
        raise BadInput(str(error)) from error


def _key(name: str) -> str:
    key = name.replace("-", "_")
    if key not in TRAININGS:
        known = ", ".join(sorted(training.replace("_", "-") for training in TRAININGS))
        raise BadInput(f"train {name!r}: there is no such training; known are: {known}")
    return key
