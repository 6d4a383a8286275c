"""Does a job inside the worker process: video, motion, head and report in one folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...core.files import atomic_path
from ...core.report import Clock
from ...flame_motion import Driven, FlameSequence, Progress
from ...flame_motion.edit import apply_edit
from ...generator import Portrait, load_generator
from ..animate import AnimatePipeline
from ..exports.export import write_export
from ..request import GENERATOR
from ..stages import Posed, retimed, write_videos
from ..views import place
from .job_request import EXCLUSIVE, STILL_SECONDS, JobRequest
from .results import (
    HEAD,
    MOTION,
    OUT,
    PORTRAIT,
    POSTER,
    REPORT,
    REST,
    RESULTS,
    SOUNDING,
    UNEDITED,
    VIDEO,
    with_shown_names,
)  # fmt: skip
from .uploads import link

POSTER_SIDE = 240  # px


class JobRunner:
    """Does jobs one after the other with models that are loaded once."""

    def __init__(self) -> None:
        self.pipeline = AnimatePipeline()
        self.generator = load_generator(GENERATOR)  # draws finished motions again

    def __call__(self, request: JobRequest, folder: Path, progress: Progress) -> dict[str, Any]:
        """Makes a job's files in `folder`/out; returns their names, problems and facts. BadInput or MissingAsset."""
        out = folder / OUT
        out.mkdir(parents=True, exist_ok=True)
        animate = self._animate if request.redraw is None else self._redraw
        portrait, motion, problems = animate(request, out, progress)
        _link_sound(out if request.redraw is None else request.redraw / OUT, out)
        progress("export", 0, 2)
        portrait.save(out / PORTRAIT)
        motion.save(out / MOTION)
        portrait.pose.save(out / REST)
        progress("export", 1, 2)
        if not request.preview:
            write_export(motion, out / HEAD)
        _write_poster(out / VIDEO, out / POSTER)
        progress("export", 2, 2)
        height, width = portrait.image.shape[:2]
        files = [name for name in RESULTS if (out / name).is_file()]
        facts = {"frames": len(motion), "fps": motion.fps, "seconds": motion.duration, "size": [width, height]}
        return {"files": files, "problems": problems, "facts": facts}

    def _animate(self, request: JobRequest, out: Path, progress: Progress) -> tuple[Portrait, FlameSequence, list[str]]:
        """Animates the photo by its signal, within the server's length."""
        animate, limit = request.animate, request.max_seconds
        wanted, drive = animate.clip.seconds, animate.drive
        seconds = limit if wanted is None or request.preview else wanted
        if wanted is None and seconds is not None and all(getattr(drive, name) is None for name in EXCLUSIVE):
            seconds = min(STILL_SECONDS, seconds)  # words
        if drive.driver_name is None and drive.motion is None:  # keyframes alone, which are an edit
            drive = replace(drive, motion=FlameSequence.neutral(max(1, round((wanted or STILL_SECONDS) * 25)), 25.0))
        clip = replace(animate.clip, seconds=seconds)
        wanted_of = replace(animate, drive=drive, clip=clip, output=out / VIDEO)
        made = self.pipeline.run(wanted_of, progress, limit, request.portraits)
        _write_report(out / "video.json", out / REPORT, request)
        problems = made.problems
        if wanted is None and seconds is not None:
            problems = [sentence for sentence in problems if not sentence.startswith(f"{seconds:g} s were asked for")]
            if not request.preview and limit is not None and made.report["frames"] == round(limit * made.report["fps"]):
                problems.append(f"only the first {limit:g} s were made, which is all that is made here")
        assert made.portrait is not None and made.motion is not None and made.unedited is not None
        made.unedited.save(out / UNEDITED)
        return made.portrait, made.motion, problems

    def _redraw(self, request: JobRequest, out: Path, progress: Progress) -> tuple[Portrait, FlameSequence, list[str]]:
        """Edits what a finished job made before any edit, draws it, with its sound where the edit keeps the time."""
        assert request.redraw is not None
        before, edit, camera = request.redraw / OUT, request.animate.edit, request.animate.view.camera
        portrait, motion = Portrait.load(before / PORTRAIT), FlameSequence.load(before / UNEDITED)
        motion.save(out / UNEDITED)
        driven = retimed(Driven(motion, sound=_sound_of(before / SOUNDING)), edit)
        motion = motion if edit is None else apply_edit(motion, edit)
        motion = motion[: max(1, round((request.max_seconds or motion.duration) * motion.fps))]
        cameras = place(portrait, len(motion), camera, None, motion.fps)
        stream = self.generator(portrait, motion, cameras, seed=request.animate.seed, progress=progress)
        write_videos(stream, [out / VIDEO], Posed(portrait, motion, driven), Clock(), [None])
        report = json.loads((before / REPORT).read_text(encoding="utf-8"))
        report |= {"frames": len(motion), "fps": motion.fps}
        edits = [] if edit is None else [with_shown_names(edit, request.names)]
        report["edits"] = edits
        (out / REPORT).write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        return portrait, motion, driven.problems


def _link_sound(before: Path, out: Path) -> None:
    """Keeps the video that has the signal's sound, whatever later edits leave out."""
    source = before / SOUNDING if (before / SOUNDING).is_file() else before / VIDEO
    link(source, out / SOUNDING)


def _sound_of(video: Path) -> Path | None:
    """The video itself where it has sound, otherwise None."""
    import av

    with av.open(str(video)) as container:
        return video if container.streams.audio else None


def _write_poster(video: Path, target: Path) -> None:
    """A small picture from the middle of the first second."""
    import av

    with av.open(str(video)) as container:
        picture = next(frame for number, frame in enumerate(container.decode(video=0)) if number in (0, 12)).to_image()
    picture.thumbnail((POSTER_SIDE, POSTER_SIDE))
    with atomic_path(target) as hidden:
        picture.save(hidden, format="JPEG", quality=85)


def _write_report(source: Path, target: Path, request: JobRequest) -> None:
    """The report without the server's paths: files have the names that their owner knows."""
    names = {**request.names, str(source.parent / VIDEO): VIDEO}

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: clean(one) for key, one in value.items()}
        if isinstance(value, list):
            return [clean(one) for one in value]
        return with_shown_names(value, names) if isinstance(value, str) else value

    report = clean(json.loads(source.read_text(encoding="utf-8")))
    target.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    source.unlink()
