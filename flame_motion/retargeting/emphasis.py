"""What a face in a video does, a little farther: brows, lips and their corners, lids and gaze.

Two losses make a portrait's face move less than its driver's. A landmark network sees less than what happens: on
rendered heads whose movement is known it gave .75 of raised and .5 of lowered brows, .75 of a pucker's narrowing, .6
and .3 of a look up and down. And a picture whose brow is drawn higher lacks the wrinkles and shades that go with it:
landmarks found again in drawn portraits moved by .7 of what was drawn at brows and upper lip, .75 at irises, .85 at the
lips' gap. Of the lips' thickness .3 to .6 is seen again, but making it larger made faces less alike. Head turns lose
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor

from ...core.errors import BadInput, MissingAsset
from ..heads.head import Head
from ..sequence import FlameSequence
from .lids import EYE_CORNERS
from .lips import jaw_movement
from .retarget import head_of

# By how much each is made larger. `held` ones are named so that nothing else moves them.
GAINS = {"brow": 1.8, "aside": 1.2, "corner": 1.25, "upper": 1.6, "gap": 1.12, "lid": 1.15, "held": 1.0}
GAZE = (2.3, 1.9)  # of a small turn of the eyes up or down, and aside
MAX_GAZE = (0.5, 0.8)  # rad that an eye turns up or down, and aside: a tracker takes an iris in the corner for more
NOISE = 0.0015  # in distances between the outer eye corners: features are known no better than this
TOGETHER = 512  # frames worked on at once, which bounds the memory
JAW_SIZE = 0.25  # rad: what a jaw typically does, of a head that has not learned it

# Features of a face by the 68 landmarks: (gain, axis, landmarks, landmarks that they are counted from).
_FEATURES = (
    ("brow", 1, (20, 21), ()), ("brow", 1, (22, 23), ()),
    ("brow", 1, (17, 18, 19), ()), ("brow", 1, (24, 25, 26), ()),
    ("brow", 0, (20, 21), ()), ("brow", 0, (22, 23), ()),
    ("aside", 0, (48,), ()), ("aside", 0, (54,), ()), ("corner", 1, (48,), ()), ("corner", 1, (54,), ()),
    ("upper", 1, (50, 51, 52), ()), ("gap", 1, (61, 62, 63), (65, 66, 67)),
    ("lid", 1, (37, 38), (41, 40)), ("lid", 1, (43, 44), (47, 46)),
    ("held", 1, (41, 40), ()), ("held", 1, (47, 46), ()),  # lower lids
    ("held", 1, (50, 51, 52), (61, 62, 63)), ("held", 1, (65, 66, 67), (56, 57, 58)), ("held", 1, (7, 8, 9), ()),
    ("held", 2, (51, 57, 62, 66), (30, 33)),  # how far the lips stand out
)  # fmt: skip


def emphasised(motion: FlameSequence, rest: FlameSequence) -> FlameSequence:
    """The motion with its change against `rest` (one frame of the same head) made larger, feature by feature.

    What moves for a feature is what most likely moves when it does (`Head.prior`). Jaw, head and place stay as they
    are; far glances end where eyes do. Each frame is bit for bit as if it were alone. Where the head's landmarks are
    not known: the gaze alone.
    """
    gain, most = torch.tensor([*GAZE, 1.0]), torch.tensor([*MAX_GAZE, 1.0])
    looking = replace(motion, eyes=rest.eyes + most * torch.tanh(gain * (motion.eyes - rest.eyes) / most))
    try:
        features = _features(head_of(motion))
    except (BadInput, MissingAsset):
        return looking
    parts = (motion.jaw - rest.jaw)[:, :1], motion.eyelids - rest.eyelids, motion.expression - rest.expression
    more = torch.cat([_more(features, some) for some in torch.cat(parts, 1).split(TOGETHER)])
    lids = (motion.eyelids + more[:, 1:3]).clamp(0, 1)
    return replace(looking, eyelids=lids, expression=motion.expression + more[:, 3:])


def _more(features: _Features, change: Tensor) -> Tensor:
    """What is added to a change [T, 3 + E]. No matrix product: that rounds by how many frames there are."""
    amounts = (change[:, None] * features.seen).sum(-1)  # [T, F]
    return (amounts[..., None] * features.added).sum(1)


@dataclass(frozen=True, eq=False)
class _Features:
    """F features of a face by jaw (pitch), eyelids and expression, 3 + E unknowns."""

    seen: Tensor  # [F, 3 + E] a feature, in distances between the eyes, by a unit of each unknown
    added: Tensor  # [F, 3 + E] what is added to the unknowns for a unit of the feature


@lru_cache(maxsize=8)
def _features(head: Head) -> _Features:
    """BadInput where the head's landmarks are not known."""
    seen = _by_unknowns(head)
    likely = _covariance(head)
    with_it = likely @ seen.T  # [3 + E, F] what moves with a feature
    noise = NOISE**2 * torch.eye(len(seen)).double()
    gains = torch.tensor([GAINS[name] for name, *_ in _FEATURES]).double()
    given = torch.linalg.solve(seen @ with_it + noise, with_it.T)  # [F, 3 + E] the likeliest face for all of them
    return _Features(seen.float(), ((gains - 1)[:, None] * given).float())


def _by_unknowns(head: Head) -> Tensor:
    """[F, 3 + E], float64."""
    skin = head.landmark_skin
    points, jaw = skin.template.double(), jaw_movement(skin).double()
    moved = torch.cat([jaw[..., None], skin.eyelids.double(), skin.expression.double()], -1)  # [68, 3, 3 + E]
    eyes = (points[EYE_CORNERS[0]] - points[EYE_CORNERS[1]]).norm()
    rows = []
    for _, axis, landmarks, from_ in _FEATURES:
        row = moved[list(landmarks), axis].mean(0)
        rows.append(row - moved[list(from_), axis].mean(0) if from_ else row)
    return torch.stack(rows) / eyes


def _covariance(head: Head) -> Tensor:
    """Of jaw (pitch), eyelids and expression in frames of people [3 + E, 3 + E], float64."""
    count = head.expression.shape[-1]
    if head.prior is None:
        return torch.diag(torch.tensor([JAW_SIZE, *[1.0] * (2 + count)]).double().square())
    index = torch.tensor([0, *range(2, 4 + count)])
    return head.prior.double()[index[:, None], index]
