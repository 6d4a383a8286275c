"""A fitted head is tilted along the camera's rays towards a surface whose depth is known."""

from __future__ import annotations

import numpy as np

from flamecast.flame_motion.heads.head import PARTS
from flamecast.generator.completion.depth import SHARE, deeper, with_depth
from flamecast.generator.completion.seen import fitted_surface, look
from flamecast.renderer import to_pixels


def test_a_bent_head_is_found_and_nothing_moves_in_the_photo(portrait):
    vertices = portrait.vertices()[0]
    true = deeper(portrait, 0.15 * vertices[:, 1] + 0.08 * vertices[:, 0] - 0.004)
    radius, there = fitted_surface(true)
    found = with_depth(portrait, look(portrait), radius, there)
    face = portrait.head.faces[portrait.head.part == PARTS.index("face")].unique()
    before, after = ((p.vertices() - true.vertices())[0, face, 2] * 1000 for p in (portrait, found))
    slopes = [np.polyfit(vertices[face, 1], depth, 1)[0] for depth in (before, after)]
    assert abs(slopes[0]) > 140  # mm a m
    assert abs(slopes[1] / slopes[0] - (1 - SHARE)) < 0.05
    assert abs(float(after.mean() / before.mean()) - (1 - SHARE)) < 0.1
    pixels = [to_pixels(p.camera, p.vertices()[:, face])[0, 0, :, :2] for p in (portrait, found)]
    assert float((pixels[0] - pixels[1]).abs().max()) < 0.02


def test_a_surface_as_it_was_fitted_leaves_the_head_where_it_is(portrait):
    seen = look(portrait)
    same = with_depth(portrait, seen, seen.fitted, seen.has_fit)
    assert float((same.vertices() - portrait.vertices()).abs().max()) < 1e-6
    nothing = with_depth(portrait, seen, seen.fitted, np.zeros_like(seen.has_fit))
    assert nothing is portrait
