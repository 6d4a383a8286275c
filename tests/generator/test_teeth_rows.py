"""Rows of teeth: as skull and jaw have them, until lips ask for more."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from flamecast.flame_motion import FlameSequence, load_head
from flamecast.flame_motion.retargeting.retarget import part_vertices
from flamecast.generator.teeth_rows import LOWER_SHOWN, TIPS_RISE, TeethRows


def posed(jaw: float = 0.0, **expression: float) -> torch.Tensor:
    head = load_head()
    motion = FlameSequence.neutral(frames=1, fps=25, head="open")
    moved = motion.expression.clone()
    for name, value in expression.items():
        moved[0, head.expression_names.index(name)] = value
    return head(replace(motion, expression=moved, jaw=torch.tensor([[jaw, 0, 0]])))


@pytest.mark.parametrize("jaw", [0.0, 0.1])
def test_teeth_that_lips_cover_are_where_skull_and_jaw_have_them(jaw):
    vertices = posed(jaw)
    assert torch.equal(TeethRows.of(load_head()).behind_lips(vertices), vertices)


def test_a_raised_lip_bares_teeth_and_no_gum():
    rows = TeethRows.of(load_head())
    before = posed(0.1, mouthUpperUpLeft=2.0, mouthUpperUpRight=2.0)
    after = rows.behind_lips(before)
    height = lambda v, which: float(v[0, which, 1].mean())  # noqa: E731
    lip = height(after, rows.lips[:1])
    bared = lip - height(before, rows.top)
    assert bared > 0.001  # or the test says nothing
    assert lip - height(after, rows.top) == pytest.approx(0.0, abs=2e-4)
    assert height(after, rows.tips[0]) - height(before, rows.tips[0]) == pytest.approx(TIPS_RISE * bared, abs=2e-4)


def test_lower_teeth_stay_low_behind_the_lower_lip_with_the_tongue():
    rows = TeethRows.of(load_head())
    before = posed(0.1, mouthLowerDownLeft=2.0, mouthLowerDownRight=2.0)
    after = rows.behind_lips(before)
    height = lambda v, which: float(v[0, which, 1].mean())  # noqa: E731
    lip = height(after, rows.lips[1:])
    assert height(before, rows.tips[1]) - lip > LOWER_SHOWN + 0.0005
    assert height(after, rows.tips[1]) - lip == pytest.approx(LOWER_SHOWN, abs=2e-4)
    tongue = part_vertices(load_head(), ("tongue",))
    sunk = before[0, tongue, 1] - after[0, tongue, 1]
    assert torch.allclose(sunk, sunk[:1].expand_as(sunk), atol=1e-6) and float(sunk[0]) > 0


def test_nothing_but_teeth_and_tongue_moves():
    rows, before = TeethRows.of(load_head()), posed(0.1, mouthUpperUpLeft=2.0, mouthLowerDownLeft=2.0)
    changed = (rows.behind_lips(before) != before).any(-1)[0]
    assert bool(changed.any()) and set(changed.nonzero().flatten().tolist()) <= set(torch.cat(rows.moving).tolist())


def test_a_head_without_teeth_has_no_rows():
    head = load_head()
    assert TeethRows.of(replace(head, part=torch.ones_like(head.part))) is None
