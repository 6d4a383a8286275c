"""Identity apart from expression: what differs between people, and what differs between frames of one person.

A smile, an open jaw and the detector's bias with the head's turn all look a little like another face at rest. How much,
and together with which expression, is learned here from clips by expectation maximisation: every person has one
identity, s ~ N(0, B), and every frame its expression e and a wobble w of the identity, (e, w) ~ N(0, W).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from flamecast.flame_motion.heads.head import Head
from flamecast.flame_motion.tracking.landmark_fit import LandmarkFit, Observation, observe
from flamecast.flame_motion.tracking.pinhole import Pinhole
from flamecast.flame_motion.tracking.solve import Identity, initial
from flamecast.flame_motion.tracking.unknowns import JAW, LIDS

from .footage import DISTANCE, Subject

ROUNDS, STEPS = 3, 3
FRAMES = 16  # of each clip
SHRINK = 0.1  # of the covariances towards their diagonals: 14 clips do not say how 80 numbers go together
EYES_APART = 100.0  # px


@dataclass
class _Seen:
    """One person's landmarks and what is known of them so far."""

    data: Observation
    fit: Identity


def separate(head: Head, people: list[Subject], axes: int) -> Head:
    """The head with its first `axes` identity axes such that people are N(0, 1) along them, and with `prior` W.

    The other identity axes move nothing that landmarks show, and stay as they are.
    """
    problem = LandmarkFit(head)
    seen = [_look(problem, person) for person in people]
    for _ in range(ROUNDS):
        between, within = _expected(problem, seen)
        turn = _whitening(head, between, axes)
        back = torch.linalg.inv(turn)
        whole = torch.block_diag(torch.eye(len(within) - len(back)), back)
        head = replace(head, identity=head.identity @ turn, prior=whole @ within.float() @ whole.T)
        problem = LandmarkFit(head)
        for one in seen:
            one.fit = replace(one.fit, shape=back @ one.fit.shape, wobble=one.fit.wobble @ back.T)
    return head


def _look(problem: LandmarkFit, person: Subject) -> _Seen:
    """Some frames of a person, each moved and scaled to the middle of a camera at the usual distance."""
    index = np.linspace(0, len(person.points) - 1, min(len(person.points), FRAMES)).round().astype(int)
    skin = person.points[index] * np.array([1.0, -1.0, -1.0])
    apart = np.linalg.norm(skin[:, 33] - skin[:, 263], axis=-1)[:, None, None]
    skin = (skin - skin.mean(1, keepdims=True)) * EYES_APART / apart
    irises = np.repeat(skin[:, [33, 362]] / 2 + skin[:, [133, 263]] / 2, 5, 1)
    points = np.concatenate([skin, irises], 1).astype(np.float32)
    data = observe(problem, points, Pinhole(DISTANCE * EYES_APART, 0, 0))
    data.weight[:, problem.seen >= skin.shape[1]] = 0  # footage keeps no irises
    return _Seen(data, Identity.start(problem, initial(problem, data, points)))


def _expected(problem: LandmarkFit, seen: list[_Seen]) -> tuple[Tensor, Tensor]:
    """Second moments of identities [S, S] and of (jaw, eyelids, expression, wobble) in frames of clips [K, K]."""
    index = torch.tensor([*range(JAW.start, JAW.stop), *range(LIDS.start, len(problem.identity_prior))])
    between, within = [], []
    for one in seen:
        for _ in range(STEPS):
            one.fit, covariance, own = one.fit.improved(problem, one.data)
        between.append(torch.outer(one.fit.shape, one.fit.shape) + covariance)
        if len(own) > 1:
            flat = torch.cat([one.fit.state.flat(), one.fit.wobble], 1)[:, index]
            within.append(flat.T @ flat / len(flat) + own[:, index[:, None], index].mean(0))
    return _shrunk(torch.stack(between).mean(0)), _shrunk(torch.stack(within).mean(0))


def _shrunk(covariance: Tensor) -> Tensor:
    return (1 - SHRINK) * covariance + SHRINK * torch.diag(torch.diagonal(covariance))


def _whitening(head: Head, between: Tensor, axes: int) -> Tensor:
    """[S, S]: the new axes in the old ones, sorted by how far they move the face; signs such that a build repeats."""
    root = torch.linalg.cholesky(between[:axes, :axes])
    moved = head.identity[..., :axes].flatten(0, 1).double() @ root
    _, _, rows = torch.linalg.svd(moved.T @ moved)
    turn = root @ rows.T
    turn = turn * torch.sign(turn.gather(0, turn.abs().argmax(0, keepdim=True)))
    return torch.block_diag(turn.float(), torch.eye(len(between) - axes))
