"""A `.glb` file (glTF 2.0) as arrays: accessors, pictures, and where nodes stand. Knows nothing of heads.

The format: https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import BadInput
from ...core.files import existing_file

KINDS = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
MAGIC = 0x46546C67
KNOWN = {"KHR_mesh_quantization", "KHR_texture_transform", "EXT_texture_webp"}  # extensions that are read
UNPACK = "npx @gltf-transform/cli dequantize PACKED.glb PLAIN.glb"  # what makes a file plain


class Gltf:
    """The content of a file: `content` is its JSON."""

    def __init__(self, path: Path) -> None:
        """BadInput for a file that is none, or is packed."""
        data = existing_file(path, "the head").read_bytes()
        with readable(path):
            magic, version, _, length, _ = struct.unpack("<5I", data[:20])
            if (magic, version) != (MAGIC, 2):
                raise ValueError("it does not begin as glTF 2.0 does")
            self.content: dict[str, Any] = json.loads(data[20 : 20 + length])
            self._binary = data[28 + length :]
        if packed := sorted(set(self.content.get("extensionsRequired", [])) - KNOWN):
            raise BadInput(f"{path} needs {packed[0]}, expected plain glTF: unpack it by `{UNPACK}`")

    def array(self, number: int) -> np.ndarray:
        """An accessor's rows [N, W]; whole numbers that stand for 0..1 or -1..1 as these."""
        accessor = self.content["accessors"][number]
        kind, width = np.dtype(KINDS[accessor["componentType"]]), WIDTHS[accessor["type"]]
        rows = np.zeros((accessor["count"], width), kind)
        if "bufferView" in accessor:
            rows = self._rows(accessor, kind, width, accessor["count"])
        if sparse := accessor.get("sparse"):
            places = self._rows(
                sparse["indices"], np.dtype(KINDS[sparse["indices"]["componentType"]]), 1, sparse["count"]
            )
            rows[places[:, 0]] = self._rows(sparse["values"], kind, width, sparse["count"])
        return np.maximum(rows / np.iinfo(kind).max, -1) if accessor.get("normalized") else rows

    def picture(self, texture: int) -> np.ndarray:
        """A texture's picture [H, W, 3] uint8. ValueError where it is none or lies in another file."""
        import cv2

        described = self.content["textures"][texture]
        webp = described.get("extensions", {}).get("EXT_texture_webp", {})
        image = self.content["images"][webp.get("source", described.get("source"))]
        if "bufferView" not in image:
            raise ValueError("a texture lies in another file")
        view = self.content["bufferViews"][image["bufferView"]]
        coded = np.frombuffer(self._binary, np.uint8, view["byteLength"], view.get("byteOffset", 0))
        found = cv2.imdecode(coded, cv2.IMREAD_COLOR)
        if found is None:
            raise ValueError("a texture is no picture")
        return np.ascontiguousarray(found[..., ::-1])

    def world_from_node(self) -> np.ndarray:
        """Where every node stands [K, 4, 4]."""
        nodes = self.content["nodes"]
        parents = self.parents()
        stands: dict[int, np.ndarray] = {}

        def place(node: int) -> np.ndarray:
            if node not in stands:
                own = _parent_from_node(nodes[node])
                stands[node] = place(parents[node]) @ own if node in parents else own
            return stands[node]

        return np.stack([place(node) for node in range(len(nodes))])

    def parents(self) -> dict[int, int]:
        """The parent of each node that has one."""
        return {child: k for k, node in enumerate(self.content["nodes"]) for child in node.get("children", [])}

    def _rows(self, place: dict[str, Any], kind: np.dtype, width: int, count: int) -> np.ndarray:
        """Rows [count, width] where a buffer view and an offset in it say."""
        view = self.content["bufferViews"][place["bufferView"]]
        start = view.get("byteOffset", 0) + place.get("byteOffset", 0)
        steps = view.get("byteStride", width * kind.itemsize), kind.itemsize
        return np.ndarray((count, width), kind, self._binary, start, steps).copy()


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """BadInput for what a file should hold and does not."""
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError, struct.error) as error:
        raise BadInput(f"{path} is no .glb file that can be read ({type(error).__name__}: {str(error)[:80]})") from None


def _parent_from_node(node: dict[str, Any]) -> np.ndarray:
    """A node's own matrix [4, 4]."""
    from scipy.spatial.transform import Rotation

    if "matrix" in node:
        return np.reshape(node["matrix"], (4, 4)).T.astype(np.float64)
    out = np.eye(4)
    out[:3, :3] = Rotation.from_quat(node.get("rotation", [0, 0, 0, 1])).as_matrix() * node.get("scale", [1, 1, 1])
    out[:3, 3] = node.get("translation", [0, 0, 0])
    return out
