"""From noise to motion, by a scheduler of diffusers."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .denoiser import Conditioning, Denoiser

NUM_TRAIN_TIMESTEPS = 1000
LATEST = 0.92  # of the cosine: noise 30 times as strong as the signal tells nothing any more
STRENGTH = 0.25  # of the signal; 1, 0.3 and 0.15 were tried: counts came right in 56, 77 and 77 of 100 clips


def make_scheduler() -> Any:
    """DPM-Solver++ of second order for predicted x0 (Lu et al. 2022), on a cosine schedule with much noise.

    A motion says the same in many frames: a nod is still seen where one frame is nearly all noise. So that how often
    and how fast, which only words decide, is decided in many steps and not in the first few, the cosine (Nichol
    2021) is that of a signal `STRENGTH` times as strong (Hoogeboom et al. 2023, eq. 4; Chen 2023).
    """
    from diffusers import DPMSolverMultistepScheduler

    time = torch.linspace(0, LATEST, NUM_TRAIN_TIMESTEPS + 1, dtype=torch.double)
    cosine = (math.pi / 2 * (time + 0.008) / 1.008).cos() ** 2
    alphas_cumprod = torch.sigmoid(torch.logit(cosine / cosine[0], eps=1e-6) + 2 * math.log(STRENGTH))
    alphas_cumprod[0] = 1.0
    return DPMSolverMultistepScheduler(
        num_train_timesteps=NUM_TRAIN_TIMESTEPS, trained_betas=(1 - alphas_cumprod[1:] / alphas_cumprod[:-1]).tolist(),
        prediction_type="sample", use_karras_sigmas=True, lower_order_final=True,
    )  # fmt: skip


@torch.no_grad()
def sample(
    denoiser: Denoiser, noise: Tensor, conditioning: Conditioning, *, steps: int = 20, guidance: float | Tensor = 1.0,
    scheduler: Any = None,
) -> Tensor:  # fmt: skip
    """Clean motion [B, T, D] (normalised) from unit noise of that shape; the same noise gives the same motion.

    guidance: scale of classifier-free guidance (Ho and Salimans 2022), a number or [B, T, D]; 1 follows the
    conditioning as it was learned, more exaggerates what it changes: D(x | null) + guidance * (D(x | c) - D(x | null)).
    Known values come out exactly.
    """
    scheduler = scheduler or make_scheduler()
    scheduler.set_timesteps(steps)
    guidance = torch.as_tensor(guidance, dtype=noise.dtype, device=noise.device)
    guided = bool((guidance != 1.0).any())
    latents = noise * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        timesteps = t.to(latents.device).expand(len(latents))
        x0 = denoiser(latents, timesteps, conditioning)
        if guided:
            x0 = torch.lerp(denoiser(latents, timesteps, conditioning.unconditional()), x0, guidance)
        x0 = blend_known(x0, conditioning)
        latents = scheduler.step(x0, t, latents, return_dict=False)[0]
    return latents if conditioning.known_mask is None else blend_known(latents, conditioning)


def blend_known(motion: Tensor, conditioning: Conditioning, reach: float = 6.0) -> Tensor:
    """Motion [B, T, D] with the known values in it, which goes over to them without a jump.

    How far a known value lies from where its generated neighbours head is added to them along a bell of `reach` frames
    (motion warping: Witkin and Popović 1995): neither a keyframe nor the last frame of what came before is a spike.
    """
    known, known_mask = conditioning.known, conditioning.known_mask
    if known_mask is None or known is None or not bool(known_mask.any()):
        return motion
    before, is_before = _extrapolated(motion, ~known_mask)
    after, is_after = (value.flip(1) for value in _extrapolated(motion.flip(1), ~known_mask.flip(1)))
    sides = is_before.to(motion.dtype) + is_after
    expected = (torch.where(is_before, before, 0.0) + torch.where(is_after, after, 0.0)) / sides.clamp(min=1)
    edge = known_mask & (sides > 0)
    offset = torch.where(edge, known - expected, 0.0)
    time = torch.arange(motion.shape[1], device=motion.device, dtype=motion.dtype)
    bell = torch.exp(-0.5 * ((time[:, None] - time) / reach) ** 2)
    weight = bell @ edge.to(motion.dtype)
    spread = (bell @ offset) / weight.clamp(min=1e-9) * weight.clamp(max=1.0)
    return torch.where(known_mask, known, motion + spread)


def _extrapolated(motion: Tensor, generated: Tensor) -> tuple[Tensor, Tensor]:
    """Each frame on a line through the two before it, and whether the one just before is generated; [B, T, D] both."""
    last, second = (F.pad(motion, (0, 0, shift, 0))[:, : motion.shape[1]] for shift in (1, 2))
    first, both = (F.pad(generated, (0, 0, shift, 0))[:, : motion.shape[1]] for shift in (1, 2))
    return torch.where(both, 2 * last - second, last), first
