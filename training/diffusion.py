"""Training of a motion denoiser with Lightning: text motion, text emotion, and the head of speech."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..flame_motion import BadInput
from ..flame_motion.diffusion import Conditioning, DenoiserConfig, MotionDenoiser, diffusion_loss, make_scheduler
from ..flame_motion.diffusion.weights import TrainedDenoiser, load_denoiser
from .module import TrainingModule
from .motion_pairs import MotionPairs
from .options import DiffusionOptions, start_of


class DiffusionModule(TrainingModule):
    """One denoiser and its loss; tokens are left out of some clips for classifier-free guidance."""

    betas = (0.9, 0.98)

    def __init__(self, denoiser: MotionDenoiser, options: DiffusionOptions) -> None:
        super().__init__(options)
        self.denoiser = denoiser
        self.register_buffer("alphas_cumprod", make_scheduler().alphas_cumprod.clone())
        self.alphas_cumprod: Tensor

    def loss(self, batch: MotionPairs, rng: torch.Generator) -> Tensor:
        """See `diffusion_loss`."""
        conditioning = self.conditioning(batch, rng)
        return diffusion_loss(self.denoiser, batch.motion, conditioning, self.alphas_cumprod, rng)

    def conditioning(self, pairs: MotionPairs, rng: torch.Generator) -> Conditioning:
        """The tokens of most clips, and of some the values of some frames or channels."""
        drawn = torch.rand(len(pairs.motion), 1, generator=rng, device=rng.device)
        conditioned = (drawn >= self.options.cond_drop_prob).to(pairs.token_mask.device)
        known = random_known_mask(pairs.frames, pairs.motion.shape[-1], self.options.known_share, rng)
        noise = torch.randn(pairs.tokens.shape, generator=rng, device=rng.device).to(pairs.tokens)
        tokens = pairs.tokens + self.options.token_noise * pairs.tokens.std(-1, keepdim=True) * noise
        return Conditioning(tokens, pairs.token_mask & conditioned, pairs.frames, pairs.motion, known)


def random_known_mask(frames: Tensor, channels: int, share: float, rng: torch.Generator) -> Tensor:
    """Which values [B, T, D] are known in a `share` of clips: the first frames, keyframes, or whole channels."""
    count, length = frames.shape

    def drawn(*shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=rng, device=rng.device)

    first = torch.arange(length, device=rng.device)[None, :, None] < 2 + 24 * drawn(1, 1)
    keys, whole = drawn(length, 1) < 0.04, drawn(1, channels) < 0.5
    kind = drawn(1, 1)
    known = torch.where(kind < 0.45, first, torch.where(kind < 0.8, keys, whole)) & (drawn(1, 1) < share)
    return known.to(frames.device) & frames[..., None]


def new_denoiser(
    channels: int, context: int, statistics: tuple[Tensor, Tensor], options: DiffusionOptions
) -> TrainedDenoiser:
    """An untrained denoiser of the options' sizes, or the one at `init_weights`, extended where it has fewer channels.

    statistics: mean and spread [D] of the motion; of channels that `init_weights` has, its own stay; so does its card.
    """
    if options.init_weights is None:
        sizes = DenoiserConfig(channels, context, options.width, options.layers, options.heads, options.patch)
        return TrainedDenoiser(MotionDenoiser(sizes), *statistics)
    initial = load_denoiser(start_of(options.init_weights))
    mean, spread = (
        torch.cat([old, new[len(old) :]]) for old, new in zip((initial.mean, initial.spread), statistics, strict=True)
    )
    denoiser = extended(initial.denoiser, channels, context).requires_grad_(True).train()
    trained = TrainedDenoiser(denoiser, mean, spread)
    trained.card = initial.card
    return trained


@torch.no_grad()
def extended(denoiser: MotionDenoiser, channels: int, context: int) -> MotionDenoiser:
    """The same denoiser for more channels, after its own, and another context.

    Without tokens, its own channels come out as before, whatever the new ones hold. BadInput for fewer channels.
    """
    old = denoiser.config
    if channels < old.channels:
        raise BadInput(f"extended: expected at least the {old.channels} channels it has, got {channels}")
    new = MotionDenoiser(replace(old, channels=channels, context=context))
    if new.config == old:
        new.load_state_dict(denoiser.state_dict())
        return new
    changed = ("proj_in.", "proj_out.1.", "pooled_proj.", "context_proj.")
    same = {name: value for name, value in denoiser.state_dict().items() if not name.startswith(changed)}
    new.load_state_dict(same, strict=False)
    proj_in = new.proj_in.weight.zero_().view(-1, old.patch, 3, channels)
    proj_in[..., : old.channels] = denoiser.proj_in.weight.view(-1, old.patch, 3, old.channels)
    new.proj_in.bias.copy_(denoiser.proj_in.bias)
    into, out_of = new.proj_out.state_dict(), denoiser.proj_out.state_dict()  # [patch * channels, width], and the bias
    for name in ("1.weight", "1.bias"):
        into[name].view(old.patch, channels, -1)[:, : old.channels] = out_of[name].view(old.patch, old.channels, -1)
    # Of the pooled context, what is there without tokens: the bias alone, for their sum is then 0.
    new.pooled_proj.bias.copy_(denoiser.pooled_proj.bias)
    return new
