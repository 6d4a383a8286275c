"""Self-attention that also looks at a reference: an attention processor, as diffusers has them for such purposes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor


class ReferenceBank:
    """What each attention saw of the reference, by its name; empty where there is none."""

    def __init__(self) -> None:
        self.seen: dict[str, Tensor] = {}
        self.written = False

    @contextmanager
    def writing(self) -> Iterator[None]:
        """While it lasts, attentions remember what they see."""
        self.seen, self.written = {}, True
        try:
            yield
        finally:
            self.written = False

    def clear(self) -> None:
        """Forgets the reference."""
        self.seen = {}


class ReferenceProcessor:
    """Attention of one layer to its own tokens and to the reference's [B, L, C], after the same norm."""

    def __init__(self, bank: ReferenceBank, name: str) -> None:
        self.bank, self.name = bank, name

    def __call__(self, attn: Attention, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """hidden_states [B, C, H, W]."""
        batch, channels, height, width = hidden_states.shape
        tokens = hidden_states.flatten(2).transpose(1, 2)  # [B, L, C]
        if attn.group_norm is not None:
            tokens = attn.group_norm(tokens.transpose(1, 2)).transpose(1, 2)
        known = tokens
        if self.bank.written:
            self.bank.seen[self.name] = tokens
        elif self.name in self.bank.seen:
            known = torch.cat([tokens, self.bank.seen[self.name]], 1)
        heads = lambda x: x.unflatten(-1, (attn.heads, -1)).transpose(1, 2)  # noqa: E731
        query, key, value = heads(attn.to_q(tokens)), heads(attn.to_k(known)), heads(attn.to_v(known))
        out = torch.nn.functional.scaled_dot_product_attention(query, key, value)
        out = attn.to_out[0](out.transpose(1, 2).flatten(2))
        out = out.transpose(1, 2).reshape(batch, channels, height, width)
        if attn.residual_connection:
            out = out + hidden_states
        return out / attn.rescale_output_factor


def reference_processors(unet: Any, bank: ReferenceBank) -> dict[str, ReferenceProcessor]:
    """A processor for each attention of a U-Net, all with one bank."""
    return {name: ReferenceProcessor(bank, name) for name in unet.attn_processors}
