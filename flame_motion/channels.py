"""The channels of a motion, which move a head frame by frame, as plain tensors of any dtype, device and batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Protocol

import torch
from torch import Tensor

from ..core.errors import BadInput

# Every channel that has a frame axis, with the axes behind it (None: the head decides).
CHANNELS: dict[str, tuple[int | None, ...]] = {
    "expression": (None,),
    "rotation": (3,),
    "neck": (3,),
    "jaw": (3,),
    "eyes": (2, 3),
    "eyelids": (2,),
    "translation": (3,),
}
ROTATIONS = ("rotation", "neck", "jaw", "eyes")


def axes_of(name: str, expressions: int) -> tuple[int, ...]:
    """The axes of a channel behind its frame axis, on a head with so many expression axes."""
    return tuple(expressions if axis is None else axis for axis in CHANNELS[name])


class Channels(Protocol):
    """What posing reads: a `FlameSequence`, or a `Pose` of plain tensors. All share their leading axes [..., T]."""

    @property
    def expression(self) -> Tensor: ...  # [..., T, E]
    @property
    def rotation(self) -> Tensor: ...  # [..., T, 3] rad
    @property
    def neck(self) -> Tensor: ...  # [..., T, 3] rad
    @property
    def jaw(self) -> Tensor: ...  # [..., T, 3] rad
    @property
    def eyes(self) -> Tensor: ...  # [..., T, 2, 3] rad
    @property
    def eyelids(self) -> Tensor: ...  # [..., T, 2]
    @property
    def translation(self) -> Tensor: ...  # [..., T, 3] m


class Motion(Channels, Protocol):
    """Channels with the head and the person that they are for: a `FlameSequence`."""

    @property
    def shape(self) -> Tensor: ...  # [S]
    @property
    def head(self) -> str: ...  # the id of the head whose coefficients these are


@dataclass(frozen=True, eq=False)
class Pose:
    """A motion's channels as plain tensors with leading axes, as losses and gradient checks pose heads by them.

    One float dtype, one device; values are not checked. BadInput where the axes do not fit together.
    """

    expression: Tensor  # [..., T, E]
    rotation: Tensor  # [..., T, 3] rad, the whole body about joint 0
    neck: Tensor  # [..., T, 3] rad
    jaw: Tensor  # [..., T, 3] rad
    eyes: Tensor  # [..., T, 2, 3] rad, left and right
    eyelids: Tensor  # [..., T, 2] left and right, 0 open, 1 shut
    translation: Tensor  # [..., T, 3] m

    def __post_init__(self) -> None:
        lead = self.expression.shape[:-1]
        if not lead:
            raise BadInput(f"Pose.expression: expected [..., T, E], got {list(self.expression.shape)}")
        for name in CHANNELS:
            value = getattr(self, name)
            expected = (*lead, *axes_of(name, value.shape[-1]))
            if tuple(value.shape) != expected:
                raise BadInput(
                    f"Pose.{name}: expected {list(expected)} beside expression {list(self.expression.shape)}, "
                    f"got {list(value.shape)}; all channels share their leading axes"
                )

    @classmethod
    def of(cls, channels: Channels | Mapping[str, Tensor], expressions: int | None = None) -> Pose:
        """The channels of a motion; or of a mapping, where those not given rest at 0 (at least one is given).

        expressions: E, needed where expression is not among them.
        """
        if not isinstance(channels, Mapping):
            return cls(**{name: getattr(channels, name) for name in CHANNELS})
        if unknown := sorted(channels.keys() - CHANNELS.keys()):
            raise BadInput(f"Pose: no channel {unknown[0]!r}; the channels are {', '.join(CHANNELS)}")
        if not channels:
            raise BadInput("Pose: expected at least one channel, got none")
        if "expression" not in channels and expressions is None:
            raise BadInput("Pose: expected expression among the channels, or `expressions`, how many axes it has")
        name, some = next(iter(channels.items()))
        lead = some.shape[: some.ndim - len(CHANNELS[name])]
        size = channels["expression"].shape[-1] if expressions is None else expressions
        rest = {other: some.new_zeros(*lead, *axes_of(other, size)) for other in CHANNELS if other not in channels}
        return cls(**channels, **rest)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Pose:
        """The same on another device or in another float dtype; gradients go through."""
        return Pose(**{field.name: getattr(self, field.name).to(device, dtype) for field in fields(self)})
