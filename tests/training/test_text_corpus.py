"""The text corpus: curves, wordings and performances, held against the words and against physics."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from scipy.signal import find_peaks

from flamecast.drivers.text.channels import FPS, WINDOW_SECONDS
from flamecast.drivers.text.vocabulary import FORMS, inflect, lexicon
from flamecast.flame_motion import load_head
from flamecast.training.text.corpus.beat import LEFT, RIGHT, Beat
from flamecast.training.text.corpus.compose import emotion_pair, motion_pair
from flamecast.training.text.corpus.expressions import EXPRESSIONS, FaceBeat
from flamecast.training.text.corpus.idle import idle_statistics
from flamecast.training.text.corpus.kinematics import drift, lid_closure, minimum_jerk, reaches
from flamecast.training.text.corpus.motions import COUNTED, MOTIONS, SIDED
from flamecast.training.text.corpus.script import Script, perform, sequence_of

TIMES = np.arange(200) / FPS


def test_a_minimum_jerk_reach_starts_and_ends_at_rest():
    u = np.linspace(0, 1, 1001)
    s = minimum_jerk(u)
    speed, acceleration = np.gradient(s, u), np.gradient(np.gradient(s, u), u)
    assert s[0] == 0 and s[-1] == 1 and abs(s[500] - 0.5) < 1e-12
    assert speed.max() == pytest.approx(1.875, abs=1e-3)  # 15/8 of the mean speed, at half time
    assert abs(speed[0]) < 1e-2 and abs(acceleration[1]) < 0.2


def test_reaches_rest_at_their_keys():
    keys = [(0.4, 0.0), (1.2, 10.0), (2.0, -4.0), (2.8, 0.0)]
    track = reaches(TIMES, keys)
    for time, value in keys:
        assert track[round(time * FPS)] == pytest.approx(value)
    assert track[0] == 0 and track[-1] == 0 and track.max() == pytest.approx(10) and track.min() == pytest.approx(-4)


def test_drift_has_unit_variance_and_keeps_to_its_band():
    rng = np.random.default_rng(0)
    tracks = np.stack([drift(rng, 512, FPS, [(1.0, 2.0, 1.0)]) for _ in range(300)])
    assert tracks.var() == pytest.approx(1.0, rel=0.1)
    power = (np.abs(np.fft.rfft(tracks * np.hanning(512), axis=1)) ** 2).mean(0)
    hertz = np.fft.rfftfreq(512, 1 / FPS)
    assert power[(hertz > 0.9) & (hertz < 2.1)].sum() > 0.98 * power.sum()


def test_a_lid_falls_faster_than_it_rises():
    closure = lid_closure(np.arange(0, 2, 0.001), 1.0, 0.09, 0.18)
    half = np.flatnonzero(closure >= 0.5)
    assert closure.max() == pytest.approx(1.0) and 2 * (1000 - half[0]) == pytest.approx(half[-1] - 1000, abs=2)


@pytest.mark.parametrize(("verb", "forms"), [
    ("nod", "nods nod nodding"), ("shake", "shakes shake shaking"), ("lie", "lies lie lying"), ("be", "is be being"),
    ("carry", "carries carry carrying"), ("watch", "watches watch watching"), ("lower", "lowers lower lowering"),
    ("see", "sees see seeing"), ("go", "goes go going"),
])  # fmt: skip
def test_verbs_are_inflected(verb, forms):
    assert [inflect(verb, form) for form in FORMS] == forms.split()


@pytest.mark.parametrize("book", ["motions", "expressions"])
def test_the_lexicon_says_what_can_be_done_and_nothing_else(book):
    entries = lexicon(book)
    known = set(MOTIONS) | {"wink_any"} if book == "motions" else set(EXPRESSIONS)
    assert set(entries) == known
    for name, entry in entries.items():
        for phrase in (*entry.verbs, *entry.held_out):
            assert re.search(r"\[[a-z-]+\]", phrase), f"{name}: {phrase}"
            assert not re.sub(r"\{(pos|obj|refl|side|other|n:[^}]+)\}", "", phrase).count("{"), phrase
            if name in SIDED:
                assert re.search(r"\{(side|other)\}|\|(left|right)$", phrase), f"{name}: {phrase}"
        assert len(entry.held_out) >= 1 and not set(entry.held_out) & set(entry.verbs)


def test_held_out_wordings_are_whole_and_never_in_training():
    for entry in lexicon("motions").values():
        told = {phrase.lower() for other in lexicon("motions").values() for phrase in other.verbs}
        assert not told & {phrase.lower() for phrase in entry.held_out}


@pytest.mark.parametrize("draw", [motion_pair, emotion_pair])
def test_pairs_are_seeded_and_fit_their_clip(draw):
    first, again = ([draw(np.random.default_rng(seed)) for _ in range(3)] for seed in (5, 5))
    assert first == again
    rng = np.random.default_rng(1)
    for _ in range(300):
        pair = draw(rng, held_out=bool(rng.random() < 0.5))
        assert re.search(r"\w", pair.text) and not re.search(r"[\[\]{}|]", pair.text), pair.text
        assert 1.5 <= pair.script.duration <= WINDOW_SECONDS
        for part in (*pair.script.beats, *pair.script.faces):
            assert 0 <= part.start < part.stop <= pair.script.duration + 0.4


def _head(beat: Beat, seed: int = 0, seconds: float = 4.0) -> dict[str, np.ndarray]:
    return perform(Script(seconds, (beat,)), np.random.default_rng(seed)).head


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_counted_motions_are_counted(count, seed):
    nods = _head(Beat("nod", 0, 4, count=count), seed)["pitch"]
    assert len(find_peaks(nods, prominence=3)[0]) == count
    blinks = _head(Beat("blink", 0, 4, count=count), seed)["eyeBlinkLeft"]
    assert len(find_peaks(np.r_[0, blinks, 0], height=0.6)[0]) == count


@pytest.mark.parametrize("side", [LEFT, RIGHT])
@pytest.mark.parametrize("seed", range(4))
def test_sides_are_the_subjects_own(side, seed):
    assert (_head(Beat("turn", 0, 4, side=side), seed)["yaw"] * side).max() > 12  # yaw is positive to the left
    assert (_head(Beat("tilt", 0, 4, side=side), seed)["roll"] * -side).max() > 8  # roll positive to the right
    wink = _head(Beat("wink", 0, 4, side=side), seed)
    shut, other = ("eyeBlinkLeft", "eyeBlinkRight") if side == LEFT else ("eyeBlinkRight", "eyeBlinkLeft")
    assert wink[shut].max() > 0.9 and wink[other].max() < 0.3


@pytest.mark.parametrize("name", sorted(MOTIONS))
def test_every_motion_stays_within_a_neck_and_is_never_twice_alike(name):
    sides = (LEFT, RIGHT) if name in SIDED else (0,)
    for side in sides:
        beat = Beat(name, 0, 3, side=side, count=2 if name in COUNTED else None)
        one, two = _head(beat, 0, 3.0), _head(beat, 1, 3.0)
        assert any(not np.array_equal(one[track], two[track]) for track in one)
        for track in ("yaw", "pitch", "roll"):
            assert np.abs(one[track]).max() < 60
        for lid in ("eyeBlinkLeft", "eyeBlinkRight"):
            assert 0 <= one.get(lid, np.zeros(1)).min() and one.get(lid, np.zeros(1)).max() <= 1


def test_stillness_is_still_and_idling_is_alive():
    still = [np.ptp(_head(Beat("still", 0, 4), seed)["yaw"]) for seed in range(20)]
    idle = [np.ptp(_head(Beat("idle", 0, 4), seed)["yaw"]) for seed in range(20)]
    assert max(still) < 4 and np.median(idle) > 2 * np.median(still) > 0


def test_idle_blinks_come_as_often_as_measured():
    rng = np.random.default_rng(0)
    count = 0
    for _ in range(60):
        lids = perform(Script(20.0), rng).head.get("eyeBlinkLeft", np.zeros(1))
        count += len(find_peaks(np.r_[0, lids, 0], height=0.5)[0])
    assert count / 20 == pytest.approx(idle_statistics()["blinks"]["per_minute"], rel=0.25)


@pytest.mark.parametrize("name", sorted(EXPRESSIONS))
def test_every_expression_moves_its_own_axes_and_grows_with_its_size(name):
    small, big = (
        perform(Script(4.0, (), (FaceBeat(name, 0, 4, size=size),)), np.random.default_rng(0)).face
        for size in (0.5, 1.0)
    )
    for axis in EXPRESSIONS[name].axes:
        tracks = [track for track in big if track.startswith(axis.removesuffix("Left").removesuffix("Right"))]
        assert max(np.abs(big[track]).max() for track in tracks) > max(np.abs(small[track]).max() for track in tracks)


def test_a_performance_becomes_a_motion_of_the_head():
    head = load_head()
    played = perform(Script(2.0, (Beat("turn", 0, 2, LEFT, stays=True),)), np.random.default_rng(0)).head
    motion = sequence_of(played, head)
    assert len(motion) == 50 and motion.fps == FPS
    assert torch.rad2deg(motion.neck[-1, 1]).item() == pytest.approx(played["yaw"][-1], abs=1.0)
    assert motion.translation[:, 0].numpy() * 1000 == pytest.approx(played["x"], abs=1e-3)
    head.check(motion)
