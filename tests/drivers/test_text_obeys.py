"""Text motion does what its words say, in order and in measure: read off the generated motion."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from flamecast.drivers import load_driver
from flamecast.drivers.text.correct import head_angles
from flamecast.flame_motion import Driven, TextPrompt, load_head

AXES = load_head().expression_names


class Seen:
    """What somebody sees of a motion: angles [T] in degrees (yaw + left, pitch + down), axes of the face [T]."""

    def __init__(self, driven: Driven, start: float = 0.0, stop: float = 1e9):
        self.driven, motion = driven, driven.motion
        span = slice(round(start * 25), round(min(stop, motion.duration) * 25))
        angles = head_angles(motion.neck.numpy())
        self.yaw, self.pitch, self.roll = (angles[name][span] for name in ("yaw", "pitch", "roll"))
        self.face = {name: motion.expression[span, k].numpy() for k, name in enumerate(AXES)}
        self.gaze = np.degrees(motion.eyes[span].numpy().mean(1)[:, 1])
        self.jaw, self.lids = motion.jaw[span, 0].numpy(), motion.eyelids[span].numpy()

    def part(self, start: float, stop: float) -> Seen:
        return Seen(self.driven, start, stop)

    def nods(self) -> int:
        smooth = gaussian_filter1d(self.pitch, 1.2, mode="nearest")
        return len(find_peaks(np.r_[smooth[0], smooth, smooth[-1]], prominence=3)[0])

    def mean(self, name: str) -> float:
        return float((self.face[f"{name}Left"] + self.face[f"{name}Right"]).mean() / 2)

    def smile(self) -> float:
        return self.mean("mouthSmile")

    def first(self, track: np.ndarray, level: float) -> float:
        """When (s) a track first exceeds a level; 99 for never."""
        over = np.flatnonzero(track > level)
        return over[0] / 25 if len(over) else 99.0


Check = Callable[[Seen], bool]
in_order: Check = lambda s: s.part(0, 2).nods() >= 1 and 1.9 < s.first(s.yaw, 8) < s.first(-s.yaw, 8) < 6  # noqa: E731
ROWS: list[tuple[str, str, float, Check]] = [
    ("she turns her head to camera left", "", 3, lambda s: s.yaw.min() < -12 and s.yaw.max() < 8),
    ("she turns her head toward the left side of the screen", "", 3, lambda s: s.yaw.min() < -12 and s.yaw.max() < 8),
    ("0-1s: nods; 1-4s: looks left", "", 4, lambda s: s.part(0, 1.2).nods() >= 1 and 0.9 < s.first(s.yaw, 8) < 1.8),
    ("0:00 nods; 0:02 looks left", "", 4, lambda s: s.part(0, 2).nods() >= 1 and 1.9 < s.first(s.yaw, 8) < 2.9),
    ("at 2 seconds she looks left", "", 4, lambda s: 1.9 < s.first(s.yaw, 8) < 2.9),
    (
        "she looks left for 1 second, then right for 3 seconds", "", 4,
        lambda s: s.first(s.yaw, 10) < 0.9 and s.first(-s.yaw, 10) < 2 and (s.yaw < -10).sum() > 40,
    ),
    ("she turns her head 10 degrees to the left", "", 3, lambda s: abs(s.yaw.max() - 10) < 4),
    ("she turns her head 45 degrees to the left", "", 3, lambda s: abs(s.yaw.max() - 45) < 4),
    ("she nods ten times", "", 6, lambda s: s.nods() == 10),
    ("don't nod, just look left", "", 4, lambda s: s.nods() == 0 and s.yaw.max() > 12),
    ("she does not smile", "", 4, lambda s: s.smile() < 0.1),
    ("", "not angry at all", 4, lambda s: s.mean("browDown") < 0.1),
    ("She nods. She looks left. She looks right.", "", 6, in_order),
    ("She nods; she looks left; she looks right", "", 6, in_order),
    ("She nods\nShe looks left\nShe looks right", "", 6, in_order),
    ("", "happy; sad", 5, lambda s: s.part(0.5, 2.3).smile() > 0.25 and s.part(3.5, 5).mean("mouthFrown") > 0.25),
    (
        "", "surprised. angry.", 5,
        lambda s: s.part(0.5, 2.3).mean("browOuterUp") > 0.3 and s.part(3.5, 5).mean("browDown") > 0.3,
    ),
    ("1. She nods. 2. She looks left.", "", 5, lambda s: s.part(0, 2.5).nods() >= 1 and 2.4 < s.first(s.yaw, 8) < 3.8),
    ("Mr. Smith nods.", "", 3, lambda s: s.nods() >= 1 and not s.driven.problems),
    (
        "raises one brow", "", 3,
        lambda s: {round(s.face[f"browOuterUp{way}"].mean(), 1) > 0.3 for way in ("Left", "Right")} == {True, False}
        and s.face["browDownLeft"].max() < 0.05 > s.face["browDownRight"].max()
        and np.median(s.lids) < 0.1,
    ),
    ("far to the left, then far to the right", "", 4, lambda s: s.yaw[:50].max() > 33 and s.yaw[50:].min() < -33),
    ("looks over her shoulder", "", 3, lambda s: np.abs(s.yaw).max() > 40),
    ("tilts her head to the left while nodding", "", 4, lambda s: s.roll.min() < -8 and s.nods() >= 1),
    ("never blinks", "", 6, lambda s: s.lids.max() < 0.3),
    (
        "turns right, nods twice there and turns back", "", 6,
        lambda s: s.nods() == 2 and (s.yaw[s.pitch > 6] < -8).all() and abs(s.yaw[-10:]).max() < 6,
    ),
    ("turns her head to the left", "", 6, lambda s: s.yaw[50:].min() > 10),
    (
        "without moving her head she looks left, then right", "", 4,
        lambda s: abs(s.yaw).max() < 4 and s.part(0.5, 1.8).gaze.max() > 10 and s.part(2.5, 4).gaze.min() < -10,
    ),
    ("blinks five times", "", 5, lambda s: len(find_peaks(np.r_[0, s.lids.mean(1), 0], prominence=0.5)[0]) == 5),
    ("turns left over four seconds", "", 5, lambda s: 0.2 < s.yaw[50] / s.yaw.max() < 0.8 and s.yaw[-25:].min() > 10),
    (
        "0-1s: looks left; 1-4s: slowly looks back at us", "", 4,
        lambda s: s.yaw[25] > 12 and s.yaw[40] > 6 > abs(s.yaw[-5:]).max(),
    ),
    ("one little nod", "", 4, lambda s: s.nods() == 1 and 2 < s.pitch.max() < 10),
    ("a smile spreads over four seconds", "", 5, lambda s: s.part(0, 1).smile() < 0.4 * s.part(4, 5).smile() > 0.04),
    (
        "winks twice with the left eye", "", 4,
        lambda s: len(find_peaks(s.lids[:, 0], prominence=0.6)[0]) == 2 and s.lids[:, 1].max() < 0.4,
    ),
    ("sits there, then yawns", "bored", 6, lambda s: s.jaw[:50].max() < 0.1 < 0.25 < s.jaw[75:].max()),
    ("raises his eyebrows", "", 3, lambda s: s.mean("browOuterUp") > 0.4 and s.mean("browDown") < 0.05),
]  # fmt: skip


@pytest.fixture(scope="module")
def driver():
    return load_driver("text")


@pytest.mark.parametrize(("text", "emotion", "seconds", "check"), ROWS, ids=[row[0] or row[1] for row in ROWS])
def test_the_words_are_obeyed(driver, text, emotion, seconds, check):
    driven = driver(TextPrompt(text, emotion=emotion, duration=float(seconds)), seed=0)
    assert len(driven.motion) == round(seconds * 25) and check(Seen(driven))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(("text", "emotion", "seconds", "check"), ROWS, ids=[row[0] or row[1] for row in ROWS])
def test_the_words_are_obeyed_with_other_seeds(driver, seed, text, emotion, seconds, check):
    assert check(Seen(driver(TextPrompt(text, emotion=emotion, duration=float(seconds)), seed=seed)))


def test_a_laugh_has_four_to_five_notes_a_second(driver):
    motion = driver(TextPrompt("she laughs", duration=4.0), seed=0).motion
    notes = find_peaks(motion.jaw[:, 0].numpy(), prominence=0.03)[0]
    steps = np.diff(notes) / 25
    assert len(notes) >= 8 and 0.18 <= np.median(steps) <= 0.26


@pytest.mark.parametrize("seconds", [0.04, 0.2, 0.6])
def test_a_clip_may_be_as_short_as_a_frame(driver, seconds):
    motion = driver(TextPrompt("she nods twice, then looks up", "happy; sad", duration=seconds)).motion
    assert len(motion) == round(seconds * 25) and bool(motion.neck.isfinite().all())


def test_a_note_names_times_that_do_not_fit(driver):
    driven = driver(TextPrompt("looks left for 3 seconds, then right for 5 seconds", duration=4.0))
    assert driven.problems == ["text: the times add up to 8 s: all of it is faster; give a longer clip"]
