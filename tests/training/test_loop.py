"""The loop of every training, on a toy: its learning rate, and what a resumed run draws."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from flamecast.core.networks import weight_files
from flamecast.flame_motion import BadInput
from flamecast.training.batches import StepData, batch_number, rng_at, shuffled_rows
from flamecast.training.loop import run_training
from flamecast.training.module import TrainingModule
from flamecast.training.optimizer import adamw
from flamecast.training.options import DiffusionOptions, TrainingOptions, command_line
from flamecast.training.run_record import check_run
from flamecast.training.train import TRAININGS, described


class Rows:
    """Rows 0..11, three a batch."""

    def __len__(self) -> int:
        return 4

    def at(self, step: int, rank: int = 0, world: int = 1) -> torch.Tensor:
        return torch.from_numpy(shuffled_rows(12, 3, 0, batch_number(step, rank, world))).float()[:, None]

    def to(self, device: torch.device) -> Rows:
        return self


class Toy(TrainingModule):
    """A layer with dropout that learns noise; it remembers batches and learning rates."""

    def __init__(self, options: TrainingOptions) -> None:
        super().__init__(options)
        torch.manual_seed(0)
        self.layers = torch.nn.Sequential(torch.nn.Linear(1, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 1))
        self.drawn, self.rates = [], []

    def loss(self, batch: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        if self.training:
            self.drawn.append(batch.flatten().tolist())
            self.rates.append(self.trainer.optimizers[0].param_groups[0]["lr"])
        return (self.layers(batch) - torch.randn(batch.shape, generator=rng)).square().mean()


@pytest.fixture
def options(tmp_path) -> TrainingOptions:
    return TrainingOptions(
        output=str(tmp_path / "made"), run=str(tmp_path / "run"), steps=24, lr=0.1, warmup_steps=4, ema_decay=0.5,
        validate_every=5, accelerator="cpu", precision="32-true",
    )  # fmt: skip


def trained(options: TrainingOptions, data: StepData | None = None) -> tuple[Toy, dict]:
    toy = Toy(options)
    return toy, run_training(toy, data or StepData(Rows(), held_out=Rows()), options)


def test_the_learning_rate_is_never_0_rises_over_the_warmup_and_falls_to_the_end(options):
    toy, facts = trained(options)
    assert toy.rates[:4] == pytest.approx([0.025, 0.05, 0.075, 0.1])
    assert len(toy.rates) == 24 and min(toy.rates) == toy.rates[-1] > 0
    assert all(later < earlier for earlier, later in zip(toy.rates[3:], toy.rates[4:]))
    assert facts["steps"] == 24 and facts["loss"] > 0 and facts["val_loss"] > 0


def test_losses_and_learning_rates_are_logged(options):
    trained(replace(options, steps=51))
    (file,) = Path(options.run).glob("log/*/metrics.csv")
    with file.open(encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    assert [int(row["step"]) for row in rows if row["val_loss"]][:4] == [4, 9, 14, 19]
    assert any(name.startswith("lr-") for name in rows[0])


@pytest.mark.parametrize("kind", dict.fromkeys(options for options, _ in TRAININGS.values()))
def test_the_first_step_of_every_training_learns(kind):
    parts = adamw([torch.nn.Parameter(torch.zeros(1))], kind())
    optimizer, schedule = parts["optimizer"], parts["lr_scheduler"]["scheduler"]
    rates = []
    for _ in range(kind().steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates[0] == pytest.approx(kind().lr / kind().warmup_steps) and max(rates) == pytest.approx(kind().lr)
    assert 0 < rates[-1] < 1e-3 * kind().lr


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_resumed_training_is_an_unbroken_one_to_the_bit(options, tmp_path, accumulate):
    """Batches, noise, dropout, learning rates, optimizer and averaged weights."""
    whole, facts = trained(replace(options, accumulate=accumulate))
    parts = replace(options, accumulate=accumulate, run=str(tmp_path / "parts"))
    first, _ = trained(replace(parts, until=11))
    second, resumed = trained(parts)
    assert first.drawn + second.drawn == whole.drawn and first.rates + second.rates == whole.rates
    assert len(whole.drawn) == 24 * accumulate
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), second.parameters(), strict=True))
    assert resumed == facts
    again, known = trained(parts)  # nothing is left to do: the weights come from the checkpoint
    assert not again.drawn and known["val_loss"] == facts["val_loss"]
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True))


def test_every_row_comes_once_an_epoch_and_processes_share_the_batches():
    rows = Rows()
    epochs = [[rows.at(step).flatten().tolist() for step in range(start, start + 4)] for start in (0, 4)]
    assert [sorted(sum(epoch, [])) for epoch in epochs] == [list(range(12))] * 2 and epochs[0] != epochs[1]
    shared = [rows.at(step, rank, 2).flatten().tolist() for step in range(2) for rank in range(2)]
    assert shared == epochs[0]
    draws = [torch.rand(1, generator=rng_at(seed, number, stream)).item()
             for seed in (0, 1) for number in (0, 1) for stream in ("noise", "rows")]  # fmt: skip
    assert len(set(draws)) == 8


def test_a_card_names_the_command_that_makes_the_same_model(options):
    assert command_line("toy", options) == "flamecast train toy steps=24 lr=0.1 warmup_steps=4 ema_decay=0.5"


def test_a_run_belongs_to_its_output_and_to_what_it_was_begun_with(options, tmp_path, caplog):
    assert replace(options, run="").run == f"{options.output}.run"
    first, facts = trained(replace(options, until=8))
    for changed, said in (
        ({"lr": 0.2}, "was begun with lr=0.1 \\(now 0.2\\)"), ({"batch_size": 3}, "batch_size=32"),
        ({"output": str(tmp_path / "other")}, "belongs to another output"), ({"seed": 1}, "seed=0"),
    ):  # fmt: skip
        with pytest.raises(BadInput, match=said):
            trained(replace(options, **changed))
    _, ended = trained(options)
    assert (facts["steps"], ended["steps"]) == (8, 24) and "steps_were" not in ended
    again, told = trained(options)
    assert not again.drawn and told == ended and "at its end already" in caplog.text
    assert all(value.isfinite().all() for value in again.state_dict().values())
    longer, facts = trained(replace(options, steps=30))
    assert len(longer.drawn) == 6 and facts["steps"] == 30 and facts["steps_were"] == [24]


def test_a_checkpoint_that_is_more_than_arrays_is_not_run(options, tmp_path):
    trained(replace(options, until=8))
    last = Path(options.run) / "last.ckpt"

    class Bomb:
        def __reduce__(self):
            return (tmp_path.joinpath, ("x",))

    content = torch.load(last, weights_only=True)
    torch.save(content | {"bomb": Bomb()}, last)
    with pytest.raises(BadInput, match="checkpoint .* cannot be read"):
        trained(options)


def test_what_an_output_would_destroy_is_refused_before_any_work(options, tmp_path):
    Path(f"{options.output}.json").write_text("{}")
    with pytest.raises(BadInput, match="no card of weights"):
        check_run(options)
    Path(f"{options.output}.safetensors").write_bytes(b"x")
    check_run(options)
    with pytest.raises(BadInput, match="is also an input"):
        check_run(DiffusionOptions(output=options.output, run=options.run, init_weights=options.output))


def test_dots_in_a_name_stay(tmp_path):
    assert [file.name for file in weight_files(tmp_path / "v1.2")] == ["v1.2.safetensors", "v1.2.json"]
    assert (
        weight_files(tmp_path / "v1.2.safetensors")
        == weight_files(tmp_path / "v1.2.json")
        == weight_files(tmp_path / "v1.2")
    )


def test_no_preset_writes_over_what_ships_or_where_another_one_does():
    outputs = [
        next(line for line in described(name) if line.startswith("output=")).split("  #")[0] for name in TRAININGS
    ]
    assert len(set(outputs)) == len(outputs) and all(output.startswith("output=out/") for output in outputs)
