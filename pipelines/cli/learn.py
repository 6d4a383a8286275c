"""`prepare` and `train`: making the models that come with flamecast, or others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

prepare = typer.Typer(help="Make footage ready to train on: tracked, aligned, checked. Run again, it goes on.")
Folder = Annotated[Path, typer.Option("--output", "-o", help="The folder to write to.")]
Videos = Annotated[list[Path], typer.Argument(help="Videos, or folders of them.", show_default=False)]
Size = Annotated[int | None, typer.Option(help="px of pictures: 256 for small, 64 for tiny.")]
Frames = Annotated[int | None, typer.Option(help="Frames of a window, for generator-temporal.")]
Targets = Annotated[int | None, typer.Option(help="Windows to each photo.")]
DepthGuided = Annotated[bool | None, typer.Option("--depth-guided/--no-depth-guided", help="3D flow on the surface.")]


@prepare.command()
def speech(videos: Videos, output: Folder) -> None:
    """Footage of people who talk, for the speech driver."""
    from ...training.speech.prepare import prepare_speech

    _run(lambda progress: prepare_speech(videos, output, progress))


@prepare.command()
def generator(
    videos: Videos,
    output: Folder,
    size: Size = None,
    frames: Frames = None,
    targets: Targets = None,
    depth_guided: DepthGuided = None,
    round_trip: Annotated[
        bool | None, typer.Option("--round-trip", help="Photos drawn in another pose and back.")
    ] = None,
    ray: Annotated[
        str | None, typer.Option(help="Share clips out by Ray Data: `local`, or a cluster's address.")
    ] = None,
) -> None:
    """Photos and frames of people, for the diffusion generator."""
    from ...training.generator.prepare import prepare_generator

    examples = _examples(size=size, frames=frames, targets=targets, depth_guided=depth_guided, round_trip=round_trip)
    _run(lambda progress: prepare_generator(videos, output, progress, examples, ray))


@prepare.command()
def synthetic(
    output: Folder,
    people: Annotated[int, typer.Option(help="How many to make up.", min=1)] = 50,
    size: Size = None,
    frames: Frames = None,
    targets: Targets = None,
    depth_guided: DepthGuided = None,
) -> None:
    """People made up, seen from several sides, for the diffusion generator."""
    from ...training.generator.prepare import prepare_synthetic

    examples = _examples(size=size, frames=frames, targets=targets, depth_guided=depth_guided)
    _run(lambda progress: prepare_synthetic(people, output, progress, examples))


@prepare.command()
def mouths(
    videos: Annotated[list[Path], typer.Argument(help="Videos, photos, or folders of them.", show_default=False)],
    output: Folder,
    frames: Annotated[int | None, typer.Option(help="Frames of a clip, at most.", min=1)] = None,
    clips: Annotated[int | None, typer.Option(help="Clips of a person, at most.", min=1)] = None,
) -> None:
    """Footage of people who talk, and photos of people who smile, for the network of the mouth."""
    from ...training.mouth.examples import MouthOptions
    from ...training.mouth.prepare import prepare_mouths

    given = {name: value for name, value in (("frames", frames), ("clips", clips)) if value is not None}
    _run(lambda progress: prepare_mouths(videos, output, progress, MouthOptions(**given)))


@prepare.command()
def heads(
    heads: Annotated[
        list[Path],
        typer.Argument(help="Textured heads, NAME.npz or NAME.glb, or folders of them.", show_default=False),
    ],
    output: Folder,
    photos: Annotated[Path | None, typer.Option(help="A folder of photos, whose corners make backgrounds.")] = None,
    count: Annotated[int, typer.Option(help="How many photos to make.", min=1)] = 1000,
    seed: Annotated[int, typer.Option(help="Other seeds make other photos, in the same folder.", min=0)] = 0,
    without: Annotated[str, typer.Option(help="Heads to leave out, NAME,NAME.")] = "",
    only: Annotated[str, typer.Option(help="The only heads to take, NAME,NAME.")] = "",
) -> None:
    """Photos of people made up from textured heads, and the whole head behind each, for completion."""
    from ...training.completion.prepare import prepare_heads
    from ...training.options import names_in

    held_out, taken = names_in(without), names_in(only)
    _run(
        lambda progress: prepare_heads(
            heads, output, progress, photos=photos, count=count, seed=seed, without=held_out, only=taken
        )
    )


@prepare.command()
def photos(
    photos: Annotated[list[Path], typer.Argument(help="Photos, or folders of them.", show_default=False)],
    output: Folder,
    views: Annotated[int, typer.Option(help="How many sides each is seen from.", min=1)] = 2,
    seed: Annotated[int, typer.Option(help="Other seeds take other sides, in the same folder.", min=0)] = 0,
) -> None:
    """Photos of real people seen from aside, and what they show of what that hides, for completion."""
    from ...training.completion.prepare import prepare_photos

    _run(lambda progress: prepare_photos(photos, output, progress, views=views, seed=seed))


@prepare.command()
def folds(
    faces: Annotated[Path, typer.Argument(help="ICT-FaceKit's folder of .obj files.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="OUTPUT.npz and its card OUTPUT.json.")],
) -> None:
    """How folds of the face go with expressions, from a finer face's shapes, for `warp`."""
    from ...training.folds import prepare_folds

    _run(lambda progress: prepare_folds(faces, output, progress))


def _examples(**given: Any) -> Any:
    from ...training.generator.examples import ExampleOptions

    return ExampleOptions(**{name: value for name, value in given.items() if value is not None})


def _run(work: Any) -> None:
    from ...core.memory import keep_memory
    from ..console import show, watched

    keep_memory()
    with watched() as progress:
        done = work(progress)
    show(done)


def train(
    name: Annotated[
        str,
        typer.Argument(
            help="generator-image, -temporal, -views; completion; mouth; speech-lips, -lip-shapes, -head, -judge; "
            "text-motion …",
            show_default=False,
        ),
    ],
    changes: Annotated[list[str] | None, typer.Argument(help="Changes of its preset, key=value.")] = None,
    config: Annotated[Path | None, typer.Option(help="A YAML file instead of the preset.")] = None,
    keys: Annotated[bool, typer.Option("--keys", help="Only list the keys, as the preset has them.")] = False,
) -> None:
    """Train a model by NAME, with key=value changes of its preset. A stopped run is resumed from its checkpoint."""
    from ...core.memory import keep_memory
    from ...training.train import described
    from ...training.train import train as run

    if keys:
        typer.echo("\n".join(described(name)))
        return

    keep_memory()
    for file in run(name, changes or [], config):
        typer.echo(file)
