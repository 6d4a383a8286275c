"""Trainings of the diffusion generator. There is one stage so far: pairs of pictures."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path

from ..flame_motion import BadInput
from ..flame_motion.files import atomic_path
from .fitting import command_of, fit


def train_generator_image(
    output: str,  # folder to write: the network as diffusers does, and its card, card.json
    *,
    data: str = "pairs",  # folder that `flamecast prepare generator` made
    run: str = "runs/generator_image",  # folder of checkpoints and logs; a run that stopped goes on from there
    preset: str = "small",  # tiny or small
    start: str = "warp",  # a bridge from the warped photo, or diffusion from noise
    sampled: int = 1,  # steps of sampling that the weights ask for
    left_out: str = "",  # conditions never given, for ablations: names between commas
    without: str = "",  # people left out, for tests: names between commas
    only: str = "",  # the only people taken, for overfitting: names between commas
    steps: int = 4000,
    until: int | None = None,  # step to stop at; a later run goes on from there
    batch: int = 4,
    rate: float = 3e-4,
    dropped: float = 0.1,
    kept: float = 0.97,  # of the weights' average, at each tenth step
    seed: int = 0,
    minutes: float | None = None,
    precision: str = "32-true",
    accelerator: str = "auto",
    devices: int = 1,
    strategy: str = "auto",
) -> list[Path]:
    """Trains the denoiser on pairs of pictures and writes it with its card. BadInput."""
    command = command_of("generator-image", train_generator_image, locals())
    from lightning.pytorch import seed_everything

    from ..generator.diffusion.network import CONDITIONS, PortraitDenoiser, parameter_counts
    from ..generator.diffusion.presets import PRESETS
    from ..generator.training.module import GeneratorModule, PairBatches, Pairs
    from ..generator.training.shards import read_pairs

    if preset not in PRESETS:
        raise BadInput(f"preset {preset!r}: known are {', '.join(PRESETS)}")
    if start not in ("warp", "noise"):
        raise BadInput(f"start {start!r}: known are warp and noise")
    names = _names(left_out)
    if unknown := sorted(set(names) - set(CONDITIONS)):
        raise BadInput(f"left_out {unknown[0]!r}: conditions are {', '.join(CONDITIONS)}")
    began = time.time()
    pairs = Pairs(read_pairs(data, _names(only) or None, _names(without)))
    size, sizes = pairs.arrays["target"].shape[1], PRESETS[preset]
    if size != sizes["size"]:
        raise BadInput(
            f"{data} holds pictures of {size} px and preset {preset} wants {sizes['size']}: prepare them with --size"
        )
    seed_everything(seed, verbose=False)
    network = PortraitDenoiser(**sizes, motion=pairs.arrays["motion"].shape[1], start=start, steps=sampled)
    module = GeneratorModule(network, steps, rate, start, dropped, names, seed)  # type: ignore[arg-type]
    if strategy == "ddp":  # a condition that is left out leaves its encoder without a gradient
        strategy = "ddp_find_unused_parameters_true"
    trainer = {"accelerator": accelerator, "devices": devices, "strategy": strategy, "precision": precision}
    fitted = fit(
        module, pairs, partial(PairBatches, batch=batch, seed=seed), Path(run), until or steps, minutes, trainer, kept
    )
    card = {
        "what": "diffusion generator: pictures", "pairs": len(pairs), "without": without, "command": command,
        "seed": seed, "parameters": parameter_counts(network), "minutes": round((time.time() - began) / 60, 1),
        **fitted,
    }  # fmt: skip
    if module.global_rank != 0:  # of several processes one writes
        return []
    module.network.half().save_pretrained(output)
    with atomic_path(Path(output) / "card.json") as file:
        Path(file).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return [Path(output) / "diffusion_pytorch_model.safetensors", Path(output) / "card.json"]


def _names(text: str) -> tuple[str, ...]:
    """What stands between commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())
