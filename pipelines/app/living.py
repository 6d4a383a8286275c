"""The living portrait of an upload: the player's file of its photo, and where it lies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...core.files import atomic_path

if TYPE_CHECKING:
    from ..fit import Fitted, Sight

SIZE = 768  # px, the longest side of its photo at most: a panel of the page shows no more


def file_of(photo: Path, face: int) -> Path:
    """Where the living portrait of an upload lies: beside it, and it goes with it."""
    return photo.parent / f"face{face}.portrait"


def address_of(photo: Path, face: int) -> str:
    """Where its visitor's browser finds it, from the page."""
    return f"app/portraits/{photo.parent.name}/{face}"


def kept_in(photo: Path) -> Path:
    """The folder of this visitor's fitted portraits, so that a job need not fit the photo again."""
    return photo.parent.parent / "portraits"


def write_portrait(sight: Sight | Fitted, target: Path) -> None:
    """Writes the player's file of a photo that was looked at. BadInput."""
    from ...generator.warp.scene import prepare
    from ..fit import open_portrait
    from ..framing import framed
    from ..player.scene_file import scene_file

    portrait = open_portrait(sight).portrait
    size = min(SIZE, max(portrait.image.shape[:2]))
    made = scene_file(prepare(framed(portrait, "photo", size)), quick=True)
    with atomic_path(target) as hidden:
        Path(hidden).write_bytes(made.packed())
