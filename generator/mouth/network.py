"""The network of the mouth: what a crop of a drawn frame lacks to look like a photo; nothing at all, untrained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from .crop import HEIGHT, WIDTH
from .parts import OPENING, PLANES

Module = TypeVar("Module", bound=nn.Module)
NUMBERS = 3  # lips apart now, lips apart in the photo, how large the photo's pixels are
EDGE = 8  # px along a crop's border that are left as they are, more and more inwards
GROUPS = 4


@dataclass(frozen=True)
class MouthConfig:
    """Sizes of the network."""

    widths: tuple[int, int, int, int] = (20, 40, 80, 160)  # channels at half, a quarter, an eighth … of the crop


@dataclass(frozen=True, eq=False)
class Reference:
    """What the network knows of a photo's own mouth."""

    fine: Tensor  # [B, C1, HEIGHT / 4, WIDTH / 4]
    coarse: Tensor  # [B, C2, HEIGHT / 8, WIDTH / 8]


class MouthNetwork(nn.Module):
    """A U-Net over half-size pixels (Ronneberger et al. 2015); the photo's own mouth joins it at two sizes.

    The photo's part is computed once a photo, a frame's on one core in less than 8 ms.
    """

    def __init__(self, config: MouthConfig = MouthConfig()) -> None:  # noqa: B008
        super().__init__()
        self.config = config
        half, quarter, eighth, small = config.widths
        planes = 3 + len(PLANES)
        self.photo_in = nn.Conv2d(16 * planes, quarter, 3, padding=1)
        self.photo_fine = nn.Sequential(Block(quarter), Block(quarter))
        self.photo_down = nn.Conv2d(quarter, eighth, 3, 2, 1)
        self.photo_coarse = nn.Sequential(Block(eighth), Block(eighth))
        self.enter = nn.Conv2d(4 * planes + NUMBERS, half, 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in zip(config.widths, config.widths[1:]))
        self.inward = nn.ModuleList([Block(quarter), Block(eighth), Block(small)])
        joined = ((small, eighth), (eighth, quarter), (quarter, half))
        self.up = nn.ModuleList(Join(below, width) for below, width in joined)
        self.outward = nn.ModuleList([Block(eighth), Block(quarter)])
        self.finish = nn.Conv2d(half, half, 3, padding=1)
        self.leave = nn.Conv2d(half, 16, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def reference(self, photo: Tensor, parts: Tensor) -> Reference:
        """Of the crop of the photo [B, 3, HEIGHT, WIDTH] 0..1 and its parts [B, 4, HEIGHT, WIDTH] 0..1."""
        given = functional.pixel_unshuffle(torch.cat([2 * photo - 1, parts], 1), 4)
        fine = self.photo_fine(self.photo_in(given.contiguous(memory_format=torch.channels_last)))
        return Reference(fine, self.photo_coarse(self.photo_down(fine)))

    def forward(self, drawn: Tensor, parts: Tensor, numbers: Tensor, reference: Reference) -> tuple[Tensor, Tensor]:
        """What to add to the drawn crop [B, 3, HEIGHT, WIDTH] 0..1, and the mask in it [B, 1, HEIGHT, WIDTH].

        parts [B, 4, HEIGHT, WIDTH] 0..1: `parts_in_crop` of the frame; numbers [B, NUMBERS].
        """
        given = functional.pixel_unshuffle(torch.cat([2 * drawn - 1, parts], 1), 2)
        told = numbers[:, :, None, None].expand(-1, -1, *given.shape[-2:])
        half = self.enter(torch.cat([given, told], 1).contiguous(memory_format=torch.channels_last))
        quarter = self.inward[0](self.down[0](functional.silu(half)) + reference.fine)
        eighth = self.inward[1](self.down[1](quarter) + reference.coarse)
        x = self.inward[2](self.down[2](eighth))
        x = self.outward[0](self.up[0](x, eighth))
        x = self.outward[1](self.up[1](x, quarter))
        x = functional.silu(self.finish(functional.silu(self.up[2](x, half))))
        made = functional.pixel_shuffle(self.leave(x), 2)
        mask = around_lips(parts) * torch.sigmoid(made[:, 3:])
        return 2 * mask * made[:, :3], mask


class Block(nn.Module):
    """Two convolutions whose sum with what came in goes on (He et al. 2016); the identity at first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, width)
        self.first, self.second = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """[B, width, h, w] of the same shape."""
        return x + self.second(functional.silu(self.first(functional.silu(self.norm(x)))))


class Join(nn.Module):
    """A map of half the size grown and added to a large one, each mixed pixel by pixel."""

    def __init__(self, below: int, width: int) -> None:
        super().__init__()
        self.small, self.large = nn.Conv2d(below, width, 1), nn.Conv2d(width, width, 1, bias=False)

    def forward(self, small: Tensor, large: Tensor) -> Tensor:
        """[B, below, h / 2, w / 2] and [B, width, h, w] -> [B, width, h, w]."""
        return functional.interpolate(self.small(small), scale_factor=2.0, mode="nearest") + self.large(large)


def in_channels_last(network: Module) -> Module:
    """The network with its weights laid out as convolutions on a CPU are fastest."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's types lack it


def around_lips(parts: Tensor) -> Tensor:
    """Where the network may act [B, 1, HEIGHT, WIDTH] 0..1: at the lips and between them, fading out beside."""
    lips = parts.amax(1, keepdim=True)
    near = functional.max_pool2d(functional.avg_pool2d(lips, 4), 5, 1, 2)
    soft = functional.avg_pool2d(functional.avg_pool2d(near, 3, 1, 1), 3, 1, 1)
    grown = functional.interpolate(soft, scale_factor=4.0, mode="bilinear", align_corners=False)
    return grown * _border(parts)


def _border(like: Tensor) -> Tensor:
    """0 at the border of a crop, 1 from EDGE px on."""
    ramp = lambda n: (torch.minimum(torch.arange(n), torch.arange(n - 1, -1, -1)) / EDGE).clamp(max=1).to(like)  # noqa: E731
    return ramp(HEIGHT)[:, None] * ramp(WIDTH)


def opening_of(parts: Tensor) -> Tensor:
    """What is seen between the lips [B, 1, HEIGHT, WIDTH] 0..1."""
    return parts[:, :OPENING].sum(1, keepdim=True).clamp(max=1)
