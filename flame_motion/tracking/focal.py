"""The focal length of a picture's camera, from the perspective in a face, on request; otherwise it is guessed.

A near face is drawn differently from a far one. How well the head fits is compared over focal lengths, next to the
expectation of a portrait lens. On made-up landmarks with 0.5 px of noise it comes out right to a fifth or better; for
real ones there is no known answer to check against, and MediaPipe's own idea of a face's depth is part of theirs.
"""

from __future__ import annotations

import numpy as np
import torch

from .landmark_fit import LandmarkFit, Observation, observe
from .pinhole import FIELD_OF_VIEW, Pinhole
from .solve import Identity, initial

FIELDS = np.radians([10.0, 14.0, 20.0, 28.0, 38.0, 52.0, 70.0])  # across the longer side, tried
SIGMA_LOG = 0.5  # prior deviation of the logarithm of the focal length
ALIKE = 30.0  # landmarks that err together
FRAMES, STEPS = 8, 8


def estimate_focal(problem: LandmarkFit, points: np.ndarray, width: int, height: int) -> tuple[float, float]:
    """Focal length px and its relative standard error, from landmarks [T, 478, 3] px of frames with a face."""
    chosen = points[np.linspace(0, len(points) - 1, min(len(points), FRAMES)).round().astype(int)]
    focal = 0.5 * max(width, height) / np.tan(FIELDS / 2)
    usual = 0.5 * max(width, height) / np.tan(FIELD_OF_VIEW / 2)
    cost = np.array([_misfit(problem, chosen, Pinhole(float(f), width, height)) for f in focal]) / ALIKE
    place = np.log(focal)
    cost = cost + 0.5 * ((place - np.log(usual)) / SIGMA_LOG) ** 2
    best = int(np.clip(cost.argmin(), 1, len(cost) - 2))
    bend, slope, _ = np.polyfit(place[best - 1 : best + 2] - place[best], cost[best - 1 : best + 2], 2)
    peak = place[best] - slope / (2 * bend)
    return float(np.exp(np.clip(peak, place.min(), place.max()))), float(1 / np.sqrt(2 * bend))


def _misfit(problem: LandmarkFit, points: np.ndarray, camera: Pinhole) -> float:
    """Minus the logarithm of the posterior of one identity and all frames, up to a constant."""
    data = observe(problem, points, camera)
    fit = Identity.start(problem, initial(problem, data, points))
    for _ in range(STEPS):
        fit = fit.improved(problem, data)[0]
    return _landmark_part(problem, fit, data) + _prior_part(problem, fit)


def _landmark_part(problem: LandmarkFit, fit: Identity, data: Observation) -> float:
    world = problem.points(*fit.at_rest(problem), fit.state)[0]
    depth = world[..., 2] - world[..., 2].mean(1, keepdim=True)
    gap = torch.cat([data.image - data.camera.project(world), (data.depth - depth)[..., None]], -1)
    return float(0.5 * (gap * data.weight).square().sum())


def _prior_part(problem: LandmarkFit, fit: Identity) -> float:
    own = torch.cat([fit.state.flat(), fit.wobble], 1)
    return float(0.5 * ((own @ problem.identity_prior * own).sum() + fit.shape.square().sum()))
