"""Shut lids: skin and a line of lashes instead of what an open eye's lid shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from flamecast.flame_motion import FlameSequence
from flamecast.flame_motion.heads.head import PARTS
from flamecast.generator.completion.merge import with_whole_head
from flamecast.generator.warp import WarpGenerator
from flamecast.generator.warp.lid_colors import _paint, lid_colors, lids_shut
from flamecast.generator.warp.texture import bake_texture
from flamecast.generator.warp.uv_map import on_uv_map
from flamecast.renderer import to_pixels


def with_lids(portrait, *values: float) -> FlameSequence:
    frames = [replace(portrait.pose, eyelids=torch.full((1, 2), value)) for value in values]
    return FlameSequence.concatenate(frames, fade=0)


def test_only_lids_are_painted_and_softly(portrait):
    painted = lid_colors(portrait, bake_texture(with_whole_head(portrait), 384))
    cover = painted[..., 3].astype(float)
    part, _ = on_uv_map(portrait.head, portrait.head.template, len(painted))
    near = part == PARTS.index("lids")
    assert cover.max() == 255 and cover[(part > 0) & ~near].max() < 16
    assert (cover[:, : len(painted) // 2] > 128).any() and (cover[:, len(painted) // 2 :] > 128).any()


def test_lashes_over_the_lid_give_way_to_skin_and_a_dark_line_stays():
    """Strands painted onto an even lid are gone but for the edge, where there is a line as dark as they."""
    size, lashes = 120, 0.004
    above = np.tile(np.linspace(0.014, -0.004, size)[:, None], (1, size))
    color = np.full((size, size, 3), 200, np.uint8)
    strands = (np.arange(size) % 6 < 2)[None] & (above > 0) & (above < lashes)
    color[strands] = 60
    out = np.zeros((size, size, 4), np.uint8)
    _paint(out, color, np.ones((size, size)), above, lashes)
    lid, line = (above > 0.002) & (above < lashes), np.abs(above - 0.0003) < 0.0001
    assert out[lid][:, :3].min() > 170 and out[line][:, :3].max() < 80
    assert out[above > 0.0085][:, 3].max() == 0 and out[lid][:, 3].min() > 240


def test_lids_count_as_shut_only_when_they_close(portrait):
    both = FlameSequence.concatenate([portrait.pose, with_lids(portrait, 1.0)], fade=0)
    shut = lids_shut(portrait.head, portrait.vertices(), portrait.vertices(both))
    assert float(shut[0].max()) == 0.0 and float(shut[1].min()) > 0.95


def test_a_shut_eye_is_darkest_along_its_edge(portrait):
    frame = next(iter(WarpGenerator()(portrait, with_lids(portrait, 1.0))))[0].astype(float).mean(2)
    vertices = portrait.vertices(with_lids(portrait, 1.0))
    for edge in ((385, 386, 387), (160, 159, 158)):
        marks = portrait.head.mediapipe[torch.tensor(edge)]
        at = to_pixels(portrait.camera, vertices[:, marks])[0, 0, :, :2].numpy()
        reach = max(2, round(0.04 * np.linalg.norm(portrait.landmarks[33, :2] - portrait.landmarks[263, :2])))
        for x, y in at.round().astype(int):
            assert frame[y - 2 : y + 3, x].min() < frame[y - 2 * reach : y - reach, x].mean()


@pytest.mark.parametrize("side", [0, 1])
def test_a_winking_eye_is_painted_like_one_of_two_that_shut(portrait, side):
    one, both = portrait.pose.eyelids.clone(), torch.ones(1, 2)
    one[0, side] = 1.0
    motion = FlameSequence.concatenate([replace(portrait.pose, eyelids=lids) for lids in (one, both)], fade=0)
    wink, shut = (frame[0] for frame in WarpGenerator()(portrait, motion))
    around = portrait.landmarks[[263, 362] if side == 0 else [33, 133], :2].mean(0)
    x, y = around.round().astype(int)
    eye = np.s_[y - 6 : y + 7, x - 10 : x + 11]
    assert np.array_equal(wink[eye], shut[eye]) and not np.array_equal(wink[eye], portrait.image[eye])
    x, y = portrait.landmarks[[33, 133] if side == 0 else [263, 362], :2].mean(0).round().astype(int)
    assert np.array_equal(wink[y - 3 : y + 4, x - 5 : x + 6], portrait.image[y - 3 : y + 4, x - 5 : x + 6])
