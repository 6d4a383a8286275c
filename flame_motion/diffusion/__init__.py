"""Motion diffusion: one denoiser call `D(latents, timesteps, conditioning) -> x0`, one sampler, one loss."""

from .denoiser import Conditioning, DenoiserConfig, MotionDenoiser
from .loss import diffusion_loss
from .sampler import make_scheduler, sample

__all__ = ["Conditioning", "DenoiserConfig", "MotionDenoiser", "diffusion_loss", "make_scheduler", "sample"]
