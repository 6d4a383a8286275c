"""What a clip shows of a portrait's person beside ARKit's shapes: learned axes, correctives, teeth behind moving lips.

Expression axes with ARKit's names and lids are ARKit's shapes; jaw and eyes turn as joints.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ...flame_motion import FlameSequence
from ...flame_motion.edit.controls import is_numbered
from ...flame_motion.heads.head import JOINTS
from ...flame_motion.rotations import matrix_from_axis_angle
from ...generator import Portrait
from ...generator.warp.scene import Scene
from .person import Carrier, Person, named_weights

ROW = 0.01  # m that a row of teeth moves at 1
ROWS = ("teethUpper", "teethLower")


def with_clip(person: Person, scene: Scene, motion: FlameSequence) -> tuple[Person, Tensor]:
    """The person with the shapes that a motion on the portrait's head needs besides, and the weights [T, K] of all."""
    portrait = scene.portrait
    names, axes, weights = _unnamed(portrait, person.rest, motion)
    bent, by = _correctives(portrait, motion)
    skin = scene.completed.carried.surface.skin
    added = {"head": _taken(portrait.head.expression, axes), "around": _taken(skin.expression, axes)}
    for of, axes_of in (("head", portrait.head.pose_correctives), ("around", skin.pose_correctives)):
        if axes_of is not None:
            added[of] = torch.cat([added[of], _taken(axes_of, bent)])
    names += [f"corrective_{k:02d}" for k in bent]
    weights = torch.cat([weights, by[:, bent]], 1)
    carriers = scene.completed.carried.carriers
    moved = torch.from_numpy(carriers @ added["around"].permute(1, 0, 2).flatten(1).numpy())
    added["around"] = moved.unflatten(1, (len(names), 3)).transpose(0, 1)
    rows, by = _teeth(portrait, person.rest, motion)
    added["head"] = torch.cat([added["head"], rows])
    added["around"] = torch.cat([added["around"], added["around"].new_zeros(len(rows), *added["around"].shape[1:])])
    weights = torch.cat([torch.from_numpy(named_weights(motion, portrait.head)), weights, by], 1)
    surfaces = [replace(s, carrier=_extended(s.carrier, added[s.carrier.of])) for s in person.surfaces]
    return replace(person, surfaces=surfaces, names=[*person.names, *names, *ROWS[: len(rows)]]), weights


def _extended(carrier: Carrier, shapes: Tensor) -> Carrier:
    return replace(carrier, shapes=torch.cat([carrier.shapes, shapes]))


def _taken(axes: Tensor, which: list[int]) -> Tensor:
    """Some of the axes [N, 3, K] as shapes [k, N, 3]."""
    return axes[..., which].permute(2, 0, 1)


def _unnamed(portrait: Portrait, rest: FlameSequence, motion: FlameSequence) -> tuple[list[str], list[int], Tensor]:
    """Names and indices of the numbered axes that a motion changes, and how far [T, k] from the face at rest."""
    change = motion.expression - rest.expression
    names = portrait.head.expression_names
    axes = [k for k, name in enumerate(names) if is_numbered(name) and bool((change[:, k] != 0).any())]
    return [names[k] for k in axes], axes, change[:, axes]


def _correctives(portrait: Portrait, motion: FlameSequence) -> tuple[list[int], Tensor]:
    """The indices of the pose correctives that a motion uses, and how much [T, 36] of each."""
    turns = matrix_from_axis_angle(torch.stack([motion.neck, motion.jaw, *motion.eyes.unbind(1)], 1))
    by = (turns - torch.eye(3)).reshape(len(motion), 9 * (len(JOINTS) - 1))
    axes = portrait.head.pose_correctives
    if axes is None:
        return [], by
    return torch.nonzero(axes.abs().amax((0, 1)) * by.abs().amax(0) > 1e-5).flatten().tolist(), by


def _teeth(portrait: Portrait, rest: FlameSequence, motion: FlameSequence) -> tuple[Tensor, Tensor]:
    """The rows of teeth as shapes [2, N, 3] m, and how far [T, 2] each goes along with the lips."""
    rows = portrait.teeth
    if rows is None:
        return torch.zeros(0, len(portrait.offsets), 3), torch.zeros(len(motion), 0)
    shapes = torch.zeros(2, len(portrait.offsets), 3)
    for row, (index, share) in enumerate(zip(rows.moving, rows.share)):
        shapes[row, index, 1] += ROW * share
    still, moved = (rows.goes(portrait.head(clip, portrait.offsets)) for clip in (rest, motion))
    return shapes, (moved - still) / ROW
