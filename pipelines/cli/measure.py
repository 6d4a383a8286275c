"""`bench` and `doctor`: what this machine can do."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

import typer

from ..request import RASTERIZER
from .options import Rasterizer, with_options


class Bench(str, Enum):
    """What to measure."""

    pipeline = "pipeline"
    renderer = "renderer"
    live = "live"


@with_options("video", "size", "head", "generator")
def bench(
    what: Annotated[Bench, typer.Argument(help="The whole way from photo to video, the renderer alone, or live.")] = (
        Bench.pipeline
    ),
    photo: Annotated[str, typer.Option(help="A photo of a face, or `demo` (pipeline).")] = "demo",
    seconds: Annotated[
        float, typer.Option(help="How much to animate, or how long to watch, s (pipeline, live).")
    ] = 4.0,
    rasterizer: Rasterizer = RASTERIZER,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a table (renderer, live).")] = False,
    **options: Any,
) -> None:
    """Measure every stage here: milliseconds a frame and frames a second. The renderer is measured at 512 x 512 px."""
    if what is Bench.renderer:
        from ..bench.bench_renderer import print_renderer_bench

        print_renderer_bench(options["head"], rasterizer, as_json=json)
        return
    if what is Bench.live:
        from ..bench.bench_live import print_live_bench

        print_live_bench(photo, video=options["video"], size=options["size"], seconds=seconds, as_json=json)
        return
    if json or rasterizer != RASTERIZER:
        raise typer.BadParameter(
            "--json and --rasterizer go with `flamecast bench renderer` (--json with `bench live`, too)"
        )
    from ..bench.bench import print_bench

    print_bench(photo, seconds=seconds, **options)


def doctor() -> None:
    """Say what is installed, what is missing and what to do about it."""
    from ..doctor import print_report

    raise typer.Exit(print_report())
