"""Attention beyond one picture, as attention processors: to a reference, across time, and across views."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

Memory = dict[str, Tensor]  # what each attention saw of the source photos, [B, L, C] by its name


class Surroundings:
    """What lies around each picture of a batch while a network looks at it; shared by its processors."""

    def __init__(self) -> None:
        self.memory: Memory = {}
        self.written, self.views, self.frames = False, 1, 1

    @contextmanager
    def of(self, memory: Memory | None, views: int, frames: int) -> Iterator[None]:
        """While it lasts: rows are n x views x frames, and look at a reference."""
        self.memory, self.views, self.frames = memory or {}, views, frames
        try:
            yield
        finally:
            self.memory, self.views, self.frames = {}, 1, 1

    @contextmanager
    def written_to(self) -> Iterator[Memory]:
        """While it lasts, attentions write down what they see; yields where."""
        self.memory, self.written = {}, True
        try:
            yield self.memory
        finally:
            self.memory, self.written = {}, False


class PortraitProcessor(nn.Module):
    """Attention of a layer to its own tokens and to the reference's, then across time and views where it has those."""

    def __init__(self, around: Surroundings, name: str, channels: int, *, temporal: bool, views: bool) -> None:
        super().__init__()
        self.around, self.name = around, name
        self.time = Across(channels, ordered=True) if temporal else None
        self.views = Across(channels, ordered=False) if views else None

    def forward(self, attn: Attention, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """hidden_states [B, C, H, W] (blocks of convolutions) or [B, L, C] (of transformers)."""
        picture = hidden_states.shape[2:] if hidden_states.ndim == 4 else None
        tokens = hidden_states if picture is None else hidden_states.flatten(2).transpose(1, 2)  # [B, L, C]
        if attn.group_norm is not None:
            tokens = attn.group_norm(tokens.transpose(1, 2)).transpose(1, 2)
        known = tokens
        if self.around.written:
            self.around.memory[self.name] = tokens
        elif self.name in self.around.memory:
            reference = self.around.memory[self.name]  # of each row, or one of all rows
            known = torch.cat([tokens, reference.expand(len(tokens), -1, -1)], 1)
        out = _attended(attn.to_q(tokens), attn.to_k(known), attn.to_v(known), attn.heads)
        out = attn.to_out[0](out)
        views, frames = self.around.views, self.around.frames
        if self.time is not None and frames > 1:
            across = out.unflatten(0, (-1, frames)).transpose(1, 2)  # [n V, L, T, C]
            out = out + self.time(across.flatten(0, 1)).view(across.shape).transpose(1, 2).flatten(0, 1)
        if self.views is not None and views > 1:
            across = out.unflatten(0, (-1, views, frames)).transpose(1, 2)  # [n, T, V, L, C]
            seen = self.views(across.flatten(2, 3).flatten(0, 1))
            out = out + seen.view(across.shape).transpose(1, 2).flatten(0, 2)
        if picture is not None:
            out = out.transpose(1, 2).unflatten(2, picture)
        if attn.residual_connection:
            out = out + hidden_states
        return out / attn.rescale_output_factor


class Across(nn.Module):
    """Self-attention along one more axis, whose answer is 0 before training."""

    def __init__(self, channels: int, *, ordered: bool, head: int = 32) -> None:
        """ordered: whether tokens know their place (frames do; views are told apart by their rays)."""
        super().__init__()
        self.heads, self.ordered = max(channels // head, 1), ordered
        self.norm = nn.LayerNorm(channels)
        self.to_qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.to_out = nn.Linear(channels, channels)
        nn.init.zeros_(self.to_out.weight)
        nn.init.zeros_(self.to_out.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """What is added to tokens [B, L, C]."""
        told = self.norm(tokens)
        if self.ordered:
            told = told + _places(tokens.shape[1], tokens.shape[2], tokens)
        query, key, value = self.to_qkv(told).chunk(3, -1)
        return self.to_out(_attended(query, key, value, self.heads))


def _attended(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Attention of [B, L, C] to [B, M, C] in so many heads."""
    split = lambda x: x.unflatten(-1, (heads, -1)).transpose(1, 2)  # noqa: E731
    out = nn.functional.scaled_dot_product_attention(split(query), split(key), split(value))
    return out.transpose(1, 2).flatten(2)


def _places(count: int, channels: int, like: Tensor) -> Tensor:
    """Sinusoids [L, C] of places 0, 1, ... (Vaswani et al. 2017, section 3.5)."""
    rate = torch.exp(-math.log(10000.0) / channels * torch.arange(0, channels, 2, device=like.device))
    angle = torch.arange(count, device=like.device)[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)[:, :channels].to(like.dtype)


def portrait_processors(
    unet: Any, around: Surroundings, *, temporal: bool, views: bool
) -> dict[str, PortraitProcessor | Any]:
    """Processors by name for `set_attn_processor`: ours for each self-attention of a picture, others as they are."""
    found = dict(unet.attn_processors)
    for name in found:
        if "attn2" not in name and "motion_modules" not in name:
            channels = unet.get_submodule(name.removesuffix(".processor")).to_q.in_features
            found[name] = PortraitProcessor(around, name, channels, temporal=temporal, views=views)
    return found
