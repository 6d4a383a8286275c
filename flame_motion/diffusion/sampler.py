"""From noise to motion, by a scheduler of diffusers."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .denoiser import Condition, Denoiser

STEPS = 1000  # of noise in training
LATEST = 0.92  # of the cosine: noise 30 times as strong as the signal says nothing any more
STRENGTH = 0.25  # times the usual; 1, 0.3 and 0.15 were tried: counts came right in 56, 77 and 77 of 100 clips


def make_scheduler() -> Any:
    """DPM-Solver++ of second order, told clean samples (Lu et al. 2022), on a cosine schedule with much noise.

    A motion says the same in many frames: a nod is still seen where one frame is nearly all noise. So that how often
    and how fast, which only words decide, is decided in many steps and not in the first few, the cosine (Nichol
    2021) is that of a signal `STRENGTH` times as strong (Hoogeboom et al. 2023, eq. 4; Chen 2023).
    """
    from diffusers import DPMSolverMultistepScheduler

    time = torch.linspace(0, LATEST, STEPS + 1, dtype=torch.double)
    cosine = (math.pi / 2 * (time + 0.008) / 1.008).cos() ** 2
    level = torch.sigmoid(torch.logit(cosine / cosine[0], eps=1e-6) + 2 * math.log(STRENGTH))
    level[0] = 1.0
    return DPMSolverMultistepScheduler(
        num_train_timesteps=STEPS, trained_betas=(1 - level[1:] / level[:-1]).tolist(), prediction_type="sample",
        use_karras_sigmas=True, lower_order_final=True,
    )  # fmt: skip


@torch.no_grad()
def sample(
    denoise: Denoiser, noise: Tensor, cond: Condition, *, steps: int = 20, guidance: float | Tensor = 1.0,
    scheduler: Any = None,
) -> Tensor:  # fmt: skip
    """Clean motion [B, T, D] (normalised) from unit noise of that shape; the same noise gives the same motion.

    guidance: 1 follows the condition as it was learned, more exaggerates what it changes (classifier-free guidance, Ho
    and Salimans 2022): D(x | nothing) + guidance * (D(x | cond) - D(x | nothing)); one number, or [B, T, D].
    Values given in `cond` come out exactly.
    """
    scheduler = scheduler or make_scheduler()
    scheduler.set_timesteps(steps)
    guidance = torch.as_tensor(guidance, dtype=noise.dtype, device=noise.device)
    guided = bool((guidance != 1.0).any())
    x = noise * scheduler.init_noise_sigma
    clean = x
    for t in scheduler.timesteps:
        times = t.to(x.device).expand(len(x))
        clean = denoise(x, times, cond)
        if guided:
            free = denoise(x, times, cond.without_tokens())
            clean = torch.lerp(free, clean, guidance)
        clean = with_given(clean, cond)
        x = scheduler.step(clean, t, x, return_dict=False)[0]
    return x if cond.kept is None else with_given(x, cond)


def with_given(clean: Tensor, cond: Condition, reach: float = 6.0) -> Tensor:
    """Motion [B, T, D] that has the given values and goes over to them without a jump.

    How far a given value lies from where its made neighbours head is added to them along a bell of `reach` frames
    (motion warping: Witkin and Popović 1995): neither a keyframe nor the last frame of what came before is a spike.
    """
    if cond.kept is None or cond.given is None or not bool(cond.kept.any()):
        return clean
    made = ~cond.kept
    before, is_before = _headed(clean, made)
    after, is_after = (value.flip(1) for value in _headed(clean.flip(1), made.flip(1)))
    sides = is_before.to(clean.dtype) + is_after
    headed = (torch.where(is_before, before, 0.0) + torch.where(is_after, after, 0.0)) / sides.clamp(min=1)
    edge = cond.kept & (sides > 0)
    off = torch.where(edge, cond.given - headed, 0.0)
    time = torch.arange(clean.shape[1], device=clean.device, dtype=clean.dtype)
    bell = torch.exp(-0.5 * ((time[:, None] - time) / reach) ** 2)
    weight = bell @ edge.to(clean.dtype)
    spread = (bell @ off) / weight.clamp(min=1e-9) * weight.clamp(max=1.0)
    return torch.where(cond.kept, cond.given, clean + spread)


def _headed(clean: Tensor, made: Tensor) -> tuple[Tensor, Tensor]:
    """Where the two frames before each frame head, and whether the one just before it is made, [B, T, D] both."""
    last, second = (F.pad(clean, (0, 0, shift, 0))[:, : clean.shape[1]] for shift in (1, 2))
    first, both = (F.pad(made, (0, 0, shift, 0))[:, : clean.shape[1]] for shift in (1, 2))
    return torch.where(both, 2 * last - second, last), first
