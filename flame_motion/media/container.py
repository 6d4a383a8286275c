"""Opening media files with PyAV, and refusing what is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from ...core.errors import BadInput
from ...core.files import existing_file

# The formats that are opened: recordings, and text and single pictures, which are then refused by their names. What is
# not here, playlists and scripts above all, could open other files or addresses.
_TEXTS = ["tty", "ffmetadata", "lrc", "srt", "webvtt", "ass"]
_VIDEO = (
    "mov matroska avi mpegts mpeg mpegvideo flv live_flv asf ogg mxf nut dv rm wtv ivf obu h261 h263 h264 hevc vvc av1 "
    "m4v vc1 dirac mjpeg mjpeg_2000 yuv4mpegpipe gif apng jpegxl_anim"
).split()
_SOUND = (
    "wav w64 flac mp3 aac loas ac3 eac3 dts dtshd truehd mlp aiff au caf amr amrnb amrwb ape wv tta voc sox dsf"
).split()


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """An open PyAV container. BadInput when there is no such file or it is no media."""
    import av

    existing_file(path, "the media file")
    try:
        # "file:" and the lists keep a name or a playlist from reaching anything but this file.
        allowed = {"protocol_whitelist": "file", "format_whitelist": _opened_formats()}
        container = av.open(f"file:{path.absolute()}", options=allowed)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        why = f"not a media file that can be read, or cut off before its index ({reason(error)})"
        raise BadInput(f"{path}: {why}") from error
    try:
        if other := _other_kind(container.format):
            raise BadInput(f"{path}: expected a media file, and this is {other}")
        yield container
    finally:
        container.close()


@cache
def _opened_formats() -> str:
    import av

    pictures = (name for name in av.formats_available if name.endswith("_pipe"))
    return ",".join([*_VIDEO, *_SOUND, *_TEXTS, "image2", *sorted(pictures)])


def _other_kind(form: Any) -> str | None:
    """What a container is that is refused, in words; None for one that is welcome."""
    names = set(form.name.split(","))
    if "image2" in names or any(name.endswith("_pipe") for name in names):  # ffmpeg's words for one picture
        return "a single picture"
    return (form.long_name or "text") if names & set(_TEXTS) else None


def video_stream(container: Any) -> Any | None:
    """The first moving-picture stream of a container (not cover art); None when there is none."""
    import av

    art = av.stream.Disposition.attached_pic
    return next((stream for stream in container.streams.video if not stream.disposition & art), None)


def reason(error: Exception) -> str:
    """The library's short reason, without the path it repeats."""
    return (getattr(error, "strerror", None) or str(error)).splitlines()[0]
