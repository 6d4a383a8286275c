"""How far a face's eyes are open, which lids and expression decide together."""

from __future__ import annotations

import torch
from torch import Tensor

from ..heads.head import Head
from ..sequence import FlameSequence

LIDS = (((43, 44), (47, 46)), ((37, 38), (41, 40)))  # upper and lower landmarks of the left and the right eye
EYE_CORNERS = (36, 45)  # the outer ones, of the 68 landmarks
SHUT = 0.03  # of the distance between the outer eye corners: lids so near each other are seen as shut
WIDE = ("eyeWideLeft", "eyeWideRight")
MIN_OPEN_SHARE = 0.2  # of a lid's way: the share assumed open, at least, when the whole opening is worked out
MIN_OPENING = 1e-3  # m assumed, at least, of an eye with its lids wide open


def openings(values: Tensor) -> Tensor:
    """Height of the left and the right eye's opening [2, ...] in values [P, 3, ...] of points: places or axes."""
    height = lambda points: values[list(points), 1].mean(0)  # noqa: E731
    return torch.stack([height(upper) - height(lower) for upper, lower in LIDS])


def eye_openings(head: Head, motion: FlameSequence) -> Tensor:
    """How far each eye is open [T, 2] m, of the face before it is posed (linear in expression and lids).

    BadInput where the head's landmarks are not known.
    """
    skin = head.landmark_skin
    rest = openings(skin.shaped(motion.shape)[0])
    return rest + _sum(motion.expression, openings(skin.expression)) + _sum(motion.eyelids, openings(skin.eyelids))


def _sum(amounts: Tensor, axes: Tensor) -> Tensor:
    """Amounts [T, K] times axes [2, K]: [T, 2], each frame bit for bit as if alone, which no matrix product is."""
    return (amounts[:, None] * axes).sum(-1)


def without_closing(head: Head, source: FlameSequence, expression: Tensor) -> Tensor:
    """The expression [T, E] of a portrait with eyes that get no less wide than in its pose `source` (one frame).

    A tracker may explain a closing eye by "less wide". Lids do that better: they shut as the person's own, and the
    eyeball makes room for them. A head that does not name these axes keeps its expression.
    """
    axes = [head.expression_names.index(name) for name in WIDE if name in head.expression_names]
    opened = expression.clone()
    opened[:, axes] = torch.maximum(expression[:, axes], source.expression[:, axes])
    return opened


def closed_shares(head: Head, motion: FlameSequence, from_: Tensor) -> Tensor:
    """How far each eye has closed [T, 2] from an opening `from_` [1, 2] m: 0 not at all, 1 shut, below 0 wider open."""
    points = head.landmark_skin.shaped(motion.shape)[0]
    shut = SHUT * (points[EYE_CORNERS[0]] - points[EYE_CORNERS[1]]).norm()
    return ((from_ - eye_openings(head, motion)) / (from_ - shut).clamp_min(shut)).clamp_max(1)


def lids_for(head: Head, source: FlameSequence, expression: Tensor, closed: Tensor) -> Tensor:
    """Lids [T, 2] with which a portrait of pose `source` (one frame) closes its eyes by shares `closed` [T, 2].

    The expression's [T, E] effect on the eyes is included, so that a squint does not keep them from shutting. For
    shares below 0 an eye opens as much wider as it is open, or, one that is nearly shut, by that share of its lid.
    """
    own = source.eyelids
    lids = 1 - (1 - own) * (1 - closed)
    lids = torch.where(closed > 0, lids, torch.minimum(lids, own * (1 + closed)))
    whole = eye_openings(head, source) / (1 - own).clamp_min(
        MIN_OPEN_SHARE
    )  # what 1, which shuts a person's own, closes
    by_face = _sum(expression - source.expression, openings(head.landmark_skin.expression))
    return (lids + by_face / whole.clamp_min(MIN_OPENING)).clamp(0, 1)
