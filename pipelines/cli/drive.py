"""`animate` and `motion`: what turns a signal into a video or into parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ...core.memory import loading
from ...core.options import Option, options_of
from ...core.plugins import GENERATORS
from ...core.second_compiler import compile_beside
from ..request import Batch, Components, Transfer, View, all_options
from .options import (
    Config,
    DriverOption,
    GeneratorOption,
    NoCache,
    constructor_options,
    joined,
    options_of_driver,
    run_batch,
    with_options,
)

REQUEST = [name for name in all_options() if name not in ("photo", "output")]
OF_PORTRAITS = (*options_of(Transfer), *options_of(View), "face")  # what `motion`, which has none, cannot be told
# Half of what has to be compiled before a photo moves: that of the whole head, and of drawing.
SECOND = (
    "flamecast.generator.completion.atlas_kernel",
    "flamecast.generator.warp.composite_kernel",
    "flamecast.renderer.maps.interpolate_kernel",
)


@with_options(*REQUEST, *options_of(Components), *options_of(Batch))
def animate(
    context: typer.Context,
    photo: Annotated[str | None, typer.Argument(help="A photo of a face, or `demo`.", show_default=False)] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The video to write: .mp4, .mov, .m4v or .mkv.")
    ] = None,
    driver_option: DriverOption = None,
    generator_option: GeneratorOption = None,
    config: Config = None,
    no_cache: NoCache = False,
    **options: Any,
) -> None:
    """Animate PHOTO (or a portrait.npz) by words, speech, a video or a motion file. Writes the video and a report."""
    if run_batch(context, "animate", options):
        return
    if photo is None:
        raise typer.BadParameter("Missing argument 'PHOTO': a photo of a face, or demo")
    output = _check_output(output)
    compile_beside(*SECOND)
    with loading():
        from ...flame_motion.heads import skinning_kernel  # noqa: F401  with it, what every kernel needs of numba
        from ..animate import AnimatePipeline
        from ..console import show, watched

    parts = {name: options.pop(name) for name in options_of(Components)}
    with watched() as progress:
        pipeline = AnimatePipeline(
            **parts,
            generator_options=constructor_options(GENERATORS, parts["generator"], generator_option),
            driver_options=options_of_driver(options, driver_option),
            cache=not no_cache,
        )
        done = pipeline(photo, output=output, **joined(options), progress=progress)
    show(done)


@with_options(
    *(name for name in REQUEST if name not in OF_PORTRAITS),
    "head",
    *options_of(Batch),
    head=Option("Built-in head's name, or a FLAME file; a motion keeps its own when not given."),
)
def motion(
    context: typer.Context,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The parameters to write: .npz.")] = None,
    driver_option: DriverOption = None,
    **options: Any,
) -> None:
    """Turn a signal into FLAME parameters: motion.npz, and a JSON report beside it."""
    if run_batch(context, "motion", options):
        return
    output = _check_output(output)
    with loading():
        from ..console import show, watched
        from ..motion import write_motion

    head = options.pop("head")
    with watched() as progress:
        done = write_motion(
            output, **joined(options), head=head, driver_options=options_of_driver(options, driver_option),
            progress=progress,
        )  # fmt: skip
    show(done)


def _check_output(output: Path | None) -> Path:
    """The output, which only a batch goes without."""
    if output is None:
        raise typer.BadParameter("Missing option '--output' / '-o': the file to write")
    return output
