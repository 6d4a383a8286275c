"""The texture baked from a photo, and what it makes up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from flamecast.flame_motion.heads.head import PARTS
from flamecast.generator.completion.merge import with_whole_head
from flamecast.generator.warp.light import FAIR_SKIN, Light
from flamecast.generator.warp.texture import SIZE, bake_texture
from flamecast.generator.warp.uv_map import Texels


def test_a_black_and_white_photo_gets_no_colored_teeth_tongue_and_eyes(portrait) -> None:
    gray = portrait.image.astype(np.float32).mean(-1, keepdims=True).repeat(3, -1).round().astype(np.uint8)
    texture = bake_texture(with_whole_head(replace(portrait, image=gray)), 256)[..., :3].astype(int)
    assert np.ptp(texture, axis=-1).max() <= 1


def test_hair_of_the_completed_head_does_not_color_the_skin_under_it(portrait) -> None:
    whole = with_whole_head(portrait).whole
    assert whole is not None
    green = replace(whole, color=np.full_like(whole.color, (0, 255, 0)), hair=np.full_like(whole.hair, 255))
    texture = bake_texture(replace(portrait, whole=green)).astype(int)
    part = Texels.of(portrait, SIZE).part
    color = texture[np.isin(part, [PARTS.index(name) for name in ("face", "lips", "lids")])]
    assert ((color[:, 1] - color[:, 0]) > 40).mean() < 1e-3


def test_the_light_on_skin() -> None:
    light = Light.on_skin(np.array(FAIR_SKIN))
    assert np.allclose(light.color, 1) and light.vivid == 1
    light = Light.on_skin(0.5 * np.array(FAIR_SKIN) * [1.0, 0.9, 0.7])  # dim and warm
    assert np.allclose(light.color, [0.5, 0.45, 0.35]) and light.vivid == 1
    light = Light.on_skin(np.full(3, 0.6))  # black and white: no blue light
    assert light.color[0] == light.color[1] == light.color[2] and light.vivid == 0
    assert (Light.on_skin(np.zeros(3)).color == 1).all()  # no skin seen
