"""Solvers of the landmark fit: start values, one identity for many frames, and all frames of a window together.

The prior on the change from frame to frame couples neighbours, so a window's normal equations are block tridiagonal.
That smooths without delay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..rotations import axis_angle_from_matrix, skew
from .landmark_fit import LandmarkFit, Observation
from .pinhole import Pinhole, project_rows
from .unknowns import LIDS, NECK, Unknowns


def initial(problem: LandmarkFit, data: Observation, points: np.ndarray) -> Unknowns:
    """A rigid start for each frame: similarity alignment of MediaPipe's own 3D points (Umeyama 1991)."""
    skin, count = problem.skin, len(points)
    rigid = problem.skin.weights[:, 1] > 0.9
    model = skin.template[rigid].double()
    detected = torch.from_numpy(np.nan_to_num(points)).double()[:, problem.seen][:, rigid] * torch.tensor(
        [1.0, -1.0, -1.0]
    )
    a, b = model - model.mean(0), detected - detected.mean(1, keepdim=True)
    u, s, vt = torch.linalg.svd(b.transpose(1, 2) @ a)
    sign = torch.diag_embed(
        torch.stack([torch.ones(count), torch.ones(count), torch.linalg.det(u @ vt).float()], 1)
    ).double()
    rotation = u @ sign @ vt
    scale = (s * torch.diagonal(sign, dim1=1, dim2=2)).sum(1).clamp_min(1e-9) / (a**2).sum()  # px a m
    depth = data.camera.focal / scale.clamp_min(1.0)
    centre = detected.mean(1)[:, :2] - torch.tensor([data.camera.width / 2, -data.camera.height / 2])
    neck = skin.joints[1].double()
    turned = (rotation @ (model.mean(0) - neck)[None, :, None]).squeeze(-1) + neck
    at = torch.cat([centre / scale[:, None].clamp_min(1.0), -depth[:, None]], 1)
    return Unknowns(
        rotation.float(), (at - turned).float(), torch.zeros(count, 2), torch.zeros(count, 2, 2),
        torch.zeros(count, problem.basis.shape[-1]),
    )  # fmt: skip


def fit_identity(
    problem: LandmarkFit, data: Observation, state: Unknowns, iterations: int = 8
) -> tuple[Tensor, Unknowns]:
    """Identity [S] shared by T frames, with every frame's own unknowns: joint Gauss-Newton by the Schur complement.

    In one frame a smile or a detector's bias looks like another shape, so the face at rest may also differ from frame
    to frame ("wobble"), by as much as it was seen to differ between frames of one person (`Head.prior`).
    """
    found = Identity.start(problem, state)
    for _ in range(iterations):
        found = found.improved(problem, data)[0]
    return found.shape, found.state


@dataclass(frozen=True)
class Identity:
    """The state of an identity fit: the identity, and the unknowns and the wobble of each of T frames."""

    shape: Tensor  # [S]
    wobble: Tensor  # [T, S]
    state: Unknowns

    @staticmethod
    def start(problem: LandmarkFit, state: Unknowns) -> Identity:
        """The mean person, without wobble."""
        count = problem.skin.identity.shape[-1]
        return Identity(torch.zeros(count), torch.zeros(len(state), count), state)

    def at_rest(self, problem: LandmarkFit) -> tuple[Tensor, Tensor]:
        """Rest points [T, P, 3] and joints [T, 5, 3] m of each frame."""
        skin, shapes = problem.skin, self.shape + self.wobble
        rest = skin.template + torch.einsum("pks,ts->tpk", skin.identity, shapes)
        return rest, skin.joints + torch.einsum("jks,ts->tjk", skin.joints_identity, shapes)

    def improved(self, problem: LandmarkFit, data: Observation) -> tuple[Identity, Tensor, Tensor]:
        """One step further, with the covariances [S, S] of the identity and [T, D, D] of each frame's unknowns."""
        precision, size = problem.identity_prior.double(), problem.size
        rest, joints = self.at_rest(problem)
        h, g = problem.normal_equations(self.state, rest, joints, data, problem.identity_basis)
        damping = 1e-3 * torch.eye(len(precision)).double()
        flat = torch.cat([self.state.flat(), self.wobble], 1).double()
        inverse = torch.linalg.inv(h + precision + damping)  # of each frame's own unknowns
        cross = h[:, :, size:]  # the wobble moves the face as the identity does, so this couples both to identity
        follow, own = inverse @ cross, (inverse @ (g - flat @ precision)[..., None]).squeeze(-1)
        unit = torch.eye(len(self.shape)).double()
        covariance = torch.linalg.inv((h[:, size:, size:] - cross.transpose(1, 2) @ follow).sum(0) + unit)
        right = (g[:, size:] - (cross.transpose(1, 2) @ own[..., None]).squeeze(-1)).sum(0) - self.shape.double()
        step = covariance @ right
        delta = (own - follow @ step).float()
        after = Identity(self.shape + step.float(), self.wobble + delta[:, size:], self.state.step(delta[:, :size]))
        return after, covariance, inverse + follow @ covariance @ follow.transpose(1, 2)


@dataclass(frozen=True)
class RigidPoints:
    """For each of T frames, K points fixed to the head and where they are seen."""

    head: Tensor  # [T, K, 3] m from the neck joint, in axes that turn with the neck
    image: Tensor  # [T, K, 2] px
    weight: Tensor  # [T, K] 1/px, 0 for none
    tolerance: Tensor  # [T] px of error at which a point's weight is halved: it may not belong to the head

    def normal_equations(self, state: Unknowns, neck_joint: Tensor, camera: Pinhole) -> tuple[Tensor, Tensor]:
        """What they add to H [T, 6, 6] and g [T, 6] of neck and translation; Cauchy weights against outliers."""
        arm = self.head @ state.neck.transpose(1, 2)
        world = arm + neck_joint + state.translation[:, None]
        image, rows = project_rows(camera, world)
        jacobian = torch.cat([rows @ -skew(arm), rows], -1)  # [T, K, 2, 6]
        error = self.image - image
        trust = 1 / (1 + error.square().sum(-1) / self.tolerance[:, None] ** 2)
        weight = (self.weight**2 * trust)[..., None, None]
        left = (jacobian * weight).flatten(1, 2).transpose(1, 2)  # [T, 6, 2K]
        return left @ jacobian.flatten(1, 2), (left @ error.flatten(1)[..., None]).squeeze(-1)


def fit_frames(
    problem: LandmarkFit,
    shape: Tensor,
    data: Observation,
    state: Unknowns,
    fps: float,
    before: Unknowns | None = None,
    rigid: RigidPoints | None = None,
    iterations: int = 3,
) -> Unknowns:
    """The unknowns of T frames of one known identity, neighbours coupled; before = the frame ahead, already known."""
    from .fit_kernel import solve_chain

    rest, joints = problem.skin.shaped(shape)
    precision = problem.prior()
    smooth = problem.smoothness(fps)
    # Where no face was seen the neighbours decide, not the expectation that a face is at rest.
    known = (data.weight[:, :1, :1] > 0).float().clamp_min(1e-4)
    for _ in range(iterations):
        h, g = problem.normal_equations(state, rest, joints, data, problem.basis)
        if rigid is not None:
            more_h, more_g = rigid.normal_equations(state, joints[1], data.camera)
            h[:, :6, :6] += more_h
            g[:, :6] += more_g
        h = h + known * precision.double() + 1e-4 * torch.eye(len(precision)).double()
        g = g - known[:, 0] * (state.flat() @ precision)
        chain = state if before is None else Unknowns.cat([before, state])
        change = _change(chain).double() * smooth.double()  # [links, D]
        links = smooth.double().expand(change.shape[0], -1)
        if before is None:
            change = torch.nn.functional.pad(change, (0, 0, 1, 0))
            links = torch.nn.functional.pad(links, (0, 0, 1, 0))
        g = g - change
        g[:-1] += change[1:]
        h = h + torch.diag_embed(links)
        h[:-1] += torch.diag_embed(links[1:])
        # A lid that is as far as it goes stands still, so that other axes open the eye wider.
        lids = state.linear[:, :2]
        held = ((lids <= 0) & (g[:, LIDS] < 0)) | ((lids >= 1) & (g[:, LIDS] > 0))
        torch.diagonal(h, dim1=1, dim2=2)[:, LIDS] += 1e9 * held
        solve_chain(h.numpy(), smooth.double().numpy(), g.numpy())
        state = state.step(g.float())
    return state


def _change(state: Unknowns) -> Tensor:
    """Change of the unknowns from each frame to the next [T - 1, D]."""
    flat = state.flat()
    turn = axis_angle_from_matrix(state.neck[1:] @ state.neck[:-1].transpose(1, 2))
    change = flat[1:] - flat[:-1]
    change[:, NECK] = turn
    return change
