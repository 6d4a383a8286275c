"""`animate` and `motion`: what turns a signal into a video or into parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..options import GENERATOR, HEAD, AnimateOptions
from .options import (
    Batch,
    Blinks,
    Camera,
    Config,
    DriverName,
    DriverOption,
    Edit,
    Emotion,
    Face,
    Fps,
    Framing,
    GeneratorOption,
    HeadMotion,
    HeadName,
    Keep,
    Keyframes,
    Lips,
    Mix,
    Mode,
    Motion,
    MotionFps,
    Ray,
    Say,
    Seconds,
    Seed,
    SignalText,
    SignCert,
    SignKey,
    Size,
    Speech,
    Strength,
    StyleStrength,
    Text,
    Video,
    Views,
    Workers,
    one_edit,
    options_of_driver,
    plugin_options,
    run_batch,
)

BATCHES = ("context", "batch", "workers", "ray")  # no options of a job
PIPELINES = (  # nor for the call
    "photo", "head", "generator", "driver_option", "generator_option", "sign_cert", "sign_key", "config", *BATCHES,
)  # fmt: skip


def animate(
    context: typer.Context,
    photo: Annotated[str | None, typer.Argument(help="A photo of a face, or `demo`.", show_default=False)] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The video to write: .mp4, .mov, .m4v or .mkv.")
    ] = None,
    video: Video = None,
    motion: Motion = None,
    text: Text = None,
    emotion: Emotion = None,
    keep: Keep = None,
    keyframes: Keyframes = None,
    speech: Speech = None,
    say: Say = None,
    lips: Lips = AnimateOptions.lips,
    head_motion: HeadMotion = AnimateOptions.head_motion,
    blinks: Blinks = AnimateOptions.blinks,
    style_strength: StyleStrength = AnimateOptions.style_strength,
    driver: DriverName = None,
    signal: SignalText = None,
    driver_option: DriverOption = None,
    edit: Edit = None,
    mix: Mix = None,
    camera: Camera = None,
    views: Views = None,
    mode: Mode = AnimateOptions.mode,
    strength: Strength = AnimateOptions.strength,
    size: Size = AnimateOptions.size,
    framing: Framing = AnimateOptions.framing,
    seconds: Seconds = None,
    fps: Fps = None,
    motion_fps: MotionFps = None,
    face: Face = AnimateOptions.face,
    head: HeadName = HEAD,
    generator: Annotated[str, typer.Option(help="What turns maps into pictures.")] = GENERATOR,
    generator_option: GeneratorOption = None,
    seed: Seed = AnimateOptions.seed,
    sign_cert: SignCert = None,
    sign_key: SignKey = None,
    config: Config = None,
    batch: Batch = None,
    workers: Workers = 1,
    ray: Ray = None,
) -> None:
    """Animate PHOTO (or a portrait.npz) by words, speech, a video or a motion file. Writes the video and a report."""
    if batch is not None:
        run_batch(context, "animate", batch, workers, ray)
        return
    if photo is None:
        raise typer.BadParameter("Missing argument 'PHOTO': a photo of a face, or demo")
    _check_output(output)
    options = {key: value for key, value in locals().items() if key not in PIPELINES}
    options["edit"] = one_edit(edit)
    from ..animate import AnimatePipeline
    from ..console import tell, watched

    with watched() as progress:
        pipeline = AnimatePipeline(
            head=head,
            generator=generator,
            generator_options=plugin_options("flamecast.generators", generator, generator_option),
            driver_options=options_of_driver(driver, video, speech or say, driver_option),
            sign_cert=sign_cert,
            sign_key=sign_key,
        )
        done = pipeline(photo, **options, progress=progress)
    tell(done)


def motion(
    context: typer.Context,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The parameters to write: .npz.")] = None,
    video: Video = None,
    motion: Motion = None,
    text: Text = None,
    emotion: Emotion = None,
    keep: Keep = None,
    keyframes: Keyframes = None,
    speech: Speech = None,
    say: Say = None,
    lips: Lips = AnimateOptions.lips,
    head_motion: HeadMotion = AnimateOptions.head_motion,
    blinks: Blinks = AnimateOptions.blinks,
    style_strength: StyleStrength = AnimateOptions.style_strength,
    driver: DriverName = None,
    signal: SignalText = None,
    driver_option: DriverOption = None,
    edit: Edit = None,
    mix: Mix = None,
    seconds: Seconds = None,
    fps: Fps = None,
    motion_fps: MotionFps = None,
    head: Annotated[
        str | None, typer.Option(help="Built-in head's name, or a FLAME file; a motion keeps its own when not given.")
    ] = None,
    seed: Seed = AnimateOptions.seed,
    batch: Batch = None,
    workers: Workers = 1,
    ray: Ray = None,
) -> None:
    """Turn a signal into FLAME parameters: motion.npz, and a JSON report beside it."""
    if batch is not None:
        run_batch(context, "motion", batch, workers, ray)
        return
    options = {key: value for key, value in locals().items() if key not in ("output", "driver_option", *BATCHES)}
    options["edit"] = one_edit(edit)
    from ..console import tell, watched
    from ..motion import write_motion

    with watched() as progress:
        done = write_motion(
            _check_output(output),
            **options,
            driver_options=options_of_driver(driver, video, speech or say, driver_option),
            progress=progress,
        )
    tell(done)


def _check_output(output: Path | None) -> Path:
    """The output, which only a batch goes without."""
    if output is None:
        raise typer.BadParameter("Missing option '--output' / '-o': the file to write")
    return output
