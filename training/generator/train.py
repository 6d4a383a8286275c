"""Trainings of the diffusion generator: pictures, then what lies across time, then across views."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.networks import save_network
from ...flame_motion import BadInput
from ..loop import card_of, run_training
from ..options import names_in
from .options import GeneratorTraining

if TYPE_CHECKING:
    from ...generator.diffusion.network import PortraitDenoiser
    from .data import Examples


def train_generator(options: GeneratorTraining) -> list[Path]:
    """Trains a part of the denoiser and writes its weights and card; returns both files. BadInput."""
    from lightning.pytorch import seed_everything

    from ...generator.diffusion.network import parameter_counts
    from ..batches import StepData
    from .data import Examples
    from .module import GeneratorModule
    from .samples import SampleWriter

    _check(options)
    began, held_out = time.time(), names_in(options.held_out)
    read = partial(Examples.read, options.data, options.batch_size, options.seed)
    examples = read(people=names_in(options.only) or None, without=held_out)
    validation = read(people=held_out) if held_out else None
    seed_everything(options.seed, verbose=False)
    network = _network(options, examples)
    module = GeneratorModule(network, options, examples.views, examples.frames)
    placed = options
    if options.strategy == "ddp":  # a condition that is dropped leaves its encoder without a gradient
        placed = replace(options, strategy="ddp_find_unused_parameters_true")
    facts = run_training(
        module, StepData(examples, validation), placed, [SampleWriter(Path(options.run), examples)]
    )  # fmt: skip
    if module.global_rank != 0:  # of several processes one writes
        return []
    name = f"generator-{options.part}"
    card = card_of(f"diffusion generator: {options.part}", name, options, began, facts) | {
        "examples": examples.count, "views": examples.views, "frames": examples.frames, "held_out": list(held_out),
        "parameters": parameter_counts(network),
    }  # fmt: skip
    return save_network(options.output, network, card)


def _check(options: GeneratorTraining) -> None:
    """BadInput for a condition that does not exist."""
    from ...generator.diffusion.network import CONDITIONS

    if unknown := sorted(set(names_in(options.drop_conditions)) - set(CONDITIONS)):
        raise BadInput(f"drop_conditions {unknown[0]!r}: conditions are {', '.join(CONDITIONS)}")


def _network(options: GeneratorTraining, examples: Examples) -> PortraitDenoiser:
    """The network to train. BadInput where it does not fit the examples."""
    from ...generator.diffusion.generator import WEIGHTS, load_denoiser

    part, views, frames = options.part, examples.views, examples.frames
    if (part == "temporal" and frames < 2) or (part == "views" and views < 2):
        raise BadInput(f"{options.data} holds windows of {views} views x {frames} frames: {part} needs more of them")
    numbers, size = examples.arrays["motion"].shape[-1], examples.arrays["target"].shape[2]
    if part == "image":
        network = _new_network(options, numbers)
    else:
        network = load_denoiser(options.init_weights or WEIGHTS).with_layers(part)
    if (size, numbers) != (network.config.size, network.config.motion_size):
        raise BadInput(
            f"{options.data} holds pictures of {size} px and {numbers} numbers of a motion; the network wants "
            f"{network.config.size} and {network.config.motion_size}: prepare them with --size, for its head"
        )
    return network


def _new_network(options: GeneratorTraining, motion_size: int) -> PortraitDenoiser:
    """A network to train from the beginning. BadInput."""
    from ...generator.diffusion.network import PortraitDenoiser
    from ...generator.diffusion.presets import PRESETS, SD15, from_stable_diffusion

    config: dict[str, Any] = {
        "motion_size": motion_size, "start": options.start, "sampling_steps": options.sampling_steps
    }  # fmt: skip
    if options.preset == SD15:
        if not options.stable_diffusion:
            raise BadInput("preset sd15 starts from a local folder of Stable Diffusion 1.5: stable_diffusion=FOLDER")
        return from_stable_diffusion(options.stable_diffusion, options.adapter or None, **config)
    return PortraitDenoiser(replace(PRESETS[options.preset], **config))
