"""A motion that was made of words or sound, moving as somebody moves."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import rotations
from ..heads.library import load_head
from ..retargeting.lips import with_jaw_above
from ..retargeting.mouth import mouth_of
from ..sequence import FlameSequence
from .blinks import with_blinks
from .statistics import BROWS, HEAD, SMILE, USUAL, Movement, Style, measure_style, preset, split_track

LEAST, MOST = 0.25, 4.0  # times as far: beyond, the two have nothing to do with each other
ASKED_LEAST, ASKED_MOST = 0.5, 2.0  # where words asked for the movement
WIDE = {"head": 12.0, "shift": 20.0, "brows": 0.5, "mouth": 0.3}  # degrees, mm, 1, eyes' distances
STEADY, EYES_TURN = 0.8, math.radians(10)  # share of a further turn that the eyes undo, and how far they can
TILT, LIFT, CHEER = 6.0, 0.25, 0.25  # degrees, 1, 1: a rest is taken over as far as that
SHAPING = ("mouthSmile", "mouthStretch", "mouthDimple", "mouthPucker", "mouthFunnel")  # axes that change the width
GROUPS = ("head", "brows", "mouth")


def restyled(
    motion: FlameSequence, style: Style, *, asked: Collection[str] = (), lids: bool = True, seed: int = 0
) -> tuple[FlameSequence, dict[str, float]]:
    """A motion of the built-in head with a style's amplitude, tempo and rest; and how many times as far each part goes.

    Each track's part below and above `statistics.SPLIT` gets the style's spread, so that events stay when they were.
    asked: which of `GROUPS` words asked for: there the style is set against the usual one instead of the motion's own,
    and fades out where the movement is `WIDE`: a turn by 45 degrees stays one. lids: blinks take the style's rate and
    length. A motion too short to be measured is set against the usual style, too.
    """
    usual = preset(USUAL)
    own = measure_style(motion) if motion.duration >= 2.0 else usual
    gains: dict[str, float] = {}
    for group, change in (("head", _head), ("brows", _brows), ("mouth", _mouth)):
        meant = group in asked or own is usual
        motion = change(motion, style, usual if meant else own, meant, gains)
    if lids and style.blinks is not None:
        rng = np.random.default_rng([seed, 11])
        blinking = with_blinks(
            motion.eyelids.numpy(), motion.fps, style.blinks.per_minute, style.blinks.seconds, rng
        )  # fmt: skip
        motion = replace(motion, eyelids=torch.from_numpy(np.asarray(blinking, np.float32)))
    return motion, gains


def _gain(wanted: float, own: float, meant: bool) -> float:
    """How many times as far; 1 where nothing moves that could."""
    if own < 1e-4:
        return 1.0
    low, high = (ASKED_LEAST, ASKED_MOST) if meant else (LEAST, MOST)
    return min(max(wanted / own, low), high)


def _fading(size: Any, gain: float, wide: float | None) -> Any:
    """The factor for movements of a size: `gain`, and 1 for wide ones."""
    return gain if wide is None else 1 + (gain - 1) * np.exp(-((size / wide) ** 2))


def _grown(
    track: np.ndarray, fps: float, wanted: Movement, own: Movement, wide: float | None
) -> tuple[np.ndarray, float]:
    """A track [T] about 0 with its slow and its quick part grown, and how many times as far both go together."""
    slow, quick = split_track(track, fps)
    gains = [_gain(getattr(wanted, part), getattr(own, part), wide is not None) for part in ("slow", "quick")]
    size = np.abs(track)
    grown = _fading(size, gains[0], wide) * slow + _fading(size, gains[1], wide) * quick
    return grown, float(np.hypot(gains[0] * own.slow, gains[1] * own.quick) / max(own.spread, 1e-9))


def _offset(wanted: Movement, own: Movement, most: float) -> float:
    """What is added for the style's rest."""
    return 0.0 if wanted.rest is None else min(max(wanted.rest - (own.rest or 0.0), -most), most)


def _head(motion: FlameSequence, style: Style, own: Style, meant: bool, gains: dict[str, float]) -> FlameSequence:
    """Turns about their mean, or about straight ahead where they were asked for; a clip's camera says what yaw is 0.

    Eyes stay on what they look at, as those of people do when a head turns.
    """
    middle = torch.zeros(3) if meant else rotations.mean(motion.neck)
    turn = rotations.compose(motion.neck, -middle.expand_as(motion.neck)).rad2deg()
    place = motion.translation.new_zeros(3) if meant else motion.translation.mean(0)
    tracks = torch.cat([turn, 1000 * (motion.translation - place)], 1).double().numpy()
    grown = np.empty_like(tracks)
    for k, name in enumerate(HEAD):
        wide = WIDE["head" if k < 3 else "shift"] if meant else None
        grown[:, k], gains[name] = _grown(tracks[:, k], motion.fps, style.tracks[name], own.tracks[name], wide)
    tilt = [_offset(style.tracks[name], own.tracks[name], TILT) * (name != "yaw") for name in HEAD[:3]]
    turned = torch.from_numpy(np.radians(grown[:, :3])).float()
    rest = middle + torch.tensor(tilt).deg2rad()
    neck = rotations.compose(turned, rest.expand_as(turned))
    eyes = motion.eyes.clone()
    eyes[..., :2] -= (STEADY * (neck - motion.neck)[:, None, :2]).clamp(-EYES_TURN, EYES_TURN)
    place = place + torch.from_numpy(grown[:, 3:] / 1000).float()
    return replace(motion, neck=neck, eyes=eyes, translation=place)


def _brows(motion: FlameSequence, style: Style, own: Style, meant: bool, gains: dict[str, float]) -> FlameSequence:
    """Each axis of the brows about its rest."""
    names, expression = load_head().expression_names, motion.expression.clone()
    for name, axes in BROWS.items():
        columns = [names.index(axis) for axis in axes]
        rest = 0.0 if meant else own.tracks[name].rest or 0.0
        lift = _offset(style.tracks[name], own.tracks[name], LIFT)
        for column in columns:
            track = expression[:, column].double().numpy() - rest
            wide = WIDE["brows"] if meant else None
            grown, gains[name] = _grown(track, motion.fps, style.tracks[name], own.tracks[name], wide)
            expression[:, column] = torch.from_numpy(grown + rest + lift).float()
    return replace(motion, expression=expression)


def _mouth(motion: FlameSequence, style: Style, own: Style, meant: bool, gains: dict[str, float]) -> FlameSequence:
    """The mouth opens and widens by the style's spread; lips that meet, meet."""
    mouth, names = mouth_of(load_head()), load_head().expression_names
    for name in ("opening", "width"):
        gains[name] = _gain(style.tracks[name].spread, own.tracks[name].spread, meant)
    lower = motion.expression @ mouth.lower.T
    gap = mouth.gap(motion)
    wide = WIDE["mouth"] if meant else None
    open_: Tensor = torch.as_tensor(_fading(gap.numpy(), gains["opening"], wide), dtype=torch.float32).expand_as(gap)
    shaping = torch.tensor([name.startswith(SHAPING) for name in names])
    factor = torch.where(shaping, gains["width"], open_[:, None])
    expression = motion.expression + (factor - 1) * lower
    cheer = _offset(style.tracks["smile"], own.tracks["smile"], CHEER)
    expression[:, [names.index(axis) for axis in SMILE]] += cheer
    jaw = with_jaw_above(motion.jaw * open_[:, None], motion.jaw[:, :1].clamp_max(0))
    shaped = replace(motion, expression=expression, jaw=jaw)
    excess = mouth.gap(shaped) - open_ * gap
    return replace(shaped, expression=expression + excess[:, None] * mouth.closing)
