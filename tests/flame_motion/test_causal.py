"""Causal tracking: nothing of what comes later, what made the landmarks is found, people and pictures may change."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from flamecast.drivers.video import VideoDriver
from flamecast.flame_motion import VideoClip, load_head
from flamecast.flame_motion.channels import CHANNELS
from flamecast.flame_motion.tracking.causal import CALIBRATION, CausalTracker
from flamecast.flame_motion.tracking.detector import MediaPipeDetector
from flamecast.flame_motion.tracking.landmarks import Face
from flamecast.flame_motion.tracking.one_euro import OneEuro

from .test_fit import HEIGHT, WIDTH, landmarks_of, synthetic

CLIPS = Path(__file__).resolve().parents[3] / "shared" / "data" / "clips"
FPS, FRAMES = 25.0, 60
PICTURE = np.zeros((HEIGHT, WIDTH, 3), np.uint8)


class Script:
    """A detector that knows what each frame shows: a Face or None."""

    def __init__(self, faces: list[Face | None]) -> None:
        self.given = faces

    def track(self, frames, fps=25.0):
        for _, face in zip(frames, self.given):
            yield face


def talking() -> tuple:
    """A head that is at rest for a second and then turns, nods and opens its mouth; and its landmarks."""
    truth, _, _ = synthetic(FRAMES)
    moves = (torch.arange(FRAMES) / FPS - CALIBRATION - 0.1).clamp_min(0)[:, None]
    truth = replace(
        truth,
        neck=torch.cat([0.1 * (5 * moves).sin(), 0.3 * (4 * moves).sin(), 0 * moves], 1),
        jaw=torch.cat([0.2 * (5 * moves).sin().abs(), 0 * moves, 0 * moves], 1),
        translation=truth.translation[:1] + 0.02 * torch.cat([moves, 0 * moves, moves], 1),
    )
    return truth, landmarks_of(truth)


def follow(faces: list[Face | None], **options) -> list:
    tracker = CausalTracker(load_head(), Script(faces), fps=FPS, **options)
    return [tracker.feed(PICTURE, number / FPS) for number in range(len(faces))]


@pytest.fixture(scope="module")
def talk() -> tuple:
    truth, points = talking()
    return truth, [Face(p.astype(np.float64)) for p in points]


@pytest.fixture(scope="module")
def seen(talk) -> list:
    return follow(talk[1])


def test_the_motion_that_made_the_landmarks_is_found_relative_to_its_rest(talk, seen):
    truth, _ = talk
    start = round(CALIBRATION * FPS)
    assert seen[start - 1].rest is None and seen[start].rest is not None
    rest = seen[-1].rest
    for number in range(start + 5, FRAMES):
        turned = seen[number].motion.neck[0] - rest.neck[0] - (truth.neck[number] - truth.neck[0])
        assert math.degrees(turned.norm()) < 3.0, number
    jaws = torch.stack([found.motion.jaw[0, 0] for found in seen[start:]])
    assert np.corrcoef(jaws.numpy(), truth.jaw[start:, 0].numpy())[0, 1] > 0.97
    places = torch.stack([found.motion.translation[0] for found in seen[start:]])
    moved = places - places[0] - (truth.translation[start:] - truth.translation[start])
    assert float(moved[:, :2].abs().max()) < 0.002 and float(moved[:, 2].abs().max()) < 0.012  # m
    assert torch.equal(rest.translation, torch.zeros(1, 3))


def test_no_frame_knows_what_comes_after_it(talk, seen):
    """Whatever follows, what was said before stays to the bit."""
    cut = 40
    other = follow([*talk[1][:cut], *talk[1][:10]])
    for before, again in zip(seen[:cut], other[:cut]):
        for name in CHANNELS:
            assert torch.equal(getattr(before.motion, name), getattr(again.motion, name)), name
    assert not torch.equal(seen[cut].motion.neck, other[cut].motion.neck)


def test_a_face_that_is_gone_holds_still_and_is_told(talk, seen):
    gone = [*talk[1][:35], None, None, talk[1][37]]
    found = follow(gone)
    assert [one.found for one in found[34:]] == [True, False, False, True]
    for one in found[35:37]:
        assert torch.equal(one.motion.neck, found[34].motion.neck) and one.rest is not None
    assert follow([None, talk[1][0]])[0].motion is None


def test_somebody_else_has_a_shape_and_a_rest_of_their_own(talk):
    """The second person is wider: their identity is not the first one's, and their rest is looked for anew."""
    wide = [Face((f.points - f.points.mean(0)) * [1.15, 1, 1] + f.points.mean(0), person=1) for f in talk[1][:30]]
    found = follow([*talk[1][:30], *wide])
    assert found[29].rest is not None and found[30].rest is None and found[-1].rest is not None
    assert not torch.equal(found[30].motion.shape, found[29].motion.shape)
    assert not torch.equal(found[-1].motion.shape, found[30].motion.shape)


def test_a_rest_is_taken_again_when_asked_and_the_old_one_holds_until_then(talk):
    turned = talk[1][50]
    tracker = CausalTracker(load_head(), Script([*talk[1][:30], *[turned] * 30]), fps=FPS)
    found = [tracker.feed(PICTURE, number / FPS) for number in range(30)]
    assert tracker.calibrated
    tracker.calibrate()
    assert not tracker.calibrated
    later = [tracker.feed(PICTURE, (30 + number) / FPS) for number in range(30)]
    assert later[10].rest is found[-1].rest and tracker.calibrated
    yaw = float(talking()[0].neck[50, 1])
    assert abs(float(later[-1].rest.neck[0, 1] - found[-1].rest.neck[0, 1]) - yaw) < 0.05  # rad


def test_calibrating_beside_gives_what_calibrating_at_once_gives(talk, seen):
    tracker = CausalTracker(load_head(), Script(talk[1]), fps=FPS, in_background=True)
    for number in range(round(CALIBRATION * FPS) + 1):
        tracker.feed(PICTURE, number / FPS)
    tracker._next.result(30)  # the thread beside
    last = tracker.feed(PICTURE, (round(CALIBRATION * FPS) + 1) / FPS)
    tracker.close()
    assert torch.equal(last.rest.expression, seen[-1].rest.expression)
    assert torch.equal(last.motion.shape, seen[-1].motion.shape)


def test_a_step_through_the_filter_is_the_exponential_of_its_cutoff():
    """At rest, and with no rise, it is a first-order low-pass: after n steps 1 - (1 - a)^n of a jump are done."""
    still, seconds, cutoff = OneEuro(cutoff=2.0, rise=0.0), 0.01, 2.0
    share = 1 / (1 + 1 / (2 * math.pi * cutoff * seconds))
    assert torch.equal(still(torch.zeros(3), seconds), torch.zeros(3))
    for steps in range(1, 20):
        value = still(torch.ones(3), seconds)
        assert torch.allclose(value, torch.full((3,), 1 - (1 - share) ** steps), atol=1e-6)


def test_the_faster_the_less_the_filter_lags():
    """Behind a ramp by its speed over 2 pi times the cut-off, which rises with the speed."""
    lags = []
    for speed in (0.1, 1.0, 10.0):
        filter_ = OneEuro(cutoff=1.0, rise=5.0)
        for step in range(3000):
            value = filter_(torch.tensor([speed * step * 0.01]), 0.01)
        lags.append((speed * 29.99 - float(value[0])) / speed)  # s
        assert lags[-1] == pytest.approx(1 / (2 * math.pi * (1 + 5 * speed)), rel=0.05, abs=1e-3)
    assert lags[0] > lags[1] > lags[2]


@pytest.mark.skipif(not CLIPS.is_dir(), reason="no real media: ../shared/data is not here")
@pytest.mark.parametrize(
    "name", ["liveportrait__driving_d12.mp4", pytest.param("smirk__dafoe.mp4", marks=pytest.mark.slow)]
)
def test_landmarks_are_off_by_no_more_than_half_again_of_what_look_ahead_leaves(name):
    clip = VideoClip.open(CLIPS / name).first(3)
    detector = MediaPipeDetector()
    tracker = CausalTracker(load_head(), detector, fps=clip.fps)
    errors = []
    for number, image in enumerate(clip):
        tracker.feed(image, number / clip.fps)
        errors.append(tracker.error())
    offline = VideoDriver(detector=detector).track(clip)
    assert np.nanmean(errors) <= 1.5 * float(np.nanmean(offline.error))


@pytest.mark.skipif(not CLIPS.is_dir(), reason="no real media: ../shared/data is not here")
def test_the_driver_streams_a_frame_of_motion_for_each_picture():
    clip = VideoClip.open(CLIPS / "liveportrait__driving_d19.mp4").first(0.4)
    pictures = list(clip)
    streamed = VideoDriver().stream(iter([np.zeros_like(pictures[0]), *pictures]), clip.fps)
    motions = list(streamed)
    assert [len(motion) for motion in motions] == [1] * (len(pictures) + 1)
    assert float(motions[0].expression.abs().max()) == 0  # nobody is seen yet
    assert float(motions[-1].expression.abs().max()) > 0
