"""A small transformer from noisy motion, its timestep and its conditioning to clean motion.

After MDM (Tevet et al. 2023: prediction of x0) with DiT's adaptive layer norm (Peebles and Xie 2023) for timestep and
pooled conditioning, and cross-attention to tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...core.errors import BadInput


@dataclass(frozen=True)
class Conditioning:
    """What the motion must agree with. Shapes are those of one batch."""

    tokens: Tensor  # [B, S, C] of a text or audio encoder
    token_mask: Tensor  # [B, S] bool, True where there is a token; a row without any is unconditional
    frames: Tensor  # [B, T] bool, True where the clip has a frame
    known: Tensor | None = None  # [B, T, D] normalised values to keep
    known_mask: Tensor | None = None  # [B, T, D] bool, True where `known` holds

    def unconditional(self) -> Conditioning:
        """The same without tokens, as classifier-free guidance needs it; known values stay."""
        return replace(self, token_mask=torch.zeros_like(self.token_mask))


class Denoiser(Protocol):
    """What samplers and losses call."""

    def __call__(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """latents [B, T, D], timesteps [B] 0..1000 -> x0 [B, T, D]."""


@dataclass(frozen=True)
class DenoiserConfig:
    """The sizes of a `MotionDenoiser`."""

    channels: int  # D
    context: int = 384  # C
    width: int = 192
    layers: int = 6
    heads: int = 6
    patch: int = 4  # frames a token
    context_layers: int = 2

    def __post_init__(self) -> None:
        if self.width % self.heads or min(self.channels, self.layers, self.patch) < 1:
            raise BadInput(f"DenoiserConfig: expected width a multiple of heads and positive sizes, got {self}")


class MotionDenoiser(nn.Module):
    """See `Denoiser`; clips of any length up to what training saw, padded to whole patches inside."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.proj_in = nn.Linear(3 * config.channels * config.patch, width)
        self.time_embedding = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.pooled_proj = nn.Linear(config.context, width)
        self.context_proj = nn.Linear(config.context, width)
        self.context_blocks = nn.ModuleList(
            TransformerBlock(width, config.heads, False) for _ in range(config.context_layers)
        )
        self.null_token = nn.Parameter(torch.randn(1, 1, width) * 0.02)  # always there: alone where nothing is said
        self.blocks = nn.ModuleList(TransformerBlock(width, config.heads, True) for _ in range(config.layers))
        self.proj_out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, config.channels * config.patch))

    def forward(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """latents [B, T, D] normalised, timesteps [B] -> x0 [B, T, D]. BadInput for other shapes."""
        config = self.config
        if latents.ndim != 3 or latents.shape[-1] != config.channels or conditioning.frames.shape != latents.shape[:2]:
            raise BadInput(
                f"denoiser: expected latents [B, T, {config.channels}] and frames [B, T], got {list(latents.shape)} "
                f"and {list(conditioning.frames.shape)}"
            )
        tokens, patches = self._motion_tokens(latents, conditioning)
        context, context_mask, pooled = self._context_tokens(conditioning)
        embedding = self.time_embedding(sinusoids(timesteps.to(latents.dtype), config.width)) + pooled
        for block in self.blocks:
            tokens = block(tokens, patches, embedding, context, context_mask)
        motion = self.proj_out(tokens).unflatten(-1, (config.patch, config.channels)).flatten(1, 2)
        return motion[:, : latents.shape[1]]

    def _motion_tokens(self, latents: Tensor, conditioning: Conditioning) -> tuple[Tensor, Tensor]:
        """Tokens [B, P, width] of `patch` frames each, and which are there [B, P]."""
        patch, frames, mask = self.config.patch, conditioning.frames, conditioning.known_mask
        known_mask = torch.zeros_like(latents) if mask is None else mask.to(latents.dtype)
        known = torch.zeros_like(latents) if conditioning.known is None else conditioning.known * known_mask
        values = torch.cat([torch.where(known_mask > 0, known, latents), known, known_mask], -1) * frames[..., None]
        values = F.pad(values, (0, 0, 0, -latents.shape[1] % patch))
        there = F.pad(frames, (0, -latents.shape[1] % patch)).unflatten(1, (-1, patch)).any(-1)
        tokens = self.proj_in(values.unflatten(1, (-1, patch)).flatten(2))
        place = torch.arange(tokens.shape[1], device=latents.device, dtype=latents.dtype).expand(len(latents), -1)
        left = there.sum(1, keepdim=True) - place  # so that "at the end" has a place, too
        return tokens + sinusoids(place, self.config.width) + sinusoids(left, self.config.width).flip(-1), there

    def _context_tokens(self, conditioning: Conditioning) -> tuple[Tensor, Tensor, Tensor]:
        """Context [B, 1 + S, width], its mask [B, 1 + S], and its mean [B, width] where there are tokens."""
        tokens, mask = conditioning.tokens, conditioning.token_mask
        context = self.context_proj(tokens)
        place = torch.arange(context.shape[1], device=context.device, dtype=context.dtype)
        context = context + sinusoids(place, self.config.width)
        context = torch.cat([self.null_token.expand(len(context), -1, -1).to(context.dtype), context], 1)
        context_mask = F.pad(mask, (1, 0), value=True)
        for block in self.context_blocks:
            context = block(context, context_mask)
        share = context_mask.to(context.dtype)[..., None]
        pooled = (context * share).sum(1) / share.sum(1)
        # The mean of its tokens is what a sentence encoder was trained to compare by: new words lie near known ones.
        total = (tokens * mask.to(tokens.dtype)[..., None]).sum(1)
        sentence = F.normalize(total, dim=-1) * tokens.shape[-1] ** 0.5
        return context, context_mask, pooled + self.pooled_proj(sentence)


class TransformerBlock(nn.Module):
    """Self-attention, cross-attention where `conditioned`, and a feed-forward part, each normalised before."""

    def __init__(self, width: int, heads: int, conditioned: bool) -> None:
        super().__init__()
        self.self_attn = _Attention(width, heads)
        self.cross_attn = _Attention(width, heads) if conditioned else None
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=not conditioned) for _ in range(2))
        self.cross_norm = nn.LayerNorm(width) if conditioned else None
        self.ff = nn.Sequential(nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width))
        self.modulation = nn.Linear(width, 6 * width) if conditioned else None
        if self.modulation is not None:  # zero: each block begins as the identity
            nn.init.zeros_(self.modulation.weight)
            nn.init.zeros_(self.modulation.bias)

    def forward(
        self, x: Tensor, mask: Tensor, embedding: Tensor | None = None, context: Tensor | None = None,
        context_mask: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """x [B, P, width]; mask [B, P]; embedding [B, width] shifts, scales and gates; context [B, S, width]."""
        if self.modulation is None or embedding is None:
            x = x + self.self_attn(self.norms[0](x), None, mask)
            return x + self.ff(self.norms[1](x))
        shift, scale, gate, shift2, scale2, gate2 = self.modulation(F.silu(embedding))[:, None].chunk(6, -1)
        x = x + gate * self.self_attn(self.norms[0](x) * (1 + scale) + shift, None, mask)
        if self.cross_attn is not None and self.cross_norm is not None:
            x = x + self.cross_attn(self.cross_norm(x), context, context_mask)
        return x + gate2 * self.ff(self.norms[1](x) * (1 + scale2) + shift2)


class _Attention(nn.Module):
    """Multi-head attention to the sequence itself, or to a context.

    diffusers' Attention gives the same numbers, and attends in half precision on a CPU, too: see below.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width)
        self.to_kv = nn.Linear(width, 2 * width)
        self.to_out = nn.Linear(width, width)

    def forward(self, x: Tensor, context: Tensor | None, mask: Tensor | None) -> Tensor:
        """x [B, P, width], context [B, S, width] or None for x itself, mask [B, S] of what may be attended to."""
        projected = self.to_q(x)
        key, value = self.to_kv(x if context is None else context).chunk(2, -1)
        mask = None if mask is None else mask[:, None, None, :]
        query, key, value = (y.unflatten(-1, (self.heads, -1)).transpose(1, 2) for y in (projected, key, value))
        # In full precision on a CPU: half-precision attention's gradient takes ten times as long as the rest there.
        with torch.autocast("cpu", enabled=False):
            if x.device.type == "cpu":
                query, key, value = query.float(), key.float(), value.float()
            attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return self.to_out(attended.transpose(1, 2).flatten(2).to(projected.dtype))


def sinusoids(value: Tensor, width: int) -> Tensor:
    """Sines and cosines [..., width] of numbers [...] (Vaswani et al. 2017).

    diffusers' `get_timestep_embedding` rounds the frequencies otherwise where the width is no power of 2: the weights
    of the emotion model would give motion that is no longer equal to the bit.
    """
    rates = torch.exp(
        torch.arange(width // 2, device=value.device, dtype=value.dtype) * (-math.log(10000.0) / (width // 2))
    )
    angle = value[..., None] * rates
    return torch.cat([angle.sin(), angle.cos()], -1)
