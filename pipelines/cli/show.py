"""`fit`, `export`, `head`, `render` and `inspect`: a photo's head, motion as other things, and what files say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..options import HEAD, MAPS, RASTERIZER, AnimateOptions
from .options import (
    Camera,
    Edit,
    Face,
    Fps,
    Framing,
    HeadName,
    Mode,
    MotionFps,
    Photo,
    Rasterizer,
    Seconds,
    Size,
    Views,
    one_edit,
)


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


def export(
    motion: Annotated[str, typer.Argument(help="A motion.npz, an ARKit .csv, or `demo`.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="What to write: .glb, .gltf, .csv, .obj or .ply.")],
    frame: Annotated[int | None, typer.Option(help="Only this frame, counted from 0.")] = None,
    edit: Edit = None,
    seconds: Seconds = None,
    fps: Fps = None,
    motion_fps: MotionFps = None,
    head: Annotated[str | None, typer.Option(help="Another head to move: its name or file.")] = None,
) -> None:
    """Write MOTION for other programs: glTF (mesh and animation), ARKit CSV, or a mesh a frame (OBJ, PLY)."""
    options = {key: value for key, value in locals().items() if key not in ("motion", "output")}
    options["edit"] = one_edit(edit)
    from ..console import tell, watched
    from ..exports.export import write_export

    with watched() as progress:
        done = write_export(motion, output, **options, progress=progress)
    tell(done)


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
    motion_fps: MotionFps = None,
    head: HeadName = HEAD,
    rasterizer: Rasterizer = RASTERIZER,
) -> None:
    """Render the geometry maps of MOTION: coloured as a video, or exact as a folder. Writes a JSON report, too."""
    options = {key: value for key, value in locals().items() if key not in ("motion", "output")}
    options["edit"] = one_edit(edit)
    from ..console import tell, watched
    from ..render import write_render

    with watched() as progress:
        done = write_render(motion, output, **options, progress=progress)
    tell(done)


def inspect(
    file: Annotated[
        Path, typer.Argument(help="A video, picture, motion, portrait, model or report.", show_default=False)
    ],
    trust: Annotated[
        Path | None, typer.Option(help="Certificates (PEM) of authorities that may vouch for who signed.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of sentences.")] = False,
) -> None:
    """Say what FILE says of itself: what it is, how it was made, who signed it and whether it was changed since."""
    from json import dumps

    from ..inspection import inspect_file, sentences

    told = inspect_file(file, trust)
    typer.echo(dumps(told, indent=1) if json else "\n".join(sentences(told)))
