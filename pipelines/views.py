"""Where the cameras stand, and which file each view goes to."""

from __future__ import annotations

from pathlib import Path

from ..flame_motion import BadInput
from ..flame_motion.heads import PARTS
from ..generator import Portrait
from ..renderer import Cameras
from ..renderer.camera_paths import camera_path, place_cameras, view_list

MOST_VIEWS = 32  # each is a video that is written at the same time
_HEAD_PARTS = ("face", "scalp", "ears")  # what a camera circles around


def check_camera(camera: str | None, views: str | None) -> None:
    """BadInput when a camera movement or a list of views cannot be understood."""
    try:
        if camera is not None:
            camera_path(camera, 2)
        if views is not None:
            view_list(views)
    except ValueError as error:
        raise BadInput(str(error)) from error


def place(portrait: Portrait, frames: int, camera: str | None, views: str | None) -> Cameras:
    """The cameras of all views over `frames` frames, around the middle of the portrait's head. Raises BadInput."""
    vertices, head = portrait.vertices()[0], portrait.head
    wanted = head.part.new_tensor([PARTS.index(name) for name in _HEAD_PARTS])
    corners = head.faces[(head.part[:, None] == wanted).any(dim=1)].unique()
    low, high = vertices[corners].min(dim=0).values, vertices[corners].max(dim=0).values
    try:
        return place_cameras(portrait.camera, (low + high) / 2, frames, camera=camera, views=views)
    except ValueError as error:
        raise BadInput(str(error)) from error


def view_targets(output: Path, views: str | None) -> list[Path]:
    """The file of each view: `output` itself without views, else OUT_view-30.mp4, OUT_view0.mp4, OUT_view15_10.mp4
    (yaw, and elevation when it is not 0). Raises BadInput."""
    if views is None:
        return [output]
    path = view_list(views)
    if len(path.yaw) > MOST_VIEWS:
        raise BadInput(f"expected at most {MOST_VIEWS} views at once, got {len(path.yaw)}")
    targets = []
    for yaw, elevation in zip(path.yaw.tolist(), path.elevation.tolist(), strict=True):
        suffix = f"_view{yaw:g}" + (f"_{elevation:g}" if elevation else "")
        targets.append(output.with_name(f"{output.stem}{suffix}{output.suffix}"))
    if len(set(targets)) < len(targets):
        raise BadInput(f"views must differ from each other, got {views!r}")
    return targets
