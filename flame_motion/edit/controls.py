"""Named controls of a head: what `smile`, `jawOpen` or `yaw` change in a `FlameSequence`, and by how much."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ...core.errors import BadInput
from .. import rotations
from ..heads.head import Head
from ..retargeting.retarget import borrowed_axes, borrowed_names
from ..sequence import FlameSequence

X, Y, Z = 0, 1, 2
# Angles, in rad: name -> (channel, axis). Roll turns first, then pitch, then yaw: yaw stays about the upright axis.
ANGLES: dict[str, tuple[str, int]] = {
    "yaw": ("neck", Y),
    "pitch": ("neck", X),
    "roll": ("neck", Z),
    "gazeYaw": ("eyes", Y),
    "gazePitch": ("eyes", X),
}
# ARKit's joint-borne names, 0..1: name -> (channel, eye or None, axis, rad at 1).
JOINTS: dict[str, tuple[str, int | None, int, float]] = {
    "jawOpen": ("jaw", None, X, math.radians(25)),
    "jawLeft": ("jaw", None, Y, math.radians(8)),
    "jawRight": ("jaw", None, Y, -math.radians(8)),
    "eyeLookUpLeft": ("eyes", 0, X, -math.radians(25)),
    "eyeLookUpRight": ("eyes", 1, X, -math.radians(25)),
    "eyeLookDownLeft": ("eyes", 0, X, math.radians(25)),
    "eyeLookDownRight": ("eyes", 1, X, math.radians(25)),
    "eyeLookInLeft": ("eyes", 0, Y, -math.radians(30)),
    "eyeLookInRight": ("eyes", 1, Y, math.radians(30)),
    "eyeLookOutLeft": ("eyes", 0, Y, math.radians(30)),
    "eyeLookOutRight": ("eyes", 1, Y, -math.radians(30)),
}
LIDS: dict[str, tuple[int, ...]] = {"eyeBlinkLeft": (0,), "eyeBlinkRight": (1,), "blink": (0, 1)}
# One word for several expression axes: (axis, share).
BLENDS: dict[str, tuple[tuple[str, float], ...]] = {
    "smile": (("mouthSmileLeft", 1.0), ("mouthSmileRight", 1.0), ("cheekSquintLeft", 0.4), ("cheekSquintRight", 0.4)),
}


def control_names(head: Head) -> tuple[str, ...]:
    """Every name that can be edited on this head, in a fixed order: its own, and those of the built-in head."""
    return tuple(dict.fromkeys((*ANGLES, *BLENDS, *LIDS, *JOINTS, *head.expression_names, *borrowed_names(head))))


def is_numbered(name: str) -> bool:
    """Whether an expression axis has a number instead of a meaning (`residual_07`, FLAME's `expression_042`)."""
    return name.rsplit("_", 1)[-1].isdecimal()


def check_control(head: Head, name: str) -> None:
    """BadInput with near matches unless `name` is a control of this head."""
    known = control_names(head)
    if name in known:
        return
    folded = {known_name.lower(): known_name for known_name in (*known, "gaze")}
    near = difflib.get_close_matches(name.lower(), folded, n=4, cutoff=0.5)
    near += [low for low in folded if name and name.lower() in low and low not in near][: 6 - len(near)]
    hint = f"did you mean {', '.join(folded[low] for low in near)}?" if near else f"try {', '.join(known[:12])} …"
    raise BadInput(f"edit {name!r}: the {head.id.partition('@')[0]} head has no such control; {hint}")


def apply_controls(motion: FlameSequence, values: Mapping[str, Tensor | float], head: Head) -> FlameSequence:
    """The clip with each named control added to it.

    values: a number for the whole clip or [T], one a frame; rad for `ANGLES`, otherwise 1 = full. Head angles turn the
    posed head about the torso's axes; lids stay within 0..1. A value of 0 changes nothing, bit for bit.
    """
    frames = len(motion)
    for name, value in values.items():
        check_control(head, name)
        shape = tuple(torch.as_tensor(value).shape)
        if shape not in ((), (frames,)):
            raise BadInput(f"edit {name}: expected one number or [{frames}], one a frame, got {list(shape)}")
    added = {
        name: torch.as_tensor(value, dtype=torch.float32, device=motion.jaw.device).expand(frames)
        for name, value in values.items()
    }
    turns = _turns(added, set(head.expression_names), motion)
    changes: dict[str, Any] = {name: _turned(getattr(motion, name), turn) for name, turn in turns.items()}
    changes["expression"] = motion.expression + _expression(added, head, motion.expression)
    changes["eyelids"] = _lids(added, motion.eyelids)
    return replace(motion, **changes)


def _turns(added: dict[str, Tensor], axes: set[str], motion: FlameSequence) -> dict[str, Tensor]:
    """Euler angles to add by channel, axis by axis: neck, jaw [T, 3], eyes [T, 2, 3] rad."""
    turns = {name: torch.zeros_like(getattr(motion, name)) for name in ("neck", "jaw", "eyes")}
    for name, value in added.items():
        if name in ANGLES:
            channel, axis = ANGLES[name]
            turns[channel][..., axis] += value.reshape(-1, *[1] * (turns[channel].ndim - 2))
        elif name in JOINTS and name not in axes:
            channel, eye, axis, full = JOINTS[name]
            target = turns[channel] if eye is None else turns[channel][:, eye]
            target[..., axis] += value * full
    return turns


def _turned(track: Tensor, angles: Tensor) -> Tensor:
    """Axis-angle track [T, ..., 3] turned further by Euler angles (roll first, then pitch, then yaw)."""
    turn = torch.zeros_like(track)
    for axis in (Z, X, Y):
        step = torch.zeros_like(track)
        step[..., axis] = angles[..., axis]
        turn = rotations.compose(step, turn)
    still = (angles == 0).all(-1, keepdim=True)
    return torch.where(still, track, rotations.compose(turn, track))


def _expression(added: dict[str, Tensor], head: Head, like: Tensor) -> Tensor:
    """Expression coefficients [T, E] to add."""
    index = {name: place for place, name in enumerate(head.expression_names)}
    foreign = borrowed_names(head)
    extra = torch.zeros_like(like)
    for name, value in added.items():
        for axis, share in BLENDS.get(name, ((name, 1.0),)):
            if axis in index:
                extra[:, index[axis]] += share * value
            elif axis in foreign:
                extra += share * value[:, None] * borrowed_axes(head)[axis]
    return extra


def _lids(added: dict[str, Tensor], lids: Tensor) -> Tensor:
    """Lids [T, 2] with the lid controls added; frames where these are 0 stay as they are."""
    extra = torch.zeros_like(lids)
    for name, sides in LIDS.items():
        for side in sides if name in added else ():
            extra[:, side] += added[name]
    return torch.where(extra == 0, lids, (lids + extra).clamp(0, 1))
