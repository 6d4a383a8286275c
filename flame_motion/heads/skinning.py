"""Linear blend skinning of a head's vertices: plain tensors in, any leading axes, float dtype and device."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeVar, overload

import torch
from torch import Tensor

from ...core.errors import BadInput
from ..channels import Channels
from ..rotations import matrix_from_axis_angle

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

JOINTS = ("root", "neck", "jaw", "eye_left", "eye_right")
PARENTS = (-1, 0, 1, 1, 1)
FEW_FRAMES = 32  # skinned by one thread before a second has started


@dataclass(frozen=True, eq=False)
class Skin:
    """What skinning needs, for any subset of a head's vertices. M vertices, S identity and E expression axes."""

    template: Tensor  # [M, 3] m
    identity: Tensor  # [M, 3, S]
    expression: Tensor  # [M, 3, E]
    eyelids: Tensor  # [M, 3, 2]
    weights: Tensor  # [M, 5]
    pose_correctives: Tensor | None  # [M, 3, 36]
    joints: Tensor  # [5, 3] m
    joints_identity: Tensor  # [5, 3, S]
    joints_expression: Tensor  # [5, 3, E]

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Skin:
        """The same on another device or in another float dtype."""
        return moved_to(self, device, dtype)

    def shaped(self, shape: Tensor, offsets: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Rest vertices [..., M, 3] and joints [..., 5, 3] m of identities shape [..., S], at most the head's S axes.

        offsets [..., M, 3] m are added at rest.
        """
        s = shape.shape[-1]
        vertices = self.template + _sum_of_axes(self.identity[..., :s], shape)
        joints = self.joints + _sum_of_axes(self.joints_identity[..., :s], shape)
        return vertices if offsets is None else vertices + offsets, joints

    @overload
    def pose(self, rest: Tensor, joints: Tensor, channels: Channels) -> Tensor: ...

    @overload
    def pose(
        self, rest: Tensor, joints: Tensor, channels: Channels, with_frames: Literal[True]
    ) -> tuple[Tensor, Tensor]: ...

    def pose(
        self, rest: Tensor, joints: Tensor, channels: Channels, with_frames: bool = False
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Vertices [..., T, M, 3] m in the world of rest meshes [..., M, 3] and joints [..., 5, 3] (`shaped`).

        channels: a motion of T frames, or a `Pose` [..., T]; leading axes broadcast; dtype and device are this skin's.
        with_frames adds the blended rotation [..., T, M, 3, 3] that skinning gives each vertex. Differentiable in
        everything; plain float32 numbers of one identity in main memory take a compiled path to the same result.
        """
        count = self.template.shape[0]
        joints_t = joints[..., None, :, :] + torch.einsum(
            "jke,...e->...jk", self.joints_expression, channels.expression
        )
        turns = [channels.rotation, channels.neck, channels.jaw, *channels.eyes.unbind(-2)]
        local = matrix_from_axis_angle(torch.stack(turns, -2))  # [..., T, 5, 3, 3]
        transforms = joint_transforms(local, joints_t, channels.translation)  # [..., T, 5, 3, 4]
        moved = (self._coefficients(channels, local) @ self._moving_basis).unflatten(-1, (3, count))  # m
        one = rest.ndim == 2 and transforms.shape[:-3] == moved.shape[:-2]  # identity, for all frames
        if one and not with_frames and _plain(moved, rest, transforms):
            posed = self._pose_fast(rest, moved.flatten(0, -3), transforms.flatten(0, -4))
            return posed.unflatten(0, moved.shape[:-2])
        shaped = rest[..., None, :, :] + moved.transpose(-1, -2)
        blend = (self.weights @ transforms.flatten(-2)).unflatten(-1, (3, 4))  # [..., T, M, 3, 4]
        posed = (blend[..., :3] @ shaped[..., None]).squeeze(-1) + blend[..., 3]
        return (posed, blend[..., :3]) if with_frames else posed

    def _pose_fast(self, rest: Tensor, moved: Tensor, transforms: Tensor) -> Tensor:
        """What `pose` ends with, in one pass over memory, without gradients, on torch's threads. moved [T, 3, M] m."""
        from .skinning_kernel import skin

        frames, workers = len(moved), torch.get_num_threads()
        posed = torch.empty(frames, len(rest), 3)
        rows, weights = rest.detach().T.contiguous().numpy(), self._weight_rows.detach().numpy()
        numbers = [x.detach().numpy() for x in (moved, transforms.flatten(2), posed)]

        def part(start: int, stop: int) -> None:
            shaped, matrices, out = (x[start:stop] for x in numbers)
            skin(shaped, rows, weights, matrices, out)

        if workers == 1 or frames < FEW_FRAMES:
            part(0, frames)
        else:
            edges = [k * frames // workers for k in range(workers + 1)]
            with ThreadPoolExecutor(workers) as pool:
                list(pool.map(part, edges[:-1], edges[1:]))
        return posed

    def _coefficients(self, channels: Channels, local: Tensor) -> Tensor:
        """[..., T, C]: what multiplies each row of the moving basis."""
        rows = [channels.expression, channels.eyelids]
        if self.pose_correctives is not None:
            bent = local[..., 1:, :, :] - torch.eye(3, dtype=local.dtype, device=local.device)
            rows.append(bent.flatten(-3))
        return torch.cat(rows, -1)

    @cached_property
    def _moving_basis(self) -> Tensor:
        """[C, 3 M]: expression, eyelid and pose corrective axes as rows, x first: one matrix product."""
        axes = [self.expression, self.eyelids]
        if self.pose_correctives is not None:
            axes.append(self.pose_correctives)
        return torch.cat(axes, -1).permute(2, 1, 0).flatten(1).contiguous()

    @cached_property
    def _weight_rows(self) -> Tensor:
        """[5, M], so that neighbouring vertices lie side by side."""
        return self.weights.T.contiguous()


def _plain(*tensors: Tensor) -> bool:
    """Whether these are float32 tensors on the CPU without gradients."""
    return all(x.dtype == torch.float32 and x.device.type == "cpu" and not x.requires_grad for x in tensors)


def _sum_of_axes(axes: Tensor, amounts: Tensor) -> Tensor:
    """Axes [M, 3, S] times amounts [..., S] -> [..., M, 3]."""
    if amounts.ndim == 1:
        return axes @ amounts
    return (amounts @ axes.flatten(0, 1).T).unflatten(-1, axes.shape[:2])


Tensors = TypeVar("Tensors", bound="DataclassInstance")


def moved_to(of: Tensors, device: torch.device | str | None, dtype: torch.dtype | None) -> Tensors:
    """A dataclass of tensors elsewhere: floats on a device in a float dtype, whole numbers on the device."""
    if dtype is not None and not dtype.is_floating_point:
        raise BadInput(f"to: expected a float dtype such as torch.float64, got {dtype}")
    values = {field.name: getattr(of, field.name) for field in fields(of)}
    return replace(
        of,
        **{
            name: value.to(device, dtype if value.is_floating_point() else None)
            for name, value in values.items()
            if isinstance(value, Tensor)
        },
    )


def joint_transforms(local: Tensor, joints: Tensor, translation: Tensor) -> Tensor:
    """World transforms [..., T, 5, 3, 4] that take rest-pose points to posed ones (FLAME, section 3).

    The root turns about joint 0. Leading axes broadcast.
    local [..., T, 5, 3, 3] rotation of each joint in its parent, joints [..., T, 5, 3] m at rest, translation
    [..., T, 3] m.
    """
    rotation, position = [local[..., 0, :, :]], [joints[..., 0, :]]
    for j, parent in enumerate(PARENTS[1:], 1):
        rotation.append(rotation[parent] @ local[..., j, :, :])
        bone = (joints[..., j, :] - joints[..., parent, :])[..., None]
        position.append(position[parent] + (rotation[parent] @ bone).squeeze(-1))
    world = torch.stack(rotation, -3)
    place = torch.stack(torch.broadcast_tensors(*position), -2)
    offset = place - (world @ joints[..., None]).squeeze(-1) + translation[..., None, :]
    return torch.cat([world.expand(*offset.shape, 3), offset[..., None]], -1)
