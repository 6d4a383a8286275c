"""The expression that a portrait has in its photo, and how it gives way to what a driver does."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ...core.errors import BadInput, MissingAsset
from ..heads.head import Head
from ..sequence import FlameSequence
from .lids import EYE_CORNERS
from .lips import jaw_movement
from .regions import find_region, split_axes
from .retarget import head_of

# How far mouth and brows move, in distances between the outer eye corners, until 63 % of the photo's own expression
# has given way there.
MOUTH_GIVES_WAY = 0.025
BROWS_GIVE_WAY = 0.015
MOUTH = slice(48, 68)  # of the 68 landmarks
BROWS = slice(17, 27)
TOGETHER = 512  # frames worked on at once, which bounds the memory


def giving_way(source: FlameSequence, motion: FlameSequence, rest: FlameSequence) -> Tensor:
    """What is left of the photo's expression [T, E] while a driver moves; its change is added to that.

    source: the portrait's pose; rest: what the driver's change is counted from; one frame each, all of one head. A face
    does one thing at a time: who smiles in a photo does not go on smiling through a kiss, nor frown through raised
    brows. So as long as the driver rests this is the photo's expression, to the bit; the farther the driver's mouth
    moves from its rest, the more of it the lower face gives up, and the rest of the face as the brows move. The
    driver's rest does not take its place: much of that is what the fit to the driver's identity has left over. Each
    frame is bit for bit as if it were alone. Where the head's landmarks are not known: the photo's.
    """
    try:
        moving = _moving(head_of(motion))
    except (BadInput, MissingAsset):
        return source.expression.expand_as(motion.expression)
    own = source.expression
    below = own @ moving.lower.T
    change = torch.cat([(motion.jaw - rest.jaw)[:, :1], motion.expression - rest.expression], 1)
    given_up = [
        _share(moving.mouth, some, MOUTH_GIVES_WAY) * below + _share(moving.brows, some, BROWS_GIVE_WAY) * (own - below)
        for some in change.split(TOGETHER)
    ]
    return own - torch.cat(given_up)


def _share(squares: Tensor, change: Tensor, size: float) -> Tensor:
    """How much gives way [T, 1], 0..1, at a change [T, 1 + E] of landmarks that move by `squares` [1 + E, 1 + E]."""
    # No matrix product: that rounds by how many frames there are.
    moved = (change[:, :, None] * change[:, None] * squares).sum((1, 2))
    return 1 - torch.exp(-moved / size**2)[:, None]


@dataclass(frozen=True, eq=False)
class _Moving:
    """How far landmarks move, as seen from the front, by the jaw's pitch and the expression."""

    mouth: Tensor  # [1 + E, 1 + E] mean square movement of the mouth's landmarks, in distances between the eyes
    brows: Tensor  # [1 + E, 1 + E]
    lower: Tensor  # [E, E] expression to the part of it that moves the lower face alone


@lru_cache(maxsize=8)
def _moving(head: Head) -> _Moving:
    """BadInput where the head's landmarks are not known."""
    skin = head.landmark_skin
    eyes = (skin.template[EYE_CORNERS[0]] - skin.template[EYE_CORNERS[1]]).norm()
    steps = (torch.cat([jaw_movement(skin)[..., None], skin.expression], -1) / eyes)[:, :2].double()  # [68, 2, 1 + E]
    mouth, brows = (
        torch.einsum("pke,pkf->ef", part, part).float() / len(part) for part in (steps[MOUTH], steps[BROWS])
    )
    return _Moving(mouth, brows, split_axes(head, find_region("lower").areas))
