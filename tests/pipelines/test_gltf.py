"""glTF: what the written file says, played by a reader of our own, is what `head(motion)` says."""

from __future__ import annotations

import base64
import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from flamecast.flame_motion import BadInput, FlameSequence, Head, load_head
from flamecast.flame_motion.edit import demo_motion
from flamecast.flame_motion.heads.head import PARTS
from flamecast.flame_motion.heads.materials import MATERIALS, face_materials
from flamecast.pipelines.exports.gltf import save_gltf

KINDS = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


class Player:
    """A small glTF reader that shares no code with the writer: plays the animation of a `.glb` on its skinned mesh."""

    def __init__(self, path: Path) -> None:
        raw = path.read_bytes()
        magic, version, length = struct.unpack("<III", raw[:12])
        assert (magic, version, length) == (0x46546C67, 2, len(raw))
        size, kind = struct.unpack("<II", raw[12:20])
        assert kind == 0x4E4F534A
        self.json: dict[str, Any] = json.loads(raw[20 : 20 + size])
        self.bin = raw[28 + size :]
        self.mesh = self.json["meshes"][0]
        (self.skin,) = self.json["skins"]
        self.animation = self.json.get("animations", [{"channels": []}])[0]
        self.parent = {c: n for n, node in enumerate(self.json["nodes"]) for c in node.get("children", [])}

    def array(self, number: int) -> np.ndarray:
        """An accessor's numbers, float64 or int64, [count, width]."""
        accessor = self.json["accessors"][number]
        width, count = WIDTHS[accessor["type"]], accessor["count"]
        values = np.zeros((count, width), KINDS[accessor["componentType"]])
        if "bufferView" in accessor:
            values = self._view(accessor["bufferView"], accessor["componentType"], count * width).reshape(count, width)
        if "sparse" in accessor:
            sparse = accessor["sparse"]
            rows = self._view(sparse["indices"]["bufferView"], sparse["indices"]["componentType"], sparse["count"])
            new = self._view(sparse["values"]["bufferView"], accessor["componentType"], sparse["count"] * width)
            values = values.copy()
            values[rows] = new.reshape(-1, width)
        return values.astype(np.float64 if accessor["componentType"] == 5126 else np.int64)

    def _view(self, number: int, kind: int, count: int) -> np.ndarray:
        view = self.json["bufferViews"][number]
        whole = np.frombuffer(self.bin, KINDS[kind], count, view["byteOffset"])
        assert whole.nbytes <= view["byteLength"]
        return whole

    def channel(self, node: int, path: str, time: float) -> np.ndarray | None:
        """The value [width] of an animated property at `time` s, interpolated as glTF says; None where it has none."""
        for channel in self.animation["channels"]:
            if channel["target"] == {"node": node, "path": path}:
                sampler = self.animation["samplers"][channel["sampler"]]
                times = self.array(sampler["input"])[:, 0]
                values = self.array(sampler["output"]).reshape(len(times), -1)
                after = min(int(np.searchsorted(times, time)), len(times) - 1)
                before = max(after - 1, 0)
                span = times[after] - times[before]
                share = float(np.clip((time - times[before]) / span, 0, 1)) if span else 1.0
                a, b = values[before], values[after]
                return _slerp(a, b, share) if path == "rotation" else (1 - share) * a + share * b
        return None

    def corners(self, time: float) -> dict[str, np.ndarray]:
        """Corners of the triangles [F, 3, 3] m of each material at `time` s."""
        bind = self.array(self.skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
        joints = np.stack([self._world(node, time) @ b for node, b in zip(self.skin["joints"], bind)])
        posed = {}
        for body, node in enumerate(self.json["nodes"]):
            mesh = self.json["meshes"][node["mesh"]] if "mesh" in node else {"primitives": []}
            weights = self.channel(body, "weights", time)
            shown = mesh.get("weights", []) if weights is None else weights
            for primitive in mesh["primitives"]:
                name = self.json["materials"][primitive["material"]]["name"]
                posed[name] = self._corners_of(primitive, shown, joints)
        return posed

    def _corners_of(self, primitive: dict[str, Any], shown: Any, joints: np.ndarray) -> np.ndarray:
        at = {name: self.array(number) for name, number in primitive["attributes"].items()}
        targets = primitive.get("targets", [])
        points = at["POSITION"] + sum(w * self.array(t["POSITION"]) for w, t in zip(shown, targets, strict=True) if w)
        sets = [name[-1] for name in at if name.startswith("JOINTS")]
        blend = sum(np.einsum("nk,nkij->nij", at[f"WEIGHTS_{s}"], joints[at[f"JOINTS_{s}"]]) for s in sets)
        points = np.einsum("nij,nj->ni", blend[:, :3, :3], points) + blend[:, :3, 3]
        return points[self.array(primitive["indices"])[:, 0]].reshape(-1, 3, 3)

    def _world(self, node: int, time: float) -> np.ndarray:
        about = self.json["nodes"][node]
        move = self.channel(node, "translation", time)
        turn = self.channel(node, "rotation", time)
        local = np.eye(4)
        local[:3, 3] = move if move is not None else about.get("translation", (0, 0, 0))
        local[:3, :3] = _matrix(turn if turn is not None else np.array(about.get("rotation", (0, 0, 0, 1.0))))
        return self._world(self.parent[node], time) @ local if node in self.parent else local


def _slerp(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    cosine = float(np.clip(a @ b, -1, 1))
    if cosine < 0:
        b, cosine = -b, -cosine
    angle = np.arccos(cosine)
    mixed = (1 - share) * a + share * b if angle < 1e-6 else np.sin((1 - share) * angle) * a + np.sin(share * angle) * b
    return mixed / np.linalg.norm(mixed)


def _matrix(q: np.ndarray) -> np.ndarray:
    x, y, z, w = q / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def wild(motion: FlameSequence, seed: int = 0) -> FlameSequence:
    """The clip with everything moving at once, rotations through half a turn and more."""
    random = torch.Generator().manual_seed(seed)
    noise = lambda like, size: size * torch.randn(like.shape, generator=random)  # noqa: E731
    return replace(
        motion,
        shape=noise(motion.shape, 1.0),
        expression=motion.expression + noise(motion.expression, 0.3),
        rotation=noise(motion.rotation, 0.2).cumsum(0),
        neck=motion.neck + noise(motion.neck, 0.3),
        eyes=motion.eyes + noise(motion.eyes, 0.2),
        translation=noise(motion.translation, 0.1),
    )


@pytest.fixture(scope="module")
def flame_like() -> Head:
    """A small head as FLAME is: pose correctives, a vertex that all five joints carry, numbered axes."""
    random = torch.Generator().manual_seed(1)
    noise = lambda *size: torch.randn(*size, generator=random)  # noqa: E731
    count, sides = 40, 60
    weights = torch.softmax(3 * noise(count, 5), 1)
    weights[1:, 4] = 0
    return Head(
        id="small@00000000",
        template=0.1 * noise(count, 3),
        identity=0.01 * noise(count, 3, 4),
        expression=0.01 * noise(count, 3, 6),
        expression_names=tuple(f"expression_{k:03d}" for k in range(6)),
        pose_correctives=0.01 * noise(count, 3, 36),
        joint_regressor=torch.softmax(noise(5, count), 1),
        weights=weights / weights.sum(1, keepdim=True),
        eyelids=0.01 * noise(count, 3, 2),
        faces=torch.randint(count, (sides, 3), generator=random),
        uv=torch.rand(3 * sides, 2, generator=random),
        uv_faces=torch.arange(3 * sides).reshape(-1, 3),
        part=torch.randint(1, len(PARTS), (sides,), generator=random),
        landmark_faces=torch.zeros(68, dtype=torch.int64),
        landmark_bary=torch.full((68, 3), 1 / 3),
    )


def distance(player: Player, head: Head, motion: FlameSequence, frames: range) -> float:
    """The largest distance, m, between corners in the file and corners of the head."""
    truth = head(motion)[:, head.faces].double().numpy()  # [T, F, 3, 3]
    materials = face_materials(head).numpy()
    worst = 0.0
    for frame in frames:
        posed = player.corners(frame / motion.fps)
        assert sum(map(len, posed.values())) == len(head.faces)
        for number, material in enumerate(MATERIALS):
            if material.name in posed:
                worst = max(worst, float(np.abs(posed[material.name] - truth[frame, materials == number]).max()))
    return worst


@pytest.mark.parametrize("change", [lambda motion: motion, wild], ids=["demo", "wild"])
def test_every_tenth_frame_of_the_file_is_the_head(change, tmp_path):
    motion, head = change(demo_motion("open")), load_head()
    save_gltf(motion, tmp_path / "out.glb", head)
    assert distance(Player(tmp_path / "out.glb"), head, motion, range(0, len(motion), 10)) < 1e-5


def test_pose_correctives_and_five_joints_a_vertex_are_exact_too(flame_like, tmp_path):
    still = FlameSequence.neutral(12, 30.0, flame_like)
    motion = wild(replace(still, jaw=torch.linspace(0, 0.6, 12)[:, None] * torch.tensor([1.0, 0.2, 0.1])))
    save_gltf(motion, tmp_path / "out.glb", flame_like)
    player = Player(tmp_path / "out.glb")
    assert distance(player, flame_like, motion, range(12)) < 1e-6
    names = player.mesh["extras"]["targetNames"]
    assert len(names) == 6 + 2 + 36 and names[-1] == "corrective_eye_right_zz"


def test_names_weights_normals_and_uv_are_what_viewers_expect(tmp_path):
    motion, head = demo_motion("open"), load_head()
    save_gltf(motion, tmp_path / "out.glb", head)
    player = Player(tmp_path / "out.glb")
    names = player.mesh["extras"]["targetNames"]
    assert {"mouthSmileLeft", "eyeBlinkLeft", "browInnerUp", "tongueOut"} <= set(names)
    assert len(names) == len(set(names)) == len(player.mesh["weights"])
    assert [node["name"] for node in player.json["nodes"]][:5] == ["root", "neck", "jaw", "eye_left", "eye_right"]
    used = {player.json["materials"][p["material"]]["name"] for p in player.mesh["primitives"]}
    assert used == {material.name for material in MATERIALS}
    total = 0
    for primitive in player.mesh["primitives"]:
        at = {name: player.array(number) for name, number in primitive["attributes"].items()}
        assert np.abs(np.linalg.norm(at["NORMAL"], axis=1) - 1).max() < 1e-5
        assert np.abs(at["WEIGHTS_0"].sum(1) - 1).max() < 1e-6 and (at["JOINTS_0"][at["WEIGHTS_0"] == 0] == 0).all()
        corners = player.array(primitive["indices"])[:, 0]
        triangles = at["POSITION"][corners].reshape(-1, 3, 3)
        faced = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
        assert ((faced * at["NORMAL"][corners].reshape(-1, 3, 3).mean(1)).sum(1) > 0).mean() > 0.95
        uv = at["TEXCOORD_0"]
        assert uv.min() >= 0 and uv.max() <= 1
        total += len(uv)
    assert total < 1.2 * len(head.uv)  # a vertex is doubled at seams and where materials meet, nowhere else


def test_a_target_at_1_is_the_axis_with_its_normals(tmp_path):
    head = load_head()
    save_gltf(FlameSequence.neutral(1, 25.0, head), tmp_path / "out.glb", head)
    player = Player(tmp_path / "out.glb")
    target = player.mesh["extras"]["targetNames"].index("mouthSmileLeft")
    axis = head.expression_names.index("mouthSmileLeft")
    materials = face_materials(head).numpy()
    for primitive, number in zip(player.mesh["primitives"], np.unique(materials)):
        offsets = player.array(primitive["targets"][target]["POSITION"])[player.array(primitive["indices"])[:, 0]]
        truth = head.expression[..., axis][head.faces[torch.from_numpy(materials == number)].reshape(-1)].numpy()
        assert np.abs(offsets - truth).max() < 1e-7
        tilted = player.array(primitive["attributes"]["NORMAL"]) + player.array(primitive["targets"][target]["NORMAL"])
        assert np.abs(np.linalg.norm(tilted, axis=1) - 1).max() < 5e-3


def test_quaternions_never_jump_and_keys_are_at_the_frames(tmp_path):
    head = load_head()
    turning = torch.linspace(0, 9, 61)[:, None] * torch.tensor([0.0, 1.0, 0.0])  # one and a half turns, wrapped
    wrapped = torch.remainder(turning + torch.pi, 2 * torch.pi) - torch.pi
    motion = replace(FlameSequence.neutral(61, 60.0, head), rotation=wrapped * torch.tensor([0.0, 1.0, 0.0]))
    save_gltf(motion, tmp_path / "out.glb", head)
    player = Player(tmp_path / "out.glb")
    (sampler,) = [
        player.animation["samplers"][c["sampler"]]
        for c in player.animation["channels"]
        if c["target"] == {"node": 0, "path": "rotation"}
    ]
    assert np.allclose(player.array(sampler["input"])[:, 0], np.arange(61) / 60, atol=1e-7)
    turns = player.array(sampler["output"])
    assert ((turns[1:] * turns[:-1]).sum(1) > 0.99).all()


def test_the_text_form_holds_the_same_numbers(tmp_path):
    motion, head = demo_motion("open")[:2], load_head()
    save_gltf(motion, tmp_path / "out.glb", head)
    save_gltf(motion, tmp_path / "out.gltf", head)
    player = Player(tmp_path / "out.glb")
    text = json.loads((tmp_path / "out.gltf").read_text())
    (buffer,) = text.pop("buffers")
    assert base64.b64decode(buffer["uri"].split(",")[1]) == player.bin[: buffer["byteLength"]]
    assert text == {name: value for name, value in player.json.items() if name != "buffers"}


def test_an_independent_library_opens_it(tmp_path):
    trimesh = pytest.importorskip("trimesh")
    motion, head = demo_motion("open"), load_head()
    save_gltf(motion, tmp_path / "out.glb", head)
    scene = trimesh.load(tmp_path / "out.glb", process=False)
    assert sum(len(mesh.faces) for mesh in scene.geometry.values()) == len(head.faces)
    low, high = scene.bounds
    used = head.template[head.faces.unique()]
    assert np.allclose(low, used.amin(0), atol=1e-6) and np.allclose(high, used.amax(0), atol=1e-6)


def test_a_motion_of_another_head_is_refused(flame_like, tmp_path):
    with pytest.raises(BadInput, match="made for head open@"):
        save_gltf(demo_motion("open"), tmp_path / "out.glb", flame_like)
    assert list(tmp_path.iterdir()) == []
