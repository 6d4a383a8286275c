"""`flamecast evaluate scorecard`: generators, and other programs' videos, side by side on the same heads and clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ...core.files import PathLike, existing_file
from ...flame_motion import BadInput, Progress, VideoClip
from ...flame_motion.tracking.detector import MediaPipeDetector
from ...training.completion.head_files import load_heads
from ...training.completion.heads import TexturedHead
from ..animate import AnimatePipeline
from . import page as pages
from .faces import FaceReader
from .heads import FAR_SECTION, Shot, measure_heads
from .measures import explained, plain
from .text_metrics import frechet_distance
from .video import VideoFigures, measure_video

Rows = dict[str, dict[str, dict[str, float]]]  # measures by row and section


def evaluate_scorecard(
    clips: Sequence[PathLike] = (), heads: Sequence[PathLike] = (), *, generators: Sequence[str] = ("warp",),
    others: Sequence[str] = (), seconds: float = 4.0, pictures: int = 30, page: PathLike | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:  # fmt: skip
    """One table: turned heads as `evaluate heads` measures them, clips as `evaluate video` does, means over each.

    Every clip's first frame is animated by the clip itself (absolute) for `seconds`, by each generator. others:
    NAME=FOLDER, where FOLDER holds another program's videos of the clips under the clips' own names. `frechet` compares
    the mouths of all clips together. pictures: of each video. page: an .html for the table, and every row's pictures.
    Raises BadInput.
    """
    pages.check_page(page)
    people = load_heads(heads) if heads else []
    clip_paths = [existing_file(clip, "the clip") for clip in clips]
    if not people and not clip_paths:
        raise BadInput("expected clips, heads or both")
    folders = _folders(others, generators, clip_paths)
    card = _Card({}, [], [])
    for name in generators if people else ():
        card.add_heads(name, people, progress)
    judge = _Judge(MediaPipeDetector(), FaceReader(), pictures, progress)
    for name in [*generators, *folders] if clip_paths else ():
        given = folders.get(name)
        figures = judge.of(name, clip_paths, seconds) if given is None else judge.of_other(given, clip_paths)
        card.add_videos(name, figures)
    if page is not None:
        pages.write_page(page, "Scorecard", [pages.notes(card.notes), pages.table(card.rows), *card.parts])
    facts = {
        "clips": [path.stem for path in clip_paths],
        "heads": [head.name for head in people],
        "seconds": seconds,
    }
    return plain({**facts, "notes": card.notes, "rows": card.rows, "measures": explained(card.rows)})


@dataclass(frozen=True)
class _Card:
    """What was found so far."""

    rows: Rows
    notes: list[str]
    parts: list[str]  # of a page

    def add_heads(self, name: str, people: Sequence[TexturedHead], progress: Progress | None) -> None:
        """A generator's turned heads, and the photos themselves."""
        found = measure_heads(people, name, Shot(), progress)
        for row, sections in found.rows.items():
            self.rows.setdefault(row, {})[f"turned by {FAR_SECTION}"] = sections[FAR_SECTION]
        self.notes.extend(found.notes)
        self.parts.extend([pages.heading(f"{name}: turned heads"), *found.parts])

    def add_videos(self, name: str, figures: dict[str, VideoFigures]) -> None:
        """The videos of one row, by clip: means over clips of what is known."""
        row = self.rows.setdefault(name, {})
        each = list(figures.values())
        for section in each[0].row:
            known = {
                measure: [one.row[section][measure] for one in each if not np.isnan(one.row[section][measure])]
                for measure in each[0].row[section]
            }
            row[section] = {m: float(np.mean(values)) if values else float("nan") for m, values in known.items()}
        mouths, true = (np.concatenate(sets) for sets in zip(*((one.mouths, one.true_mouths) for one in each)))
        row["mouth"]["frechet"] = frechet_distance(mouths, true) if len(mouths) > 1 else float("nan")
        for clip, one in figures.items():
            self.notes.extend(f"{name}, {clip}: {note}" for note in one.notes)
            self.parts.extend([pages.heading(f"{name}: {clip}"), *one.parts])


@dataclass(frozen=True)
class _Judge:
    """Measures videos of clips."""

    detector: MediaPipeDetector
    faces: FaceReader
    pictures: int
    progress: Progress | None

    def of(self, generator: str, clips: Sequence[Path], seconds: float) -> dict[str, VideoFigures]:
        """A generator's, drawn from each clip's first frame as long as `seconds`, by the clip's name."""
        pipeline = AnimatePipeline(generator=generator)
        with TemporaryDirectory() as folder:
            found = {}
            for clip in clips:
                target = Path(folder) / f"{clip.stem}.mp4"
                photo = next(iter(VideoClip.open(clip)))
                options = {"mode": "absolute", "seconds": seconds, "size": max(photo.shape[:2])}
                pipeline(photo, video=str(clip), output=str(target), progress=self.progress, **options)
                found[clip.stem] = self._measured(target, clip)
        return found

    def of_other(self, folder: Path, clips: Sequence[Path]) -> dict[str, VideoFigures]:
        """Another program's, by the clip's name."""
        return {clip.stem: self._measured(folder / f"{clip.stem}.mp4", clip) for clip in clips}

    def _measured(self, video: Path, clip: Path) -> VideoFigures:
        return measure_video(video, clip, self.pictures, self.detector, self.faces, self.progress)


def _folders(others: Sequence[str], generators: Sequence[str], clips: Sequence[Path]) -> dict[str, Path]:
    """The folders of other programs by name, each with a video of every clip. BadInput."""
    found: dict[str, Path] = {}
    for text in others:
        name, equals, folder = text.partition("=")
        if not name or not equals or not folder:
            raise BadInput(f"others: expected NAME=FOLDER, got {text!r}")
        if name in found or name in generators:
            raise BadInput(f"others: the name {name!r} is given twice; a row of the table is called by it")
        for clip in clips:
            existing_file(Path(folder) / f"{clip.stem}.mp4", f"the video of {name}")
        found[name] = Path(folder)
    return found
