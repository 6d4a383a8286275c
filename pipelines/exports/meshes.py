"""One pose of a head as a mesh file: Wavefront OBJ (uv, parts, materials) or binary PLY (colours)."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from torch import Tensor

from ...core.files import atomic_path
from ...flame_motion import Head
from ...flame_motion.heads.head import PARTS
from ...flame_motion.heads.materials import MATERIALS, face_materials
from ...renderer import vertex_normals


def save_obj(path: Path, vertices: Tensor, head: Head, materials: str) -> None:
    """Writes vertices [N, 3] m of a head as text: uv, normals, a group for each part, materials from `materials`."""
    text = io.StringIO()
    text.write(f"# flamecast: head {head.id}, metres, +y up, +z out of the face\nmtllib {materials}\n")
    np.savetxt(text, vertices.numpy(), fmt="v %.7f %.7f %.7f")
    np.savetxt(text, head.uv.numpy(), fmt="vt %.6f %.6f")
    np.savetxt(text, vertex_normals(vertices, head.faces).numpy(), fmt="vn %.4f %.4f %.4f")
    kinds, parts = face_materials(head).numpy(), head.part.numpy()
    place, uv = head.faces.numpy() + 1, head.uv_faces.numpy() + 1
    corners = np.stack([place, uv, place], 2).reshape(-1, 9)
    for part in np.unique(parts):
        text.write(f"g {PARTS[part]}\n")
        for material in np.unique(kinds[parts == part]):
            text.write(f"usemtl {MATERIALS[material].name}\n")
            np.savetxt(text, corners[(parts == part) & (kinds == material)], fmt="f %d/%d/%d %d/%d/%d %d/%d/%d")
    _write(path, text.getvalue().encode())


def save_materials(path: Path) -> None:
    """Writes the `.mtl` that goes with any number of OBJ files."""
    lines = ["# flamecast\n"]
    for material in MATERIALS:
        color = " ".join(f"{c:.4f}" for c in material.color)
        shine = 1000 * (1 - material.roughness) ** 2
        lines.append(f"newmtl {material.name}\nKd {color}\nKs 0.1 0.1 0.1\nNs {shine:.0f}\nillum 2\n")
    _write(path, "\n".join(lines).encode())


def save_ply(path: Path, vertices: Tensor, head: Head) -> None:
    """Writes vertices [N, 3] m of a head as little-endian PLY: normals at the vertices, a colour for each face."""
    header = (
        f"ply\nformat binary_little_endian 1.0\ncomment flamecast: head {head.id}, metres, +y up, +z out of the face\n"
        f"element vertex {len(vertices)}\n"
        + "".join(f"property float {name}\n" for name in ("x", "y", "z", "nx", "ny", "nz"))
        + f"element face {len(head.faces)}\nproperty list uchar int vertex_indices\n"
        + "".join(f"property uchar {name}\n" for name in ("red", "green", "blue"))
        + "end_header\n"
    )
    points = np.concatenate([vertices.numpy(), vertex_normals(vertices, head.faces).numpy()], 1).astype("<f4")
    faces = np.zeros(len(head.faces), [("count", "u1"), ("corners", "<i4", 3), ("color", "u1", 3)])
    faces["count"], faces["corners"] = 3, head.faces.numpy()
    palette = np.round(255 * np.array([material.color for material in MATERIALS]))
    faces["color"] = palette[face_materials(head).numpy()]
    _write(path, header.encode() + points.tobytes() + faces.tobytes())


def _write(path: Path, data: bytes) -> None:
    with atomic_path(path) as hidden:
        Path(hidden).write_bytes(data)
