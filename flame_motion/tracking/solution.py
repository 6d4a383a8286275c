"""What solved unknowns mean: a motion, and how far its landmarks lie from the detected ones."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..heads.head import Head
from ..rotations import axis_angle_from_matrix
from ..sequence import FlameSequence
from .landmark_fit import LandmarkFit
from .landmarks import OUTER_EYE_CORNERS
from .pinhole import Pinhole
from .unknowns import Unknowns


def to_motion(
    state: Unknowns, shape: Tensor, fps: float, head: Head, origin: Tensor, divergence: Tensor | None = None
) -> FlameSequence:
    """The solver's unknowns as a FlameSequence whose translation is relative to origin [3] m.

    divergence [2] rad: see `gaze_divergence`; that of these frames when None.
    """
    count = len(state)
    flat = lambda angles: torch.nn.functional.pad(angles, (0, 1))  # noqa: E731  pitch, yaw -> axis-angle
    return FlameSequence(
        shape=shape,
        expression=state.linear[:, 2:].contiguous(),
        rotation=torch.zeros(count, 3),
        neck=axis_angle_from_matrix(state.neck),
        jaw=flat(state.jaw),
        eyes=flat(level_gaze(state.eyes, gaze_divergence(state.eyes) if divergence is None else divergence)),
        eyelids=state.linear[:, :2].clamp(0, 1),
        translation=state.translation - origin,
        fps=fps,
        head=head.id,
    )


def gaze_divergence(eyes: Tensor) -> Tensor:
    """Half of the steady difference [2] rad between the gazes [T, 2, 2] (pitch, yaw) of the eyes: no squint, but where
    the eyeballs sit.
    """
    return (eyes[:, 0] - eyes[:, 1]).median(0).values / 2


def level_gaze(eyes: Tensor, divergence: Tensor) -> Tensor:
    """Gaze [T, 2, 2] without the steady difference between the eyes."""
    return eyes + torch.stack([-divergence, divergence])


def landmark_error(problem: LandmarkFit, shape: Tensor, state: Unknowns, points: np.ndarray, camera: Pinhole) -> Tensor:
    """Mean distance [T] between projected and detected landmarks, in % of the inter-ocular distance."""
    world = problem.points(*problem.skin.shaped(shape), state)[0]
    seen = torch.from_numpy(points).float()
    eyes = torch.linalg.vector_norm(seen[:, OUTER_EYE_CORNERS[0], :2] - seen[:, OUTER_EYE_CORNERS[1], :2], dim=-1)
    gap = torch.linalg.vector_norm(camera.project(world) - seen[:, problem.seen, :2], dim=-1)
    return 100 * gap.mean(1) / eyes
