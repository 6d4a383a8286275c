"""Where anchors, which optical flow follows through a picture, are fixed to the head."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .anchors import Anchors
from .landmark_fit import LandmarkFit
from .landmarks import FACE_OUTLINE, OUTER_EYE_CORNERS
from .pinhole import Pinhole
from .solve import RigidPoints
from .unknowns import Unknowns

SIGMA_ANCHOR, STRAY = 0.003, 0.03  # of an anchor: its noise, and where it is doubted, in inter-ocular distances
BEHIND = 0.015  # m that hair and ears lie behind the face's outline


def place_anchors(
    problem: LandmarkFit,
    shape: Tensor,
    anchors: Sequence[Anchors],
    solved: Unknowns,  # of the frames 0..start + T - 1
    points: np.ndarray,  # [T, 478, 3] px
    start: int,
    camera: Pinhole,
) -> RigidPoints:
    """The anchors seen in T frames from `start` on, fixed to the head where the pose of their first frame puts them.

    Their pixels are taken as exact, and their depth as a little behind that of the face's outline next to them.
    """
    count, max_points = len(points), max((len(run.start) for run in anchors), default=1)
    head, image = torch.zeros(count, max_points, 3), torch.zeros(count, max_points, 2)
    weight = torch.zeros(count, max_points)
    corners = np.nan_to_num(points[:, OUTER_EYE_CORNERS])
    eyes = torch.from_numpy(np.linalg.norm(corners[:, 0] - corners[:, 1], axis=-1)).float().clamp_min(1.0)
    rest, joints = problem.skin.shaped(shape)
    for run in anchors:
        frames = [t for t in range(run.key + 1, run.key + 1 + len(run.later)) if start <= t < start + count]
        if not frames:
            continue
        fixed = _on_head(problem, rest, joints, solved[run.key : run.key + 1], run.start, camera)
        for t in frames:
            seen = torch.from_numpy(run.later[t - run.key - 1])
            there = seen.isfinite().all(1)
            at = t - start
            head[at, : len(fixed)], image[at, : len(fixed)] = fixed, seen.nan_to_num()
            weight[at, : len(fixed)] = there / (SIGMA_ANCHOR * eyes[at])
    return RigidPoints(head, image, weight, STRAY * eyes)


def _on_head(
    problem: LandmarkFit, rest: Tensor, joints: Tensor, key: Unknowns, pixels: np.ndarray, camera: Pinhole
) -> Tensor:
    """Points [M, 3] m from the neck joint, in axes that turn with the neck, of pixels [M, 2] in the frame `key`."""
    outline = torch.isin(problem.seen, torch.tensor(FACE_OUTLINE))
    world = problem.points(rest, joints, key)[0][0, outline]
    first = torch.from_numpy(pixels)
    nearest = torch.cdist(first, camera.project(world)).argmin(1)
    depth = -world[nearest, 2] + BEHIND
    centre = torch.tensor([camera.width / 2, camera.height / 2])
    flat = (first - centre) * torch.tensor([1.0, -1.0]) / camera.focal * depth[:, None]
    arm = torch.cat([flat, -depth[:, None]], 1) - key.translation - joints[1]
    return arm @ key.neck[0]
