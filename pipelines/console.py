"""Progress bars and the closing lines of a command, on the error stream so that output can be piped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import TaskID

    from ..flame_motion import Progress


class Finished(Protocol):
    """What a command hands back."""

    @property
    def files(self) -> list[Path]:
        """What was written."""

    @property
    def problems(self) -> list[str]:
        """What the user should know, a sentence each."""


@contextmanager
def watched() -> Iterator[Progress]:
    """Shows one bar a stage while the block runs; yields the callback."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(True))
    tasks: dict[str, TaskID] = {}
    console = Console(stderr=True)
    with Bars(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:

        def progress(stage: str, done: int, of: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage)
            bars.update(tasks[stage], completed=done, total=of or None)

        yield progress


def show(done: Finished) -> None:
    """Says what was written and what to know about it."""
    import sys

    for problem in done.problems:
        print(f"note: {problem}", file=sys.stderr)
    for file in done.files:
        print(file)
