"""A portrait's person as glTF 2.0: textured, rigged, with ARKit's 52 blend shapes by name; a clip as an animation.

The file says in `asset.extras` what it is: metres, the axes, and the photo's own pose, with which it opens.
"""

from __future__ import annotations

import io
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...flame_motion import FlameSequence
from ...flame_motion.rotations import quaternion_from_axis_angle
from ...generator import Portrait
from ...renderer import vertex_normals
from .glb import INDICES, VERTICES, Document
from .gltf import add_skeleton, animation, rows_of, skin_attributes, upright
from .person import Person, Surface
from .vrm import add_vrm

SMALLEST = 2e-5  # m; a shape leaves out what moves less
AXES = "+x the subject's left, +y up, +z out of the face"
MATERIALS = ("unlit", "pbr")
ROUGHNESS = {"eyes": 0.2, "teeth": 0.3, "mouth": 0.45, "hair": 0.8}
USUAL_ROUGHNESS = 0.6
QUALITY = 92  # of JPEG


def save_person(
    person: Person, portrait: Portrait, path: Path, *, material: str = "unlit", motion: FlameSequence | None = None,
    weights: Tensor | None = None, avatar: str | None = None,
) -> None:  # fmt: skip
    """Writes the person to `path` (.glb or .gltf), with a clip `motion` whose weights [T, K] `with_clip` gave.

    avatar: its name as a VRM; its head then stands straight and its face rests, instead of as in the photo.
    """
    document = Document(f"flamecast {version('flamecast')}")
    document.content["asset"]["extras"] = _facts(portrait, person, motion)
    skin, nodes = add_skeleton(document, person.joints)
    if avatar is None:
        _take_pose(document, nodes, portrait.pose)
    else:
        person = replace(person, shown=0 * person.shown)
    materials = _materials(document, person, material)
    bodies = []
    for surface, number in zip(person.surfaces, materials, strict=True):
        mesh = document.append("meshes", _mesh(document, person, surface, number, normals=material == "pbr"))
        bodies.append(document.append("nodes", {"name": surface.name, "mesh": mesh, "skin": skin}))
    if motion is not None and weights is not None:
        moving = [b for b in bodies if "weights" in document.content["meshes"][document.content["nodes"][b]["mesh"]]]
        made = animation(document, portrait.head, motion, person.joints, nodes, moving, weights)
        document.append("animations", made)
    if avatar is not None:
        add_vrm(document, avatar, nodes[0], bodies, person.names)
    document.content["scene"] = document.append("scenes", {"nodes": [nodes[0], *bodies]})
    document.save(path)


def _take_pose(document: Document, nodes: list[int], pose: FlameSequence) -> None:
    """Turns the joints as the photo shows them."""
    turns = quaternion_from_axis_angle(torch.stack([pose.neck[0], pose.jaw[0], *pose.eyes[0]]))[:, [1, 2, 3, 0]]
    for node, turn in zip(nodes[1:], torch.nn.functional.normalize(turns.double(), dim=1).tolist(), strict=True):
        document.content["nodes"][node]["rotation"] = turn


def _facts(portrait: Portrait, person: Person, motion: FlameSequence | None) -> dict[str, Any]:
    pose = portrait.pose
    joints = {"neck": pose.neck[0], "jaw": pose.jaw[0], "eye_left": pose.eyes[0, 0], "eye_right": pose.eyes[0, 1]}
    rest = {
        "shapes": {name: round(float(w), 5) for name, w in zip(person.names, person.shown) if w},
        "joints": {name: [round(float(x), 6) for x in turn] for name, turn in joints.items()},  # axis-angle, rad
    }
    clip = {} if motion is None else {"fps": motion.fps, "frames": len(motion)}
    return {"head": portrait.head.id, "scale": "metres", "axes": AXES, "shapes": "ARKit", "rest": rest, **clip}


def _materials(document: Document, person: Person, kind: str) -> list[int]:
    """One for each surface; textures are shared."""
    if kind == "unlit":
        document.content["extensionsUsed"] = ["KHR_materials_unlit"]
    document.content["samplers"] = [{"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}]
    textures = {}
    for name, picture in person.textures.items():
        cut_out = any(s.cut_out for s in person.surfaces if s.texture == name)
        image = document.image(*_encoded(picture if cut_out else picture[..., :3]))
        textures[name] = document.append("textures", {"source": image, "sampler": 0, "name": name})
    made = []
    for surface in person.surfaces:
        color = {
            "baseColorTexture": {"index": textures[surface.texture]}, "metallicFactor": 0.0,
            "roughnessFactor": ROUGHNESS.get(surface.name, USUAL_ROUGHNESS),
        }  # fmt: skip
        described: dict[str, Any] = {"name": surface.name, "pbrMetallicRoughness": color}
        if surface.cut_out:
            described |= {"alphaMode": "MASK", "alphaCutoff": 0.5}
        if kind == "unlit":
            described["extensions"] = {"KHR_materials_unlit": {}}
        made.append(document.append("materials", described))
    return made


def _encoded(picture: np.ndarray) -> tuple[bytes, str]:
    """A picture [h, w, 3 or 4] uint8 as a file, and its kind: PNG where it has alpha."""
    from PIL import Image

    buffer = io.BytesIO()
    if picture.shape[2] == 4:
        Image.fromarray(picture).save(buffer, format="PNG")
        return buffer.getvalue(), "image/png"
    Image.fromarray(picture).save(buffer, format="JPEG", quality=QUALITY, subsampling=0)
    return buffer.getvalue(), "image/jpeg"


def _mesh(document: Document, person: Person, surface: Surface, material: int, normals: bool) -> dict[str, Any]:
    """One primitive; with shapes where any of them moves it."""
    carrier, points = surface.carrier, surface.points
    attributes = {
        "POSITION": document.accessor(rows_of(carrier.rest, points), target=VERTICES, bounds=True),
        "TEXCOORD_0": document.accessor(np.ascontiguousarray(surface.uv, np.float32), target=VERTICES),
        **skin_attributes(document, carrier.weights[points].numpy()),
    }
    if normals:
        faces = points[torch.from_numpy(surface.triangles).long()]
        upwards = upright(vertex_normals(carrier.rest, faces))
        attributes["NORMAL"] = document.accessor(rows_of(upwards, points), target=VERTICES)
    small = np.uint16 if len(points) < 1 << 16 else np.uint32
    indices = document.accessor(surface.triangles.reshape(-1).astype(small), target=INDICES)
    primitive: dict[str, Any] = {"attributes": attributes, "indices": indices, "material": material}
    shapes = carrier.shapes[:, points].clone()
    shapes[shapes.abs().amax(-1) < SMALLEST] = 0
    mesh: dict[str, Any] = {"name": surface.name, "primitives": [primitive]}
    if bool((shapes != 0).any()):
        primitive["targets"] = [{"POSITION": document.sparse(shape.numpy(), bounds=True)} for shape in shapes]
        shown = [round(float(w), 5) for w in person.shown]
        mesh |= {
            "weights": shown + [0.0] * (len(person.names) - len(shown)), "extras": {"targetNames": person.names}
        }  # fmt: skip
    return mesh
