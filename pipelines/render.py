"""`flamecast render`: the geometry maps of a motion, as a picture for people or bit for bit for programs."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..core.files import PathLike, check_writable, refuse_overwriting
from ..core.report import Clock, Done, write_report
from ..core.threads import one_torch_thread
from ..drivers import load_driver
from ..flame_motion import BadInput, FlameSequence, Head, Progress, load_head
from ..flame_motion.edit import apply_edit, edit_files
from ..flame_motion.media.video_writer import CONTAINERS, VideoWriter, check_target
from ..flame_motion.retargeting.transfer import drive
from ..flame_motion.tracking.landmark_fit import FIELD_OF_VIEW
from ..generator import Portrait
from ..generator.registry import check_rasterizer
from ..renderer import (
    PLAIN_MAPS,
    SOURCE_MAPS,
    Cameras,
    GeometryMaps,
    pinhole,
    place_cameras,
    save_maps,
    stream_maps,
)
from ..renderer.rasterizers.rasterize import resolved
from .driving import check_edit, driven_by, open_signal, retargeted, retimed
from .fit import fit_photo
from .framing import framed
from .options import HEAD, MAPS, RASTERIZER, AnimateOptions
from .sheets.map_colors import color
from .views import MOST_VIEWS, check_camera, place

CHUNK, PIXELS = 8, 8 << 18  # frames rendered together, and pixels of all their views, at most: bounds the memory
LONGEST = 16384  # px, of a side of a video that H.264 encoders take
DISTANCE = 1.1  # m from the head, of the camera where there is no photo


@dataclass(frozen=True)
class _Scene:
    """What is rendered, and what it is compared with."""

    head: Head
    motion: FlameSequence
    offsets: Tensor | None  # [N, 3] m
    cameras: Cameras
    source: Tensor  # [N, 3] m
    source_camera: Cameras

    def chunks(self, progress: Progress | None) -> Iterator[Tensor]:
        """Vertices [t, N, 3] m, as many frames at a time as the memory is meant for."""
        cameras = self.cameras
        count = max(1, min(CHUNK, PIXELS // (cameras.views * cameras.height * cameras.width)))
        for start in range(0, len(self.motion), count):
            yield self.head(self.motion[start : start + count], self.offsets)
            if progress is not None:
                progress("render", min(start + count, len(self.motion)), len(self.motion))


@one_torch_thread()
def write_render(
    motion: PathLike | FlameSequence,
    output: PathLike,
    *,
    photo: str | None = None,
    maps: str = MAPS,
    camera: str | None = None,
    views: str | None = None,
    edit: str | None = None,
    mode: str = AnimateOptions.mode,
    size: int = AnimateOptions.size,
    framing: str = AnimateOptions.framing,
    seconds: float | None = None,
    fps: float | None = None,
    motion_fps: float | None = None,
    head: str = HEAD,
    rasterizer: str = RASTERIZER,
    progress: Progress | None = None,
) -> Done:
    """Renders the maps of a motion; a JSON report goes beside them.

    With a photo (or portrait.npz) the motion moves the person in it, seen by its camera, and flow, source_xy and
    visible lead back to the photo; without, the motion's own head is seen from the front, and they lead back to its
    first frame. An output that ends as videos do becomes one video, a row a map, a column a view; any other name a
    folder that `renderer.load_maps` reads. maps: names between commas, or `all`. Raises BadInput or MissingAsset.
    """
    output = Path(output)
    if not output.name:
        raise BadInput(f"the output {str(output)!r} has no name: expected a video such as maps.mp4, or a folder's name")
    if photo is None and (mode, framing) != (AnimateOptions.mode, AnimateOptions.framing):
        raise BadInput("mode and framing are about a person: give a photo with them")
    AnimateOptions(edit=edit, mode=mode, size=size, framing=framing, seconds=seconds, fps=fps, motion_fps=motion_fps)
    wanted = _wanted(maps)
    check_camera(camera, views)
    report = output.with_name(output.name + ".json") if not output.suffix else output.with_suffix(".json")
    _check_output(output, report)
    refuse_overwriting([motion, photo, camera, *edit_files(edit)], [output, report])
    check_rasterizer(rasterizer)
    clock = Clock()
    signal = open_signal(motion=motion, fps=fps, motion_fps=motion_fps, head=head)
    load_head(head)
    check_edit(edit, head)
    with clock.stage("motion"):
        driven = driven_by(signal, load_driver, head=head, seconds=seconds, fps=fps)
        if photo is None:
            scene = _front(retimed(driven, edit).motion, edit, camera, views, size)
        else:
            portrait = Portrait.load(photo) if str(photo).endswith(".npz") else fit_photo(photo, 0, head)[0]
            driven = retimed(retargeted(driven, portrait.head, portrait.pose.shape), edit)
            scene = _portrait_scene(framed(portrait, framing, size), driven.motion, edit, mode, camera, views)
    _check_size(scene.cameras, wanted, bool(output.suffix))
    with clock.stage("render and write"):
        needed = wanted if not output.suffix else tuple(dict.fromkeys([*wanted, "mask"]))
        stream = stream_maps(
            scene.chunks(progress), scene.head, scene.cameras, source_vertices=scene.source,
            source_cameras=scene.source_camera, maps=needed, rasterizer=rasterizer,
        )  # fmt: skip
        if output.suffix:
            _write_video(stream, wanted, scene, output)
        else:
            _write_folder(stream, scene, output)
    facts = {
        "driver": driven.facts,
        "head": scene.motion.head,
        "photo": photo,
        "maps": list(wanted),
        "views": scene.cameras.views,
        "frames": len(scene.motion),
        "fps": scene.motion.fps,
        "size": [scene.cameras.width, scene.cameras.height],
        "rasterizer": resolved(rasterizer),
        "problems": driven.problems,
        "timings": clock.table(len(scene.motion)),
    }
    write_report(report, facts)
    return Done([output, report], driven.problems)


def _wanted(maps: str) -> tuple[str, ...]:
    known = PLAIN_MAPS + SOURCE_MAPS
    names = known if maps.strip() == "all" else tuple(dict.fromkeys(name.strip() for name in maps.split(",")))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise BadInput(f"maps: {unknown[0]!r} is not one; known are {', '.join(known)}, or all of them: all")
    return names


def _check_output(output: Path, report: Path) -> None:
    """BadInput for what could not be written in the end."""
    if output.suffix:
        if output.suffix.lower() not in CONTAINERS:
            raise BadInput(
                f"the output {output} must end in one of {', '.join(CONTAINERS)} for a video to look at, or in nothing "
                f"for a folder of exact maps, got {output.suffix}"
            )
        check_target(output)
    elif output.exists() or output.is_symlink():
        raise BadInput(f"the output folder {output} is there already: choose another name or remove it")
    else:
        check_writable(output)
    check_writable(report)


def _check_size(cameras: Cameras, maps: tuple[str, ...], video: bool) -> None:
    """BadInput for more views than are drawn at once, or a tiled video larger than encoders take."""
    if cameras.views > MOST_VIEWS:
        raise BadInput(f"expected at most {MOST_VIEWS} views at once, got {cameras.views}")
    width, height = cameras.width * cameras.views, cameras.height * len(maps)
    if video and max(width, height) > LONGEST:
        raise BadInput(
            f"{cameras.views} views and {len(maps)} maps make a video of {width} x {height} px, and its sides must "
            f"stay within {LONGEST}: choose a smaller size, or fewer of them"
        )


def _front(motion: FlameSequence, edit: str | None, camera: str | None, views: str | None, size: int) -> _Scene:
    """The motion's own head from the front."""
    head = load_head(motion.head)
    motion = motion if edit is None else apply_edit(motion, edit)
    side = 2 * round(size / 2)
    vertices = head(motion[:1])[0]
    middle = (vertices.amin(0) + vertices.amax(0)) / 2
    base = pinhole(side, side, fov=FIELD_OF_VIEW, distance=DISTANCE)
    shift = torch.eye(4)
    shift[:3, 3] = -middle
    base = Cameras(base.intrinsics, base.camera_from_world @ shift, side, side)
    try:
        cameras = place_cameras(base, middle, len(motion), camera=camera, views=views, fps=motion.fps)
    except ValueError as error:
        raise BadInput(str(error)) from error
    return _Scene(head, motion, None, cameras, vertices, base)


def _portrait_scene(
    portrait: Portrait, driver: FlameSequence, edit: str | None, mode: str, camera: str | None, views: str | None
) -> _Scene:
    """The person of a portrait, moved by the driver."""
    motion = drive(portrait.pose, driver, mode)  # type: ignore[arg-type]
    motion = motion if edit is None else apply_edit(motion, edit)
    cameras = place(portrait, len(motion), camera, views, motion.fps)
    return _Scene(portrait.head, motion, portrait.offsets, cameras, portrait.vertices()[0], portrait.camera)


def _write_video(stream: Iterator[GeometryMaps], maps: tuple[str, ...], scene: _Scene, output: Path) -> None:
    """One video: a row a map, a column a view, each row labelled."""
    import cv2

    source_size = (scene.source_camera.height, scene.source_camera.width)
    depths = _depths(scene)
    with VideoWriter(output, scene.motion.fps) as writer:
        for chunk in stream:
            rows = [color(name, chunk, depths, source_size) for name in maps]  # each [V, t, H, W, 3]
            for t in range(rows[0].shape[1]):
                tiles = []
                for name, row in zip(maps, rows):
                    line = np.ascontiguousarray(np.concatenate(row[:, t], 1))
                    tiles.append(
                        cv2.putText(line, name, (6, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (235, 235, 235), 1, cv2.LINE_AA)
                    )
                writer.write(np.concatenate(tiles))


def _depths(scene: _Scene) -> tuple[float, float]:
    """How near and how far (m) the source mesh is to the cameras of the scene, with room for the head's own motion."""
    matrix = scene.cameras.extrinsics_vt[..., 2, :]  # [V, T or 1, 4]: depth of a point
    depth = torch.einsum("vtk,nk->vtn", matrix[..., :3], scene.source) + matrix[..., 3:]
    return float(depth.min()) - 0.05, float(depth.max()) + 0.05


def _write_folder(stream: Iterator[GeometryMaps], scene: _Scene, output: Path) -> None:
    """The folder appears under its name when it is whole; a run that fails leaves none."""
    output.parent.mkdir(parents=True, exist_ok=True)
    hidden = output.with_name(f".{secrets.token_hex(8)}.partial")
    hidden.mkdir()
    try:
        save_maps(stream, scene.cameras, scene.motion.fps, hidden)
        hidden.rename(output)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
