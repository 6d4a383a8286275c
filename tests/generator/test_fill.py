"""Push-pull: what is known stays, what is not is a smooth continuation."""

from __future__ import annotations

import numpy as np

from flamecast.generator.warp.fill import backdrop, fill


def test_known_pixels_stay_and_a_constant_is_continued():
    rng = np.random.default_rng(0)
    weight = (rng.random((37, 50)) > 0.7).astype(np.float32)
    color = rng.random((37, 50, 3)).astype(np.float32)
    filled = fill(color, weight)
    assert np.array_equal(filled[weight == 1], color[weight == 1])
    flat = fill(np.full((37, 50, 3), 0.25, np.float32) * weight[..., None], weight)
    assert np.allclose(flat, 0.25, atol=1e-4)


def test_filled_values_stay_within_the_known_ones():
    rng = np.random.default_rng(1)
    weight = np.zeros((64, 64), np.float32)
    weight[:, :20] = 1
    color = rng.random((64, 64, 3)).astype(np.float32)
    known = color[weight == 1]
    filled = fill(color, weight)
    assert filled.min() >= known.min() - 1e-4 and filled.max() <= known.max() + 1e-4


def test_nothing_known_is_black_and_does_not_fail():
    assert not fill(np.ones((9, 9, 3), np.float32), np.zeros((9, 9), np.float32)).any()


def test_backdrop_hides_the_person_and_keeps_the_rest():
    image = np.full((80, 100, 3), 90, np.uint8)
    matte = np.zeros((80, 100), np.float32)
    matte[30:, 40:60] = 1
    image[matte == 1] = 250
    plain = backdrop(image, matte)
    assert (abs(plain.astype(int) - 90) <= 1).all()
    assert np.array_equal(plain[:, :30], image[:, :30])
