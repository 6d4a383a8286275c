"""`bench`, `doctor` and `evaluate`: what this machine can do, and how good the models are."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from ..request import RASTERIZER
from .options import Batch, Rasterizer, Ray, Workers, run_batch, with_options


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


class Evaluation(str, Enum):
    """What to evaluate."""

    text = "text"
    speech = "speech"
    generator = "generator"
    factors = "factors"


def evaluate(
    context: typer.Context,
    what: Annotated[
        Evaluation | None,
        typer.Argument(
            help="text: on wordings that no training saw; speech, generator: on what `flamecast prepare` made; "
            "factors: expression, pose and camera apart, on photos.",
            show_default=False,
        ),
    ] = None,
    samples: Annotated[
        int | None, typer.Option(help="Held-out prompts, at least 64 (text: 512); windows (generator: 60).", min=1)
    ] = None,
    seed: Annotated[int, typer.Option(help="Of prompts, motions and trainings.", min=0)] = 0,
    data: Annotated[Path | None, typer.Option(help="The folder of footage (speech, generator).")] = None,
    people: Annotated[str, typer.Option(help="Who, between commas; all when not given (generator).")] = "",
    weights: Annotated[Path | None, typer.Option(help="Other weights than the shipped ones (generator).")] = None,
    photo: Annotated[list[Path] | None, typer.Option(help="A photo; again for more (factors).")] = None,
    drawn_by: Annotated[str, typer.Option("--generator", help="Which generator draws (factors).")] = "diffusion",
    page: Annotated[Path | None, typer.Option(help="A folder for a page with pictures (generator, factors).")] = None,
    folds: Annotated[
        int, typer.Option(help="Train so many times anew, each without a share of the people (speech); 0: as shipped.")
    ] = 0,
    steps: Annotated[int, typer.Option(help="Of those trainings.", min=1)] = 800,
    features: Annotated[str | None, typer.Option(help="A speech encoder's folder, or `mel` (speech).")] = None,
    motions: Annotated[Path | None, typer.Option(help="A folder to write each clip's motion to (speech).")] = None,
    batch: Batch = None,
    workers: Workers = 1,
    ray: Ray = None,
) -> None:
    """Measure a model against held-out truth; prints one JSON object."""
    if batch is not None:
        run_batch(context, "evaluate", batch, workers, ray)
        return
    if what is None:
        raise typer.BadParameter("Missing argument 'WHAT': text, speech, generator or factors")
    from json import dumps

    from ..console import watched
    from ..evaluate import evaluate_factors, evaluate_generator, evaluate_speech, evaluate_text

    if what is Evaluation.factors and not photo:
        raise typer.BadParameter("expected --photo: a picture of a face")
    if what in (Evaluation.speech, Evaluation.generator) and data is None:
        raise typer.BadParameter(f"expected --data: the folder that `flamecast prepare {what.value}` made")
    with watched() as progress:
        if what is Evaluation.text:
            found = evaluate_text(samples or 512, seed, progress=progress)
        elif what is Evaluation.factors:
            given = {} if weights is None else {"weights": str(weights)}
            found = evaluate_factors(
                photo or [], generator=drawn_by, options=given, seed=seed, page=page, progress=progress
            )
        elif what is Evaluation.generator:
            names = tuple(name.strip() for name in people.split(",") if name.strip())
            found = evaluate_generator(
                str(data), names, weights=weights, most=samples or 60, seed=seed, page=page, progress=progress
            )
        else:
            found = evaluate_speech(
                str(data), folds=folds, steps=steps, features=features, motions=motions, seed=seed, progress=progress
            )
    typer.echo(dumps(found, indent=1))
