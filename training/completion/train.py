"""Trains the completion network on a folder of samples; a run that stopped goes on to the bit.

python -m flamecast.training.completion.train --data FOLDER --validation FOLDER --run FOLDER
"""

from __future__ import annotations

import argparse
import csv
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ...generator.completion.loss import loss_terms, total
from ...generator.completion.network import CompletionConfig, CompletionNetwork
from .checkpoints import load_checkpoint, save_checkpoint, update_average
from .data import CompletionBatches, collate, pack, plain


@dataclass(frozen=True)
class Schedule:
    """The learning rate: up over `warmup` steps, level, and down along a cosine over the last part of `steps`."""

    lr: float = 1.2e-3
    steps: int = 60_000
    warmup: int = 300
    falls: float = 0.4  # of the steps, at the end

    def at(self, step: int) -> float:
        """The rate of a step."""
        rise = min((step + 1) / self.warmup, 1.0)
        fallen = max(step / self.steps - (1 - self.falls), 0) / self.falls
        return self.lr * rise * (0.02 + 0.98 * (0.5 + 0.5 * float(np.cos(np.pi * min(fallen, 1.0)))))


class CompletionTraining:
    """The network, its average and its optimiser, a step at a time."""

    def __init__(self, config: CompletionConfig, schedule: Schedule, ema_decay: float = 0.999, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.network, self.average = CompletionNetwork(config), CompletionNetwork(config)
        self.average.load_state_dict(self.network.state_dict())
        self.average.eval().requires_grad_(False)
        self.schedule, self.ema_decay, self.step = schedule, ema_decay, 0
        self.optimizer = torch.optim.AdamW(self.network.parameters(), schedule.lr, betas=(0.9, 0.98), weight_decay=1e-3)

    def train_on(self, batches: CompletionBatches) -> dict[str, float]:
        """One step on the batch of its number; the loss and its terms."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.schedule.at(self.step)
        inputs, true = batches.at(self.step)
        with torch.autocast("cpu", torch.bfloat16, enabled=torch.cpu._is_avx512_bf16_supported()):
            made = self.network(inputs)
        terms = loss_terms(made, true)
        loss = total(terms)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        update_average(self.average, self.network, self.step, self.ema_decay)
        return {"loss": loss.item(), **{name: value.item() for name, value in terms.items()}}

    @torch.no_grad()
    def validate(self, samples: np.ndarray, batch_size: int = 8) -> dict[str, float]:
        """The loss of the averaged network and its terms over samples as they are."""
        sums: dict[str, float] = {}
        starts = range(0, len(samples), batch_size)
        for start in starts:
            inputs, true = collate(plain(record) for record in samples[start : start + batch_size])
            with torch.autocast("cpu", torch.bfloat16, enabled=torch.cpu._is_avx512_bf16_supported()):
                made = self.average(inputs)
            terms = loss_terms(made, true)
            for name, value in {"loss": total(terms), **terms}.items():
                sums[name] = sums.get(name, 0.0) + float(value) / len(starts)
        return sums

    def save(self, run: Path, samples: int) -> None:
        """A checkpoint; samples: how many were trained on."""
        told = {"samples": samples, "config": self.network.config.to_dict()}
        save_checkpoint(run, self.step, self._networks(), {"optimizer": self.optimizer}, told)

    def load(self, run: Path) -> int:
        """Goes on from the last checkpoint of a run, if it has one; how many samples it was trained on, 0 if none."""
        told = load_checkpoint(run, self._networks(), {"optimizer": self.optimizer})
        self.step = told["step"] if told else 0
        return int(told["samples"]) if told else 0

    def _networks(self) -> dict[str, nn.Module]:
        return {"weights": self.network, "average": self.average}


def train(
    data: Path, validation: Path | None, run: Path, schedule: Schedule, *, batch_size: int = 8, seed: int = 0,
    grow: bool = False, minutes: float = float("inf"), checkpoint_minutes: float = 10.0,
    log_every: int = 50, validate_every: int = 500,
) -> None:  # fmt: skip
    """Trains until the schedule's end, from the run's last checkpoint on.

    A run keeps to the samples it began with, so that it resumes exactly; `grow` takes those that came since.
    minutes: after which it stops, with a checkpoint, to be gone on with.
    """
    run.mkdir(parents=True, exist_ok=True)
    training = CompletionTraining(CompletionConfig(), schedule, seed=seed)
    before = training.load(run)
    samples, held_out = pack(data), None if validation is None else pack(validation)
    count = len(samples) if grow or not before else min(before, len(samples))
    batches = CompletionBatches(samples[:count], batch_size, seed)
    numbers = sum(p.numel() for p in training.network.parameters())
    print(f"{numbers} numbers, {count} samples, from step {training.step}", flush=True)
    saved, started, first, recent = time.monotonic(), time.monotonic(), training.step, []
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())  # a run that is asked to end keeps what it learned
    while training.step < schedule.steps and time.monotonic() - started < 60 * minutes and not stopped.is_set():
        recent.append(training.train_on(batches))
        if training.step % log_every == 0:
            pace = (time.monotonic() - started) / (training.step - first)
            write_row(run / "train.csv", training.step, {k: float(np.mean([r[k] for r in recent])) for k in recent[0]})
            print(f"step {training.step} loss {np.mean([r['loss'] for r in recent]):.4f} {pace:.2f} s", flush=True)
            recent = []
        if held_out is not None and training.step % validate_every == 0:
            write_row(run / "validation.csv", training.step, training.validate(held_out))
        if time.monotonic() - saved > 60 * checkpoint_minutes:
            training.save(run, count)
            saved = time.monotonic()
    training.save(run, count)
    if stopped.is_set():
        raise SystemExit(143)


def write_row(path: Path, step: int, values: dict[str, float]) -> None:
    """A line of a CSV; what a killed run had logged beyond its checkpoint is dropped."""
    rows = [row for row in csv.DictReader(open(path)) if int(row["step"]) < step] if path.exists() else []
    rows.append({"step": step, **{k: f"{v:.5f}" for k, v in values.items()}})
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[-1]))
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that `prepare` made")
    parser.add_argument("--validation", type=Path, help="the same, of people held out")
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=Schedule.steps)
    parser.add_argument("--lr", type=float, default=Schedule.lr)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--grow", action="store_true", help="take samples that came since the run began")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after them; the same line goes on")
    given = parser.parse_args()
    train(given.data, given.validation, given.run, Schedule(given.lr, given.steps), batch_size=given.batch_size,
          grow=given.grow, minutes=given.minutes)  # fmt: skip


if __name__ == "__main__":
    main()
