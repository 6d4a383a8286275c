"""The player's file: a JSON header and named blocks of bytes, arrays packed by deflate, pictures as they are.

Layout, little endian: `FLMC`, uint32 version, uint32 bytes of the header, the header, the blocks. A block's entry in
the header's `blocks` is {offset, bytes, type, shape} of an array (`f4`, `f2`, `u4`, `u1`; zlib), or {offset, bytes,
type} of a file (`image/webp`, `audio/flac`, …). Offsets count from the end of the header.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from typing import Any

import numpy as np

MAGIC, VERSION = b"FLMC", 1
TYPES = ("f4", "f2", "u4", "u1")
LOSSLESS = 900_000  # bytes up to which a picture is kept as it is
QUALITY = 95  # of the JPEG otherwise


class Container:
    """A file in the making: `header` is free to be filled."""

    def __init__(self, quick: bool = False) -> None:
        """quick: pictures that need not be exact by JPEG, in a twentieth of the time; arrays are pressed less."""
        self.quick = quick
        self.header: dict[str, Any] = {}
        self._entries: dict[str, dict[str, Any]] = {}
        self._data = bytearray()

    def array(self, name: str, values: np.ndarray) -> None:
        """Adds numbers of one of `TYPES`."""
        kind = values.dtype.str[1:]
        if kind not in TYPES:
            raise ValueError(f"{name}: expected one of {', '.join(TYPES)}, got {kind}")
        packed = zlib.compress(np.ascontiguousarray(values).tobytes(), 1 if self.quick else 6)
        self._add(name, packed, {"type": kind, "shape": list(values.shape)})

    def file(self, name: str, data: bytes, mime: str) -> None:
        """Adds a file's bytes."""
        self._add(name, data, {"type": mime})

    def picture(self, name: str, pixels: np.ndarray, *, exact: bool = False) -> None:
        """Adds a picture [h, w], [h, w, 3] or [h, w, 4] uint8; alpha stands below the colors, as a picture of its own.

        Browsers multiply colors with their alpha, and colors of nothing would be lost. exact: never by JPEG.
        """
        from PIL import Image

        if pixels.ndim == 3 and pixels.shape[2] == 4:
            pixels = np.concatenate([pixels[..., :3], np.repeat(pixels[..., 3:], 3, 2)])
        image, buffer = Image.fromarray(np.ascontiguousarray(pixels)), io.BytesIO()
        if exact or not self.quick:
            image.save(buffer, format="WEBP", lossless=True, quality=30, method=1)
            if exact or buffer.tell() <= LOSSLESS:
                return self.file(name, buffer.getvalue(), "image/webp")
        buffer = io.BytesIO()
        image.save(buffer, format="JPEG", quality=QUALITY, subsampling=0)
        self.file(name, buffer.getvalue(), "image/jpeg")

    def packed(self) -> bytes:
        """The whole file."""
        text = json.dumps({**self.header, "blocks": self._entries}, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        return MAGIC + struct.pack("<II", VERSION, len(text)) + text + bytes(self._data)

    def _add(self, name: str, data: bytes, entry: dict[str, Any]) -> None:
        self._entries[name] = {"offset": len(self._data), "bytes": len(data), **entry}
        self._data += data
