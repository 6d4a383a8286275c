"""A critic of patches, true or made, that looks through a network that knows ImageNet.

Sauer et al. 2021, Projected GANs Converge Faster; without its random mixing of scales.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from .generator.perceptual import PerceptualDistance

CHANNELS = (16, 24, 40, 80)  # of the features that efficientnet-lite0 is compared by, from fine to coarse


class ProjectedCritic(nn.Module):
    """A small convolutional head for each scale of features; only these learn."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels + 1, width, 3, padding=1), nn.LeakyReLU(0.2),
                nn.Conv2d(width, 32, 3, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(32, 1, 1),
            )
            for channels in CHANNELS
        )  # fmt: skip

    def forward(self, features: Iterable[Tensor], made: Tensor) -> list[Tensor]:
        """How true each patch looks, a map a scale. made [B, 1, h, w]: where pictures may be made, not photographed."""
        return [head(_with(x, made)) for x, head in zip(features, self.heads)]


def _with(features: Tensor, made: Tensor) -> Tensor:
    """Features of even strength beside what share of each was made."""
    strength = features.square().mean((1, 2, 3), keepdim=True).sqrt()
    return torch.cat(
        [features / (strength + 1e-4), functional.adaptive_avg_pool2d(made, (features.shape[-2], features.shape[-1]))],
        1,
    )


def seen_by(network: PerceptualDistance, pictures: Tensor) -> list[Tensor]:
    """What a network sees in pictures [B, 3, h, w] 0..1, a map a scale."""
    return list(network.features(pictures.clamp(0, 1)))


def critic_loss(true: list[Tensor], made: list[Tensor]) -> Tensor:
    """The critic's hinge loss (Lim and Ye 2017), the scales' mean."""
    relu = functional.relu
    return torch.stack([relu(1 - a).mean() + relu(1 + b).mean() for a, b in zip(true, made, strict=True)]).mean()


def fooling_loss(made: list[Tensor]) -> Tensor:
    """The generator's side of it."""
    return -torch.stack([x.mean() for x in made]).mean()


def unlike(made: list[Tensor], true: list[Tensor]) -> Tensor:
    """The perceptual distance of two pictures' features: that of `PerceptualDistance`, mean over the batch."""
    unit = lambda x: x / (x.square().sum(1, keepdim=True) + 1e-8).sqrt()  # noqa: E731
    return torch.stack([(unit(a) - unit(b)).square().sum(1).mean() for a, b in zip(made, true, strict=True)]).sum()
