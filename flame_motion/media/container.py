"""Opening media files with PyAV, and refusing what is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...core.errors import BadInput
from ...core.files import existing_file

# Demuxers that open other files or addresses, or that take any text for a picture.
REFUSED = {"hls", "dash", "concat", "concatf", "tty", "image2", "ffmetadata", "lrc", "srt", "webvtt", "ass"}


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """An open PyAV container. BadInput when there is no such file or it is no media."""
    import av

    existing_file(path, "the media file")
    try:
        # "file:" and the whitelist keep a name or a playlist from reaching anything but this file.
        container = av.open(f"file:{path.absolute()}", options={"protocol_whitelist": "file"})
    except (av.error.FFmpegError, OSError, ValueError) as error:
        why = f"not a media file that can be read, or cut off before its index ({reason(error)})"
        raise BadInput(f"{path}: {why}") from error
    try:
        if other := _other_kind(container.format):
            raise BadInput(f"{path}: expected a media file, and this is {other}")
        yield container
    finally:
        container.close()


def _other_kind(form: Any) -> str | None:
    """What a container is that is refused, in words; None for one that is welcome."""
    names = set(form.name.split(","))
    if "image2" in names or any(name.endswith("_pipe") for name in names):  # ffmpeg's words for one picture
        return "a single picture"
    return (form.long_name or "text") if names & REFUSED else None


def video_stream(container: Any) -> Any | None:
    """The first moving-picture stream of a container (not cover art); None when there is none."""
    import av

    art = av.stream.Disposition.attached_pic
    return next((stream for stream in container.streams.video if not stream.disposition & art), None)


def reason(error: Exception) -> str:
    """The library's short reason, without the path it repeats."""
    return (getattr(error, "strerror", None) or str(error)).splitlines()[0]
