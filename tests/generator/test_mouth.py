"""The mouth's network: where its crop lies, that it is nothing untrained, and that it leaves alone what is still."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from flamecast.flame_motion import FlameSequence
from flamecast.generator import Portrait
from flamecast.generator.mouth.crop import EYES, HEIGHT, WIDTH, MouthMarks, cut, place_mouth, put_back
from flamecast.generator.mouth.network import MouthNetwork, around_lips, opening_of
from flamecast.generator.mouth.parts import PLANES, parts_in_crop
from flamecast.generator.warp import WarpGenerator, scene
from flamecast.renderer import clip


def turned(angle: float, scale: float, x: float, y: float) -> np.ndarray:
    """[2, 3]: the crop's middle lies at (x, y) px of a picture, `scale` of its px to one of the crop."""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
    return np.column_stack([turn, np.array([WIDTH / 2, HEIGHT / 2]) - turn @ [x, y]])


def talking(portrait: Portrait, frames: int = 3) -> FlameSequence:
    """The photo's pose with a jaw that opens."""
    motion = portrait.pose.frames(torch.zeros(frames, dtype=torch.long))
    jaw = motion.jaw.clone()
    jaw[:, 0] += torch.linspace(0.1, 0.3, frames)
    return replace(motion, jaw=jaw)


def wild() -> MouthNetwork:
    """A network with other weights than none."""
    torch.manual_seed(0)
    network = MouthNetwork().eval().requires_grad_(False)
    torch.nn.init.normal_(network.leave.weight, std=0.2)
    return network


def test_a_crop_that_is_neither_turned_nor_scaled_is_a_window():
    picture = np.random.default_rng(0).integers(0, 256, (200, 240, 3), np.uint8)
    place = turned(0.0, 1.0, 40 + WIDTH / 2, 30 + HEIGHT / 2)
    assert np.array_equal(cut(picture, place), picture[30 : 30 + HEIGHT, 40 : 40 + WIDTH])
    assert np.array_equal(cut(picture, place, 16), picture[14 : 46 + HEIGHT, 24 : 56 + WIDTH])
    changed = picture // 2
    change = np.random.default_rng(1).integers(0, 100, (HEIGHT, WIDTH, 3)).astype(np.float32)
    put_back(changed, place, change)
    expected = picture // 2
    expected[30 : 30 + HEIGHT, 40 : 40 + WIDTH] += change.astype(np.uint8)
    assert np.array_equal(changed, expected)


@pytest.mark.parametrize("angle, scale", [(0.3, 1.0), (-0.7, 0.6), (0.1, 2.5)])
def test_a_turned_and_scaled_crop_shows_what_lies_there_and_goes_back_there(angle, scale):
    rows, columns = np.mgrid[:320, :400] + 0.5
    picture = np.stack([columns / 2, rows / 2, np.zeros_like(rows)], 2).round().astype(np.uint8)
    place = turned(angle, scale, 200.0, 160.0)
    inverse = np.linalg.inv(place[:, :2])
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    at = (np.stack([x, y], 2) - place[:, 2]) @ inverse.T
    inside = (at > 8).all(2) & (at[..., 0] < 392) & (at[..., 1] < 312)
    assert np.abs(cut(picture, place)[inside][:, :2] - at[inside] / 2).max() < 1.6
    grey = np.zeros((320, 400, 3), np.uint8)
    put_back(grey, place, np.repeat((x + y)[..., None].astype(np.float32), 3, 2))
    u, v = (np.stack([columns, rows], 2) @ place[:, :2].T + place[:, 2]).transpose(2, 0, 1)
    deep = (u > 2) & (v > 2) & (u < WIDTH - 2) & (v < HEIGHT - 2)
    assert np.abs(grey[deep][:, 0] - (u + v)[deep]).max() < 1


def test_the_crop_stands_upright_on_the_mouth_and_is_as_large_as_the_face(portrait):
    marks = MouthMarks.of(portrait.head)
    corners = portrait.vertices()[0, torch.from_numpy(marks.eyes)]
    eyes = float((corners[0] - corners[1]).norm())
    large = portrait.resized(2 * portrait.image.shape[0], 2 * portrait.image.shape[1])
    crops = [place_mouth(marks, clip(p.camera, p.vertices())[0, 0].numpy(), eyes, p.camera) for p in (portrait, large)]
    assert crops[1].scale == pytest.approx(2 * crops[0].scale, rel=1e-4)
    assert crops[1].open == pytest.approx(crops[0].open, abs=1e-5)
    assert np.allclose(crops[0].lips, crops[1].lips, atol=0.01)
    assert np.abs(crops[0].lips.mean(0) - [WIDTH / 2, HEIGHT / 2]).max() < 8
    seen = np.linalg.norm(np.subtract(*portrait.landmarks[[33, 263], :2])) / crops[0].scale
    assert seen == pytest.approx(EYES, rel=0.1)  # a head that is turned a little shows a little less


def test_parts_are_those_of_the_triangles_seen():
    seen = np.full((2 * HEIGHT, 2 * WIDTH), -1, np.int32)
    seen[40:80, 60:100] = 0
    seen[40:80, 100:120] = 1
    part = np.array([10, 2], np.uint8)  # upper teeth, lips
    shown = parts_in_crop(seen, part, 5, 7, turned(0.0, 1.0, 7 + WIDTH / 2, 5 + HEIGHT / 2))
    assert shown.shape == (HEIGHT, WIDTH, len(PLANES))
    assert (shown[22:38, 32:48, 0] == 255).all() and (shown[22:38, 52:58, 3] == 255).all()
    assert shown[..., 1:3].max() == 0 and shown[:18].max() == 0 and shown[:, 64:].max() == 0


def test_an_untrained_network_changes_nothing_to_the_bit():
    torch.manual_seed(3)
    network = MouthNetwork().eval()
    drawn, parts = torch.rand(2, 3, HEIGHT, WIDTH), (torch.rand(2, 4, HEIGHT, WIDTH) > 0.8).float()
    change, mask = network(drawn, parts, torch.rand(2, 3), network.reference(drawn, parts))
    assert not change.any() and mask.max() > 0


def test_it_acts_around_the_lips_and_not_at_the_border():
    parts = torch.zeros(1, 4, HEIGHT, WIDTH)
    parts[:, 3, 40:56, 40:72] = 1
    window = around_lips(parts)
    assert (window[..., 44:52, 44:68] > 0.99).all() and not window[..., :20, :].any() and not window[..., :16].any()
    assert not around_lips(torch.ones(1, 4, HEIGHT, WIDTH))[..., 0, :].any()
    assert not opening_of(parts).any()


def test_the_photo_as_it_is_stays_to_the_bit_and_only_a_mouth_that_moves_is_changed(portrait, monkeypatch):
    monkeypatch.setattr(scene, "mouth_network", wild)
    painted = [frame[0] for frame in WarpGenerator(mouth=True)(portrait, portrait.pose)]
    assert np.array_equal(painted[0], portrait.image)
    motion = talking(portrait)
    plain = [frame[0] for frame in WarpGenerator(mouth=False)(portrait, motion)]
    first, again = ([frame[0] for frame in WarpGenerator(mouth=True)(portrait, motion)] for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again))
    for a, b in zip(plain, first):
        rows, columns = np.nonzero((a != b).any(2))
        lips = portrait.landmarks[[61, 291, 0, 17], :2]
        eyes = np.linalg.norm(np.subtract(*portrait.landmarks[[33, 263], :2]))
        assert len(rows) > 100
        assert np.abs(columns - lips[:, 0].mean()).max() < 0.65 * eyes and np.abs(rows - lips[:, 1].mean()).max() < eyes


def test_the_weights_of_the_package_finish_a_mouth(portrait):
    motion = talking(portrait)
    plain, finished = (
        [frame[0].astype(int) for frame in WarpGenerator(mouth=m)(portrait, motion)] for m in (False, True)
    )
    assert all(100 < (a != b).any(2).sum() < 0.1 * a[..., 0].size for a, b in zip(plain, finished))


def test_a_mouth_in_black_and_white_gets_no_color(portrait, monkeypatch):
    monkeypatch.setattr(scene, "mouth_network", wild)
    gray = portrait.image.mean(-1, keepdims=True).repeat(3, -1).round().astype(np.uint8)
    for frame in WarpGenerator(mouth=True)(replace(portrait, image=gray), talking(portrait)):
        assert np.ptp(frame[0].astype(int), axis=2).max() <= 1


def test_switched_off_or_untrained_the_frames_are_the_same_to_the_bit(portrait, monkeypatch):
    monkeypatch.setattr(scene, "mouth_network", lambda: MouthNetwork().eval().requires_grad_(False))
    motion = talking(portrait)
    frames = [[frame[0] for frame in WarpGenerator(mouth=mouth)(portrait, motion)] for mouth in (True, False)]
    assert all(np.array_equal(a, b) for a, b in zip(*frames))
