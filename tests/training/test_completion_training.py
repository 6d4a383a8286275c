"""Trainings of the completion network: batches by the step's number, resuming to the bit, and weights that load."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from flamecast.core.npz import save_arrays
from flamecast.flame_motion import BadInput
from flamecast.generator.completion.atlas import COLUMNS, ROWS
from flamecast.generator.completion.network import Completed, load_completion
from flamecast.generator.completion.seen import CHANNELS
from flamecast.training.completion.data import PACKED, CompletionBatches, pack
from flamecast.training.completion.loss import LENGTH, TrueAtlas, loss_terms
from flamecast.training.completion.samples import save_sample
from flamecast.training.train import train

SMALL = ["batch_size=2", "widths=8,8,8,16", "fine=8", "precision=32-true", "accelerator=cpu", "steps=4"]


def some_samples(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    made = np.zeros(count, PACKED)
    for name in PACKED.names:
        shape = made[name].shape
        if made[name].dtype == np.uint8:
            made[name] = rng.integers(0, 2 if name == "truth.seen" else 256, shape)
        elif made[name].dtype == np.float16:
            made[name] = rng.uniform(0.08, 0.12, shape)
    return made


def folder_of(samples: np.ndarray, folder: Path, heads: list[str]) -> Path:
    for number, record in enumerate(samples):
        save_arrays(folder / f"000_{number:06d}.npz", {name: record[name] for name in PACKED.names}, compress=False)
    (folder / "index.json").write_text(json.dumps({"heads": heads}))
    return folder


def test_a_step_draws_the_same_batch_whenever_it_is_asked_for():
    samples = some_samples(5)
    batches = CompletionBatches(samples, 2, seed=3)
    first, truth = batches.at(7)
    batches.at(1)
    again, same = CompletionBatches(samples, 2, seed=3).at(7)
    assert torch.equal(first, again) and all(
        torch.equal(a, b) for a, b in zip(vars(truth).values(), vars(same).values())
    )
    assert not torch.equal(first, batches.at(8)[0])
    assert torch.equal(batches.at(3, rank=1, world=2)[0], first)  # processes share the batches of one
    plain = CompletionBatches(samples, 5, varied=False)
    assert sorted(plain.at(0)[0].sum((1, 2, 3)).tolist()) == sorted(plain.at(1)[0].sum((1, 2, 3)).tolist())


def test_samples_are_packed_as_they_come_and_what_a_kill_cut_short_is_packed_again(tmp_path):
    samples = some_samples(3)
    folder = folder_of(samples[:2], tmp_path, [])
    save_sample(folder / "000_000009.npz", None)  # no face was found in it
    assert (pack(folder) == samples[:2]).all()
    folder_of(samples, tmp_path, [])
    with (folder / "packed.bin").open("ab") as file:
        file.write(b"half a sample")
    assert (pack(folder) == samples).all()
    with pytest.raises(BadInput, match="expected a folder of samples"):
        pack(tmp_path / "nowhere")


def test_a_training_resumes_to_the_bit_and_its_weights_load(tmp_path):
    data = folder_of(some_samples(5), tmp_path / "data", ["anna"])
    held_out = folder_of(some_samples(2, seed=1), tmp_path / "held_out", ["ben"])
    made = {}
    for run, stops in (("whole", [4]), ("parts", [2, 4])):
        where = [f"run={tmp_path / run}", f"output={tmp_path / run / 'made'}", f"data={data}", f"validation={held_out}"]
        for stop in stops:
            weights, card = train("completion", [*where, *SMALL, f"until={stop}"])
        made[run] = weights.read_bytes(), json.loads(card.read_text()) | {"minutes": 0}
    assert made["whole"] == made["parts"]
    card = made["whole"][1]
    assert card["samples"] == 5 and card["held_out_samples"] == 2 and card["val_loss"] > 0
    assert "anna" not in json.dumps(card)
    network = load_completion(tmp_path / "whole" / "made")
    assert network(torch.zeros(1, CHANNELS, ROWS, COLUMNS)).color().shape == (1, 3, ROWS, COLUMNS)
    with pytest.raises(BadInput, match="1 of its people are in"):
        train("completion", [*where, *SMALL, f"validation={data}", f"run={tmp_path / 'other'}"])
    with pytest.raises(BadInput, match="expected multiples of 8"):
        train("completion", [*where, *SMALL, "widths=40,no", f"run={tmp_path / 'other'}"])


def test_a_training_that_starts_from_weights_keeps_their_sizes_and_begins_at_their_numbers(tmp_path):
    data = f"data={folder_of(some_samples(2), tmp_path / 'data', ['anna'])}"
    first = tmp_path / "first"
    where = lambda name: [f"run={tmp_path / 'runs' / name}", f"output={tmp_path / name}", data]  # noqa: E731
    train("completion", [*where("first"), *SMALL])
    before = first.with_suffix(".safetensors").read_bytes()
    on = [*where("on"), f"init_weights={first}", "batch_size=2", "precision=32-true", "accelerator=cpu", "steps=1"]
    train("completion", [*on, "lr=1e-6"])
    old, new = (load_completion(tmp_path / name) for name in ("first", "on"))
    assert new.config == old.config and first.with_suffix(".safetensors").read_bytes() == before
    changes = [float((a - b).abs().max()) for a, b in zip(old.parameters(), new.parameters())]
    assert 0 < max(changes) < 1e-5
    made = {}
    for kept in ("0", "0.25", "1"):
        train(
            "completion",
            [*on, f"run={tmp_path / 'runs' / kept}", f"output={tmp_path / kept}", "lr=1e-2", f"kept={kept}"],
        )
        made[kept] = load_completion(tmp_path / kept).state_dict()
    for name, value in old.state_dict().items():
        assert torch.equal(made["1"][name], value)
        assert torch.allclose(made["0.25"][name], made["0"][name] + 0.25 * (value - made["0"][name]), atol=1e-3)
    with pytest.raises(BadInput, match="kept=2.0: expected 0 to 1"):
        train("completion", [*on, f"run={tmp_path / 'runs' / 'no'}", "kept=2"])


def test_the_truth_is_without_error():
    torch.manual_seed(0)
    shape = 2, 1, 16, 32
    skin, hair = torch.rand(2, 3, 16, 32), torch.rand(2, 3, 16, 32)
    worn = (torch.rand(shape) > 0.5).float()
    none, all_ = torch.zeros(shape), torch.ones(shape)
    radius = 0.1 + 0.01 * torch.rand(shape)
    made_up = none[..., :1, :1]
    true = TrueAtlas(skin, hair, all_, worn, none, none, radius, radius, none, made_up, none, none)
    sure = 60 * (worn - 0.5)
    made = Completed(skin, hair, skin, radius, radius, sure, 30 * all_, -30 * all_)
    assert all(float(value) < 1e-5 for value in loss_terms(made, true).values())
    off = Completed(skin, hair, skin, radius, radius + LENGTH, sure, 30 * all_, -30 * all_)
    assert float(loss_terms(off, true)["radius"]) == pytest.approx(1.0, abs=1e-4)
