"""A motion file of any kind: ours, ARKit's CSV, the tracks of VHAP and CAP4D."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ...core.errors import BadInput
from ...core.files import PathLike
from ...core.npz import load_arrays
from ..heads.head import DEFAULT_HEAD, Head
from ..heads.library import load_head
from ..retargeting.retarget import retarget
from ..sequence import FlameSequence
from .arkit import from_arkit, has_shapes
from .arkit_csv import read_arkit_csv
from .trackers import CAP4D_KEYS, VHAP_KEYS, read_cap4d, read_vhap, track_rate

TRACK_RATE = 25.0  # Hz, of a track that does not say its own


def load_motion(
    path: PathLike, head: str | Head = DEFAULT_HEAD, fps: float | None = None
) -> tuple[FlameSequence, list[str]]:
    """A motion file of any kind, and notes of what was assumed or lost: ours, an ARKit `.csv`, a VHAP or CAP4D `.npz`.

    head: whose coefficients they are, where the file does not say (all but ours). fps: the rate, Hz, where the file
    does not say (else 25 for a VHAP or CAP4D track, 30 for a CSV without times); a rate in the file is preferred, with
    a note. BadInput where it is none of these; nothing in it is ever executed.
    """
    if fps is not None and not 0 < fps < float("inf"):
        raise BadInput(f"the rate of a motion file must be a number above 0 Hz, got {fps:g}")
    if Path(path).suffix.lower() == ".csv":
        motion, notes = _take_on(path, load_head(head), fps)
    elif Path(path).is_dir() or "format_version" not in (arrays := load_arrays(path)) and _is_track(arrays.keys()):
        return _track(path, head, fps)
    else:
        motion, notes = FlameSequence.load(path), []
    return motion, notes + _unused(path, motion.fps, fps)


def _is_track(keys: Iterable[str]) -> bool:
    return any(set(known) <= set(keys) for known in (VHAP_KEYS, CAP4D_KEYS))


def _track(path: PathLike, head: str | Head, fps: float | None) -> tuple[FlameSequence, list[str]]:
    """A VHAP or CAP4D track at its own rate, else at `fps`, else at the usual one."""
    vhap = Path(path).is_dir() or set(VHAP_KEYS) <= load_arrays(path).keys()
    fields, own_fps = (read_vhap if vhap else read_cap4d)(path, head), track_rate(path)
    notes = _unused(path, own_fps, fps) if own_fps is not None else []
    if own_fps is None and fps is None:
        kind = "VHAP" if vhap else "CAP4D"
        notes = [f"{path} is a {kind} track, which does not say its rate: {TRACK_RATE:g} Hz taken; give --motion-fps"]
    return FlameSequence(**fields, fps=own_fps or fps or TRACK_RATE), notes


def _unused(path: PathLike, own_fps: float, fps: float | None) -> list[str]:
    """The note that a given rate was not needed."""
    return (
        [] if fps is None or fps == own_fps else [f"{path} says its own rate, {own_fps:g} Hz: {fps:g} Hz is not used"]
    )


def _take_on(path: PathLike, head: Head, fps: float | None) -> tuple[FlameSequence, list[str]]:
    """A take on any head: read on the built-in one and retargeted where the head has no ARKit axes."""
    if has_shapes(head):
        return from_arkit_csv(path, head, fps)
    motion, notes = from_arkit_csv(path, fps=fps)
    return retarget(motion, head), [*notes, f"head {head.id} has no ARKit axes: the take was retargeted to it"]


def from_arkit_csv(
    path: PathLike, head: str | Head = DEFAULT_HEAD, fps: float | None = None
) -> tuple[FlameSequence, list[str]]:
    """A take of Live Link Face (or any CSV with ARKit's names), with notes; see `arkit_csv` and `arkit`.

    `fps`: the rate where the file has no times. BadInput for what is no such file, and for a head without ARKit's axes.
    """
    take = read_arkit_csv(path, fps)
    try:
        return from_arkit(take, load_head(head)), take.notes
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from error
