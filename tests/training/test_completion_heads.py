"""Textured heads out of files: what stands in a .glb comes back as positions, colors, morphs and joints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from flamecast.flame_motion import BadInput
from flamecast.pipelines.exports.glb import Document
from flamecast.training.completion import prepare
from flamecast.training.completion.gltf_heads import NAMES, load_gltf_head
from flamecast.training.completion.head_files import load_heads
from flamecast.training.completion.heads import posed
from flamecast.training.completion.people import PeopleBank

CENTIMETRES = 0.01  # the unit of the file's bones, in m
BONES = {  # name: parent, where in the world, m
    "Hips": (None, (0, 1.0, 0)), "Spine": ("Hips", (0, 1.2, -0.1)), "Neck": ("Spine", (0, 1.45, -0.09)),
    "Head": ("Neck", (0, 1.54, -0.06)), "HeadTop_End": ("Head", (0, 1.75, -0.06)),
    "LeftEye": ("Head", (0.03, 1.6, 0)), "RightEye": ("Head", (-0.03, 1.6, 0)),
    "LeftShoulder": ("Spine", (0.03, 1.42, -0.1)), "RightShoulder": ("Spine", (-0.03, 1.42, -0.1)),
    "LeftArm": ("LeftShoulder", (0.16, 1.4, -0.1)), "RightArm": ("RightShoulder", (-0.16, 1.4, -0.1)),
}  # fmt: skip
ORIGIN = np.array([0.0, 1.6, 0.0])
TURN = np.array([0.0, np.sqrt(0.5), 0.0, np.sqrt(0.5)])  # every bone's own axes: a quarter about the vertical


def square(
    middle: tuple[float, float, float], side: float, cells: int = 4
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices [N, 3] m, triangles [F, 3] and uv [N, 2] of a square that looks ahead."""
    row, column = (x.ravel() for x in np.mgrid[0 : cells + 1, 0 : cells + 1])
    vertices = np.stack([column / cells - 0.5, 0.5 - row / cells, 0 * row], -1) * side + middle
    a = np.arange((cells + 1) * cells).reshape(cells, cells + 1)[:, :-1].ravel()
    faces = np.concatenate([np.stack([a, a + cells + 1, a + 1], -1),
                            np.stack([a + 1, a + cells + 1, a + cells + 2], -1)])  # fmt: skip
    return vertices, faces, np.stack([column, row], -1) / cells


class Writer:
    """A head as a .glb whose bones are in centimetres and turned, so that only its skin says where vertices are."""

    def __init__(self, scale: float = 1.0, bones: tuple[str, ...] = tuple(BONES)) -> None:
        self.document, self.bones, self.scale = Document("test"), bones, scale
        self.texture = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
        self._skeleton()

    def _skeleton(self) -> None:
        turn = np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0.0]])
        root = {"name": "Armature", "scale": [CENTIMETRES] * 3, "children": []}
        nodes = {None: self.document.append("nodes", root)}
        for name in self.bones:
            parent, place = BONES[name]
            if parent is None:
                local = {"translation": (np.array(place) / CENTIMETRES).tolist(), "rotation": TURN.tolist()}
            else:
                local = {"translation": (turn.T @ np.subtract(place, BONES[parent][1]) / CENTIMETRES).tolist()}
            nodes[name] = self.document.append("nodes", {"name": name, "children": [], **local})
            self.document.content["nodes"][nodes[parent]]["children"].append(nodes[name])
        bind = np.zeros((len(self.bones), 4, 4), np.float32)
        for k, name in enumerate(self.bones):
            world = np.eye(4)
            world[:3, :3], world[:3, 3] = turn * CENTIMETRES, BONES[name][1]
            bind[k] = (np.linalg.inv(world) @ np.diag([*[1 / self.scale] * 3, 1])).T
        skin = {"joints": [nodes[name] for name in self.bones], "inverseBindMatrices": self.document.accessor(bind)}
        self.skin = self.document.append("skins", skin)
        coded = np.frombuffer(cv2.imencode(".png", self.texture[..., ::-1])[1].tobytes(), np.uint8)
        image = {"mimeType": "image/png", "bufferView": self.document._view(coded, None)}
        source = self.document.append("images", image)
        color = {"baseColorTexture": {"index": self.document.append("textures", {"source": source})}}
        self.material = self.document.append("materials", {"name": "Body", "pbrMetallicRoughness": color})

    def add(self, name: str, vertices: np.ndarray, faces: np.ndarray, uv: np.ndarray, weights: dict[str, np.ndarray],
            morphs: dict[str, np.ndarray] | None = None) -> None:  # fmt: skip
        """A mesh in world metres; weights [N] by bone, morphs [N, 3] m by name."""
        each = np.stack([weights.get(bone, np.zeros(len(vertices))) for bone in self.bones], 1)
        joint = np.argsort(-each, 1, kind="stable")[:, :4]
        keep = lambda values, kind=np.float32: self.document.accessor(np.ascontiguousarray(values, kind))  # noqa: E731
        attributes = {
            "POSITION": keep(vertices * self.scale), "TEXCOORD_0": keep(uv), "JOINTS_0": keep(joint, np.uint8),
            "WEIGHTS_0": keep(np.take_along_axis(each, joint, 1)),
        }  # fmt: skip
        moves = morphs or {}
        primitive: dict[str, Any] = {
            "attributes": attributes, "indices": keep(faces.ravel(), np.uint16), "material": self.material,
            "targets": [{"POSITION": self.document.sparse(np.float32(v * self.scale))} for v in moves.values()],
        }  # fmt: skip
        mesh = {"name": name, "primitives": [primitive], "extras": {"targetNames": list(moves)}}
        node = {"name": name, "mesh": self.document.append("meshes", mesh), "skin": self.skin}
        self.document.append("nodes", node)

    def head(self, path: Path) -> Path:
        """A face, eyes, and a body that goes down to the knees."""
        self.face = square((0, 1.6, 0.02), 0.2)
        smile = np.zeros((25, 3))
        smile[18] = 0.01, 0.02, 0.0
        body = square((0, 1.0, 0), 0.8, 8)
        uv = self.face[2] * 0.5, body[2] * 0.5 + 0.5  # the first quarter of the texture, and the last
        vertices, faces = np.concatenate([self.face[0], body[0]]), np.concatenate([self.face[1], body[1] + 25])
        on_face = np.arange(len(vertices)) < 25
        share = np.linspace(0, 0.4, len(vertices)) * on_face
        weights = {"Head": on_face - share, "Neck": share, "Spine": 1.0 * ~on_face}
        morph = {"h_expressions.RsmileOpen_h": np.concatenate([smile, np.zeros((len(body[0]), 3))])}
        self.add("H_Body", vertices, faces, np.concatenate(uv), weights, morph)
        for name, bone, x in (("h_L_eye", "LeftEye", 0.03), ("h_R_eye", "RightEye", -0.03)):
            self.add(name, *square((x, 1.6, 0.01), 0.02), {bone: np.ones(25)})
        self.document.save(path)
        return path


@pytest.mark.parametrize("scale", [1.0, 250.0])  # the second as quantized files are: the skin says what a unit is
def test_a_glb_comes_back_as_positions_colors_morphs_and_joints(tmp_path, scale):
    writer = Writer(scale)
    head = load_gltf_head(writer.head(tmp_path / "anna.glb"))
    assert head.name == "anna" and [p.name for p in head.parts] == ["skin", "eye_left", "eye_right", "clothes"]
    assert tuple(head.joints) == NAMES and np.allclose(head.joints["head"], [0, -0.06, -0.06], atol=1e-6)
    skin, (vertices, faces, uv) = head.parts[0], writer.face
    match = np.linalg.norm(skin.vertices[:, None] - (vertices - ORIGIN), axis=-1)
    number = match.argmin(1)
    assert match.min(1).max() < 1e-6 and sorted(number) == list(range(25))
    assert {frozenset(t) for t in number[skin.faces].tolist()} == {frozenset(t) for t in faces.tolist()}
    area = np.cross(*(skin.vertices[skin.faces[:, k]] - skin.vertices[skin.faces[:, 0]] for k in (1, 2)))
    assert (area[:, 2] > 0).all()  # still anticlockwise
    assert np.allclose(skin.uv, uv[number], atol=1e-6)
    index, offset = skin.morphs["RsmileOpen"]
    assert number[index].tolist() == [18] and np.allclose(offset, [[0.01, 0.02, 0.0]], atol=1e-6)
    assert np.allclose(skin.weights[:, [NAMES.index("neck")]].sum(1), np.linspace(0, 0.4, 106)[number], atol=1e-6)
    large = cv2.resize(writer.texture[:32, :32], (672, 672), interpolation=cv2.INTER_AREA)
    assert (skin.texture == large).all()  # what the face uses of it
    clothes = head.parts[3].vertices
    assert -0.37 < clothes[:, 1].min() < -0.25 and np.abs(clothes[:, 0]).max() < 0.36


def test_a_head_of_a_glb_turns_and_smiles_as_others_do(tmp_path):
    head = load_gltf_head(Writer().head(tmp_path / "anna.glb"))
    rest, moved = posed(head, {}, arms=0.0), posed(head, {"RsmileOpen": 0.5}, (0.3, 0.0, 0.0), arms=0.0, neck_share=0.0)
    assert all(np.allclose(v, p.vertices) for v, p in zip(rest, head.parts))
    left = moved[1].mean(0)
    assert left[2] < rest[1].mean(0)[2]  # the head turns to the left, and takes the eyes along
    assert np.allclose(moved[3], rest[3])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # a square has no crown
def test_heads_of_one_layout_are_blended_and_others_are_not(tmp_path):
    for name in ("anna", "ben"):
        Writer().head(tmp_path / f"{name}.glb")
    other = Writer()
    other.add("h_wig", *square((0, 1.65, 0), 0.2), {"Head": np.ones(25)})
    other.add("h_TeethDown", *square((0, 1.55, 0), 0.02), {"Head": np.ones(25)})
    other.head(tmp_path / "carl.glb")
    heads = load_heads([tmp_path])
    assert [h.name for h in heads] == ["anna", "ben", "carl"]
    assert heads[0].topology() == heads[1].topology() != heads[2].topology()
    assert [p.name for p in heads[2].parts] == ["skin", "teeth_lower", "eye_left", "eye_right", "clothes", "hair"]
    bank = PeopleBank(heads)
    names = {bank.draw(np.random.default_rng(seed)).head.name for seed in range(12)}
    assert "carl" in names and not any("carl" in name and "+" in name for name in names)


def test_what_is_missing_is_said_in_one_sentence(tmp_path):
    short = Writer(bones=tuple(bone for bone in BONES if bone != "LeftArm"))
    with pytest.raises(BadInput, match="it has no left_arm"):
        load_gltf_head(short.head(tmp_path / "a.glb"))
    blind = Writer()
    blind.add("H_Body", *square((0, 1.6, 0), 0.2), {"Head": np.ones(25)})
    blind.document.save(tmp_path / "b.glb")
    with pytest.raises(BadInput, match="no mesh is its eye_left: expected a name with l_eye"):
        load_gltf_head(tmp_path / "b.glb")
    packed = Writer()
    packed.document.content["extensionsRequired"] = ["EXT_meshopt_compression"]
    with pytest.raises(BadInput, match="unpack it by `npx @gltf-transform/cli dequantize"):
        load_gltf_head(packed.head(tmp_path / "c.glb"))
    (tmp_path / "d.glb").write_bytes((tmp_path / "a.glb").read_bytes()[:600])
    with pytest.raises(BadInput, match="no .glb file that can be read"):
        load_gltf_head(tmp_path / "d.glb")
    with pytest.raises(BadInput, match="there is no head 'dora'; known are a, b, c, d"):
        load_heads([tmp_path], without=["dora"])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # a square has no crown
def test_preparing_goes_on_where_it_stopped_and_keeps_to_its_heads(tmp_path, monkeypatch):
    heads, made = tmp_path / "heads", []
    heads.mkdir()
    for name in ("anna", "ben"):
        Writer().head(heads / f"{name}.glb")
    monkeypatch.setattr(prepare, "MediaPipeDetector", lambda: None)
    monkeypatch.setattr(prepare, "make_sample", lambda bank, backgrounds, detector, seed: made.append(seed))
    monkeypatch.setattr(prepare, "is_empty", lambda file: file.name == "003_000000.npz")
    done = prepare.prepare_heads([heads], tmp_path / "out", count=2, seed=3, without=["ben"])
    assert done.files == [tmp_path / "out"] and done.problems[0].startswith("1 of 2 photos left out")
    prepare.prepare_heads([heads], tmp_path / "out", count=3, seed=3, only=["anna"])
    assert made == [(3, 0), (3, 1), (3, 2)]
    with pytest.raises(BadInput, match="holds samples of other heads"):
        prepare.prepare_heads([heads], tmp_path / "out", count=3)


def test_heads_that_are_not_there_are_named_as_heads(tmp_path):
    for name in ("avatars", "dora.npz", "dora.glb"):
        with pytest.raises(BadInput, match=f"the heads .*{name} are not there: expected NAME.glb"):
            load_heads([tmp_path / name])
