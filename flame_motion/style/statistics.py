"""A person's style: amplitude, tempo and rest of head, brows and mouth, and how often and how long the lids blink."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...core.errors import BadInput
from ...core.files import PathLike, atomic_path, existing_file
from .. import rotations
from ..heads.library import load_head
from ..retargeting.mouth import mouth_of
from ..retargeting.rest import rest_of
from ..retargeting.retarget import retarget
from ..sequence import FlameSequence
from .blinks import blinks_in

PRESETS = ("calm", "lively", "presenter")
USUAL = "usual"  # the middle of all clips, which words are spoken in when nothing else is said
FORM = 1  # of the file
SPLIT = 0.6  # Hz: slower is posture, quicker are nods and beats
NOISE = 0.04  # s, sigma of what is taken out before anything is measured: a tracker trembles
WINDOW = 2.0  # s in which a mouth's spread is measured, since people pause
SHORTEST = 2.0  # s of a clip
SHORTEST_FOR_BLINKS = 8.0  # s: in less, two blinks more or less are chance
HEAD = ("pitch", "yaw", "roll", "x", "y", "z")  # degrees and mm
BROWS = {  # what each is the mean of
    "brows_raised": ("browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    "brows_lowered": ("browDownLeft", "browDownRight"),
}
SMILE = ("mouthSmileLeft", "mouthSmileRight")
MOUTH = ("opening", "width")  # by the eyes' distance
TRACKS = (*HEAD, *BROWS, *MOUTH, "smile")


@dataclass(frozen=True)
class Movement:
    """Of one track: where it rests (None: said nothing about), and its spread below and above `SPLIT`."""

    rest: float | None
    slow: float
    quick: float

    @property
    def spread(self) -> float:
        """Of both together."""
        return math.hypot(self.slow, self.quick)


@dataclass(frozen=True)
class Blinks:
    """How often lids blink, and how long at half their way."""

    per_minute: float
    seconds: float


@dataclass(frozen=True)
class Style:
    """Statistics of how somebody moves. Nothing of a clip itself is in it."""

    tracks: dict[str, Movement]  # by `TRACKS`
    blinks: Blinks | None = None  # None: too short a clip, or no blink was seen
    source: str = ""
    seconds: float = 0.0

    def save(self, path: PathLike) -> None:
        """Writes a small JSON."""
        with atomic_path(path) as file:
            Path(file).write_text(json.dumps({"flamecast_style": FORM, **asdict(self)}, indent=1) + "\n", "utf-8")

    @classmethod
    def load(cls, path: PathLike) -> Style:
        """Reads what `save` wrote. BadInput for anything else."""
        file = existing_file(path, "the style")
        try:
            return cls.of(json.loads(file.read_text(encoding="utf-8")))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadInput(
                f"the style {path} is none: expected what `flamecast export motion.npz -o NAME.style.json` writes "
                f"({type(error).__name__}: {str(error)[:60]})"
            ) from None

    @classmethod
    def of(cls, found: dict[str, Any]) -> Style:
        """The style that JSON holds. ValueError, KeyError or TypeError for anything else."""
        if found["flamecast_style"] != FORM:
            raise ValueError(f"form {found['flamecast_style']}, and {FORM} is read")
        tracks = {name: Movement(**found["tracks"][name]) for name in TRACKS}
        blinks = None if found["blinks"] is None else Blinks(**found["blinks"])
        numbers = [value for track in tracks.values() for value in (track.rest or 0.0, track.slow, track.quick)]
        numbers += [] if blinks is None else [blinks.per_minute, blinks.seconds]
        if not all(math.isfinite(value) and abs(value) < 1000 for value in numbers):
            raise ValueError("a number is out of range")
        if any(min(track.slow, track.quick) < 0 for track in tracks.values()):
            raise ValueError("a spread is below 0")
        return cls(tracks, blinks, str(found["source"]), float(found["seconds"]))


@cache
def preset(name: str) -> Style:
    """One of `PRESETS`, or `USUAL`; `presets.json` says which clips each comes from."""
    return Style.of(json.loads(Path(__file__).with_name("presets.json").read_text(encoding="utf-8"))[name])


def measure_style(motion: FlameSequence, source: str = "") -> Style:
    """The style of a motion of any head. BadInput for less than `SHORTEST` seconds."""
    if motion.duration < SHORTEST:
        raise BadInput(
            f"the style {source or 'clip'} lasts {motion.duration:.1f} s, expected {SHORTEST:g} s of a person or more"
        )
    own = motion if motion.head == load_head().id else retarget(motion, load_head())
    rests = rest_values(own)
    tracks = {}
    for name, track in measured_tracks(own).items():
        slow, quick = _spreads(track, own.fps, windowed=name in MOUTH)
        tracks[name] = Movement(round(rests[name], 4), round(slow, 4), round(quick, 4))
    tracks["smile"] = Movement(round(rests["smile"], 4), 0.0, 0.0)
    found = blinks_in(own.eyelids.mean(1).numpy(), own.fps)
    blinks = None
    if len(found) and own.duration >= SHORTEST_FOR_BLINKS:
        seconds = float(np.median([blink.seconds for blink in found]))
        blinks = Blinks(round(60 * len(found) / own.duration, 2), round(seconds, 3))
    return Style(tracks, blinks, source, round(own.duration, 2))


def measured_tracks(motion: FlameSequence) -> dict[str, np.ndarray]:
    """Tracks [T] by name of a motion of the built-in head, the head's counted from its mean pose."""
    turn = rotations.compose(motion.rotation, motion.neck)
    turn = rotations.compose(turn, -rotations.mean(turn).expand_as(turn)).rad2deg()
    shift = 1000 * (motion.translation - motion.translation.mean(0))
    tracks = dict(zip(HEAD, torch.cat([turn, shift], 1).numpy().T))
    names = load_head().expression_names
    for name, axes in BROWS.items():
        tracks[name] = motion.expression[:, [names.index(axis) for axis in axes]].mean(1).numpy()
    mouth = mouth_of(load_head())
    gaps = torch.cat([motion.jaw, motion.expression], 1) @ mouth.gaps
    return tracks | {"opening": gaps[:, :3].mean(1).numpy(), "width": gaps[:, 3].numpy()}


def rest_values(motion: FlameSequence) -> dict[str, float]:
    """Where each track rests, of a motion of the built-in head."""
    rest = rest_of(motion)
    pose = rotations.compose(rest.rotation, rest.neck).rad2deg()[0].tolist()
    names = load_head().expression_names
    values = dict(zip(HEAD, [*pose, 0.0, 0.0, 0.0]))
    for name, axes in [*BROWS.items(), ("smile", SMILE)]:
        values[name] = float(rest.expression[0, [names.index(axis) for axis in axes]].mean())
    return values | dict.fromkeys(MOUTH, 0.0)


def split_track(track: np.ndarray, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """A track [T] as what is slower than `SPLIT` and the rest; together they are the track."""
    from scipy.ndimage import gaussian_filter1d

    slow = gaussian_filter1d(track, fps / (2 * math.pi * SPLIT), axis=0, mode="nearest")
    return slow, track - slow


def _spreads(track: np.ndarray, fps: float, windowed: bool) -> tuple[float, float]:
    """Spread below and above `SPLIT`; windowed: the upper quartile over windows, for what rests in between."""
    from scipy.ndimage import gaussian_filter1d

    parts = split_track(gaussian_filter1d(track.astype(np.float64), NOISE * fps, mode="nearest"), fps)
    if not windowed:
        return float(parts[0].std()), float(parts[1].std())
    size = min(max(round(WINDOW * fps), 2), len(track))
    starts = range(0, len(track) - size + 1, max(size // 2, 1))
    slow, quick = (np.percentile([part[at : at + size].std() for at in starts], 75) for part in parts)
    return float(slow), float(quick)
