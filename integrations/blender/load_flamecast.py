"""Opens a flamecast motion in Blender: head, animation, frame rate and range, sound, a camera and lights.

    flamecast export motion.npz -o motion.glb
    blender --background --python load_flamecast.py -- motion.glb --sound out.mp4 --save scene.blend --still still.png

Without --background Blender stays open with the scene. Needs Blender 4.2 or later, or its module `bpy`; not flamecast.
"""

from __future__ import annotations

import argparse
import json
import math
import struct
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

JSON_CHUNK = 0x4E4F534A


def arguments(given: list[str]) -> argparse.Namespace:
    """What stands behind `--` on Blender's command line; all of it where a Python runs this without Blender."""
    own = given[given.index("--") + 1 :] if "--" in given else given[1:]
    parser = argparse.ArgumentParser("load_flamecast.py", description="Opens a flamecast motion in Blender.")
    parser.add_argument("model", type=Path, help="what `flamecast export` wrote: .glb")
    parser.add_argument("--sound", type=Path, help="a video or a recording whose sound goes with the motion")
    parser.add_argument("--save", type=Path, help="the scene to write: .blend")
    parser.add_argument("--still", type=Path, help="a picture of the middle frame to draw: .png")
    parser.add_argument("--size", type=int, default=512, help="its height and width, px")
    return parser.parse_args(own)


class Clip(NamedTuple):
    """What a .glb says of its animation."""

    rate: Fraction  # Hz
    frames: int
    times: int  # where in the file the frames' times begin, 32-bit floats
    ranges: dict[str, tuple[float, float]]  # by morph target, the lowest and highest weight that it takes


def clip_of(model: Path) -> Clip:
    """Reads a .glb's animation. SystemExit with a sentence for another file."""
    try:
        data = model.read_bytes()
        length, kind = struct.unpack_from("<II", data, 12)
        if data[:4] != b"glTF" or kind != JSON_CHUNK:
            raise ValueError("it does not begin as one")
        content = json.loads(data[20 : 20 + length])
        animation = content["animations"][0]
        times = content["accessors"][animation["samplers"][0]["input"]]
        binary = 20 + length + 8
        ranges = _ranges(content, animation, data[binary:])
        count, first, last = times["count"], times["min"][0], times["max"][0]
    except (OSError, ValueError, KeyError, IndexError, StopIteration, struct.error) as error:
        raise SystemExit(f"{model}: expected a .glb with an animation, from `flamecast export` ({error})") from error
    # Times are 32-bit floats: of all rates that small numbers spell, 30000/1001 among them, this is the nearest.
    rate = Fraction(25) if count < 2 else Fraction((count - 1) / (last - first)).limit_denominator(1001)
    return Clip(rate, count, binary + _start(content, times), ranges)


def _ranges(content: dict[str, Any], animation: dict[str, Any], binary: bytes) -> dict[str, tuple[float, float]]:
    """The lowest and highest weight of each morph target."""
    channel = next(each for each in animation["channels"] if each["target"]["path"] == "weights")
    mesh = content["meshes"][content["nodes"][channel["target"]["node"]]["mesh"]]
    output = content["accessors"][animation["samplers"][channel["sampler"]]["output"]]
    values = struct.unpack_from(f"<{output['count']}f", binary, _start(content, output))
    names = mesh["extras"]["targetNames"]
    return {name: (min(values[k :: len(names)]), max(values[k :: len(names)])) for k, name in enumerate(names)}


def _start(content: dict[str, Any], accessor: dict[str, Any]) -> int:
    """Where in the buffer an accessor's numbers begin."""
    return content["bufferViews"][accessor["bufferView"]].get("byteOffset", 0) + accessor.get("byteOffset", 0)


def bring_in(model: Path, clip: Clip, whole: int) -> None:
    """Imports the model with frame k at frame k: Blender counts whole frames a second, so its times are made such."""
    import bpy

    data = bytearray(model.read_bytes())
    struct.pack_into(f"<{clip.frames}f", data, clip.times, *(k / whole for k in range(clip.frames)))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / model.name
        copy.write_bytes(data)
        bpy.ops.import_scene.gltf(filepath=str(copy))


def load(model: Path, sound: Path | None) -> Any:
    """An otherwise empty scene with the motion in it; returns it."""
    import bpy

    clip = clip_of(model)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    whole = math.ceil(clip.rate)
    scene.render.fps = whole
    bring_in(model, clip, whole)
    scene.render.fps_base = float(whole / clip.rate)  # only now: the importer would scale times by it, the wrong way
    widen(clip.ranges)
    scene.frame_start, scene.frame_end = 0, clip.frames - 1
    scene.frame_set(0)
    if sound is not None:
        add_sound(scene, sound)
    light(scene)
    return scene


def widen(ranges: dict[str, tuple[float, float]]) -> None:
    """Lets each shape key take what the clip asks of it: Blender cuts at 0 and 1, and pose correctives are negative."""
    import bpy

    for keys in bpy.data.shape_keys:
        for block in keys.key_blocks:
            low, high = ranges.get(block.name, (0.0, 1.0))
            block.slider_min, block.slider_max = min(0.0, low), max(1.0, high)


def add_sound(scene: Any, sound: Path) -> None:
    """The sound of a video or a recording, from the first frame on; heard when the animation plays."""
    editor = scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences  # Blender 4.4 renamed them
    refused = f"{sound}: expected a video or a recording with sound"
    try:
        strip = strips.new_sound(
            name=sound.stem, filepath=str(sound.resolve()), channel=1, frame_start=scene.frame_start
        )
    except RuntimeError as error:
        raise SystemExit(f"{refused} ({str(error).strip()})") from error
    if strip.sound.samplerate == 0:  # what Blender makes of a file without sound, or of none
        raise SystemExit(refused)
    scene.sync_mode = "AUDIO_SYNC"


def light(scene: Any) -> None:
    """A camera that sees the head from the front, and two soft lights. Blender's z is up; the head looks to -y."""
    import bpy
    from mathutils import Vector

    meshes = [each for each in scene.objects if each.type == "MESH" and each.data.shape_keys is not None]
    corners = [each.matrix_world @ Vector(corner) for each in meshes for corner in each.bound_box]
    low, high = (Vector(map(pick, zip(*corners))) for pick in (min, max))
    middle, size = (low + high) / 2, (high - low).length
    lens = bpy.data.cameras.new("camera")
    camera = bpy.data.objects.new("camera", lens)
    lens.clip_start = 0.01
    camera.location = middle + Vector((0, -1.6 * size, 0))
    camera.rotation_euler = (math.pi / 2, 0, 0)
    scene.collection.objects.link(camera)
    scene.camera = camera
    for name, side, power in (("key", -1, 30), ("fill", 1, 12)):
        lamp = bpy.data.lights.new(name, "AREA")
        lamp.energy, lamp.size = power * (size / 0.5) ** 2, size
        place = bpy.data.objects.new(name, lamp)
        place.location = middle + Vector((1.2 * side * size, -1.6 * size, 0.8 * size))
        place.rotation_euler = (middle - place.location).to_track_quat("-Z", "Y").to_euler()
        scene.collection.objects.link(place)


def draw(scene: Any, picture: Path, size: int) -> None:
    """Draws the middle frame on the CPU, size x size px."""
    scene.render.engine, scene.cycles.device, scene.cycles.samples = "CYCLES", "CPU", 32
    scene.cycles.use_denoising = False  # not every build has it
    scene.render.resolution_x = scene.render.resolution_y = size
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath = str(picture.resolve())
    scene.frame_set((scene.frame_start + scene.frame_end) // 2)
    import bpy

    bpy.ops.render.render(write_still=True)


def main() -> None:
    """The command in the first lines."""
    given = arguments(sys.argv)
    scene = load(given.model, given.sound)
    if given.save is not None:
        import bpy

        bpy.ops.wm.save_as_mainfile(filepath=str(given.save.resolve()))
    if given.still is not None:
        draw(scene, given.still, given.size)
    rate = scene.render.fps / scene.render.fps_base
    print(f"{given.model.name}: frames {scene.frame_start} to {scene.frame_end} at {rate:.3f} a second")


if __name__ == "__main__":
    main()
