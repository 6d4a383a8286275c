"""A small transformer that sees noisy motion, the time of the noise and a condition, and says the clean motion.

After MDM (Tevet et al. 2023: x0 prediction) with DiT's adaptive layer norm (Peebles and Xie 2023) for noise time and
pooled condition, and cross-attention on tokens.
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
class Condition:
    """What the motion must agree with. Shapes are those of one batch."""

    tokens: Tensor  # [B, S, C] of a text or sound encoder
    token_mask: Tensor  # [B, S] bool, True where there is a token; a row without any is unconditional
    frames: Tensor  # [B, T] bool, True where the clip has a frame
    given: Tensor | None = None  # [B, T, D] normalised values to keep
    kept: Tensor | None = None  # [B, T, D] bool, True where `given` holds

    def without_tokens(self) -> Condition:
        """The same with nothing said, as classifier-free guidance asks for."""
        return replace(self, token_mask=torch.zeros_like(self.token_mask))


class Denoiser(Protocol):
    """The one call that samplers and losses know."""

    def __call__(self, x: Tensor, t: Tensor, cond: Condition) -> Tensor:
        """x [B, T, D] noisy, t [B] 0..1000 steps of noise -> x0 [B, T, D]."""


@dataclass(frozen=True)
class DenoiserConfig:
    """The numbers that make a `MotionDenoiser`."""

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
    """D(x, t, cond) -> x0; clips of any length up to what training saw, padded to whole patches inside."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.enter = nn.Linear(3 * config.channels * config.patch, width)
        self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.sentence = nn.Linear(config.context, width)
        self.context = nn.Linear(config.context, width)
        self.context_blocks = nn.ModuleList(
            TransformerBlock(width, config.heads, False) for _ in range(config.context_layers)
        )
        self.nothing = nn.Parameter(torch.randn(1, 1, width) * 0.02)  # attended to always: alone when nothing is said
        self.blocks = nn.ModuleList(TransformerBlock(width, config.heads, True) for _ in range(config.layers))
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, config.channels * config.patch))

    def forward(self, x: Tensor, t: Tensor, cond: Condition) -> Tensor:
        """x [B, T, D] noisy and normalised, t [B] steps of noise -> x0 [B, T, D]. BadInput for other shapes."""
        config = self.config
        if x.ndim != 3 or x.shape[-1] != config.channels or cond.frames.shape != x.shape[:2]:
            raise BadInput(
                f"denoiser: expected x [B, T, {config.channels}] and frames [B, T], got {list(x.shape)} and "
                f"{list(cond.frames.shape)}"
            )
        frames = x.shape[1]
        tokens, patches = self._motion_tokens(x, cond)
        context, context_mask, pooled = self._context_tokens(cond)
        step = self.time(sinusoids(t.to(x.dtype), config.width)) + pooled
        for block in self.blocks:
            tokens = block(tokens, patches, step, context, context_mask)
        return self.leave(tokens).unflatten(-1, (config.patch, config.channels)).flatten(1, 2)[:, :frames]

    def _motion_tokens(self, x: Tensor, cond: Condition) -> tuple[Tensor, Tensor]:
        """Tokens [B, P, width] of `patch` frames each, and which are there [B, P]."""
        patch = self.config.patch
        kept = torch.zeros_like(x) if cond.kept is None else cond.kept.to(x.dtype)
        given = torch.zeros_like(x) if cond.given is None else cond.given * kept
        seen = torch.cat([torch.where(kept > 0, given, x), given, kept], -1) * cond.frames[..., None]
        seen = F.pad(seen, (0, 0, 0, -x.shape[1] % patch))
        there = F.pad(cond.frames, (0, -x.shape[1] % patch)).unflatten(1, (-1, patch)).any(-1)
        tokens = self.enter(seen.unflatten(1, (-1, patch)).flatten(2))
        place = torch.arange(tokens.shape[1], device=x.device, dtype=x.dtype).expand(len(x), -1)
        left = there.sum(1, keepdim=True) - place  # so that "at the end" has a place, too
        return tokens + sinusoids(place, self.config.width) + sinusoids(left, self.config.width).flip(-1), there

    def _context_tokens(self, cond: Condition) -> tuple[Tensor, Tensor, Tensor]:
        """Context [B, 1 + S, width], its mask [B, 1 + S], and its mean [B, width] where anything is said."""
        said = self.context(cond.tokens)
        place = torch.arange(said.shape[1], device=said.device, dtype=said.dtype)
        said = said + sinusoids(place, self.config.width)
        context = torch.cat([self.nothing.expand(len(said), -1, -1).to(said.dtype), said], 1)
        mask = F.pad(cond.token_mask, (1, 0), value=True)
        for block in self.context_blocks:
            context = block(context, mask)
        share = mask.to(context.dtype)[..., None]
        pooled = (context * share).sum(1) / share.sum(1)
        # The mean of its tokens is what a sentence encoder was trained to compare by: new words lie near known ones.
        told = cond.token_mask.to(cond.tokens.dtype)[..., None]
        whole = F.normalize((cond.tokens * told).sum(1), dim=-1) * cond.tokens.shape[-1] ** 0.5
        return context, mask, pooled + self.sentence(whole)


@torch.no_grad()
def grown(denoiser: MotionDenoiser, channels: int, context: int) -> MotionDenoiser:
    """The same denoiser for more channels, after its own, and another context: what to train on from.

    With nothing said, its own channels come out as before, whatever the new ones hold. BadInput for fewer channels.
    """
    old = denoiser.config
    if channels < old.channels:
        raise BadInput(f"grown: expected at least the {old.channels} channels it has, got {channels}")
    new = MotionDenoiser(replace(old, channels=channels, context=context))
    if new.config == old:
        new.load_state_dict(denoiser.state_dict())
        return new
    kept = {
        name: value
        for name, value in denoiser.state_dict().items()
        if not name.startswith(("enter.", "leave.1.", "sentence.", "context."))
    }
    new.load_state_dict(kept, strict=False)
    entered = new.enter.weight.zero_().view(-1, old.patch, 3, channels)
    entered[..., : old.channels] = denoiser.enter.weight.view(-1, old.patch, 3, old.channels)
    new.enter.bias.copy_(denoiser.enter.bias)
    left, before = new.leave.state_dict(), denoiser.leave.state_dict()  # [patch * channels, width], and the bias
    for name in ("1.weight", "1.bias"):
        whole = left[name].view(old.patch, channels, -1)
        whole[:, : old.channels] = before[name].view(old.patch, old.channels, -1)
    # Of the pooled context, what is said when nothing is: the bias alone, for the words' sum is then 0.
    new.sentence.bias.copy_(denoiser.sentence.bias)
    return new


class TransformerBlock(nn.Module):
    """Self-attention, cross-attention where asked for, and a feed-forward part, each normalised before."""

    def __init__(self, width: int, heads: int, crossed: bool) -> None:
        super().__init__()
        self.attend = _Attention(width, heads)
        self.cross = _Attention(width, heads) if crossed else None
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=not crossed) for _ in range(2))
        self.cross_norm = nn.LayerNorm(width) if crossed else None
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width))
        self.modulate = nn.Linear(width, 6 * width) if crossed else None
        if self.modulate is not None:  # zero: each block begins as the identity
            nn.init.zeros_(self.modulate.weight)
            nn.init.zeros_(self.modulate.bias)

    def forward(
        self, x: Tensor, mask: Tensor, step: Tensor | None = None, context: Tensor | None = None,
        context_mask: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """x [B, P, width]; mask [B, P]; step [B, width] shifts, scales and gates."""
        if self.modulate is None or step is None:
            x = x + self.attend(self.norms[0](x), None, mask)
            return x + self.feed(self.norms[1](x))
        shift, scale, gate, shift2, scale2, gate2 = self.modulate(F.silu(step))[:, None].chunk(6, -1)
        x = x + gate * self.attend(self.norms[0](x) * (1 + scale) + shift, None, mask)
        if self.cross is not None and self.cross_norm is not None:
            x = x + self.cross(self.cross_norm(x), context, context_mask)
        return x + gate2 * self.feed(self.norms[1](x) * (1 + scale2) + shift2)


class _Attention(nn.Module):
    """Multi-head attention on the sequence itself, or on a context."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, context: Tensor | None, mask: Tensor | None) -> Tensor:
        """x [B, P, width], context [B, S, width] or None for x itself, mask [B, S] of what may be attended to."""
        asked = self.query(x)
        key, value = self.key_value(x if context is None else context).chunk(2, -1)
        seen = None if mask is None else mask[:, None, None, :]
        query, key, value = (y.unflatten(-1, (self.heads, -1)).transpose(1, 2) for y in (asked, key, value))
        # In full precision on a CPU: half-precision attention's gradient takes ten times as long as the rest there.
        with torch.autocast("cpu", enabled=False):
            if x.device.type == "cpu":
                query, key, value = query.float(), key.float(), value.float()
            mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        return self.out(mixed.transpose(1, 2).flatten(2).to(asked.dtype))


def sinusoids(value: Tensor, width: int) -> Tensor:
    """Sines and cosines [..., width] of numbers [...] (Vaswani et al. 2017)."""
    rates = torch.exp(
        torch.arange(width // 2, device=value.device, dtype=value.dtype) * (-math.log(10000.0) / (width // 2))
    )
    angle = value[..., None] * rates
    return torch.cat([angle.sin(), angle.cos()], -1)
