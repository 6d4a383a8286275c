"""The measures of text-to-motion against known answers."""

from __future__ import annotations

import numpy as np
import pytest

from flamecast.pipelines.evaluate.text_metrics import (
    diversity,
    frechet_distance,
    matching_distance,
    multimodality,
    r_precision,
)

RNG = np.random.default_rng(0)


def test_every_motion_finds_its_own_text_or_chance_does():
    text = RNG.standard_normal((320, 16))
    assert r_precision(text, text + 1e-3, np.random.default_rng(1)).tolist() == [1, 1, 1]
    found = r_precision(RNG.standard_normal((3200, 16)), RNG.standard_normal((3200, 16)), np.random.default_rng(1))
    assert found == pytest.approx([1 / 32, 2 / 32, 3 / 32], abs=0.015)


def test_the_frechet_distance_of_gaussians_is_the_closed_form():
    one = RNG.standard_normal((20000, 3))
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(one, one + [3.0, 0.0, 4.0]) == pytest.approx(25, rel=1e-6)
    # Spread 1 against 2 in each of three dimensions: 3 * (2 - 1)^2.
    assert frechet_distance(one, 2 * (one - one.mean(0)) + one.mean(0)) == pytest.approx(3.0, rel=0.05)


def test_distances_are_means_of_distances():
    assert matching_distance(np.zeros((5, 4)), np.full((5, 4), 0.5)) == 1.0
    two = np.repeat([[0.0, 0.0], [3.0, 4.0]], 50, axis=0)
    assert 0 < diversity(two, np.random.default_rng(0), 2000) == pytest.approx(5 * 50 / 99, abs=0.15)
    assert multimodality(np.zeros((4, 3, 2))) == 0
    assert multimodality(np.array([[[0.0], [1.0], [2.0]]])) == pytest.approx((1 + 2 + 1) * 2 / 6)
