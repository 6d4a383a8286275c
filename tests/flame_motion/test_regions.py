"""Regions: what lies outside stays, what lies inside moves, and clips are put together by them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from flamecast.flame_motion import BadInput, FlameSequence, load_head
from flamecast.flame_motion.channels import CHANNELS
from flamecast.flame_motion.edit import apply_edit, demo_motion
from flamecast.flame_motion.retargeting.regions import AREAS, REGIONS, find_region, mix, restrict

SPLIT = ("mouth", "lips", "brows", "lids", "eyes", "upper", "lower")  # regions with a border across the skin


@pytest.fixture(scope="module")
def head():
    return load_head()


def lively(head, frames=40, seed=0) -> FlameSequence:
    """Every axis and channel at once, so that nothing is inside one region alone."""
    g = torch.Generator().manual_seed(seed)
    still = FlameSequence.neutral(frames, 25, head)
    r = lambda *size: 0.3 * torch.randn(*size, generator=g)  # noqa: E731
    return replace(
        still, expression=r(*still.expression.shape), jaw=r(frames, 3).abs(), neck=r(frames, 3), rotation=r(frames, 3),
        eyes=r(frames, 2, 3), eyelids=r(frames, 2).abs().clamp(0, 1), translation=r(frames, 3),
    )  # fmt: skip


def moved(head, motion, other):
    """How far apart the landmarks of two clips are with the head held straight: root mean square over frames [68] m."""
    still = torch.zeros_like(motion.neck)
    points = [
        head.landmarks(replace(clip, neck=still, rotation=still, translation=still, eyes=torch.zeros_like(clip.eyes)))
        for clip in (motion, other)
    ]
    return (points[1] - points[0]).square().sum(-1).mean(0).sqrt()


def split_landmarks(name):
    """Landmarks inside a region, and outside: those too near to it to stay (0.25 inter-ocular distances) left out."""
    still = load_head().landmarks(FlameSequence.neutral(1, 25))[0]
    inside = [mark for area in REGIONS[name].areas for mark in AREAS[area]]
    near = torch.cdist(still, still[inside]).amin(1) < 0.25 * (still[36:42].mean(0) - still[42:48].mean(0)).norm()
    others = [mark for area in AREAS for mark in AREAS[area] if area not in REGIONS[name].areas and not near[mark]]
    assert len(others) > 12
    return inside, others


# -- only --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SPLIT)
def test_outside_moves_less_than_two_percent_of_inside(head, name):
    motion = lively(head)
    inside, outside = split_landmarks(name)
    change = moved(head, motion, apply_edit(motion, f"gain=1.5,only={name}"))
    assert change[outside].mean() < 0.02 * change[inside].mean()


@pytest.mark.parametrize(("name", "most"), [("lips", 0.04), ("brows", 0.02), ("lids", 0.02)])
def test_the_same_holds_on_another_topology(name, most, flame_head):
    other = flame_head
    motion = lively(other)
    motion = replace(motion, expression=motion.expression * 0.5)
    inside, outside = split_landmarks(name)
    change = moved(other, motion, apply_edit(motion, f"gain=1.5,only={name}", other))
    assert change[outside].mean() < most * change[inside].mean()


@pytest.mark.parametrize(("name", "edit"), [
    ("mouth", "smile=0.6,mouthFunnel=0.3"), ("brows", "browInnerUp=0.8"), ("eyes", "eyeSquintLeft=0.7,blink=0.3"),
    ("mouth", "jawOpen=0.5"), ("lower", "smile=0.5"),
])  # fmt: skip
def test_what_lies_inside_anyway_is_kept(head, name, edit):
    """Named axes of a region lose little by being confined to it: what moves the skin beyond its border."""
    still = FlameSequence.neutral(2, 25, head)
    inside, _ = split_landmarks(name)
    alone, confined = (moved(head, still, apply_edit(still, text)) for text in (edit, f"{edit},only={name}"))
    assert (confined - alone)[inside].norm() < 0.2 * alone[inside].norm()


def test_what_lies_outside_does_nothing(head):
    still = FlameSequence.neutral(2, 25, head)
    out = apply_edit(still, "smile=1,jawOpen=1,blink=1,yaw=10,only=brows")
    assert moved(head, still, out).max() < 3e-4  # m, of a smile of 0.013 m
    for name in set(CHANNELS) - {"expression"}:
        assert torch.equal(getattr(out, name), getattr(still, name)), name


@pytest.mark.parametrize("name", ["mouth", "lips", "lower", "upper", "brows"])
def test_a_tongue_comes_out_only_where_it_did(head, name):
    tongue, region = head.expression_names.index("tongueOut"), REGIONS[name]
    clip = lively(head)  # all moves as in no face
    clip.expression[:, tongue] = 0
    still = FlameSequence.neutral(len(clip), 25, head)
    assert float(restrict(still, clip, region, head).expression[:, tongue].abs().max()) < 0.1
    out = replace(still, expression=still.expression.index_fill(1, torch.tensor([tongue]), 1.0))
    there = restrict(still, out, region, head).expression[:, tongue]
    assert torch.allclose(there, torch.tensor(float(name in ("mouth", "lips", "lower"))), atol=0.1)


@pytest.mark.parametrize("name", REGIONS)
def test_channels_outside_stay_bit_for_bit(head, name):
    before, after = lively(head), lively(head, seed=1)
    out = restrict(before, after, REGIONS[name], head)
    for channel in set(CHANNELS) - {"expression"}:
        wanted = after if channel in REGIONS[name].channels else before
        assert torch.equal(getattr(out, channel), getattr(wanted, channel))
    if not REGIONS[name].areas:
        assert torch.equal(out.expression, before.expression)


def test_face_and_head_together_are_everything(head):
    before, after = lively(head), lively(head, seed=1)
    out = restrict(before, after, find_region("face+head"), head)
    assert all(torch.equal(getattr(out, name), getattr(after, name)) for name in CHANNELS)
    assert find_region("brows + eyes") == REGIONS["upper"]


def test_an_unknown_region_is_refused():
    with pytest.raises(BadInput, match="no region 'mouht'; did you mean mouth"):
        find_region("mouht")
    with pytest.raises(BadInput, match="no region ''; known are mouth, lips"):
        find_region("mouth+")


# -- mix ---------------------------------------------------------------------------------------------------------------


def test_a_mix_takes_the_mouth_from_one_and_the_head_from_another(head):
    base, mouth, nod = (lively(head, seed=seed) for seed in range(3))
    mixed = mix(base, {"mouth": mouth, "head": nod})
    assert torch.equal(mixed.jaw, mouth.jaw) and torch.equal(mixed.neck, nod.neck)
    assert torch.equal(mixed.eyes, base.eyes) and torch.equal(mixed.eyelids, base.eyelids)
    assert torch.equal(mixed.shape, base.shape)
    brows = moved(head, mixed, base)[17:27].mean()
    assert brows < 0.02 * moved(head, mouth, base)[48:68].mean()
    assert moved(head, mixed, mouth)[48:68].mean() < 0.35 * moved(head, mouth, base)[48:68].mean()


def test_a_mix_ends_with_the_shortest_and_runs_at_the_rate_of_the_base(head):
    base = demo_motion()
    mixed = mix(base, {"head": demo_motion(fps=50)[:100]})
    assert mixed.fps == 25 and len(mixed) == 50
    assert torch.allclose(mixed.neck, base.neck[:50], atol=1e-4)


def test_mixing_in_itself_changes_nothing(head):
    base = lively(head)
    mixed = mix(base, dict.fromkeys(REGIONS, base))
    assert all(torch.equal(getattr(mixed, name), getattr(base, name)) for name in CHANNELS)
