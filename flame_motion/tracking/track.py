"""From detected landmarks to a FlameSequence: one identity for all frames, then every frame, window by window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ...core.errors import BadInput
from ..heads.head import Head
from ..retargeting.rest import rest_of
from ..retargeting.transfer import drive
from ..rotations import axis_angle_from_matrix
from ..sequence import FlameSequence
from ..windows import windows
from .anchors import Anchors
from .focal import estimate_focal
from .landmark_fit import Frames, LandmarkFit, Observation, Pinhole, observe
from .landmarks import FACE_OUTLINE, OUTER_EYE_CORNERS
from .shots import Shot
from .solve import RigidPoints, fit_frames, fit_identity, initial

WINDOW, OVERLAP = 96, 12  # frames solved together, and how many of them the next window solves again
SIGMA_ANCHOR, STRAY = 0.003, 0.03  # of an anchor: its noise, and where it is doubted, in inter-ocular distances
BEHIND = 0.015  # m that hair and ears lie behind the face's outline
TRUSTED, DOUBT = 0.5, 0.1  # a frame trusted as much or more counts whole; the share of a frame not trusted at all
IDENTITY_FRAMES = 24  # an identity is fitted to so many frames of a clip at most


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
    points: np.ndarray,  # [T, 478, 3] px, NaN where no face was seen
    width: int,
    height: int,
    fps: float,
    head: Head,
    focal: float | Literal["estimate"] | None = None,
    anchors: Sequence[Anchors] = (),  # points around the face followed by optical flow
    trust: np.ndarray | None = None,  # [T] 0..1, what the picture says of each frame's landmarks
    progress: Callable[[int, int], None] | None = None,
    shots: Sequence[Shot] = (),  # the clip's, in order; none: it is one
) -> Tracking:
    """Fit one identity and pose and expression of every frame, shot by shot. Frames without a face are interpolated.

    focal in px, guessed when None, "estimate" to look for it in the perspective of the face. Where a clip has several
    shots, each is fitted for itself and then counted from its own rest and place, put on those of the longest.
    Raises BadInput when no frame shows a face.
    """
    found = np.isfinite(points).all((1, 2))
    if not found.any():
        raise BadInput(
            f"No face was found in any of the {len(points)} frames; use a video that shows one face clearly."
        )
    problem = LandmarkFit(head, thin=True)
    pieces = list(shots) or [Shot(0, len(points), 0)]
    main = max(pieces, key=lambda shot: int(found[shot.start : shot.stop].sum()))
    if focal == "estimate":
        here = slice(main.start, main.stop)
        focal = estimate_focal(problem, points[here][found[here]], width, height)[0]
    camera = Pinhole.guess(width, height, focal)
    tell = progress or (lambda done, of: None)
    solved = []
    for shot in pieces:
        here = slice(shot.start, shot.stop)
        mine = [_of_shot(run, shot) for run in anchors if shot.start <= run.key < shot.stop]
        kept = None if trust is None else trust[here]
        step = lambda done, shot=shot: tell(shot.start + done, len(points))  # noqa: E731
        solved.append(_solve(problem, points[here], fps, camera, mine, kept, step))
    first = int(np.argmax(found))
    place = solved[0].state.translation[first]
    motion = _joined(pieces, main, solved, found, fps, head)
    motion = replace(motion, translation=motion.translation - motion.translation[first])
    error = torch.cat([part.error for part in solved])
    confidence = torch.exp(-torch.nan_to_num(error) / 8.0) * torch.from_numpy(found if trust is None else trust)
    return Tracking(motion, place, camera, torch.from_numpy(found), error, confidence, _missing(found, fps), pieces)


@dataclass(frozen=True)
class _Solved:
    """One shot, fitted."""

    shape: Tensor  # [S]
    state: Frames  # of its T frames
    error: Tensor  # [T] % of the inter-ocular distance


def _solve(
    problem: LandmarkFit,
    points: np.ndarray,  # [T, 478, 3] px of one shot
    fps: float,
    camera: Pinhole,
    anchors: Sequence[Anchors],  # their frames counted from the shot's first
    trust: np.ndarray | None,  # [T]
    tell: Callable[[int], None],  # how many frames are done
) -> _Solved:
    """One identity, then every frame, window by window."""
    found = np.isfinite(points).all((1, 2))
    shape = _identity(problem, points, found, camera)
    parts: list[Frames] = []
    errors: list[Tensor] = []
    for start, stop, keep in windows(len(points), WINDOW, OVERLAP):
        data = observe(problem, points[start:stop], camera)
        if trust is not None:  # a hidden face weighs little, and its neighbours bridge it
            data.weight.mul_(torch.from_numpy(trust[start:stop] / TRUSTED).float().clamp(DOUBT, 1)[:, None, None])
        before = parts[-1][-1:] if parts else None
        state = _start(problem, points, found, start, stop, camera)
        state = fit_frames(problem, shape, data, state, fps, before)
        if anchors:  # placed on the head by what the landmarks said, then again by what both say
            for _ in range(2):
                solved = Frames.cat([*parts, state])
                rigid = place_anchors(problem, shape, anchors, solved, points[start:stop], start, camera)
                state = fit_frames(problem, shape, data, state, fps, before, rigid)
        parts.append(state[: keep - start])
        errors.append(landmark_error(problem, shape, parts[-1], points[start:keep], camera))
        tell(keep)
    return _Solved(shape, Frames.cat(parts), torch.cat(errors))


def _joined(
    shots: Sequence[Shot], main: Shot, solved: Sequence[_Solved], found: np.ndarray, fps: float, head: Head
) -> FlameSequence:
    """All shots as one motion of the main shot's person.

    The main shot stays as it is. Every other one is counted from its own rest, and put on the main one's; its
    translation is counted from its own typical place, which comes to lie where the main one's does.
    """
    clips = []
    for shot, part in zip(shots, solved):
        seen = torch.from_numpy(np.flatnonzero(found[shot.start : shot.stop]))
        typical = part.state.translation[seen].median(0).values
        origin = typical if len(shots) > 1 else part.state.translation[seen[0]]
        clips.append(to_motion(part.state, part.shape, fps, head, origin))
    longest = clips[shots.index(main)]
    rest = replace(rest_of(longest), translation=torch.zeros(1, 3))
    moved = [clip if clip is longest else drive(rest, clip) for clip in clips]
    return FlameSequence.concatenate(moved, fade=0)


def _of_shot(run: Anchors, shot: Shot) -> Anchors:
    """A run of anchors with its frames counted from the shot's first; none crosses into the next shot."""
    return replace(run, key=run.key - shot.start, later=run.later[: shot.stop - run.key - 1])


def place_anchors(
    problem: LandmarkFit,
    shape: Tensor,
    anchors: Sequence[Anchors],
    solved: Frames,  # of the frames 0..start + T - 1
    points: np.ndarray,  # [T, 478, 3] px
    start: int,
    camera: Pinhole,
) -> RigidPoints:
    """The anchors seen in T frames from `start` on, fixed to the head where their first frame's pose puts them.

    They are put a little behind the depth of the face's outline next to them; px they were seen at are exact.
    """
    count = len(points)
    most = max((len(run.start) for run in anchors), default=1)
    head, image = torch.zeros(count, most, 3), torch.zeros(count, most, 2)
    weight = torch.zeros(count, most)
    corners = np.nan_to_num(points[:, OUTER_EYE_CORNERS])
    eyes = torch.from_numpy(np.linalg.norm(corners[:, 0] - corners[:, 1], axis=-1)).float().clamp_min(1.0)
    rest, joints = problem.skin.shaped(shape)
    outline = torch.isin(problem.seen, torch.tensor(FACE_OUTLINE))
    for run in anchors:
        frames = [t for t in range(run.key + 1, run.key + 1 + len(run.later)) if start <= t < start + count]
        if not frames:
            continue
        key = solved[run.key : run.key + 1]
        world = problem.points(rest, joints, key)[0][0, outline]
        first = torch.from_numpy(run.start)
        nearest = torch.cdist(first, camera.project(world)).argmin(1)
        depth = -world[nearest, 2] + BEHIND
        centre = torch.tensor([camera.width / 2, camera.height / 2])
        flat = (first - centre) * torch.tensor([1.0, -1.0]) / camera.focal * depth[:, None]
        arm = torch.cat([flat, -depth[:, None]], 1) - key.translation - joints[1]
        fixed = arm @ key.neck[0]
        for t in frames:
            seen = torch.from_numpy(run.later[t - run.key - 1])
            there = seen.isfinite().all(1)
            at = t - start
            head[at, : len(fixed)], image[at, : len(fixed)] = fixed, seen.nan_to_num()
            weight[at, : len(fixed)] = there / (SIGMA_ANCHOR * eyes[at])
    return RigidPoints(head, image, weight, STRAY * eyes)


def to_motion(
    state: Frames, shape: Tensor, fps: float, head: Head, origin: Tensor, apart: Tensor | None = None
) -> FlameSequence:
    """The solver's unknowns as a FlameSequence whose translation is relative to origin [3] m.

    apart: [2] rad, half of what steadily lies between the eyes' gazes; that of these frames when None.
    """
    count = len(state)
    flat = lambda angles: torch.nn.functional.pad(angles, (0, 1))  # noqa: E731  pitch, yaw -> axis-angle
    return FlameSequence(
        shape=shape,
        expression=state.linear[:, 2:].contiguous(),
        rotation=torch.zeros(count, 3),
        neck=axis_angle_from_matrix(state.neck),
        jaw=flat(state.jaw),
        eyes=flat(level_gaze(state.eyes, gaze_apart(state.eyes) if apart is None else apart)),
        eyelids=state.linear[:, :2].clamp(0, 1),
        translation=state.translation - origin,
        fps=fps,
        head=head.id,
    )


def gaze_apart(eyes: Tensor) -> Tensor:
    """Half [2] of what steadily lies between the gazes [T, 2, 2] of the two eyes: that is where the eyeballs sit."""
    return (eyes[:, 0] - eyes[:, 1]).median(0).values / 2


def level_gaze(eyes: Tensor, apart: Tensor) -> Tensor:
    """Gaze [T, 2, 2] without the steady difference between the eyes."""
    return eyes + torch.stack([-apart, apart])


def landmark_error(problem: LandmarkFit, shape: Tensor, state: Frames, points: np.ndarray, camera: Pinhole) -> Tensor:
    """Mean distance [T] between projected and detected landmarks, in % of the inter-ocular distance."""
    world = problem.points(*problem.skin.shaped(shape), state)[0]
    seen = torch.from_numpy(points).float()
    eyes = torch.linalg.vector_norm(seen[:, OUTER_EYE_CORNERS[0], :2] - seen[:, OUTER_EYE_CORNERS[1], :2], dim=-1)
    gap = torch.linalg.vector_norm(camera.project(world) - seen[:, problem.seen, :2], dim=-1)
    return 100 * gap.mean(1) / eyes


def _identity(problem: LandmarkFit, points: np.ndarray, found: np.ndarray, camera: Pinhole) -> Tensor:
    """The identity [S] shared by some frames spread over the clip."""
    index = np.flatnonzero(found)
    index = index[np.linspace(0, len(index) - 1, min(len(index), IDENTITY_FRAMES)).round().astype(int)]
    chosen = points[index]
    data = observe(problem, chosen, camera)
    return fit_identity(problem, data, initial(problem, data, chosen))[0]


def _start(
    problem: LandmarkFit, points: np.ndarray, found: np.ndarray, start: int, stop: int, camera: Pinhole
) -> Frames:
    """Start values of a window; a frame without a face starts from the nearest one that has one."""
    index = np.flatnonzero(found)
    nearest = index[np.abs(index[None, :] - np.arange(start, stop)[:, None]).argmin(1)]
    borrowed = points[nearest]
    data: Observation = observe(problem, borrowed, camera)
    return initial(problem, data, borrowed)


def _missing(found: np.ndarray, fps: float) -> list[str]:
    """One sentence for each run of frames without a face."""
    edges = np.flatnonzero(np.diff(np.r_[1, found.astype(int), 1]))
    return [
        f"frames {a}-{b - 1} ({a / fps:.2f}-{b / fps:.2f} s): no face found, motion interpolated"
        for a, b in edges.reshape(-1, 2)
    ]
