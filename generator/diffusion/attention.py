"""Attention beyond one picture, as attention processors of diffusers: to a reference, across time, and across views."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.embeddings import get_1d_sincos_pos_embed_from_grid
from torch import Tensor, nn

HEAD_WIDTH = 32  # channels of an attention head across time or views
Reference = dict[str, Tensor]  # what each attention saw of the source photos, [B, L, C] by its name


class AttentionContext:
    """What the processors of one network share while it looks at a batch."""

    def __init__(self) -> None:
        self.reference: Reference = {}
        self.recording, self.views, self.frames = False, 1, 1

    @contextmanager
    def attending_to(self, reference: Reference | None, views: int, frames: int) -> Iterator[None]:
        """While it lasts, rows are n x views x frames and attend to a reference, too."""
        self.reference, self.views, self.frames = reference or {}, views, frames
        try:
            yield
        finally:
            self.reference, self.views, self.frames = {}, 1, 1

    @contextmanager
    def recorded(self) -> Iterator[Reference]:
        """While it lasts, every attention records its tokens; yields where to."""
        self.reference, self.recording = {}, True
        try:
            yield self.reference
        finally:
            self.reference, self.recording = {}, False


class PortraitProcessor(nn.Module):
    """Attention of a layer to its own tokens and to the reference's, then across time and views where it has those."""

    def __init__(self, context: AttentionContext, name: str, channels: int, *, temporal: bool, views: bool) -> None:
        super().__init__()
        self.context, self.name = context, name
        self.time = AxisAttention(channels, ordered=True) if temporal else None
        self.views = AxisAttention(channels, ordered=False) if views else None

    def forward(self, attn: Attention, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """hidden_states [B, C, H, W] (blocks of convolutions) or [B, L, C] (of transformers)."""
        picture = hidden_states.shape[2:] if hidden_states.ndim == 4 else None
        tokens = hidden_states if picture is None else hidden_states.flatten(2).transpose(1, 2)  # [B, L, C]
        if attn.group_norm is not None:
            tokens = attn.group_norm(tokens.transpose(1, 2)).transpose(1, 2)
        out = self._across(self._within(attn, tokens))
        if picture is not None:
            out = out.transpose(1, 2).unflatten(2, picture)
        if attn.residual_connection:
            out = out + hidden_states
        return out / attn.rescale_output_factor

    def _within(self, attn: Attention, tokens: Tensor) -> Tensor:
        """The layer's own attention of tokens [B, L, C], to the reference as well where there is one."""
        known = tokens
        if self.context.recording:
            self.context.reference[self.name] = tokens
        elif self.name in self.context.reference:
            reference = self.context.reference[self.name]  # one for each row, or one for all rows
            known = torch.cat([tokens, reference.expand(len(tokens), -1, -1)], 1)
        heads = lambda x: x.unflatten(-1, (attn.heads, -1)).transpose(1, 2)  # noqa: E731
        query, key, value = heads(attn.to_q(tokens)), heads(attn.to_k(known)), heads(attn.to_v(known))
        out = nn.functional.scaled_dot_product_attention(query, key, value)
        return attn.to_out[0](out.transpose(1, 2).flatten(2))

    def _across(self, tokens: Tensor) -> Tensor:
        """Tokens [n V T, L, C] with what other frames and views add to them."""
        views, frames = self.context.views, self.context.frames
        if self.time is not None and frames > 1:
            clips = tokens.unflatten(0, (-1, frames)).transpose(1, 2)  # [n V, L, T, C]
            tokens = tokens + self.time(clips.flatten(0, 1)).view(clips.shape).transpose(1, 2).flatten(0, 1)
        if self.views is not None and views > 1:
            moments = tokens.unflatten(0, (-1, views, frames)).transpose(1, 2)  # [n, T, V, L, C]
            seen = self.views(moments.flatten(2, 3).flatten(0, 1))
            tokens = tokens + seen.view(moments.shape).transpose(1, 2).flatten(0, 2)
        return tokens


class AxisAttention(nn.Module):
    """Self-attention along one more axis, whose output is 0 before training."""

    def __init__(self, channels: int, *, ordered: bool) -> None:
        """ordered: whether tokens know their place (frames do; views are told apart by their rays)."""
        super().__init__()
        heads = max(channels // HEAD_WIDTH, 1)
        self.ordered, self.norm = ordered, nn.LayerNorm(channels)
        self.attention = Attention(channels, heads=heads, dim_head=channels // heads, bias=False)
        for parameter in self.attention.to_out[0].parameters():
            nn.init.zeros_(parameter)

    def forward(self, tokens: Tensor) -> Tensor:
        """What is added to tokens [B, L, C]."""
        known = self.norm(tokens)
        if self.ordered:
            places = torch.arange(tokens.shape[1], device=tokens.device)
            known = known + get_1d_sincos_pos_embed_from_grid(tokens.shape[2], places).to(tokens)
        return self.attention(known)


def set_portrait_processors(unet: Any, context: AttentionContext, *, temporal: bool, views: bool) -> None:
    """Gives each self-attention of a picture in a U-Net of diffusers its `PortraitProcessor`; others stay."""
    for name in unet.attn_processors:
        if "attn2" not in name and "motion_modules" not in name:
            attention = unet.get_submodule(name.removesuffix(".processor"))
            channels = attention.to_q.in_features
            attention.set_processor(PortraitProcessor(context, name, channels, temporal=temporal, views=views))
