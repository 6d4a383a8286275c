"""The texture baked from a photo, and what it makes up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from flamecast.generator.completion.merge import with_whole_head
from flamecast.generator.warp.light import FAIR_SKIN, Light
from flamecast.generator.warp.texture import bake_texture


def test_a_black_and_white_photo_gets_no_colored_teeth_tongue_and_eyes(portrait) -> None:
    gray = portrait.image.astype(np.float32).mean(-1, keepdims=True).repeat(3, -1).round().astype(np.uint8)
    texture = bake_texture(with_whole_head(replace(portrait, image=gray)), 256)[..., :3].astype(int)
    assert np.ptp(texture, axis=-1).max() <= 1


def test_the_light_on_skin() -> None:
    light = Light.on_skin(np.array(FAIR_SKIN))
    assert np.allclose(light.color, 1) and light.vivid == 1
    light = Light.on_skin(0.5 * np.array(FAIR_SKIN) * [1.0, 0.9, 0.7])  # dim and warm
    assert np.allclose(light.color, [0.5, 0.45, 0.35]) and light.vivid == 1
    light = Light.on_skin(np.full(3, 0.6))  # black and white: no blue light
    assert light.color[0] == light.color[1] == light.color[2] and light.vivid == 0
    assert (Light.on_skin(np.zeros(3)).color == 1).all()  # no skin seen
