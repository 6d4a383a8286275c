"""A motion as one tensor [..., T, D], as networks take it: the only module that knows where each channel stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Literal, get_args

import torch
from torch import Tensor

from ..core.errors import BadInput
from . import rotations
from .channels import CHANNELS, ROTATIONS, Channels, axes_of
from .heads.head import Head
from .sequence import FlameSequence

Rotations = Literal["axis_angle", "6d"]


@dataclass(frozen=True)
class Layout:
    """Which channels stand where in the last axis, in the order of `names`.

    Rotations as axis-angle (3 rad, packed bit for bit) or as the first two columns of their matrix ("6d": 6 numbers
    in -1..1, continuous everywhere; Zhou et al. 2019), eyes left then right.
    """

    names: tuple[str, ...]
    expressions: int  # E of the head
    rotations: Rotations = "axis_angle"

    def __post_init__(self) -> None:
        if unknown := [name for name in self.names if name not in CHANNELS]:
            raise BadInput(f"Layout: no channel {unknown[0]!r}; the channels are {', '.join(CHANNELS)}")
        if not self.names or len(set(self.names)) < len(self.names):
            raise BadInput(f"Layout: expected each channel once, at least one, got {list(self.names)}")
        if self.rotations not in get_args(Rotations):
            raise BadInput(f"Layout.rotations: expected axis_angle or 6d, got {self.rotations!r}")

    @classmethod
    def of(cls, head: Head, channels: Sequence[str] = tuple(CHANNELS), rotations: Rotations = "axis_angle") -> Layout:
        """The layout of some channels of a head's motions."""
        return cls(tuple(channels), head.expression.shape[-1], rotations)

    @cached_property
    def slices(self) -> dict[str, slice]:
        """Where each channel stands in the last axis."""
        found, start = {}, 0
        for name in self.names:
            stop = start + prod(self._axes(name))
            found[name] = slice(start, stop)
            start = stop
        return found

    @property
    def size(self) -> int:
        """D: how many numbers a frame has."""
        return self.slices[self.names[-1]].stop

    def pack(self, motion: Channels | Mapping[str, Tensor]) -> Tensor:
        """A motion, a `Pose` or tensors by name [..., T, channel] as one tensor [..., T, D]; differentiable."""
        flat = []
        for name in self.names:
            value = motion[name] if isinstance(motion, Mapping) else getattr(motion, name)
            axes = axes_of(name, self.expressions)
            if tuple(value.shape[value.ndim - len(axes) :]) != axes or value.ndim <= len(axes):
                raise BadInput(f"pack: {name}: expected [..., T, {str(list(axes))[1:-1]}], got {list(value.shape)}")
            if self._turns(name):
                value = rotations.columns_from_axis_angle(value)
            flat.append(value.flatten(value.ndim - len(self._axes(name))))
        return torch.cat(flat, -1)

    def channels(self, packed: Tensor) -> dict[str, Tensor]:
        """The channels [..., T, channel] by name of a tensor [..., T, D], rotations in axis-angle; differentiable.

        Six numbers of a rotation need not be orthonormal (a network's output): the nearest frame by Gram-Schmidt.
        """
        if packed.ndim < 2 or packed.shape[-1] != self.size:
            raise BadInput(f"Layout: expected [..., T, {self.size}], got {list(packed.shape)}")
        found = {}
        for name, place in self.slices.items():
            value = packed[..., place].unflatten(-1, self._axes(name))
            found[name] = rotations.axis_angle_from_columns(value) if self._turns(name) else value
        return found

    def unpack(self, packed: Tensor, like: FlameSequence) -> FlameSequence:
        """A tensor [T, D] as a clip: head, fps, identity and the channels not packed here are those of `like`.

        like: T frames, or one, whose other channels are then held.
        """
        if packed.ndim != 2 or len(like) not in (1, len(packed)):
            raise BadInput(
                f"unpack: expected [T, {self.size}] and 1 or T frames, got {list(packed.shape)}, {len(like)}"
            )
        held = like if len(like) == len(packed) else like.frames(torch.zeros(len(packed), dtype=torch.int64))
        values = {name: getattr(held, name) for name in CHANNELS} | self.channels(packed)
        return FlameSequence(shape=like.shape, **values, fps=like.fps, head=like.head)

    def _turns(self, name: str) -> bool:
        return self.rotations == "6d" and name in ROTATIONS

    def _axes(self, name: str) -> tuple[int, ...]:
        """The axes of a channel as it is packed."""
        axes = axes_of(name, self.expressions)
        return (*axes[:-1], 6) if self._turns(name) else axes
