"""Inpainting: what of a motion stays as it is while the text models generate the rest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ...core.files import read_json
from ...flame_motion import BadInput, FlameSequence, TextPrompt
from ...flame_motion.edit import apply_edit
from ...flame_motion.heads.head import Head
from .channels import ALL_CHANNELS, FPS

CHANNEL_GROUPS: dict[str, tuple[str, ...]] = {  # by the names that `--keep` takes
    "head": ("neck", "translation"),
    "gaze": ("eyes",),
    "lids": ("eyelids",),
    "face": ("expression", "jaw"),
    "mouth": ("jaw",),
}
TIME = re.compile(r"(\d+(?:\.\d+)?)\s*s?(?:\s*-\s*(\d+(?:\.\d+)?)\s*s?)?")


@dataclass(frozen=True, eq=False)
class Fill:
    """A prompt, and a motion of which some frames, some channels or both stay."""

    prompt: TextPrompt
    motion: FlameSequence  # round(prompt.duration * fps) frames
    keep: Mapping[str, Tensor]  # channel -> [T] bool, True where it stays
    rest: FlameSequence | None = None  # one frame, which `motion` is counted from; None: its own (`rest_of`)

    def __post_init__(self) -> None:
        """Raises BadInput for another frame rate than 25, unknown channels and masks of another shape."""
        if self.motion.fps != FPS:
            raise BadInput(
                f"Fill.motion: expected {FPS:g} frames a second, got {self.motion.fps:g}: motion.resample({FPS:g})"
            )
        for name, mask in self.keep.items():
            if name not in ALL_CHANNELS:
                raise BadInput(f"Fill.keep: no channel {name!r} is filled in; known are {', '.join(ALL_CHANNELS)}")
            if mask.dtype != torch.bool or tuple(mask.shape) != (len(self.motion),):
                raise BadInput(f"Fill.keep {name}: expected bool [{len(self.motion)}], got {list(mask.shape)}")

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.motion) / self.motion.fps


def kept_by(spec: str, motion: FlameSequence) -> dict[str, Tensor]:
    """Masks [T] by channel of what `--keep` names, as in "head", "0s,1.5s,2s-3s" or "gaze,0s".

    Named channels are kept in all frames, all channels at the named times. Raises BadInput for other words, and for
    times outside the motion.
    """
    frames = torch.zeros(len(motion), dtype=torch.bool)
    named: set[str] = set()
    for part in (piece.strip() for piece in spec.split(",")):
        if part in CHANNEL_GROUPS:
            named |= set(CHANNEL_GROUPS[part])
        elif match := TIME.fullmatch(part):
            first = float(match.group(1))
            last = first if match.group(2) is None else float(match.group(2))
            if not first <= last <= motion.duration:
                raise BadInput(
                    f"keep {part!r}: expected times from 0 to {motion.duration:g} s, the first not the later"
                )
            start, stop = (min(round(time * motion.fps), len(motion) - 1) for time in (first, last))
            frames[start : stop + 1] = True
        else:
            raise BadInput(f"keep {part!r}: expected {', '.join(CHANNEL_GROUPS)}, a time (1.5s) or a range (1s-2s)")
    return {name: torch.ones_like(frames) if name in named else frames for name in ALL_CHANNELS}


def keyframed(path: str, duration: float, head: Head) -> tuple[FlameSequence, dict[str, Tensor]]:
    """A keyframe file (as `--edit` takes it) as a motion of `duration` s, with masks [T] by channel of what it sets.

    Kept are the channels that the keyframes move, at the times of the keyframes only. Raises BadInput for a file that
    is none, and for times outside the clip.
    """
    still = FlameSequence.neutral(max(1, round(duration * FPS)), FPS, head)
    motion = apply_edit(still, path)
    content = read_json(path, "the keyframe file")
    times = [key["time"] for key in (content if isinstance(content, list) else content.get("keyframes", []))]
    if not times or max(times) > duration:
        raise BadInput(f"{path}: expected keyframes within the {duration:g} s of the clip, got times {times}")
    frames = torch.zeros(len(still), dtype=torch.bool)
    frames[[min(round(time * FPS), len(still) - 1) for time in times]] = True
    moved = [name for name in ALL_CHANNELS if not torch.equal(getattr(motion, name), getattr(still, name))]
    return motion, dict.fromkeys(moved or ALL_CHANNELS, frames)
