"""How far a completed atlas is from the truth, term by term."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ...generator.completion.network import Completed

# What a texel's color counts that the photo shows well, and skin that hair covers. Its shape counts in full, as it says
# where the photo's own pixels land.
SEEN, COVERED = 0.1, 0.3
SHOWN = 2.0  # how much more the shape of a texel counts that the photo shows: a turn moves its pixels by that
LENGTH = 0.02  # m: an error of distance that counts as much as one of half the range of colors
WEIGHTS = {  # of the terms in the sum
    "skin": 0.5, "hair": 0.5, "collar": 0.1, "color": 1.0, "edges": 0.6, "tone": 0.5, "skin_radius": 0.5,
    "radius": 1.0, "slope": 1.0, "hair_there": 0.2, "skin_there": 0.2, "collar_there": 0.05, "outline": 1.0, "rim": 1.0,
}  # fmt: skip


@dataclass  # Lightning moves its tensors in place
class TrueAtlas:
    """The truth for B photos; masks 0..1, colors 0..1.

    Of a real photo (see `real_photos`) it is what the photo shows, a collar as skin; the rest is 0.
    """

    skin: Tensor  # [B, 3, H, W]
    hair: Tensor  # [B, 3, H, W]
    skin_there: Tensor  # [B, 1, H, W]
    hair_there: Tensor  # [B, 1, H, W] of the outside
    painted: Tensor  # [B, 1, H, W] hair on the skin's texture, covered or not
    collar: Tensor  # [B, 1, H, W] on the skin's texture
    skin_radius: Tensor  # [B, 1, H, W] m
    outside_radius: Tensor  # [B, 1, H, W] m
    seen: Tensor  # [B, 1, H, W]
    real: Tensor  # [B, 1, 1, 1] 1 for real photos
    outline: Tensor  # [B, 1, H, W] m, of real photos: beyond which nothing is; 0 where that is not known
    rim: Tensor  # [B, 1, H, W] how far the outside reaches it

    def color(self) -> Tensor:
        """Of the outside, [B, 3, H, W]."""
        return self.skin + self.hair_there * (self.hair - self.skin)

    def there(self) -> Tensor:
        """Whether there is an outside [B, 1, H, W]."""
        return torch.maximum(self.skin_there, self.hair_there)


def loss_terms(made: Completed, true: TrueAtlas) -> dict[str, Tensor]:
    """Each term, unweighted."""
    there = (true.there() > 0.5).float()
    hidden = there * (1 - (1 - SEEN) * true.seen)
    made_up, hair, bare = 1 - true.real, true.hair_there, 1 - true.hair_there
    skin_there, covered = (true.skin_there > 0.5).float(), made_up * hair * COVERED
    skin = skin_there * (bare * (1 - (1 - SEEN) * true.seen) + covered)
    bare_or_covered = skin_there * made_up * (bare + covered)
    shape = there * made_up * (1 + SHOWN * true.seen)
    color, wanted = made.color(), true.color()
    return {
        "skin": _mean((made.skin - true.skin).abs(), skin * (1 - true.painted) * (1 - true.collar)),
        "hair": _mean((made.hair - true.hair).abs(), hair * hidden),
        "collar": _mean((made.collar - true.skin).abs(), skin * true.collar),
        "color": _mean((color - wanted).abs(), hidden),
        "edges": _slopes(color - wanted, hidden),
        "tone": _mean(_pooled((color - wanted) * hidden, 8).abs(), _pooled(hidden, 8)),
        "skin_radius": _mean((made.skin_radius - true.skin_radius).abs(), bare_or_covered) / LENGTH,
        "radius": _mean((made.outside_radius - true.outside_radius).abs(), shape) / LENGTH,
        "slope": _slopes(made.outside_radius - true.outside_radius, shape) / LENGTH,
        "hair_there": _cross_entropy(made.hair_there, hair, hidden + made_up * (1 - there)),
        "skin_there": _cross_entropy(made.skin_there, true.skin_there, made_up.expand_as(there)),
        "collar_there": _cross_entropy(made.collar_there, true.collar, made_up * true.skin_there * (1 - true.painted)),
        "outline": _mean((made.outside_radius - true.outline).relu(), (true.outline > 0).float()) / LENGTH,
        "rim": _mean((made.outside_radius - true.outline).abs(), true.rim) / LENGTH,
    }


def weighted_sum(terms: dict[str, Tensor]) -> Tensor:
    """The terms by `WEIGHTS`, added."""
    return torch.stack([WEIGHTS[name] * value for name, value in terms.items()]).sum()


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    """Mean of values [B, C, H, W] weighted by [B, 1, H, W]."""
    return (values * weight).sum() / (values.shape[1] * weight.sum()).clamp_min(1e-6)


def _slopes(error: Tensor, weight: Tensor) -> Tensor:
    """Mean absolute difference of an error between neighbours: blur and seams are punished, offsets are not."""
    along = _mean((error - error.roll(1, 3)).abs(), weight * weight.roll(1, 3))
    down = _mean((error[:, :, 1:] - error[:, :, :-1]).abs(), weight[:, :, 1:] * weight[:, :, :-1])
    return along + down


def _pooled(values: Tensor, side: int) -> Tensor:
    """Means over squares of `side` texels."""
    return functional.avg_pool2d(values, side)


def _cross_entropy(logit: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    """Mean binary cross entropy of logits [B, 1, H, W] by weights [B, 1, H, W]; wanted 0..1."""
    return _mean(functional.binary_cross_entropy_with_logits(logit, wanted, reduction="none"), weight)
