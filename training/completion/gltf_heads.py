"""Textured heads out of plain glTF, as c-frame/valid-avatars-glb has them: skins, morph targets, textures.

Parts are known by the names of nodes, meshes and materials; what has no such name is the body, whose pieces are skin
where neck and head carry them, and clothes elsewhere. Joints are known by Mixamo's names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import BadInput
from .gltf import Gltf, readable
from .heads import Part, TexturedHead, scaled_texture

JOINTS = {  # by the letters of Mixamo's names; a joint that is not here follows the nearest one above it that is
    "spine": "torso", "neck": "neck", "head": "head", "lefteye": "left_eye", "righteye": "right_eye",
    "leftshoulder": "left_shoulder", "rightshoulder": "right_shoulder", "leftarm": "left_arm", "rightarm": "right_arm",
}  # fmt: skip
NAMES = tuple(JOINTS.values())
SKULL = [NAMES.index(name) for name in ("neck", "head", "left_eye", "right_eye")]
PARTS = {  # patterns of names; the first that is found counts
    "glands": "gland", "hair": "wig|hair", "teeth_upper": "teeth_?up|upper_?teeth", "teeth_lower": "teeth|tongue",
    "eye_left": "l_eye|left_?eye|eye_?left", "eye_right": "r_eye|right_?eye|eye_?right",
    "clothes": "cloth|outfit|shirt|jacket",
}  # fmt: skip
TEXTURES = {"skin": "skin", "clothes": "clothes", "hair": "hair", "teeth_upper": "mouth", "teeth_lower": "mouth"}
LOWEST, WIDEST = -0.37, 0.36  # m from the eyes: skin and clothes end at mid-chest and in the upper arms
SMALLEST = 2e-5  # m: a morph leaves out what moves less


@dataclass(frozen=True)
class _Mesh:
    """Triangles with one texture, at rest: N vertices, F triangles."""

    name: str  # of a part; "": the body
    vertices: np.ndarray  # [N, 3] m
    faces: np.ndarray  # [F, 3]
    uv: np.ndarray  # [N, 2]
    texture: np.ndarray  # [H, W, 3] uint8
    weights: np.ndarray  # [N, J] by NAMES
    morphs: dict[str, np.ndarray]  # offsets [N, 3] m


def load_gltf_head(path: Path) -> TexturedHead:
    """The head of one NAME.glb at rest, the body below it cut off. BadInput, which says what is missing."""
    file = Gltf(path)
    with readable(path):
        rig = _Rig(file)
        meshes = [mesh for node in range(len(rig.nodes)) for mesh in rig.meshes(node)]
    if missing := [name for name in NAMES if name not in rig.joints]:
        raise BadInput(f"{path}: expected joints named as Mixamo does (Neck, Head, LeftEye …), it has no {missing[0]}")
    origin = (rig.joints["left_eye"] + rig.joints["right_eye"]) / 2
    with readable(path):
        pieces = [piece for mesh in meshes for piece in _pieces(mesh, origin) if len(piece.faces)]
    parts = {name: [p for p in pieces if p.name == name] for name in sorted({p.name for p in pieces}, key=_order)}
    if lacking := [name for name in ("skin", "eye_left", "eye_right") if name not in parts]:
        wanted = "triangles that neck and head carry" if lacking[0] == "skin" else f"a name with {PARTS[lacking[0]]}"
        raise BadInput(f"{path}: no mesh is its {lacking[0]}: expected {wanted}")
    return TexturedHead(
        path.stem,
        tuple(_part(name, several, path) for name, several in parts.items()),
        {name: rig.joints[name] - origin for name in NAMES},
    )


def _order(name: str) -> int:
    """Hair comes last, as everywhere."""
    return ("skin", "teeth_upper", "teeth_lower", "eye_left", "eye_right", "glands", "clothes", "hair").index(name)


class _Rig:
    """The nodes of a file: where they stand, and which joint of NAMES each of them follows."""

    def __init__(self, file: Gltf) -> None:
        self.file, self.nodes = file, file.content["nodes"]
        self.world, parents = file.world_from_node(), file.parents()
        letters = [re.sub("^mixamorig|[^a-z]", "", node.get("name", "").lower()) for node in self.nodes]
        self.joints = {  # of several parts of a spine the last
            JOINTS[name]: self.world[k, :3, 3] for k, name in enumerate(letters) if name in JOINTS
        }
        above = list(range(len(letters)))
        for node in above:
            while letters[above[node]] not in JOINTS and above[node] in parents:
                above[node] = parents[above[node]]
        self.follows = np.array([NAMES.index(JOINTS.get(letters[k], "torso")) for k in above])

    def meshes(self, number: int) -> list[_Mesh]:
        """What a node shows."""
        node = self.nodes[number]
        mesh = self.file.content["meshes"][node["mesh"]] if "mesh" in node else {"primitives": []}
        return [self._mesh(number, node, mesh, one) for one in mesh["primitives"] if one.get("mode", 4) == 4]

    def _mesh(self, number: int, node: dict[str, Any], mesh: dict[str, Any], primitive: dict[str, Any]) -> _Mesh:
        array, attributes = self.file.array, primitive["attributes"]
        material = self.file.content["materials"][primitive["material"]] if "material" in primitive else {}
        names = " ".join(str(item.get("name", "")) for item in (node, mesh, material)).lower()
        place = array(attributes["POSITION"]).astype(np.float64)
        weights = np.eye(len(NAMES))[np.repeat(self.follows[number], len(place))]
        matrices = np.broadcast_to(self.world[number], (len(place), 4, 4))
        if "skin" in node:
            weights, matrices = self._skinned(self.file.content["skins"][node["skin"]], attributes)
        turned = lambda vectors: np.einsum("nab,nb->na", matrices[:, :3, :3], vectors)  # noqa: E731
        titles = {**mesh.get("extras", {}), **primitive.get("extras", {})}.get("targetNames", [])
        morphs = {
            re.sub(r"^.*\.|_h$", "", title).removeprefix("t_"): turned(array(target["POSITION"]))
            for title, target in zip(titles, primitive.get("targets", []))
            if "POSITION" in target
        }
        faces = array(primitive["indices"]) if "indices" in primitive else np.arange(len(place))
        part = next((part for part, pattern in PARTS.items() if re.search(pattern, names)), "")
        uv, texture = _surface(self.file, material.get("pbrMetallicRoughness", {}), attributes)
        return _Mesh(
            part,
            turned(place) + matrices[:, :3, 3],
            faces.reshape(-1, 3).astype(np.int32),
            uv,
            texture,
            weights,
            morphs,
        )

    def _skinned(self, skin: dict[str, Any], attributes: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
        """For each vertex the weights of NAMES [N, J], and the matrix of the rest pose [N, 4, 4]."""
        bind = np.tile(np.eye(4), (len(skin["joints"]), 1, 1))
        if "inverseBindMatrices" in skin:
            bind = self.file.array(skin["inverseBindMatrices"]).reshape(-1, 4, 4).swapaxes(1, 2)
        sets = [k for k in range(4) if f"JOINTS_{k}" in attributes]
        joint = np.concatenate([self.file.array(attributes[f"JOINTS_{k}"]) for k in sets], 1).astype(int)
        share = np.concatenate([self.file.array(attributes[f"WEIGHTS_{k}"]) for k in sets], 1).astype(np.float64)
        share /= np.maximum(share.sum(1, keepdims=True), 1e-9)
        matrices = np.einsum("nk,nkab->nab", share, (self.world[skin["joints"]] @ bind)[joint])
        weights = np.zeros((len(joint), len(NAMES)))
        for k in range(joint.shape[1]):
            weights[np.arange(len(joint)), self.follows[skin["joints"]][joint[:, k]]] += share[:, k]
        return weights, matrices


def _surface(file: Gltf, base: dict[str, Any], attributes: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Where vertices lie on a texture [N, 2] 0..1, and the texture [H, W, 3] uint8, of a material's base color."""
    tint = np.array(base.get("baseColorFactor", [1.0] * 4)[:3]) ** (1 / 2.2)
    picture = base.get("baseColorTexture")
    if picture is None:
        count = file.content["accessors"][attributes["POSITION"]]["count"]
        return np.full((count, 2), 0.5), (np.full((2, 2, 3), 255) * tint).astype(np.uint8)
    moved = picture.get("extensions", {}).get("KHR_texture_transform", {})
    uv = file.array(attributes[f"TEXCOORD_{moved.get('texCoord', picture.get('texCoord', 0))}"]).astype(np.float64)
    uv = uv * moved.get("scale", [1, 1]) + moved.get("offset", [0, 0])
    return uv, (file.picture(picture["index"]) * tint).astype(np.uint8)


def _pieces(mesh: _Mesh, origin: np.ndarray) -> list[_Mesh]:
    """The mesh about the origin [3] m; a body as skin and clothes."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    mesh = replace(mesh, vertices=mesh.vertices - origin)
    if mesh.name not in ("", "clothes"):
        return [_of_faces(mesh, mesh.faces)]
    inside = (mesh.vertices[:, 1] > LOWEST) & (np.abs(mesh.vertices[:, 0]) < WIDEST)
    faces = mesh.faces[inside[mesh.faces].all(1)]
    edges = mesh.faces.ravel(), np.roll(mesh.faces, 1, 1).ravel()
    label = connected_components(coo_matrix((np.ones(len(edges[0])), edges), [len(mesh.vertices)] * 2))[1]
    skull = np.bincount(label, mesh.weights[:, SKULL].sum(1)) > 0.5 * np.bincount(label)
    skin = skull[label[faces[:, 0]]] & (mesh.name == "")
    return [_of_faces(replace(mesh, name=n), faces[k]) for n, k in (("skin", skin), ("clothes", ~skin))]


def _of_faces(mesh: _Mesh, faces: np.ndarray) -> _Mesh:
    """Some faces and their vertices, both ordered by their place on the texture: heads of one layout match."""
    used = np.unique(faces)
    order = used[np.lexsort(np.round(mesh.uv[used].T * 8192))]
    number = np.zeros(len(mesh.vertices), np.int32)
    number[order] = np.arange(len(order))
    faces = number[faces]
    faces = np.take_along_axis(faces, (faces.argmin(1)[:, None] + np.arange(3)) % 3, 1) if len(faces) else faces
    of = lambda values: values[order]  # noqa: E731
    return replace(
        mesh, vertices=of(mesh.vertices), faces=faces[np.lexsort(faces.T)], uv=of(mesh.uv), weights=of(mesh.weights),
        morphs={name: of(offsets) for name, offsets in mesh.morphs.items()},
    )  # fmt: skip


def _part(name: str, pieces: list[_Mesh], path: Path) -> Part:
    """Meshes of one name as a part: their textures cut to what they use, side by side."""
    kind, first = TEXTURES.get(name, "eyes"), np.cumsum([0, *(len(piece.vertices) for piece in pieces)])
    cut = [_cropped(piece, path) for piece in pieces]
    uv = np.concatenate([(uv + [k, 0]) / [len(cut), 1] for k, (uv, _) in enumerate(cut)])
    vertices = np.concatenate([piece.vertices for piece in pieces])
    morphs: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for start, piece in zip(first, pieces):
        for morph, offsets in piece.morphs.items():
            moved = np.flatnonzero(np.abs(offsets).max(1) > SMALLEST)
            index, before = morphs.get(morph, (np.zeros(0, np.int32), np.zeros((0, 3))))
            morphs[morph] = np.append(index, moved + start), np.concatenate([before, offsets[moved]])
    return Part(
        name, vertices, np.concatenate([p.faces + k for p, k in zip(pieces, first)]).astype(np.int32),
        uv.astype(np.float32), scaled_texture(np.hstack([scaled_texture(t, kind) for _, t in cut]), kind),
        np.concatenate([piece.weights for piece in pieces]),
        np.unique(np.round(vertices / 1e-5), axis=0, return_inverse=True)[1].ravel().astype(np.int32),
        {morph: found for morph, found in morphs.items() if len(found[0])},
    )  # fmt: skip


def _cropped(mesh: _Mesh, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """uv [N, 2] on the rectangle of the texture that is used, and that. BadInput where the texture repeats."""
    if mesh.uv.min() < -0.01 or mesh.uv.max() > 1.01:
        raise BadInput(f"{path}: the texture of its {mesh.name} repeats: expected texture coordinates within 0..1")
    size = np.array(mesh.texture.shape[1::-1])
    low = np.floor(mesh.uv.min(0).clip(0, 1 - 1 / size) * size).astype(int)
    high = np.maximum(np.ceil(mesh.uv.max(0).clip(0, 1) * size).astype(int), low + 1)
    return (mesh.uv * size - low) / (high - low), mesh.texture[low[1] : high[1], low[0] : high[0]]
