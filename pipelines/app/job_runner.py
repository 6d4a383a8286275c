"""Does a job inside the worker process: video, motion, head and report in one folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from ...core.files import atomic_path
from ...flame_motion import FlameSequence, Progress
from ...flame_motion.edit import apply_edit, changes_time
from ...flame_motion.media.video_writer import VideoWriter
from ...generator import Portrait, load_generator
from ..animate import AnimatePipeline
from ..exports.export import write_export
from ..request import GENERATOR
from ..views import place
from .job_request import DEMO, JobRequest
from .results import HEAD, MOTION, OUT, PORTRAIT, POSTER, REPORT, RESULTS, VIDEO, with_shown_names

POSTER_SIDE = 240  # px
STILL_SECONDS = 4.0  # s of a clip that keyframes alone drive, or words without a length


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
        progress("export", 0, 2)
        portrait.save(out / PORTRAIT)
        motion.save(out / MOTION)
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
        """From photo and signal."""
        options = dict(request.options)
        photo = request.files.get("photo", options.pop("photo", DEMO))
        options |= {name: request.files[name] for name in ("video", "speech", "motion") if name in request.files}
        if "camera_keys" in request.files:
            options["camera"] = str(request.files["camera_keys"])
        if (keys := request.files.get("keyframes")) is not None:
            _add_keyframes(options, str(keys))
        wanted = options.get("seconds")
        options["seconds"] = request.cut if wanted is None or request.preview else wanted
        if wanted is None and not {"video", "speech", "say", "motion"} & options.keys():
            options["seconds"] = min(STILL_SECONDS, options["seconds"])
        made = self.pipeline(photo, **options, output=out / VIDEO, progress=progress)
        _write_report(out / "video.json", out / REPORT, request)
        short = f"{options['seconds']:g} s were asked for"
        problems = [sentence for sentence in made.problems if wanted is not None or not sentence.startswith(short)]
        if wanted is None and not request.preview and made.report["frames"] == round(request.cut * made.report["fps"]):
            problems.append(f"only the first {request.cut:g} s were made, which is all that is made here")
        assert made.portrait is not None and made.motion is not None
        return made.portrait, made.motion, problems

    def _redraw(self, request: JobRequest, out: Path, progress: Progress) -> tuple[Portrait, FlameSequence, list[str]]:
        """Edits the motion of a finished job and draws it again, with its sound where the edit keeps the time."""
        assert request.redraw is not None
        before, edit = request.redraw / OUT, request.options.get("edit")
        edits = [
            piece
            for piece in (edit, str(request.files["keyframes"]) if "keyframes" in request.files else None)
            if piece
        ]
        portrait = Portrait.load(before / PORTRAIT)
        motion = FlameSequence.load(before / MOTION)
        if edits:
            motion = apply_edit(motion, edits)
        motion = motion[: max(1, round((request.cut or motion.duration) * motion.fps))]
        camera = str(request.files["camera_keys"]) if "camera_keys" in request.files else request.options.get("camera")
        cameras = place(portrait, len(motion), camera, None, motion.fps)
        moved = changes_time(edits)
        stream = self.generator(portrait, motion, cameras, seed=request.options.get("seed", 0), progress=progress)
        with VideoWriter(out / VIDEO, motion.fps, sound=None if moved else _sound_of(before / VIDEO)) as writer:
            for frames in stream:
                writer.write(frames[0])
        shutil.copyfile(before / REPORT, out / REPORT)
        report = json.loads((out / REPORT).read_text(encoding="utf-8"))
        report |= {"frames": len(motion), "fps": motion.fps}
        report["edits"] = [
            *report.get("edits", []),
            *(request.names.get("keyframes", one) if one.endswith(".json") else one for one in edits),
        ]
        (out / REPORT).write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        problems = ["the edit moves frames in time and the sound cannot follow: it is left out"] if moved else []
        return portrait, motion, problems


def _add_keyframes(options: dict[str, Any], path: str) -> None:
    """Keyframes join words, are an edit of another signal, and alone move a neutral face."""
    others = {"video", "speech", "say", "motion"} & options.keys()
    if not others and {"text", "emotion"} & options.keys():
        options["keyframes"] = path
        return
    if not others:
        seconds = options.setdefault("seconds", STILL_SECONDS)
        options["motion"] = FlameSequence.neutral(max(1, round(seconds * 25)), 25.0)
    options["edit"] = path if "edit" not in options else f"{options['edit']}; {path}"


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
    names = request.shown_names() | {str(source.parent / VIDEO): VIDEO}

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: clean(one) for key, one in value.items()}
        if isinstance(value, list):
            return [clean(one) for one in value]
        return with_shown_names(value, names) if isinstance(value, str) else value

    report = clean(json.loads(source.read_text(encoding="utf-8")))
    target.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    source.unlink()
