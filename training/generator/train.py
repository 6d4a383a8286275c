"""Trainings of the diffusion generator: pictures, then what lies across time, then across views."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.files import atomic_path
from ...flame_motion import BadInput
from ..loop import command_of, fit

if TYPE_CHECKING:
    from ...generator.diffusion.network import PortraitDenoiser


def train_generator(
    output: str,  # folder to write: the network as diffusers does, and its card, card.json
    *,
    part: str = "image",  # what is trained: image, then temporal, then views; what is there already rests
    base: str = "",  # folder of the weights that temporal and views go on from; the shipped ones when empty
    data: str = "pairs",  # folder that `flamecast prepare` made: pairs; windows of frames; windows of views
    run: str = "runs/generator",  # folder of checkpoints and logs; a run that stopped goes on from there
    preset: str = "small",  # tiny, mid or small; sd15 with stable_diffusion=FOLDER
    stable_diffusion: str = "",  # a local folder of Stable Diffusion 1.5, for sd15
    adapter: str = "",  # a local folder of an AnimateDiff motion adapter, for sd15
    start: str = "warp",  # a bridge from the warped photo, or diffusion from noise
    sampled: int = 1,  # steps of sampling that the weights ask for
    left_out: str = "",  # conditions never given, for ablations: names between commas
    without: str = "",  # people left out, for tests: names between commas
    only: str = "",  # the only people taken, for overfitting: names between commas
    steps: int = 4000,
    until: int | None = None,  # step to stop at; a later run goes on from there
    batch: int = 4,
    accumulate: int = 1,  # batches to a step
    rate: float = 3e-4,
    dropped: float = 0.1,
    squared: bool = True,  # the error of pixels; absolute otherwise
    perceptual: float = 0.02,  # what the perceptual distance weighs beside it
    kept: float = 0.97,  # of the weights' average, at each tenth step
    seed: int = 0,
    minutes: float | None = None,
    precision: str = "32-true",
    accelerator: str = "auto",
    devices: int = 1,
    strategy: str = "auto",  # ddp; fsdp on GPUs
) -> list[Path]:
    """Trains a part of the denoiser and writes it with its card. BadInput."""
    command = command_of(f"generator-{part}", train_generator, locals())
    from lightning.pytorch import seed_everything

    from ...generator.diffusion.generator import load_network, save_network
    from ...generator.diffusion.network import parameter_counts
    from .data import PortraitData
    from .module import GeneratorModule
    from .samples import SampleWriter

    _check(part, start, _names(left_out))
    began = time.time()
    footage = PortraitData(data, batch, seed, only=_names(only) or None, without=_names(without))
    pairs = footage.pairs
    if (part == "temporal" and pairs.frames < 2) or (part == "views" and pairs.views < 2):
        raise BadInput(
            f"{data} holds windows of {pairs.views} views x {pairs.frames} frames: {part} needs more of them"
        )
    seed_everything(seed, verbose=False)
    numbers, size = pairs.arrays["motion"].shape[-1], pairs.arrays["target"].shape[2]
    if part == "image":
        network = _new(preset, stable_diffusion, adapter, {"motion_numbers": numbers, "start": start, "steps": sampled})
    else:
        network = load_network(base or None).with_part(part)
    if (size, numbers) != (network.config.size, network.config.motion_numbers):
        raise BadInput(
            f"{data} holds pictures of {size} px and {numbers} numbers of a motion; the network wants "
            f"{network.config.size} and {network.config.motion_numbers}: prepare them with --size, for its head"
        )
    module = GeneratorModule(
        network, steps, rate, network.config.start, dropped, _names(left_out), seed, perceptual, part, squared
    )
    if strategy == "ddp":  # a condition that is left out leaves its encoder without a gradient
        strategy = "ddp_find_unused_parameters_true"
    trainer = {
        "accelerator": accelerator, "devices": devices, "strategy": strategy, "precision": precision,
        "accumulate_grad_batches": accumulate,
    }  # fmt: skip
    watchers = [SampleWriter(Path(run))]
    fitted = fit(module, footage, None, Path(run), until or steps, minutes, trainer, kept, watchers)
    card = {
        "what": f"diffusion generator: {part}", "pairs": len(pairs), "views": pairs.views, "frames": pairs.frames,
        "without": without, "command": command, "seed": seed, "parameters": parameter_counts(network),
        "minutes": round((time.time() - began) / 60, 1), **fitted,
    }  # fmt: skip
    if module.global_rank != 0:  # of several processes one writes
        return []
    weights = save_network(module.network.half(), output)
    with atomic_path(Path(output) / "card.json") as file:
        Path(file).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return [weights, Path(output) / "card.json"]


def _check(part: str, start: str, left_out: tuple[str, ...]) -> None:
    """BadInput for names that there are not."""
    from ...generator.diffusion.network import CONDITIONS, STAGES

    for name, value, known in (("part", part, STAGES), ("start", start, ("warp", "noise"))):
        if value not in known:
            raise BadInput(f"{name} {value!r}: known are {', '.join(known)}")
    if unknown := sorted(set(left_out) - set(CONDITIONS)):
        raise BadInput(f"left_out {unknown[0]!r}: conditions are {', '.join(CONDITIONS)}")


def _new(preset: str, stable_diffusion: str, adapter: str, config: dict[str, Any]) -> PortraitDenoiser:
    """A denoiser to train from the beginning. BadInput."""
    from ...generator.diffusion.network import PortraitDenoiser
    from ...generator.diffusion.presets import PRESETS, SD15, from_stable_diffusion

    if preset == SD15:
        if not stable_diffusion:
            raise BadInput("preset sd15 starts from a local folder of Stable Diffusion 1.5: stable_diffusion=FOLDER")
        return from_stable_diffusion(stable_diffusion, adapter or None, **config)
    if preset not in PRESETS:
        raise BadInput(f"preset {preset!r}: known are {', '.join([*PRESETS, SD15])}")
    return PortraitDenoiser(**PRESETS[preset], **config)


def _names(text: str) -> tuple[str, ...]:
    """What stands between commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())
