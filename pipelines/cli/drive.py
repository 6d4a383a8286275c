"""`animate` and `motion`: what turns a signal into a video or into parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..options import GENERATOR, HEAD, AnimateOptions
from .options import (
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
    Photo,
    Say,
    Seconds,
    Seed,
    SignalText,
    Size,
    Speech,
    Strength,
    StyleStrength,
    Text,
    Video,
    Views,
    one_edit,
    options_of_driver,
    plugin_options,
)

PIPELINES = ("photo", "head", "generator", "driver_option", "generator_option", "config")  # not for the call itself


def animate(
    photo: Photo,
    output: Annotated[Path, typer.Option("--output", "-o", help="The video to write: .mp4, .mov, .m4v or .mkv.")],
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
    config: Config = None,
) -> None:
    """Animate PHOTO (or a portrait.npz) by words, speech, a video or a motion file. Writes the video and a report."""
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
        )
        done = pipeline(photo, **options, progress=progress)
    tell(done)


def motion(
    output: Annotated[Path, typer.Option("--output", "-o", help="The parameters to write: .npz.")],
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
) -> None:
    """Turn a signal into FLAME parameters: motion.npz, and a JSON report beside it."""
    options = {key: value for key, value in locals().items() if key not in ("output", "driver_option")}
    options["edit"] = one_edit(edit)
    from ..console import tell, watched
    from ..motion import write_motion

    with watched() as progress:
        done = write_motion(
            output,
            **options,
            driver_options=options_of_driver(driver, video, speech or say, driver_option),
            progress=progress,
        )
    tell(done)
