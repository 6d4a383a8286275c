"""ARKit's 52 blend shapes and the head and eye angles of Live Link Face, to and from a `FlameSequence`.

What ARKit calls a blend shape is here a joint (jaw, eyes), an eyelid or an expression axis; `controls` holds the table.
Angles are radians in this project's convention: yaw positive to the subject's left, pitch positive downward, roll
positive toward the subject's right shoulder; roll turns first, then pitch, then yaw. The head's turn is `neck` and
`rotation` together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ...core.errors import BadInput
from .. import rotations
from ..edit.controls import JOINTS, LIDS, X, Y, Z
from ..heads.head import PARTS, Head
from ..sequence import FlameSequence

SHAPES = (
    "eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft", "eyeSquintLeft",
    "eyeWideLeft", "eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight",
    "eyeSquintRight", "eyeWideRight", "jawForward", "jawRight", "jawLeft", "jawOpen", "mouthClose", "mouthFunnel",
    "mouthPucker", "mouthRight", "mouthLeft", "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight",
    "mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight", "mouthRollLower", "mouthRollUpper",
    "mouthShrugLower", "mouthShrugUpper", "mouthPressLeft", "mouthPressRight", "mouthLowerDownLeft",
    "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight", "browDownLeft", "browDownRight", "browInnerUp",
    "browOuterUpLeft", "browOuterUpRight", "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft",
    "noseSneerRight", "tongueOut",
)  # fmt: skip
EYES, TURN = ("leftEye", "rightEye"), ("Yaw", "Pitch", "Roll")
ANGLES = tuple(f"{what}{angle}" for what in ("head", *EYES) for angle in TURN)
NAMES = SHAPES + ANGLES  # the columns of Live Link Face, in its order
AXES = (Y, X, Z)  # of yaw, pitch and roll
AGREE = 2e-3  # rad within which eye angles agree with the eyeLook shapes
STAY = 1e-2  # pull of the fitted axes toward the clip's own values, of their mean stiffness
COUNTS = {"face": 1.0, "lids": 4.0, "lips": 8.0}  # weight of a part's vertices: a millimetre at the lips is seen first
UNSEEN = ("tongueOut", "cheekPuff", "jawForward")  # never used in place of others: they would show what is not there
SWEEPS = 200  # of the box-constrained least squares
VISIBLE = 0.05  # mm; smaller losses are not reported (nor turns below 0.1 degrees)


@dataclass(frozen=True, eq=False)
class Take:
    """A clip as ARKit's blend shapes and angles."""

    values: dict[str, np.ndarray]  # name in NAMES -> [T] float64: 0..1, angles in rad
    fps: float
    notes: list[str]  # what could not be carried over, a sentence each


def has_shapes(head: Head) -> bool:
    """Whether a head has expression axes by ARKit's names."""
    return not set(SHAPES).isdisjoint(head.expression_names)


# -- from a motion -----------------------------------------------------------------------------------------------------


def to_arkit(motion: FlameSequence, head: Head) -> Take:
    """The clip as ARKit's blend shapes and angles, not clipped: a jaw open wider than ARKit's full is above 1.

    Expression axes without an ARKit name go into the named ones that come nearest, by least squares over the face's
    surface with every named axis within 0..1; a note says what is lost. BadInput where the head has no ARKit names, or
    the motion is not its own.
    """
    head.check(motion)
    named = [name for name in SHAPES if name in head.expression_names]
    if not named:
        raise BadInput(f"head {head.id} has no ARKit expression axes: retarget the motion to the built-in head first")
    expression, notes = _named_expression(motion, head, named)
    values = {name: np.zeros(len(motion)) for name in NAMES}
    values |= {name: expression[:, k] for k, name in enumerate(named)}
    for name, sides in LIDS.items():
        if name in values:
            values[name] = motion.eyelids[:, sides[0]].double().numpy()
    turns = {"head": rotations.compose(motion.rotation.double(), motion.neck.double())}
    turns |= {side: motion.eyes[:, k].double() for k, side in enumerate(EYES)}
    for what, turn in turns.items():
        for angle, track in zip(TURN, euler(turn).unbind(-1)):
            values[f"{what}{angle}"] = track.numpy()
    jaw = euler(motion.jaw.double())
    for name, (channel, eye, axis, full) in JOINTS.items():
        angles = jaw if channel == "jaw" else euler(motion.eyes[:, eye].double())
        amount = angles[:, AXES.index(axis)].numpy() / full
        values[name] = amount if _opposite(name) is None else amount.clip(0)
    notes += _losses(motion, jaw, values)
    return Take(values, motion.fps, notes)


def euler(turn: Tensor) -> Tensor:
    """Yaw, pitch and roll [..., 3] rad of a rotation [..., 3] axis-angle that is yaw @ pitch @ roll."""
    m = rotations.matrix_from_axis_angle(turn)
    pitch = torch.asin((-m[..., 1, 2]).clamp(-1, 1))
    return torch.stack(
        [torch.atan2(m[..., 0, 2], m[..., 2, 2]), pitch, torch.atan2(m[..., 1, 0], m[..., 1, 1])], dim=-1
    )


def turned(angles: Tensor) -> Tensor:
    """The rotation [..., 3] axis-angle of yaw, pitch and roll [..., 3] rad: the inverse of `euler`."""
    about = torch.eye(3, dtype=angles.dtype)[list(AXES)]
    yaw, pitch, roll = (angles[..., k, None] * about[k] for k in range(3))
    return rotations.compose(yaw, rotations.compose(pitch, roll))


def _opposite(name: str) -> str | None:
    """The shape that turns the same joint the other way, if any."""
    channel, eye, axis, full = JOINTS[name]
    for other, entry in JOINTS.items():
        if entry[:3] == (channel, eye, axis) and entry[3] * full < 0:
            return other
    return None


def _named_expression(motion: FlameSequence, head: Head, named: list[str]) -> tuple[np.ndarray, list[str]]:
    """Coefficients [T, K] of the named axes, and notes of what they cannot show."""
    index = [head.expression_names.index(name) for name in named]
    rest = [k for k in range(len(head.expression_names)) if k not in index]
    named_values = motion.expression[:, index].double().numpy()
    unnamed = motion.expression[:, rest].double().numpy()
    if not unnamed.any():
        return named_values, []
    basis, weight = _visible(head)
    count, flat = len(basis), basis.reshape(3 * len(basis), -1)
    heavy = (basis * weight[:, None, None]).reshape(3 * len(basis), -1)
    normal, cross = heavy[:, index].T @ flat[:, index], heavy[:, index].T @ flat[:, rest]
    stiffness = np.full(len(index), STAY * np.trace(normal) / len(index))
    stiffness[[name in UNSEEN for name in named]] *= 1e6
    wanted = named_values @ normal + unnamed @ cross.T + stiffness * named_values
    fitted = box_least_squares(normal + np.diag(stiffness), wanted, named_values.clip(0, 1))
    left = (named_values - fitted) @ flat[:, index].T + unnamed @ flat[:, rest].T  # [T, 3M] m
    lost = 1000 * np.sqrt((left**2).sum(1) / count)
    note = (
        f"ARKit has no names for {len(rest)} learned axes of head {head.id}: the named ones come nearest, and "
        f"{lost.mean():.2f} mm of the face's movement on average ({lost.max():.2f} mm in the worst frame) are lost"
    )
    return fitted, [note] if lost.max() > VISIBLE else []


def _visible(head: Head) -> tuple[np.ndarray, np.ndarray]:
    """Expression axes [M, 3, E] m of the face's vertices, and the weight of each vertex [M]."""
    weight = torch.zeros(len(head.template))
    for part, counts in COUNTS.items():
        weight[head.faces[head.part == PARTS.index(part)].unique()] = counts
    seen = weight > 0
    return head.expression[seen].double().numpy(), weight[seen].double().numpy()


def box_least_squares(normal: np.ndarray, wanted: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The x [T, K] in 0..1 that minimise x A x / 2 - b x for A [K, K] positive definite and each b in `wanted` [T, K].

    Cyclic coordinate descent, all T at once; each step is exact, so the sum never rises.
    """
    x = start.copy()
    for _ in range(SWEEPS):
        before = x.copy()
        for k in range(x.shape[1]):
            x[:, k] = (x[:, k] + (wanted[:, k] - x @ normal[:, k]) / normal[k, k]).clip(0, 1)
        if np.abs(x - before).max(initial=0.0) < 1e-7:
            break
    return x


def _losses(motion: FlameSequence, jaw: Tensor, values: dict[str, np.ndarray]) -> list[str]:
    """Notes of what the layout has no column for, and of values that programs may clip to 0..1."""
    notes = []
    if float(shift := motion.translation.norm(dim=1).max()) * 1000 > VISIBLE:
        notes.append(f"the CSV has no place for the head's shift (up to {1000 * shift:.0f} mm): it is left out")
    if float(torch.rad2deg(jaw[:, AXES.index(Z)].abs().max())) > 0.1:
        notes.append("ARKit's jaw does not roll: that part of the jaw's turn is left out")
    outside = [name for name in SHAPES if values[name].min() < -1e-6 or values[name].max() > 1 + 1e-6]
    if outside:
        notes.append(f"outside 0..1, which some programs clip: {', '.join(outside)}")
    return notes


# -- to a motion -------------------------------------------------------------------------------------------------------


def from_arkit(take: Take, head: Head) -> FlameSequence:
    """The motion of a take on a head with ARKit's names; names the take lacks are 0. BadInput where the head has none.

    Gaze is taken from the eyeLook shapes, whose meaning is the same in all programs; from the eye angles only where
    they agree with those, or where there are no eyeLook shapes. The turn of the head becomes `neck`.
    """
    if not has_shapes(head):
        raise BadInput(f"head {head.id} has no ARKit expression axes: read the take with the built-in head 'open'")
    frames = len(next(iter(take.values.values())))
    column = lambda name: torch.from_numpy(take.values.get(name, np.zeros(frames)).copy())  # noqa: E731
    angles = {what: torch.stack([column(f"{what}{angle}") for angle in TURN], 1) for what in ("head", *EYES)}
    by_shape = {"jaw": torch.zeros(frames, 3, dtype=torch.float64)}
    by_shape |= {eye: torch.zeros(frames, 3, dtype=torch.float64) for eye in EYES}
    for name, (channel, eye, axis, full) in JOINTS.items():
        where = channel if eye is None else EYES[eye]
        by_shape[where][:, AXES.index(axis)] += full * column(name)
    looks = any(name in take.values for name in JOINTS if name.startswith("eyeLook"))
    gaze = [_gaze(by_shape[eye], angles[eye]) if looks else angles[eye] for eye in EYES]
    still = FlameSequence.neutral(frames, take.fps, head)
    return replace(
        still,
        expression=torch.stack([column(name) for name in head.expression_names], 1).float(),
        neck=turned(angles["head"]).float(),
        jaw=turned(by_shape["jaw"]).float(),
        eyes=torch.stack([turned(eye) for eye in gaze], 1).float(),
        eyelids=torch.stack([column("eyeBlinkLeft"), column("eyeBlinkRight")], 1).float(),
    )


def _gaze(by_shape: Tensor, angles: Tensor) -> Tensor:
    """Yaw, pitch, roll [T, 3] of an eye by its shapes; by its angles, which have roll, where both agree."""
    same = bool((by_shape[:, :2] - angles[:, :2]).abs().max() < AGREE)
    return angles if same else by_shape
