"""The completion network: from what a photo shows of an atlas to all of it.

A U-Net of residual blocks in which left and right end join (the atlas goes around the head). It answers with layers:
skin, hair over it and a collar, each with colors of its own, so that no color of one bleeds into another, and two
distances: of the skin, also under hair, and of the outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...core.networks import load_network
from .seen import CHANNELS, RADIUS_SCALE, USUAL_RADIUS

WEIGHTS = Path(__file__).parent / "weights" / "completion"  # .safetensors, and its card .json
FITTED, OUTLINE = 0, 5  # channels of the input that hold distances
PICTURES = slice(8, 14)  # channels that hold the photo, seen through the fitted surface and at the outline


@dataclass(frozen=True)
class CompletionConfig:
    """What makes a network's shape."""

    widths: tuple[int, ...] = (40, 80, 128, 192)
    fine: int = 24  # channels of the last layers, at the atlas's own size
    seen: int = CHANNELS


@dataclass(frozen=True)
class Completed:
    """The network's answer for B photos, H x W directions; probabilities as logits, colors 0..1."""

    skin: Tensor  # [B, 3, H, W]
    hair: Tensor  # [B, 3, H, W]
    collar: Tensor  # [B, 3, H, W]
    skin_radius: Tensor  # [B, 1, H, W] m
    outside_radius: Tensor  # [B, 1, H, W] m, of the outermost surface, which hair is where there is any
    hair_there: Tensor  # [B, 1, H, W] logit
    skin_there: Tensor  # [B, 1, H, W] logit
    collar_there: Tensor  # [B, 1, H, W] logit, of what is no hair

    def color(self) -> Tensor:
        """Of the outermost surface, [B, 3, H, W] 0..1."""
        hair, collar = self.hair_there.sigmoid(), self.collar_there.sigmoid()
        under = self.skin + collar * (self.collar - self.skin)
        return under + hair * (self.hair - under)


ANSWERS = {  # channels of the answer, in order
    "skin": 3, "hair": 3, "collar": 3, "skin_radius": 1, "outside_radius": 1,
    "hair_there": 1, "skin_there": 1, "collar_there": 1,
}  # fmt: skip


class CompletionNetwork(nn.Module):
    """See the module. Input [B, CHANNELS, H, W] as `seen.network_input` makes it; H and W divide by 16."""

    def __init__(self, config: CompletionConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or CompletionConfig()
        widths, fine = config.widths, config.fine
        self.first = nn.Conv2d(4 * config.seen, widths[0], 1)
        self.down = nn.ModuleList(Block(width) for width in widths)
        self.shrink = nn.ModuleList(nn.Conv2d(4 * a, b, 1) for a, b in zip(widths, widths[1:]))
        self.middle = nn.Sequential(Block(widths[-1]), _SelfAttention(widths[-1]), Block(widths[-1]))
        self.grow = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in zip(widths, widths[1:]))
        self.up = nn.ModuleList(Block(width) for width in widths[:-1])
        self.last = nn.Conv2d(widths[0], 4 * fine, 1)
        self.refine = nn.Sequential(RingConv(fine + config.seen, fine), nn.SiLU(), RingConv(fine, fine), nn.SiLU())
        self.answer = RingConv(fine, sum(ANSWERS.values()))
        self.answer.conv.weight.data.zero_()
        self.answer.conv.bias.data.zero_()  # type: ignore[union-attr]

    def forward(self, seen: Tensor) -> Completed:
        """The whole atlas."""
        at = self.first(functional.pixel_unshuffle(seen, 2))
        skips = []
        for k, block in enumerate(self.down):
            at = block(at)
            if k < len(self.shrink):
                skips.append(at)
                at = self.shrink[k](functional.pixel_unshuffle(at, 2))
        at = self.middle(at)
        for k in reversed(range(len(self.grow))):
            at = self.up[k](functional.interpolate(self.grow[k](at), scale_factor=2.0, mode="nearest") + skips[k])
        at = functional.pixel_shuffle(self.last(functional.silu(at)), 2)
        return self._answer(self.answer(self.refine(torch.cat([at, seen.to(at.dtype)], 1))).float(), seen.float())

    def _answer(self, raw: Tensor, seen: Tensor) -> Completed:
        parts = dict(zip(ANSWERS, raw.split(list(ANSWERS.values()), 1), strict=True))
        fitted = seen[:, FITTED : FITTED + 1] * RADIUS_SCALE + USUAL_RADIUS
        for name in ("skin", "hair", "collar"):
            parts[name] = parts[name] + 0.5
        for name in ("skin_radius", "outside_radius"):
            parts[name] = fitted + RADIUS_SCALE * parts[name]
        parts["outside_radius"] = torch.maximum(parts["outside_radius"], parts["skin_radius"] - 0.004)
        return Completed(**parts)


class RingConv(nn.Module):
    """A 3 x 3 convolution around the head: the last column's neighbour is the first."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, padding=(1, 0))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(torch.cat([x[..., -1:], x, x[..., :1]], -1))


class Block(nn.Module):
    """A residual block (He et al. 2016), its norm before."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.first, self.second = RingConv(width, width), RingConv(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(functional.silu(self.first(functional.silu(self.norm(x)))))


class _SelfAttention(nn.Module):
    """Attention over the whole head at its coarsest: what is in front tells of what is behind."""

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(8, width)
        self.query_key_value, self.out = nn.Conv2d(width, 3 * width, 1), nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        batch, width, rows, columns = x.shape
        split = lambda y: y.reshape(batch, self.heads, width // self.heads, rows * columns).mT  # noqa: E731
        query, key, value = (split(y) for y in self.query_key_value(self.norm(x)).chunk(3, 1))
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return x + self.out(mixed.mT.reshape(batch, width, rows, columns))


@lru_cache(maxsize=2)
def load_completion(weights: Path = WEIGHTS) -> CompletionNetwork:
    """A trained network, read once; the package's own by default. BadInput for files that are none."""
    sizes = lambda card: CompletionConfig(tuple(card["widths"]), card["fine"], card["seen"])  # noqa: E731
    return load_network(weights, lambda card: CompletionNetwork(sizes(card)))[0]
