"""`flamecast bench`: what every stage costs on this machine."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..animate import AnimatePipeline, Animation
from ..doctor import cpu_count


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    stage: str
    seconds: float
    frames: int  # 0: the stage happens once


def measure(
    photo: str, *, video: Path | None, size: int, seconds: float, head: str, generator: str
) -> tuple[list[Row], Animation]:
    """Animates `photo` twice, by `video` or the demo motion, and measures the second run: the first is start-up."""
    pipeline = AnimatePipeline(head=head, generator=generator)
    driver: dict[str, Any] = {"motion": "demo"} if video is None else {"video": video}
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        pipeline(photo, **driver, size=size, seconds=min(seconds, 0.4), output=Path(folder) / "warm-up.mp4")
        started = time.perf_counter()
        done = pipeline(photo, **driver, size=size, seconds=seconds, output=Path(folder) / "bench.mp4")
        total = time.perf_counter() - started
    spent, frames = done.report["timings"], done.report["frames"]
    rows = [
        Row("start-up (first run)", started - start, 0),
        Row("fit the photo", spent["fit"]["seconds"], 0),
        Row("motion (track the driver)" if video is not None else "motion", spent["motion"]["seconds"], frames),
        Row("generate", spent["generate"]["seconds"], frames),
        Row("encode (beside it)", spent["encode"]["seconds"], frames),
        Row("all, after start-up", total, frames),
    ]
    return rows, done


def print_bench(photo: str, *, video: Path | None, size: int, seconds: float, head: str, generator: str) -> None:
    """Prints the table."""
    from rich.console import Console
    from rich.table import Table

    rows, done = measure(photo, video=video, size=size, seconds=seconds, head=head, generator=generator)
    width, height = done.report["size"]
    table = Table(title=f"{done.report['frames']} frames of {width} x {height} px on {cpu_count()} cores")
    for heading in ("stage", "seconds", "ms a frame", "frames a second"):
        table.add_column(heading, justify="left" if heading == "stage" else "right")
    for row in rows:
        each = (f"{1000 * row.seconds / row.frames:.1f}", f"{row.frames / row.seconds:.1f}") if row.frames else ("", "")
        table.add_row(row.stage, f"{row.seconds:.2f}", *each)
    Console().print(table)
