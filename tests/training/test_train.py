"""Training from the command's own door: presets, a few steps, resuming, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from flamecast.core.networks import weight_files
from flamecast.drivers.text.encoder import TextEncoder
from flamecast.flame_motion import BadInput, load_head
from flamecast.flame_motion.diffusion.weights import load_denoiser
from flamecast.training.motion_pairs import MotionPairBatches, MotionPairs
from flamecast.training.options import start_of
from flamecast.training.speech.train import HeadTraining
from flamecast.training.text import data
from flamecast.training.text.evaluator import load_evaluator
from flamecast.training.train import TRAININGS, described, train

SMALL = ["pairs=64", "held_out=16", "batch_size=16", "width=24", "layers=1", "precision=32-true", "accelerator=cpu"]


def corpus_of(lengths: list[int]) -> MotionPairs:
    """MotionPairs of those lengths, each full of its own."""
    pairs = [(torch.zeros(1, 2), torch.full((length, 3), float(length))) for length in lengths]
    return MotionPairs.collate(pairs, torch.zeros(3), torch.ones(3))


def test_batches_hold_clips_of_like_length_each_once_an_epoch():
    lengths = torch.randint(40, 160, (2000,), generator=torch.Generator().manual_seed(0)).tolist()
    batches = MotionPairBatches(corpus_of(lengths), 16, seed=0)
    first, second = batches.epoch(0), batches.epoch(1)
    assert len(first) == len(batches) == 125 and first != second
    assert sorted(index for batch in first for index in batch) == list(range(2000))
    assert max(max(lengths[k] for k in batch) - min(lengths[k] for k in batch) for batch in first) < 40
    rows, batch = first[0], batches.at(0)
    assert batch.index.tolist() == rows and batch.motion.dtype == torch.float32
    assert batch.motion.shape[1] == max(lengths[k] for k in rows)
    for row, clip in enumerate(rows):
        assert batch.frames[row].sum() == lengths[clip]
        assert (batch.motion[row][batch.frames[row]] == lengths[clip]).all()


def test_batches_of_clips_go_by_step_and_rank_alone():
    batches = MotionPairBatches(corpus_of(list(range(1, 65))), 4, seed=3)
    drawn = [batches.at(step).index.tolist() for step in range(40)]
    again = MotionPairBatches(corpus_of(list(range(1, 65))), 4, seed=3)
    assert [again.at(step).index.tolist() for step in reversed(range(40))] == drawn[::-1]
    assert len({tuple(batch) for batch in drawn[:16]}) == 16 and drawn[16:32] != drawn[:16]
    ranks = [[batches.at(step, rank, 2).index.tolist() for step in range(20)] for rank in range(2)]
    assert [batch for pair in zip(*ranks) for batch in pair] == drawn


def test_the_corpus_is_seeded_for_any_number_of_workers_and_made_of_both_parts(monkeypatch):
    monkeypatch.setattr(data, "SHARE", 4)
    encoder, head = TextEncoder(), load_head()
    one, other = (data.TextCorpus("both", 10, seed, encoder, head) for seed in (3, 4))
    again = data.TextCorpus("both", 10, 3, encoder, head, workers=2)
    assert [pair.text for pair in one.pairs] == [pair.text for pair in again.pairs] != [p.text for p in other.pairs]
    assert all(torch.equal(a, b) for a, b in zip(one.motions, again.motions))
    assert one.tokens[0].shape[1] == 384 and one.motions[0].shape == (one.pairs[0].script.frames, one.layout.size)


def test_a_training_starts_from_weights_of_its_own_sizes(tmp_path):
    where = [f"run={tmp_path / 'run'}", f"output={tmp_path / 'made'}", *SMALL, "heads=2"]
    train("text-motion", [*where, "steps=1"])
    first = load_denoiser(tmp_path / "made")
    again = [f"run={tmp_path / 'more'}", f"output={tmp_path / 'more'}", *SMALL, "heads=2",
             f"init_weights={tmp_path / 'made'}"]  # fmt: skip
    train("text-motion", [*again, "steps=1", "lr=1e-9", "seed=9"])
    more = load_denoiser(tmp_path / "more")
    assert torch.equal(first.mean, more.mean) and more.card["init_weights"] == first.card
    for name, value in first.denoiser.state_dict().items():
        assert torch.allclose(value, more.denoiser.state_dict()[name], atol=1e-4), name
    with pytest.raises(BadInput, match="has other sizes"):
        train("text-motion", [*again, "steps=1", "layers=2", f"run={tmp_path / 'third'}"])


@pytest.mark.parametrize("name", ["text-motion", "text-evaluator"])
def test_a_resumed_training_of_text_is_an_unbroken_one_to_the_bit(tmp_path, name):
    """The same batches, noise and learning rates, and with them the same weights and card."""
    made = {}
    for run, stops in (("whole", [8]), ("parts", [4, 8])):
        where = [f"run={tmp_path / run}", f"output={tmp_path / run / 'made'}", *SMALL, "heads=2", "steps=8"]
        for stop in stops:
            weights, card = train(name, [*where, f"until={stop}"])
        made[run] = weights.read_bytes(), json.loads(card.read_text()) | {"minutes": 0}
    assert made["whole"] == made["parts"] and made["whole"][1]["val_loss"] > 0


def _steps(folder: Path) -> int:
    return torch.load(folder / "run" / "last.ckpt", weights_only=False)["global_step"]


@pytest.mark.parametrize("name", ["text-motion", "text-emotion"])
def test_a_training_writes_weights_and_a_card_and_goes_on_where_it_stopped(tmp_path, name):
    where = [f"run={tmp_path / 'run'}", f"output={tmp_path / 'made'}", *SMALL, "heads=2", "lr=0.001",
             "known_share=0.3", "token_noise=0.3"]  # fmt: skip
    weights, card = train(name, [*where, "steps=12"])
    told = json.loads(card.read_text())
    assert told["steps"] == 12 and told["loss"] > 0
    assert told["command"] == (
        f"flamecast train {name} steps=12 batch_size=16 lr=0.001 width=24 layers=1 heads=2 pairs=64 held_out=16"
    )
    before = load_denoiser(tmp_path / "made").denoiser.state_dict()
    assert _steps(tmp_path) == 12
    train(name, [*where, "steps=24"])
    assert _steps(tmp_path) == 24
    assert json.loads(card.read_text())["steps"] == 24
    after = load_denoiser(tmp_path / "made").denoiser.state_dict()
    assert weights.stat().st_size > 0 and any(not torch.equal(before[key], after[key]) for key in before)


@pytest.mark.slow  # compiling takes half a minute
def test_a_compiled_training_is_the_same_training(tmp_path):
    made = []
    for compiled in ("true", "false"):
        folder = tmp_path / compiled
        where = [f"run={folder}", f"output={folder / 'made'}", *SMALL, "heads=2", "steps=10", f"compile={compiled}"]
        train("text-motion", where)
        made.append(load_denoiser(folder / "made"))
    assert torch.equal(made[0].mean, made[1].mean) and made[0].card["loss"] == pytest.approx(
        made[1].card["loss"], rel=0.3
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
def test_a_gpu_trains_in_half_precision_with_clipped_gradients(tmp_path):
    """A fused AdamW scales gradients by itself: Lightning refuses to clip them, at the first step."""
    made = train("text-motion", [f"run={tmp_path / 'run'}", f"output={tmp_path / 'made'}", *SMALL, "heads=2", "steps=2",
                                 "precision=bf16-mixed", "accelerator=gpu"])  # fmt: skip
    assert all(file.exists() for file in made)


def test_the_judge_trains(tmp_path):
    train("text-evaluator", [f"run={tmp_path / 'run'}", f"output={tmp_path / 'judge'}", *SMALL, "heads=2", "steps=2"])
    assert (tmp_path / "run" / "last.ckpt").exists()
    judge = load_evaluator(tmp_path / "judge")
    vectors = judge.text(torch.randn(3, 5, 384), torch.ones(3, 5, dtype=torch.bool))
    assert vectors.norm(dim=-1).tolist() == pytest.approx([1, 1, 1], abs=1e-5)


def test_every_key_of_a_training_is_listed_with_its_value_and_help():
    lines = described("speech-head")
    assert "steps=6000  # steps of the optimizer, and of the learning rate's schedule" in lines
    assert any(line.startswith("init_weights=drivers/text/weights/motion  # weights to start from") for line in lines)
    for name in ("text-motion", "text-evaluator", "speech-lips", "speech-judge"):
        listed = {line.split("=")[0] for line in described(name)}
        assert listed == set(TRAININGS[name.replace("-", "_")][0].__dataclass_fields__)


def test_what_cannot_be_trained_is_named():
    with pytest.raises(
        BadInput,
        match="no such training; known are: completion, generator-image, generator-temporal, .*, text-motion",
    ):
        train("speach", [])
    with pytest.raises(BadInput, match="stepps"):
        train("text-motion", ["stepps=3"])
    assert all(name.startswith(("completion", "generator_", "mouth", "speech_", "text_")) for name in TRAININGS)


def test_what_a_preset_starts_from_is_found_wherever_the_command_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    preset = HeadTraining().init_weights
    assert load_denoiser(start_of(preset)).denoiser.config.layers > 0
    mine = weight_files(preset)
    mine[0].parent.mkdir(parents=True)
    for file in mine:
        file.write_bytes(b"")
    assert start_of(preset) == Path(preset)  # a file that is there counts for more
    assert start_of("nowhere") == Path("nowhere")
