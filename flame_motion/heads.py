"""Heads in FLAME's structure: linear bases, a five-joint tree, linear blend skinning."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, overload

import torch
from torch import Tensor

from .errors import BadInput
from .rotations import matrix_from_axis_angle

if TYPE_CHECKING:
    from .sequence import FlameSequence

JOINTS = ("root", "neck", "jaw", "eye_left", "eye_right")
PARENTS = (-1, 0, 1, 1, 1)
PARTS = (
    "empty", "face", "lips", "lids", "scalp", "ears", "neck", "torso",
    "eye_left", "eye_right", "teeth_upper", "teeth_lower", "tongue", "mouth",
)  # fmt: skip
DEFAULT_HEAD = "open"  # the built-in one
FEW_FRAMES = 32  # so many are skinned before a second thread has started


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

    def shaped(self, shape: Tensor, offsets: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Rest vertices [M, 3] and joints [5, 3] of one identity, shape [S]; offsets [M, 3] m are added at rest."""
        s = shape.shape[0]
        vertices = self.template + self.identity[..., :s] @ shape
        return vertices if offsets is None else vertices + offsets, self.joints + self.joints_identity[..., :s] @ shape

    @overload
    def pose(self, rest: Tensor, joints: Tensor, motion: FlameSequence) -> Tensor: ...

    @overload
    def pose(
        self, rest: Tensor, joints: Tensor, motion: FlameSequence, with_frames: Literal[True]
    ) -> tuple[Tensor, Tensor]: ...

    def pose(
        self, rest: Tensor, joints: Tensor, motion: FlameSequence, with_frames: bool = False
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Vertices [T, M, 3] m in the world of one identity's rest mesh (`shaped`) under a motion of T frames.

        with_frames adds the blended rotation [T, M, 3, 3] that skinning gives each vertex.
        """
        frames, count = len(motion), rest.shape[0]
        joints_t = joints + torch.einsum("jke,te->tjk", self.joints_expression, motion.expression)
        local = matrix_from_axis_angle(
            torch.stack([motion.rotation, motion.neck, motion.jaw, *motion.eyes.unbind(1)], 1)
        )  # [T, 5, 3, 3]
        transforms = joint_transforms(local, joints_t, motion.translation)  # [T, 5, 3, 4]
        moved = self._coefficients(motion, local) @ self._moving_basis  # [T, 3 M]
        if not with_frames and _plain(moved, rest, transforms):
            return self._pose_fast(rest, moved.view(frames, 3, count), transforms)
        shaped = rest + moved.view(frames, 3, count).transpose(1, 2)
        blend = (self.weights @ transforms.reshape(frames, 5, 12)).reshape(frames, count, 3, 4)
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

    def _coefficients(self, motion: FlameSequence, local: Tensor) -> Tensor:
        """[T, C]: what multiplies each row of the moving basis."""
        rows = [motion.expression, motion.eyelids]
        if self.pose_correctives is not None:
            rows.append((local[:, 1:] - torch.eye(3, dtype=local.dtype)).reshape(len(local), 36))
        return torch.cat(rows, 1)

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
    """Whether these are single-precision numbers in main memory that nobody wants gradients of."""
    return all(x.dtype == torch.float32 and x.device.type == "cpu" and not x.requires_grad for x in tensors)


def joint_transforms(local: Tensor, joints: Tensor, translation: Tensor) -> Tensor:
    """World transforms [T, 5, 3, 4] that take rest-pose points to posed ones (FLAME, section 3).

    The root turns about joint 0.
    local [T, 5, 3, 3] rotation of each joint in its parent, joints [T, 5, 3] m at rest, translation [T, 3] m.
    """
    rotation, position = [local[:, 0]], [joints[:, 0]]
    for j, parent in enumerate(PARENTS[1:], 1):
        rotation.append(rotation[parent] @ local[:, j])
        bone = (joints[:, j] - joints[:, parent])[..., None]
        position.append(position[parent] + (rotation[parent] @ bone).squeeze(-1))
    world = torch.stack(rotation, 1)
    offset = torch.stack(position, 1) - (world @ joints[..., None]).squeeze(-1) + translation[:, None]
    return torch.cat([world, offset[..., None]], -1)


@dataclass(frozen=True, eq=False)
class Head:
    """A head model: FLAME's structure plus what FLAME's file lacks (uv, parts, eyelids, landmarks). Units: m, rad."""

    id: str  # name@hash, what FlameSequence.head holds
    template: Tensor  # [N, 3]
    identity: Tensor  # [N, 3, S]
    expression: Tensor  # [N, 3, E]
    expression_names: tuple[str, ...]
    pose_correctives: Tensor | None  # [N, 3, 36]
    joint_regressor: Tensor  # [5, N]
    weights: Tensor  # [N, 5]
    eyelids: Tensor  # [N, 3, 2] left, right
    faces: Tensor  # [F, 3]
    uv: Tensor  # [U, 2]
    uv_faces: Tensor  # [F, 3]
    part: Tensor  # [F] index into PARTS
    landmark_faces: Tensor  # [68]
    landmark_bary: Tensor  # [68, 3]
    mediapipe_faces: Tensor | None = None  # [478] face each MediaPipe landmark lies on, -1 where there is none
    mediapipe_bary: Tensor | None = None  # [478, 3] where on it; a corner (one-hot) on the built-in head
    prior: Tensor | None = None  # [4 + E + S] squared, covariance in a frame: jaw (2), eyelids, expression, wobble

    def __post_init__(self) -> None:
        n, f = self.template.shape[0], self.faces.shape[0]
        s, e = self.identity.shape[-1], self.expression.shape[-1]
        expected = {
            "template": (n, 3), "identity": (n, 3, s), "expression": (n, 3, e), "joint_regressor": (5, n),
            "weights": (n, 5), "eyelids": (n, 3, 2), "faces": (f, 3), "uv_faces": (f, 3), "part": (f,),
            "landmark_faces": (68,), "landmark_bary": (68, 3),
        }  # fmt: skip
        if self.mediapipe_faces is not None:
            expected |= {"mediapipe_faces": (478,), "mediapipe_bary": (478, 3)}
        for name, shape in expected.items():
            if (got := tuple(getattr(self, name).shape)) != shape:
                raise BadInput(f"head {self.id}: {name} must have shape {shape}, got {got}.")
        if len(self.expression_names) != e:
            raise BadInput(f"head {self.id}: {e} expression axes need as many names, got {len(self.expression_names)}.")

    @cached_property
    def skin(self) -> Skin:
        """Skinning data of all vertices."""
        return self.subset(None)

    def subset(self, index: Tensor | None) -> Skin:
        """Skinning data of some vertices (index [M]; all when None) with the joints of the whole head."""
        take = (lambda x: x) if index is None else (lambda x: x[index].contiguous())
        regress = lambda x: torch.einsum("jn,n...->j...", self.joint_regressor, x)  # noqa: E731
        return Skin(
            template=take(self.template),
            identity=take(self.identity),
            expression=take(self.expression),
            eyelids=take(self.eyelids),
            weights=take(self.weights),
            pose_correctives=None if self.pose_correctives is None else take(self.pose_correctives),
            joints=regress(self.template),
            joints_identity=regress(self.identity),
            joints_expression=regress(self.expression),
        )

    def points(self, faces: Tensor, bary: Tensor) -> Skin:
        """Skinning data of points on the surface: faces [M], bary [M, 3].

        A point in a corner is exactly that vertex; elsewhere it moves with its corners' mean bases and weights.
        """
        corner = self.faces[faces]  # [M, 3]
        if bool(((bary == 0) | (bary == 1)).all()):
            return self.subset(corner[torch.arange(len(corner)), bary.argmax(1)])
        skin = self.subset(corner.reshape(-1))
        between = lambda x: torch.einsum("mk,mk...->m...", bary, x.unflatten(0, (-1, 3)))  # noqa: E731
        moving = ("template", "identity", "expression", "eyelids", "weights")
        bent = None if skin.pose_correctives is None else between(skin.pose_correctives)
        return replace(skin, **{name: between(getattr(skin, name)) for name in moving}, pose_correctives=bent)

    def mediapipe_skin(self, landmarks: Tensor) -> Skin:
        """Skinning data of some MediaPipe landmarks [M]. BadInput where this head does not know them."""
        faces, bary = self.mediapipe_places()
        return self.points(faces[landmarks], bary[landmarks])

    @cached_property
    def mediapipe(self) -> Tensor:
        """The vertex [478] nearest to each MediaPipe landmark (the very vertex on the built-in head); -1: none."""
        faces, bary = self.mediapipe_places()
        corner = self.faces[faces.clamp_min(0)]
        return torch.where(faces < 0, -1, corner[torch.arange(len(corner)), bary.argmax(1)])

    def mediapipe_places(self) -> tuple[Tensor, Tensor]:
        """Face [478] (-1: none) and barycentric place [478, 3] of MediaPipe's landmarks. BadInput: not known here."""
        if self.mediapipe_faces is None or self.mediapipe_bary is None:
            raise BadInput(
                f"Head {self.id} has no map from MediaPipe's landmarks to its surface, so it cannot be fitted to a "
                "picture; fit with the built-in head and retarget the motion."
            )
        return self.mediapipe_faces, self.mediapipe_bary

    def __call__(self, motion: FlameSequence, offsets: Tensor | None = None) -> Tensor:
        """Vertices [T, N, 3] m in the world. offsets [N, 3] m: a person's own detail, added at rest."""
        self.check(motion)
        rest, joints = self.skin.shaped(motion.shape, offsets)
        return self.skin.pose(rest, joints, motion)

    def landmarks(self, motion: FlameSequence) -> Tensor:
        """The 68 iBUG landmarks [T, 68, 3] m in the world. BadInput where this head does not know them."""
        self.check(motion)
        if bool(self.landmark_bary.isnan().any()):
            raise BadInput(
                f"head {self.id}: its file does not say where the 68 landmarks are, and its template is no head that "
                "they could be found on; use the built-in head 'open' where landmarks are needed"
            )
        corners = self.faces[self.landmark_faces]  # [68, 3]
        skin = self._landmark_skin
        posed = skin.pose(*skin.shaped(motion.shape), motion).reshape(len(motion), *corners.shape, 3)
        return (posed * self.landmark_bary[None, :, :, None]).sum(2)

    @cached_property
    def _landmark_skin(self) -> Skin:
        return self.subset(self.faces[self.landmark_faces].reshape(-1))

    def check(self, motion: FlameSequence) -> None:
        """Raise BadInput unless the motion was made for this head, and fits it."""
        if motion.head != self.id:
            raise BadInput(
                f"This motion was made for head {motion.head}, not {self.id}: coefficients of different heads "
                "are not interchangeable. Load the motion's own head, or make the motion again with this one."
            )
        e, s = motion.expression.shape[1], motion.shape.shape[0]
        if e != self.expression.shape[-1] or s > self.identity.shape[-1]:
            raise BadInput(
                f"This motion has {e} expression and {s} identity coefficients, and its head {self.id} has "
                f"{self.expression.shape[-1]} and {self.identity.shape[-1]}: it was damaged, so make it again."
            )
