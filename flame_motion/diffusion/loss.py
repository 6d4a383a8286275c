"""The loss of motion diffusion."""

from __future__ import annotations

import torch
from torch import Tensor

from .denoiser import Condition, Denoiser


def diffusion_loss(
    denoise: Denoiser, x0: Tensor, cond: Condition, signal: Tensor, rng: torch.Generator, velocity: float = 0.5
) -> Tensor:
    """Squared error of the predicted clean motion, and `velocity` times that of its differences from frame to frame.

    x0: [B, T, D] normalised. signal: [1000] cumulative alphas of the scheduler. The noise and its time are drawn from
    rng. Frames that are not there do not count, and given values have no error: a jump from them to what is made
    beside them costs. (MVPortrait, eq. 3; MDM, eq. 5.)
    """
    u = torch.rand(len(x0), generator=rng, device=rng.device).to(x0.device)
    t = (u * len(signal)).long().clamp(max=len(signal) - 1)
    noise = torch.randn(x0.shape, generator=rng, device=rng.device).to(x0)
    level = signal.to(x0)[t][:, None, None]
    predicted = denoise(level.sqrt() * x0 + (1 - level).sqrt() * noise, t, cond)
    there = cond.frames[..., None].expand_as(x0)
    made = there if cond.kept is None else there & ~cond.kept
    error = torch.where(made, predicted - x0, 0.0)
    speed = error[:, 1:] - error[:, :-1]
    both = there[:, 1:] & there[:, :-1] & (made[:, 1:] | made[:, :-1])
    return _mean(error**2, made) + velocity * _mean(speed**2, both)


def _mean(value: Tensor, counted: Tensor) -> Tensor:
    """The mean of what counts."""
    return (value * counted).sum() / counted.sum().clamp(min=1)
