"""Frames of an animated WebP, decoded by Pillow: ffmpeg takes such a file for a single picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate, repeat
from pathlib import Path

import numpy as np

from ...core.errors import BadInput
from .frames import constant_rate

_HASTY = 10  # ms: a frame as short as this is shown for _USUAL, as browsers do
_USUAL = 100  # ms


@dataclass(frozen=True)
class WebpFrames:
    """The animation at a constant rate, on white; iterating decodes from the start, one frame in memory at a time."""

    path: Path
    fps: float
    repeats: list[int]  # how many outputs show each frame of the file
    start: float = 0.0  # s
    problems: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, path: Path) -> WebpFrames:
        """Lay the frames on a constant-rate grid by their durations. BadInput when not one can be decoded."""
        durations = [_USUAL if ms <= _HASTY else ms for ms in _durations(path)]
        stamps = list(accumulate(durations[:-1], initial=0))
        fps, slots = constant_rate(stamps, Fraction(1, 1000), None)
        problems = []
        if None in slots or len(slots) < len(stamps):
            count = f"{len(stamps)} frames in the file, {len(slots)} shown"
            problems.append(f"the frame rate varies: taken at a constant {fps:.5g} fps ({count})")
        slots += [None] * (round(durations[-1] / 1000 * fps) - 1)
        repeats = dict.fromkeys(stamps, 0)
        shown = stamps[0]
        for slot in slots:
            shown = shown if slot is None else slot
            repeats[shown] += 1
        frames = cls(path, fps, list(repeats.values()), problems=problems)
        if next(iter(frames), None) is None:
            raise BadInput(f"{path}: not one frame of its animation can be decoded; the file is cut off or damaged")
        return frames

    def __iter__(self) -> Iterator[np.ndarray]:
        """[H, W, 3] uint8 RGB."""
        shown = 0
        for picture, repeats in zip(_pictures(self.path), self.repeats, strict=False):
            yield from repeat(picture, repeats)
            shown += repeats
        if shown < self.count():
            lost = self.count() - shown
            problem = f"the last {lost} of {self.count()} frames cannot be decoded: the clip ends at "
            self._report(f"{problem}{shown / self.fps:.2f} s")

    def count(self) -> int:
        """How many frames a whole file gives."""
        return sum(self.repeats)

    def _report(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)


def is_animated_webp(path: Path) -> bool:
    """Whether a file is a WebP with more than one frame, by its content."""
    try:
        return len(_durations(path)) > 1
    except OSError:  # no file, or none that may be read: opening it will say so
        return False


def _durations(path: Path) -> list[int]:  # [frames] ms
    """How long each frame shows; empty for anything but an animated WebP (RFC 9649, 2.7.1.1)."""
    durations: list[int] = []
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WEBP":
            return durations
        while len(chunk := file.read(8)) == 8:
            size = int.from_bytes(chunk[4:], "little")
            taken = 0
            if chunk[:4] == b"ANMF":
                frame = file.read(16)  # x, y, width, height, duration of 24 bits each, then flags
                taken = len(frame)
                durations.append(int.from_bytes(frame[12:15], "little"))
            file.seek(size + size % 2 - taken, 1)
    return durations


def _pictures(path: Path) -> Iterator[np.ndarray]:
    """Every frame that decodes, [H, W, 3] uint8, composited on white."""
    from PIL import Image

    try:
        with Image.open(path, formats=("WEBP",)) as animation:
            white = Image.new("RGBA", animation.size, (255, 255, 255, 255))
            for index in range(getattr(animation, "n_frames", 1)):
                animation.seek(index)
                yield np.array(Image.alpha_composite(white, animation.convert("RGBA")).convert("RGB"))
    except (OSError, SyntaxError, ValueError, EOFError):  # damaged from here on; the reader above says so
        return
