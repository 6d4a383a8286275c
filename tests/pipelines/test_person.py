"""A photo's person as glTF: what its shapes, joints and clip say is where the portrait's own vertices are."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.spatial import cKDTree

from flamecast.flame_motion import BadInput, FlameSequence
from flamecast.flame_motion.edit import demo_motion
from flamecast.flame_motion.edit.controls import apply_controls
from flamecast.flame_motion.formats.arkit import SHAPES
from flamecast.flame_motion.retargeting.transfer import drive
from flamecast.generator.warp.parts import EYES, FACE, TEETH, faces_of
from flamecast.generator.warp.scene import Scene, prepare
from flamecast.pipelines import write_export
from flamecast.pipelines.exports.person import person_of, rest_face
from flamecast.pipelines.exports.person_clip import with_clip
from flamecast.pipelines.exports.person_gltf import save_person
from flamecast.pipelines.fit import open_portrait

from .test_blender import BLENDER
from .test_gltf import Player

SKIN = tuple(name for name in FACE if name not in EYES)
VALIDATE = (
    "const v=require('gltf-validator');v.validateBytes(new Uint8Array(require('fs').readFileSync(process.argv[1])))"
)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return prepare(open_portrait("demo")[0])


@pytest.fixture(scope="module")
def files(scene, tmp_path_factory) -> Path:
    """The demo's person, by itself and with a clip."""
    folder = tmp_path_factory.mktemp("person")
    person = person_of(scene)
    save_person(person, scene.portrait, folder / "me.glb")
    motion = drive(scene.portrait.pose, demo_motion("open")[:60])
    moving, weights = with_clip(person, scene, motion)
    save_person(moving, scene.portrait, folder / "clip.glb", motion=motion, weights=weights, material="pbr")
    motion.save(folder / "motion.npz")
    return folder


def corners(scene: Scene, parts: tuple[str, ...], vertices: torch.Tensor) -> np.ndarray:
    head = scene.portrait.head
    return vertices[head.faces[faces_of(head, parts)]].double().numpy()


def test_it_opens_as_the_photo_shows_the_person(scene, files):
    """Before anything moves, the file's face is the portrait's own: shapes at their rest, joints turned as in it."""
    player = Player(files / "me.glb")
    posed, own = player.corners(0.0), scene.portrait.vertices()[0]
    assert set(posed) == {"skin", "eyes", "teeth", "mouth", "scalp", "shoulders", "body", "hair"}
    for name, parts in (("skin", SKIN), ("eyes", EYES)):
        assert np.abs(posed[name] - corners(scene, parts, own)).max() < 3e-3  # correctives of the neck are a clip's
        assert np.abs(posed[name] - corners(scene, parts, own)).mean() < 3e-4


def test_each_of_arkits_shapes_is_there_and_moves_the_face_as_the_control_does(scene, files):
    player, portrait = Player(files / "me.glb"), scene.portrait
    skin = next(mesh for mesh in player.json["meshes"] if mesh["name"] == "skin")
    assert skin["extras"]["targetNames"] == list(SHAPES) and len(SHAPES) == 52
    rest = rest_face(portrait)
    still = portrait.head(rest, portrait.offsets)
    for name in ("jawOpen", "eyeBlinkLeft", "mouthSmileRight", "tongueOut", "eyeLookUpLeft"):
        moved = portrait.head(apply_controls(rest, {name: 1.0}, portrait.head), portrait.offsets) - still
        for mesh in player.json["meshes"]:
            if mesh["name"] in ("skin", "eyes"):
                target = mesh["primitives"][0]["targets"][SHAPES.index(name)]["POSITION"]
                longest = np.linalg.norm(player.array(target), axis=1).max()
                vertices = portrait.head.faces[faces_of(portrait.head, SKIN if mesh["name"] == "skin" else EYES)]
                truth = float(moved[0, vertices.unique()].norm(dim=1).max())
                assert longest == pytest.approx(truth if truth > 3e-5 else 0, abs=3e-5), (mesh["name"], name)


def test_a_clip_plays_as_the_portrait_moves(scene, files):
    """Skin and eyes to tenths of a millimetre in every frame, teeth behind the lips, too."""
    player, motion = Player(files / "clip.glb"), FlameSequence.load(files / "motion.npz")
    truth = scene.portrait.vertices(motion)
    around = scene.completed.pose(motion)
    (hair,) = [surface for surface in person_of(scene).surfaces if surface.name == "hair"]
    for frame in (0, 20, 40, 59):
        posed = player.corners(frame / motion.fps)
        for name, parts, within in (("skin", SKIN, 3e-4), ("eyes", EYES, 3e-4), ("teeth", TEETH, 1e-3)):
            assert np.abs(posed[name] - corners(scene, parts, truth[frame])).max() < within, (frame, name)
        own = around[frame][hair.points].numpy()[hair.triangles]  # carried, and lifted by less than a millimetre
        assert np.linalg.norm(posed["hair"] - own, axis=-1).max() < 3e-3


def test_it_says_what_it_is_and_is_small(scene, files):
    player = Player(files / "me.glb")
    extras = player.json["asset"]["extras"]
    assert extras["scale"] == "metres" and "+y up" in extras["axes"] and extras["shapes"] == "ARKit"
    assert extras["rest"]["shapes"]["mouthSmileLeft"] == pytest.approx(
        float(scene.portrait.pose.expression[0, scene.portrait.head.expression_names.index("mouthSmileLeft")]), abs=1e-4
    )
    assert all("KHR_materials_unlit" in material["extensions"] for material in player.json["materials"])
    assert all("NORMAL" in mesh["primitives"][0]["attributes"] for mesh in Player(files / "clip.glb").json["meshes"])
    assert (files / "me.glb").stat().st_size < 6e6 and (files / "clip.glb").stat().st_size < 6e6
    for image in player.json["images"]:
        view = player.json["bufferViews"][image["bufferView"]]
        data = player.bin[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
        assert min(Image.open(io.BytesIO(data)).size) >= 512
    hair = next(m for m in player.json["materials"] if m["name"] == "hair")
    assert hair["alphaMode"] == "MASK"


def test_an_independent_library_reads_it(files):
    trimesh = pytest.importorskip("trimesh")
    scene = trimesh.load(files / "me.glb")
    assert {"skin", "hair", "teeth"} <= set(scene.geometry)
    assert all(np.isfinite(mesh.vertices).all() and len(mesh.faces) for mesh in scene.geometry.values())
    assert 0.2 < scene.extents[1] < 0.6  # metres, from crown to chest


def test_the_khronos_validator_finds_no_error(files):
    """Runs where node and its package gltf-validator are."""
    node = shutil.which("node")
    if node is None or subprocess.run([node, "-e", "require('gltf-validator')"], capture_output=True).returncode:
        pytest.skip("needs node and npm install -g gltf-validator (NODE_PATH=$(npm root -g))")
    for name in ("me.glb", "clip.glb"):
        script = f"{VALIDATE}.then(r=>console.log(JSON.stringify(r.issues)))"
        said = subprocess.run([node, "-e", script, str(files / name)], capture_output=True, text=True, timeout=60)
        issues = json.loads(said.stdout)
        assert issues["numErrors"] == 0 and issues["numWarnings"] <= 2, issues


REQUIRED = (
    "hips", "spine", "head", "leftUpperArm", "leftLowerArm", "leftHand", "rightUpperArm", "rightLowerArm", "rightHand",
    "leftUpperLeg", "leftLowerLeg", "leftFoot", "rightUpperLeg", "rightLowerLeg", "rightFoot",
)  # fmt: skip


def test_a_vrm_has_the_bones_and_faces_that_avatars_need(scene, tmp_path):
    write_export(scene.portrait, tmp_path / "me.vrm")
    player = Player(tmp_path / "me.vrm")
    nodes, vrm = player.json["nodes"], player.json["extensions"]["VRMC_vrm"]
    assert vrm["specVersion"] == "1.0" and vrm["meta"]["name"] == "portrait" and vrm["meta"]["authors"]
    bones = {bone: entry["node"] for bone, entry in vrm["humanoid"]["humanBones"].items()}
    assert set(REQUIRED) <= set(bones) and len(set(bones.values())) == len(bones)
    node = bones["head"]
    above = []
    while node in player.parent:
        node = player.parent[node]
        above.append(node)
    assert bones["spine"] in above and bones["hips"] in above
    for expression, entry in {**vrm["expressions"]["preset"], **vrm["expressions"]["custom"]}.items():
        assert entry["morphTargetBinds"], expression
        for bind in entry["morphTargetBinds"]:
            mesh = player.json["meshes"][nodes[bind["node"]]["mesh"]]
            assert bind["index"] < len(mesh["primitives"][0]["targets"]) and 0 <= bind["weight"] <= 1
    assert set(SHAPES) == set(vrm["expressions"]["custom"])
    posed = player.corners(0.0)  # its head is where it was, though it hangs on a spine
    still = scene.portrait.vertices(rest_face(scene.portrait))[0]
    assert np.abs(posed["skin"] - corners(scene, SKIN, still)).max() < 1e-4
    with pytest.raises(BadInput, match="holds no clip"):
        write_export(scene.portrait, tmp_path / "me.vrm", clips=[{"motion": "demo"}])


BLENDER_DUMP = """
import bpy, numpy
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.context.scene.render.fps = 25
bpy.ops.import_scene.gltf(filepath="clip.glb")
bpy.context.scene.frame_set(FRAME)
meshes = [each for each in bpy.context.scene.objects if each.type == "MESH" and each.data.materials]
for each in meshes:
    shown = each.evaluated_get(bpy.context.evaluated_depsgraph_get())
    points = numpy.array([list(shown.matrix_world @ vertex.co) for vertex in shown.data.vertices])
    numpy.save("blender_" + each.data.materials[0].name + ".npy", points)
"""


@pytest.mark.slow
def test_blender_shows_the_clip_vertex_for_vertex(files, tmp_path):
    """Needs Blender, or a Python with its module `bpy`, named by FLAMECAST_BLENDER."""
    if BLENDER is None:
        pytest.skip("Blender is not here (FLAMECAST_BLENDER names it)")
    shutil.copy(files / "clip.glb", tmp_path)
    (tmp_path / "dump.py").write_text(BLENDER_DUMP.replace("FRAME", "40"))
    command = [BLENDER, "-b", "-P"] if "blender" in Path(BLENDER).name else [BLENDER]
    done = subprocess.run([*command, "dump.py"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    posed = Player(files / "clip.glb").corners(40 / 25)
    for name, corners_ in posed.items():
        truth = corners_.reshape(-1, 3)[:, [0, 2, 1]] * [1, -1, 1]  # Blender's axes
        shown = np.load(tmp_path / f"blender_{name}.npy")
        within = 1e-4 if name in ("skin", "eyes", "teeth", "mouth") else 5e-4  # m
        assert cKDTree(shown).query(truth)[0].max() < within, name


def test_the_command_takes_portraits_and_refuses_in_a_sentence(scene, tmp_path):
    scene.portrait.save(tmp_path / "portrait.npz")
    done = write_export(
        tmp_path / "portrait.npz", tmp_path / "me.glb", clips=[{"motion": "demo"}], seconds=0.4, edit="smile=0.5"
    )
    assert done.files == [tmp_path / "me.glb"]
    assert Player(tmp_path / "me.glb").json["asset"]["extras"]["frames"] == 10
    for options, message in (
        ({"seconds": 1.0}, "seconds goes with a clip"),
        ({"material": "gold"}, "material must be unlit or pbr"),
        ({"frame": 3}, "frame goes with a motion"),
        ({"clips": [{"motion": "demo"}, {"motion": "demo"}]}, "holds one clip, got 2"),
    ):
        with pytest.raises(BadInput, match=message):
            write_export("demo", tmp_path / "no.glb", **options)
    with pytest.raises(BadInput, match="face goes with a portrait"):
        write_export(demo_motion("open"), tmp_path / "no.glb", face=1)
    assert not (tmp_path / "no.glb").exists()
