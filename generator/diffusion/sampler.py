"""From where a picture starts to the picture: flow matching with diffusers' scheduler."""

from __future__ import annotations

from typing import Literal

import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from torch import Tensor

from .network import PortraitDenoiser

Start = Literal["warp", "noise"]  # a bridge from the warped photo, or diffusion from noise


def start_of(start: Start, warped: Tensor, rng: torch.Generator | None) -> Tensor:
    """Where pictures start: the warped photos [B, 3, S, S] 0..1, or noise, as -1..1."""
    if start == "warp":
        return 2 * warped - 1
    return torch.randn(warped.shape, generator=rng, device=warped.device)


@torch.inference_mode()
def sample(network: PortraitDenoiser, given: dict[str, Tensor], began: Tensor, steps: int) -> Tensor:
    """Pictures [B, 3, S, S] 0..1 under conditions, from where they start (`start_of`), in so many steps.

    An untrained network gives the start itself: a bridge the warped photo.
    """
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(sigmas=torch.linspace(1, 1 / steps, steps).tolist(), device=began.device)
    picture = began
    for at in scheduler.timesteps:
        way = network(picture, (at / 1000).expand(len(picture)), given)
        picture = scheduler.step(way, at, picture).prev_sample
    return ((picture + 1) / 2).clamp(0, 1)
