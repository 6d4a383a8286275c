"""The rest of a driver: the pose and face that its movements are counted from."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from ...core.errors import BadInput, MissingAsset
from .. import rotations
from ..sequence import FlameSequence
from .lips import with_jaw_above
from .mouth import mouth_of
from .retarget import head_of

EXACT_FRAMES = 16384  # a rest is exact up to so many frames (11 minutes at 25 fps)
MOST_SHUT = 0.12  # share of the frames, those with the smallest lip gaps, that the resting face is looked for in
TIE = 2e-3  # lip gaps and efforts that differ by less are equal: noise chooses no frame
WIDE_OPEN = 0.2  # of a lid's way, at least left to it when a resting lid is taken away


def rest_of(motion: FlameSequence) -> FlameSequence:
    """A driver's rest (one frame): the typical head pose, and its face where it is calmest with its mouth most shut.

    A driver need not begin with a closed mouth or a straight head, and one who talks all the time still rests with
    closed lips: the face is the mean of the calmer half of the eighth of the frames whose lips are nearest. Eyelids are
    their median, as eyes are open most of the time. Place and identity are the first frame's. Of a clip of more than
    `EXACT_FRAMES`, evenly spread frames are used: every second, fourth and so on.
    """
    stride = 1
    while math.ceil(len(motion) / stride) > EXACT_FRAMES:
        stride *= 2
    some = motion.frames(torch.arange(0, len(motion), stride))
    effort = some.expression.square().sum(1) + (some.jaw / 0.2).square().sum(1)
    gap = _lip_gap(some)
    shut = gap <= gap.quantile(MOST_SHUT) + TIE
    calm = shut & (effort <= effort[shut].median() + TIE)
    return replace(
        some[:1],
        expression=some.expression[calm].mean(0, keepdim=True),
        jaw=some.jaw[calm].mean(0, keepdim=True),
        eyes=some.eyes.median(0, keepdim=True).values,
        eyelids=some.eyelids.median(0, keepdim=True).values,
        rotation=rotations.mean(some.rotation)[None],
        neck=rotations.mean(some.neck)[None],
    )


def _lip_gap(motion: FlameSequence) -> Tensor:
    """The lips' gap [T] in distances between the eyes; 0 where the motion's head, or its mouth, is not known."""
    try:
        return mouth_of(head_of(motion)).gap(motion)
    except (BadInput, MissingAsset):
        return torch.zeros(len(motion))


def keep_rest(motion: FlameSequence, share: Tensor | float = 0.0, rest: FlameSequence | None = None) -> FlameSequence:
    """The clip with only `share` (0..1) of its resting face kept; `rest` is one frame (default: `rest_of` the clip).

    Expression, jaw, gaze and lids are counted from the neutral face instead of the driver's own; lids that were shut
    stay shut, and the head's pose is not touched.
    """
    found = rest_of(motion) if rest is None else rest
    gone = 1.0 - float(share)
    lids, typical = motion.eyelids, gone * found.eyelids
    opened = ((lids - typical) / (1 - typical).clamp_min(WIDE_OPEN)).clamp(0, 1)
    jaw = motion.jaw - gone * found.jaw
    return replace(
        motion,
        expression=motion.expression - gone * found.expression,
        jaw=with_jaw_above(jaw, jaw.new_zeros(1, 1)),
        eyes=motion.eyes - gone * found.eyes,
        eyelids=opened,
    )
