"""The command line. Exit codes: 0 done, 2 bad input, 3 a missing asset, 1 our fault (with a traceback).

Only typer is imported here: every command imports what it runs.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from ..options import GENERATOR, HEAD, MAPS, RASTERIZER, AnimateOptions

app = typer.Typer(
    name="flamecast",
    help="Animate a portrait photo by a video or a parameter sequence.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# `Optional[X]` rather than `X | None`: typer evaluates these at run time, on Python 3.10 too.
Video = Annotated[Path | None, typer.Option(help="Driving video: the face in it drives, its sound is kept.")]
Motion = Annotated[
    str | None, typer.Option(help="A motion.npz, an ARKit .csv, a VHAP or CAP4D .npz, or `demo`.", show_default=False)
]
Text = Annotated[str | None, typer.Option(help="What to do, in words (not built yet).")]
Speech = Annotated[Path | None, typer.Option(help="A recording of speech (not built yet).")]
Seconds = Annotated[float | None, typer.Option(help="At most so long, s; the whole driver when not given.")]
Fps = Annotated[float | None, typer.Option(help="Frame rate of the output; the driver's when not given.")]
Edit = Annotated[
    list[str] | None,
    typer.Option(
        help="Added to every frame: smile=0.5,yaw=15deg; done to the clip: gain=1.3, smooth=0.1s, rest=0, speed=1.5; "
        "only=mouth confines it. Or a keyframe file (.json). Give it again for one edit after another."
    ),
]
Mix = Annotated[str | None, typer.Option(help="Regions from other clips: mouth=b.npz,head=c.npz.")]
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
Photo = Annotated[str, typer.Argument(help="A photo of a face, or `demo`.", show_default=False)]


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("flamecast"))
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    pass


def _one_edit(edits: list[str] | None) -> str | None:
    """Edits given one by one, as the one text that Python takes."""
    return "; ".join(edits) if edits else None


@app.command()
def animate(
    photo: Photo,
    output: Annotated[Path, typer.Option("--output", "-o", help="The video to write: .mp4, .mov, .m4v or .mkv.")],
    video: Video = None,
    motion: Motion = None,
    text: Text = None,
    speech: Speech = None,
    edit: Edit = None,
    mix: Mix = None,
    camera: Camera = None,
    views: Views = None,
    mode: Mode = AnimateOptions.mode,
    size: Size = AnimateOptions.size,
    framing: Framing = AnimateOptions.framing,
    seconds: Seconds = None,
    fps: Fps = None,
    face: Face = AnimateOptions.face,
    head: HeadName = HEAD,
    generator: Annotated[str, typer.Option(help="What turns maps into pictures.")] = GENERATOR,
    seed: Seed = AnimateOptions.seed,
) -> None:
    """Animate PHOTO (or a portrait.npz) by a video or a motion file. Writes the video, and a JSON report beside it."""
    options = {key: value for key, value in locals().items() if key not in ("photo", "head", "generator")}
    options["edit"] = _one_edit(edit)
    from ..animate import AnimatePipeline
    from ..console import tell, watched

    with watched() as progress:
        pipeline = AnimatePipeline(head=head, generator=generator)
        done = pipeline(photo, **options, progress=progress)
    tell(done)


@app.command()
def motion(
    output: Annotated[Path, typer.Option("--output", "-o", help="The parameters to write: .npz.")],
    video: Video = None,
    motion: Motion = None,
    text: Text = None,
    speech: Speech = None,
    edit: Edit = None,
    mix: Mix = None,
    seconds: Seconds = None,
    fps: Fps = None,
    head: Annotated[
        str | None, typer.Option(help="Built-in head's name, or a FLAME file; a motion keeps its own when not given.")
    ] = None,
    seed: Seed = AnimateOptions.seed,
) -> None:
    """Turn a signal into FLAME parameters: motion.npz, and a JSON report beside it."""
    options = {key: value for key, value in locals().items() if key != "output"}
    options["edit"] = _one_edit(edit)
    from ..console import tell, watched
    from ..motion import write_motion

    with watched() as progress:
        done = write_motion(output, **options, progress=progress)
    tell(done)


@app.command()
def fit(
    photo: Photo,
    output: Annotated[Path, typer.Option("--output", "-o", help="The portrait to write: .npz.")],
    face: Face = AnimateOptions.face,
    head: HeadName = HEAD,
) -> None:
    """Fit the head to PHOTO: portrait.npz, with an overlay picture beside it."""
    from ..console import tell, watched
    from ..fit import write_fit

    with watched() as progress:
        done = write_fit(photo, output, face=face, head=head, progress=progress)
    tell(done)


@app.command()
def export(
    motion: Annotated[str, typer.Argument(help="A motion.npz, an ARKit .csv, or `demo`.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="What to write: .glb, .gltf, .csv, .obj or .ply.")],
    frame: Annotated[int | None, typer.Option(help="Only this frame, counted from 0.")] = None,
    edit: Edit = None,
    seconds: Seconds = None,
    fps: Fps = None,
    head: Annotated[str | None, typer.Option(help="Another head to move: its name or file.")] = None,
) -> None:
    """Write MOTION for other programs: glTF (mesh and animation), ARKit CSV, or a mesh a frame (OBJ, PLY)."""
    options = {key: value for key, value in locals().items() if key not in ("motion", "output")}
    options["edit"] = _one_edit(edit)
    from ..console import tell, watched
    from ..exports.export import write_export

    with watched() as progress:
        done = write_export(motion, output, **options, progress=progress)
    tell(done)


@app.command(name="head")
def head_sheet(
    output: Annotated[Path, typer.Option("--output", "-o", help="The picture to write: .png; more pages beside it.")],
    head: Annotated[str, typer.Argument(help="Built-in head's name, or a file.")] = HEAD,
    axes: Annotated[str | None, typer.Option(help="Only these, larger: mouthSmileLeft,jawOpen,identity_03.")] = None,
) -> None:
    """Draw a head: neutral from all sides, and what each of its axes does, on labelled pages."""
    from ..console import tell, watched
    from ..sheets.head_sheet import write_head_sheet

    with watched() as progress:
        done = write_head_sheet(head, output, axes=axes, progress=progress)
    tell(done)


@app.command()
def render(
    motion: Annotated[str, typer.Argument(help="A motion.npz, an ARKit .csv, or `demo`.", show_default=False)],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="A video to look at (.mp4), or a folder for exact maps (no ending)."),
    ],
    maps: Annotated[
        str,
        typer.Option(help="depth, normal, mask, part, uv, flow, source_xy, visible, rays, between commas; or all."),
    ] = MAPS,
    photo: Annotated[
        str | None, typer.Option(help="A photo or portrait.npz: its person moves, its camera looks on.")
    ] = None,
    camera: Camera = None,
    views: Views = None,
    edit: Edit = None,
    mode: Mode = AnimateOptions.mode,
    size: Size = AnimateOptions.size,
    framing: Framing = AnimateOptions.framing,
    seconds: Seconds = None,
    fps: Fps = None,
    head: HeadName = HEAD,
    rasterizer: Rasterizer = RASTERIZER,
) -> None:
    """Render the geometry maps of MOTION: coloured as a video, or exact as a folder. Writes a JSON report, too."""
    options = {key: value for key, value in locals().items() if key not in ("motion", "output")}
    options["edit"] = _one_edit(edit)
    from ..console import tell, watched
    from ..render import write_render

    with watched() as progress:
        done = write_render(motion, output, **options, progress=progress)
    tell(done)


class Bench(str, Enum):
    """What to measure."""

    pipeline = "pipeline"
    renderer = "renderer"


@app.command()
def bench(
    what: Annotated[Bench, typer.Argument(help="The whole way from photo to video, or the renderer alone.")] = (
        Bench.pipeline
    ),
    photo: Annotated[str, typer.Option(help="A photo of a face, or `demo` (pipeline).")] = "demo",
    video: Video = None,
    size: Size = AnimateOptions.size,
    seconds: Annotated[float, typer.Option(help="How much to animate, s (pipeline).")] = 4.0,
    head: HeadName = HEAD,
    generator: Annotated[str, typer.Option(help="What turns maps into pictures (pipeline).")] = GENERATOR,
    rasterizer: Rasterizer = RASTERIZER,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a table (renderer).")] = False,
) -> None:
    """Measure every stage here: milliseconds a frame and frames a second. The renderer is measured at 512 x 512 px."""
    if what is Bench.renderer:
        from ..bench.bench_renderer import print_renderer_bench

        print_renderer_bench(head, rasterizer, as_json=json)
        return
    if json or rasterizer != RASTERIZER:
        raise typer.BadParameter("--json and --rasterizer go with `flamecast bench renderer`")
    from ..bench.bench import print_bench

    print_bench(photo, video=video, size=size, seconds=seconds, head=head, generator=generator)


@app.command()
def doctor() -> None:
    """Say what is installed, what is missing and what to do about it."""
    from ..doctor import print_report

    raise typer.Exit(print_report())


def main() -> NoReturn:
    """The `flamecast` command."""
    # An exception instead of sudden death lets every open output be dropped.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    _quiet_native_logs()
    _keep_memory_flat()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file name may be no text, a terminal no UTF-8
    try:
        code = app(standalone_mode=False)
    except KeyboardInterrupt:
        code = 130
    except Exception as error:
        code = _explain(error)
    sys.exit(code if isinstance(code, int) else 0)


def _quiet_native_logs() -> None:
    """Python keeps the error stream; what C++ libraries report about themselves there is dropped.

    MediaPipe has no other switch for it. FLAMECAST_NATIVE_LOGS=1 lets it through.
    """
    if os.environ.get("FLAMECAST_NATIVE_LOGS"):
        return
    sys.stderr.flush()
    # Line by line, as the error stream is: a progress bar or a traceback must not wait in a buffer.
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 2)
    os.close(silence)


def _keep_memory_flat() -> None:
    """Tells glibc to give large freed blocks back at once, and to keep few pools.

    Left alone it raises its threshold for that as it goes, and a long video takes a quarter more memory than a short
    one. Elsewhere than on Linux there is nothing to tell.
    """
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    trim_threshold, mmap_threshold, arena_max = -1, -3, -8  # the numbers of mallopt's parameters in malloc.h
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        for parameter, value in ((mmap_threshold, 512 << 10), (trim_threshold, 4 << 20), (arena_max, 2)):
            mallopt(parameter, value)


def _explain(error: Exception) -> int:
    """Prints what went wrong and returns the exit code; a fault of ours goes on as a traceback."""
    usage = getattr(error, "format_message", None)  # typer's own errors, whichever parser it carries
    if usage is not None:
        return _say(usage(), 2)
    # Not imported before now: an error of ours exists only when its module is loaded.
    errors: Any = sys.modules.get("flamecast.flame_motion.errors")
    if errors is not None and isinstance(error, errors.BadInput):
        return _say(str(error), 2)
    if errors is not None and isinstance(error, errors.MissingAsset):
        return _say(str(error), 3)
    if isinstance(error, ImportError) and "shared object file" in str(error):
        install = "on Debian and Ubuntu: apt install libgl1 libglib2.0-0; `flamecast doctor` says more"
        return _say(f"a library of the system is missing ({error}); {install}", 3)
    raise error


def _say(sentence: str, code: int) -> int:
    if sentence:
        print(f"flamecast: {sentence}", file=sys.stderr)
    return code
