"""`flamecast export PORTRAIT`: a photo's person for other programs and for browsers, with clips that it plays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...core.files import PathLike, refuse_overwriting
from ...core.npz import load_arrays
from ...core.options import flat
from ...core.report import Done
from ...flame_motion import BadInput, Driven, FlameSequence, Progress
from ...flame_motion.edit import edit_files
from ...generator import Portrait
from ...generator.warp.scene import prepare
from ..animate import AnimatePipeline
from ..fit import look_at, open_portrait
from ..opening import DEMO, check_edit, open_signal
from ..request import HEAD, AnimateRequest
from ..stages import drive_signal, pose
from .person import person_of
from .person_clip import with_clip
from .person_gltf import MATERIALS, save_person

ENDINGS = (".glb", ".gltf")  # of what a portrait can become
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
    material: str = "unlit", face: int = 0, head: str = HEAD, progress: Progress | None = None, **options: Any,
) -> Done:  # fmt: skip
    """Writes the person of a photo (a file, `demo`, a portrait.npz) to `output`: .glb or .gltf. Raises BadInput.

    clips: for each clip what moves it, options of `AnimateRequest` by name (motion; speech, say or text); glTF takes
    one. options: edit, seconds, fps and motion_fps of every clip. material: `unlit` shows the photo's own light, `pbr`
    is lit by the program that shows it.
    """
    if material not in MATERIALS:
        raise BadInput(f"material must be {' or '.join(MATERIALS)}, got {material!r}")
    if options and not clips:
        raise BadInput(f"{', '.join(sorted(options))} goes with a clip: give motion, speech, say or text, too")
    if len(clips) > 1:
        raise BadInput(f"a {output.suffix} holds one clip, got {len(clips)}")
    requests = [AnimateRequest.of(**{**options, **clip}, face=face) for clip in clips]
    for request in requests:
        check_edit(request.edit, head)
        named = [value for name, value in flat(request.drive).items() if name not in ("text", "emotion", "say")]
        refuse_overwriting([source, *named, *edit_files(request.edit)], [output])
    refuse_overwriting([source], [output])
    report = progress or (lambda stage, done, of: None)
    report("fit", 0, 1)
    sight = look_at(source, face)
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
    scene = prepare(portrait)
    person, motion, weights = person_of(scene), None, None
    if moving:
        motion = moving[0].motion
        person, weights = with_clip(person, scene, motion)
    save_person(person, scene.portrait, output, material=material, motion=motion, weights=weights)
    return Done([output], problems)


def clip_name(request: AnimateRequest) -> str:
    """What a clip is called: its file, or its words."""
    drive = request.drive
    for given in (drive.motion, drive.video, drive.speech):
        if given is not None:
            return Path(str(given)).stem if isinstance(given, (str, Path)) else "clip"
    return next((words for words in (drive.say, drive.text, drive.emotion) if words), "clip")
