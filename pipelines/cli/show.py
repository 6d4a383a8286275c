"""`fit`, `export`, `head`, `render` and `inspect`: a photo's head, motion as other things, and what files say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ...core.options import Option, options_of
from ..request import HEAD, MAPS, RASTERIZER, Transfer, View
from .options import NoCache, Photo, Rasterizer, joined, with_options


@with_options("face", "head")
def fit(
    photo: Photo,
    output: Annotated[Path, typer.Option("--output", "-o", help="The portrait to write: .npz.")],
    no_cache: NoCache = False,
    **options: Any,
) -> None:
    """Fit the head to PHOTO: portrait.npz, with an overlay picture beside it."""
    from ..console import show, watched
    from ..fit import write_fit

    with watched() as progress:
        done = write_fit(photo, output, **options, cache=not no_cache, progress=progress)
    show(done)


@with_options(
    "edit", "seconds", "fps", "motion_fps", "head", head=Option("Another head to move, or to fit: its name or file.")
)
def export(
    source: Annotated[
        str,
        typer.Argument(help="A photo, a portrait.npz or `demo`; a motion.npz or an ARKit .csv.", show_default=False),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="What to write: .glb, .gltf, .vrm, .html, .portrait, .csv, .obj, .ply, .style.json."
        ),
    ],
    motion: Annotated[
        list[str] | None, typer.Option(help="A clip that the portrait plays: as for animate; of a page, several.")
    ] = None,
    speech: Annotated[list[Path] | None, typer.Option(help="The same by a recording of speech.")] = None,
    say: Annotated[list[str] | None, typer.Option(help="The same by words that a voice says.")] = None,
    text: Annotated[list[str] | None, typer.Option(help="The same by what to do, in words.")] = None,
    material: Annotated[
        str | None, typer.Option(help="Of a portrait: unlit (the photo's own light, the default) or pbr.")
    ] = None,
    size: Annotated[int | None, typer.Option(help="Of a page: the longest side of its photo, px (1024).")] = None,
    face: Annotated[int | None, typer.Option(help="Which face of the photo; 0 is the largest.", min=0)] = None,
    frame: Annotated[int | None, typer.Option(help="Of a motion: only this frame, counted from 0.")] = None,
    no_cache: NoCache = False,
    **options: Any,
) -> None:
    """Write SOURCE for other programs: a photo's person as a rigged head or a page; a motion as glTF, CSV or meshes."""
    from ..console import show, watched
    from ..exports.export import write_export

    given = {"motion": motion, "speech": speech, "say": say, "text": text}
    clips = [{name: value} for name, values in given.items() for value in values or []]
    own: dict[str, Any] = {
        name: value for name, value in (("material", material), ("face", face), ("size", size)) if value is not None
    }
    with watched() as progress:
        done = write_export(
            source, output, clips=clips, frame=frame, **joined(options), **own, cache=not no_cache, progress=progress
        )
    show(done)


def head_sheet(
    output: Annotated[Path, typer.Option("--output", "-o", help="The picture to write: .png; more pages beside it.")],
    head: Annotated[str, typer.Argument(help="Built-in head's name, or a file.")] = HEAD,
    axes: Annotated[str | None, typer.Option(help="Only these, larger: mouthSmileLeft,jawOpen,identity_03.")] = None,
) -> None:
    """Draw a head: neutral from all sides, and what each of its axes does, on labelled pages."""
    from ..console import show, watched
    from ..sheets.head_sheet import write_head_sheet

    with watched() as progress:
        done = write_head_sheet(head, output, axes=axes, progress=progress)
    show(done)


@with_options(*options_of(View), *options_of(Transfer), "edit", "mix", "seconds", "fps", "motion_fps", "face", "head")
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
    rasterizer: Rasterizer = RASTERIZER,
    no_cache: NoCache = False,
    **options: Any,
) -> None:
    """Render the geometry maps of MOTION: coloured as a video, or exact as a folder. Writes a JSON report, too."""
    from ..console import show, watched
    from ..render import write_render

    with watched() as progress:
        done = write_render(
            motion, output, maps=maps, photo=photo, rasterizer=rasterizer, **joined(options), cache=not no_cache,
            progress=progress,
        )  # fmt: skip
    show(done)


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

    findings = inspect_file(file, trust)
    typer.echo(dumps(findings, indent=1) if json else "\n".join(sentences(findings)))
