"""Driving one person's portrait with another person's motion."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

import torch
from torch import Tensor

from ...core.errors import BadInput, MissingAsset
from .. import rotations
from ..heads.library import load_head
from ..sequence import FlameSequence
from .lids import closed_shares, eye_openings, lids_for, without_closing
from .lips import lip_gap, with_jaw_above
from .mouth import mouth_of
from .own_expression import giving_way
from .rest import rest_of
from .retarget import head_of, retarget

Mode = Literal["relative", "absolute"]
FULL_RESIDUAL = 4.0  # a full expression along an axis learned from footage, whose usual size is 1
BEYOND = 0.3  # share kept of what goes beyond a full expression
MAX_JAW = 0.22  # rad by which the jaw makes up for a lip gap that the face cannot make otherwise
SAME_POSE = (4.0, 8.0)  # degrees between two fits: below the first surely one head pose, above the second surely not


def drive(
    source: FlameSequence,
    motion: FlameSequence,
    mode: Mode = "relative",
    rest: FlameSequence | None = None,
    first: FlameSequence | None = None,
) -> FlameSequence:
    """The motion that a portrait of pose `source` (one frame) makes when driven by `motion`.

    relative: what changes against the driver's own `rest` is added to the portrait's pose and face, so that the
    driver's resting face and camera angle are not copied; the farther the driver's face moves, the more the photo's own
    expression gives way to it (`giving_way`).
    absolute: the driver's pose and expression as they are, with the eyes as far open. Where the driver's `first` frame
    and the photo differ in head pose by no more than two fits of one pose do, the photo's is taken for true.
    In both the portrait keeps its identity and place, and how far the motion moves from its `first` frame is added to
    that place. A motion of another head than the portrait's is retargeted first.

    rest, first: one frame each on the motion's head; default: `rest_of` the motion, and its first frame with the origin
    as its place. A portrait out of the driver's own footage takes the frame that it shows (`driver_frame`) as both:
    what its expression differs by is a matter of two fits there, and stays. A driver that comes in chunks gives the
    same two with each chunk: frames do not influence each other, so the chunks together are what the whole clip gives.
    BadInput for an unknown mode, and for a rest or first that is no single frame of the motion's head.
    """
    if mode not in get_args(Mode):
        raise BadInput(f"Unknown driving mode {mode!r}; use relative or absolute.")
    for name, one in (("rest", rest), ("first", first)):
        if one is not None and (len(one) != 1 or one.head != motion.head):
            raise BadInput(
                f"drive: {name} must be one frame on the motion's head {motion.head}, got {len(one)} on {one.head}."
            )
    own_footage = rest is not None and first is not None and torch.equal(rest.expression, first.expression)
    if mode == "relative":
        rest = _on_head_of(source, rest_of(motion) if rest is None else rest)
    neck, here = motion.neck[:1], torch.zeros(1, 3)
    if first is not None:
        neck, here = first.neck, _on_head_of(source, first).translation  # retargeting copies head angles
    moved = _on_head_of(source, motion)
    placed = replace(moved, shape=source.shape, translation=source.translation + (moved.translation - here))
    if rest is not None and mode == "relative":
        own = source.expression if own_footage else giving_way(source, placed, rest)
        return _with_lids(source, _with_lip_gap(source, _relative(source, placed, rest, own), moved, rest), moved, rest)
    turned = replace(placed, neck=rotations.compose(_correction(source.neck, neck).expand_as(motion.neck), motion.neck))
    return _with_lids(source, turned, placed, source)


def _correction(portrait: Tensor, first: Tensor) -> Tensor:
    """The turn [1, 3] from the driver's first neck pose to the portrait's; 0 where these surely are two poses."""
    difference = rotations.compose(portrait, -first)
    doubt = (float(torch.rad2deg(difference.norm())) - SAME_POSE[0]) / (SAME_POSE[1] - SAME_POSE[0])
    return difference * min(max(1.0 - doubt, 0.0), 1.0)


def _with_lids(
    source: FlameSequence, driven: FlameSequence, driver: FlameSequence, from_: FlameSequence
) -> FlameSequence:
    """`driven` with lids that close the portrait's eyes by the share that the driver's close, counted from `from_`.

    from_: one frame on the driver's head. Where the head's landmarks are not known: the driver's lids.
    """
    head = head_of(source)
    expression = without_closing(head, source, driven.expression)
    try:
        closed = closed_shares(head, driver, eye_openings(head, from_))
        lids = lids_for(head, source, expression, closed)
    except BadInput:
        return replace(driven, eyelids=driver.eyelids)
    return replace(driven, expression=expression, eyelids=lids)


def _with_lip_gap(
    source: FlameSequence, driven: FlameSequence, driver: FlameSequence, rest: FlameSequence
) -> FlameSequence:
    """`driven` with a jaw that opens the lips as far as the driver's open from its rest, in distances between the eyes.

    Faces of other proportions open less by the same jaw; and where a smile keeps the lips from opening, the jaw can.
    Where the head's landmarks are not known: as it is.
    """
    head = head_of(source)
    try:
        gap_by_jaw = mouth_of(head).gaps[0, :3].mean()  # a radian of the jaw
        wanted = lip_gap(head, source) + lip_gap(head, driver) - lip_gap(head, rest)
    except (BadInput, MissingAsset):
        return driven
    jaw = driven.jaw
    for _ in range(5):  # the gap is nearly linear in the jaw: each round leaves little of what is missing
        missing = (wanted - lip_gap(head, replace(driven, jaw=jaw))) / gap_by_jaw
        turned = (jaw[:, 0] + missing - driven.jaw[:, 0]).clamp(-MAX_JAW, MAX_JAW)
        jaw = torch.cat([(driven.jaw[:, 0] + turned)[:, None], jaw[:, 1:]], 1)
        jaw = with_jaw_above(jaw, source.jaw[:, :1].clamp_max(0))
    return replace(driven, jaw=jaw)


def strengthened(source: FlameSequence, driven: FlameSequence, strength: float) -> FlameSequence:
    """What a portrait of pose `source` (one frame) does, `strength` times as far: 0 holds it still, 1 changes nothing.

    Lids stay between open and shut, and jaws do not close farther than without it. BadInput for a strength below 0.
    """
    if not strength >= 0:
        raise BadInput(f"strength must be 0 or more, got {strength:g}")
    if strength == 1:
        return driven
    far = lambda name: getattr(source, name) + strength * (getattr(driven, name) - getattr(source, name))  # noqa: E731
    turned = lambda name: rotations.compose(  # noqa: E731
        strength * rotations.compose(getattr(driven, name), -getattr(source, name).expand_as(getattr(driven, name))),
        getattr(source, name).expand_as(getattr(driven, name)),
    )
    return replace(
        driven,
        expression=far("expression"),
        jaw=with_jaw_above(far("jaw"), torch.minimum(driven.jaw[:, :1], source.jaw[:, :1])),
        eyes=far("eyes"),
        eyelids=far("eyelids").clamp(0, 1),
        translation=far("translation"),
        rotation=turned("rotation"),
        neck=turned("neck"),
    )


def _on_head_of(source: FlameSequence, motion: FlameSequence) -> FlameSequence:
    """The motion on the source's head with its identity, where it has another."""
    return motion if source.head == motion.head else retarget(motion, load_head(source.head), source.shape)


def _relative(source: FlameSequence, motion: FlameSequence, rest: FlameSequence, own: Tensor) -> FlameSequence:
    """The motion with its change against `rest` added to the portrait's pose and its expression `own` [1 or T, E].

    Lids and place are the motion's.
    """
    names = load_head(source.head).expression_names
    full = torch.tensor([FULL_RESIDUAL if name.startswith("residual") else 1.0 for name in names])
    jaw = source.jaw + motion.jaw - rest.jaw
    return replace(
        motion,
        expression=_added(own, motion.expression, rest.expression, full),
        jaw=with_jaw_above(jaw, source.jaw[:, :1].clamp_max(0)),
        eyes=source.eyes + motion.eyes - rest.eyes,
        rotation=_turned(source.rotation, motion.rotation, rest.rotation),
        neck=_turned(source.neck, motion.neck, rest.neck),
    )


def _added(source: Tensor, motion: Tensor, rest: Tensor, full: Tensor) -> Tensor:
    """The sum of two expressions; only a share of it beyond what the portrait, the driver or a full one [E] does alone.

    A smile driven by a smile is a smile, not two.
    """
    limit = torch.maximum(torch.maximum(source.abs(), motion.abs()), full)
    both = source + motion - rest
    within = torch.minimum(torch.maximum(both, -limit), limit)
    return within + BEYOND * (both - within)


def _turned(source: Tensor, motion: Tensor, rest: Tensor) -> Tensor:
    """Axis-angle [T, 3] of the driver's turn away from its rest, in world axes, applied to the source's pose."""
    turn = rotations.compose(motion, -rest.expand_as(motion))
    return rotations.compose(turn, source.expand_as(motion))
