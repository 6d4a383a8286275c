"""Hidden hair is as long as the outline leaves room for, and has the color of what is seen of it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from flamecast.generator.completion.atlas import CAP_ROWS, COLUMNS, ROWS, heights, longitudes
from flamecast.generator.completion.hair import BEHIND, ENDS, LIGHT, SHORT, cut_short, hair_seen, own_color

FINE = 2
SHAPE = (FINE * ROWS, FINE * COLUMNS)
HEIGHT, LONGITUDE = heights(FINE)[:, None], longitudes(FINE)[None]
SKIN, GRAY, ORANGE = (np.array(c, np.float32) for c in ((180, 120, 90), (120, 118, 115), (240, 120, 20)))


def seen_with_room(left: float, right: float) -> SimpleNamespace:
    """What a photo shows whose outline is so far from the neck [m] on either side."""
    room = np.where(longitudes() > 0, left, right)[None].repeat(ROWS, 0)
    fitted = np.full((ROWS, COLUMNS), 0.07)
    return SimpleNamespace(
        fitted=fitted, has_fit=fitted > 0, outline=fitted + room, cut=fitted < 0,
        toward=np.cos(longitudes())[None].repeat(ROWS, 0),
    )  # fmt: skip


def crown_and_face() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A photo of gray hair above a face, the hair's share and what is shown: the front of the head."""
    up = np.broadcast_to(np.arange(SHAPE[0])[:, None] < FINE * CAP_ROWS, SHAPE)
    photo = np.where(up[..., None], GRAY, SKIN).astype(np.float32)
    shown = np.broadcast_to(np.abs(LONGITUDE) < 1.3, SHAPE).astype(np.float32)
    return photo, up.astype(np.float32), shown


def test_where_hair_hangs_beside_the_neck_it_stays_bit_for_bit():
    rng = np.random.default_rng(0)
    radius, hair = 0.1 + 0.01 * rng.random(SHAPE), rng.random(SHAPE)
    cut = cut_short(radius, hair, radius - 0.02, seen_with_room(SHORT[1] + 0.02, SHORT[1] + 0.001))
    assert np.array_equal(cut[0], radius) and np.array_equal(cut[1], hair)


def test_short_hair_ends_at_the_nape_and_stays_above_and_in_front():
    radius, hair, skin = np.full(SHAPE, 0.12), np.ones(SHAPE), np.full(SHAPE, 0.08)
    for room in ((0.01, 0.01), (0.01, 0.08), (0.08, 0.01)):  # the side with less room says it: collars stand out, too
        out, share = cut_short(radius, hair, skin, seen_with_room(*room))
        bare = (HEIGHT < ENDS[1]) & (np.abs(LONGITUDE) > BEHIND[1])
        kept = (HEIGHT > ENDS[0]) | (np.abs(LONGITUDE) < BEHIND[0])
        assert bare.any() and np.allclose(out[bare], 0.08) and np.allclose(share[bare], 0)
        assert np.array_equal(out[kept], radius[kept]) and np.array_equal(share[kept], hair[kept])
        assert (out >= skin - 1e-9).all() and (out <= radius).all()


def test_a_surface_below_the_skin_is_not_pushed_out():
    radius, hair = np.full(SHAPE, 0.07), np.ones(SHAPE)
    out, _ = cut_short(radius, hair, np.full(SHAPE, 0.08), seen_with_room(0.0, 0.0))
    assert np.array_equal(out, radius)


def test_skin_that_is_taken_for_hair_is_not_seen_as_hair():
    photo, hair, shown = crown_and_face()
    ear = (HEIGHT < 0.01) & (HEIGHT > -0.04) & (LONGITUDE > 1.0) & (LONGITUDE < 1.3)
    hair[ear] = 1  # as the network has it
    known = hair_seen(photo, hair, shown)
    assert known[ear].max() < 0.01
    crown = (hair > 0) & ~ear
    assert np.allclose(known[crown], shown[crown])


def test_hair_of_the_skins_own_color_is_still_seen():
    photo, hair, shown = crown_and_face()
    photo[:] = SKIN
    assert np.array_equal(hair_seen(photo, hair, shown), shown * hair)


def test_hidden_hair_has_the_color_of_what_is_seen():
    photo, hair, shown = crown_and_face()
    layer = np.broadcast_to(ORANGE, photo.shape).astype(np.float32)
    color = own_color(layer, photo, hair_seen(photo, hair, shown))
    behind = np.abs(LONGITUDE[0]) > 2
    share = color[:, behind] / GRAY
    assert np.allclose(share, share[..., :1], atol=1e-3)  # its hue everywhere
    assert share.min() > LIGHT[0] - 1e-3 and share.max() < LIGHT[1] + 1e-3


def test_light_and_shade_are_the_networks():
    photo, hair, shown = crown_and_face()
    layer = np.where(LONGITUDE[..., None] > 0, 0.8, 1.0) * np.broadcast_to(ORANGE, photo.shape)
    color = own_color(layer.astype(np.float32), photo, hair_seen(photo, hair, shown)).mean(-1)
    dark, light = color[FINE * 100, np.abs(LONGITUDE[0] - 2) < 0.3], color[FINE * 100, np.abs(LONGITUDE[0] + 2) < 0.3]
    assert abs(dark.mean() / light.mean() - 0.8**0.5) < 0.01


def test_patterned_cloth_and_hair_that_is_hardly_seen_stay_the_networks():
    photo, hair, shown = crown_and_face()
    layer = np.random.default_rng(0).random(photo.shape).astype(np.float32) * 255
    stripes = np.where((np.arange(SHAPE[1]) // 8 % 2 == 0)[None, :, None], (230, 200, 40), (30, 60, 180))
    cloth = np.broadcast_to(stripes, photo.shape).astype(np.float32)
    assert np.allclose(own_color(layer, cloth, hair * shown), layer, atol=1e-3)
    little = np.zeros_like(hair)
    little[:10, :10] = 1
    assert own_color(layer, photo, little) is layer
