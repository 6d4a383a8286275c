"""What `flamecast prepare` shares: the videos of footage, who is in them, and what was made of them before."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..core.files import PathLike, decoded, existing_file, lines_of
from ..flame_motion import BadInput

VIDEOS = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg")


def check_names(names: Iterable[str]) -> None:
    """BadInput where two clips would be written under one name."""
    if twice := sorted(name for name, count in Counter(names).items() if count > 1):
        raise BadInput(f"several clips are called {twice[0]}: rename all but one, or prepare them into another folder")


def content(path: Path) -> str:
    """A file's content, in twelve letters: what was made of it is known by that. BadInput."""
    with existing_file(path, "the clip").open("rb") as file:
        return hashlib.sha256(file.read()).hexdigest()[:12]


def footage_files(paths: Iterable[PathLike]) -> Iterator[tuple[Path, str]]:
    """The videos among paths and in folders, and who is in them: `speaker` of the folder's INDEX.tsv, or the name."""
    for path in map(Path, paths):
        if not path.is_dir():
            yield path, path.stem
            continue
        names = _speakers(path / "INDEX.tsv")
        for file in sorted(path.iterdir()):
            if file.suffix.lower() in VIDEOS:
                yield file, names.get(file.name, file.stem)


def _speakers(table: Path) -> dict[str, str]:
    """Who speaks, by file."""
    if not table.is_file():
        return {}
    rows = csv.DictReader(lines_of(decoded(table.read_bytes())), delimiter="\t")
    return {row["file"]: row["speaker"] for row in rows if row.get("file") and row.get("speaker")}
