"""Heads in FLAME's structure: linear bases, a five-joint tree, linear blend skinning."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from ...core.errors import BadInput
from ..channels import Channels, Motion, Pose
from .skinning import JOINTS as JOINTS
from .skinning import PARENTS as PARENTS
from .skinning import Skin, moved_to

PARTS = (
    "empty", "face", "lips", "lids", "scalp", "ears", "neck", "torso",
    "eye_left", "eye_right", "teeth_upper", "teeth_lower", "tongue", "mouth",
)  # fmt: skip
DEFAULT_HEAD = "open"  # the built-in one


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

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Head:
        """The same head (and id) elsewhere: float tensors on a device in a float dtype, index tensors on the device."""
        return moved_to(self, device, dtype)

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

    def __call__(self, motion: Motion, offsets: Tensor | None = None) -> Tensor:
        """Vertices [T, N, 3] m in the world. offsets [N, 3] m: a person's own detail, added at rest."""
        self.check(motion)
        return self.pose(*self._own_dtype(motion), offsets)

    def pose(self, channels: Channels, shape: Tensor, offsets: Tensor | None = None) -> Tensor:
        """Vertices [..., T, N, 3] m in the world, in the head's dtype, on its device, for losses too.

        channels: a `Pose` [..., T] (or a motion) in that dtype, on that device. shape [..., S] (fewer than the head's
        axes: the rest are 0), offsets [..., N, 3] m at rest; leading axes broadcast. Differentiable in all of them.
        """
        return self.skin.pose(*self.skin.shaped(shape, offsets), channels)

    def landmarks(self, motion: Motion) -> Tensor:
        """The 68 iBUG landmarks [T, 68, 3] m in the world. BadInput where this head does not know them."""
        self.check(motion)
        return self.pose_landmarks(*self._own_dtype(motion))

    @cached_property
    def landmark_skin(self) -> Skin:
        """Skinning data of the 68 landmarks. BadInput where this head does not know them."""
        self._check_landmarks()
        return self.points(self.landmark_faces, self.landmark_bary)

    def pose_landmarks(self, channels: Channels, shape: Tensor) -> Tensor:
        """The 68 iBUG landmarks [..., T, 68, 3] m of what `pose` takes. BadInput where this head does not know them."""
        skin = self._landmark_corners
        posed = skin.pose(*skin.shaped(shape), channels).unflatten(-2, (68, 3))  # [..., T, 68, 3 corners, 3]
        return (posed * self.landmark_bary[..., None]).sum(-2)

    def _own_dtype(self, motion: Motion) -> tuple[Channels, Tensor]:
        """A motion's channels and shape [S] in the head's dtype."""
        dtype = self.template.dtype
        return (motion if dtype == motion.shape.dtype else Pose.of(motion).to(dtype=dtype)), motion.shape.to(dtype)

    @cached_property
    def _landmark_corners(self) -> Skin:
        """The corners of the landmarks' faces [68 x 3]."""
        self._check_landmarks()
        return self.subset(self.faces[self.landmark_faces].reshape(-1))

    def _check_landmarks(self) -> None:
        """BadInput where the landmarks are not known; tensors without values (meta) are not checked."""
        if not self.landmark_bary.is_meta and bool(self.landmark_bary.isnan().any()):
            raise BadInput(
                f"head {self.id}: its file does not say where the 68 landmarks are, and its template is no head that "
                "they could be found on; use the built-in head 'open' where landmarks are needed"
            )

    def check(self, motion: Motion) -> None:
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
