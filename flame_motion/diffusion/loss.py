"""The loss of motion diffusion."""

from __future__ import annotations

import torch
from torch import Tensor

from .denoiser import Conditioning, Denoiser


def diffusion_loss(
    denoiser: Denoiser, x0: Tensor, conditioning: Conditioning, alphas_cumprod: Tensor, rng: torch.Generator,
    velocity_weight: float = 0.5,
) -> Tensor:  # fmt: skip
    """Squared error of the predicted clean motion, and `velocity_weight` times that of its velocity.

    x0: [B, T, D] normalised. alphas_cumprod: [1000] of the scheduler. Noise and timesteps are drawn from rng. Frames
    that are not there do not count, and known values have no error: a jump from them to what is generated beside them
    costs. (MVPortrait, eq. 3; MDM, eq. 5.)
    """
    u = torch.rand(len(x0), generator=rng, device=rng.device).to(x0.device)
    timesteps = (u * len(alphas_cumprod)).long().clamp(max=len(alphas_cumprod) - 1)
    noise = torch.randn(x0.shape, generator=rng, device=rng.device).to(x0)
    alpha = alphas_cumprod.to(x0)[timesteps][:, None, None]
    predicted = denoiser(alpha.sqrt() * x0 + (1 - alpha).sqrt() * noise, timesteps, conditioning)
    there = conditioning.frames[..., None].expand_as(x0)
    generated = there if conditioning.known_mask is None else there & ~conditioning.known_mask
    error = torch.where(generated, predicted - x0, 0.0)
    velocity_error = error[:, 1:] - error[:, :-1]
    both = there[:, 1:] & there[:, :-1] & (generated[:, 1:] | generated[:, :-1])
    return _mean(error**2, generated) + velocity_weight * _mean(velocity_error**2, both)


def _mean(value: Tensor, counted: Tensor) -> Tensor:
    """The mean of what counts."""
    return (value * counted).sum() / counted.sum().clamp(min=1)
