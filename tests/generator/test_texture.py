"""The texture baked from a photo, and what it makes up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from flamecast.generator.warp.texture import FAIR_SKIN, _light, bake_texture


def test_a_black_and_white_photo_gets_no_colored_teeth_tongue_and_eyes(portrait) -> None:
    gray = portrait.image.astype(np.float32).mean(-1, keepdims=True).repeat(3, -1).round().astype(np.uint8)
    texture = bake_texture(replace(portrait, image=gray), 256)[..., :3].astype(int)
    assert np.ptp(texture, axis=-1).max() <= 1


def test_the_light_on_skin() -> None:
    light, vivid = _light(np.array(FAIR_SKIN))
    assert np.allclose(light, 1) and vivid == 1
    light, vivid = _light(0.5 * np.array(FAIR_SKIN) * [1.0, 0.9, 0.7])  # dim and warm
    assert np.allclose(light, [0.5, 0.45, 0.35]) and vivid == 1
    light, vivid = _light(np.full(3, 0.6))  # black and white: no blue light
    assert light[0] == light[1] == light[2] and vivid == 0
    assert (_light(np.zeros(3))[0] == 1).all()  # no skin seen
