"""A head and its motion as glTF 2.0: skinned mesh, morph targets, animation. Blender, Three.js and engines open it.

Metres, +y up, +z out of the face, as here. The identity is baked into the rest mesh. At every frame's time the file
says exactly what `head(motion)` does: glTF's skinning moves a rest point x to sum_j w_j (R_j (x - J_j) + p_j), the same
formula, and what differs is carried by the animation: where an expression shifts a joint by d, the node's translation
takes d - R d along, and pose correctives are morph targets whose weights are the entries of the rotation matrices.
Between frames a viewer interpolates.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...flame_motion import FlameSequence, Head
from ...flame_motion.edit.controls import LIDS, is_numbered
from ...flame_motion.heads.head import JOINTS, PARENTS
from ...flame_motion.heads.materials import MATERIALS, Material, face_materials
from ...flame_motion.rotations import continuous, matrix_from_axis_angle, quaternion_from_axis_angle
from ...renderer import vertex_normals
from .glb import INDICES, VERTICES, Document

SMALLEST = 1e-8  # m; a morph target leaves out what moves less: all of them together stay far below a micrometre
SMALLEST_TURN = 1e-3  # of a normal
STEP = 0.25  # of a pose corrective: at 1 (57 degrees) its normals would be those of a crumpled face


@dataclass(frozen=True, eq=False)
class Morphs:
    """The morph targets of a head, and how much of each a clip shows."""

    names: list[str]
    offsets: Tensor  # [K, N, 3] m at weight 1
    steps: Tensor  # [K] the weight at which its normals are taken
    weights: Tensor  # [T, K]


def save_gltf(motion: FlameSequence, path: Path, head: Head) -> None:
    """Writes the clip on its head to `path` (.glb or .gltf). BadInput where the motion is not this head's."""
    head.check(motion)
    rest, joints = head.skin.shaped(motion.shape)
    morphs = _morphs(head, motion)
    document = Document(f"flamecast {version('flamecast')}")
    document.content["asset"]["extras"] = {"head": head.id, "fps": motion.fps, "frames": len(motion)}
    skin, nodes = add_skeleton(document, joints)
    mesh = document.append("meshes", _mesh(document, head, rest, morphs))
    body = document.append("nodes", {"name": "head", "mesh": mesh, "skin": skin})
    document.append("animations", animation(document, head, motion, joints, nodes, [body], morphs.weights))
    document.content["scene"] = document.append("scenes", {"nodes": [nodes[0], body]})
    document.save(path)


def add_skeleton(document: Document, joints: Tensor) -> tuple[int, list[int]]:
    """FLAME's five joints, resting at `joints` [5, 3] m: the index of the skin, and of the joints' nodes."""
    nodes = [_joint_node(document, joints, index) for index in range(len(JOINTS))]
    for index, parent in enumerate(PARENTS):
        if parent >= 0:
            document.content["nodes"][nodes[parent]].setdefault("children", []).append(nodes[index])
    bind = np.tile(np.eye(4, dtype=np.float32), (len(JOINTS), 1, 1))
    bind[:, 3, :3] = -joints.numpy()  # column by column: the translation is the last row
    inverse = document.accessor(bind)
    return document.append("skins", {"joints": nodes, "inverseBindMatrices": inverse, "skeleton": nodes[0]}), nodes


# -- what moves --------------------------------------------------------------------------------------------------------


def _morphs(head: Head, motion: FlameSequence) -> Morphs:
    """Every expression axis that has a name and every numbered one the clip uses; the lids; pose correctives."""
    used = (motion.expression != 0).any(0)
    kept = [k for k, name in enumerate(head.expression_names) if used[k] or not is_numbered(name)]
    lids = ["eyeBlinkLeft", "eyeBlinkRight"]
    names = [head.expression_names[k] for k in kept] + lids
    offsets = [head.expression[..., kept], head.eyelids[..., [LIDS[lid][0] for lid in lids]]]
    weights = [motion.expression[:, kept], motion.eyelids]
    steps = [1.0] * len(names)
    if head.pose_correctives is not None:
        turns = matrix_from_axis_angle(torch.stack([motion.neck, motion.jaw, *motion.eyes.unbind(1)], 1))
        weights.append((turns - torch.eye(3)).reshape(len(motion), -1))
        names += [f"corrective_{joint}_{row}{column}" for joint in JOINTS[1:] for row in "xyz" for column in "xyz"]
        offsets.append(head.pose_correctives)
        steps += [STEP] * head.pose_correctives.shape[-1]
    return Morphs(names, torch.cat(offsets, -1).permute(2, 0, 1), torch.tensor(steps), torch.cat(weights, 1))


def animation(
    document: Document, head: Head, motion: FlameSequence, joints: Tensor, nodes: list[int], bodies: list[int],
    weights: Tensor,
) -> dict[str, Any]:  # fmt: skip
    """One key a frame for each joint's rotation, for the joints that shift, and for all bodies' weights [T, K]."""
    times = np.arange(len(motion), dtype=np.float64) / motion.fps
    clock = document.accessor(times.astype(np.float32), bounds=True)
    samplers: list[dict[str, Any]] = []
    channels: list[dict[str, Any]] = []

    def key(targets: list[int], path: str, values: Tensor) -> None:
        output = document.accessor(np.ascontiguousarray(values.numpy(), np.float32))
        samplers.append({"input": clock, "output": output, "interpolation": "LINEAR"})
        channels.extend({"sampler": len(samplers) - 1, "target": {"node": node, "path": path}} for node in targets)

    turns = torch.stack([motion.rotation, motion.neck, motion.jaw, *motion.eyes.unbind(1)], 1)  # [T, 5, 3]
    shifts = torch.einsum("jke,te->tjk", head.skin.joints_expression, motion.expression)  # [T, 5, 3] m
    stays = shifts - (matrix_from_axis_angle(turns) @ shifts[..., None]).squeeze(-1)
    stays[:, 0] += motion.translation
    for index, node in enumerate(nodes):
        key([node], "rotation", _steady(quaternion_from_axis_angle(turns[:, index])))
        if index == 0 or bool((stays[:, index].abs() > SMALLEST).any()):
            key([node], "translation", _bone(joints, index) + stays[:, index])
    if bodies:
        key(bodies, "weights", weights.reshape(-1))
    return {"name": "clip", "samplers": samplers, "channels": channels}


def _steady(quaternions: Tensor) -> Tensor:
    """Unit quaternions [T, 4] (w, x, y, z) as glTF's (x, y, z, w), each on the side of the one before it."""
    return torch.nn.functional.normalize(continuous(quaternions)[:, [1, 2, 3, 0]], dim=-1)


def _bone(joints: Tensor, index: int) -> Tensor:
    """Where a joint rests in its parent, [3] m."""
    return joints[index] - joints[PARENTS[index]] if index else joints[0]


def _joint_node(document: Document, joints: Tensor, index: int) -> int:
    return document.append("nodes", {"name": JOINTS[index], "translation": _bone(joints, index).tolist()})


# -- the mesh ----------------------------------------------------------------------------------------------------------


def _mesh(document: Document, head: Head, rest: Tensor, morphs: Morphs) -> dict[str, Any]:
    """One primitive for each material, all with the same targets."""
    normals = upright(vertex_normals(rest, head.faces))
    turned = upright(vertex_normals(rest + morphs.steps[:, None, None] * morphs.offsets, head.faces))
    tilts = (turned - normals) / morphs.steps[:, None, None]
    tilts[tilts.abs().amax(-1) < SMALLEST_TURN] = 0
    offsets = morphs.offsets.clone()
    offsets[offsets.abs().amax(-1) < SMALLEST] = 0
    materials = face_materials(head)
    primitives = []
    for number in materials.unique().tolist():
        chosen = materials == number
        vertices, corners, uv = _corners(head, chosen)
        attributes = {
            "POSITION": document.accessor(rows_of(rest, vertices), target=VERTICES, bounds=True),
            "NORMAL": document.accessor(rows_of(normals, vertices), target=VERTICES),
            "TEXCOORD_0": document.accessor(uv, target=VERTICES),
            **skin_attributes(document, head.weights[vertices].numpy()),
        }
        targets = [
            {
                "POSITION": document.sparse(rows_of(o, vertices), bounds=True),
                "NORMAL": document.sparse(rows_of(t, vertices)),
            }
            for o, t in zip(offsets, tilts)
        ]
        small = corners.astype(np.uint16 if len(vertices) < 1 << 16 else np.uint32)
        material = document.append("materials", _material(MATERIALS[number]))
        indices = document.accessor(small, target=INDICES)
        primitives.append({"attributes": attributes, "indices": indices, "material": material, "targets": targets})
    weights = [0.0] * len(morphs.names)
    return {"name": "head", "primitives": primitives, "weights": weights, "extras": {"targetNames": morphs.names}}


def _corners(head: Head, chosen: Tensor) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """Some faces [F] with a vertex of their own for each pair of place and uv that occurs.

    Returns the head's vertex of each [M], corners [3F'] into them, and uv [M, 2] (glTF counts v from the top).
    """
    pairs = torch.stack([head.faces[chosen].reshape(-1), head.uv_faces[chosen].reshape(-1)], 1)
    unique, corners = pairs.unique(dim=0, return_inverse=True)
    uv = head.uv[unique[:, 1]].numpy() * np.array([1, -1], np.float32) + np.array([0, 1], np.float32)
    return unique[:, 0], corners.numpy(), uv


def skin_attributes(document: Document, weights: np.ndarray) -> dict[str, int]:
    """JOINTS_n and WEIGHTS_n of weights [M, 5], four joints in each set, the largest weights first."""
    order = np.argsort(-weights, axis=1, kind="stable")
    sorted_weights = np.take_along_axis(weights, order, 1).astype(np.float64)
    sets = 1 if (sorted_weights[:, 4:] == 0).all() else 2
    shares = np.zeros((len(weights), 4 * sets))
    shares[:, : min(4 * sets, 5)] = sorted_weights[:, : 4 * sets]
    shares = (shares / shares.sum(1, keepdims=True)).astype(np.float32)
    joints = np.zeros((len(weights), 4 * sets), np.uint8)
    joints[:, : min(4 * sets, 5)] = order[:, : 4 * sets]
    joints[shares == 0] = 0
    attributes = {}
    for number in range(sets):
        cut = slice(4 * number, 4 * number + 4)
        attributes[f"JOINTS_{number}"] = document.accessor(np.ascontiguousarray(joints[:, cut]), target=VERTICES)
        attributes[f"WEIGHTS_{number}"] = document.accessor(np.ascontiguousarray(shares[:, cut]), target=VERTICES)
    return attributes


def _material(material: Material) -> dict[str, Any]:
    linear = [((c + 0.055) / 1.055) ** 2.4 if c > 0.04045 else c / 12.92 for c in material.color]
    surface = {"baseColorFactor": [*linear, 1.0], "metallicFactor": 0.0, "roughnessFactor": material.roughness}
    # The neck is open below: both sides are drawn, or a view up into it goes right through the head.
    return {"name": material.name, "pbrMetallicRoughness": surface, "doubleSided": True}


def upright(normals: Tensor) -> Tensor:
    """Unit normals [..., 3]; a vertex without any (0) gets +z, because glTF allows no zeros."""
    return torch.where((normals == 0).all(-1, keepdim=True), torch.tensor([0.0, 0.0, 1.0]), normals)


def rows_of(values: Tensor, vertices: Tensor) -> np.ndarray:
    return np.ascontiguousarray(values[vertices].numpy(), np.float32)
