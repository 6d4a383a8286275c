"""`flamecast evaluate generator`: pictures of people held out, beside the truth and beside simpler makers of them."""

from __future__ import annotations

from typing import Any

import torch
from skimage.metrics import structural_similarity
from torch import Tensor

from ...flame_motion import BadInput, Progress
from ...flame_motion.files import PathLike
from ...generator.conditioning import FINE_WEIGHT

BATCH = 8


def evaluate_generator(
    data: PathLike, people: tuple[str, ...], *, weights: PathLike | None = None, steps: int | None = None,
    seed: int = 0, progress: Progress | None = None,
) -> dict[str, Any]:  # fmt: skip
    """PSNR, SSIM and errors (grey levels) of mouth and eyes and of what the photo does not show, on pairs of people.

    data: what `flamecast prepare generator` made; people: those held out. Rows: the diffusion generator's network, the
    warped photo that it starts from, and the untouched photo. Raises BadInput.
    """
    from ...generator.diffusion.generator import DiffusionGenerator
    from ...generator.diffusion.sampler import sample, start_of
    from ...generator.training.shards import as_given, read_pairs

    generator = DiffusionGenerator(weights, steps)
    network = generator.network
    pairs = read_pairs(data, people or None)
    if pairs["target"].shape[1] != network.config.size:
        raise BadInput(
            f"{data} holds pictures of {pairs['target'].shape[1]} px, the network makes {network.config.size}"
        )
    rng, count = torch.Generator().manual_seed(seed), len(pairs["target"])
    found: dict[str, list[dict[str, float]]] = {"diffusion": [], "warp": [], "copy": []}
    for start in range(0, count, BATCH):
        given = as_given({name: values[start : start + BATCH] for name, values in pairs.items()})
        made = {
            "diffusion": sample(network, given, start_of(network.config.start, given["warped"], rng), generator.steps),
            "warp": given["warped"],
            "copy": given["source"],
        }
        for name, pictures in made.items():
            found[name] += [
                _measured(*row) for row in zip(pictures, given["target"], given["weight"], given["visible"])
            ]
        if progress is not None:
            progress("evaluate", min(start + BATCH, count), count)
    rows = {name: _mean(measures) for name, measures in found.items()}
    return {
        "pairs": count,
        "people": len(people),
        "steps": generator.steps,
        "weights": str(weights or "shipped"),
        **rows,
    }


def _measured(picture: Tensor, truth: Tensor, weight: Tensor, visible: Tensor) -> dict[str, float]:
    """Of one picture [3, S, S] 0..1; weight and visible [1, S / 4, S / 4]."""
    apart = (picture - truth).abs()
    large = lambda x: torch.nn.functional.interpolate(x[None].float(), size=apart.shape[-2:])[0, 0] > 0  # noqa: E731
    head = weight > 1
    error = lambda where: float(255 * apart[:, where].mean()) if bool(where.any()) else float("nan")  # noqa: E731
    shown = [x.permute(1, 2, 0).numpy() for x in (picture, truth)]
    return {
        "psnr": float(-10 * torch.log10(apart.square().mean().clamp_min(1e-10))),
        "ssim": float(structural_similarity(*shown, channel_axis=2, data_range=1.0)),
        "mouth and eyes": error(large(weight > 1 + FINE_WEIGHT)),
        "hidden in the photo": error(large(head & (visible < 0.5))),
        "all": error(torch.ones_like(apart[0], dtype=torch.bool)),
    }


def _mean(measures: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each measure where it is known."""
    return {name: round(float(torch.tensor([m[name] for m in measures]).nanmean()), 4) for name in measures[0]}
