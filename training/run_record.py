"""What a run was begun with, beside its checkpoints: only the same training of the same output goes on with it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..core.files import atomic_path, check_writable, read_json, refuse_overwriting
from ..core.networks import weight_files
from ..flame_motion import BadInput
from .options import PLACE, TrainingOptions

RECORD, CHECKPOINT = "run.json", "last.ckpt"
MAY_CHANGE = frozenset({*PLACE, "steps"}) - {"part"}  # a run may be made longer; its card says so


def check_run(options: TrainingOptions) -> dict[str, Any]:
    """The record that the run is to have; refuses, before any work, what would be lost or untrue. Raises BadInput.

    That is: an output that is an input, or takes the place of a file that is no card of weights; a run of another
    output, of another training, or with other options than those it was begun with.
    """
    weights, card = weight_files(options.output)
    for file in (weights, card):
        check_writable(file)
    given = getattr(options, "init_weights", None)
    refuse_overwriting([] if given is None else weight_files(given), [weights, card])
    if card.exists() and not weights.exists():
        raise BadInput(f"the output {options.output}: {card} is there and no card of weights: choose another name")
    record: dict[str, Any] = {
        "training": type(options).__name__,
        "output": os.path.relpath(weights, options.run),
        "options": {k: v for k, v in asdict(options).items() if k not in MAY_CHANGE},
        "steps": [options.steps],
    }
    known = Path(options.run) / RECORD
    if not (Path(options.run) / CHECKPOINT).exists():
        return record
    if not known.exists():
        raise BadInput(f"the run {options.run} has a checkpoint and no {RECORD}: give another folder with run=FOLDER")
    before = read_json(known, "the record")
    _check_same(options, record, before)
    steps = before["steps"] if before["steps"][-1] == options.steps else [*before["steps"], options.steps]
    return before | {"steps": steps}


def _check_same(options: TrainingOptions, record: dict[str, Any], before: dict[str, Any]) -> None:
    """BadInput where a run was begun for another output, or with other options."""
    for what in ("training", "output"):
        if before.get(what) != record[what]:
            raise BadInput(
                f"the run {options.run} belongs to another {what} ({before.get(what)}, here {record[what]}): give "
                "another folder with run=FOLDER"
            )
    now = json.loads(json.dumps(record["options"]))
    then = before.get("options", {})
    changed = [f"{k}={then.get(k)} (now {now.get(k)})" for k in sorted({*now, *then}) if now.get(k) != then.get(k)]
    if changed:
        raise BadInput(
            f"the run {options.run} was begun with {', '.join(changed)}: give what it was begun with to go on with it, "
            "or another folder with run=FOLDER to begin anew"
        )


def write_record(options: TrainingOptions, record: dict[str, Any]) -> None:
    """Puts the record into the run's folder."""
    with atomic_path(Path(options.run) / RECORD) as file:
        Path(file).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
