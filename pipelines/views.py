"""Where the cameras stand, and which file each view goes to."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from ..flame_motion import BadInput
from ..flame_motion.heads.head import PARTS
from ..generator import Portrait
from ..renderer import Cameras
from ..renderer.cameras.file import given_cameras
from ..renderer.cameras.paths import camera_path, place_cameras, view_list

MAX_VIEWS = 32  # each is a video that is written at the same time
_HEAD_PARTS = ("face", "scalp", "ears")  # what a camera circles around


def check_camera(camera: str | None, views: str | None) -> None:
    """BadInput when a camera movement, its file or a list of views cannot be understood."""
    if camera is not None and given_cameras(camera, views) is None:
        camera_path(camera, 2, fps=25.0)  # whether a file is sound does not depend on the rate
    if views is not None:
        view_list(views)


def place(portrait: Portrait, frames: int, camera: str | None, views: str | None, fps: float) -> Cameras:
    """The cameras of all views over `frames` frames at `fps` Hz, around the middle of the portrait's head. BadInput."""
    return place_cameras(portrait.camera, middle_of_head(portrait), frames, camera=camera, views=views, fps=fps)


def middle_of_head(portrait: Portrait) -> Tensor:
    """What a camera circles around, [3] m in the world."""
    vertices, head = portrait.vertices()[0], portrait.head
    wanted = head.part.new_tensor([PARTS.index(name) for name in _HEAD_PARTS])
    corners = head.faces[(head.part[:, None] == wanted).any(dim=1)].unique()
    low, high = vertices[corners].min(dim=0).values, vertices[corners].max(dim=0).values
    return (low + high) / 2


def view_targets(output: Path, views: str | None, camera: str | None = None) -> list[Path]:
    """The file of each view: `output` itself without views, else OUT_view-30.mp4, OUT_view0.mp4, OUT_view15_10.mp4
    (yaw, and elevation when it is not 0); of a camera file's views OUT_view0.mp4, OUT_view1.mp4 in their order.
    Raises BadInput."""
    names = _view_names(views, camera)
    if len(names) > MAX_VIEWS:
        raise BadInput(f"expected at most {MAX_VIEWS} views at once, got {len(names)}")
    if len(set(names)) < len(names):
        raise BadInput(f"views must differ from each other, got {views!r}")
    return [output.with_name(f"{output.stem}{name}{output.suffix}") for name in names] or [output]


def _view_names(views: str | None, camera: str | None) -> list[str]:
    """What stands behind the output's name for each view; nothing for a single view that was not named. BadInput."""
    given = None if camera is None else given_cameras(camera, views)
    path = None if views is None else view_list(views)
    if given is not None and given.views > 1:
        return [f"_view{index}" for index in range(given.views)]
    if path is None:
        return []
    pairs = zip(path.yaw.tolist(), path.elevation.tolist(), strict=True)
    return [f"_view{yaw:g}" + (f"_{elevation:g}" if elevation else "") for yaw, elevation in pairs]
