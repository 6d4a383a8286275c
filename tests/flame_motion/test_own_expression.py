"""A photo's own expression gives way to what the driver does: not at rest, wholly in the limit, and where it moves."""

from __future__ import annotations

from dataclasses import replace

import torch

from flamecast.flame_motion import BadInput, FlameSequence, load_head
from flamecast.flame_motion.retargeting.own_expression import BROWS, MOUTH, giving_way
from flamecast.flame_motion.retargeting.transfer import drive

REST = FlameSequence.neutral(1, 25.0, load_head())


def face(amounts: list[float] | None = None, **axes: float) -> FlameSequence:
    """The resting face with some axes at 1 times each of `amounts` (one frame each), or at `axes` (one frame)."""
    names = load_head().expression_names
    expression = torch.zeros(1, len(names))
    for name, amount in axes.items():
        expression[:, names.index(name)] = amount
    rows = expression if amounts is None else torch.tensor(amounts)[:, None] * expression
    return replace(FlameSequence.neutral(len(rows), 25.0, load_head()), expression=rows)


def landmarks(expression: torch.Tensor) -> torch.Tensor:
    """The 68 landmarks of some expressions [T, E] as seen from the front: [T, 68, 2] m from the face at rest."""
    still = FlameSequence.neutral(len(expression), 25.0, load_head())
    return (load_head().landmarks(replace(still, expression=expression)) - load_head().landmarks(REST))[..., :2]


SMILE = face(mouthSmileLeft=0.8, mouthSmileRight=0.8, browDownLeft=0.6, browDownRight=0.6)


def test_while_the_driver_rests_the_photo_keeps_its_expression_to_the_bit():
    resting = face([1.0, 1.0, 1.0], mouthFrownLeft=0.3)
    assert torch.equal(giving_way(SMILE, resting, resting[:1]), SMILE.expression.expand(3, -1))


def test_a_kiss_ends_a_smile_and_leaves_the_brows():
    kissing = face(mouthPucker=1.0)
    own = landmarks(giving_way(SMILE, kissing, REST))[0]
    before = landmarks(SMILE.expression)[0]
    assert own[MOUTH].norm(dim=-1).max() < 0.2 * before[MOUTH].norm(dim=-1).max()
    assert torch.allclose(own[BROWS], before[BROWS], atol=5e-4)
    driven = landmarks(drive(SMILE, kissing, "relative", REST).expression)[0]
    width = lambda points: float(points[54, 0] - points[48, 0])  # noqa: E731
    alone = landmarks(kissing.expression)[0]
    assert abs(width(driven) - width(alone)) < 0.25 * abs(width(alone))  # it is the driver's kiss, not a smile's


def test_raised_brows_end_a_frown_and_leave_the_smile():
    raised = face(browInnerUp=1.0, browOuterUpLeft=1.0, browOuterUpRight=1.0)
    own = landmarks(giving_way(SMILE, raised, REST))[0]
    before = landmarks(SMILE.expression)[0]
    assert own[BROWS].norm(dim=-1).max() < 0.05 * before[BROWS].norm(dim=-1).max()
    assert torch.allclose(own[MOUTH], before[MOUTH], atol=1e-3)  # m; the smile moves corners by 9 mm


def test_in_the_limit_nothing_is_left_whatever_the_drivers_rest():
    rest = face(mouthFrownLeft=0.4, browInnerUp=0.2)
    far = replace(rest, expression=rest.expression + face(mouthPucker=4.0, browOuterUpLeft=4.0).expression)
    assert torch.allclose(giving_way(SMILE, far, rest), torch.zeros_like(rest.expression), atol=1e-3)


def test_it_gives_way_steadily_as_the_mouth_moves():
    driver = face(torch.linspace(0, 1, 41).tolist(), mouthPucker=1.0)
    corner = landmarks(giving_way(SMILE, driver, REST))[:, 54, 0]
    assert bool((corner.diff() <= 1e-7).all()) and float(corner[-1]) < 0.2 * float(corner[0])
    assert float(corner.diff().abs().max()) < 0.1 * float(corner[0])  # and nowhere at once


def test_a_frame_is_what_it_is_alone():
    g = torch.Generator().manual_seed(0)
    still = FlameSequence.neutral(1030, 25.0, load_head())
    motion = replace(still, expression=0.1 * torch.randn(still.expression.shape, generator=g))
    whole = giving_way(SMILE, motion, REST)
    for frame in (0, 511, 512, 1029):
        assert torch.equal(giving_way(SMILE, motion[frame : frame + 1], REST), whole[frame : frame + 1]), frame


def test_where_landmarks_are_not_known_the_photo_keeps_its_expression(monkeypatch):
    def unknown(_):
        raise BadInput("its file does not say where the landmarks are")

    monkeypatch.setattr("flamecast.flame_motion.retargeting.own_expression._moving", unknown)
    driver = face([0.0, 1.0], mouthPucker=1.0)
    assert torch.equal(giving_way(SMILE, driver, REST), SMILE.expression.expand(2, -1))


def test_a_portrait_out_of_the_drivers_footage_keeps_what_its_fit_differs_by():
    clip = face([0.0, 0.3, 0.6], mouthPucker=1.0)
    source = replace(REST, expression=face(mouthSmileLeft=0.1).expression)
    kept = drive(source, clip, "relative", clip[:1], clip[:1]).expression
    assert torch.allclose(kept, source.expression + clip.expression, atol=1e-6)
