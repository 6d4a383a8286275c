"""Textured heads out of files: NAME.npz with pictures beside it, or NAME.glb."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ...core.errors import BadInput
from ...core.files import PathLike, existing_file
from ...core.npz import load_arrays
from .gltf_heads import load_gltf_head
from .heads import Part, TexturedHead, scaled_texture


def load_heads(
    paths: Iterable[PathLike], without: Sequence[str] = (), only: Sequence[str] = ()
) -> list[TexturedHead]:  # fmt: skip
    """The heads of files and folders, sorted by name: NAME.npz with pictures beside it, or NAME.glb.

    without: names of those left out; only: of those taken, all when empty. BadInput where none is left, and for names
    that are not there.
    """
    given = [Path(path) for path in paths]
    if absent := [path for path in given if not path.exists()]:
        raise BadInput(f"the heads {absent[0]} are not there: expected NAME.glb, NAME.npz, or a folder of them")
    files = {file.stem: file for path in given for file in _head_files(path)}
    if strange := sorted({*without, *only} - set(files)):
        raise BadInput(f"there is no head {strange[0]!r}; known are {', '.join(sorted(files)) or 'none'}")
    kept = sorted(name for name in files if name not in without and (not only or name in only))
    if not kept:
        raise BadInput(f"expected textured heads, NAME.npz or NAME.glb, got none in {list(map(str, paths))}")
    return [load_head(files[name]) for name in kept]


def _head_files(path: Path) -> list[Path]:
    """The file itself, or the heads of a folder."""
    return [file for file in path.iterdir() if file.suffix in (".npz", ".glb")] if path.is_dir() else [path]


def load_head(path: Path) -> TexturedHead:
    """One NAME.glb, or NAME.npz and its textures NAME_*.jpg. BadInput."""
    if path.suffix == ".glb":
        return load_gltf_head(path)
    data = load_arrays(path)
    try:
        names = [str(name) for name in data["joint_names"]]
        joints = dict(zip(names, data["joints"].astype(np.float64)))
        return TexturedHead(path.stem, tuple(_read_part(data, str(name), path) for name in data["parts"]), joints)
    except KeyError as error:
        raise BadInput(f"{path} is no textured head: it has no array {error}") from None


def _read_part(data: Mapping[str, np.ndarray], name: str, path: Path) -> Part:
    get = lambda key: data[f"{name}.{key}"]  # noqa: E731
    ends = np.cumsum(get("morph_count")).astype(int)
    steps, offsets = get("morph_step").astype(np.int32), get("morph_offset").T * float(data["morph_unit"])
    morphs = {
        str(morph): (np.cumsum(steps[first:end], dtype=np.int32), offsets[first:end].astype(np.float64))
        for morph, first, end in zip(get("morph_names"), [0, *ends[:-1]], ends)
    }
    texture = _read_texture(path.with_name(path.stem + str(get("texture"))))
    weights = get("weights").astype(np.float64) / 255
    return Part(
        name, get("vertices").astype(np.float64), get("faces"), get("uv"), texture, weights, get("weld"), morphs
    )


def _read_texture(path: Path) -> np.ndarray:
    import cv2

    picture = cv2.imread(str(existing_file(path, "the texture")))
    if picture is None:
        raise BadInput(f"the texture {path} is no picture that can be read")
    return scaled_texture(picture[..., ::-1], path.stem.rsplit("_", 1)[-1])
