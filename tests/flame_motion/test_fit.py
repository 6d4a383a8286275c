"""The fit recovers what made its input; its derivatives and its chain solver are exact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from flamecast.flame_motion import BadInput, FlameSequence, load_head
from flamecast.flame_motion.retargeting.rest import rest_of
from flamecast.flame_motion.rotations import matrix_from_axis_angle
from flamecast.flame_motion.tracking.fit_kernel import solve_chain
from flamecast.flame_motion.tracking.focal import estimate_focal
from flamecast.flame_motion.tracking.landmark_fit import APERTURE, LandmarkFit, Observation, observe
from flamecast.flame_motion.tracking.pinhole import Pinhole
from flamecast.flame_motion.tracking.shots import Shot
from flamecast.flame_motion.tracking.solve import initial
from flamecast.flame_motion.tracking.track import Detections, track_landmarks
from flamecast.flame_motion.tracking.unknowns import Unknowns

WIDTH, HEIGHT = 640, 480


@pytest.fixture(scope="module")
def problem():
    return LandmarkFit(load_head())


def synthetic(frames: int = 12, noise: float = 0.0) -> tuple[FlameSequence, np.ndarray, Pinhole]:
    """A motion of the built-in head and the landmarks a perfect detector would see of it."""
    head = load_head()
    rng = np.random.default_rng(0)
    t = torch.linspace(0, 1, frames)
    shape = 0.7 * torch.from_numpy(rng.standard_normal(head.identity.shape[-1])).float()
    motion = replace(
        FlameSequence.neutral(frames=frames, fps=25, head=head),
        shape=shape,
        neck=torch.stack([0.1 * (6 * t).sin(), 0.3 * (4 * t).sin(), 0.1 * t], 1),
        jaw=torch.stack([0.2 * (5 * t).sin().abs(), 0 * t, 0 * t], 1),
        translation=torch.tensor([0.02, 0.01, -0.9]) + 0.02 * torch.stack([t, 0 * t, t], 1),
    )
    seen = landmarks_of(motion)
    return motion, (seen + noise * rng.standard_normal(seen.shape)).astype(np.float32), Pinhole.guess(WIDTH, HEIGHT)


def landmarks_of(motion: FlameSequence, camera: Pinhole | None = None) -> np.ndarray:
    """What a perfect detector would see of the built-in head in a camera at the origin, [T, 478, 3] px."""
    skin = load_head().subset(load_head().mediapipe)
    points = skin.pose(*skin.shaped(motion.shape), motion)
    camera = camera or Pinhole.guess(WIDTH, HEIGHT)
    metres = -motion.translation[:, 2].numpy()[:, None] / camera.focal
    depth = -(points[..., 2] - points[..., 2].mean(1, keepdim=True)).numpy() / metres
    return np.concatenate([camera.project(points).numpy(), depth[..., None]], -1).astype(np.float32)


def test_tracking_recovers_the_motion_that_made_the_landmarks():
    truth, points, _ = synthetic()
    found = track_landmarks(Detections(points, WIDTH, HEIGHT, 25.0), load_head())
    assert len(found.motion) == len(truth)
    assert float(found.error.max()) < 0.35  # % of the inter-ocular distance
    turned = torch.rad2deg((found.motion.neck - truth.neck).norm(dim=1))
    assert float(turned.max()) < 2.0
    moved = found.motion.translation - (truth.translation - truth.translation[:1])
    assert float(moved.abs().max()) < 0.006
    opening = found.motion.jaw[:, 0].numpy()
    assert np.corrcoef(opening, truth.jaw[:, 0].numpy())[0, 1] > 0.98


# What a face does, by axes or channels (rad) at their most, and where it shows: in a channel of the motion, or between
# two sets of the 68 landmarks along an axis.
DEEDS: dict[str, tuple[dict[str, float], tuple]] = {
    "brows up": ({"browInnerUp": 0.8, "browOuterUpLeft": 0.8, "browOuterUpRight": 0.8}, ([19, 24], [36, 45], 1)),
    "brows down": ({"browDownLeft": 0.8, "browDownRight": 0.8}, ([21, 22], [39, 42], 1)),
    "squint": ({"eyeSquintLeft": 0.9, "eyeSquintRight": 0.9}, ([40, 41, 46, 47], [36, 45], 1)),
    "pucker": ({"mouthPucker": 0.9}, ([54], [48], 0)),
    "funnel": ({"mouthFunnel": 0.9}, ([54], [48], 0)),
    "smile": ({"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8}, ([48, 54], [33], 1)),
    "press": ({"mouthPressLeft": 0.9, "mouthPressRight": 0.9}, ([51], [57], 1)),
    "roll": ({"mouthRollLower": 0.9, "mouthRollUpper": 0.9}, ([51], [57], 1)),
    "jaw": ({"jaw": 0.25}, ([62], [66], 1)),
    "gaze aside": ({"eyes yaw": 0.35}, ("eyes", 1)),
    "gaze down": ({"eyes pitch": 0.25}, ("eyes", 0)),
    "pitch": ({"neck": 0.2}, ("neck", 0)),
}
COURSE = torch.sin(torch.pi * torch.arange(10) / 10) ** 2  # of each deed


def doing() -> FlameSequence:
    """One person who does all `DEEDS`, one after the other."""
    head = load_head()
    still = FlameSequence.neutral(len(COURSE) * len(DEEDS), 25.0, head)
    expression, eyes, neck, jaw = (torch.zeros_like(getattr(still, n)) for n in ("expression", "eyes", "neck", "jaw"))
    for k, (axes, _) in enumerate(DEEDS.values()):
        now = slice(k * len(COURSE), (k + 1) * len(COURSE))
        for name, amount in axes.items():
            if name.startswith("eyes"):
                eyes[now, :, ("pitch", "yaw").index(name[5:])] = amount * COURSE[:, None]
            elif name in ("neck", "jaw"):
                {"neck": neck, "jaw": jaw}[name][now, 0] = amount * COURSE
            else:
                expression[now, head.expression_names.index(name)] = amount * COURSE
    shape = 0.7 * torch.from_numpy(np.random.default_rng(1).standard_normal(len(still.shape))).float()
    place = torch.tensor([0.0, 0.0, -0.7]).expand(len(still), 3)
    return replace(still, shape=shape, expression=expression, eyes=eyes, neck=neck, jaw=jaw, translation=place)


def shown(motion: FlameSequence, where: tuple) -> torch.Tensor:
    """How much of it a motion shows [T], on one and the same straight head."""
    if len(where) == 2:
        values = getattr(motion, where[0])[..., where[1]]
        return values.mean(1) if values.ndim == 2 else values
    of, from_, axis = where
    straight = replace(FlameSequence.neutral(len(motion), 25.0, load_head()), expression=motion.expression,
                       jaw=motion.jaw, eyelids=motion.eyelids)  # fmt: skip
    points = load_head().landmarks(straight)[..., axis]
    return points[:, of].mean(1) - points[:, from_].mean(1)


@pytest.fixture(scope="module")
def done() -> tuple[FlameSequence, FlameSequence]:
    """What was done, and what was tracked of it in landmarks that are off by .3 px."""
    truth = doing()
    points = landmarks_of(truth)
    points += 0.3 * np.random.default_rng(2).standard_normal(points.shape).astype(np.float32)
    return truth, track_landmarks(Detections(points, WIDTH, HEIGHT, 25.0), load_head()).motion


@pytest.mark.parametrize("deed", DEEDS)
def test_all_that_a_face_does_comes_back_by_its_size(done, deed):
    k = list(DEEDS).index(deed)
    true, found = (shown(motion, DEEDS[deed][1])[k * 10 : k * 10 + 10] for motion in done)
    true, found = true - true[0], found - found[0]
    assert np.corrcoef(true, found)[0, 1] > 0.99
    assert 0.85 < float(true @ found / (true @ true)) < 1.1


def test_frames_without_a_face_are_interpolated_and_reported():
    truth, points, _ = synthetic(20)
    points[8:12] = np.nan
    found = track_landmarks(Detections(points, WIDTH, HEIGHT, 25.0), load_head())
    assert len(found.motion) == 20
    assert found.found.tolist() == [True] * 8 + [False] * 4 + [True] * 8
    assert found.problems == ["frames 8-11 (0.32-0.48 s): no face found, motion interpolated"]
    assert float(torch.rad2deg((found.motion.neck - truth.neck).norm(dim=1))[8:12].max()) < 3.0
    assert (found.confidence[8:12] == 0).all() and (found.confidence[:8] > 0.5).all()


def test_eyes_open_wider_than_at_rest_are_followed():
    """Lids end at 0; what opens an eye further is the expression's, and none of it is lost."""
    truth, _, _ = synthetic(24)
    head = load_head()
    wide = torch.sin(torch.linspace(0, 9, 24)).clamp_min(0)
    expression = torch.zeros_like(truth.expression)
    for side in ("Left", "Right"):
        expression[:, head.expression_names.index(f"eyeWide{side}")] = 0.8 * wide
    points = landmarks_of(replace(truth, expression=expression))
    found = track_landmarks(Detections(points, WIDTH, HEIGHT, 25.0), head)
    motion = replace(found.motion, translation=found.motion.translation + found.place)
    assert float(motion.eyelids.min()) >= 0
    seen, fitted = (np.linalg.norm(p[:, 159, :2] - p[:, 145, :2], axis=1) for p in (points, landmarks_of(motion)))
    assert np.corrcoef(seen, fitted)[0, 1] > 0.99 and np.abs(seen - fitted).max() < 0.5  # px


@pytest.mark.parametrize("degrees", [20, 28, 45])
def test_a_focal_length_is_found_in_the_perspective_of_a_turning_face(problem, degrees):
    camera = Pinhole(0.5 * WIDTH / float(np.tan(np.radians(degrees) / 2)), WIDTH, HEIGHT)
    truth, _, _ = synthetic(8)
    near = replace(truth, translation=truth.translation * torch.tensor([1.0, 1.0, camera.focal / 1400]))
    points = landmarks_of(near, camera)
    points[..., :2] += np.random.default_rng(0).normal(0, 0.5, points[..., :2].shape)
    focal, error = estimate_focal(problem, points, WIDTH, HEIGHT)
    assert abs(focal / camera.focal - 1) < 0.25
    assert abs(np.log(focal / camera.focal)) < 2.5 * error
    assert error < 0.3  # before looking it is SIGMA_LOG, 0.5


def test_no_face_at_all_is_refused():
    with pytest.raises(BadInput, match="No face was found in any of the 3 frames"):
        track_landmarks(Detections(np.full((3, 478, 3), np.nan, np.float32), WIDTH, HEIGHT, 25.0), load_head())


def test_jacobian_by_finite_differences(problem):
    torch.manual_seed(0)
    size = problem.basis.shape[-1]
    state = Unknowns(
        matrix_from_axis_angle(0.3 * torch.randn(1, 3)), torch.tensor([[0.0, 0.0, -0.8]]), torch.tensor([[0.2, 0.05]]),
        0.2 * torch.randn(1, 2, 2), 0.3 * torch.randn(1, size),
    )  # fmt: skip
    state.linear[:, :2] = 0.5  # lids do not move past open and shut
    rest, joints = problem.skin.shaped(0.5 * torch.randn(problem.skin.identity.shape[-1]))
    count = len(problem.seen)
    camera = Pinhole.guess(WIDTH, HEIGHT)
    data = Observation(torch.zeros(1, count, 2), torch.zeros(1, count), torch.ones(1, count, 3), camera)
    error, pose, linear = (part[0] for part in problem.rows(state, rest, joints, data))
    world, frame = problem.points(rest, joints, state)
    assert torch.allclose(error[:, :2], -camera.project(world)[0], atol=1e-2)
    assert torch.allclose(error[:, 2], world[0, :, 2].mean() - world[0, :, 2], atol=1e-6)
    assert torch.allclose(linear[:, 2], frame[0, :, 2], atol=1e-6)
    whole = torch.cat([pose, linear @ problem.basis], -1)  # [P, 3, D]
    whole[:, 2] -= whole[:, 2].mean(0)
    step = 1e-3
    for k in [*range(12), 12, 14, 12 + size - 1]:
        delta = torch.zeros(1, 12 + size)
        delta[0, k] = step
        ahead, behind = (problem.rows(state.step(s * delta), rest, joints, data)[0][0] for s in (1, -1))
        change = (behind - ahead) / (2 * step)
        # Expressions move the joints by micrometres, which the Gauss-Newton step leaves out.
        for row, small in ((0, 0.2), (1, 0.2), (2, 2e-4)):  # px and m a unit
            allowed = 3e-3 * float(whole[:, row, k].abs().max()) + small
            assert torch.allclose(change[:, row], whole[:, row, k], atol=allowed), (k, row)


def test_normal_equations_are_sums_over_rows_and_openings(problem):
    _, points, camera = synthetic(2)
    data = observe(problem, points, camera)
    rest, joints = problem.skin.shaped(torch.zeros(problem.skin.identity.shape[-1]))
    state = initial(problem, data, points)
    error, pose, linear = (part.double() for part in problem.rows(state, rest, joints, data))
    rows = torch.cat([pose, linear @ problem.basis.double()], -1)  # [T, P, 3, D]
    upper, lower = problem.pairs.T
    weight = data.weight.double()
    apart = (rows / weight[..., None])[:, upper, :2] - (rows / weight[..., None])[:, lower, :2]
    gap = (error / weight)[:, upper, :2] - (error / weight)[:, lower, :2]
    sure = APERTURE * weight[:, upper, :2]
    rows = torch.cat([rows.flatten(1, 2), (apart * sure[..., None]).flatten(1, 2)], 1)
    error = torch.cat([error.flatten(1), (gap * sure).flatten(1)], 1)
    h, g = problem.normal_equations(state, rest, joints, data, problem.basis)
    for made, expected in ((h, rows.mT @ rows), (g, (rows.mT @ error[..., None])[..., 0])):
        assert (made - expected).abs().max() < 1e-5 * expected.abs().max()


def test_chain_solver_equals_the_dense_solution():
    rng = np.random.default_rng(0)
    count, size = 7, 5
    root = rng.standard_normal((count, size, size))
    h = root @ root.transpose(0, 2, 1) + 6 * np.eye(size)
    link, g = rng.random(size), rng.standard_normal((count, size))
    dense = np.zeros((count * size, count * size))
    for t in range(count):
        at = np.s_[t * size : (t + 1) * size]
        dense[at, at] = h[t]
        if t:
            before = np.s_[(t - 1) * size : t * size]
            dense[at, before] = dense[before, at] = -np.diag(link)
    solved = g.copy()
    solve_chain(h, link, solved)
    assert np.allclose(solved.ravel(), np.linalg.solve(dense, g.ravel()), atol=1e-9)


def test_weights_whiten_and_missing_frames_weigh_nothing(problem):
    _, points, camera = synthetic(3)
    points[1] = np.nan
    data = observe(problem, points, camera)
    assert (data.weight[1] == 0).all() and (data.weight[[0, 2]] > 0).all()
    assert torch.isfinite(data.image).all()


def test_two_shots_are_two_people_each_on_their_own_rest():
    """What is before a cut is bit for bit what it is alone; what is after it rests where the first one does."""
    truth, points, _ = synthetic(12)
    later = replace(truth[:6], shape=-truth.shape, neck=truth.neck[:6] + torch.tensor([0.0, 0.5, 0.0]))
    both = np.concatenate([points, landmarks_of(later)])
    head = load_head()
    alone = track_landmarks(Detections(points, WIDTH, HEIGHT, 25.0), head)
    cut = track_landmarks(Detections(both, WIDTH, HEIGHT, 25.0, shots=[Shot(0, 12, 0), Shot(12, 18, 1)]), head)
    assert torch.equal(cut.motion.shape, alone.motion.shape)
    for name in ("neck", "jaw", "expression", "eyes"):
        assert torch.equal(getattr(cut.motion, name)[:12], getattr(alone.motion, name)), name
    assert torch.allclose(cut.motion.translation[:12], alone.motion.translation, atol=1e-6)
    assert len(cut.motion) == len(cut.error) == len(cut.confidence) == 18 and cut.error.max() < 0.5
    apart = rest_of(cut.motion[:12]).neck - rest_of(cut.motion[12:]).neck
    assert torch.rad2deg(apart.norm()) < 1  # and 29 degrees in the pictures
    typical = [part.median(0).values for part in (cut.motion.translation[:12], cut.motion.translation[12:])]
    assert torch.allclose(*typical, atol=1e-5)
