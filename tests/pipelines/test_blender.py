"""The recipe for Blender: what it reads of a .glb here; in Blender itself the head moves as ours does.

The latter needs Blender, or a Python with its module `bpy` (`pip install bpy`), named by FLAMECAST_BLENDER.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import wave
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image
from scipy.spatial import cKDTree

from flamecast.flame_motion import FlameSequence, load_head
from flamecast.flame_motion.edit import apply_edit
from flamecast.pipelines import write_export

RECIPE = Path(__file__).parents[2] / "integrations" / "blender" / "load_flamecast.py"
BLENDER = os.environ.get("FLAMECAST_BLENDER") or shutil.which("blender")
# Saves where every vertex is, frame by frame, and what the scene is.
DUMP = """
import importlib.util, json, sys
import bpy, numpy
spec = importlib.util.spec_from_file_location("load_flamecast", {recipe!r})
recipe = importlib.util.module_from_spec(spec)
spec.loader.exec_module(recipe)
scene = recipe.load(recipe.Path("motion.glb"), recipe.Path("talk.wav"))
(head,) = [each for each in scene.objects if each.type == "MESH" and each.data.shape_keys is not None]
for frame in range(scene.frame_start, scene.frame_end + 1):
    scene.frame_set(frame)
    shown = head.evaluated_get(bpy.context.evaluated_depsgraph_get())
    points = numpy.array([list(shown.matrix_world @ each.co) for each in shown.data.vertices])
    numpy.save("frame_%d.npy" % frame, points)
editor = scene.sequence_editor
strips = editor.strips if hasattr(editor, "strips") else editor.sequences
told = {{"fps": scene.render.fps, "base": scene.render.fps_base, "first": scene.frame_start, "last": scene.frame_end,
        "sound": [[each.type, each.frame_final_start, each.frame_final_duration] for each in strips],
        "camera": scene.camera is not None, "lights": sum(each.type == "LIGHT" for each in scene.objects)}}
try:
    recipe.add_sound(scene, recipe.Path("motion.glb"))
except SystemExit as refused:
    told["refused"] = str(refused)
open("told.json", "w").write(json.dumps(told))
recipe.draw(scene, recipe.Path("still.png"), 96)
"""


@pytest.fixture(scope="module")
def recipe() -> ModuleType:
    """The script as a module; it needs no Blender for that."""
    spec = importlib.util.spec_from_file_location("load_flamecast", RECIPE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def moving(frames: int, fps: float) -> FlameSequence:
    """A head that turns, opens its mouth and smiles."""
    motion = FlameSequence.neutral(frames=frames, fps=fps)
    ramp = np.linspace(0, 1, frames)
    for frame in range(frames):
        motion.neck[frame, 1], motion.jaw[frame, 0] = 0.5 * ramp[frame], 0.2 * ramp[frame]
    return apply_edit(motion, "smile=0.5")


@pytest.mark.parametrize("fps, rate", [(25, 25), (30000 / 1001, Fraction(30000, 1001)), (12.5, Fraction(25, 2))])
def test_rate_and_length_are_read_from_the_model(recipe, tmp_path, fps, rate):
    write_export(moving(40, fps), tmp_path / "motion.glb")
    clip = recipe.clip_of(tmp_path / "motion.glb")
    assert (clip.rate, clip.frames) == (rate, 40)
    assert clip.ranges["mouthSmileLeft"] == (0.5, 0.5) and clip.ranges["tongueOut"] == (0, 0)
    low, high = clip.ranges["corrective_neck_zx"]  # the turn to the left, R - 1
    assert low == pytest.approx(-np.sin(0.5), abs=1e-6) and high == 0


def test_another_file_is_refused_in_a_sentence(recipe, tmp_path):
    (tmp_path / "letter.glb").write_text("a letter\n" * 50)
    write_export(moving(3, 25), tmp_path / "mesh.ply", frame=0)
    for name in ("letter.glb", "mesh.ply", "none.glb"):
        with pytest.raises(SystemExit, match=f"{name}: expected a .glb with an animation, from `flamecast export`"):
            recipe.clip_of(tmp_path / name)


def test_what_is_behind_the_dashes_counts(recipe):
    own = ["motion.glb", "--sound", "out.mp4", "--size", "64"]
    for line in (["blender", "--background", "--python", "load_flamecast.py", "--", *own], ["load_flamecast.py", *own]):
        given = recipe.arguments(line)
        assert (given.model, given.sound, given.size) == (
            Path("motion.glb"),
            Path("out.mp4"),
            64,
        ) and given.save is None


@pytest.mark.slow
@pytest.mark.skipif(BLENDER is None, reason="FLAMECAST_BLENDER names no Blender and no Python with bpy")
def test_in_blender_the_head_moves_as_ours_does(tmp_path):
    motion = moving(12, 30000 / 1001)
    write_export(motion, tmp_path / "motion.glb")
    with wave.open(str(tmp_path / "talk.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bytes(2 * round(16000 * 12 * 1001 / 30000)))
    (tmp_path / "dump.py").write_text(DUMP.format(recipe=str(RECIPE)))
    before = [] if "python" in Path(BLENDER).name else ["--background", "--python"]
    done = subprocess.run([BLENDER, *before, "dump.py"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert (tmp_path / "told.json").exists(), done.stderr
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["fps"] / told["base"] == pytest.approx(30000 / 1001, rel=1e-6)
    assert (told["first"], told["last"]) == (0, 11) and told["camera"] and told["lights"] == 2
    assert told["sound"] == [["SOUND", 0, 12]] and told["refused"].startswith(
        "motion.glb: expected a video or a record"
    )
    expected = load_head(motion.head)(motion).numpy()[:, :, [0, 2, 1]] * [1, -1, 1]  # glTF's +y is Blender's +z
    for frame, points in enumerate(expected):
        shown = np.load(tmp_path / f"frame_{frame}.npy")
        assert cKDTree(points).query(shown)[0].max() < 1e-6 and cKDTree(shown).query(points)[0].max() < 1e-6  # m
    picture = np.asarray(Image.open(tmp_path / "still.png").convert("RGB"))
    assert picture.shape == (96, 96, 3) and picture[48, 48].min() > 40  # the face is there, and lit
