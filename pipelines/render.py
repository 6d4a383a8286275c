"""`flamecast render`: the geometry maps of a motion, as a picture for people or bit for bit for programs."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.files import PathLike, check_writable, refuse_overwriting
from ..core.report import Clock, Done, check_report, write_report
from ..core.threads import one_torch_thread
from ..drivers import load_driver
from ..flame_motion import BadInput, FlameSequence, Head, Progress, load_head
from ..flame_motion.edit import apply_edit, edit_files
from ..flame_motion.media.video_writer import CONTAINERS, VideoWriter, check_target
from ..flame_motion.tracking.pinhole import FIELD_OF_VIEW
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
from .fit import look_at, open_portrait
from .opening import check_edit, mix_files, open_mix, open_signal
from .request import HEAD, MAPS, RASTERIZER, AnimateRequest, Transfer, View
from .sheets.map_colors import color
from .stages import Posed, drive_signal, mixed, pose, retimed
from .views import MAX_VIEWS, check_camera, place

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


@dataclass(frozen=True)
class _Target:
    """What is written, and where."""

    output: Path
    maps: tuple[str, ...]

    @property
    def report(self) -> Path:
        name = self.output.name
        return self.output.with_suffix(".json") if self.output.suffix else self.output.with_name(f"{name}.json")


def write_render(
    motion: PathLike | FlameSequence,
    output: PathLike,
    *,
    maps: str = MAPS,
    head: str = HEAD,
    rasterizer: str = RASTERIZER,
    cache: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> Done:
    """Renders the maps of a motion; a JSON report goes beside them.

    With a photo (or portrait.npz) the motion moves the person in it as `animate` does, seen by its camera, and flow,
    source_xy and visible lead back to the photo; without, the motion's own head is seen from the front, and they lead
    back to its first frame. An output that ends as videos do becomes one video, a row a map, a column a view; any other
    name a folder that `renderer.load_maps` reads. maps: names between commas, or `all`. cache: whether
    fitted portraits are kept, see `fit.look_at`. options: those of `AnimateRequest`. Raises BadInput or MissingAsset.
    """
    request = AnimateRequest.of(motion=motion, output=output, **options)
    target = _Target(Path(output), _wanted(maps))
    return render(request, target, head=head, rasterizer=rasterizer, cache=cache, progress=progress)


@one_torch_thread()
def render(
    request: AnimateRequest, target: _Target, *, head: str, rasterizer: str, cache: bool = False,
    progress: Progress | None = None,
) -> Done:  # fmt: skip
    """See `write_render`."""
    _check(request, target)
    check_rasterizer(rasterizer)
    load_head(head)
    clock, view = Clock(), request.view
    check_edit(request.edit, head)
    photo = request.photo
    sight = None if photo is None else look_at(photo, request.face, head=head, cache=cache)  # before weights are loaded
    signal = open_signal(request.drive, request.clip, request.mix, head)
    clips = open_mix(request.mix, head)
    with clock.stage("motion"):
        driven = drive_signal(signal, load_driver, request.clip, head=head, seed=request.seed)
        if sight is None:
            driven = retimed(mixed(driven, clips), request.edit)
            scene = _front(driven.motion, request.edit, view)
        else:
            portrait, notes = open_portrait(sight, head=head)
            posed = pose(portrait, replace(driven, problems=[*notes, *driven.problems]), request, clips)
            driven, scene = posed.driven, _portrait_scene(posed, view)
    _check_size(scene.cameras, target.maps, bool(target.output.suffix))
    with clock.stage("render and write"):
        needed = target.maps if not target.output.suffix else tuple(dict.fromkeys([*target.maps, "mask"]))
        stream = stream_maps(
            scene.chunks(progress), scene.head, scene.cameras, source_vertices=scene.source,
            source_cameras=scene.source_camera, maps=needed, rasterizer=rasterizer,
        )  # fmt: skip
        if target.output.suffix:
            _write_video(stream, target.maps, scene, target.output)
        else:
            _write_folder(stream, scene, target.output)
    facts = {
        "driver": driven.facts,
        "head": scene.motion.head,
        "photo": None if request.photo is None else str(request.photo),
        "maps": list(target.maps),
        "views": scene.cameras.views,
        "frames": len(scene.motion),
        "fps": scene.motion.fps,
        "size": [scene.cameras.width, scene.cameras.height],
        "rasterizer": resolved(rasterizer),
        "options": request.report(),
        "problems": driven.problems,
        "timings": clock.table(len(scene.motion)),
    }
    write_report(target.report, facts)
    return Done([target.output, target.report], driven.problems)


def _check(request: AnimateRequest, target: _Target) -> None:
    """Refuses what cannot be done, before any work. BadInput."""
    output, view = target.output, request.view
    if not output.name:
        raise BadInput(f"the output {str(output)!r} has no name: expected a video such as maps.mp4, or a folder's name")
    if request.photo is None and (request.transfer != Transfer() or view.framing != View().framing):
        raise BadInput("mode, strength and framing are about a person: give a photo with them")
    check_camera(view.camera, view.views)
    _check_output(output, target.report)
    sources = [request.drive.motion, request.photo, view.camera, *edit_files(request.edit), *mix_files(request.mix)]
    refuse_overwriting(sources, [output, target.report])


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
    check_report(report)


def _check_size(cameras: Cameras, maps: tuple[str, ...], video: bool) -> None:
    """BadInput for more views than are drawn at once, or a tiled video larger than encoders take."""
    if cameras.views > MAX_VIEWS:
        raise BadInput(f"expected at most {MAX_VIEWS} views at once, got {cameras.views}")
    width, height = cameras.width * cameras.views, cameras.height * len(maps)
    if video and max(width, height) > LONGEST:
        raise BadInput(
            f"{cameras.views} views and {len(maps)} maps make a video of {width} x {height} px, and its sides must "
            f"stay within {LONGEST}: choose a smaller size, or fewer of them"
        )


def _front(motion: FlameSequence, edit: str | None, view: View) -> _Scene:
    """The motion's own head from the front."""
    head = load_head(motion.head)
    motion = motion if edit is None else apply_edit(motion, edit)
    side = 2 * round(view.size / 2)
    vertices = head(motion[:1])[0]
    middle = (vertices.amin(0) + vertices.amax(0)) / 2
    base = pinhole(side, side, fov=FIELD_OF_VIEW, distance=DISTANCE)
    shift = torch.eye(4)
    shift[:3, 3] = -middle
    base = Cameras(base.intrinsics, base.camera_from_world @ shift, side, side)
    cameras = place_cameras(base, middle, len(motion), camera=view.camera, views=view.views, fps=motion.fps)
    return _Scene(head, motion, None, cameras, vertices, base)


def _portrait_scene(posed: Posed, view: View) -> _Scene:
    """The person of a portrait, as `animate` poses them."""
    portrait, motion = posed.portrait, posed.motion
    cameras = place(portrait, len(motion), view.camera, view.views, motion.fps)
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
