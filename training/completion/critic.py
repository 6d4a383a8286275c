"""A critic of patches, true or made, that looks through a network that knows ImageNet.

Sauer et al. 2021, Projected GANs Converge Faster.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...generator.training.perceptual import PerceptualDistance

WIDTHS = (16, 24, 40, 80)  # channels of what efficientnet-lite0's compared blocks answer


class ProjectedCritic(nn.Module):
    """A small head for each scale of features; only the heads are trained."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels + 1, width, 3, padding=1), nn.LeakyReLU(0.2),
                nn.Conv2d(width, 32, 3, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(32, 1, 1),
            )
            for channels in WIDTHS
        )  # fmt: skip

    def forward(self, features: list[Tensor], hidden: Tensor) -> list[Tensor]:
        """How true each patch looks, a map a scale; hidden [B, 1, h, w]: where a made picture was made."""
        return [head(_told(x, hidden)).float() for x, head in zip(features, self.heads)]


def _told(features: Tensor, hidden: Tensor) -> Tensor:
    """Features of even strength, and which of them see what was made."""
    strength = features.float().square().mean((1, 2, 3), keepdim=True).sqrt()
    return torch.cat([features / (strength + 1e-4), functional.adaptive_avg_pool2d(hidden, features.shape[-2:])], 1)


def seen_by(network: PerceptualDistance, pictures: Tensor) -> list[Tensor]:
    """Features of pictures [B, 3, h, w] 0..1."""
    return [x.float() for x in network.features(pictures.clamp(0, 1))]


def critic_loss(true: list[Tensor], made: list[Tensor]) -> Tensor:
    """The critic's hinge loss."""
    each = [functional.relu(1 - a).mean() + functional.relu(1 + b).mean() for a, b in zip(true, made)]
    return torch.stack(each).mean()


def fooling_loss(made: list[Tensor]) -> Tensor:
    """What the network gains by looking true."""
    return -torch.stack([x.mean() for x in made]).mean()


def unlike(made: list[Tensor], true: list[Tensor]) -> Tensor:
    """The perceptual distance of two sets of features."""
    unit = lambda x: x / (x.square().sum(1, keepdim=True) + 1e-8).sqrt()  # noqa: E731
    return torch.stack([(unit(a) - unit(b)).square().sum(1).mean() for a, b in zip(made, true)]).sum()
