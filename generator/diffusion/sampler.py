"""From where a picture starts to the picture: flow matching with diffusers' scheduler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from torch import Tensor

from .network import PortraitDenoiser

Start = Literal["warp", "noise"]  # a bridge from the warped photo, or diffusion from noise


def start_of(start: Start, warped: Tensor, rng: torch.Generator | None) -> Tensor:
    """Where codes start: those of the warped photos [B, C, G, G], or noise of their shape.

    Noise is drawn where the generator of random numbers is: one on the CPU gives every device the same.
    """
    if start == "warp":
        return warped
    return torch.randn(warped.shape, generator=rng, device=warped.device if rng is None else rng.device).to(warped)


@torch.inference_mode()
def sample(
    network: PortraitDenoiser, given: dict[str, Any], began: Tensor, steps: int, *,
    views: int = 1, frames: int = 1, guidance: Mapping[str, float] | None = None,
) -> Tensor:  # fmt: skip
    """Pictures [B, 3, S, S] 0..1 under conditions, from the codes where they start (`start_of`), in so many steps.

    guidance: by condition, how many times its effect is taken (1: as it is; Ho and Salimans 2022, for each condition
    alone): each costs one more look a step. The source is read once. An untrained network gives the start itself.
    """
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(sigmas=torch.linspace(1, 1 / steps, steps).tolist(), device=began.device)
    scheduler.set_begin_index(0)
    if "source" in given and "memory" not in given:
        given = given | {"memory": network.read_source(given["source"])}
    stronger = {name: times for name, times in (guidance or {}).items() if times != 1.0}
    code = began
    for at in scheduler.timesteps:
        time = (at / 1000).expand(len(code))
        way = whole = network(code, time, given, views, frames)
        for name, times in stronger.items():
            hidden = (name, "memory") if name == "source" else (name,)
            less = network(code, time, {k: v for k, v in given.items() if k not in hidden}, views, frames)
            way = way + (times - 1) * (whole - less)
        code = scheduler.step(way, at, code).prev_sample
    return network.decode(code).clamp(0, 1)
