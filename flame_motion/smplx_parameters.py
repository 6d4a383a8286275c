"""A clip's parameters under the names of smplx's FLAME, which poses the same five joints by the same axis-angles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..core.errors import BadInput
from .channels import Channels
from .heads.head import Head

CHANNEL_OF = {
    "global_orient": "rotation", "neck_pose": "neck", "jaw_pose": "jaw", "transl": "translation",
    "expression": "expression",
}  # fmt: skip
EYES = ("leye_pose", "reye_pose")
NAMES = (*CHANNEL_OF, *EYES, "betas")


def smplx_parameters(channels: Channels, shape: Tensor) -> dict[str, Tensor]:
    """Channels of T frames and shape [S] as keyword arguments of smplx's FLAME: views of the same memory."""
    found = {name: getattr(channels, channel) for name, channel in CHANNEL_OF.items()}
    found |= dict(zip(EYES, channels.eyes.unbind(1), strict=True))
    return {**found, "betas": shape.expand(len(channels.expression), -1)}


def channels_of_smplx(parameters: Mapping[str, Any], head: Head) -> dict[str, Tensor]:
    """`shape` and the channels but for `eyelids` from keyword arguments of smplx's FLAME, float32.

    What is not given is 0, and so is the expression of the head's axes beyond those given. BadInput for an unknown
    name, for sizes that do not fit, and for betas that change from frame to frame.
    """
    if unknown := sorted(parameters.keys() - set(NAMES)):
        raise BadInput(f"from_smplx: no parameter {unknown[0]!r}; known are {', '.join(NAMES)}")
    if "expression" not in parameters:
        raise BadInput(f"from_smplx: expected expression [T, E] among the parameters, got {', '.join(parameters)}")
    expressions = head.expression.shape[-1]
    given = {name: torch.as_tensor(value, dtype=torch.float32) for name, value in parameters.items()}
    expression = given["expression"]
    if expression.ndim != 2 or expression.shape[1] > expressions:
        raise BadInput(f"from_smplx: expression: expected [T, E], E <= {expressions}, got {list(expression.shape)}")
    frames = len(expression)
    for name in NAMES:
        if name not in ("expression", "betas"):
            pose = given.setdefault(name, expression.new_zeros(frames, 3))
            if tuple(pose.shape) != (frames, 3):
                raise BadInput(f"from_smplx: {name}: expected axis-angle or m [{frames}, 3], got {list(pose.shape)}")
    given["expression"] = torch.nn.functional.pad(expression, (0, expressions - expression.shape[1]))
    found = {channel: given[name] for name, channel in CHANNEL_OF.items()}
    found["eyes"] = torch.stack([given[eye] for eye in EYES], 1)
    betas = given.get("betas", torch.zeros(head.identity.shape[-1]))
    return {**found, "shape": _shape_of(betas, frames)}


def _shape_of(betas: Tensor, frames: int) -> Tensor:
    """The one shape [S] of betas [S], [1, S] or [T, S]."""
    rows = betas[None] if betas.ndim == 1 else betas
    if rows.ndim != 2 or len(rows) not in (1, frames):
        raise BadInput(f"from_smplx: betas: expected [S], [1, S] or [{frames}, S], got {list(betas.shape)}")
    if bool((rows != rows[:1]).any()):
        raise BadInput("from_smplx: betas: expected one person, got betas that change from frame to frame")
    return rows[0]
