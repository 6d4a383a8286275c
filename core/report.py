"""What was done, beside what was made: timings and the JSON report."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import BadInput
from .files import atomic_path, check_writable

if TYPE_CHECKING:
    from PIL.Image import Image

REPORT = re.compile(rb'\s*\{\s*"flamecast":')  # how every report begins
MARK = b"flamecast"  # in every file that is written beside an output
_ENDS = 1 << 16  # bytes at both ends of a file that may hold it


class Clock:
    """Seconds spent in each named stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def table(self, frames: int) -> dict[str, dict[str, float]]:
        """Seconds in all and milliseconds a frame, stage by stage."""
        return {
            name: {"seconds": round(spent, 4), "ms_per_frame": round(1000 * spent / max(frames, 1), 3)}
            for name, spent in self.seconds.items()
        }


def write_report(path: Path, content: dict[str, Any]) -> None:
    """Writes `content` as JSON to `path`, whole or not at all, with the version that made it."""
    text = json.dumps({"flamecast": version("flamecast"), **content}, indent=2, ensure_ascii=False)
    with atomic_path(path) as hidden:
        # Bytes of a file name that are no UTF-8 become JSON's own escapes.
        Path(hidden).write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def check_report(path: Path) -> None:
    """Raises BadInput where a report cannot be written to `path`, or would take the place of what is no report."""
    check_writable(path)
    if path.is_file():
        with path.open("rb") as file:
            if not REPORT.match(file.read(64)):
                raise BadInput(f"the report would replace {path}, which is none of flamecast's: choose another output")


def check_beside(path: Path) -> None:
    """Raises BadInput where a file that goes beside an output, under a name that nobody typed, cannot be written to
    `path`, or would take the place of one that flamecast did not make: what it makes holds its name, first or last.
    """
    check_writable(path)
    if not path.is_file():
        return
    with path.open("rb") as file:
        found = MARK in file.read(_ENDS)
        file.seek(max(0, path.stat().st_size - _ENDS))
        if not found and MARK not in file.read():
            raise BadInput(f"{path} would be replaced, and it is none of flamecast's: choose another output")


def write_png(path: Path, picture: Image) -> None:
    """Writes a picture, whole or not at all, with the name of the program that made it."""
    from PIL.PngImagePlugin import PngInfo

    about = PngInfo()
    about.add_text("Software", MARK.decode())
    with atomic_path(path) as hidden:
        picture.save(hidden, format="PNG", pnginfo=about)


@dataclass(frozen=True)
class Done:
    """What a command made."""

    files: list[Path]
    problems: list[str] = field(default_factory=list)


def check_file(target: Path, ending: str) -> None:
    """Raises BadInput unless `target` ends in `ending` and can be written."""
    if target.suffix.lower() != ending:
        raise BadInput(f"the output {target} must end in {ending}, got {target.suffix or 'no ending'}")
    check_writable(target)
