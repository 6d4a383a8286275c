"""Driving one person's portrait with another person's motion."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal, get_args

import torch
from torch import Tensor

from ...core.errors import BadInput, MissingAsset
from .. import rotations
from ..heads.library import load_head
from ..sequence import FlameSequence
from .lids import closed_shares, eye_openings, lids_for, without_closing
from .lips import lip_gap
from .mouth import mouth_of
from .retarget import head_of, retarget

Mode = Literal["relative", "absolute"]
SAME_FACE = 0.0012  # m: the faces of two fits of two people lie farther apart, those of one person mostly do not
REST_FRAMES = 16384  # a rest is exact up to so many frames (11 minutes at 25 fps)
SHUTTEST = 0.12  # of the frames, among which a driver's rest is looked for
ALIKE = 2e-3  # of lips' gaps and of efforts, that are one and the same: no frame is chosen by its noise
FULL_RESIDUAL = 4.0  # a full expression along an axis learned from footage, whose usual size is 1
BEYOND = 0.3  # of what goes farther
FIRST = 2.0  # times as far off as the nearest frame, the first is still taken to be the portrait's (own: up to 1.7)
MOST_JAW = 0.15  # rad by which a jaw makes up for what else a face cannot do
SAME_POSE = (4.0, 8.0)  # degrees apart that are surely, and surely not, two fits of one head pose


def drive(
    source: FlameSequence,
    motion: FlameSequence,
    mode: Mode = "relative",
    rest: FlameSequence | None = None,
    first: FlameSequence | None = None,
) -> FlameSequence:
    """The motion that a portrait of pose `source` (one frame) makes when driven by `motion`.

    absolute: the driver's pose and expression as they are, with the eyes as far open; but where the driver's `first`
    frame holds its head as the photo does but for a few degrees, which is what two fits of one pose differ by, the
    photo's angle is the true one.
    relative: what changes against the driver's own `rest` is added to the portrait's, so that the driver's resting
    face and camera angle are not copied.
    Either way the portrait keeps its identity and place, and how far the motion moves from its `first` frame is added
    to it. A motion of another head than the portrait's is retargeted first.

    rest, first: one frame each on the motion's head; default: `rest_of` the motion, and its first frame, with the place
    that drivers count from. A portrait out of the driver's own footage takes the frame that it is
    (`driver_frame`). A driver that comes in chunks gives the same two with each chunk (`RestEstimator`, the first
    chunk's `[:1]`): frames do not influence each other, so that the chunks are the whole clip's.
    """
    if mode not in get_args(Mode):
        raise BadInput(f"Unknown driving mode {mode!r}; use relative or absolute.")
    for name, one in (("rest", rest), ("first", first)):
        if one is not None and (len(one) != 1 or one.head != motion.head):
            raise BadInput(
                f"drive: {name} must be one frame on the motion's head {motion.head}, got {len(one)} on {one.head}."
            )
    if mode == "relative":
        rest = _on_head_of(source, rest_of(motion) if rest is None else rest)
    neck, here = motion.neck[:1], torch.zeros(1, 3)
    if first is not None:
        neck, here = first.neck, _on_head_of(source, first).translation  # retargeting copies head angles
    moved = _on_head_of(source, motion)
    away = moved.translation - here
    placed = replace(moved, shape=source.shape, translation=source.translation + away)
    if rest is not None and mode == "relative":
        return _with_lids(source, _opening_as(source, _relative(source, placed, rest), moved, rest), moved, rest)
    apart = rotations.compose(source.neck, -neck)
    doubt = (float(torch.rad2deg(apart.norm())) - SAME_POSE[0]) / (SAME_POSE[1] - SAME_POSE[0])
    correction = apart * min(max(1.0 - doubt, 0.0), 1.0)
    turned = replace(placed, neck=rotations.compose(correction.expand_as(motion.neck), motion.neck))
    return _with_lids(source, turned, placed, source)


def _with_lids(
    source: FlameSequence, driven: FlameSequence, driver: FlameSequence, from_: FlameSequence
) -> FlameSequence:
    """The portrait's motion with its eyes closed by its lids as the driver's are, on its head, from a frame of it.

    Where the head's landmarks are not known: the driver's lids.
    """
    head = head_of(source)
    expression = without_closing(head, source, driven.expression)
    try:
        closed = closed_shares(head, driver, eye_openings(head, from_))
        lids = lids_for(head, source, expression, closed)
    except BadInput:
        return replace(driven, eyelids=driver.eyelids)
    return replace(driven, expression=expression, eyelids=lids)


def _opening_as(
    source: FlameSequence, driven: FlameSequence, driver: FlameSequence, rest: FlameSequence
) -> FlameSequence:
    """The portrait's motion with lips that part as far as the driver's do from its rest, by the distance of its eyes.

    Faces of other proportions open less by the same jaw, and what a smile leaves no room for, the jaw can do. Where the
    head's landmarks are not known: as it is.
    """
    head = head_of(source)
    try:
        parts = mouth_of(head).gaps[0, :3].mean()  # a radian of the jaw
        wanted = lip_gap(head, source) + lip_gap(head, driver) - lip_gap(head, rest)
    except (BadInput, MissingAsset):
        return driven
    jaw = driven.jaw
    for _ in range(3):  # the gap is nearly linear in the jaw: each leaves a tenth of what is missing
        missing = (wanted - lip_gap(head, replace(driven, jaw=jaw))) / parts
        turned = (jaw[:, 0] + missing - driven.jaw[:, 0]).clamp(-MOST_JAW, MOST_JAW)
        jaw = _opened(torch.cat([(driven.jaw[:, 0] + turned)[:, None], jaw[:, 1:]], 1), source.jaw)
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
    lowest = torch.minimum(driven.jaw[:, :1], source.jaw[:, :1])
    jaw = far("jaw")
    return replace(
        driven,
        expression=far("expression"),
        jaw=torch.cat([torch.maximum(jaw[:, :1], lowest), jaw[:, 1:]], 1),
        eyes=far("eyes"),
        eyelids=far("eyelids").clamp(0, 1),
        translation=far("translation"),
        rotation=turned("rotation"),
        neck=turned("neck"),
    )


def _on_head_of(source: FlameSequence, motion: FlameSequence) -> FlameSequence:
    """The motion on the source's head with its identity, where it has another."""
    return motion if source.head == motion.head else retarget(motion, load_head(source.head), source.shape)


def driver_frame(source: FlameSequence, motion: FlameSequence, within: float = SAME_FACE) -> int | None:
    """Which of the driver's frames a portrait of pose `source` (one frame) seems to be a picture of; None: of none.

    It is one of the driver where the 68 landmarks of one of (at most 64) driver frames, heads straight and of one size,
    lie `within` m of the portrait's on average, seen from the front. A clip knows its person's face at rest
    better than one picture does, so such a portrait should be fitted again with the clip's identity. The frame is the
    one whose head and face are held most like the portrait's, but the first where that is hardly less like it: of all
    frames that is most often the portrait.
    """
    if source.head != motion.head:
        return None
    some = motion.frames(torch.arange(0, len(motion), math.ceil(len(motion) / 64)))
    faces = [_placeless_landmarks(clip, straight=True) for clip in (source, some)]
    portrait, driver = (x - x.mean(1, keepdim=True) for x in faces)
    u, sizes, vt = torch.linalg.svd(driver.transpose(1, 2) @ portrait)  # Kabsch; near-identical faces do not mirror
    scale = sizes.sum(1) / driver.square().sum((1, 2))
    apart = scale[:, None, None] * driver @ (u @ vt) - portrait
    if not bool(apart[..., :2].norm(dim=-1).mean(1).min() < within):
        return None
    # As pictures, at one size: two fits of one picture agree on that better than on how far a head turns.
    held = [_placeless_landmarks(clip)[..., :2] for clip in (replace(source, shape=motion.shape), motion)]
    held = [x - x.mean(1, keepdim=True) for x in held]
    portrait, driver = (x / x.square().sum((1, 2), keepdim=True).sqrt() for x in held)
    apart = (portrait - driver).norm(dim=-1).mean(1)
    return 0 if bool(apart[0] < FIRST * apart.min()) else int(apart.argmin())


def _placeless_landmarks(motion: FlameSequence, straight: bool = False) -> Tensor:
    """The 68 landmarks [T, 68, 3] m of a clip whose head stays at one place, and, `straight`, does not turn."""
    still = torch.zeros_like(motion.neck)
    if straight:
        motion = replace(motion, neck=still, rotation=still)
    return load_head(motion.head).landmarks(replace(motion, translation=still))


def rest_of(motion: FlameSequence) -> FlameSequence:
    """A driver's rest (one frame): the typical head pose, and its face where it is calmest with its mouth most shut.

    So nobody has to start with a closed mouth or a straight head, and who talks all the time still rests with the lips
    together: the face is averaged over the calmer half of the eighth of the frames whose lips are nearest. Eyelids:
    their median, since eyes mostly are open. Place and identity are the first frame's. A clip of more than
    `REST_FRAMES` is looked at in evenly spread frames.
    """
    return RestEstimator().update(motion).rest


class RestEstimator:
    """`rest_of` a driver that comes in chunks: after each chunk, bit for bit that of all frames until then.

    A median and a quantile need their frames, so those are kept: 0.3 kB each on the built-in head, at most `limit` of
    them. When more have come, every second is dropped, then every second of what is left and so on: evenly spread.
    """

    def __init__(self, limit: int = REST_FRAMES) -> None:
        """limit: frames kept, at least 1; the rest is exact up to so many."""
        self.limit, self.stride = limit, 1
        self._seen = 0  # frames
        self._kept: list[FlameSequence] = []

    def update(self, chunk: FlameSequence) -> RestEstimator:
        """Take the next frames, of the same person, head and rate (BadInput otherwise, from `rest`); returns itself."""
        index = torch.arange(-self._seen % self.stride, len(chunk), self.stride)
        self._seen += len(chunk)
        if len(index):
            self._kept.append(chunk.frames(index))
        while math.ceil(self._seen / self.stride) > self.limit:
            kept = FlameSequence.concatenate(self._kept, fade=0)
            self._kept = [kept.frames(torch.arange(0, len(kept), 2))]
            self.stride *= 2
        return self

    @property
    def rest(self) -> FlameSequence:
        """The rest (one frame) of what came so far; a few frames will do. BadInput before the first."""
        if not self._kept:
            raise BadInput("A driver's rest needs at least one frame, got none.")
        self._kept = [FlameSequence.concatenate(self._kept, fade=0)]
        return _rest(self._kept[0])


def _rest(motion: FlameSequence) -> FlameSequence:
    """What `rest_of` says, of all frames."""
    effort = motion.expression.square().sum(1) + (motion.jaw / 0.2).square().sum(1)
    gap = _lip_gap(motion)
    shut = gap <= gap.quantile(SHUTTEST) + ALIKE
    calm = shut & (effort <= effort[shut].median() + ALIKE)
    return replace(
        motion[:1],
        expression=motion.expression[calm].mean(0, keepdim=True),
        jaw=motion.jaw[calm].mean(0, keepdim=True),
        eyes=motion.eyes.median(0, keepdim=True).values,
        eyelids=motion.eyelids.median(0, keepdim=True).values,
        rotation=rotations.mean(motion.rotation)[None],
        neck=rotations.mean(motion.neck)[None],
        translation=motion.translation[:1],
    )


def _lip_gap(motion: FlameSequence) -> Tensor:
    """How far the lips are apart [T], by the eyes' distance; 0 where the motion's head, or its mouth, is not known."""
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
    opened = ((lids - typical) / (1 - typical).clamp_min(0.2)).clamp(0, 1)
    return replace(
        motion,
        expression=motion.expression - gone * found.expression,
        jaw=_opened(motion.jaw - gone * found.jaw),
        eyes=motion.eyes - gone * found.eyes,
        eyelids=opened,
    )


def _relative(source: FlameSequence, motion: FlameSequence, rest: FlameSequence) -> FlameSequence:
    names = load_head(source.head).expression_names
    full = torch.tensor([FULL_RESIDUAL if name.startswith("residual") else 1.0 for name in names])
    return replace(
        motion,
        expression=_added(source.expression, motion.expression, rest.expression, full),
        jaw=_opened(source.jaw + motion.jaw - rest.jaw, source.jaw),
        eyes=source.eyes + motion.eyes - rest.eyes,
        rotation=_turned(source.rotation, motion.rotation, rest.rotation),
        neck=_turned(source.neck, motion.neck, rest.neck),
    )


def _added(source: Tensor, motion: Tensor, rest: Tensor, full: Tensor) -> Tensor:
    """Expressions add up, but beyond what the portrait, the driver or a full one [E] does alone only in part.

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


def _opened(jaw: Tensor, source: Tensor | None = None) -> Tensor:
    """A jaw never closes further than shut: 0, or where the portrait's (one frame) is beyond that already."""
    shut = jaw.new_zeros(1, 1) if source is None else source[:, :1].clamp_max(0)
    return torch.cat([torch.maximum(jaw[:, :1], shut), jaw[:, 1:]], 1)
