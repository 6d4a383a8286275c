"""The mouth to first order, and the mirror: both against the head's own posing."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from flamecast.flame_motion import FlameSequence, load_head
from flamecast.flame_motion.retargeting.mirror import mirrored
from flamecast.flame_motion.retargeting.mouth import lips_shut, mouth_of

HEAD = load_head()
UP_FRONT = torch.tensor([-1.0, 1.0, 1.0])


def _faces(count: int = 12) -> FlameSequence:
    rng = torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.randn(count, *shape, generator=rng)  # noqa: E731
    return replace(
        FlameSequence.neutral(count, 25.0, HEAD),
        expression=0.2 * draw(63), jaw=draw(3).abs() * torch.tensor([0.08, 0.0, 0.0]), neck=0.2 * draw(3),
        eyes=0.1 * draw(2, 3) * torch.tensor([1.0, 1.0, 0.0]), eyelids=draw(2).sigmoid(), translation=0.01 * draw(3),
    )  # fmt: skip


def _gap(motion: FlameSequence) -> torch.Tensor:
    """By the 68 landmarks, of a head held still."""
    still = torch.zeros_like(motion.neck)
    marks = HEAD.landmarks(replace(motion, neck=still, translation=still))
    apart = (marks[:, [62, 61, 63]] - marks[:, [66, 67, 65]])[..., 1].mean(1)
    return apart / (marks[:, 36] - marks[:, 45]).norm(dim=-1)


def test_the_gap_between_the_lips_is_what_the_landmarks_say():
    faces = _faces()
    assert torch.allclose(mouth_of(HEAD).gap(faces), _gap(faces), atol=0.01)


@pytest.mark.parametrize("name", ["jaw", "expression"])
def test_gaps_are_derivatives(name):
    mouth, step = mouth_of(HEAD), 1e-3
    axis = 0 if name == "jaw" else HEAD.expression_names.index("mouthUpperUpLeft")
    value = torch.zeros(1, 3 if name == "jaw" else 63)
    value[0, axis] = step
    moved = _gap(replace(FlameSequence.neutral(1, 25.0, HEAD), **{name: value})) - _gap(
        FlameSequence.neutral(1, 25.0, HEAD)
    )
    row = mouth.gaps[axis if name == "jaw" else 3 + axis]
    assert float(moved) / step == pytest.approx(float(row[:3].mean()), rel=0.05)


def test_a_pose_with_shut_lips_keeps_the_rest_of_its_face():
    smile = torch.zeros(1, 63)
    for side in ("Left", "Right"):
        smile[0, HEAD.expression_names.index(f"mouthSmile{side}")] = 0.7
        smile[0, HEAD.expression_names.index(f"mouthUpperUp{side}")] = 0.6
    laugh = replace(FlameSequence.neutral(1, 25.0, HEAD), expression=smile, jaw=torch.tensor([[0.15, 0.0, 0.0]]))
    shut = lips_shut(laugh)
    assert float(_gap(laugh)) > 0.15 and abs(float(_gap(shut))) < 0.01
    axis = HEAD.expression_names.index("mouthSmileLeft")
    assert shut.expression[0, axis] == laugh.expression[0, axis]
    assert torch.equal(lips_shut(FlameSequence.neutral(1, 25.0, HEAD)).expression, torch.zeros(1, 63))


def test_a_head_that_has_no_axis_for_it_shuts_its_lips_too():
    names = tuple("other" if name == "mouthClose" else name for name in HEAD.expression_names)
    mouth = mouth_of(replace(HEAD, expression_names=names))
    assert float((mouth.closing @ mouth.gaps[3:])[:3].mean()) == pytest.approx(-1, abs=1e-4)


def test_the_mirror_moves_every_point_as_its_image_moved():
    faces = _faces(4)
    shown = mirrored(faces)
    twin = torch.cdist(HEAD.template * UP_FRONT, HEAD.template).argmin(1)
    # The residual axes mirror but for what no axis can do.
    assert torch.allclose(HEAD(shown), HEAD(faces)[:, twin] * UP_FRONT, atol=4e-4)
    again = mirrored(shown)
    for name in ("neck", "jaw", "eyes", "eyelids", "translation"):
        assert torch.equal(getattr(again, name), getattr(faces, name)), name
    assert torch.allclose(again.expression, faces.expression, atol=0.05)
