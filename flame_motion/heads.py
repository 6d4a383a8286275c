"""Heads in FLAME's structure: linear bases, a five-joint tree, linear blend skinning."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import torch
from torch import Tensor

from .errors import BadInput, MissingAsset
from .rotations import matrix_from_axis_angle

if TYPE_CHECKING:
    from .sequence import FlameSequence

JOINTS = ("root", "neck", "jaw", "eye_left", "eye_right")
PARENTS = (-1, 0, 1, 1, 1)
PARTS = (
    "empty", "face", "lips", "lids", "scalp", "ears", "neck", "torso",
    "eye_left", "eye_right", "teeth_upper", "teeth_lower", "tongue", "mouth",
)  # fmt: skip


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
        coefficients = torch.cat([motion.expression, motion.eyelids], 1)  # [T, E+2]
        moved = torch.addmm(rest.reshape(1, -1), coefficients, self._moving_basis).reshape(frames, count, 3)
        joints_t = joints + torch.einsum("jke,te->tjk", self.joints_expression, motion.expression)
        local = matrix_from_axis_angle(
            torch.stack([motion.rotation, motion.neck, motion.jaw, *motion.eyes.unbind(1)], 1)
        )  # [T, 5, 3, 3]
        if self.pose_correctives is not None:
            bend = (local[:, 1:] - torch.eye(3, dtype=local.dtype)).reshape(frames, 36)
            moved = moved + (bend @ self.pose_correctives.reshape(-1, 36).T).reshape(frames, count, 3)
        transforms = joint_transforms(local, joints_t, motion.translation)  # [T, 5, 3, 4]
        blend = (self.weights @ transforms.reshape(frames, 5, 12)).reshape(frames, count, 3, 4)
        posed = (blend[..., :3] @ moved[..., None]).squeeze(-1) + blend[..., 3]
        return (posed, blend[..., :3]) if with_frames else posed

    @cached_property
    def _moving_basis(self) -> Tensor:
        """[E+2, 3M]: expression and eyelid axes as rows, so that a frame is one small matrix product."""
        return torch.cat([self.expression, self.eyelids], -1).reshape(-1, self.expression.shape[-1] + 2).T.contiguous()


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
    prior: Tensor | None = None  # [4 + E + S] squared, covariance in a frame: jaw (2), eyelids, expression, wobble
    mediapipe: Tensor | None = None  # [478] vertex of each MediaPipe landmark, -1 where there is none

    def __post_init__(self) -> None:
        n, f = self.template.shape[0], self.faces.shape[0]
        s, e = self.identity.shape[-1], self.expression.shape[-1]
        expected = {
            "template": (n, 3), "identity": (n, 3, s), "expression": (n, 3, e), "joint_regressor": (5, n),
            "weights": (n, 5), "eyelids": (n, 3, 2), "faces": (f, 3), "uv_faces": (f, 3), "part": (f,),
            "landmark_faces": (68,), "landmark_bary": (68, 3),
        }  # fmt: skip
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

    def __call__(self, motion: FlameSequence, offsets: Tensor | None = None) -> Tensor:
        """Vertices [T, N, 3] m in the world. offsets [N, 3] m: a person's own detail, added at rest."""
        self.check(motion)
        rest, joints = self.skin.shaped(motion.shape, offsets)
        return self.skin.pose(rest, joints, motion)

    def landmarks(self, motion: FlameSequence) -> Tensor:
        """The 68 iBUG landmarks [T, 68, 3] m in the world."""
        self.check(motion)
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


def load_head(name: str | os.PathLike[str] = "open") -> Head:
    """A head by name ("open", a plug-in), by the id in a motion ("open@1a2b3c4d") or by file (FLAME .pkl or .npz).

    Raises MissingAsset when it is not here, BadInput when the file is no head or the id is of another version.
    """
    return _load_head(str(name))


@lru_cache(maxsize=8)
def _load_head(name: str) -> Head:
    base, _, wanted = name.partition("@")
    head = _find_head(base)
    if wanted and head.id != name:
        raise MissingAsset(
            f"Head {name} is not here: the {base!r} head installed is {head.id}. "
            "Install the flamecast version that made this motion, or make the motion again."
        )
    return head


def _find_head(base: str) -> Head:
    if base == "open":
        return load_open_head()
    if base.endswith((".pkl", ".npz")) or "/" in base:
        from .flame_file import load_flame

        return load_flame(Path(base))
    plugins = {e.name: e for e in entry_points(group="flamecast.heads")}
    if base in plugins:
        return plugins[base].load()()
    from .flame_file import find_converted

    return find_converted(base)


def load_open_head() -> Head:
    """The built-in head that ships with flamecast."""
    return read_head(Path(__file__).parent / "open_head" / "open.npz", "open")


def read_head(path: Path, name: str) -> Head:
    """A Head from an .npz whose keys are its field names; the id carries the hash of the file's content."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    with np.load(path, allow_pickle=False) as file:
        arrays = {k: file[k] for k in file.files}
    names = tuple(str(x) for x in arrays["expression_names"])
    whole = ("faces", "uv_faces", "part", "landmark_faces", "mediapipe")
    tensors: dict[str, Any] = {
        k: torch.from_numpy(np.asarray(arrays[k], np.int64 if k in whole else np.float32))
        for k in Head.__dataclass_fields__
        if k in arrays and k not in ("id", "expression_names")
    }
    return Head(id=f"{name}@{digest}", expression_names=names, **{"pose_correctives": None, **tensors})
