"""What the fields of a clip must be: BadInput names the field, what was expected and what came."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.errors import BadInput
from .channels import CHANNELS, axes_of

MAX_VALUE = 1e4  # coefficients, rad or m: far above any body's, and float32 products stay finite


def checked_fps(fps: Any) -> float:
    """A frame rate above 0 and finite, as float."""
    number = isinstance(fps, (int, float, np.integer, np.floating)) and not isinstance(fps, bool)
    if not number or not 0 < fps < float("inf"):
        raise BadInput(f"FlameSequence.fps: expected a number above 0, got {fps!r}")
    return float(fps)


def checked_tensors(values: dict[str, Any]) -> dict[str, Tensor]:
    """`shape` and every channel by name as float32 tensors that fit together, finite and within MAX_VALUE."""
    tensors = {name: _as_float(name, value) for name, value in values.items()}
    shape, expression = tensors["shape"], tensors["expression"]
    if shape.ndim != 1:
        raise BadInput(f"FlameSequence.shape: expected [S], got {list(shape.shape)}")
    frames = expression.shape[0] if expression.ndim else 0
    if frames == 0:
        raise BadInput(f"FlameSequence.expression: expected [T, E] with T >= 1, got {list(expression.shape)}")
    for name in CHANNELS:
        value = tensors[name]
        expected = (frames, *axes_of(name, value.shape[-1] if value.ndim else 0))
        if tuple(value.shape) != expected:
            label = "[T, E]" if name == "expression" else str(list(expected))
            raise BadInput(f"FlameSequence.{name}: expected {label}, got {list(value.shape)}")
    for name, value in tensors.items():
        _check_range(name, value)
    return tensors


def _as_float(name: str, value: Any) -> Tensor:
    """A float32 tensor of `value` (tensor, array or nested numbers); gradients go through."""
    try:
        tensor = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise BadInput(f"FlameSequence.{name}: expected an array of numbers, got {type(value).__name__}") from error
    if tensor.is_complex() or tensor.dtype == torch.bool:
        raise BadInput(f"FlameSequence.{name}: expected real numbers, got {tensor.dtype}")
    return tensor.to(torch.float32)


def _check_range(name: str, value: Tensor) -> None:
    """BadInput for NaN, infinity and, in the channels, more than MAX_VALUE; it names the place of the first."""
    size = value.detach().abs()
    fine = size <= MAX_VALUE if name in CHANNELS else torch.isfinite(size)
    if not bool(fine.all()):
        place = torch.nonzero(~fine)[0].tolist()
        given = float(value[tuple(place)])
        expected = f"numbers within -{MAX_VALUE:g}..{MAX_VALUE:g}" if math.isfinite(given) else "finite numbers"
        raise BadInput(f"FlameSequence.{name}: expected {expected}, got {given:g} at {place}")
