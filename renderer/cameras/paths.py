"""Cameras around a portrait: fixed views, orbit, arc, dolly, zoom and keyframes, all relative to the photo's own
camera; or those of a camera file, as they are.

Yaw turns about the world's vertical through the pivot, elevation lifts the camera.  Positive yaw moves the camera to
the subject's left (the right side of the photo), positive elevation up; both in degrees here, because users type
them.  Yaw 0, elevation 0, distance 1 and zoom 1 give back the base camera bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from ...core.easing import smoothstep
from ...core.errors import BadInput
from .cameras import Cameras
from .file import given_cameras
from .keyframes import RANGES, read_keyframes

MOST_TURNS = 1000.0


@dataclass(frozen=True, eq=False)
class Path:
    """Where a camera stands relative to the base camera, frame by frame (or view by view); all float64, one shape."""

    yaw: Tensor  # [...] degrees, + = to the subject's left
    elevation: Tensor  # [...] degrees, + = up
    distance: Tensor  # [...] times the base camera's distance from the pivot
    zoom: Tensor  # [...] times the base camera's focal length

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value.shape != self.yaw.shape:
                raise BadInput(
                    f"Path.{field.name} must have the shape of yaw {list(self.yaw.shape)}, got {list(value.shape)}"
                )

    def __add__(self, other: Path) -> Path:
        """Both at once: angles add, factors multiply (shapes broadcast)."""
        return Path(
            *torch.broadcast_tensors(
                self.yaw + other.yaw,
                self.elevation + other.elevation,
                self.distance * other.distance,
                self.zoom * other.zoom,
            )
        )


def still(yaw: float | Sequence[float] | Tensor = 0.0, elevation: float | Sequence[float] | Tensor = 0.0) -> Path:
    """Cameras that do not move; numbers or lists of them, degrees."""
    first = torch.as_tensor(yaw, dtype=torch.float64)
    first, second = torch.broadcast_tensors(first, torch.as_tensor(elevation, dtype=torch.float64))
    return Path(first, second, torch.ones_like(first), torch.ones_like(first))


def orbit(frames: int, yaw: float, elevation: float = 0.0, turns: float = 1.0) -> Path:
    """Swings to +yaw, back through the photo's own view to -yaw and home again, `turns` times; a lying eight where
    `elevation` is given.  Starts and (whole turns) ends at the base camera."""
    _check_reach(still(yaw, elevation), f"an orbit of {yaw:g}, {elevation:g}")
    if abs(turns) > MOST_TURNS:
        raise BadInput(f"an orbit's turns must stay within -{MOST_TURNS:g}..{MOST_TURNS:g}, got {turns:g}")
    phase = 2.0 * math.pi * turns * _progress(frames)
    return still(yaw * torch.sin(phase), elevation * torch.sin(2.0 * phase))


def arc(frames: int, start: float, stop: float, start_elevation: float = 0.0, stop_elevation: float = 0.0) -> Path:
    """Travels once from yaw `start` to yaw `stop`, gently starting and stopping."""
    ease = smoothstep(_progress(frames))
    return still(start + (stop - start) * ease, start_elevation + (stop_elevation - start_elevation) * ease)


def dolly(frames: int, start: float, stop: float) -> Path:
    """Moves from `start` to `stop` times the base camera's distance."""
    path = still(torch.zeros(frames, dtype=torch.float64))
    return Path(path.yaw, path.elevation, _between(frames, start, stop, "dolly"), path.zoom)


def zoom(frames: int, start: float, stop: float) -> Path:
    """Changes the focal length from `start` to `stop` times the base camera's."""
    path = still(torch.zeros(frames, dtype=torch.float64))
    return Path(path.yaw, path.elevation, path.distance, _between(frames, start, stop, "zoom"))


def around(base: Cameras, pivot: Tensor | Sequence[float], path: Path) -> Cameras:
    """The base camera (one view, standing still) moved along `path` about `pivot` [3] m.

    A path of shape [V] gives V fixed views, [V, T] V views over T frames, [] one view.  The principal point stays.
    """
    if base.views != 1 or base.frames is not None:
        raise ValueError(
            f"the base camera must be one camera standing still, got {base.views} views and {base.frames} frames"
        )
    if path.yaw.ndim > 2:
        raise ValueError(f"a camera path must have shape [], [V] or [V, T], got {list(path.yaw.shape)}")
    base_cfw = base.camera_from_world[0].detach().double().cpu()
    center = torch.as_tensor(pivot, dtype=torch.float64).detach().cpu()
    if center.shape != (3,):
        raise ValueError(f"pivot must have shape [3], got {list(center.shape)}")
    shape = path.yaw.shape if path.yaw.ndim else (1,)
    matrix = base_cfw.expand(*shape, 4, 4).clone()
    rotation = base_cfw[:3, :3]
    turned = rotation @ _world_turn(path, rotation[0]).reshape(*shape, 3, 3).transpose(-1, -2)
    matrix[..., :3, :3] = turned
    # Written as additions to the base so that the still camera keeps every bit of its translation.
    farther = (path.distance.reshape(*shape, 1) - 1.0) * (rotation @ center + base_cfw[:3, 3])
    matrix[..., :3, 3] += farther + (rotation - turned) @ center
    intrinsics = base.intrinsics[0].expand(*shape, 3, 3).clone()
    intrinsics[..., :2, :2] *= path.zoom.reshape(*shape, 1, 1).to(intrinsics)
    return Cameras(intrinsics, matrix.to(base.camera_from_world), base.height, base.width)


def camera_path(spec: str, frames: int, fps: float | None = None) -> Path:
    """`--camera SPEC` over `frames` frames at `fps` Hz -> Path of shape [T].

    Moves joined by "+": orbit:YAW[,ELEVATION[,TURNS]], arc:FROM,TO[,ELEVATION,ELEVATION], dolly:[FROM,]TO,
    zoom:[FROM,]TO, still:YAW[,ELEVATION].  Or a keyframe file, `path.json`, which needs `fps` where it counts in
    seconds (`read_keyframes`).  Raises BadInput naming the known forms, or what is wrong in the file.
    """
    if spec.lower().endswith(".json"):
        return Path(**read_keyframes(spec, frames, fps))
    total = still(torch.zeros(frames, dtype=torch.float64))
    for move in spec.split("+"):
        name, colon, rest = move.strip().partition(":")
        if name not in _MOVES or not colon:
            raise _bad_camera(spec, f"{move.strip()!r} is not a known move")
        build, counts = _MOVES[name]
        try:
            numbers = [float(part) for part in rest.split(",")]
        except ValueError:
            raise _bad_camera(spec, f"{rest!r} is not a list of numbers") from None
        if len(numbers) not in counts or not all(map(math.isfinite, numbers)):
            raise _bad_camera(spec, f"{name} takes {' or '.join(map(str, counts))} numbers")
        try:
            total = total + build(frames, numbers)
        except ValueError as error:
            raise _bad_camera(spec, str(error)) from None
    _check_reach(total, spec)
    return total


def view_list(spec: str) -> Path:
    """`--views SPEC` -> Path of shape [V]: yaw degrees between commas, each optionally YAW:ELEVATION."""
    yaw, elevation = [], []
    for part in spec.split(","):
        try:
            numbers = [float(number) for number in part.split(":")]
        except ValueError:
            numbers = []
        if len(numbers) not in (1, 2) or not all(map(math.isfinite, numbers)):
            raise BadInput(
                f"--views must be yaw degrees between commas, like -30,0,30 or 0:10,0:-10 (yaw:elevation), got {spec!r}"
            )
        yaw.append(numbers[0])
        elevation.append(numbers[1] if len(numbers) == 2 else 0.0)
    path = still(yaw, elevation)
    _check_reach(path, spec)
    return path


def place_cameras(
    base: Cameras,
    pivot: Tensor | Sequence[float],
    frames: int,
    *,
    camera: str | None = None,
    views: str | None = None,
    fps: float | None = None,
) -> Cameras:
    """What `--camera` and `--views` ask for: V views of the base camera about `pivot` [3] m, all moving together.

    Without either the base camera comes back; without `camera` the views stand still ([V, 4, 4]).  Where `camera` is a
    camera file its cameras come back as they are, with the base camera's picture size.  fps (Hz) is for keyframes.
    """
    given = None if camera is None else given_cameras(camera, views)
    if given is not None:
        if given.frames not in (None, frames):
            raise BadInput(f"{camera}: its cameras move over {given.frames} frames, and {frames} are asked for")
        if abs(given.width * base.height / (given.height * base.width) - 1) > 0.02:
            raise BadInput(
                f"{camera} holds cameras of {given.width} x {given.height} px and the picture is {base.width} x "
                f"{base.height}: they must have one shape"
            )
        return given.resized(base.height, base.width).to(base.camera_from_world)
    standing = view_list(views) if views is not None else still([0.0])
    if camera is None:
        return around(base, pivot, standing)
    moving = camera_path(camera, frames, fps)
    each = Path(*(getattr(standing, field.name)[:, None] for field in fields(Path)))
    total = each + moving
    _check_reach(total, f"{camera} with views {views}")
    return around(base, pivot, total)


def _world_turn(path: Path, right: Tensor) -> Tensor:
    """[..., 3, 3]: lift about the base camera's horizontal axis `right` [3], then turn about the vertical."""
    level = right * torch.tensor([1.0, 0.0, 1.0], dtype=right.dtype)
    if float(level.norm()) < 1e-3:
        raise BadInput("the base camera lies on its side: its picture's x axis is vertical, so elevation has no axis")
    level = level / level.norm()
    up = torch.tensor([0.0, 1.0, 0.0], dtype=right.dtype)
    return _rotation(up, path.yaw) @ _rotation(level, -path.elevation)


def _rotation(axis: Tensor, degrees: Tensor) -> Tensor:
    """[..., 3, 3]: right-handed turn about the unit `axis` [3] (Rodrigues)."""
    x, y, z = axis.tolist()
    cross = torch.tensor([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]], dtype=torch.float64)
    angle = torch.deg2rad(degrees)[..., None, None]
    return torch.eye(3, dtype=torch.float64) + torch.sin(angle) * cross + (1.0 - torch.cos(angle)) * (cross @ cross)


def _progress(frames: int) -> Tensor:
    """[T] from 0 at the first frame to 1 at the last."""
    return torch.arange(frames, dtype=torch.float64) / max(frames - 1, 1)


def _between(frames: int, start: float, stop: float, name: str) -> Tensor:
    low, high = RANGES["distance" if name == "dolly" else name]
    if not all(low <= factor <= high for factor in (start, stop)):
        raise BadInput(f"{name} factors must be {low:g} to {high:g}, got {start:g} and {stop:g}")
    return torch.exp(math.log(start) + (math.log(stop) - math.log(start)) * smoothstep(_progress(frames)))


def _check_reach(path: Path, spec: str) -> None:
    for name in ("yaw", "elevation"):
        value, (low, high) = getattr(path, name), RANGES[name]
        if value.numel() and float(value.abs().max()) > high + 1e-9:
            raise BadInput(f"a camera's {name} must stay within {low:g}..{high:g} degrees, got {spec!r}")


def _bad_camera(spec: str, why: str) -> BadInput:
    return BadInput(
        f"--camera {spec!r}: {why}; known forms: orbit:YAW[,ELEVATION[,TURNS]], arc:FROM,TO[,ELEVATION,ELEVATION], "
        "dolly:[FROM,]TO, zoom:[FROM,]TO, still:YAW[,ELEVATION], joined by + (degrees; factors of distance or focal); "
        "or a file of keyframes or cameras, NAME.json"
    )


def _from_one(numbers: list[float]) -> list[float]:
    return numbers if len(numbers) == 2 else [1.0, *numbers]


def _stand(frames: int, numbers: list[float]) -> Path:
    one = still(*numbers)
    return still(torch.zeros(frames, dtype=torch.float64)) + one


_MOVES: dict[str, tuple[Callable[[int, list[float]], Path], tuple[int, ...]]] = {
    "orbit": (lambda frames, numbers: orbit(frames, *numbers), (1, 2, 3)),
    "arc": (lambda frames, numbers: arc(frames, *numbers), (2, 4)),
    "dolly": (lambda frames, numbers: dolly(frames, *_from_one(numbers)), (1, 2)),
    "zoom": (lambda frames, numbers: zoom(frames, *_from_one(numbers)), (1, 2)),
    "still": (_stand, (1, 2)),
}
