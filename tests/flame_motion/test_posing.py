"""The tensor-level door: leading batch axes, any dtype and device, gradients; the same numbers as for a clip."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from flamecast.flame_motion import BadInput, FlameSequence, Pose, load_head
from flamecast.flame_motion.channels import CHANNELS
from flamecast.flame_motion.heads.skinning import Skin

from .test_heads import random_head, random_motion

BATCHES = [(), (3,), (2, 3)]


def clips(head, count: int, frames: int = 4) -> list[FlameSequence]:
    return [random_motion(head, frames, seed) for seed in range(count)]


def stacked(of: list[FlameSequence], batch: tuple[int, ...]) -> tuple[Pose, torch.Tensor]:
    """Channels [*batch, T, ...] and shapes [*batch, S] in double precision of as many clips."""
    pile = lambda name: torch.stack([getattr(c, name) for c in of]).double().unflatten(0, batch)  # noqa: E731
    if not batch:
        return Pose.of(of[0]).to(dtype=torch.float64), of[0].shape.double()
    return Pose(**{name: pile(name) for name in CHANNELS}), pile("shape")


@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_a_batch_is_its_clips_one_by_one(batch):
    head = load_head()
    double = head.to(dtype=torch.float64)
    count = torch.Size(batch).numel()
    still = FlameSequence.neutral(4, 25, head)
    noise = [random_motion(head, 4, seed) for seed in range(count)]
    some = [
        replace(still, shape=0.3 * m.shape, expression=0.2 * m.expression, rotation=m.rotation, neck=m.neck,
                jaw=0.2 * m.jaw, eyes=0.2 * m.eyes, eyelids=m.eyelids, translation=m.translation)
        for m in noise
    ]  # fmt: skip
    channels, shape = stacked(some, batch)
    posed, points = double.pose(channels, shape), double.pose_landmarks(channels, shape)
    assert posed.shape == (*batch, 4, len(head.template), 3) and points.shape == (*batch, 4, 68, 3)
    for k, clip in enumerate(some):
        one = Pose.of(clip).to(dtype=torch.float64)
        mine = posed.reshape(count, *posed.shape[-3:])[k]
        assert (mine - double.pose(one, clip.shape.double())).abs().max() < 1e-12
        assert (mine - double(clip)).abs().max() < 1e-12  # a clip is cast to its head's dtype
        assert (mine - head(clip)).abs().max() < 1e-5  # the compiled path
        assert (points.reshape(count, 4, 68, 3)[k] - head.landmarks(clip)).abs().max() < 1e-5


def test_one_identity_under_a_batch_and_a_batch_of_identities_under_one_motion():
    head = random_head().to(dtype=torch.float64)
    channels, shape = stacked(clips(random_head(), 3), (3,))
    many = head.pose(channels, shape[0])
    people = head.pose(Pose(**{name: getattr(channels, name)[1] for name in CHANNELS}), shape)
    for k in range(3):
        one = Pose(**{name: getattr(channels, name)[k] for name in CHANNELS})
        assert (many[k] - head.pose(one, shape[0])).abs().max() < 1e-12
        two = Pose(**{name: getattr(channels, name)[1] for name in CHANNELS})
        assert (people[k] - head.pose(two, shape[k])).abs().max() < 1e-12


def test_a_plain_batch_of_one_identity_takes_the_compiled_path(monkeypatch):
    head, taken = random_head(), []
    fast = Skin._pose_fast
    monkeypatch.setattr(Skin, "_pose_fast", lambda *given: taken.append(len(given[2])) or fast(*given))
    some = clips(head, 3)
    batch = Pose(**{name: torch.stack([getattr(c, name) for c in some]) for name in CHANNELS})
    posed = head.pose(batch, some[0].shape)
    assert taken == [12]
    for k, clip in enumerate(some):
        assert torch.allclose(posed[k], head(replace(clip, shape=some[0].shape)), atol=1e-5)


@pytest.mark.parametrize("field", ["shape", "offsets", *CHANNELS])
def test_gradients_of_a_batch(field):
    head = random_head(vertices=12, shape=2, expression=2)
    skin = head.subset(torch.tensor([5, 2])).to(dtype=torch.float64)
    channels, shape = stacked(clips(head, 2, frames=2), (2,))
    values = {"shape": shape, "offsets": torch.zeros(2, 2, 3).double(), **vars(channels)}

    def posed(value: torch.Tensor) -> torch.Tensor:
        given = {**values, field: value}
        rest = skin.shaped(given.pop("shape"), given.pop("offsets"))
        return skin.pose(*rest, Pose(**given))

    assert torch.autograd.gradcheck(posed, values[field].clone().requires_grad_())


@pytest.mark.parametrize("field", ["rotation", "neck", "jaw", "eyes"])
def test_gradients_at_rest(field):
    head = random_head(vertices=6, shape=2, expression=2)
    skin = head.skin.to(dtype=torch.float64)
    still = Pose.of(FlameSequence.neutral(1, 25, head)).to(dtype=torch.float64)
    rest = skin.shaped(torch.zeros(2).double())
    given = getattr(still, field).clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: skin.pose(*rest, replace(still, **{field: x})), given)


def test_nothing_is_made_on_another_device():
    """Tensors of the device "meta" hold no numbers: an operation with a tensor of the CPU would fail."""
    head = load_head().to("meta")
    assert head.id == load_head().id and head.faces.is_meta and head.faces.dtype == load_head().faces.dtype
    channels = Pose.of({"neck": torch.zeros(2, 5, 3, device="meta")}, expressions=head.expression.shape[-1])
    shape = torch.zeros(2, head.identity.shape[-1], device="meta")
    assert channels.eyes.is_meta
    posed, points = head.pose(channels, shape), head.pose_landmarks(channels, shape)
    assert posed.is_meta and posed.shape == (2, 5, len(head.template), 3)
    assert points.is_meta and points.shape == (2, 5, 68, 3)


def test_to_casts_floats_keeps_whole_numbers_and_comes_back_bit_equal():
    head = load_head()
    double = head.to(dtype=torch.float64)
    assert double.skin.weights.dtype == torch.float64 and double.faces.dtype == head.faces.dtype
    back = double.to("cpu", torch.float32)
    for name in ("template", "identity", "expression", "joint_regressor", "weights", "eyelids"):
        assert torch.equal(getattr(back, name), getattr(head, name)), name
    # Sums over all vertices depend, in their last bits, on how many threads made them.
    assert torch.allclose(back.skin.joints_identity, head.skin.joints_identity, atol=1e-10) and back.id == head.id
    with pytest.raises(BadInput, match="expected a float dtype"):
        head.to(dtype=torch.int64)


def test_channels_that_do_not_fit_together_are_named():
    whole = Pose.of(random_motion(random_head()))
    with pytest.raises(BadInput, match=r"Pose.eyes: expected \[4, 2, 3\] beside .* got \[4, 3\]"):
        replace(whole, eyes=whole.jaw)
    with pytest.raises(BadInput, match=r"Pose.neck: expected \[4, 3\]"):
        replace(whole, neck=whole.neck[None])
    with pytest.raises(BadInput, match="no channel 'nose'"):
        Pose.of({"nose": whole.neck})
    with pytest.raises(BadInput, match="how many axes"):
        Pose.of({"neck": whole.neck})
    with pytest.raises(BadInput, match="at least one"):
        Pose.of({})
