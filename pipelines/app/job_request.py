"""A job request: options that name no file of the server, and files that the user sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...core.errors import BadInput
from ..request import HEAD, AnimateRequest, View
from .limits import Limits

DEMO = "demo"
FILES = ("photo", "video", "speech", "motion", "keyframes", "camera_keys")  # what may be sent
SIGNALS = ("video", "speech", "motion", "keyframes")
ALONE = ("video", "motion", "speech", "say")  # one of these; words may go with it
TEXTS = ("text", "emotion", "say", "keep", "edit", "mix", "camera", "mode", "framing")
NUMBERS = ("strength", "seconds", "fps", "motion_fps", "lips", "head_motion", "blinks", "style_strength")
WHOLE = ("size", "seed", "face")
PREVIEW_SIZE, PREVIEW_SECONDS = 256, 2.0  # px, s


@dataclass(frozen=True)
class JobRequest:
    """Options for the pipeline by name, files by the option they are for, and the names their owner calls them by."""

    options: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    redraw: Path | None = None  # the folder of a finished job whose motion is edited and drawn again
    cut: float | None = None  # s; what lasts longer is cut there
    preview: bool = False

    def shown_names(self) -> dict[str, str]:
        """The names that the owner of the files knows, by the server's path."""
        return {str(path): self.names.get(kind, kind) for kind, path in self.files.items()}

    @property
    def title(self) -> str:
        """A few words that distinguish this job from others."""
        options, parts = self.options, []
        parts += [options[name].strip() for name in ("text", "say", "emotion") if options.get(name, "").strip()]
        parts += [self.names.get(name, name) for name in SIGNALS if name in self.files]
        if options.get("motion") == DEMO:
            parts.append("the demo motion")
        if options.get("edit"):
            parts.append(options["edit"])
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
    """A checked request. given: text or numbers by option name, or `preview`; empty ones are left out. BadInput."""
    known = (*TEXTS, *NUMBERS, *WHOLE, "photo", "motion", "preview")
    filled = {name: value for name, value in given.items() if value is not None and str(value).strip() != ""}
    if unknown := sorted(set(filled) - set(known)):
        raise BadInput(f"there is no option {', '.join(unknown)}; known are: {', '.join(known)}")
    preview = str(filled.pop("preview", "")).lower() in ("1", "true", "yes", "on")
    options: dict[str, Any] = {}
    for name, value in filled.items():
        options[name] = _read(name, value, limits)
    for name in ("photo", "motion"):
        if options.get(name, DEMO) != DEMO:
            raise BadInput(f"{name}: expected a file that is sent, or {DEMO}, got {options[name]!r}")
        if name in files:
            options.pop(name, None)
    _check_specs(options)
    _check_sources(options, files, redraw)
    cut = _bounded(options, limits, preview)
    checked = {
        name: options[name] for name in options if name not in ("text", "emotion", "say", "keep", "photo", "motion")
    }
    AnimateRequest.of(**checked)  # BadInput for what is out of range, before anything waits
    _check_moves(options)
    return JobRequest(options, dict(files), dict(names), redraw, cut, preview)


def _read(name: str, value: Any, limits: Limits) -> Any:
    """One option as the pipeline takes it. BadInput."""
    if name in NUMBERS or name in WHOLE:
        kind = float if name in NUMBERS else int
        try:
            number = float(value)
            if kind is int and number != int(number):
                raise ValueError
            return kind(number)
        except (TypeError, ValueError, OverflowError):
            wanted = "a number" if kind is float else "a whole number"
            raise BadInput(f"{name} must be {wanted}, got {str(value)[:60]!r}") from None
    text = str(value)
    if len(text) > limits.words:
        raise BadInput(f"{name} has {len(text)} characters, at most {limits.words} are taken")
    if "\0" in text:
        raise BadInput(f"{name} holds a character that no text has")
    return text


def _check_specs(options: dict[str, Any]) -> None:
    """BadInput for an edit, mix or camera that would name a file of the server."""
    for piece in options.get("edit", "").split(";"):
        if ".json" in piece.lower():
            raise BadInput("edit: send keyframes as a file of their own (keyframes); edit takes name=value pairs")
    for part in filter(None, options.get("mix", "").split(",")):
        if part.partition("=")[2].strip() != "text":
            raise BadInput(f"mix {part.strip()[:60]!r}: expected region=text, such as upper=text")
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
    if unknown := sorted(set(files) - set(FILES)):
        raise BadInput(f"there is no file {', '.join(unknown)}; known are: {', '.join(FILES)}")
    if "camera" in options and "camera_keys" in files:
        raise BadInput("expected a camera move or camera keyframes, got both")
    if redraw is not None:
        return
    if "photo" not in files and options.get("photo") != DEMO:
        raise BadInput("a photo is missing: give a picture of a face, or choose the demo portrait")
    moving = [name for name in SIGNALS if name in files]
    moving += [name for name in ("text", "emotion", "say", "motion") if name in options and name not in files]
    if not moving:
        raise BadInput("nothing says what to do: give words, a recording, a video, keyframes or a motion")
    if len(alone := [name for name in ALONE if name in moving]) > 1:
        raise BadInput(f"expected one of {', '.join(ALONE)} to drive with, got {' and '.join(alone)}")


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
