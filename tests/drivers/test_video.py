"""The video driver on a real clip: every frame counts, twice the same, gaps bridged and said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from flamecast.drivers.video import VideoDriver
from flamecast.flame_motion import BadInput, VideoClip, Waveform
from flamecast.flame_motion.channels import CHANNELS
from flamecast.flame_motion.retargeting.rest import rest_of
from flamecast.flame_motion.tracking.track import Tracking

CLIP = Path(__file__).resolve().parents[3] / "shared" / "data" / "clips" / "liveportrait__driving_d19.mp4"
FRAMES, GAP = 20, slice(8, 13)
pytestmark = pytest.mark.skipif(not CLIP.exists(), reason="no real media: ../shared/data is not here")


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    return list(VideoClip.open(CLIP).first(FRAMES / 30))


@pytest.fixture(scope="module")
def whole(frames) -> Tracking:
    return VideoDriver().track(VideoClip(frames, 30.0))


@pytest.fixture(scope="module")
def bridged(frames) -> Tracking:
    """The same clip, its picture gone for the frames of GAP."""
    blank = np.full_like(frames[0], 100)
    return VideoDriver().track(VideoClip([*frames[: GAP.start], *[blank] * 5, *frames[GAP.stop :]], 30.0))


def test_every_frame_of_the_file_gives_one_of_motion(whole):
    clip = VideoClip.open(CLIP).first(FRAMES / 30)
    calls: list[tuple[str, int, int]] = []
    tracking = VideoDriver().track(clip, lambda *step: calls.append(step))
    assert len(tracking.motion) == clip.frame_count == FRAMES and tracking.motion.fps == clip.fps == 30
    assert tracking.found.all() and tracking.problems == [] and tracking.error.max() < 2
    assert [step for step in calls if step[0] == "detect"] == [("detect", k + 1, FRAMES) for k in range(FRAMES)]
    assert calls[-1] == ("fit", FRAMES, FRAMES)


def test_the_same_clip_gives_the_same_motion(frames, whole):
    driver = VideoDriver()
    for seed in (0, 1):  # one driver used twice, and another one's result
        again = driver(VideoClip(frames, 30.0), seed=seed)
        for name in ("shape", *CHANNELS):
            assert torch.equal(getattr(again, name), getattr(whole.motion, name)), name


def test_frames_without_a_face_are_bridged_and_said(whole, bridged):
    motion = bridged.motion
    missing = torch.zeros(FRAMES, dtype=torch.bool)
    missing[GAP] = True
    assert len(motion) == FRAMES and torch.equal(bridged.found, ~missing)
    assert bridged.problems == ["frames 8-12 (0.27-0.43 s): no face found, motion interpolated"]
    assert bridged.error[missing].isnan().all() and (bridged.confidence[missing] == 0).all()
    assert bridged.error[~missing].max() < 2 and bridged.confidence[~missing].min() > 0.5
    share = torch.linspace(0, 1, GAP.stop - GAP.start + 2)[1:-1, None]
    for name, allowed in (("neck", 0.02), ("jaw", 0.02), ("translation", 0.003)):
        track = getattr(motion, name)
        straight = torch.lerp(track[GAP.start - 1], track[GAP.stop], share)
        assert (track[GAP] - straight).abs().max() < allowed, name
    ends = motion.eyelids[[GAP.start - 1, GAP.stop]]
    assert (motion.eyelids[GAP] >= ends.amin(0) - 0.02).all() and (motion.eyelids[GAP] <= ends.amax(0) + 0.02).all()


def test_what_comes_before_a_gap_is_as_without_it(whole, bridged):
    head = VideoDriver().head
    distance = (head(whole.motion[:5]) - head(bridged.motion[:5])).norm(dim=-1)
    assert distance.max() < 1e-3  # m


def test_a_clip_without_any_face_is_bad_input():
    noise = np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8)
    with pytest.raises(BadInput, match="No face was found in any of the 3 frames"):
        VideoDriver()(VideoClip([noise] * 3, 25.0))


def test_a_clip_that_begins_and_ends_without_a_face_keeps_its_length(frames):
    blank = np.full_like(frames[0], 100)
    tracking = VideoDriver().track(VideoClip([blank, *frames[:4], blank, blank], 30.0))
    assert tracking.found.tolist() == [False, True, True, True, True, False, False]
    assert len(tracking.motion) == 7 and len(tracking.problems) == 2
    assert torch.equal(tracking.motion.translation[1], torch.zeros(3))  # counts from the first frame with a face


def test_one_frame_is_a_clip(frames):
    motion = VideoDriver()(VideoClip(frames[:1], 30.0))
    assert len(motion) == 1 and torch.equal(motion.translation, torch.zeros(1, 3))


def test_a_driver_costs_nothing_until_it_is_used_and_keeps_its_detector():
    driver = VideoDriver()
    assert "detector" not in vars(driver)
    assert driver.detector is driver.detector


def test_what_is_driven_has_its_sound_facts_and_problems(frames):
    blank = np.full_like(frames[0], 100)
    sound = Waveform(np.zeros(800, np.float32), 8000)
    clip = VideoClip([*frames[:2], blank, *frames[2:4]], 30.0, sound, problems=["the file is cut off"] * 2)
    calls: list[tuple[str, int, int]] = []
    driven = VideoDriver()(clip, progress=lambda *step: calls.append(step))
    assert driven.sound is sound and calls[-1] == ("fit", 5, 5)
    assert driven.facts["frames"] == 5 and driven.facts["frames_without_face"] == 1
    assert len(driven.facts["confidence"]) == 5 and driven.facts["confidence"][2] == 0
    assert driven.problems[0] == "the file is cut off" and len(driven.problems) == 2
    assert driven.frame_problems == [{"frames": [2, 2], "problem": "no face in the driver: interpolated"}]


def test_the_sound_of_a_file_is_the_file(frames):
    assert VideoDriver()(VideoClip(frames[:1], 30.0, path=CLIP)).sound == CLIP
    assert VideoDriver()(VideoClip(frames[:1], 30.0)).sound is None


@pytest.mark.slow
def test_a_cut_to_somebody_else_begins_anew():
    clip = VideoClip.open(CLIP.parents[1] / "inputs" / "cut.mp4")
    driven = VideoDriver()(clip)
    note = "from 1.60 s on another shot begins, with another face: it is counted from its own rest and place"
    assert len(driven) == 80 and driven.problems == [note]
    assert driven.frame_problems == [{"frames": [40, 40], "problem": "another shot begins here, with another face"}]
    alone = [VideoDriver()(VideoClip(list(clip)[half], clip.fps)) for half in (slice(0, 40), slice(40, 80))]
    rests = [rest_of(driven.motion[half]) for half in (slice(0, 40), slice(40, 80))]
    assert torch.rad2deg((rests[0].neck - rests[1].neck).norm()) < 1
    kept = [a for a in alone if torch.equal(a.shape, driven.shape)]
    assert len(kept) == 1  # one half's own identity, whole
