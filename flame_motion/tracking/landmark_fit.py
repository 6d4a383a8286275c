"""Fits a head to detected landmarks: a batched Levenberg-Marquardt over identity, pose, jaw, eyes, eyelids, expression.

The camera is a pinhole that looks along world -z from the origin; a pose's translation puts the head in front of it.
Lengths m, angles rad, image coordinates px.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ...core.parallel import split
from ...core.threads import one_torch_thread
from ..heads.head import Head, Skin
from ..rotations import matrix_from_axis_angle, skew
from .landmarks import EYES_OUTLINE, FACE_OUTLINE, INNER_LIPS, LIPS, OUTER_EYE_CORNERS
from .pinhole import Pinhole
from .unknowns import EYES, JAW, LIDS, POSE, Unknowns

IDENTITIES = 60  # identity axes used, at most: of FLAME's 300, by falling variance, landmarks determine no more

# Upper and lower rims of eyes and mouth: their distance is known APERTURE times as well as their places.
APERTURES = [
    (159, 145), (158, 153), (160, 144), (386, 374), (385, 380), (387, 373), (13, 14), (82, 87), (312, 317)
]  # fmt: skip
APERTURE = 3.0
TOGETHER = 8  # frames whose derivatives are computed at once, so that they stay in the cache

# One standard deviation of what we expect, before looking. Radians, metres, axis units.
SIGMA_JAW, SIGMA_EYES, SIGMA_NAMED, SIGMA_LIDS = 0.25, 0.25, 0.35, 1.0
# Other than SIGMA_NAMED; no landmark shows the tongue.
SIGMA_EXPRESSION = {"residual": 1.0, "expression": 1.0, "tongueOut": 0.02}
SIGMA_WOBBLE = 0.3  # of a frame's face at rest about its identity, when the head has not learned it
SIGMA_SQUINT = 0.05  # rad by which the eyes' gazes differ
SIGMA_POINT, SIGMA_DEPTH = 0.010, 0.08  # of a landmark, in inter-ocular distances: in the image, and along z


class LandmarkFit:
    """A head reduced to the vertices that MediaPipe sees, and the least-squares problem over them."""

    def __init__(self, head: Head, thin: bool = False) -> None:
        """thin: use every second of the landmarks on cheeks, nose and forehead only; twice as fast."""
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
        place = {int(landmark): k for k, landmark in enumerate(self.seen)}
        self.pairs = torch.tensor([[place[a], place[b]] for a, b in APERTURES if a in place and b in place])
        self.weight = landmark_weights()[self.seen]  # [P]
        expected = [SIGMA_EXPRESSION.get(name.split("_")[0], SIGMA_NAMED) for name in head.expression_names]
        self.sigma = torch.tensor([SIGMA_LIDS, SIGMA_LIDS, *expected])

    @property
    def size(self) -> int:
        """D: the number of a frame's unknowns."""
        return POSE + self.basis.shape[-1]

    @cached_property
    def eye_distance(self) -> float:
        """Distance of the outer eye corners of the mean person, m."""
        corners = self.head.mediapipe_skin(torch.tensor(OUTER_EYE_CORNERS)).template
        return float(torch.linalg.vector_norm(corners[0] - corners[1]))

    @cached_property
    def identity_basis(self) -> Tensor:
        """The linear unknowns [P, 3, 2 + E + S] of an identity fit: eyelids, expression, identity."""
        return torch.cat([self.basis, self.skin.identity], -1)

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

    def points(self, rest: Tensor, joints: Tensor, state: Unknowns) -> tuple[Tensor, Tensor]:
        """World points [T, P, 3] and their frames [T, P, 3, 3], which turn what moves at rest into the world."""
        weights, (shaped, joints_t, rotations) = self.skin.weights, self._posed(rest, joints, state)
        neck_joint = joints_t[:, 1]
        frame = weights[None, :, 0, None, None] * torch.eye(3)
        world = weights[:, :1] * shaped
        for j, rotation in enumerate(rotations.unbind(1), 1):
            pivot = (state.neck @ (joints_t[:, j] - neck_joint)[..., None]).squeeze(-1) + neck_joint
            arm = (shaped - joints_t[:, None, j]) @ rotation.transpose(1, 2)  # [T, P, 3]
            world = world + weights[:, j, None] * (arm + pivot[:, None])
            frame = frame + weights[None, :, j, None, None] * rotation[:, None]
        return world + state.translation[:, None], frame

    def _posed(self, rest: Tensor, joints: Tensor, state: Unknowns) -> tuple[Tensor, Tensor, Tensor]:
        """Points [T, P, 3] and joints [T, 5, 3] m at rest with the expression, rotations [T, 4, 3, 3] of the joints."""
        shaped = rest + (state.linear @ self.basis.flatten(0, 1).T).unflatten(1, (-1, 3))
        joints_t = joints + (state.linear[:, 2:] @ self.skin.joints_expression.flatten(0, 1).T).unflatten(1, (-1, 3))
        turns = matrix_from_axis_angle(torch.nn.functional.pad(_turning(state), (0, 1)))
        return shaped, joints_t, torch.cat([state.neck[:, None], state.neck[:, None] @ turns], 1)

    # -- residuals -----------------------------------------------------------------------------------------------

    def rows(self, state: Unknowns, rest: Tensor, joints: Tensor, data: Observation) -> tuple[Tensor, Tensor, Tensor]:
        """The weighted errors (u, v, depth) of the landmarks, and how they fall with the unknowns.

        error [T, P, 3]; pose [T, P, 3, 12] by the unknowns of the pose; linear [T, P, 3, 3] by the point at rest, so
        that linear @ basis [P, 3, C] is by the linear unknowns. (That expressions move the joints, by micrometres,
        is left out, and so is that the mean depth moves.)
        """
        from .fit_kernel import differentiate

        count = len(state), len(self.seen), 3
        shaped, joints_t, rotations = self._posed(rest, joints, state)
        camera = torch.tensor([data.camera.focal, data.camera.width / 2, data.camera.height / 2])
        axes = _turn_axes(_turning(state), state.neck[:, None])
        error, pose, linear = torch.empty(count), torch.empty(*count, POSE), torch.empty(*count, 3)
        differentiate(*_arrays(
            shaped, joints_t, rotations, axes, self.skin.weights, state.translation,
            data.image, data.depth, data.weight, camera, error, pose, linear,
        ))  # fmt: skip
        return error, pose, linear

    def normal_equations(
        self, state: Unknowns, rest: Tensor, joints: Tensor, data: Observation, basis: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Gauss-Newton H [T, D, D] and g [T, D], float64, of the landmarks alone.

        basis [P, 3, C]: the linear unknowns, `self.basis` or that with further ones (identity) behind it.
        """
        from .fit_kernel import fill_rows

        error, pose, linear = self.rows(state, rest, joints, data)
        count, size = 3 * error.shape[1] + 2 * len(self.pairs), POSE + basis.shape[-1]
        sums = torch.empty(len(state), size + 1, size + 1)

        @one_torch_thread()
        def add_up(first: int, last: int) -> None:
            room = torch.empty(TOGETHER, count, size + 1)
            for index in range(first, last):
                part = slice(index * TOGETHER, (index + 1) * TOGETHER)
                parts = error[part], pose[part], linear[part], data.weight[part]
                rows = room[: len(parts[0])]
                fill_rows(*_arrays(*parts, basis, self.pairs), APERTURE, *_arrays(rows))
                torch.bmm(rows.transpose(1, 2), rows, out=sums[part])

        split(add_up, -(-len(state) // TOGETHER))  # the cores share the frames, which do not know of each other
        return sums[:, :size, :size].double(), sums[:, :size, size].double()

    def prior(self) -> Tensor:
        """Precision [D, D] of one frame's unknowns about zero: the face at rest, both eyes looking the same way."""
        free, jaw, eyes = torch.full((6,), torch.inf), torch.full((2,), SIGMA_JAW), torch.full((4,), SIGMA_EYES)
        precision = torch.diag(torch.cat([free, jaw, eyes, self.sigma]) ** -2)
        squint = torch.tensor([[1.0, 0.0, -1.0, 0.0], [0.0, 1.0, 0.0, -1.0]]) / SIGMA_SQUINT
        precision[EYES, EYES] += squint.T @ squint
        return precision

    def smoothness(self, fps: float) -> Tensor:
        """Precision [D] of the change of each unknown from one frame to the next.

        The deviations are those of a random walk that reaches what faces do in a second. Those of the head are
        tightened: neighbouring landmarks err alike, so the data seem to determine its pose better than they do.
        (Tightening the face as well was measured to cost expression.)
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
class Observation:
    """Landmarks of T frames as the solver takes them, with the weight that whitens them."""

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
    metres = problem.eye_distance / eyes  # m a px at the face
    depth = -detected[..., 2] * metres[:, None]
    depth = depth - depth.mean(1, keepdim=True)
    weight = problem.weight[None, :, None] * torch.tensor([1.0, 1.0, 0.0]) / (SIGMA_POINT * eyes)[:, None, None]
    weight[..., 2] = 1.0 / (SIGMA_DEPTH * problem.eye_distance)
    return Observation(detected[..., :2], depth, weight * found[:, None, None], camera)


def _turning(state: Unknowns) -> Tensor:
    """(pitch, yaw) [T, 3, 2] of jaw, left and right eye."""
    return torch.cat([state.jaw[:, None], state.eyes], 1)


def _turn_axes(angles: Tensor, parent: Tensor) -> Tensor:
    """World axes [..., 3, 2] about which a joint turns when its (pitch, yaw) changes: left Jacobian of SO(3)."""
    vector = torch.nn.functional.pad(angles, (0, 1))
    theta = torch.linalg.vector_norm(vector, dim=-1).clamp_min(1e-4)[..., None, None]
    k = skew(vector)
    left = torch.eye(3) + (1 - theta.cos()) / theta**2 * k + (theta - theta.sin()) / theta**3 * (k @ k)
    return (parent @ left)[..., :2]


def _arrays(*tensors: Tensor) -> list[np.ndarray]:
    """The tensors as contiguous arrays, for the kernels."""
    return [tensor.contiguous().numpy() for tensor in tensors]
