"""How text moves: a head that is held up is never quite at rest, unless the words ask for it."""

from __future__ import annotations

import numpy as np
import pytest

from flamecast.drivers import load_driver
from flamecast.drivers.text.action import Action
from flamecast.drivers.text.score import Event, Score
from flamecast.drivers.text.unrest import DENSITY, FARTHEST, SLOPE, restless, unrest
from flamecast.flame_motion import TextPrompt
from flamecast.pipelines.evaluate.text_metrics import head_acceleration


@pytest.fixture(scope="module")
def driver():
    return load_driver("text")


def _density(track: np.ndarray, low: float, high: float) -> float:
    """Mean power density [units^2/Hz] of a track at 25 fps between two frequencies (Hz)."""
    hertz = np.fft.rfftfreq(len(track), 1 / 25)
    power = 2 * np.abs(np.fft.rfft(track)) ** 2 / (len(track) * 25)
    return float(power[(hertz >= low) & (hertz < high)].mean())


def test_unrest_has_the_spectrum_of_people_and_bounds(monkeypatch):
    assert 1.0 < np.abs(unrest(np.random.default_rng(0), 20_000)).max() <= FARTHEST
    monkeypatch.setattr("flamecast.drivers.text.unrest.FARTHEST", 1e6)
    tracks = unrest(np.random.default_rng(0), 20_000)
    for axis, density in enumerate(DENSITY):
        at_one = _density(tracks[:, axis], 0.9, 1.1)
        slope = np.log(at_one / _density(tracks[:, axis], 3.6, 4.4)) / np.log(4)
        assert at_one == pytest.approx(density, rel=0.25) and slope == pytest.approx(SLOPE, abs=0.25)
        assert _density(tracks[:, axis], 8, 12) < 0.01 * _density(tracks[:, axis], 5, 6)  # no tremble


def test_unrest_spares_what_is_kept_and_what_is_to_be_still_and_begins_at_rest():
    neck, eyes = np.zeros((150, 3), np.float32), np.zeros((150, 2, 3), np.float32)
    score = Score([Event(Action("motion", "still"), 2.0, 4.0)])
    moved, looking = restless(neck, eyes, score, seed=0)
    assert not moved[50:100].any() and not moved[0].any()
    assert np.ptp(np.degrees(moved[110:, 0])) > 0.3
    np.testing.assert_allclose(looking[:, 0, :2], -0.8 * moved[:, :2], atol=1e-6)
    kept = np.zeros(150, bool)
    kept[[0, 75, 149]] = True
    filled, _ = restless(neck, eyes, Score(), seed=0, fixed=kept)
    assert not filled[kept].any()
    assert np.abs(np.diff(filled, axis=0)).max() < np.radians(0.6)
    assert np.abs(moved[[1, 49, 100]]).max() < np.radians(0.05)  # nor does it stop or start at once


def test_a_head_accelerates_as_much_as_computed():
    turn = np.radians(10 * np.sin(2 * np.pi * np.arange(200) / 25))  # 10 degrees at 1 Hz: (2 pi)^2 * 10 at most
    found = head_acceleration(np.stack([turn, 0 * turn, 0 * turn], 1), 25.0)
    assert found.max() == pytest.approx(395 * np.exp(-((2 * np.pi * 0.04) ** 2) / 2), rel=0.02)


@pytest.mark.slow
def test_heads_accelerate_as_those_of_people(driver):
    """People: 92, 398 and 1,086 degrees/s^2, measured on 37 tracked clips less the tracker's noise."""
    words = ("she nods", "he turns his head to the left", "she shakes her head", "he looks up", "she waits",
             "he tilts his head, then looks down", "she smiles", "a man listens")  # fmt: skip
    found = [head_acceleration(driver(TextPrompt(one, duration=3.0), seed=0).motion.neck.numpy(), 25) for one in words]
    middle, many, most = np.percentile(np.concatenate(found), (50, 90, 99))
    assert 64 < middle < 120 and 279 < many < 517 and 760 < most < 1412


def test_who_holds_still_does(driver):
    still = driver(TextPrompt("holds still", duration=3.0), seed=0).motion
    waits = driver(TextPrompt("waits", duration=3.0), seed=0).motion
    quiet, alive = (np.median(head_acceleration(one.neck.numpy(), 25)) for one in (still, waits))
    assert quiet < 25 < 35 < alive < 120


def test_a_yawn_gapes_slowly_and_ends_quickly(driver):
    motion = driver(TextPrompt("she yawns", duration=5.0), seed=0).motion
    jaw = motion.jaw[:, 0].numpy()
    begins, wide, over = (np.flatnonzero(jaw > share * jaw.max()) / 25 for share in (0.1, 0.85, 0.1))
    gapes, stays, ends = wide[0] - begins[0], wide[-1] - wide[0], over[-1] - wide[-1]
    assert 0.8 < gapes < 2.5 and stays > 1.0 and ends < gapes and over[-1] < 4.8
    assert motion.eyelids[round(25 * wide[0]) : round(25 * wide[-1])].min() > 0.7
