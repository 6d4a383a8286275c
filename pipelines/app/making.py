"""What a job does, inside the worker's process: video, motion, head and report in one folder."""

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
from ..options import GENERATOR
from ..views import place
from .ask import DEMO, Ask

# What a job leaves; only these can be fetched.
VIDEO, MOTION, HEAD, REPORT, POSTER = "video.mp4", "motion.npz", "head.glb", "report.json", "poster.jpg"
RESULTS = {
    VIDEO: "video/mp4",
    MOTION: "application/octet-stream",
    HEAD: "model/gltf-binary",
    REPORT: "application/json",
    POSTER: "image/jpeg",
}
OUT, PORTRAIT = "out", "portrait.npz"  # the folder in the job's own; the fitted photo, for making it again
POSTER_SIDE = 240  # px
PREVIEW_KEYS_SECONDS = 4.0  # s of a clip that keyframes alone drive


class Maker:
    """Does jobs one after the other with models that are loaded once."""

    def __init__(self) -> None:
        self.pipeline = AnimatePipeline()
        self.generator = load_generator(GENERATOR)  # of motions that were made before

    def __call__(self, ask: Ask, folder: Path, progress: Progress) -> dict[str, Any]:
        """Makes a job's files in `folder`/out: what they are, and what to know. BadInput or MissingAsset."""
        out = folder / OUT
        out.mkdir(parents=True, exist_ok=True)
        make = self._first if ask.remake is None else self._again
        portrait, motion, problems = make(ask, out, progress)
        progress("export", 0, 2)
        portrait.save(out / PORTRAIT)
        motion.save(out / MOTION)
        progress("export", 1, 2)
        if not ask.preview:
            write_export(motion, out / HEAD)
        _write_poster(out / VIDEO, out / POSTER)
        progress("export", 2, 2)
        height, width = portrait.image.shape[:2]
        files = [name for name in RESULTS if (out / name).is_file()]
        facts = {"frames": len(motion), "fps": motion.fps, "seconds": motion.duration, "size": [width, height]}
        return {"files": files, "problems": problems, "facts": facts}

    def _first(self, ask: Ask, out: Path, progress: Progress) -> tuple[Portrait, FlameSequence, list[str]]:
        """From photo and signal."""
        options = dict(ask.options)
        photo = ask.files.get("photo", options.pop("photo", DEMO))
        options |= {name: ask.files[name] for name in ("video", "speech", "motion") if name in ask.files}
        if "camera_keys" in ask.files:
            options["camera"] = str(ask.files["camera_keys"])
        if (keys := ask.files.get("keyframes")) is not None:
            _add_keyframes(options, str(keys))
        wanted = options.get("seconds")
        options["seconds"] = ask.cut if wanted is None or ask.preview else wanted
        if wanted is None and not {"video", "speech", "say", "motion"} & options.keys():
            options["seconds"] = min(4.0, options["seconds"])  # words last so long when nothing else does
        made = self.pipeline(photo, **options, output=out / VIDEO, progress=progress)
        _scrub(out / "video.json", out / REPORT, ask)
        short = f"{options['seconds']:g} s were asked for"
        problems = [sentence for sentence in made.problems if wanted is not None or not sentence.startswith(short)]
        if wanted is None and not ask.preview and made.report["frames"] == round(ask.cut * made.report["fps"]):
            problems.append(f"only the first {ask.cut:g} s were made, which is all that is made here")
        assert made.portrait is not None and made.motion is not None
        return made.portrait, made.motion, problems

    def _again(self, ask: Ask, out: Path, progress: Progress) -> tuple[Portrait, FlameSequence, list[str]]:
        """A made motion, edited, drawn once more: the same portrait and cameras, and the sound where time stays."""
        assert ask.remake is not None
        before, edit = ask.remake / OUT, ask.options.get("edit")
        edits = [piece for piece in (edit, str(ask.files["keyframes"]) if "keyframes" in ask.files else None) if piece]
        portrait = Portrait.load(before / PORTRAIT)
        motion = FlameSequence.load(before / MOTION)
        if edits:
            motion = apply_edit(motion, edits)
        motion = motion[: max(1, round((ask.cut or motion.duration) * motion.fps))]
        camera = str(ask.files["camera_keys"]) if "camera_keys" in ask.files else ask.options.get("camera")
        cameras = place(portrait, len(motion), camera, None, motion.fps)
        moved = changes_time(edits)
        stream = self.generator(portrait, motion, cameras, seed=ask.options.get("seed", 0), progress=progress)
        with VideoWriter(out / VIDEO, motion.fps, sound=None if moved else _sound_of(before / VIDEO)) as writer:
            for frames in stream:
                writer.write(frames[0])
        shutil.copyfile(before / REPORT, out / REPORT)
        report = json.loads((out / REPORT).read_text(encoding="utf-8"))
        report |= {"frames": len(motion), "fps": motion.fps}
        report["edits"] = [
            *report.get("edits", []),
            *(ask.names.get("keyframes", one) if one.endswith(".json") else one for one in edits),
        ]
        (out / REPORT).write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        problems = ["the edit moves frames in time and the sound cannot follow: it is left out"] if moved else []
        return portrait, motion, problems


def _add_keyframes(options: dict[str, Any], path: str) -> None:
    """Keyframes beside words are met by them; beside another signal they are laid over it; alone they are all."""
    others = {"video", "speech", "say", "motion"} & options.keys()
    if not others and {"text", "emotion"} & options.keys():
        options["keyframes"] = path
        return
    if not others:
        seconds = options.setdefault("seconds", PREVIEW_KEYS_SECONDS)
        options["motion"] = FlameSequence.neutral(max(1, round(seconds * 25)), 25.0)
    options["edit"] = path if "edit" not in options else f"{options['edit']}; {path}"


def _sound_of(video: Path) -> Path | None:
    """The video, where it has a sound."""
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


def _scrub(source: Path, target: Path, ask: Ask) -> None:
    """The report without the server's paths: files as their owner calls them."""
    names = ask.shown_names() | {str(source.parent / VIDEO): VIDEO}

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: clean(one) for key, one in value.items()}
        if isinstance(value, list):
            return [clean(one) for one in value]
        return renamed(value, names) if isinstance(value, str) else value

    report = clean(json.loads(source.read_text(encoding="utf-8")))
    target.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    source.unlink()


def renamed(text: str, names: dict[str, str]) -> str:
    """A text with paths of the server replaced by what their owner calls them."""
    for path, name in sorted(names.items(), key=lambda item: -len(item[0])):
        text = text.replace(path, name)
    return text
