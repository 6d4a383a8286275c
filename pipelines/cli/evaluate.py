"""`evaluate`: a verb for each thing that is measured, with options of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ...core.options import options_of
from ..request import GENERATOR, LARGEST_SEED, Batch
from .options import run_batch, with_options

HELP = (
    "Measure against the truth: videos, whoever made them, and the models that come with flamecast. "
    "Each prints one JSON object; video, heads and scorecard a table, or JSON by --json."
)
evaluate = typer.Typer(help=HELP)
Data = Annotated[Path, typer.Option(help="The folder that `flamecast prepare` made.")]
Seed = Annotated[int, typer.Option(help="Of prompts, motions and trainings.", min=0, max=LARGEST_SEED)]
Weights = Annotated[Path | None, typer.Option(help="Other weights than the shipped ones.")]
Page = Annotated[Path | None, typer.Option(help="An .html to write: one file with tables and every picture.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")]


@evaluate.callback(invoke_without_command=True, help=HELP)
@with_options(*options_of(Batch))
def choose(context: typer.Context, **options: Any) -> None:
    if context.invoked_subcommand is None and not run_batch(context, "evaluate", options):
        *most, last = (command.callback.__name__ for command in evaluate.registered_commands if command.callback)
        raise typer.BadParameter(f"Missing argument 'WHAT': {', '.join(most)} or {last}")


@evaluate.command()
def video(
    video: Annotated[Path, typer.Argument(help="A video, made by any program.", show_default=False)],
    truth: Annotated[Path, typer.Option(help="The real video: what the other should show.")],
    pictures: Annotated[int, typer.Option(help="Frames whose pictures are compared, evenly out of all.", min=1)] = 60,
    page: Page = None,
    json: Json = False,
) -> None:
    """A video, whoever made it, beside the real one: pictures, face, pose, gaze, lips, identity, steadiness."""
    _print("video", video, truth, pictures=pictures, page=page, table=not json)


@evaluate.command()
def heads(
    heads: Annotated[
        list[Path], typer.Argument(help="Textured heads NAME.glb or NAME.npz, or folders.", show_default=False)
    ],
    angles: Annotated[
        str | None, typer.Option(help="Degrees around the head, between commas; -60 to 60 in steps.")
    ] = None,
    turned: Annotated[float, typer.Option(help="Degrees by which the photo sees the head from its left.")] = 0.0,
    morphs: Annotated[str | None, typer.Option(help="smile, open, blink, or NAME=WEIGHT between commas.")] = None,
    generator: Annotated[str, typer.Option(help="Which generator draws.")] = GENERATOR,
    size: Annotated[int, typer.Option(help="px of photos.", min=64)] = 384,
    page: Page = None,
    json: Json = False,
) -> None:
    """Turned heads beside the truth: what textured 3D heads look like from other sides."""
    given: dict[str, Any] = {} if angles is None else {"angles": _degrees(angles)}
    given |= {"turned": turned, "morphs": morphs, "generator": generator, "size": size}
    _print("heads", heads, **given, page=page, table=not json)


def _degrees(text: str) -> list[float]:
    """Numbers between commas."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"angles: expected degrees between commas, like -30,30, got {text!r}") from None


@evaluate.command()
def scorecard(
    clip: Annotated[list[Path] | None, typer.Option(help="A clip of one person; again for more.")] = None,
    head: Annotated[
        list[Path] | None, typer.Option(help="A textured head, or a folder of them; again for more.")
    ] = None,
    generator: Annotated[list[str] | None, typer.Option(help="A row of the table; again for more.")] = None,
    other: Annotated[
        list[str] | None, typer.Option(help="NAME=FOLDER: another program's videos, called as the clips are.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Of each clip, s.", min=0.2)] = 4.0,
    pictures: Annotated[int, typer.Option(help="Frames of each video whose pictures are compared.", min=1)] = 30,
    page: Page = None,
    json: Json = False,
) -> None:
    """One table of generators and other programs: turned heads, pictures, mouths, faces, lips."""
    rows = {"generators": tuple(generator or [GENERATOR]), "others": tuple(other or [])}
    _print("scorecard", clip or [], head or [], **rows, seconds=seconds, pictures=pictures, page=page, table=not json)


@evaluate.command()
def text(
    samples: Annotated[int, typer.Option(help="Held-out prompts, at least 64.", min=1)] = 512, seed: Seed = 0
) -> None:
    """The text driver, on wordings that no training saw."""
    _print("text", samples=samples, seed=seed)


@evaluate.command()
def speech(
    data: Data,
    folds: Annotated[
        int, typer.Option(help="Train so many times anew, each without a share of the people; 0: as shipped.")
    ] = 0,
    steps: Annotated[int, typer.Option(help="Of those trainings.", min=1)] = 800,
    features: Annotated[str | None, typer.Option(help="A speech encoder's folder, or `mel`.")] = None,
    motions: Annotated[Path | None, typer.Option(help="A folder to write each clip's motion to.")] = None,
    seed: Seed = 0,
) -> None:
    """The speech driver, on footage of people who talk."""
    _print("speech", str(data), folds=folds, steps=steps, features=features, motions=motions, seed=seed)


@evaluate.command()
def generator(
    data: Data,
    people: Annotated[str, typer.Option(help="Who, between commas; all when not given.")] = "",
    samples: Annotated[int, typer.Option(help="Windows, evenly out of all.", min=1)] = 60,
    weights: Weights = None,
    page: Page = None,
    seed: Seed = 0,
) -> None:
    """The diffusion generator beside `warp` and the untouched photo, on windows of people."""
    names = tuple(name.strip() for name in people.split(",") if name.strip())
    _print("generator", str(data), names, weights=weights, max_windows=samples, page=page, seed=seed)


@evaluate.command()
def mouths(
    data: Annotated[str, typer.Option(help="Folders that `flamecast prepare mouths` made, between commas.")],
    people: Annotated[str, typer.Option(help="Who, between commas; all when not given.")] = "",
    samples: Annotated[int, typer.Option(help="Frames, in runs out of each clip.", min=1)] = 600,
    weights: Weights = None,
    page: Page = None,
    seed: Seed = 0,
) -> None:
    """The mouth's network beside `warp` and real mouths, on footage of people."""
    names = tuple(name.strip() for name in people.split(",") if name.strip())
    _print("mouths", data, names, weights=weights, samples=samples, page=page, seed=seed)


@evaluate.command()
def factors(
    photo: Annotated[list[Path], typer.Option(help="A photo; again for more.")],
    generator: Annotated[str, typer.Option(help="Which generator draws.")] = "diffusion",
    weights: Weights = None,
    page: Page = None,
    seed: Seed = 0,
) -> None:
    """How far expression, pose and camera leak into each other, on photos."""
    options = {} if weights is None else {"weights": str(weights)}
    _print("factors", photo, generator=generator, options=options, page=page, seed=seed)


def _print(what: str, *given: Any, table: bool = False, **options: Any) -> None:
    """Runs an evaluation by name; prints its JSON, or, as a table, its rows, and its notes on the error stream."""
    from json import dumps

    from .. import evaluate as evaluations
    from ..console import watched

    with watched() as progress:
        found = getattr(evaluations, f"evaluate_{what}")(*given, **options, progress=progress)
    if table:
        from ..evaluate.measures import text_table

        for note in found["notes"]:
            typer.echo(f"note: {note}", err=True)
        typer.echo(text_table(found["rows"]))
    else:
        typer.echo(dumps(found, indent=1))
