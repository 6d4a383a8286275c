"""Uploaded files: stored under our own names, and checked before anything opens them."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import BinaryIO

from ...core.errors import BadInput
from ...flame_motion.media.photos import check_photo
from .limits import MB, Limits

BLOCK = 1 << 20  # bytes
ENDINGS = {  # by what a file is for; readers of motion go by the ending, those of media by the content
    "photo": "",
    "video": ".media",
    "speech": ".media",
    "listen": ".media",
    "motion": ".npz",
    "keyframes": ".json",
    "camera_keys": ".json",
}
JSON_BYTES = 1_000_000
DEMO_UPLOAD = "demo"  # the folder of the demo portrait among a visitor's uploads
UPLOAD_NAME = rf"[0-9a-f]{{16}}|{DEMO_UPLOAD}"  # the folder of each
MAX_KEPT, MAX_KEPT_FILES = 3, 40  # of a visitor's uploads: in requests of the largest size, and files
# What FFmpeg would take for lists of other files or addresses to open, and for pictures of text.
_LISTS = (b"#extm3u", b"ffconcat", b"<", b"[playlist]", b"v=0", b"rtsptext", b"asf ", b"[reference]", b"#!avs")


def shown_name(name: str | None, otherwise: str) -> str:
    """A client's file name, fit to be shown: no folders, nothing unprintable; never a path."""
    last = re.split(r"[/\\]", name or "")[-1]
    clean = "".join(letter for letter in last if letter.isprintable() and letter not in "<>\"'&`").strip()
    return clean[-80:] or otherwise


def stored_name(kind: str, name: str) -> str:
    """The name that a sent file gets in its job's folder."""
    ending = ENDINGS[kind]
    if kind == "motion" and name.lower().endswith(".csv"):
        ending = ".csv"
    return kind + ending


def store(stream: BinaryIO, target: Path, max_bytes: int, what: str) -> None:
    """Copies a stream to `target`. BadInput where it is empty or exceeds `max_bytes`; then nothing is left."""
    target.parent.mkdir(parents=True, exist_ok=True)
    total = 0
    try:
        with target.open("xb") as file:
            while block := stream.read(BLOCK):
                total += len(block)
                if total > max_bytes:
                    raise BadInput(f"{what} has more than {max_bytes / MB:g} MB, which is all that is taken here")
                file.write(block)
        if total == 0:
            raise BadInput(f"{what} is empty (0 bytes)")
    except BadInput:
        target.unlink(missing_ok=True)
        raise


def link(source: Path, target: Path) -> Path:
    """Links (or copies) a file to `target`, whose folder is made. BadInput where it is gone."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:
        try:
            shutil.copyfile(source, target)
        except FileNotFoundError:
            raise BadInput("a file was kept too long and is gone: give it again") from None
    return target


def make_room(own: Path, root: Path, limits: Limits) -> None:
    """Before another upload: the oldest of this visitor's go where they are many. BadInput where the disk is full."""
    if shutil.disk_usage(root).free < 3 * limits.upload_bytes:
        raise BadInput("this server's disk is full: try again later")
    sizes = {folder: bytes_of(folder) for folder in sorted(own.glob("*"), key=_touched)}  # with what was made of them
    while sizes and (sum(sizes.values()) > MAX_KEPT * limits.upload_bytes or len(sizes) >= MAX_KEPT_FILES):
        oldest = next(iter(sizes))
        del sizes[oldest]
        shutil.rmtree(oldest, ignore_errors=True)


def _touched(folder: Path) -> float:
    """When something was last put into a folder, s since 1970; 0 where another upload has just removed it."""
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0


def bytes_of(own: Path) -> int:
    """Bytes of all files in a user's folder; one that has several names counts once."""
    sizes = {}
    for folder, _, names in os.walk(own):
        for name in names:
            try:
                found = os.stat(os.path.join(folder, name))
            except OSError:  # just removed
                continue
            sizes[found.st_ino] = found.st_size
    return sum(sizes.values())


def remove_stale(entry: Path, known: set[Path | None], before: float) -> None:
    """Removes what is of no `known` job and was not touched since `before` (s since 1970); empty folders of users."""
    try:
        if entry in known or entry.stat().st_mtime > before:
            return
        if entry.is_dir() and (entry / "jobs").is_dir() | (entry / "uploads").is_dir():
            for name in ("jobs", "uploads"):
                if (entry / name).is_dir() and not any((entry / name).iterdir()):
                    (entry / name).rmdir()
            if not any(entry.iterdir()):
                entry.rmdir()
        elif entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink()
    except OSError:
        pass  # gone, or in use: the next time


def check_content(path: Path, kind: str, what: str) -> None:
    """BadInput for media that is no media: text, and above all lists by which FFmpeg would open other files."""
    with path.open("rb") as file:
        start = file.read(4096)
    if not start:
        raise BadInput(f"{what} is empty (0 bytes)")
    if kind in ("keyframes", "camera_keys") and path.stat().st_size > JSON_BYTES:
        raise BadInput(f"{what} has more than {JSON_BYTES / 1e6:g} MB, which no list of keyframes has")
    if kind == "photo" and path.suffix != ".npz":
        try:
            check_photo(path)
        except BadInput as error:
            raise BadInput(str(error).replace(f"the photo {path}", f"the {what}")) from None
    if kind not in ("video", "speech", "listen"):
        return
    if start.lstrip(b"\xef\xbb\xbf\0 \t\r\n").lower().startswith(_LISTS) or b"<mpd" in start.lower():
        raise BadInput(f"{what} is a list of other files, which is not opened: give the recording itself")
    if b"\0" not in start and _is_text(start):
        raise BadInput(f"{what} holds text: expected a recording or a video")


def _is_text(start: bytes) -> bool:
    try:
        start[: max(1, len(start) - 3)].decode("utf-8")  # a letter may be cut in two at the end
    except UnicodeDecodeError:
        return False
    return True
