"""The options that several commands share, each with the sentence that becomes its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

# `Optional[X]` rather than `X | None`: typer evaluates these at run time, on Python 3.10 too.
Video = Annotated[Path | None, typer.Option(help="Driving video: the face in it drives, its sound is kept.")]
Motion = Annotated[
    str | None, typer.Option(help="A motion.npz, an ARKit .csv, a VHAP or CAP4D .npz, or `demo`.", show_default=False)
]
Text = Annotated[
    str | None, typer.Option(help='What to do, in words: "she nods twice"; with times: "0s: nods; 3s: looks left".')
]
Emotion = Annotated[str | None, typer.Option(help="How it feels, in words; what --text says when not given.")]
Keep = Annotated[
    str | None,
    typer.Option(
        help="What of --motion stays while the words fill in the rest: head, gaze, lids, face; 0s,1.5s,2s-3s."
    ),
]
Keyframes = Annotated[Path | None, typer.Option(help="Keyframes (.json, as for --edit) that the words join.")]
Speech = Annotated[Path | None, typer.Option(help="A recording of speech, any language: the mouth follows it.")]
Say = Annotated[str | None, typer.Option(help="Words that a voice of this machine says (extra voice, or espeak-ng).")]
Lips = Annotated[float, typer.Option(help="Of speech, 0 to 2: how far the mouth opens.")]
HeadMotion = Annotated[float, typer.Option(help="Of speech, 0 to 2: how far the head moves.")]
Blinks = Annotated[float, typer.Option(help="Of speech, 0 to 2: how far blinks shut the lids.")]
StyleStrength = Annotated[float, typer.Option(help="Of speech, 0 to 2: how much brows, cheeks and gaze do.")]
Strength = Annotated[float, typer.Option(help="0 to 2: how far the portrait goes with the driver, all in all.")]
Seconds = Annotated[float | None, typer.Option(help="At most so long, s; the whole driver when not given.")]
Fps = Annotated[float | None, typer.Option(help="Frame rate of the output; the driver's when not given.")]
Edit = Annotated[
    list[str] | None,
    typer.Option(
        help="Added to every frame: smile=0.5,yaw=15deg; done to the clip: gain=1.3, smooth=0.1s, rest=0, speed=1.5; "
        "only=mouth confines it. Or a keyframe file (.json). Give it again for one edit after another."
    ),
]
Mix = Annotated[
    str | None, typer.Option(help="Regions from other clips: mouth=b.npz,head=c.npz; or from the words: head=text.")
]
HeadName = Annotated[str, typer.Option(help="Built-in head's name, or a FLAME file.")]
Camera = Annotated[
    str | None,
    typer.Option(help="Camera movement: orbit:40, arc:-20,20, dolly:0.8; or a file (.json) of keyframes or cameras."),
]
Views = Annotated[str | None, typer.Option(help="Yaws in degrees, one view each: -30,0,30.")]
Mode = Annotated[str, typer.Option(help="relative: the driver's changes; absolute: its pose as it is.")]
Size = Annotated[int, typer.Option(help="Longest side of the output, px.")]
Framing = Annotated[str, typer.Option(help="photo: the whole photo; face: a square around the head.")]
Rasterizer = Annotated[str, typer.Option(help="What finds the seen triangles; `flamecast doctor` lists them.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Face = Annotated[int, typer.Option(help="Which face of the photo; 0 is the largest.")]
SignCert = Annotated[
    Path | None, typer.Option(help="Signs the video (C2PA): your certificate chain, PEM, your own first.")
]
SignKey = Annotated[Path | None, typer.Option(help="The private key of --sign-cert, PEM.")]
Photo = Annotated[str, typer.Argument(help="A photo of a face, or `demo`.", show_default=False)]


DriverName = Annotated[str | None, typer.Option(help="A driver of another package, by name; goes with --signal.")]
SignalText = Annotated[
    str | None, typer.Option("--signal", help="What that driver is driven by: a file, words, a number.")
]
DriverOption = Annotated[
    list[str] | None, typer.Option(help="An option of the driver, name=value. Give it again for one more.")
]
GeneratorOption = Annotated[
    list[str] | None, typer.Option(help="An option of the generator, name=value. Give it again for one more.")
]


def _use_config(context: typer.Context, given: str | None) -> None:
    """A preset's values become the defaults of this call: what is given on the command line wins."""
    if given is None:
        return
    from ...configs.load import load_config
    from ...core.errors import BadInput
    from ..options import AnimateOptions

    try:
        found = load_config(given, AnimateOptions)
    except ValueError as error:
        raise BadInput(str(error)) from error
    if found.get("edit") is not None:
        found["edit"] = [found["edit"]]
    context.default_map = {**(context.default_map or {}), **found}


Config = Annotated[
    str | None,
    typer.Option(
        callback=_use_config, is_eager=True, help="A preset by name (portrait_closeup), or a YAML file of options."
    ),
]
MotionFps = Annotated[float | None, typer.Option(help="Rate of a motion file that does not say its own, Hz.")]


Batch = Annotated[
    Path | None,
    typer.Option(help="Many jobs: a file with a JSON object of options a line; what is done is not done again."),
]
Workers = Annotated[int, typer.Option(help="Processes for --batch, each with models of its own.", min=1)]
Ray = Annotated[str | None, typer.Option(help="A Ray cluster for --batch: its address, or `local` for this machine.")]


def run_batch(context: typer.Context, command: str, file: Path, workers: int, ray: str | None) -> None:
    """Does a file of jobs; exit code 2 where some failed."""
    beside = [
        name
        for name in context.params
        if name not in ("batch", "workers", "ray") and context.get_parameter_source(name).name == "COMMANDLINE"  # type: ignore[union-attr]
    ]
    if beside:
        raise typer.BadParameter(f"with --batch, {', '.join(beside)} stands in the lines of the file")
    from ..batch import run_batch as run
    from ..console import tell, watched

    with watched() as progress:
        done = run(file, command, workers=workers, ray=ray, progress=progress)
    tell(done)
    if done.problems:
        raise typer.Exit(2)


def one_edit(edits: list[str] | None) -> str | None:
    """Edits given one by one, as the one text that Python takes."""
    return "; ".join(edits) if edits else None


def plugin_options(group: str, name: str, texts: list[str] | None) -> dict[str, Any]:
    """`name=value` texts as options of the plug-in `name`. BadInput, with those it has, for one that it has not."""
    if not texts:
        return {}
    from ...core.plugins import load_plugin, options_from_text

    return options_from_text(load_plugin(group, name), texts, f"{group.rpartition('.')[2].removesuffix('s')} {name}")


def options_of_driver(
    driver: str | None, video: Path | None, spoken: Path | str | None, texts: list[str] | None
) -> dict[str, dict[str, Any]]:
    """The options of the driver that is used, by its name."""
    name = driver or ("video" if video is not None else "speech" if spoken is not None else None)
    if not texts:
        return {}
    if name is None:
        raise typer.BadParameter("--driver-option goes with --driver, --video, --speech or --say")
    return {name: plugin_options("flamecast.drivers", name, texts)}
