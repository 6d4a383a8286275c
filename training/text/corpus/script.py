"""Scripts of what happens when, and the motion that performing them gives."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.random import Generator

from ....drivers.text.channels import FPS
from ....flame_motion import FlameSequence
from ....flame_motion.edit.controls import apply_controls
from ....flame_motion.heads.head import Head
from .beat import Beat
from .expressions import EVENTS, EXPRESSIONS, FaceBeat, perform_face
from .idle import CALM, STILL, add_idle
from .motions import LID_MOTIONS, MOTIONS
from .take import ANGLES, SHIFTS, Take


@dataclass(frozen=True)
class Script:
    """Beats of the head and expressions of the face on one clock."""

    duration: float  # s
    beats: tuple[Beat, ...] = ()
    faces: tuple[FaceBeat, ...] = ()
    sudden: bool = False  # expressions come at once
    blinking: bool = True  # False where it is said that nobody blinks

    @property
    def frames(self) -> int:
        """round(duration * FPS)."""
        return round(self.duration * FPS)


@dataclass(frozen=True)
class Pair:
    """A text and the script that it describes: one training example."""

    text: str
    script: Script


@dataclass(frozen=True)
class Performance:
    """The tracks of one script, those of the head and those of the face, for the two models."""

    head: dict[str, np.ndarray] = field(default_factory=dict)  # by control name [T]: degrees, mm, 0..1
    face: dict[str, np.ndarray] = field(default_factory=dict)


def perform(script: Script, rng: Generator) -> Performance:
    """Performs a script, never twice alike."""
    head, face = Take(script.frames, FPS), Take(script.frames, FPS)
    lids_scripted = any(beat.name in LID_MOTIONS for beat in script.beats) or not script.blinking
    for beat in script.beats:
        MOTIONS[beat.name](head, beat, rng)
    for part in script.faces:
        perform_face(face, part, rng, script.sudden)
    reflex = head.tracks.pop("reflex", None)
    if reflex is not None and not lids_scripted:
        head.blink(np.clip(reflex, 0, 1))
    still = any(beat.name == "still" for beat in script.beats)
    lids_down = any(EXPRESSIONS[part.name].lids > 0.7 for part in script.faces)
    add_idle(
        head, rng, amount=STILL if still else CALM, gaze=0.4 if still else 1.0,
        blinks=not (lids_scripted or lids_down) and script.blinking,
    )  # fmt: skip
    return _split_tracks(head, face)


def _split_tracks(head: Take, face: Take) -> Performance:
    """Moves head tracks of an expression to the head, and face tracks of a motion to the face."""
    ours = (*ANGLES, *SHIFTS)
    for name in [name for name in face.tracks if name in ours]:
        head.add(name, face.tracks.pop(name))
    for name in [name for name in head.tracks if name not in ours and not name.startswith("eyeBlink")]:
        face.add(name, head.tracks.pop(name))
    return Performance(head.tracks, face.tracks)


def sequence_of(tracks: dict[str, np.ndarray], head: Head) -> FlameSequence:
    """Tracks [T] by control name on a head, at FPS; several clips may stand one behind the other."""
    frames = len(next(iter(tracks.values())))
    values = {
        name: torch.as_tensor(np.radians(track) if name in ANGLES else track, dtype=torch.float32)
        for name, track in tracks.items()
        if name not in SHIFTS
    }
    values |= {name: value.clamp(0, 1) for name, value in values.items() if name.startswith("eyeBlink")}
    motion = apply_controls(FlameSequence.neutral(frames, FPS, head), values, head)
    shift = np.stack([tracks.get(name, np.zeros(frames)) for name in SHIFTS], -1) / 1000
    return replace(motion, translation=motion.translation + torch.as_tensor(shift, dtype=torch.float32))


def is_passing(name: str) -> bool:
    """Whether an expression comes and goes by itself."""
    return name in EVENTS
