"""The second scale: what hidden hair and skin look like close by, added to a completed atlas at FINE times its side."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from .network import Block, RingConv

GIVEN = 10  # channels: color 3, shown, hair, the mirrored photo 3 and where it is shown, noise


@dataclass(frozen=True)
class DetailConfig:
    """What makes a network's shape."""

    widths: tuple[int, ...] = (40, 64, 96)
    last: int = 16

    def to_dict(self) -> dict[str, object]:
        """For a file."""
        return asdict(self)


class DetailNetwork(nn.Module):
    """Adds to colors where the photo shows nothing; changes nothing before it is trained, and never the photo's own."""

    def __init__(self, config: DetailConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or DetailConfig()
        widths = config.widths
        self.first = nn.Conv2d(4 * GIVEN, widths[0], 1)
        self.down = nn.ModuleList(Block(width) for width in widths)
        self.shrink = nn.ModuleList(nn.Conv2d(4 * a, b, 1) for a, b in zip(widths, widths[1:]))
        self.grow = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in zip(widths, widths[1:]))
        self.up = nn.ModuleList(Block(width) for width in widths[:-1])
        self.last = nn.Conv2d(widths[0], 4 * config.last, 1)
        self.refine, self.answer = RingConv(config.last + GIVEN, config.last), RingConv(config.last, 3)
        nn.init.zeros_(self.answer.conv.weight)
        nn.init.zeros_(self.answer.conv.bias)

    def forward(self, given: Tensor) -> Tensor:
        """given [B, GIVEN, h, w] as `detail_input` makes it -> colors [B, 3, h, w] 0..1; h and w divide by 8."""
        at = self.first(functional.pixel_unshuffle(given, 2))
        skips = []
        for k, block in enumerate(self.down):
            at = block(at)
            if k < len(self.shrink):
                skips.append(at)
                at = self.shrink[k](functional.pixel_unshuffle(at, 2))
        for k in reversed(range(len(self.grow))):
            at = self.up[k](functional.interpolate(self.grow[k](at), scale_factor=2.0, mode="nearest") + skips[k])
        at = functional.pixel_shuffle(self.last(functional.silu(at)), 2)
        at = functional.silu(self.refine(torch.cat([at, given.to(at.dtype)], 1)))
        return given[:, :3].float() + 0.5 + (1 - given[:, 3:4].float()) * self.answer(at).float()


def detail_input(color: Tensor, shown: Tensor, hair: Tensor, noise: Tensor) -> Tensor:
    """[B, GIVEN, h, w] from whole atlases: color [B, 3, h, w] 0..1, shown, hair and noise [B, 1, h, w]."""
    photo = torch.cat([(color - 0.5) * shown, shown], 1)
    return torch.cat([color - 0.5, shown, hair, photo.flip(-1), noise], 1)
