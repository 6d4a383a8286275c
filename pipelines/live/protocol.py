"""The binary messages between the page and the server: JPEG pictures, sound, and the parameters of a pose.

A message of parameters, little endian, is `PARAMETERS` and then float32 rotation 3, neck 3, jaw 3, eyes 6 (rad),
eyelids 2, translation 3 (m), and float16 expression E: 120 + 2 E bytes. docs/video.md has the table for other programs.
"""

from __future__ import annotations

import io
import struct
import threading
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ...flame_motion import FlameSequence

PICTURE, SOUND = 1, 2  # the first byte of what a page sends
HEADER = struct.Struct("<Bd")  # kind, the page's own clock in ms
ANSWER = struct.Struct("<Idd")  # number, the page's clock or 0, s into the file
# Magic, version, flags, number, the page's clock or 0 (ms), when the driver was seen by the server's clock (s), s into
# the file.
PARAMETERS = struct.Struct("<4sHHIddd4x")
MAGIC, VERSION = b"FLMP", 1
FACE, RESTED = 1, 2  # flags: somebody drives; their rest is known
EXACT = ("rotation", "neck", "jaw", "eyes", "eyelids", "translation")  # as float32, in this order
MAX_MESSAGE = 2 * 1024 * 1024  # bytes
MAX_PIXELS = 1920 * 1080
QUALITY = 88  # of the JPEG pictures


def encode_jpeg(picture: np.ndarray) -> bytes:
    """A picture [H, W, 3] uint8 RGB as JPEG."""
    import cv2

    good, coded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    assert good
    return coded.tobytes()


class Picture:
    """A picture on its way to pages; encoded once, by the first that sends it."""

    def __init__(self, pixels: np.ndarray, number: int, tag: float, media: float, at: float) -> None:
        """pixels [H, W, 3] uint8; the others as in `Header`."""
        self.number, self.at = number, at
        self._pixels, self._head = pixels, ANSWER.pack(number, tag, media)
        self._message: bytes | None = None
        self._lock = threading.Lock()

    def message(self) -> bytes:
        """What a page is sent."""
        with self._lock:
            if self._message is None:
                self._message = self._head + encode_jpeg(self._pixels)
            return self._message


def decode_jpeg(data: bytes) -> np.ndarray | None:
    """A page's JPEG as [H, W, 3] uint8; None for anything else."""
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                return None
            return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError):
        return None


@dataclass(frozen=True)
class Header:
    """What stands before a pose; see `PARAMETERS`."""

    number: int  # counted from 1
    tag: float  # ms by the clock of the page whose camera it was, or 0
    at: float  # s by the server's clock
    media: float  # s into the file or recording
    face: bool
    rested: bool


def encode_pose(pose: FlameSequence, header: Header) -> bytes:
    """One frame of parameters as a message."""
    flags = FACE * header.face | RESTED * header.rested
    head = PARAMETERS.pack(MAGIC, VERSION, flags, header.number, header.tag, header.at, header.media)
    exact = np.concatenate([getattr(pose, name)[0].flatten().numpy() for name in EXACT])
    return head + exact.astype("<f4").tobytes() + pose.expression[0].numpy().astype("<f2").tobytes()
