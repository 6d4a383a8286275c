"""`flamecast export PORTRAIT`: a photo's person for other programs and for browsers, with clips that it plays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...core.files import PathLike, atomic_path, check_writable, refuse_overwriting
from ...core.npz import load_arrays
from ...core.options import flat
from ...core.report import Done
from ...flame_motion import BadInput, Driven, FlameSequence, Progress
from ...flame_motion.edit import edit_files
from ...generator import Portrait
from ...generator.warp.scene import prepare
from ..animate import AnimatePipeline
from ..fit import look_at, open_portrait
from ..framing import framed
from ..opening import DEMO, check_edit, open_signal
from ..player.clips import add_clip
from ..player.page import PLAYER, player_text
from ..player.page import page as page_of
from ..player.scene_file import scene_file
from ..request import HEAD, AnimateRequest
from ..stages import drive_signal, pose
from .person import person_of
from .person_clip import with_clip
from .person_gltf import MATERIALS, save_person

PAGE_SIZE = 1024  # px, the longest side of the photo in a page, when none is asked for
PAGES = (".html", ".portrait")  # a page of one file; the player's file, with the player beside it
VRM = ".vrm"
ENDINGS = (".glb", ".gltf", VRM, *PAGES)  # of what a portrait can become
TRACKS = (".csv", ".npy")  # endings of motions, which no photo has


@dataclass(frozen=True)
class PortraitClip:
    """A motion of the portrait, with the sound it came with."""

    name: str
    motion: FlameSequence
    driven: Driven


def is_portrait(source: object, output: Path) -> bool:
    """Whether a source (a file, `demo`, or an object) is to be taken for a photo or a portrait by this output."""
    if isinstance(source, (Portrait, np.ndarray)):
        return True
    if isinstance(source, FlameSequence) or output.suffix.lower() not in ENDINGS:
        return False
    path = Path(str(source))
    if path.suffix.lower() == ".npz":
        try:
            return "image" in load_arrays(path)
        except BadInput:
            return False  # what is wrong with it is said where a motion is read
    return str(source) == DEMO or not (path.is_dir() or path.suffix.lower() in TRACKS)


def write_portrait(
    source: PathLike | Portrait | np.ndarray, output: Path, clips: Sequence[Mapping[str, Any]] = (), *,
    material: str | None = None, face: int = 0, head: str = HEAD, size: int | None = None, cache: bool = False,
    progress: Progress | None = None, **options: Any,
) -> Done:  # fmt: skip
    """Writes the person of a photo (a file, `demo`, a portrait.npz) to `output`, one of `ENDINGS`. BadInput.

    clips: for each clip what moves it, options of `AnimateRequest` by name (motion; speech, say or text); glTF takes
    one. options: edit, seconds, fps and motion_fps of every clip. material: `unlit` shows the photo's own light, `pbr`
    is lit by the program that shows it. size: the longest side of a page's photo in px, at most the photo's own. cache:
    whether the fitted portrait is kept, see `fit.look_at`.
    """
    page = output.suffix.lower() in PAGES
    _check(output, clips, material, size, options)
    requests = [AnimateRequest.of(**{**options, **clip}, face=face) for clip in clips]
    refuse_overwriting([source], [output])
    for request in requests:
        check_edit(request.edit, head)
        named = [value for name, value in flat(request.drive).items() if name not in ("text", "emotion", "say")]
        refuse_overwriting([*named, *edit_files(request.edit)], [output])
    report = progress or (lambda stage, done, of: None)
    report("fit", 0, 1)
    sight = look_at(source, face, head=head, cache=cache)
    signals = [open_signal(request.drive, request.clip, head=head) for request in requests]
    portrait, problems = open_portrait(sight, face, head)
    report("fit", 1, 1)
    load = AnimatePipeline(head=head).driver
    moving = []
    for request, signal in zip(requests, signals, strict=True):
        driven = drive_signal(signal, load, request.clip, head=head, seed=request.seed, progress=progress)
        posed = pose(portrait, driven, request)
        problems += posed.driven.problems
        moving.append(PortraitClip(clip_name(request), posed.motion, posed.driven))
    written = [output]
    if page:
        written += _write_page(source, portrait, output, moving, size or PAGE_SIZE)
    else:
        name = _title(source) if output.suffix.lower() == VRM else None
        _write_gltf(portrait, output, moving, material or MATERIALS[0], name)
    return Done(written, list(dict.fromkeys(problems)))


def _check(output: Path, clips: Sequence[Any], material: str | None, size: int | None, options: dict[str, Any]) -> None:
    """BadInput for options that do not go together."""
    page = output.suffix.lower() in PAGES
    for name in PLAYER if output.suffix.lower() == ".portrait" else ():
        check_writable(output.with_name(name))
    if material is not None and (page or material not in MATERIALS):
        wanted = "goes with a .glb or .gltf" if page else f"must be {' or '.join(MATERIALS)}, got {material!r}"
        raise BadInput(f"material {wanted}")
    if size is not None and not (page and 64 <= size <= 2048):
        raise BadInput(f"size must be 64 to 2048 px, got {size}" if page else "size goes with a page, .html")
    if options and not clips:
        raise BadInput(f"{', '.join(sorted(options))} goes with a clip: give motion, speech, say or text, too")
    if clips and output.suffix.lower() == VRM:
        raise BadInput("a .vrm holds no clip: write a .glb, or play the clip in the program that shows the avatar")
    if len(clips) > 1 and not page:
        raise BadInput(f"a {output.suffix} holds one clip, got {len(clips)}; a page, .html, holds several")


def _title(source: object) -> str:
    return Path(source).stem if isinstance(source, (str, Path)) else "portrait"


def _write_gltf(
    portrait: Portrait, output: Path, clips: list[PortraitClip], material: str, avatar: str | None
) -> None:  # fmt: skip
    scene = prepare(portrait)
    person, motion, weights = person_of(scene), None, None
    if clips:
        motion = clips[0].motion
        person, weights = with_clip(person, scene, motion)
    save_person(person, scene.portrait, output, material=material, motion=motion, weights=weights, avatar=avatar)


def _write_page(
    source: object, portrait: Portrait, output: Path, clips: list[PortraitClip], size: int
) -> list[Path]:  # fmt: skip
    """Writes the page, or the player's file and beside it the player: what is beside it."""
    made = scene_file(prepare(framed(portrait, "photo", min(size, max(portrait.image.shape[:2])))))
    for clip in clips:
        add_clip(made, clip.name, clip.motion, clip.driven)
    if output.suffix.lower() == ".html":
        with atomic_path(output) as hidden:
            Path(hidden).write_text(page_of(made, _title(source)), encoding="utf-8", errors="backslashreplace")
        return []
    with atomic_path(output) as hidden:
        Path(hidden).write_bytes(made.packed())
    beside = [output.with_name(name) for name in PLAYER]
    for path in beside:
        with atomic_path(path) as hidden:
            Path(hidden).write_text(player_text(path.name), encoding="utf-8")
    return beside


def clip_name(request: AnimateRequest) -> str:
    """What a clip is called: its file, or its words."""
    drive = request.drive
    for given in (drive.motion, drive.video, drive.speech):
        if given is not None:
            return Path(str(given)).stem if isinstance(given, (str, Path)) else "clip"
    return next((words for words in (drive.say, drive.text, drive.emotion) if words), "clip")
