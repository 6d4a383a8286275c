"""`prepare` and `train`: making the models that come with flamecast, or others."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer


class Material(str, Enum):
    """What to prepare."""

    speech = "speech"
    generator = "generator"
    synthetic = "synthetic"


def prepare(
    what: Annotated[
        Material,
        typer.Argument(
            help="speech: of people who talk. generator: photos and frames of them. synthetic: people made up."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to write to.")],
    videos: Annotated[list[Path] | None, typer.Argument(help="Videos, or folders of them.", show_default=False)] = None,
    size: Annotated[int | None, typer.Option(help="px of pictures: 256 for small, 64 for tiny (generator).")] = None,
    frames: Annotated[int | None, typer.Option(help="Frames of a window, for generator-temporal (generator).")] = None,
    targets: Annotated[int | None, typer.Option(help="Windows to each photo of a clip (generator).")] = None,
    depth_guided: Annotated[
        bool | None, typer.Option("--depth-guided/--no-depth-guided", help="3D flow on the surface (generator).")
    ] = None,
    round_trip: Annotated[
        bool | None, typer.Option("--round-trip", help="Photos drawn in another pose and back (generator).")
    ] = None,
    people: Annotated[int, typer.Option(help="How many to make up (synthetic).", min=1)] = 50,
    ray: Annotated[
        str | None, typer.Option(help="Share clips out by Ray Data: `local`, or a cluster's address (generator).")
    ] = None,
) -> None:
    """Make footage ready to train on: tracked, aligned, checked. Run again, it goes on."""
    from ...training.generator.examples import ExampleOptions
    from ...training.generator.prepare import prepare_generator, prepare_synthetic
    from ...training.speech.prepare import prepare_speech
    from ..console import show, watched
    from .memory import keep_memory

    given: dict[str, Any] = {
        "size": size,
        "frames": frames,
        "targets": targets,
        "depth_guided": depth_guided,
        "round_trip": round_trip,
    }
    asked = {name: value for name, value in given.items() if value is not None}
    if what is Material.speech and (asked or ray):
        raise typer.BadParameter(f"speech has no {next(iter([*asked, 'ray']))}: it goes with generator")
    if (what is Material.synthetic) == bool(videos):
        raise typer.BadParameter(
            "synthetic takes no videos" if videos else f"{what.value} is made of videos: name some"
        )
    keep_memory()
    with watched() as progress:
        if what is Material.generator:
            done = prepare_generator(videos or [], output, progress, ExampleOptions(**asked), ray)
        elif what is Material.synthetic:
            done = prepare_synthetic(people, output, progress, ExampleOptions(**asked), ray)
        else:
            done = prepare_speech(videos or [], output, progress)
    show(done)


def train(
    name: Annotated[
        str,
        typer.Argument(
            help="generator-image, -temporal, -views; speech-lips, -head, -judge; text-motion, -emotion, -evaluator.",
            show_default=False,
        ),
    ],
    changes: Annotated[list[str] | None, typer.Argument(help="Changes of its preset, key=value.")] = None,
    config: Annotated[Path | None, typer.Option(help="A YAML file instead of the preset.")] = None,
    keys: Annotated[bool, typer.Option("--keys", help="Only list the keys, as the preset has them.")] = False,
) -> None:
    """Train a model by NAME, with key=value changes of its preset. A stopped run is resumed from its checkpoint."""
    from ...training.train import described
    from ...training.train import train as run
    from .memory import keep_memory

    if keys:
        typer.echo("\n".join(described(name)))
        return

    keep_memory()
    for file in run(name, changes or [], config):
        typer.echo(file)
