"""A job request: an `AnimateRequest` that names files of its own job alone, within what the server makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...core.errors import BadInput
from ...core.options import Option
from ...flame_motion.style import PRESETS
from ..request import HEAD, AnimateRequest, View
from .job_options import file_options, value_options
from .limits import Limits
from .results import with_shown_names

DEMO = "demo"
SIGNALS = ("video", "speech", "listen", "motion", "keyframes")
EXCLUSIVE = {  # one of these; words may go with it
    "video": "a video",
    "motion": "a motion",
    "speech": "a recording",
    "say": "words to say",
    "listen": "a recording to listen to",
    "idle": "time to idle",
}
PREVIEW_SIZE, PREVIEW_SECONDS = 256, 2.0  # px, s
STILL_SECONDS = 4.0  # s of a clip that keyframes alone move, or words without a length


@dataclass(frozen=True)
class JobRequest:
    """What a job is to make, and how the server makes it."""

    animate: AnimateRequest
    names: Mapping[str, str] = field(default_factory=dict)  # what the owner of the files calls them, by path
    redraw: Path | None = None  # the folder of a finished job whose motion is edited and drawn again
    max_seconds: float | None = None  # s; what lasts longer is cut there
    preview: bool = False
    portraits: Path | None = None  # the folder that this visitor's fitted portraits are kept in
    page: Mapping[str, Any] = field(default_factory=dict)  # what the page remembers of it

    @property
    def title(self) -> str:
        """A few words that distinguish this job from others."""
        drive, edit = self.animate.drive, self.animate.edit
        parts = [text.strip() for text in (drive.text, drive.say, drive.emotion) if text is not None and text.strip()]
        files = (drive.video, drive.speech, drive.listen, drive.motion, drive.keyframes)
        parts += [self.names.get(str(file), "the demo motion") for file in files if file is not None]
        parts += [with_shown_names(edit, self.names)] if edit else []
        title = " · ".join(parts) or "still"
        return title if len(title) <= 60 else title[:59] + "…"


def read_request(
    given: Mapping[str, Any],
    files: Mapping[str, Path],
    names: Mapping[str, str],
    limits: Limits,
    *,
    redraw: Path | None = None,
) -> JobRequest:
    """A checked request. Raises BadInput.

    given: texts and numbers by option, with `preview`, and DEMO for photo or motion; empty ones are left out. files,
    names: what was sent by option, and what its owner calls it.
    """
    known = value_options()
    filled = {name: value for name, value in given.items() if value is not None and str(value).strip() != ""}
    if unknown := sorted(set(filled) - {*known, "photo", "motion", "preview"}):
        listed = ", ".join((*known, "photo", "motion", "preview"))
        raise BadInput(f"there is no option {', '.join(unknown)}; known are: {listed}")
    preview = str(filled.pop("preview", "")).lower() in ("1", "true", "yes", "on")
    options: dict[str, Any] = {}
    for name in ("photo", "motion"):
        if filled.get(name, DEMO) != DEMO:
            raise BadInput(f"{name}: expected a file that is sent, or {DEMO}, got {str(filled[name])[:60]!r}")
        if filled.pop(name, None) is not None:
            if name in files:
                raise BadInput(f"{name}: expected a file that is sent or the {DEMO}, got both")
            options[name] = DEMO
    read = {name: _read(known[name], value, limits) for name, value in filled.items()}
    options |= {name: value for name, value in read.items() if value != known[name].default}
    _check_specs(options)
    _check_sources(options, files, redraw)
    max_seconds = _bounded(options, limits, preview)
    _check_moves(options)
    _add_files(options, files, max_seconds, redraw)
    animate = AnimateRequest.of(**options)
    if redraw is None and not preview:
        _check_length(options, limits)
    shown = {str(path): names.get(kind, kind) for kind, path in files.items()}
    return JobRequest(animate, shown, redraw, max_seconds, preview)


def _read(option: Option, value: Any, limits: Limits) -> Any:
    """One option as the pipeline takes it. BadInput."""
    text = str(value)
    if option.plain_type is not str:
        return option.parse(text)
    if len(text) > limits.words:
        raise BadInput(f"{option.name} has {len(text)} characters, at most {limits.words} are taken")
    if "\0" in text:
        raise BadInput(f"{option.name} holds a character that no text has")
    return text


def _check_specs(options: dict[str, Any]) -> None:
    """BadInput for an edit, mix, style or camera that would name a file of the server."""
    for piece in options.get("edit", "").split(";"):
        if ".json" in piece.lower():
            raise BadInput("edit: send keyframes as a file of their own (keyframes); edit takes name=value pairs")
    for part in filter(None, options.get("mix", "").split(",")):
        if part.partition("=")[2].strip() != "text":
            raise BadInput(f"mix {part.strip()[:60]!r}: expected region=text, such as upper=text")
    if options.get("style", PRESETS[0]) not in PRESETS:
        raise BadInput(f"style {options['style'][:60]!r}: expected {', '.join(PRESETS)}")
    camera = options.get("camera", "")
    if ".json" in camera.lower() or "/" in camera or "\\" in camera:
        raise BadInput("camera: expected a move such as orbit:20, dolly:0.8 or zoom:1.2; send keyframes as camera_keys")


def _check_moves(options: dict[str, Any]) -> None:
    """BadInput for an edit or a camera that cannot be understood, before anything waits."""
    from ..opening import check_edit
    from ..views import check_camera

    check_edit(options.get("edit"), HEAD)
    try:
        check_camera(options.get("camera"), None)
    except BadInput as error:
        raise BadInput(str(error).removeprefix("--")) from None


def _check_sources(options: dict[str, Any], files: Mapping[str, Path], redraw: Path | None) -> None:
    """BadInput unless there is a photo and something that moves it."""
    if unknown := sorted(set(files) - set(file_options())):
        raise BadInput(f"there is no file {', '.join(unknown)}; known are: {', '.join(file_options())}")
    if "camera" in options and "camera_keys" in files:
        raise BadInput("expected a camera move or camera keyframes, got both")
    if redraw is not None:
        return
    if "photo" not in files and "photo" not in options:
        raise BadInput("a photo is missing: give a picture of a face, or choose the demo portrait")
    moving = [name for name in SIGNALS if name in files]
    moving += [name for name in ("text", "emotion", "say", "idle", "motion") if name in options]
    if not moving:
        raise BadInput("nothing says what to do: give words, a recording, a video, keyframes, a motion or time to idle")
    if len(both := [name for name in EXCLUSIVE if name in moving]) > 1:
        given = " and ".join(EXCLUSIVE[name] for name in both)
        raise BadInput(f"{given} cannot drive at once: leave one; text may be added to any of the others")


def _bounded(options: dict[str, Any], limits: Limits, preview: bool) -> float:
    """Keeps size, rate and length within what the server makes; returns the length that nothing exceeds. BadInput."""
    seconds, size = options.get("seconds"), options.get("size", View().size)
    if seconds is not None and seconds > limits.seconds:
        raise BadInput(f"seconds: {seconds:g} were asked for, at most {limits.seconds:g} are made here")
    if size > limits.size:
        raise BadInput(f"size: {size} px were asked for, at most {limits.size} are made here")
    if options.get("fps", 0) > limits.fps:
        raise BadInput(f"fps: {options['fps']:g} were asked for, at most {limits.fps:g} are made here")
    options["size"] = min(size, PREVIEW_SIZE) if preview else size
    return min(seconds or limits.seconds, PREVIEW_SECONDS) if preview else limits.seconds


def _check_length(options: dict[str, Any], limits: Limits) -> None:
    """BadInput for an edit that makes too much of a clip whose length is known; any other is cut when it is made."""
    from ...flame_motion.edit import edited_seconds

    seconds, edit = options.get("seconds"), options.get("edit")
    if seconds is None and not set(EXCLUSIVE) & options.keys():
        seconds = min(STILL_SECONDS, limits.seconds)
    if seconds is None or (ends := edited_seconds(edit, seconds)) <= limits.seconds:
        return
    raise BadInput(f"edit: it makes {ends:g} s of {seconds:g} s, at most {limits.seconds:g} s are made here")


def _add_files(options: dict[str, Any], files: Mapping[str, Path], max_seconds: float, redraw: Path | None) -> None:
    """Adds the files. Keyframes join words, are an edit of another signal, and alone move a still face."""
    options |= {name: path for name, path in files.items() if name not in ("keyframes", "camera_keys")}
    if "camera_keys" in files:
        options["camera"] = str(files["camera_keys"])
    if "keyframes" not in files:
        return
    keyframes, others = str(files["keyframes"]), set(EXCLUSIVE) & options.keys()
    words = {"text", "emotion"} & options.keys()
    if words and not others and redraw is None:
        options["keyframes"] = keyframes
        return
    if not others and redraw is None:
        options.setdefault("seconds", min(STILL_SECONDS, max_seconds))
    options["edit"] = keyframes if "edit" not in options else f"{options['edit']}; {keyframes}"
