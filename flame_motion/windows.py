"""Overlapping windows over a clip of any length, and the cross-fade that joins their results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from ..core.easing import smoothstep


class Window(NamedTuple):
    """Frames start..stop are computed together; start..keep are final, and the next window starts at keep."""

    start: int
    stop: int
    keep: int


def windows(count: int, size: int, overlap: int) -> Iterator[Window]:
    """Windows of at most `size` frames over `count`, neighbours `overlap` frames over each other; keeps tile the clip.

    Every window but a lone one is longer than the overlap. ValueError unless 0 <= overlap < size.
    """
    if not 0 <= overlap < size:
        raise ValueError(f"windows: expected 0 <= overlap < size, got overlap {overlap} and size {size}")
    start = 0
    while start < count:
        stop = min(start + size, count)
        keep = count if stop == count else stop - overlap
        yield Window(start, stop, keep)
        start = keep


def crossfade_weights(overlap: int, device: torch.device | str | None = None) -> Tensor:
    """Weights [overlap] in 0..1 (ends excluded) of the later window along an S-curve; the earlier one has 1 - weight.

    The ramp is point-symmetric, so the weights of the earlier window are these backwards.
    """
    return smoothstep(torch.arange(1, overlap + 1, device=device) / (overlap + 1))


def merge(parts: Iterable[Tensor], overlap: int) -> Iterator[Tensor]:
    """Final frames [..., t, D] of windows [..., T, D] that come one after the other, `overlap` frames cross-faded.

    Keeps `overlap` frames in memory beside the current part. The frames are as many as the clip that `windows` cut
    has, and do not depend on how many are read at once. ValueError where a part is shorter than the overlap.
    """
    tail: Tensor | None = None
    for part in parts:
        cut = part.shape[-2] - overlap
        if cut < 0 and tail is not None:
            raise ValueError(f"merge: a part of {part.shape[-2]} frames is shorter than the overlap of {overlap}")
        if tail is not None:
            share = crossfade_weights(overlap, part.device).to(part.dtype)[:, None]
            if tail.shape[-2] < overlap:
                raise ValueError(f"merge: {tail.shape[-2]} frames before the last part, expected {overlap}")
            part = torch.cat([torch.lerp(tail, part[..., :overlap, :], share), part[..., overlap:, :]], -2)
        if cut > 0:
            yield part[..., :cut, :]
        tail = part[..., max(cut, 0) :, :]
    if tail is not None and tail.shape[-2] > 0:
        yield tail
