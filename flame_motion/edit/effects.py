"""Changes of a clip as a whole: amplified, smoothed, played faster, warped in time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ...core.errors import BadInput
from .. import rotations
from ..channels import CHANNELS, ROTATIONS
from ..retargeting.lips import with_jaw_above
from ..retargeting.rest import rest_of
from ..sequence import FlameSequence
from .keyframes import curve

LONGEST = 3600.0  # s, of a warped clip


def amplify(motion: FlameSequence, gain: Tensor | float) -> FlameSequence:
    """The clip with its movement away from its own rest (`rest_of`) times `gain`, a number or [T].

    Rotations along the geodesic through the rest; lids stay within 0..1 and the jaw never closes beyond shut. Where
    the gain is 1 nothing changes, bit for bit.
    """
    rest = rest_of(motion)
    rest = replace(rest, translation=motion.translation.mean(0, keepdim=True))
    factor = torch.as_tensor(gain, dtype=torch.float32).expand(len(motion))
    changes: dict[str, Any] = {}
    for name, axes in CHANNELS.items():
        track, middle = getattr(motion, name), getattr(rest, name)
        share = factor.reshape(-1, *[1] * len(axes))
        if name in ROTATIONS:
            middle = middle.expand_as(track)
            grown = rotations.compose(share * rotations.compose(track, -middle), middle)
        else:
            grown = middle + share * (track - middle)
        changes[name] = torch.where(share == 1, track, grown)
    changes["eyelids"] = changes["eyelids"].clamp(0, 1)
    changes["jaw"] = with_jaw_above(changes["jaw"], motion.jaw[:, :1].clamp_max(0))
    return replace(motion, **changes)


def smooth(motion: FlameSequence, width: float) -> FlameSequence:
    """The clip low-passed without lag by a Gaussian whose full width at half maximum is `width` s.

    Beyond its ends the clip is continued by its point reflection, so that a steady movement stays as it is to the last
    frame. Rotations are averaged as unit quaternions.
    """
    sigma = width * motion.fps / math.sqrt(8 * math.log(2))
    reach = min(math.ceil(4 * sigma), len(motion) - 1)
    if reach == 0:
        return motion
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma).square())
    kernel = kernel / kernel.sum()
    changes: dict[str, Any] = {}
    for name in CHANNELS:
        track = getattr(motion, name)
        if name in ROTATIONS:
            smoothed = _convolved(rotations.continuous(rotations.quaternion_from_axis_angle(track)), kernel)
            changes[name] = rotations.axis_angle_from_quaternion(torch.nn.functional.normalize(smoothed, dim=-1))
        else:
            changes[name] = _convolved(track, kernel)
    changes["eyelids"] = changes["eyelids"].clamp(0, 1)
    return replace(motion, **changes)


def warp(motion: FlameSequence, points: Sequence[tuple[float, float, str]]) -> FlameSequence:
    """The clip along a time map: at each output time s the source time s, going on by an ease of `keyframes.EASES`.

    The result is round(last output time * fps) frames long (at least 1) at the same rate; the source time may stand
    still or run backwards. BadInput unless the output times start at 0 and ascend.
    """
    times = [time for time, _, _ in points]
    if len(points) < 2 or times[0] != 0 or any(b <= a for a, b in zip(times, times[1:], strict=False)):
        raise BadInput(f"warp: expected at least two output times that start at 0 and ascend, got {times}")
    if times[-1] > LONGEST:
        raise BadInput(f"warp: expected at most {LONGEST:g} s of output, got {times[-1]:g}")
    frames = max(1, round(times[-1] * motion.fps))
    sources = curve(points, torch.arange(frames, dtype=torch.float64) / motion.fps)
    return motion.sample(sources * motion.fps, motion.fps)


def speed(motion: FlameSequence, factor: float) -> FlameSequence:
    """The clip `factor` times as fast: round(duration / factor * fps) frames (at least 1) at the same rate."""
    if not motion.duration / factor <= LONGEST:
        raise BadInput(f"speed: {factor:g} makes a clip of {motion.duration / factor:g} s, at most {LONGEST:g} wanted")
    frames = max(1, round(len(motion) / factor))
    return motion.sample(torch.arange(frames, dtype=torch.float64) * factor, motion.fps)


def _convolved(track: Tensor, kernel: Tensor) -> Tensor:
    """A track [T, ...] under a kernel [2R+1], continued beyond its ends by point reflection; R < T."""
    reach, flat = len(kernel) // 2, track.flatten(1)
    start = 2 * flat[:1] - flat[1 : reach + 1].flip(0)
    end = 2 * flat[-1:] - flat[-reach - 1 : -1].flip(0)
    padded = torch.cat([start, flat, end]).T[:, None]  # [channels, 1, T + 2R]
    return torch.nn.functional.conv1d(padded, kernel[None, None])[:, 0].T.reshape(track.shape)
