"""Cameras in the conventions of other programs: OpenCV, OpenGL and PyTorch3D, to and from.

All three keep gradients.  Letters as in cameras.py: V views, T frames; "T or 1" is 1 where nothing moves.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .cameras import Cameras

# Camera axes of ours (x right, y down, z forward) in those of others.
_OPENGL_AXES = (1.0, -1.0, -1.0)  # x right, y up, z backward
_PYTORCH3D_AXES = (-1.0, -1.0, 1.0)  # x left, y up, z forward


def to_opencv(cameras: Cameras) -> tuple[Tensor, Tensor]:
    """(K [V, 3, 3] or [V, T, 3, 3] px, R|t [V, 3, 4] or [V, T, 3, 4] m): pixel ~ K (R X + t), in the shapes they have.

    OpenCV, "Camera Calibration and 3D Reconstruction", but with the centre of the top left pixel at (0.5, 0.5) as
    everywhere here: where a program counts it as (0, 0), take 0.5 from K's last column.
    """
    return cameras.intrinsics, cameras.camera_from_world[..., :3, :]


def from_opencv(intrinsics: Tensor, rt: Tensor, height: int, width: int) -> Cameras:
    """The inverse of `to_opencv`: K [V, 3, 3] or [V, T, 3, 3] px and R|t [V, 3, 4] or [V, T, 3, 4] m."""
    if rt.ndim not in (3, 4) or rt.shape[-2:] != (3, 4):
        raise ValueError(f"rt must have shape [V, 3, 4] or [V, T, 3, 4], got {list(rt.shape)}")
    return Cameras(intrinsics, _with_last_row(rt), height, width)


def to_opengl(cameras: Cameras, near: float, far: float) -> tuple[Tensor, Tensor]:
    """(view [V, T or 1, 4, 4] m, projection [V, T or 1, 4, 4]) for column vectors: clip = projection @ view @ X.

    The projection of glFrustum (OpenGL 2.1 specification, section 2.11.2), off-centre and skewed as the intrinsics
    are: x/w from -1 (left) to 1, y/w from -1 (bottom) to 1, z/w from -1 at `near` to 1 at `far` (m).
    """
    if not 0.0 < near < far < math.inf:
        raise ValueError(f"near and far must be finite and 0 < near < far, got {near} and {far}")
    intrinsics, extrinsics = cameras.intrinsics_vt, cameras.extrinsics_vt
    axes = intrinsics.new_tensor(_OPENGL_AXES)
    # In our axes x/w = 2 u/width - 1 and y/w = 1 - 2 v/height, with w = z the depth, (u, v) = K X / z.
    scale = intrinsics.new_tensor([[2.0 / cameras.width], [-2.0 / cameras.height]])
    shift = intrinsics.new_tensor([[0.0, 0.0, -1.0], [0.0, 0.0, 1.0]])
    upper = (intrinsics[..., :2, :] * scale + shift) * axes
    projection = intrinsics.new_zeros(*intrinsics.shape[:-2], 4, 4)
    projection[..., :2, :3] = upper
    projection[..., 2, 2] = -(far + near) / (far - near)
    projection[..., 2, 3] = -2.0 * far * near / (far - near)
    projection[..., 3, 2] = -1.0
    view = extrinsics * extrinsics.new_tensor([*_OPENGL_AXES, 1.0])[:, None]
    return view, projection


def from_opengl(view: Tensor, projection: Tensor, height: int, width: int) -> Cameras:
    """The inverse of `to_opengl`: view and projection [V, 4, 4] or [V, T or 1, 4, 4], of a picture in pixels.

    A frame axis of length 1 is dropped: such a camera stands still.  Raises ValueError where the projection is not
    a perspective one.
    """
    for name, value in (("view", view), ("projection", projection)):
        if value.ndim not in (3, 4) or value.shape[-2:] != (4, 4):
            raise ValueError(f"{name} must have shape [V, 4, 4] or [V, T, 4, 4], got {list(value.shape)}")
    fixed = projection[..., [0, 1, 3, 3, 3, 3], [3, 3, 0, 1, 2, 3]].detach()
    if not bool((fixed == fixed.new_tensor([0.0, 0.0, 0.0, 0.0, -1.0, 0.0])).all()):
        raise ValueError(
            "projection must be a perspective one: its last row (0, 0, -1, 0), and 0 at the end of the first two rows"
        )
    scale = projection.new_tensor([[width / 2.0], [-height / 2.0]])
    shift = projection.new_tensor([[0.0, 0.0, -1.0], [0.0, 0.0, 1.0]])
    upper = (projection[..., :2, :3] * projection.new_tensor(_OPENGL_AXES) - shift) * scale
    extrinsics = view * view.new_tensor([*_OPENGL_AXES, 1.0])[:, None]
    return Cameras(_standing(_with_last_row(upper)), _standing(extrinsics), height, width)


def to_pytorch3d(cameras: Cameras) -> dict[str, Tensor]:
    """The arguments of `pytorch3d.renderer.PerspectiveCameras(..., in_ndc=False)`, one row a view and frame, B = V T.

    R [B, 3, 3] and T [B, 3] m for row vectors, X_camera = X R + T, with camera axes x left, y up, z forward;
    focal_length and principal_point [B, 2] px in screen space (x right, y down from the picture's top left corner,
    pixel centres at +0.5); image_size [B, 2] px, height first.  Views come first: row v * T + t.  Source: PyTorch3D
    docs/notes/cameras.md, and `_cameras_from_opencv_projection`.  ValueError where the intrinsics are skewed.
    """
    frames = 1 if cameras.frames is None else cameras.frames
    intrinsics = cameras.intrinsics_vt.expand(-1, frames, -1, -1).flatten(0, 1)
    extrinsics = cameras.extrinsics_vt.expand(-1, frames, -1, -1).flatten(0, 1)
    if bool((intrinsics[:, [0, 1], [1, 0]] != 0).any()):
        raise ValueError("PyTorch3D's cameras have no skew: the intrinsics must be 0 beside the focal lengths")
    axes = extrinsics.new_tensor(_PYTORCH3D_AXES)
    size = intrinsics.new_tensor([cameras.height, cameras.width])
    return {
        "R": extrinsics[:, :3, :3].transpose(1, 2) * axes,
        "T": extrinsics[:, :3, 3] * axes,
        "focal_length": intrinsics[:, [0, 1], [0, 1]],
        "principal_point": intrinsics[:, :2, 2],
        "image_size": size.expand(len(intrinsics), 2),
    }


def from_pytorch3d(
    R: Tensor,
    T: Tensor,
    focal_length: Tensor,
    principal_point: Tensor,
    image_size: Tensor,
    frames: int | None = None,
) -> Cameras:
    """The inverse of `to_pytorch3d`, whose shapes and units it takes: B standing cameras, or, where `frames` says how
    many frames T each view has, B / T moving ones.  All must have one picture size."""
    count = R.shape[0]
    shapes = {"R": (3, 3), "T": (3,), "focal_length": (2,), "principal_point": (2,), "image_size": (2,)}
    for (name, shape), value in zip(shapes.items(), (R, T, focal_length, principal_point, image_size)):
        if value.shape != (count, *shape):
            raise ValueError(f"{name} must have shape {[count, *shape]}, got {list(value.shape)}")
    if frames is not None and (frames < 1 or count % frames):
        raise ValueError(f"frames must divide the number of cameras ({count}), got {frames}")
    sizes = image_size.detach().unique(dim=0)
    if len(sizes) != 1 or bool((sizes != sizes.round()).any()):
        raise ValueError(f"image_size must be one size in whole pixels for all cameras, got {sizes.tolist()}")
    axes = R.new_tensor(_PYTORCH3D_AXES)
    rt = torch.cat([(R * axes).transpose(1, 2), (T * axes)[..., None]], dim=-1)
    upper = torch.cat([torch.diag_embed(focal_length), principal_point[..., None]], dim=-1)
    shape = (count,) if frames is None else (count // frames, frames)
    height, width = (int(side) for side in sizes[0].tolist())
    intrinsics, extrinsics = (_with_last_row(matrix).unflatten(0, shape) for matrix in (upper, rt))
    return Cameras(intrinsics, extrinsics, height, width)


def _with_last_row(upper: Tensor) -> Tensor:
    """[..., n, n or n + 1] -> the square matrix with (0, ..., 0, 1) as its last row."""
    size = upper.shape[-1]
    last = upper.new_tensor([0.0] * (size - 1) + [1.0])
    return torch.cat([upper, last.expand(*upper.shape[:-2], 1, size)], dim=-2)


def _standing(matrix: Tensor) -> Tensor:
    """Without the frame axis of a camera that stands still."""
    return matrix[:, 0] if matrix.ndim == 4 and matrix.shape[1] == 1 else matrix
