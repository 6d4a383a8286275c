"""Checkpoints of a training: networks and optimisers as safetensors, and a state.json; whole or not there at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

KEPT = 2  # of a run


def checkpoints(run: Path) -> list[Path]:
    """The whole ones of a run, the newest last."""
    return sorted(run.glob("checkpoint-*"))


def save_checkpoint(
    run: Path, step: int, networks: dict[str, nn.Module], optimizers: dict[str, torch.optim.Optimizer],
    told: dict[str, Any],
) -> Path:  # fmt: skip
    """Writes NAME.safetensors for each and `told` with the step; the older ones but the last are removed."""
    hidden, folder = run / "unfinished", run / f"checkpoint-{step:07d}"
    shutil.rmtree(hidden, ignore_errors=True)
    hidden.mkdir(parents=True)
    for name, network in networks.items():
        save_file({k: v.contiguous() for k, v in network.state_dict().items()}, hidden / f"{name}.safetensors")
    for name, optimizer in optimizers.items():
        save_file(_tensors(optimizer), hidden / f"{name}.safetensors")
    (hidden / "state.json").write_text(json.dumps({"step": step, **told}, indent=1) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    hidden.rename(folder)
    for old in checkpoints(run)[:-KEPT]:
        shutil.rmtree(old)
    return folder


def load_checkpoint(
    run: Path, networks: dict[str, nn.Module], optimizers: dict[str, torch.optim.Optimizer]
) -> dict[str, Any] | None:
    """Reads the newest one of a run into networks and optimisers; its state.json, None where the run has none."""
    found = checkpoints(run)
    if not found:
        return None
    for name, network in networks.items():
        network.load_state_dict(load_file(found[-1] / f"{name}.safetensors"))
    for name, optimizer in optimizers.items():
        state = optimizer.state_dict()
        state["state"] = _state(load_file(found[-1] / f"{name}.safetensors"))
        optimizer.load_state_dict(state)
    return json.loads((found[-1] / "state.json").read_text())


def update_average(average: nn.Module, network: nn.Module, step: int, ema_decay: float) -> None:
    """Moves the average of a network's weights towards them; faster at first, when little has been averaged."""
    decay = min(ema_decay, (1 + step) / (10 + step))
    with torch.no_grad():
        for kept, now in zip(average.parameters(), network.parameters()):
            kept.lerp_(now, 1 - decay)


def _tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {f"{k}.{name}": value.contiguous() for k, values in state.items() for name, value in values.items()}


def _state(tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, name = key.split(".")
        state.setdefault(int(number), {})[name] = value
    return state
