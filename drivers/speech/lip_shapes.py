"""Rounding and pressing of lips: a linear map from audio features beside the network of the mouth.

The network is trained on where the skin is, and says rounded, pressed and rolled lips by whatever axes move it so,
weakly. A linear map of +-160 ms of the same features predicts those axes themselves, and how far the mouth opens and
widens a second time: two guesses with other errors are together nearer to people than each.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...core.networks import load_network
from ...flame_motion import BadInput
from ...flame_motion.heads.head import Head
from ...flame_motion.retargeting.mouth import mouth_of
from .audio_features import PER_FRAME

AXES = (
    "mouthPucker", "mouthFunnel", "mouthPressLeft", "mouthPressRight", "mouthRollLower", "mouthRollUpper",
)  # fmt: skip
TAPS = (-8, -6, -4, -2, -1, 0, 1, 2, 4, 6, 8)  # features either way that a frame sees
SHARE = 0.3  # of opening and width that the linear map decides
WAKE_FRAMES = 6  # either way: lips round before and after they part
AWAKE = 0.03  # of the eyes' distance: a mouth that nearby opens so far speaks
TOUCH = 0.03  # of the eyes' distance: lips that the network brings so near are its own
SIZE = 1.6  # of the axes: what is predicted is smaller than what people do, the less of it is heard the smaller
LEAST = -0.3  # of an axis, which is 0 in the middle of speech: below, lips are drawn in or apart


@dataclass(frozen=True)
class LipShapesConfig:
    """The numbers that make `LipShapes`."""

    features: int  # C of the audio features
    components: int = 64  # that the features are first reduced to
    out: int = 2 + len(AXES)  # opening, width, and `AXES`


class LipShapes(nn.Module):
    """Audio features [2 T, C] -> opening and width (by the eyes' distance) and `AXES` [T, 2 + A]."""

    def __init__(self, config: LipShapesConfig) -> None:
        super().__init__()
        self.config = config
        self.reduce = nn.Linear(config.features, config.components)
        self.out = nn.Linear(len(TAPS) * config.components, config.out)

    def seen(self, features: Tensor) -> Tensor:
        """What each frame is predicted from [T, taps * components]."""
        reduced = self.reduce(F.layer_norm(features, features.shape[-1:]))
        centre = torch.arange(len(features) // PER_FRAME, device=features.device) * PER_FRAME
        return torch.cat([reduced[(centre + tap).clamp(0, len(features) - 1)] for tap in TAPS], 1)

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        return self.out(self.seen(features))


def with_shapes(face: Tensor, shapes: Tensor, head: Head) -> Tensor:
    """Jaw and lower face [T, 3 + E] of the network with the shapes [T, 2 + A] of the linear map.

    Where nobody speaks, nothing changes, and lips that touch stay as they are.
    """
    mouth, (opener, widener) = mouth_of(head), _movers(head)
    opening, width = _gaps(face, head)
    near = F.max_pool1d(opening[None, None].clamp(min=0), 2 * WAKE_FRAMES + 1, 1, WAKE_FRAMES)[0, 0]
    awake = (near / AWAKE).clamp(0, 1)
    parted = awake * (opening / TOUCH).clamp(0, 1)
    axes = [3 + head.expression_names.index(name) for name in AXES]
    shaped = face.clone()
    shaped[:, axes] += awake[:, None] * ((SIZE * shapes[:, 2:]).clamp(min=LEAST) - face[:, axes])
    wanted = opening + SHARE * parted * (shapes[:, 0] - opening)
    wide = width + SHARE * awake * (shapes[:, 1] - width)
    now = _gaps(shaped, head)
    shaped[:, 3:] += (wide - now[1])[:, None] * widener
    by_jaw = torch.maximum((wanted - now[0]) / 2 / mouth.gaps[0, :3].mean(), -shaped[:, 0].clamp(min=0))
    shaped[:, 0] += by_jaw
    shaped[:, 3:] += (wanted - _gaps(shaped, head)[0])[:, None] * opener
    return shaped


def _gaps(face: Tensor, head: Head) -> tuple[Tensor, Tensor]:
    """How far the lips are apart, and how much wider than at rest the mouth is [T], by the eyes' distance."""
    gaps = face @ mouth_of(head).gaps
    return gaps[:, :3].mean(1), gaps[:, 3]


@lru_cache(maxsize=4)
def _movers(head: Head) -> tuple[Tensor, Tensor]:
    """Expressions [E] that open the lips, and that widen the mouth, by the eyes' distance: with the least movement of
    skin, without each other and without `AXES`."""
    mouth = mouth_of(head)
    free = torch.tensor([name not in AXES for name in head.expression_names])
    points = (mouth.points[3:] * free[:, None]).double()
    moved = points @ points.T
    stiff = moved + 1e-3 * moved.diagonal().mean() * torch.eye(len(moved)) + torch.diag((~free).double() * 1e6)
    aims = torch.stack([mouth.gaps[3:, :3].mean(1), mouth.gaps[3:, 3]], 1).double()
    found = torch.linalg.solve(stiff, aims)
    movers = (found @ torch.linalg.inv(aims.T @ found)).float() * free[:, None]
    return movers[:, 0], movers[:, 1]


def load_lip_shapes(path: Path, features: str) -> tuple[LipShapes, dict[str, Any]]:
    """Trained weights and their card. BadInput for damaged files, and for other audio features or axes."""
    network, card = load_network(path, lambda sizes: LipShapes(LipShapesConfig(**sizes)))
    if card.get("features") != features:
        raise BadInput(f"{path} was trained on the features {card.get('features')}, not on {features}")
    if card.get("axes") != list(AXES):
        raise BadInput(f"{path} shapes other axes than {', '.join(AXES)}")
    return network, card
