"""The glTF 2.0 container: numbers into one buffer, described by accessors; written as `.glb` or as `.gltf` text.

Knows nothing of heads. The format: https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html
"""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from ...core.files import atomic_path

COMPONENTS = {"u1": 5121, "u2": 5123, "u4": 5125, "f4": 5126}
SHAPES = {(): "SCALAR", (2,): "VEC2", (3,): "VEC3", (4,): "VEC4", (4, 4): "MAT4"}
VERTICES, INDICES = 34962, 34963  # what a buffer view is for
MAGIC, VERSION, JSON_CHUNK, BINARY_CHUNK = 0x46546C67, 2, 0x4E4F534A, 0x004E4942


class Document:
    """A glTF file in the making. `content` is its JSON, to be filled with nodes, meshes and so on."""

    def __init__(self, generator: str) -> None:
        self.content: dict[str, Any] = {"asset": {"version": "2.0", "generator": generator}}
        self._data = bytearray()

    def append(self, kind: str, item: dict[str, Any]) -> int:
        """Adds an item to one of the top-level lists (`nodes`, `meshes`, …); its index there."""
        items = self.content.setdefault(kind, [])
        items.append(item)
        return len(items) - 1

    def accessor(self, array: np.ndarray, *, target: int | None = None, bounds: bool = False) -> int:
        """Stores an array [n, …] of uint8, uint16, uint32 or float32; the index of its accessor.

        bounds: say the smallest and largest value of each component, which positions and times must.
        """
        described = self._described(array, bounds)
        described["bufferView"] = self._view(array, target)
        return self.append("accessors", described)

    def sparse(self, array: np.ndarray, *, bounds: bool = False) -> int:
        """Like `accessor`, storing only the rows that are not all zero. float32 [n, k]."""
        described = self._described(array, bounds)
        rows = np.flatnonzero((array != 0).any(1))
        if len(rows):
            index = rows.astype(np.uint16 if len(array) <= 1 << 16 else np.uint32)
            described["sparse"] = {
                "count": len(rows),
                "indices": {"bufferView": self._view(index, None), "componentType": COMPONENTS[index.dtype.str[1:]]},
                "values": {"bufferView": self._view(array[rows], None)},
            }
        return self.append("accessors", described)

    def image(self, encoded: bytes, mime: str) -> int:
        """Stores a PNG or JPEG file's bytes; the index of its image."""
        view = self._view(np.frombuffer(encoded, np.uint8), None)
        return self.append("images", {"bufferView": view, "mimeType": mime})

    def save(self, path: Path) -> None:
        """Writes `path`, whole or not at all: text with the buffer inside where it ends in .gltf, otherwise binary."""
        text = path.suffix.lower() == ".gltf"
        buffer: dict[str, Any] = {"byteLength": len(self._data)}
        if text:
            buffer["uri"] = "data:application/octet-stream;base64," + base64.b64encode(self._data).decode()
        spelled = json.dumps({**self.content, "buffers": [buffer]}, separators=(",", ":"), ensure_ascii=False)
        with atomic_path(path) as hidden:
            Path(hidden).write_bytes(spelled.encode() if text else _binary(spelled.encode(), bytes(self._data)))

    def _described(self, array: np.ndarray, bounds: bool) -> dict[str, Any]:
        described: dict[str, Any] = {
            "componentType": COMPONENTS[array.dtype.str[1:]],
            "count": len(array),
            "type": SHAPES[array.shape[1:]],
        }
        if bounds:
            described["min"] = np.atleast_1d(array.min(0)).tolist()
            described["max"] = np.atleast_1d(array.max(0)).tolist()
        return described

    def _view(self, array: np.ndarray, target: int | None) -> int:
        view: dict[str, Any] = {"buffer": 0, "byteOffset": len(self._data), "byteLength": array.nbytes}
        if target is not None:
            view["target"] = target
        self._data += array.tobytes()
        self._data += bytes(-len(self._data) % 4)  # each view begins where any number may
        return self.append("bufferViews", view)


def _binary(text: bytes, data: bytes) -> bytes:
    """The `.glb` layout: a header, then the JSON and the buffer as chunks of whole words."""
    text += b" " * (-len(text) % 4)
    length = 12 + 8 + len(text) + 8 + len(data)
    return b"".join(
        (
            struct.pack("<III", MAGIC, VERSION, length),
            struct.pack("<II", len(text), JSON_CHUNK) + text,
            struct.pack("<II", len(data), BINARY_CHUNK) + data,
        )
    )
