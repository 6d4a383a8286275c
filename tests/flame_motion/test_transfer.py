"""Driving: what must stay, stays exactly."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from flamecast.flame_motion import BadInput, FlameSequence, MissingAsset, load_head
from flamecast.flame_motion.channels import CHANNELS
from flamecast.flame_motion.retargeting import rest
from flamecast.flame_motion.retargeting.driver_frame import driver_frame
from flamecast.flame_motion.retargeting.lids import EYE_CORNERS, WIDE, eye_openings
from flamecast.flame_motion.retargeting.lips import MARKS, lip_gap
from flamecast.flame_motion.retargeting.rest import rest_of
from flamecast.flame_motion.retargeting.transfer import BEYOND, drive, strengthened
from flamecast.flame_motion.rotations import compose


def pose(seed: int, frames: int = 1) -> FlameSequence:
    g = torch.Generator().manual_seed(seed)
    r = lambda *size: 0.2 * torch.randn(*size, generator=g)  # noqa: E731
    still = FlameSequence.neutral(frames=frames, fps=25, head="open")
    return replace(
        still, shape=r(*still.shape.shape), expression=r(*still.expression.shape), neck=r(frames, 3),
        jaw=r(frames, 3).abs(), eyes=r(frames, 2, 3), eyelids=r(frames, 2).abs().clamp(0, 1),
    )  # fmt: skip


def test_a_driver_at_rest_moves_nothing():
    source, one = pose(0), pose(1)
    held = replace(one, **{k: getattr(one, k).repeat(5, *[1] * (getattr(one, k).ndim - 1)) for k in
                           ("expression", "rotation", "neck", "jaw", "eyes", "eyelids", "translation")})  # fmt: skip
    driven = drive(source, held, "relative")
    for name in ("expression", "rotation", "neck", "jaw", "eyes", "eyelids", "translation"):
        moved = getattr(driven, name)
        assert torch.allclose(moved, getattr(source, name).expand_as(moved), atol=1e-5), name
    assert torch.equal(driven.shape, source.shape)


def test_absolute_keeps_the_drivers_pose_and_the_portraits_identity():
    source, motion = pose(0), pose(1, 6)
    driven = drive(source, motion, "absolute")
    assert torch.equal(driven.shape, source.shape) and not torch.equal(driven.shape, motion.shape)
    for name in ("jaw", "eyes"):
        assert torch.equal(getattr(driven, name), getattr(motion, name))
    wide = [load_head().expression_names.index(name) for name in WIDE]  # eyes get no less wide: they have lids
    assert torch.equal(driven.expression[:, wide], motion.expression[:, wide].maximum(source.expression[:, wide]))
    others = [k for k in range(driven.expression.shape[1]) if k not in wide]
    assert torch.equal(driven.expression[:, others], motion.expression[:, others])
    again = drive(source, source, "absolute")
    assert torch.allclose(again.eyelids, source.eyelids, atol=1e-5)


@pytest.mark.parametrize(("apart", "kept"), [(2.0, 0.0), (20.0, 20.0)])
def test_absolute_takes_a_few_degrees_for_a_difference_of_fits(apart, kept):
    source = pose(0)
    turn = torch.tensor([[0.0, math.radians(apart), 0.0]])
    driven = drive(source, replace(pose(1), neck=compose(turn, source.neck)), "absolute")
    left = math.degrees(float(compose(driven.neck, -source.neck).norm()))
    assert left == pytest.approx(kept, abs=1e-2)


def test_relative_turns_are_the_drivers_turns():
    source, motion = pose(0), pose(1, 6)
    driven = drive(source, motion, "relative")
    turn = lambda a, b: compose(a, -b)  # noqa: E731
    assert torch.allclose(turn(driven.neck[3:4], driven.neck[1:2]), turn(motion.neck[3:4], motion.neck[1:2]), atol=1e-4)


@pytest.mark.parametrize("half", [0.0, 0.4])
@pytest.mark.parametrize("squint", [0.0, 0.6])
def test_shut_eyes_of_the_driver_shut_the_portraits(half, squint):
    """Whatever the driver's eyes are at rest, and whether lids or a squint shuts them."""
    still = FlameSequence.neutral(frames=40, fps=25, head="open")
    source = replace(pose(0), eyelids=torch.tensor([[0.1, 0.3]]))
    lids, face = torch.full((40, 2), half), still.expression.clone()
    lids[36:] = 1.0
    names = load_head().expression_names
    face[36:, [names.index("eyeSquintLeft"), names.index("eyeSquintRight")]] = squint
    driven = drive(source, replace(still, eyelids=lids, expression=face), "relative")
    assert torch.allclose(driven.eyelids[0], source.eyelids[0], atol=1e-5)
    shut = eye_openings(load_head(), driven)[-1]
    assert bool((shut <= 0.1 * eye_openings(load_head(), source)[0]).all())


def test_a_wink_shuts_one_eye():
    still = FlameSequence.neutral(frames=40, fps=25, head="open")
    lids = torch.zeros(40, 2)
    lids[36:, 1] = 1.0
    driven = drive(pose(0), replace(still, eyelids=lids), "relative")
    assert torch.allclose(driven.eyelids[:, 0], pose(0).eyelids[:, 0].expand(40), atol=1e-5)
    assert float(driven.eyelids[-1, 1]) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("shut", [0.0, 0.5, 0.95, 1.0])
def test_eyes_that_the_photo_shows_shut_open_in_absolute_mode(shut):
    still = FlameSequence.neutral(frames=3, fps=25, head="open")
    source = replace(still[:1], eyelids=torch.full((1, 2), shut))
    driven = drive(source, still, "absolute")
    assert torch.allclose(driven.eyelids, torch.zeros(3, 2), atol=0.02)


@pytest.mark.parametrize("frames", range(1, 21))
def test_a_few_frames_have_a_rest_with_the_lips_together_too(frames):
    still = FlameSequence.neutral(frames=frames, fps=25, head="open")
    jaw = torch.zeros(frames, 3)
    jaw[:, 0] = torch.linspace(0, 0.3, frames)
    assert float(rest_of(replace(still, jaw=jaw)).jaw[0, 0]) < 0.02


def test_a_motion_whose_head_is_not_here_has_a_rest():
    assert len(rest_of(replace(pose(1, 5), head="flame@1"))) == 1


def test_who_talks_all_the_time_rests_with_the_lips_together():
    still = FlameSequence.neutral(frames=100, fps=25, head="open")
    jaw = torch.zeros(100, 3)
    jaw[:, 0] = 0.08 + 0.08 * torch.sin(torch.arange(100) * 0.7)
    assert float(rest_of(replace(still, jaw=jaw)).jaw[0, 0]) < 0.02


def test_a_jaw_that_is_beyond_shut_in_the_photo_opens_at_once():
    still = FlameSequence.neutral(frames=20, fps=25, head="open")
    jaw = torch.zeros(20, 3)
    jaw[10:, 0] = 0.1
    source = replace(pose(0), jaw=torch.tensor([[-0.06, 0.0, 0.0]]))
    source = replace(source, expression=0.2 * source.expression)
    driven = drive(source, replace(still, jaw=jaw), "relative")
    assert torch.allclose(driven.jaw[:10, 0], torch.tensor(-0.06))
    moved, head = replace(still, jaw=jaw), load_head()
    parted, wanted = (lip_gap(head, m)[10:] - lip_gap(head, m)[:10] for m in (driven, moved))
    assert torch.allclose(parted, wanted, atol=1e-3) and bool((wanted > 0.05).all())


def test_rest_does_not_need_a_neutral_start():
    still = FlameSequence.neutral(frames=40, fps=25, head="open")
    jaw = torch.zeros(40, 3)
    jaw[:25, 0] = 0.3  # starts with an open mouth
    assert float(rest_of(replace(still, jaw=jaw)).jaw[0, 0]) == 0.0


def test_a_smile_driven_by_a_smile_is_not_two():
    source, motion = pose(0), FlameSequence.neutral(frames=10, fps=25, head="open")
    smile = motion.expression.clone()
    smile[8:, 5] = 0.9
    grinning = replace(source, expression=source.expression.index_fill(1, torch.tensor([5]), 0.8))
    driven = drive(grinning, replace(motion, expression=smile), "relative")
    assert torch.allclose(driven.expression[:8], grinning.expression.expand(8, -1))
    assert torch.allclose(driven.expression[8:, 5], torch.full((2,), 1.0 + BEYOND * 0.7))


def test_an_unknown_mode_and_a_head_that_is_not_here_are_refused():
    with pytest.raises(BadInput, match="relative or absolute"):
        drive(pose(0), pose(1), "sideways")  # type: ignore[arg-type]
    with pytest.raises(MissingAsset, match="FLAME model flame is not here"):
        drive(pose(0), replace(pose(1), head="flame@1"))


def test_the_same_head_is_loaded_once():
    assert load_head() is load_head()


def test_a_picture_out_of_the_drivers_footage_is_known_by_its_face():
    clip = pose(3, 40)
    own = clip[17:18]
    other_view = replace(own, neck=-own.neck, translation=own.translation + 0.3)
    assert driver_frame(own, clip) == 17 and driver_frame(other_view, clip) is not None
    for axis in range(5):  # the widest ways in which people differ
        shape = own.shape.clone()
        shape[axis] += 4.0
        assert driver_frame(replace(own, shape=shape), clip) is None, axis
    assert driver_frame(replace(own, jaw=own.jaw + torch.tensor([0.4, 0, 0])), clip) is None


@pytest.mark.parametrize("frames", [64, 65, 200])
def test_a_long_driver_is_looked_at_too(frames):
    clip = pose(3, frames)
    assert driver_frame(clip[:1], clip) == 0
    assert driver_frame(replace(clip[:1], shape=clip.shape + 1), clip) is None


def test_a_picture_out_of_the_footage_stays_where_it_was():
    clip = pose(3, 40)
    clip = replace(clip, translation=torch.linspace(0, 0.2, 40)[:, None].expand(-1, 3).contiguous())
    own = replace(clip[17:18], translation=torch.zeros(1, 3))
    for mode in ("relative", "absolute"):
        driven = drive(own, clip, mode, first=clip[17:18])
        assert torch.allclose(driven.translation, clip.translation - clip.translation[17:18], atol=1e-7)


@pytest.mark.parametrize("mode", ["relative", "absolute"])
def test_strength_goes_from_the_photo_through_the_driver_and_beyond(mode):
    source, motion = pose(0), pose(1, 9)
    driven = drive(source, motion, mode)
    assert strengthened(source, driven, 1.0) is driven
    for name in ("expression", "eyes", "translation", "neck", "rotation"):
        held, was = getattr(strengthened(source, driven, 0.0), name), getattr(source, name)
        assert torch.allclose(held, was.expand_as(held), atol=1e-6), name
    twice = strengthened(source, driven, 2.0)
    assert torch.allclose(twice.expression - driven.expression, driven.expression - source.expression, atol=1e-5)
    turn = compose(driven.neck, -source.neck.expand_as(driven.neck))
    assert torch.allclose(compose(turn, driven.neck), twice.neck, atol=1e-5)
    assert bool(((twice.eyelids >= 0) & (twice.eyelids <= 1)).all()) and float(twice.jaw[:, 0].min()) >= float(
        driven.jaw[:, 0].min()
    )
    with pytest.raises(BadInput, match="strength must be 0 or more, got -1"):
        strengthened(source, driven, -1.0)


CHUNKS = (1, 1, 7, 31, 60)


def cut(motion: FlameSequence) -> list[FlameSequence]:
    ends = [sum(CHUNKS[: k + 1]) for k in range(len(CHUNKS))]
    return [motion[stop - size : stop] for size, stop in zip(CHUNKS, ends, strict=True)]


def assert_same(found: FlameSequence, wanted: FlameSequence) -> None:
    for name in ("shape", *CHANNELS):
        assert torch.equal(getattr(found, name), getattr(wanted, name)), name


def test_beyond_its_limit_a_rest_is_that_of_evenly_spread_frames(monkeypatch):
    motion = pose(1, 100)
    monkeypatch.setattr(rest, "EXACT_FRAMES", 30)
    found = rest_of(motion)
    monkeypatch.undo()
    assert_same(found, rest_of(motion.frames(torch.arange(0, 100, 4))))
    assert not torch.equal(found.expression, rest_of(motion).expression)


@pytest.mark.parametrize("apart", [1.0, 6.0, 30.0])
@pytest.mark.parametrize("mode", ["relative", "absolute"])
def test_driving_chunk_by_chunk_is_driving_the_whole_bit_for_bit(mode, apart):
    source, motion = pose(0), pose(1, sum(CHUNKS))
    motion.neck[0] = compose(torch.tensor([0.0, math.radians(apart), 0.0]), source.neck[0])
    parts = [drive(source, chunk, mode, rest_of(motion), motion[:1]) for chunk in cut(motion)]
    assert_same(FlameSequence.concatenate(parts, fade=0), drive(source, motion, mode))


def test_rest_and_first_are_one_frame_on_the_motions_head():
    source, motion = pose(0), pose(1, 6)
    with pytest.raises(BadInput, match="rest must be one frame .* got 6"):
        drive(source, motion, rest=motion)
    with pytest.raises(BadInput, match="first must be one frame .* on flame@1"):
        drive(source, motion, "absolute", first=replace(motion[:1], head="flame@1"))


def test_the_gap_between_lips_is_that_of_the_posed_head():
    clip, head = replace(pose(4, 12), jaw=torch.rand(12, 3) * torch.tensor([0.3, 0.05, 0.0])), load_head()
    still = torch.zeros_like(clip.neck)
    marks = head.landmarks(replace(clip, neck=still, rotation=still))
    rest = head.landmark_skin.shaped(clip.shape)[0]
    eyes = (rest[EYE_CORNERS[0]] - rest[EYE_CORNERS[1]]).norm()
    upper, lower = torch.tensor(MARKS).T
    wanted = (marks[:, upper, 1] - marks[:, lower, 1]).mean(1) / eyes
    assert torch.allclose(lip_gap(head, clip), wanted, atol=1e-3)  # expressions move the jaw's joint a little


def test_lips_part_as_far_as_the_drivers_whatever_the_face_and_its_smile():
    head, clip = load_head(), FlameSequence.neutral(frames=30, fps=25, head="open")
    clip = replace(clip, jaw=torch.linspace(0, 0.25, 30)[:, None] * torch.tensor([1.0, 0, 0]))
    grin = (0.3 * pose(0).expression).index_fill(
        1, torch.tensor([head.expression_names.index("mouthUpperUpLeft")]), 0.9
    )
    for source in (replace(x, jaw=0.2 * x.jaw) for x in (pose(5), replace(pose(6), expression=grin))):
        driven, rest = drive(source, clip, "relative"), rest_of(clip)
        opened = lip_gap(head, driven) - lip_gap(head, source)
        wanted = lip_gap(head, clip) - lip_gap(head, rest)
        assert torch.allclose(opened[6:], wanted[6:], atol=1e-3)


def test_eyes_that_a_driver_shuts_by_unwidening_are_shut_by_their_lids():
    head, source = load_head(), pose(0)
    clip = FlameSequence.neutral(frames=9, fps=25, head="open")
    axes = [head.expression_names.index(name) for name in WIDE]
    expression = clip.expression.clone()
    expression[4, axes] = -2.5  # wider than wide, the other way: shut
    driven = drive(source, replace(clip, expression=expression), "relative")
    assert bool((driven.expression[:, axes] >= source.expression[:, axes]).all())
    assert bool((driven.eyelids[4] > 0.95).all()) and torch.allclose(driven.eyelids[0], source.eyelids, atol=1e-4)
