"""Trainings of the completion network: batches by the step's number, and resuming to the bit."""

import numpy as np
import pytest
import torch

from flamecast.generator.completion.network import CompletionConfig
from flamecast.training.completion.checkpoints import checkpoints
from flamecast.training.completion.data import PACKED, CompletionBatches
from flamecast.training.completion.train import CompletionTraining, Schedule


@pytest.fixture
def samples() -> np.ndarray:
    rng = np.random.default_rng(0)
    made = np.zeros(5, PACKED)
    for name in PACKED.names:
        shape = made[name].shape
        if made[name].dtype == np.uint8:
            made[name] = rng.integers(0, 2 if name == "truth.seen" else 256, shape)
        elif made[name].dtype == np.float16:
            made[name] = rng.uniform(0.08, 0.12, shape)
    return made


def test_a_step_draws_the_same_batch_whenever_it_is_asked_for(samples):
    batches = CompletionBatches(samples, 2, seed=3)
    first, _ = batches.at(7)
    batches.at(1)
    again, _ = CompletionBatches(samples, 2, seed=3).at(7)
    assert torch.equal(first, again)
    assert not torch.equal(first, batches.at(8)[0])


def test_a_resumed_training_is_the_unbroken_one(samples, tmp_path):
    torch.set_num_threads(1)
    config, batches = CompletionConfig(widths=(8, 8, 8, 16), fine=8), CompletionBatches(samples, 2)
    one = CompletionTraining(config, Schedule(steps=10))
    one.train_on(batches)
    one.save(tmp_path, len(samples))
    unbroken = [one.train_on(batches) for _ in range(2)]
    other = CompletionTraining(config, Schedule(steps=10), seed=5)
    assert other.load(tmp_path) == len(samples)
    assert [other.train_on(batches) for _ in range(2)] == unbroken
    for a, b in zip(one.average.parameters(), other.average.parameters()):
        assert torch.equal(a, b)
    assert [p.name for p in checkpoints(tmp_path)] == ["checkpoint-0000001"]
