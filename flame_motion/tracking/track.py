"""From detected landmarks to a `FlameSequence`: one identity for all frames, then every frame, window by window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ...core.errors import BadInput
from ..heads.head import Head
from ..retargeting.rest import rest_of
from ..retargeting.transfer import drive
from ..sequence import FlameSequence
from ..windows import windows
from .anchor_places import place_anchors
from .anchors import Anchors
from .focal import estimate_focal
from .landmark_fit import LandmarkFit, observe
from .pinhole import Pinhole
from .shots import Shot
from .solution import landmark_error, to_motion
from .solve import fit_frames, fit_identity, initial
from .unknowns import Unknowns

WINDOW, OVERLAP = 96, 12  # frames solved together, and how many of them the next window solves again
TRUSTED = 0.5  # the trust from which on a frame counts whole
MIN_SHARE = 0.1  # the share that a frame not trusted at all still counts
IDENTITY_FRAMES = 24  # frames of a clip that an identity is fitted to, at most


@dataclass(frozen=True, eq=False)
class Detections:
    """What was detected in the T frames of a clip."""

    points: np.ndarray  # [T, 478, 3] px, NaN where no face was seen
    width: int  # px
    height: int  # px
    fps: float
    anchors: Sequence[Anchors] = ()  # points around the face, followed by optical flow
    trust: np.ndarray | None = None  # [T] 0..1, how far the picture bears out each frame; None: wholly
    shots: Sequence[Shot] = ()  # the clip's shots in order; none: it is one

    @cached_property
    def found(self) -> np.ndarray:
        """Whether each frame [T] shows a face."""
        return np.isfinite(self.points).all((1, 2))

    def of_shot(self, shot: Shot) -> Detections:
        """The frames of one shot, its anchors counted from its first frame and ended at its last."""
        here = slice(shot.start, shot.stop)
        anchors = [
            replace(run, key=run.key - shot.start, later=run.later[: shot.stop - run.key - 1])
            for run in self.anchors
            if shot.start <= run.key < shot.stop
        ]
        trust = None if self.trust is None else self.trust[here]
        return replace(self, points=self.points[here], anchors=anchors, trust=trust, shots=())


@dataclass(frozen=True)
class Tracking:
    """What tracking found."""

    motion: FlameSequence  # the translation is relative to the first frame with a face
    place: Tensor  # [3] m, the translation of that frame in the axes of a camera-centred world
    camera: Pinhole
    found: Tensor  # [T] bool: a face was seen
    error: Tensor  # [T] mean landmark distance in % of the inter-ocular distance; NaN where no face was seen
    confidence: Tensor  # [T] 0..1, how far the picture and the fit let each frame's landmarks be trusted
    problems: list[str]
    shots: list[Shot] = field(default_factory=list)  # where the clip was cut or another person taken


def track_landmarks(
    detected: Detections,
    head: Head,
    focal: float | Literal["estimate"] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Tracking:
    """Fit one identity and pose and expression of every frame, shot by shot. Frames without a face are interpolated.

    focal in px, guessed when None, "estimate" to find it by the perspective of the face. Where a clip has several
    shots, each is fitted for itself and then counted from its own rest and place, put on those of the longest.
    progress is called with the number of frames done and of all. BadInput when no frame shows a face.
    """
    points, found = detected.points, detected.found
    if not found.any():
        raise BadInput(
            f"No face was found in any of the {len(points)} frames; use a video that shows one face clearly."
        )
    problem = LandmarkFit(head, thin=True)
    shots = list(detected.shots) or [Shot(0, len(points), 0)]
    main = max(shots, key=lambda shot: int(found[shot.start : shot.stop].sum()))
    if focal == "estimate":
        longest = detected.of_shot(main)
        focal = estimate_focal(problem, longest.points[longest.found], detected.width, detected.height)[0]
    camera = Pinhole.guess(detected.width, detected.height, focal)
    report = progress or (lambda done, of: None)
    solved = []
    for shot in shots:
        step = lambda done, shot=shot: report(shot.start + done, len(points))  # noqa: E731
        solved.append(_solve(problem, detected.of_shot(shot), camera, step))
    first = int(np.argmax(found))
    place = solved[0].state.translation[first]
    motion = _joined(shots, main, solved, detected, head)
    motion = replace(motion, translation=motion.translation - motion.translation[first])
    error = torch.cat([part.error for part in solved])
    trust = found if detected.trust is None else detected.trust
    confidence = torch.exp(-torch.nan_to_num(error) / 8.0) * torch.from_numpy(trust)
    problems = _missing(found, detected.fps)
    return Tracking(motion, place, camera, torch.from_numpy(found), error, confidence, problems, shots)


@dataclass(frozen=True)
class _Solved:
    """One shot, fitted."""

    shape: Tensor  # [S]
    state: Unknowns  # of its T frames
    error: Tensor  # [T] % of the inter-ocular distance


def _solve(problem: LandmarkFit, shot: Detections, camera: Pinhole, report: Callable[[int], None]) -> _Solved:
    """One identity, then every frame of a shot, window by window. report: called with the number of frames done."""
    points = shot.points
    shape = _identity(problem, shot, camera)
    parts: list[Unknowns] = []
    errors: list[Tensor] = []
    for start, stop, keep in windows(len(points), WINDOW, OVERLAP):
        data = observe(problem, points[start:stop], camera)
        if shot.trust is not None:  # a hidden face weighs little, and its neighbours bridge it
            weight = torch.from_numpy(shot.trust[start:stop] / TRUSTED).float().clamp(MIN_SHARE, 1)
            data.weight.mul_(weight[:, None, None])
        before = parts[-1][-1:] if parts else None
        state = _start(problem, shot, start, stop, camera)
        state = fit_frames(problem, shape, data, state, shot.fps, before)
        if shot.anchors:  # placed on the head by the landmarks alone, then again by both
            for _ in range(2):
                solved = Unknowns.cat([*parts, state])
                rigid = place_anchors(problem, shape, shot.anchors, solved, points[start:stop], start, camera)
                state = fit_frames(problem, shape, data, state, shot.fps, before, rigid)
        parts.append(state[: keep - start])
        errors.append(landmark_error(problem, shape, parts[-1], points[start:keep], camera))
        report(keep)
    return _Solved(shape, Unknowns.cat(parts), torch.cat(errors))


def _joined(
    shots: Sequence[Shot], main: Shot, solved: Sequence[_Solved], detected: Detections, head: Head
) -> FlameSequence:
    """All shots as one motion of the main shot's person.

    The main shot stays as it is. Every other one is counted from its own rest, and put on the main one's; its
    translation is counted from its own typical place, which comes to lie where the main one's does.
    """
    clips = []
    for shot, part in zip(shots, solved):
        seen = torch.from_numpy(np.flatnonzero(detected.found[shot.start : shot.stop]))
        typical = part.state.translation[seen].median(0).values
        origin = typical if len(shots) > 1 else part.state.translation[seen[0]]
        clips.append(to_motion(part.state, part.shape, detected.fps, head, origin))
    longest = clips[shots.index(main)]
    rest = replace(rest_of(longest), translation=torch.zeros(1, 3))
    moved = [clip if clip is longest else drive(rest, clip) for clip in clips]
    return FlameSequence.concatenate(moved, fade=0)


def _identity(problem: LandmarkFit, shot: Detections, camera: Pinhole) -> Tensor:
    """The identity [S] shared by some frames spread over the shot."""
    index = np.flatnonzero(shot.found)
    index = index[np.linspace(0, len(index) - 1, min(len(index), IDENTITY_FRAMES)).round().astype(int)]
    chosen = shot.points[index]
    data = observe(problem, chosen, camera)
    return fit_identity(problem, data, initial(problem, data, chosen))[0]


def _start(problem: LandmarkFit, shot: Detections, start: int, stop: int, camera: Pinhole) -> Unknowns:
    """Start values of a window; a frame without a face starts from the nearest one that has one."""
    index = np.flatnonzero(shot.found)
    nearest = index[np.abs(index[None, :] - np.arange(start, stop)[:, None]).argmin(1)]
    borrowed = shot.points[nearest]
    return initial(problem, observe(problem, borrowed, camera), borrowed)


def _missing(found: np.ndarray, fps: float) -> list[str]:
    """One sentence for each run of frames without a face."""
    edges = np.flatnonzero(np.diff(np.r_[1, found.astype(int), 1]))
    return [
        f"frames {a}-{b - 1} ({a / fps:.2f}-{b / fps:.2f} s): no face found, motion interpolated"
        for a, b in edges.reshape(-1, 2)
    ]
