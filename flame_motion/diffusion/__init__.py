"""Motion diffusion: one denoiser call `D(x, t, cond) -> x0`, one sampler, one loss, for every signal."""

from .denoiser import Condition, DenoiserConfig, MotionDenoiser
from .loss import diffusion_loss
from .sampler import make_scheduler, sample

__all__ = ["Condition", "DenoiserConfig", "MotionDenoiser", "diffusion_loss", "make_scheduler", "sample"]
