"""Fits a head to detected landmarks: a batched Levenberg-Marquardt over identity, pose, jaw, eyes, eyelids, expression.

The camera is a pinhole that looks along world -z from the origin; a pose's translation puts the head in front of it.
Lengths m, angles rad, image coordinates px.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import torch
from torch import Tensor

from ..heads import Head, Skin
from ..rotations import matrix_from_axis_angle, skew
from .landmarks import EYES_OUTLINE, FACE_OUTLINE, INNER_LIPS, LIPS, OUTER_EYE_CORNERS

FIELD_OF_VIEW = np.radians(28.0)  # across the longer side, when the focal length is not known: a portrait lens
# Where each unknown of one frame stands in the vector that the solver sees.
NECK, TRANSLATION, JAW, EYES, LIDS = slice(0, 3), slice(3, 6), slice(6, 8), slice(8, 12), slice(12, 14)
IDENTITIES = 60  # identity axes at most: landmarks tell no more apart of FLAME's 300, which come by falling variance
POSE = 12  # unknowns ahead of the linear ones (eyelids, expression)

# Upper and lower rims of eyes and mouth: how far they are apart is known better, APERTURE times, than where they are.
APERTURES = [
    (159, 145), (158, 153), (160, 144), (386, 374), (385, 380), (387, 373), (13, 14), (82, 87), (312, 317)
]  # fmt: skip
APERTURE = 3.0
ENOUGH = 16  # frames that are worth a thread of their own

# One standard deviation of what we expect, before looking. Radians, metres, axis units.
SIGMA_JAW, SIGMA_EYES, SIGMA_NAMED, SIGMA_LIDS = 0.25, 0.25, 0.35, 1.0
# Other than SIGMA_NAMED; no landmark shows the tongue.
SIGMA_EXPRESSION = {"residual": 1.0, "expression": 1.0, "tongueOut": 0.02}
SIGMA_WOBBLE = 0.3  # of a frame's face at rest about its identity, when the head has not learned it
SIGMA_SQUINT = 0.05  # rad by which the eyes' gazes differ
SIGMA_POINT, SIGMA_DEPTH = 0.010, 0.08  # of a landmark, in inter-ocular distances: in the image, and along z


@dataclass(frozen=True)
class Pinhole:
    """The camera of a fit."""

    focal: float  # px
    width: int
    height: int

    @staticmethod
    def guess(width: int, height: int, focal: float | None = None) -> Pinhole:
        """Focal length px as given, or that of a portrait lens (28 degrees across the longer side)."""
        return Pinhole(focal or 0.5 * max(width, height) / float(np.tan(FIELD_OF_VIEW / 2)), width, height)

    def project(self, points: Tensor) -> Tensor:
        """World points [..., 3] m to px [..., 2]; world +x is image right, world +y image up."""
        depth = -points[..., 2:]
        centre = points.new_tensor([self.width / 2, self.height / 2])
        return points[..., :2] * points.new_tensor([1.0, -1.0]) * self.focal / depth + centre


@dataclass(frozen=True)
class Frames:
    """The unknowns of T frames."""

    neck: Tensor  # [T, 3, 3] rotation
    translation: Tensor  # [T, 3] m
    jaw: Tensor  # [T, 2] pitch, yaw
    eyes: Tensor  # [T, 2, 2] pitch, yaw of the left and the right eye
    linear: Tensor  # [T, 2 + E] eyelids, expression

    def __len__(self) -> int:
        return self.neck.shape[0]

    def __getitem__(self, index: slice | Tensor) -> Frames:
        return Frames(*(getattr(self, f)[index] for f in self.__dataclass_fields__))

    def step(self, delta: Tensor) -> Frames:
        """The unknowns after a step delta [T, 14 + E]; the neck turns by a small world rotation."""
        linear = self.linear + delta[:, POSE:]
        return Frames(
            matrix_from_axis_angle(delta[:, NECK]) @ self.neck,
            self.translation + delta[:, TRANSLATION],
            (self.jaw + delta[:, JAW]).clamp(-0.35, 0.9),
            self.eyes + delta[:, EYES].unflatten(1, (2, 2)),
            torch.cat([linear[:, :2].clamp(0, 1), linear[:, 2:]], 1),
        )

    def flat(self) -> Tensor:
        """All but the rotation as a vector [T, 14 + E]; zeros where the neck stands."""
        return torch.cat(
            [torch.zeros_like(self.translation), self.translation, self.jaw, self.eyes.flatten(1), self.linear], 1
        )

    @staticmethod
    def cat(parts: list[Frames]) -> Frames:
        """One after the other."""
        return Frames(*(torch.cat([getattr(p, f) for p in parts]) for f in Frames.__dataclass_fields__))


@lru_cache(maxsize=4)
def landmark_fit(head: Head, thin: bool = False) -> LandmarkFit:
    """The fit of a head, made once: the products of its axes take longer than a second of video."""
    return LandmarkFit(head, thin)


@lru_cache(maxsize=1)
def _beside(pid: int) -> ThreadPoolExecutor:
    """One more thread a process; threads do not live on in a forked child, hence the key."""
    return ThreadPoolExecutor(1, "flamecast-fit")


class LandmarkFit:
    """A head reduced to the vertices that MediaPipe sees, and the least-squares problem over them."""

    def __init__(self, head: Head, thin: bool = False) -> None:
        """thin: every second of the landmarks on cheeks, nose and forehead is enough; twice as fast for a video."""
        self.head = head
        use = head.mediapipe >= 0
        if thin:
            between = torch.ones(478, dtype=torch.bool)
            between[[*LIPS, *EYES_OUTLINE, *FACE_OUTLINE, *range(468, 478)]] = False
            use[torch.nonzero(between)[::2]] = False
        self.seen = torch.nonzero(use).squeeze(1)  # [P] which landmarks
        skin = head.mediapipe_skin(self.seen)
        self.skin: Skin = replace(
            skin, identity=skin.identity[..., :IDENTITIES], joints_identity=skin.joints_identity[..., :IDENTITIES]
        )
        self.basis = torch.cat([self.skin.eyelids, self.skin.expression], -1)  # [P, 3, 2 + E]
        self.axes = Axes.of(self.basis)
        place = {int(landmark): k for k, landmark in enumerate(self.seen)}
        self.pairs = torch.tensor([[place[a], place[b]] for a, b in APERTURES if a in place and b in place]).T
        self.weight = landmark_weights()[self.seen]  # [P]
        expected = [SIGMA_EXPRESSION.get(name.split("_")[0], SIGMA_NAMED) for name in head.expression_names]
        self.sigma = torch.tensor([SIGMA_LIDS, SIGMA_LIDS, *expected])

    @property
    def size(self) -> int:
        """How many unknowns a frame has."""
        return POSE + self.basis.shape[-1]

    @cached_property
    def identity_axes(self) -> Axes:
        """The linear unknowns of an identity fit: eyelids, expression, identity."""
        return Axes.of(self.basis, self.skin.identity)

    @cached_property
    def identity_prior(self) -> Tensor:
        """Precision [D + S, D + S] of one frame's unknowns and of its wobble about the identity."""
        size, count = self.size, self.skin.identity.shape[-1]
        precision = torch.diag(torch.full((size + count,), SIGMA_WOBBLE**-2))
        precision[:size, :size] = self.prior()
        if self.head.prior is not None:
            learned = torch.linalg.inv(self.head.prior.double()).float()
            index = torch.tensor([*range(JAW.start, JAW.stop), *range(LIDS.start, size + count)])
            precision[index[:, None], index] = learned
        return precision

    # -- the model and its derivatives ---------------------------------------------------------------------------

    def points(self, rest: Tensor, joints: Tensor, state: Frames) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
        """World points [T, P, 3], their frames [T, P, 3, 3], the neck joint [T, 3] and lever arms per joint."""
        skin, frames = self.skin, len(state)
        shaped = rest + (state.linear @ self.basis.flatten(0, 1).T).reshape(frames, -1, 3)
        joints_t = joints + torch.einsum("jke,te->tjk", skin.joints_expression, state.linear[:, 2:])
        neck_joint = joints_t[:, 1]
        rotations = [state.neck]
        for angles in (state.jaw, state.eyes[:, 0], state.eyes[:, 1]):
            rotations.append(state.neck @ matrix_from_axis_angle(torch.nn.functional.pad(angles, (0, 1))))
        frame = skin.weights[None, :, 0, None, None] * torch.eye(3)
        world = skin.weights[:, :1] * shaped
        arms = []
        for j, rotation in enumerate(rotations, 1):
            pivot = (state.neck @ (joints_t[:, j] - neck_joint)[..., None]).squeeze(-1) + neck_joint
            arm = (shaped - joints_t[:, None, j]) @ rotation.transpose(1, 2)  # [T, P, 3]
            weight = skin.weights[:, j]
            world = world + weight[:, None] * (arm + pivot[:, None])
            frame = frame + weight[None, :, None, None] * rotation[:, None]
            arms.append(weight[:, None] * arm)
        world = world + state.translation[:, None]
        return world, frame, neck_joint, arms

    def jacobian(self, state: Frames, world: Tensor, frame: Tensor, neck_joint: Tensor, arms: list[Tensor]) -> Tensor:
        """d world / d unknowns of the pose [T, P, 3, 12]; the linear unknowns' part is frame @ basis."""
        turned = world - state.translation[:, None] - neck_joint[:, None]
        turned = (1 - self.skin.weights[:, :1]) * turned  # what hangs on the root does not turn with the neck
        columns = [-skew(turned), torch.eye(3).expand(*world.shape[:2], 3, 3)]
        for j, angles in ((1, state.jaw), (2, state.eyes[:, 0]), (3, state.eyes[:, 1])):
            axes = _turn_axes(angles, state.neck)  # [T, 3, 2]
            columns.append(
                torch.linalg.cross(axes.transpose(1, 2)[:, None], arms[j][:, :, None], dim=-1).transpose(2, 3)
            )
        return torch.cat(columns, -1)

    # -- residuals -----------------------------------------------------------------------------------------------

    def normal_equations(
        self, state: Frames, rest: Tensor, joints: Tensor, data: Observation, axes: Axes
    ) -> tuple[Tensor, Tensor]:
        """Gauss-Newton H [T, D, D] and g [T, D] of the landmarks alone.

        axes: the linear unknowns, `self.axes` or those with further ones (identity) behind them. The halves of a long
        clip are worked on side by side: on one thread torch leaves the second core idle.
        """
        middle = len(state) // 2
        if middle < ENOUGH or rest.ndim > 2:
            return self._normal_equations(state, rest, joints, data, axes)
        other = _beside(os.getpid()).submit(self._normal_equations, state[middle:], rest, joints, data[middle:], axes)
        first = self._normal_equations(state[:middle], rest, joints, data[:middle], axes)
        second = other.result()
        return torch.cat([first[0], second[0]]), torch.cat([first[1], second[1]])

    def _normal_equations(
        self, state: Frames, rest: Tensor, joints: Tensor, data: Observation, axes: Axes
    ) -> tuple[Tensor, Tensor]:
        world, frame, neck_joint, arms = self.points(rest, joints, state)
        image, gradient = project_rows(data.camera, world)  # [T, P, 2], [T, P, 3, 3] rows u, v, z
        depth = world[..., 2] - world[..., 2].mean(1, keepdim=True)
        rows = gradient * data.weight[..., None]  # [T, P, 3, 3]
        error = torch.cat([data.image - image, (data.depth - depth)[..., None]], -1) * data.weight
        # The derivatives by the linear unknowns are `linear @ basis`, too many to write down; wanted of them are
        # sums over points of small matrices times the basis, or times products of it that do not change.
        linear, pose = rows @ frame, rows @ self.jacobian(state, world, frame, neck_joint, arms)
        count, size = len(state), axes.basis.shape[-1]
        flat = axes.basis.flatten(0, 1)  # [3P, C]
        cross = (pose.transpose(2, 3) @ linear).permute(0, 2, 1, 3).flatten(2) @ flat  # [T, 12, C]
        h = torch.empty(count, POSE + size, POSE + size)
        h[:, :POSE, :POSE] = pose.flatten(1, 2).transpose(1, 2) @ pose.flatten(1, 2)
        h[:, :POSE, POSE:] = cross
        h[:, POSE:, :POSE] = cross.transpose(1, 2)
        h[:, POSE:, POSE:] = axes.gram(linear.transpose(2, 3) @ linear)
        left, right = (
            (pose.transpose(2, 3) @ error[..., None]).sum(1).squeeze(-1),
            (linear.transpose(2, 3) @ error[..., None]).flatten(1) @ flat,
        )
        g = torch.cat([left, right], 1)
        more_h, more_g = self._apertures(error, pose, linear, data, axes)
        return h + more_h, g + more_g

    def _apertures(
        self, error: Tensor, pose: Tensor, linear: Tensor, data: Observation, axes: Axes
    ) -> tuple[Tensor, Tensor]:
        """What the openings of eyes and mouth add to H and g: one landmark less the other, surer than either alone.

        error [T, P, 3], pose [T, P, 3, 12] and linear [T, P, 3, 3] as in `normal_equations`, weighted there.
        """
        upper, lower = self.pairs
        ends = []
        for end in (upper, lower):
            rows = torch.cat([pose[:, end, :2], linear[:, end, :2] @ axes.basis[end]], -1)  # [T, K, 2, D]
            weight = data.weight[:, end, :2].clamp_min(1e-12)
            ends.append((rows / weight[..., None], error[:, end, :2] / weight, weight))
        (row_a, error_a, weight), (row_b, error_b, _) = ends
        weight = APERTURE * weight
        rows = ((row_a - row_b) * weight[..., None]).flatten(1, 2).transpose(1, 2)
        gap = ((error_a - error_b) * weight).flatten(1)
        return rows @ rows.transpose(1, 2), (rows @ gap[..., None]).squeeze(-1)

    def prior(self) -> Tensor:
        """Precision [D, D] of one frame's unknowns about zero: the face at rest, both eyes looking the same way."""
        free, jaw, eyes = torch.full((6,), torch.inf), torch.full((2,), SIGMA_JAW), torch.full((4,), SIGMA_EYES)
        precision = torch.diag(torch.cat([free, jaw, eyes, self.sigma]) ** -2)
        squint = torch.tensor([[1.0, 0.0, -1.0, 0.0], [0.0, 1.0, 0.0, -1.0]]) / SIGMA_SQUINT
        precision[EYES, EYES] += squint.T @ squint
        return precision

    def smoothness(self, fps: float) -> Tensor:
        """Precision [D] of the change of each unknown from one frame to the next.

        The deviations are what faces do in a second, shared out over the frames as a random walk does it. Those
        of the head are tightened: the errors of neighbouring landmarks are alike, so the data claim to know its pose
        better than they do. (Tightening the face as well was measured to cost expression.)
        """
        per_second = torch.cat(
            [
                torch.full((3,), 0.4),  # head turns rad
                torch.tensor([0.10, 0.10, 0.06]),  # head moves m; towards the camera it mostly is noise
                torch.full((2,), 2.0),  # jaw rad
                torch.full((4,), 4.0),  # eyes rad, they jump
                torch.full((2,), 15.0),  # eyelids: a blink shuts in 0.1 s
                4.0 * self.sigma[2:],
            ]
        )
        return fps / per_second**2


@dataclass(frozen=True)
class Axes:
    """C linear unknowns of P points, and the products of their entries that normal equations are sums of."""

    basis: Tensor  # [P, 3, C]
    products: Tensor  # [6 P, C (C + 1) / 2]: for the upper triangles of a 3 x 3 matrix and of H

    @staticmethod
    def of(*bases: Tensor) -> Axes:
        """The bases side by side."""
        basis = torch.cat(bases, -1)
        rows, columns = torch.triu_indices(basis.shape[-1], basis.shape[-1])
        both = [
            basis[:, a, rows] * basis[:, b, columns] + (a != b) * basis[:, b, rows] * basis[:, a, columns]
            for a, b in torch.triu_indices(3, 3).T.tolist()
        ]
        return Axes(basis, torch.stack(both, 1).flatten(0, 1))

    def gram(self, local: Tensor) -> Tensor:
        """Sum over points of basis' local basis [T, C, C], local [T, P, 3, 3] symmetric."""
        size = self.basis.shape[-1]
        a, b = torch.triu_indices(3, 3)
        rows, columns = torch.triu_indices(size, size)
        upper = local[:, :, a, b].flatten(1) @ self.products
        gram = torch.empty(len(local), size, size)
        gram[:, rows, columns] = upper
        gram[:, columns, rows] = upper
        return gram


@dataclass(frozen=True)
class Observation:
    """Landmarks of T frames as the solver wants them: whitened by `weight`."""

    image: Tensor  # [T, P, 2] px
    depth: Tensor  # [T, P] m towards the camera, zero mean
    weight: Tensor  # [T, P, 3] 1/px, 1/px, 1/m; zero for a frame without a face
    camera: Pinhole

    def __getitem__(self, index: slice | Tensor) -> Observation:
        return Observation(self.image[index], self.depth[index], self.weight[index], self.camera)


def landmark_weights() -> Tensor:
    """Trust in each of the 478 landmarks: eyes and lips are seen best, the outline slides along the cheek."""
    weight = torch.ones(478)
    weight[LIPS + EYES_OUTLINE] = 2.0
    weight[INNER_LIPS] = 4.0  # a millimetre here is an open or a shut mouth
    weight[FACE_OUTLINE] = 0.4
    weight[468:] = 1.5
    return weight


def observe(problem: LandmarkFit, points: np.ndarray, camera: Pinhole) -> Observation:
    """Detected points [T, 478, 3] px (NaN where there is no face) as an Observation."""
    found = torch.from_numpy(np.isfinite(points).all((1, 2)))
    detected = torch.from_numpy(np.nan_to_num(points)).float()[:, problem.seen]
    corner = np.nan_to_num(points[:, OUTER_EYE_CORNERS])
    eyes = torch.from_numpy(np.linalg.norm(corner[:, 0] - corner[:, 1], axis=-1)).float()  # 3D: stays right in profile
    eyes = torch.where(found, eyes, torch.ones_like(eyes))
    metres = _eye_distance(problem) / eyes  # m a px at the face
    depth = -detected[..., 2] * metres[:, None]
    depth = depth - depth.mean(1, keepdim=True)
    weight = problem.weight[None, :, None] * torch.tensor([1.0, 1.0, 0.0]) / (SIGMA_POINT * eyes)[:, None, None]
    weight[..., 2] = 1.0 / (SIGMA_DEPTH * _eye_distance(problem))
    return Observation(detected[..., :2], depth, weight * found[:, None, None], camera)


def _eye_distance(problem: LandmarkFit) -> float:
    corners = problem.head.mediapipe_skin(torch.tensor(OUTER_EYE_CORNERS)).template
    return float(torch.linalg.vector_norm(corners[0] - corners[1]))


def project_rows(camera: Pinhole, world: Tensor) -> tuple[Tensor, Tensor]:
    """Image points [T, P, 2] px and the rows d(u, v, z) / d world [T, P, 3, 3]."""
    depth = (-world[..., 2]).clamp_min(0.05)
    scale = camera.focal / depth
    zero = torch.zeros_like(scale)
    rows = torch.stack(
        [
            scale, zero, scale * world[..., 0] / depth,
            zero, -scale, -scale * world[..., 1] / depth,
            zero, zero, torch.ones_like(scale),
        ],
        -1,
    ).unflatten(-1, (3, 3))  # fmt: skip
    return camera.project(world), rows


def _turn_axes(angles: Tensor, parent: Tensor) -> Tensor:
    """World axes [T, 3, 2] about which a joint turns when its (pitch, yaw) changes: left Jacobian of SO(3)."""
    vector = torch.nn.functional.pad(angles, (0, 1))
    theta = torch.linalg.vector_norm(vector, dim=-1).clamp_min(1e-4)[:, None, None]
    k = skew(vector)
    left = torch.eye(3) + (1 - theta.cos()) / theta**2 * k + (theta - theta.sin()) / theta**3 * (k @ k)
    return (parent @ left)[..., :2]
