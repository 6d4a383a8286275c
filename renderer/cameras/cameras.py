"""Cameras and their projections.

World: metres, +x the subject's left, +y up, +z out of the face, right-handed.  Camera: OpenCV, x right, y down,
z forward.  Image: pixels, x right, y down, the centre of the top left pixel at (0.5, 0.5).

Letters: V views, T frames, N points, H x W pixels.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

NEAR = 0.01  # m; nothing closer to the camera than this is drawn


@dataclass(frozen=True, eq=False)
class Cameras:
    """V cameras with one picture size, each standing still or moving over T frames.

    Raises ValueError where a field has a wrong shape, type or value.
    """

    intrinsics: Tensor  # [V, 3, 3] px, or [V, T, 3, 3] where the camera zooms
    camera_from_world: Tensor  # [V, 4, 4], or [V, T, 4, 4] where the camera moves; m
    height: int  # px
    width: int  # px

    def __post_init__(self) -> None:
        _check_matrices("intrinsics", self.intrinsics, 3)
        _check_matrices("camera_from_world", self.camera_from_world, 4)
        _check_agreement(self)
        for name in ("height", "width"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"Cameras.{name} must be a positive whole number of pixels, got {value!r}")

    @property
    def views(self) -> int:
        """Number of views V."""
        return self.camera_from_world.shape[0]

    @property
    def frames(self) -> int | None:
        """Number of frames T of the path, or None where every camera stands still."""
        for matrix in (self.camera_from_world, self.intrinsics):
            if matrix.ndim == 4:
                return matrix.shape[1]
        return None

    @property
    def extrinsics_vt(self) -> Tensor:
        """`camera_from_world` with its frame axis, [V, T or 1, 4, 4]."""
        return self.camera_from_world if self.camera_from_world.ndim == 4 else self.camera_from_world[:, None]

    @property
    def intrinsics_vt(self) -> Tensor:
        """`intrinsics` with their frame axis, [V, T or 1, 3, 3] px."""
        return self.intrinsics if self.intrinsics.ndim == 4 else self.intrinsics[:, None]

    @property
    def centers(self) -> Tensor:
        """Where the cameras stand, [V, T or 1, 3] m in the world."""
        matrix = self.extrinsics_vt
        inverse = torch.linalg.inv(matrix[..., :3, :3])
        return -(inverse @ matrix[..., :3, 3:])[..., 0]

    def frame_range(self, start: int, stop: int) -> Cameras:
        """The cameras of the frames start..stop-1; cameras that stand still are returned as they are."""
        cut = {
            name: getattr(self, name)[:, start:stop]
            for name in ("intrinsics", "camera_from_world")
            if getattr(self, name).ndim == 4
        }
        return dataclasses.replace(self, **cut)

    def view(self, index: int) -> Cameras:
        """One of the views, still with its view axis (V = 1)."""
        if not -self.views <= index < self.views:
            raise ValueError(f"view must lie between 0 and {self.views - 1}, got {index}")
        index %= self.views
        cut = slice(index, index + 1)
        return dataclasses.replace(self, intrinsics=self.intrinsics[cut], camera_from_world=self.camera_from_world[cut])

    def resized(self, height: int, width: int) -> Cameras:
        """The same cameras with a picture of another size: what was at a place in the picture stays at that place."""
        scale = self.intrinsics.new_tensor([width / self.width, height / self.height, 1.0])
        return Cameras(self.intrinsics * scale[:, None], self.camera_from_world, height, width)

    def cropped(self, left: float, top: float, height: int, width: int) -> Cameras:
        """The same cameras looking at a window of their picture (which may reach outside); left, top in px."""
        shift = torch.zeros_like(self.intrinsics)
        shift[..., 0, 2], shift[..., 1, 2] = left, top
        return Cameras(self.intrinsics - shift, self.camera_from_world, height, width)

    def to(self, *args: object, **kwargs: object) -> Cameras:
        """As `torch.Tensor.to`: another device or float type."""
        return dataclasses.replace(
            self,
            intrinsics=self.intrinsics.to(*args, **kwargs),  # type: ignore[call-overload]
            camera_from_world=self.camera_from_world.to(*args, **kwargs),  # type: ignore[call-overload]
        )


def pinhole(
    height: int,
    width: int,
    *,
    focal: float | None = None,
    fov: float | None = None,
    distance: float = 1.0,
    principal: tuple[float, float] | None = None,
    camera_from_world: Tensor | None = None,
) -> Cameras:
    """One camera.  Give its focal length in px, or `fov`, the angle in radians that the longest side covers.

    It looks at the face from `distance` m in front of the world's origin, unless `camera_from_world` [4, 4] says
    otherwise; `principal` (x, y) px is the picture's middle unless given.
    """
    if (focal is None) == (fov is None):
        raise ValueError(f"a camera needs either focal (px) or fov (radians), got focal={focal} and fov={fov}")
    if fov is not None:
        if not 0.0 < fov < math.pi:
            raise ValueError(f"fov must lie between 0 and pi radians, got {fov}")
        focal = max(height, width) / (2.0 * math.tan(fov / 2.0))
    assert focal is not None
    if not 0.0 < focal < math.inf:
        raise ValueError(f"focal must be a positive number of pixels, got {focal}")
    x, y = principal if principal is not None else (width / 2.0, height / 2.0)
    intrinsics = torch.tensor([[[focal, 0.0, x], [0.0, focal, y], [0.0, 0.0, 1.0]]])
    if camera_from_world is None:
        camera_from_world = facing(distance)
    return Cameras(intrinsics.to(camera_from_world), camera_from_world[None], height, width)


def facing(distance: float) -> Tensor:
    """`camera_from_world` [4, 4] of a camera that looks at the face from `distance` m along +z."""
    matrix = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    matrix[2, 3] = distance
    return matrix


def look_at(
    eye: Tensor | Sequence[float], target: Tensor | Sequence[float], up: Sequence[float] = (0.0, 1.0, 0.0)
) -> Tensor:
    """`camera_from_world` [..., 4, 4] of cameras at `eye` [..., 3] m that look at `target` [..., 3] m, `up` upward.

    Raises ValueError where eye and target coincide or the view is along `up`.
    """
    eye_t = torch.as_tensor(eye, dtype=None if isinstance(eye, Tensor) else torch.float32)
    target_t = torch.as_tensor(target).to(eye_t)
    up_t = torch.tensor(up).to(eye_t)
    forward = target_t - eye_t
    side = torch.linalg.cross(forward, up_t.expand(forward.shape))
    if bool((side.norm(dim=-1) <= 1e-6 * forward.norm(dim=-1)).any()):
        raise ValueError(f"look_at needs a target apart from the eye and not straight along up, got {eye} -> {target}")
    forward = forward / forward.norm(dim=-1, keepdim=True)
    right = side / side.norm(dim=-1, keepdim=True)
    down = torch.linalg.cross(forward, right)
    rotation = torch.stack([right, down, forward], dim=-2)
    matrix = torch.zeros(*rotation.shape[:-2], 4, 4).to(rotation)
    matrix[..., :3, :3] = rotation
    matrix[..., :3, 3] = -(rotation @ eye_t[..., None])[..., 0]
    matrix[..., 3, 3] = 1.0
    return matrix


def clip_from_world(cameras: Cameras, near: float = NEAR) -> Tensor:
    """[V, T or 1, 4, 4]: takes world points to the clip space of `clip`."""
    intrinsics, extrinsics = cameras.intrinsics_vt, cameras.extrinsics_vt
    scale = intrinsics.new_tensor([2.0 / cameras.width, 2.0 / cameras.height])
    last = intrinsics[..., 2:, :]
    rows_xy = intrinsics[..., :2, :] * scale[:, None] - last
    rows = torch.cat([rows_xy, last, last], dim=-2)  # [V, T, 4, 3]
    matrix = rows @ extrinsics[..., :3, :]
    offset = torch.zeros_like(matrix)
    offset[..., 2, 3] = -2.0 * near
    return matrix + offset


def clip(cameras: Cameras, vertices: Tensor, near: float = NEAR) -> Tensor:
    """Points [T, N, 3] m in the world -> clip space [V, T, N, 4].

    x/w runs from -1 (left) to 1 (right), y/w from -1 (top) to 1 (bottom); w is the depth in m along the optical
    axis; z = w - 2 near, so that z < -w means closer than the near plane (OpenGL with the far plane at infinity).
    """
    _check_points("vertices", vertices, cameras)
    matrix = clip_from_world(cameras, near)
    linear, offset = matrix[..., :3].transpose(-1, -2), matrix[..., 3]
    return vertices @ linear + offset[..., None, :]


def to_pixels(cameras: Cameras, points: Tensor) -> Tensor:
    """Points [T, N, 3] m in the world -> [V, T, N, 2] px; NaN where a point is not in front of the camera."""
    xyw = clip(cameras, points, near=0.0)
    depth = xyw[..., 3:]
    ahead = depth > 0
    ndc = xyw[..., :2] / torch.where(ahead, depth, torch.ones_like(depth))
    size = ndc.new_tensor([cameras.width, cameras.height])
    pixels = (ndc + 1.0) * (size / 2.0)
    return torch.where(ahead, pixels, torch.full_like(pixels, math.nan))


def _check_matrices(name: str, value: Tensor, size: int) -> None:
    if not isinstance(value, Tensor) or not value.is_floating_point():
        kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"Cameras.{name} must be a float tensor, got {kind}")
    if value.ndim not in (3, 4) or value.shape[-2:] != (size, size) or value.shape[0] < 1:
        raise ValueError(
            f"Cameras.{name} must have shape [V, {size}, {size}] or [V, T, {size}, {size}], got {list(value.shape)}"
        )
    plain = value.detach()
    if not bool(torch.isfinite(plain).all()):
        raise ValueError(f"Cameras.{name} must be finite, got NaN or infinity")
    last = plain.new_tensor([0.0] * (size - 1) + [1.0])
    if not bool((plain[..., -1, :] == last).all()):
        raise ValueError(f"Cameras.{name} must end in the row {last.int().tolist()}, got {plain[..., -1, :].tolist()}")
    if size == 4:
        rotation = plain[..., :3, :3]
        error = rotation @ rotation.transpose(-1, -2) - torch.eye(3).to(rotation)
        worst = float(error.abs().max()) if error.numel() else 0.0
        if worst > 1e-3:
            raise ValueError(f"Cameras.{name} must hold rotations (R R^T = 1 to 1e-3), got an error of {worst:.3g}")
    elif bool((plain[..., 0, 0] == 0).any()) or bool((plain[..., 1, 1] == 0).any()):
        raise ValueError(f"Cameras.{name} must have focal lengths other than 0, got 0 on the diagonal")


def _check_agreement(cameras: Cameras) -> None:
    first, second = cameras.intrinsics, cameras.camera_from_world
    if first.shape[0] != second.shape[0]:
        raise ValueError(
            f"Cameras.camera_from_world must hold as many views as intrinsics ({first.shape[0]}), got {second.shape[0]}"
        )
    if first.ndim == second.ndim == 4 and first.shape[1] != second.shape[1]:
        raise ValueError(
            f"Cameras.camera_from_world must hold as many frames as intrinsics ({first.shape[1]}), "
            f"got {second.shape[1]}"
        )
    if first.dtype != second.dtype or first.device != second.device:
        raise ValueError(
            f"Cameras.camera_from_world must have the type and device of intrinsics ({first.dtype} on {first.device}), "
            f"got {second.dtype} on {second.device}"
        )


def _check_points(name: str, value: Tensor, cameras: Cameras) -> None:
    if value.ndim != 3 or value.shape[-1] != 3:
        raise ValueError(f"{name} must have shape [T, N, 3], got {list(value.shape)}")
    like = cameras.camera_from_world
    if value.dtype != like.dtype or value.device != like.device:
        raise ValueError(
            f"{name} must have the type and device of the cameras ({like.dtype} on {like.device}), "
            f"got {value.dtype} on {value.device}"
        )
    if cameras.frames is not None and value.shape[0] != cameras.frames:
        raise ValueError(f"{name} must have as many frames as the cameras ({cameras.frames}), got {value.shape[0]}")
