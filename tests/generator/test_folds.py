"""Folds that go with an expression: none in the photo's own, linear, the same on both sides, on the skin alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from flamecast.flame_motion import load_head
from flamecast.flame_motion.edit import apply_edit
from flamecast.generator.warp import WarpGenerator
from flamecast.generator.warp.folds import BRIGHTEST, DARKEST, fold_maps, fold_shade
from flamecast.generator.warp.parts import vertices_of


@pytest.fixture(scope="module")
def maps():
    return fold_maps(load_head())


def test_the_photos_own_expression_has_none_to_the_bit(portrait):
    for folds in (0.0, 1.0, 3.0):
        (frame,) = WarpGenerator(folds=folds)(portrait, portrait.pose)
        assert np.array_equal(frame[0], portrait.image)


def test_log_of_the_light_is_linear_in_the_expression_and_bounded(maps):
    g = torch.Generator().manual_seed(0)
    own, a, b = (0.02 * torch.rand(1, maps.shape[0], generator=g) for _ in range(3))
    log = lambda now, strength=1.0: torch.log1p(fold_shade(maps, now, own, strength))  # noqa: E731
    assert torch.allclose(log(own + a) + log(own + b), log(own + a + b), atol=1e-6) and not log(own).any()
    assert torch.allclose(log(own + a, 2.0), 2 * log(own + a), atol=1e-6)
    beyond = 100 * torch.randn(3, maps.shape[0], generator=g)
    assert torch.equal(log(beyond), log(beyond.clamp(0, 1)))
    assert DARKEST <= 1 + fold_shade(maps, beyond, own, 9.0).min()
    assert 1 + fold_shade(maps, beyond, own, 9.0).max() <= BRIGHTEST


def test_left_and_right_mirror_each_other(maps):
    head = load_head()
    place = {tuple(point): k for k, point in enumerate(head.template.double().numpy().round(6).tolist())}
    twin = [place[-x + 0.0, y, z] for x, y, z in head.template.double().numpy().round(6).tolist()]
    for k, name in enumerate(head.expression_names):
        other = name.replace("Left", "#").replace("Right", "Left").replace("#", "Right")
        mirror = maps[head.expression_names.index(other)] if other in head.expression_names else maps[k]
        assert torch.equal(maps[k][twin], mirror), name


def test_a_smile_darkens_beside_the_nose_and_nothing_but_skin_changes(maps):
    head = load_head()
    skin = vertices_of(head, ("face",))
    assert not maps[:, ~skin].any() and not maps[:, vertices_of(head, ("lips", "lids"))].any()
    smile = maps[[head.expression_names.index(f"mouthSmile{side}") for side in ("Left", "Right")]].sum(0)
    for nostril, corner in ((98, 61), (327, 291)):
        fold = head.template[head.mediapipe[[nostril, corner]]].mean(0)
        near = skin & ((head.template - fold).norm(dim=1) < 0.015)
        assert smile[near].min() < -0.05


def test_frames_change_where_the_map_says_and_only_in_the_face(portrait):
    smiling = apply_edit(portrait.pose, "smile=1")
    plain, folded = (next(WarpGenerator(folds=folds)(portrait, smiling))[0].astype(int) for folds in (0, 1))
    changed = (plain != folded).any(2)
    assert changed.any() and (folded - plain).min() < -4 and (folded / np.maximum(plain, 16)).max() < BRIGHTEST + 0.05
    low, high = portrait.landmarks[:, :2].min(0) - 8, portrait.landmarks[:, :2].max(0) + 8
    rows, columns = np.nonzero(changed)
    assert low[0] < columns.min() and columns.max() < high[0] and low[1] < rows.min() and rows.max() < high[1]


def test_other_heads_have_none(portrait):
    assert fold_maps(replace(load_head(), id="other@00000000")) is None
