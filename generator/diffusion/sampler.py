"""From the latents where sampling starts to a picture: flow matching with diffusers' scheduler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from torch import Tensor

from .network import PortraitDenoiser, Start


def start_latents(start: Start, warped: Tensor, rng: torch.Generator | None) -> Tensor:
    """Where sampling starts: the latents of the warped photos [B, C, G, G], or noise of their shape.

    Noise is drawn on the device of `rng`: a generator on the CPU gives every device the same.
    """
    if start == "warp":
        return warped
    return torch.randn(warped.shape, generator=rng, device=warped.device if rng is None else rng.device).to(warped)


@torch.inference_mode()
def sample(
    network: PortraitDenoiser, conditions: dict[str, Any], latents: Tensor, steps: int, *,
    views: int = 1, frames: int = 1, guidance: Mapping[str, float] | None = None,
) -> Tensor:  # fmt: skip
    """Pictures [B, 3, S, S] 0..1 under conditions, from `start_latents` [B, C, G, G] in so many steps.

    guidance: the scale of classifier-free guidance by condition (Ho and Salimans 2022; 1: none). Each scaled condition
    costs one more prediction a step. The source is read once. An untrained network gives the start itself.
    """
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(sigmas=torch.linspace(1, 1 / steps, steps).tolist(), device=latents.device)
    scheduler.set_begin_index(0)
    if "source" in conditions and "reference" not in conditions:
        conditions = conditions | {"reference": network.read_source(conditions["source"])}
    scaled = {name: scale for name, scale in (guidance or {}).items() if scale != 1.0}
    for timestep in scheduler.timesteps:
        time = (timestep / 1000).expand(len(latents))
        velocity = conditional = network(latents, time, conditions, views, frames)
        for name, scale in scaled.items():
            dropped = (name, "reference") if name == "source" else (name,)
            others = {k: v for k, v in conditions.items() if k not in dropped}
            unconditional = network(latents, time, others, views, frames)
            velocity = velocity + (scale - 1) * (conditional - unconditional)
        latents = scheduler.step(velocity, timestep, latents).prev_sample
    return network.decode(latents).clamp(0, 1)
