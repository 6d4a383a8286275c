"""The binary messages between the page and the server, and their JPEG pictures."""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image

PICTURE, SOUND = 1, 2  # the first byte of what a page sends
HEADER = struct.Struct("<Bd")  # kind, the page's own clock in ms
ANSWER = struct.Struct("<Idd")  # number, the page's clock or 0, s into the file
MAX_MESSAGE = 2 * 1024 * 1024  # bytes
MAX_PIXELS = 1920 * 1080
QUALITY = 88  # of the JPEG pictures


def encode_jpeg(picture: np.ndarray) -> bytes:
    """A picture [H, W, 3] uint8 RGB as JPEG."""
    import cv2

    good, coded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    assert good
    return coded.tobytes()


def decode_jpeg(data: bytes) -> np.ndarray | None:
    """A page's JPEG as [H, W, 3] uint8; None for anything else."""
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                return None
            return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError):
        return None
