"""A motion file of any kind: ours, ARKit's CSV, the tracks of VHAP and CAP4D."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BadInput
from ..npz import load_arrays
from ..retarget import retarget
from ..sequence import FlameSequence
from .arkit import from_arkit, has_shapes
from .arkit_csv import read_arkit_csv
from .trackers import CAP4D_KEYS, VHAP_KEYS, Where, head_named

if TYPE_CHECKING:
    from ..heads import Head


def load_motion(path: Where, head: str | Head = "open", fps: float = 25.0) -> tuple[FlameSequence, list[str]]:
    """A motion file of any kind, and what to know about it: ours, an ARKit `.csv`, a VHAP or CAP4D `.npz`.

    `head` is who moves where the file does not say (all but ours), `fps` the rate where it does not (VHAP and CAP4D).
    BadInput where it is none of these; nothing in it is ever executed.
    """
    if Path(path).suffix.lower() == ".csv":
        return _take_on(path, head_named(head))
    if Path(path).is_dir():
        return FlameSequence.from_vhap(path, head, fps), []
    arrays = load_arrays(path)
    if "format_version" not in arrays:
        for keys, reader, origin in (
            (VHAP_KEYS, FlameSequence.from_vhap, "VHAP"),
            (CAP4D_KEYS, FlameSequence.from_cap4d, "CAP4D"),
        ):
            if set(keys) <= arrays.keys():
                return reader(path, head, fps), [f"{path} is a {origin} track, which does not say its rate: {fps:g} Hz"]
    return FlameSequence.load(path), []


def _take_on(path: Where, head: Head) -> tuple[FlameSequence, list[str]]:
    """A take on any head: by the built-in one and retargeted where the head has no ARKit axes of its own."""
    if has_shapes(head):
        return from_arkit_csv(path, head)
    motion, notes = from_arkit_csv(path)
    return retarget(motion, head), [*notes, f"head {head.id} has no ARKit axes: the take was retargeted to it"]


def from_arkit_csv(path: Where, head: str | Head = "open") -> tuple[FlameSequence, list[str]]:
    """A take of Live Link Face (or any CSV with ARKit's names), and what to know about it; see `arkit_csv`, `arkit`.

    BadInput for what is no such file, and for a head without ARKit's axes.
    """
    take = read_arkit_csv(path)
    try:
        return from_arkit(take, head_named(head)), take.notes
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from error
