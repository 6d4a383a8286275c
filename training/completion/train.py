"""Trains the completion network on a folder of samples; a run that stopped goes on to the bit.

python -m flamecast.training.completion.train --data FOLDER --validation FOLDER --run FOLDER
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ...generator.completion.loss import loss_terms, total
from ...generator.completion.network import CompletionConfig, CompletionNetwork
from .data import CompletionBatches, collate, pack, plain

KEPT = 2  # checkpoints


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
        with torch.autocast("cpu", torch.bfloat16):
            made = self.network(inputs)
        terms = loss_terms(made, true)
        loss = total(terms)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        decay = min(self.ema_decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for kept, now in zip(self.average.parameters(), self.network.parameters()):
                kept.lerp_(now, 1 - decay)
        return {"loss": loss.item(), **{name: value.item() for name, value in terms.items()}}

    @torch.no_grad()
    def validate(self, samples: np.ndarray, batch_size: int = 8) -> dict[str, float]:
        """The loss of the averaged network and its terms over samples as they are."""
        sums: dict[str, float] = {}
        starts = range(0, len(samples), batch_size)
        for start in starts:
            inputs, true = collate(plain(record) for record in samples[start : start + batch_size])
            with torch.autocast("cpu", torch.bfloat16):
                made = self.average(inputs)
            terms = loss_terms(made, true)
            for name, value in {"loss": total(terms), **terms}.items():
                sums[name] = sums.get(name, 0.0) + float(value) / len(starts)
        return sums

    def save(self, run: Path, samples: int) -> None:
        """A checkpoint; the older ones but the last are removed."""
        hidden, folder = run / "unfinished", run / f"checkpoint-{self.step:07d}"
        shutil.rmtree(hidden, ignore_errors=True)
        hidden.mkdir(parents=True)
        for name, network in (("weights", self.network), ("average", self.average)):
            save_file({k: v.contiguous() for k, v in network.state_dict().items()}, hidden / f"{name}.safetensors")
        save_file(_optimizer_tensors(self.optimizer), hidden / "optimizer.safetensors")
        told = {"step": self.step, "samples": samples, "config": self.network.config.to_dict()}
        (hidden / "state.json").write_text(json.dumps(told, indent=1) + "\n")
        shutil.rmtree(folder, ignore_errors=True)
        hidden.rename(folder)
        for old in checkpoints(run)[:-KEPT]:
            shutil.rmtree(old)

    def load(self, run: Path) -> int:
        """Goes on from the last checkpoint of a run, if it has one; how many samples it was trained on, 0 if none."""
        found = checkpoints(run)
        if not found:
            return 0
        for name, network in (("weights", self.network), ("average", self.average)):
            network.load_state_dict(load_file(found[-1] / f"{name}.safetensors"))
        state = self.optimizer.state_dict()
        state["state"] = _optimizer_state(load_file(found[-1] / "optimizer.safetensors"))
        self.optimizer.load_state_dict(state)
        told = json.loads((found[-1] / "state.json").read_text())
        self.step = told["step"]
        return int(told["samples"])


def checkpoints(run: Path) -> list[Path]:
    """The whole ones of a run, the newest last."""
    return sorted(run.glob("checkpoint-*"))


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {f"{k}.{name}": value.contiguous() for k, values in state.items() for name, value in values.items()}


def _optimizer_state(tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, name = key.split(".")
        state.setdefault(int(number), {})[name] = value
    return state


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
    while training.step < schedule.steps and time.monotonic() - started < 60 * minutes:
        recent.append(training.train_on(batches))
        if training.step % log_every == 0:
            pace = (time.monotonic() - started) / (training.step - first)
            _log(run / "train.csv", training.step, {k: float(np.mean([r[k] for r in recent])) for k in recent[0]})
            print(f"step {training.step} loss {np.mean([r['loss'] for r in recent]):.4f} {pace:.2f} s", flush=True)
            recent = []
        if held_out is not None and training.step % validate_every == 0:
            _log(run / "validation.csv", training.step, training.validate(held_out))
        if time.monotonic() - saved > 60 * checkpoint_minutes:
            training.save(run, count)
            saved = time.monotonic()
    training.save(run, count)


def _log(path: Path, step: int, values: dict[str, float]) -> None:
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
