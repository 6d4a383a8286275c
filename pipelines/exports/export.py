"""`flamecast export`: a motion, or a photo's person, for other programs, by the ending of the output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...core.files import PathLike, check_writable, refuse_overwriting
from ...core.report import Done, check_beside
from ...core.threads import one_torch_thread
from ...drivers import load_driver
from ...flame_motion import BadInput, Driven, FlameSequence, Progress, load_head
from ...flame_motion.edit import apply_edit, edit_files
from ...flame_motion.formats.arkit import has_shapes, to_arkit
from ...flame_motion.formats.arkit_csv import write_arkit_csv
from ...flame_motion.style import measure_style
from ...generator import Portrait
from ..opening import open_signal
from ..request import HEAD, AnimateRequest
from ..stages import drive_signal, retargeted
from ..styles import ENDING as STYLE
from .gltf import save_gltf
from .meshes import save_materials, save_obj, save_ply
from .portrait import PAGES, VRM, is_portrait, write_portrait

ENDINGS = (".glb", ".gltf", ".csv", ".obj", ".ply", ".vrm", ".html", ".portrait")


@one_torch_thread()
def write_export(
    source: PathLike | FlameSequence | Portrait | np.ndarray,
    output: Path | str,
    *,
    clips: Sequence[Mapping[str, Any]] = (),
    frame: int | None = None,
    head: str | None = None,
    cache: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> Done:
    """Writes a motion (a sequence, a file of any kind, or `demo`) to `output`: a file of `ENDINGS`, or a .style.json.

    A photo, a portrait or `demo` becomes, in a .glb or .gltf, that person's head: see `portrait.write_portrait` for
    clips, cache and options. Of a motion:
    options: edit, seconds, fps and motion_fps of `AnimateRequest`. Meshes of a longer clip are numbered, OUT_0000.obj
    and so on, unless `frame` picks one. head: another head to move, by retargeting; a .csv is always of the built-in
    head where the motion's own has no ARKit axes. BadInput for what cannot be read, understood or written.
    """
    output = Path(output)
    _check_output(output)
    if is_portrait(source, output):
        if frame is not None:
            raise BadInput("frame goes with a motion, and this is a portrait")
        named = {} if head is None else {"head": head}
        return write_portrait(source, output, clips, cache=cache, progress=progress, **named, **options)  # type: ignore[arg-type]
    beside = [name for name in ("face", "material", "size") if options.pop(name, None) is not None]
    if beside := [*beside, *(name for clip in clips for name in clip)]:
        raise BadInput(
            f"{', '.join(beside)} goes with a portrait written as .glb or .html: {source} is taken for a motion"
        )
    if output.suffix.lower() in (VRM, *PAGES):
        raise BadInput(f"a {output.suffix} is made of a photo or a portrait.npz: {source} is taken for a motion")
    request = AnimateRequest.of(motion=source, **options)
    edit = request.edit
    refuse_overwriting([source, *edit_files(edit), head], [output])
    signal = open_signal(request.drive, request.clip, head=head or HEAD)
    driven = drive_signal(signal, load_driver, request.clip, head=head or HEAD)
    clip = driven.motion if edit is None else apply_edit(driven.motion, edit)
    if frame is not None:
        if not 0 <= frame < len(clip):
            raise BadInput(f"frame {frame}: the motion has the frames 0 to {len(clip) - 1}")
        clip = clip[frame : frame + 1]
    if head is not None:
        clip = retargeted(Driven(clip), load_head(head)).motion
    if output.name.lower().endswith(STYLE):
        measure_style(clip, "" if isinstance(source, FlameSequence) else Path(str(source)).name).save(output)
        return Done([output], driven.problems)
    ending = output.suffix.lower()
    if ending == ".csv":
        return _write_csv(clip, output, driven.problems)
    if ending in (".glb", ".gltf"):
        save_gltf(clip, output, load_head(clip.head))
        return Done([output], driven.problems)
    return Done(_write_meshes(clip, output, progress), driven.problems)


def _check_output(output: Path) -> None:
    if output.suffix.lower() not in ENDINGS and not output.name.lower().endswith(STYLE):
        given = output.suffix or "no ending"
        raise BadInput(f"the output {output} must end in one of {', '.join((*ENDINGS, STYLE))}, got {given}")
    check_writable(output)


def _write_csv(clip: FlameSequence, output: Path, problems: list[str]) -> Done:
    own = load_head(clip.head)
    if not has_shapes(own):
        clip = retargeted(Driven(clip), load_head(HEAD)).motion
        problems = [*problems, f"head {own.id} has no ARKit axes: the motion was retargeted to the built-in head"]
    take = to_arkit(clip, load_head(clip.head))
    write_arkit_csv(output, take)
    return Done([output], [*problems, *take.notes])


def _write_meshes(clip: FlameSequence, output: Path, progress: Progress | None) -> list[Path]:
    """A file a frame, each whole or not there; with OBJ the materials."""
    person = load_head(clip.head)
    person.check(clip)
    digits = max(4, len(str(len(clip) - 1)))
    numbered = [output.with_name(f"{output.stem}_{k:0{digits}d}{output.suffix}") for k in range(len(clip))]
    files = numbered if len(clip) > 1 else [output]
    text = output.suffix.lower() == ".obj"
    materials = output.with_suffix(".mtl")
    for file in [*files, materials] if text else files:
        if file != output:
            check_beside(file)
    for number, file in enumerate(files):
        with torch.no_grad():
            (vertices,) = person(clip[number : number + 1])
        if text:
            save_obj(file, vertices, person, materials.name)
        else:
            save_ply(file, vertices, person)
        if progress is not None:
            progress("frames", number + 1, len(files))
    if text:
        save_materials(materials)
    return [*files, materials] if text else files
