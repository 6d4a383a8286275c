"""The mouth's training: lips laid on lips, batches by step alone, a resumed run equal to an unbroken one."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from flamecast.core.npz import save_arrays
from flamecast.flame_motion import BadInput
from flamecast.generator.mouth.crop import HEIGHT, WIDTH
from flamecast.generator.mouth.painter import load_mouth
from flamecast.training.critic import CHANNELS, ProjectedCritic, critic_loss, fooling_loss, unlike
from flamecast.training.mouth.data import MouthPairs, _chance
from flamecast.training.mouth.examples import MARGIN, affine_onto
from flamecast.training.mouth.prepare import joined, write_index
from flamecast.training.train import train


@pytest.fixture
def pairs(tmp_path):
    """A folder of two people's pairs that nobody photographed."""
    rng, entries = np.random.default_rng(0), {}
    height, width = HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN
    for clip in ("anna", "ben"):
        parts = np.zeros((height, width, 4), np.uint8)
        parts[50:60, 50:90, 0], parts[60:70, 50:90, 3] = 255, 255
        picture = lambda: rng.integers(0, 256, (height, width, 3), np.uint8)  # noqa: E731
        photo = {
            "drawn": np.stack([picture() for _ in range(6)]), "truth": np.stack([picture() for _ in range(6)]),
            "parts": np.stack([parts] * 6), "open": np.linspace(0, 0.3, 6), "misfit": np.zeros(6),
            "frame": np.arange(6), "photo": picture(), "photo_parts": parts, "photo_open": np.array(0.0),
            "pixels": np.array(1.0), "source": np.array(0),
        }  # fmt: skip
        save_arrays(tmp_path / f"{clip}.npz", joined([photo]))
        entries[clip] = {"person": clip, "pairs": 6, "photos": 1}
    write_index(tmp_path, entries)
    return tmp_path


def test_lips_are_laid_on_lips_by_a_shift_whole_and_by_a_stretch_nearly():
    rng = np.random.default_rng(0)
    points = rng.normal(0, 20, (80, 2)) + [50, 60]
    shifted = affine_onto(points, points + [3, -2], 20.0)
    assert np.allclose(shifted, [[1, 0, 3], [0, 1, -2]], atol=1e-9)
    stretch = np.array([[1.1, 0.05], [-0.02, 0.9]])
    onto = points @ stretch.T + [5, 5]
    laid = affine_onto(points, onto, 20.0)
    error = np.linalg.norm(points @ laid[:, :2].T + laid[:, 2] - onto, axis=1).mean()
    assert error < 0.1 * np.linalg.norm(points + [5, 5] - onto - (points + [5, 5] - onto).mean(0), axis=1).mean()


def test_batches_go_by_step_alone_and_leave_the_photo_itself_out(pairs):
    drawn = MouthPairs.read([pairs], 4, seed=3)
    batch, again = drawn.at(5), MouthPairs.read([pairs], 4, seed=3).at(5)
    assert all(torch.equal(batch[name], again[name]) for name in batch)
    assert not torch.equal(batch["drawn"], drawn.at(6)["drawn"])
    assert batch["drawn"].shape == (4, 3, HEIGHT, WIDTH) and batch["parts"].shape == (4, 4, HEIGHT, WIDTH)
    assert not drawn.chance[drawn.frame == 0].any() and drawn.chance.sum() == pytest.approx(1)
    plain = drawn.rows(np.array([2]))
    middle = drawn.arrays["drawn"][2][MARGIN:-MARGIN, MARGIN:-MARGIN]
    assert np.array_equal((255 * plain["drawn"][0]).round().byte().permute(1, 2, 0).numpy(), middle)


def test_somebody_of_whom_there_is_more_is_drawn_more_often_by_the_root_of_it():
    person = np.array([0] * 4 + [1] * 16)
    rows = {
        "open": np.full(20, 0.2), "misfit": np.zeros(20), "self": np.zeros(20, bool), "pixels": np.ones(20),
        "person": person,
    }  # fmt: skip
    shares = np.bincount(person, _chance(rows))
    assert shares[1] == pytest.approx(2 * shares[0]) and shares.sum() == pytest.approx(1)
    blurred = rows | {"pixels": np.where(person == 1, 0.5, 1.0)}
    assert np.bincount(person, _chance(blurred))[1] < shares[1]


def test_people_are_held_out_whole(pairs):
    assert MouthPairs.read([pairs], without=["anna"]).people == ["ben"]
    assert MouthPairs.read([pairs], people=["anna"]).count == 6
    with pytest.raises(BadInput, match="nobody is called 'carl'; there are anna, ben"):
        MouthPairs.read([pairs], without=["carl"])


def test_the_critic_learns_apart_from_what_fools_it():
    torch.manual_seed(0)
    critic, opening = ProjectedCritic(), torch.rand(2, 1, 64, 64)
    features = lambda: [torch.rand(2, c, 32 // 2**k, 32 // 2**k) for k, c in enumerate(CHANNELS)]  # noqa: E731
    true, made = features(), features()
    assert float(critic_loss(critic(true, opening), critic(made, opening))) == pytest.approx(2, abs=0.3)
    low = [x - 3 for x in critic(made, opening)]
    high = [x + 3 for x in critic(true, opening)]
    assert float(critic_loss(high, low)) == 0 and float(fooling_loss(low)) > 2
    assert float(unlike(true, true)) == 0 < float(unlike(made, true))


def test_a_resumed_training_of_the_mouth_is_an_unbroken_one_to_the_bit(pairs, tmp_path):
    """With the critic, whose numbers are in the checkpoint; people held out are validated on."""
    common = [f"data={pairs}", "batch_size=2", "steps=4", "critic_from=1", "held_out=ben", "validate_every=2"]
    where = lambda name: [f"run={tmp_path / name}", f"output={tmp_path / f'{name}_out'}"]  # noqa: E731
    train("mouth", [*common, *where("whole")])
    train("mouth", [*common, *where("parts"), "until=2"])
    train("mouth", [*common, *where("parts")])
    whole, parts = ((tmp_path / f"{name}_out.safetensors").read_bytes() for name in ("whole", "parts"))
    assert whole == parts
    card = json.loads((tmp_path / "whole_out.json").read_text())
    assert card["pairs"] == 6 and card["held_out"] == ["ben"] and card["steps"] == 4 and "val_loss" in card
    assert card["network"]["widths"] == [20, 40, 80, 160]


def test_a_training_that_starts_from_weights_begins_at_their_numbers(pairs, tmp_path):
    common = [f"data={pairs}", "batch_size=2", "held_out=ben"]
    where = lambda name: [f"run={tmp_path / 'runs' / name}", f"output={tmp_path / name}"]  # noqa: E731
    train("mouth", [*common, *where("first"), "steps=2"])
    train("mouth", [*common, *where("on"), f"init_weights={tmp_path / 'first'}", "steps=1", "lr=1e-6"])
    first, on = (load_mouth(tmp_path / name).parameters() for name in ("first", "on"))
    assert 0 < max(float((a - b).abs().max()) for a, b in zip(first, on)) < 1e-5
