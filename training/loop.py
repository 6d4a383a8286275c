"""The loop of every training: Lightning's, with checkpoints, averaged weights and validation."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.extras import how_to_install
from ..core.files import NO_ROOM
from ..flame_motion import BadInput
from .options import TrainingOptions, command_line
from .run_record import CHECKPOINT, check_run, write_record

if TYPE_CHECKING:
    from lightning.pytorch import Callback, LightningModule, Trainer

    from .batches import StepData


_log = logging.getLogger("flamecast")


def check_training() -> None:
    """BadInput where what training needs is not installed."""
    if find_spec("lightning") is None or find_spec("librosa") is None:
        raise BadInput(f"training needs more: {how_to_install('train')}")


def run_training(
    module: LightningModule, data: StepData, options: TrainingOptions, callbacks: Sequence[Callback] = ()
) -> dict[str, Any]:
    """Trains a module from the last checkpoint in `options.run` on, and leaves its averaged weights in it.

    Returns what the card says of it: steps, batch_size, loss, and val_loss where there is held-out data; `steps_were`
    where the run was made longer. A run that is at its end already is not trained: it says so, and gives what it gave.
    BadInput where the run is another's (`check_run`), or a checkpoint finds no room; the one before it stays whole.
    """
    trainer, last = make_trainer(options, callbacks, data.held_out is not None), Path(options.run) / CHECKPOINT
    record = check_run(options)
    if last.exists() and (done := _at_end(last, options)) is not None and "facts" in record:
        _log.warning("%s is at its end already: steps=%d (or until=) goes on from there", options.run, done["steps"])
        module.load_state_dict(done["weights"])
        return record["facts"]
    with _room_for(options.run):
        write_record(options, record)
        # Weights only: a checkpoint may come from elsewhere, and a whole pickle could run anything.
        trainer.fit(module, data, ckpt_path=str(last) if last.exists() else None, weights_only=True)
    facts: dict[str, Any] = {"steps": trainer.global_step, "batch_size": options.batch_size}
    if "loss" in trainer.callback_metrics:
        facts["loss"] = round(float(trainer.callback_metrics["loss"]), 4)
    if len(record["steps"]) > 1:
        facts["steps_were"] = record["steps"][:-1]
    if data.held_out is not None:
        (found,) = trainer.validate(module, data, verbose=False, weights_only=True)
        facts["val_loss"] = round(found["val_loss"], 4)
    if trainer.is_global_zero:
        write_record(options, record | {"facts": facts})
    return facts


def _at_end(last: Path, options: TrainingOptions) -> dict[str, Any] | None:
    """The step and the averaged weights of a checkpoint with no step left to do. BadInput where it is none."""
    import torch

    try:
        found = torch.load(last, map_location="cpu", weights_only=True)
        steps, weights = found["global_step"], found["state_dict"]
    except Exception as error:  # torch has many names for a file that is no checkpoint, or more than arrays
        reason = str(error).splitlines()[0][:120]
        raise BadInput(f"the checkpoint {last} cannot be read ({reason}): give another folder, run=FOLDER") from error
    return {"steps": steps, "weights": weights} if steps >= (options.until or options.steps) else None


def make_trainer(options: TrainingOptions, callbacks: Sequence[Callback], validates: bool) -> Trainer:
    """Lightning's trainer: endless epochs, checkpoints every minute, a log in CSV, and the average of the weights."""
    from lightning.pytorch import Trainer
    from lightning.pytorch.callbacks import (
        EMAWeightAveraging,
        LearningRateMonitor,
        ModelCheckpoint,
        TQDMProgressBar,
    )  # fmt: skip
    from lightning.pytorch.loggers import CSVLogger

    from .callbacks import LastCheckpoint, SeededBatches

    every = 10  # steps: to join the average costs a GPU as much as a step
    average = EMAWeightAveraging(decay=options.ema_decay, update_every_n_steps=every, use_buffers=False)
    return Trainer(
        accelerator=options.accelerator, devices=options.devices, strategy=options.strategy,
        precision=_precision(options.precision), max_steps=options.until or options.steps, max_epochs=-1,
        max_time=None if options.minutes is None else {"minutes": options.minutes},
        accumulate_grad_batches=options.accumulate, gradient_clip_val=1.0, num_sanity_val_steps=0,
        val_check_interval=options.validate_every * options.accumulate, check_val_every_n_epoch=None,
        limit_val_batches=None if validates else 0,
        logger=CSVLogger(options.run, name="log"), log_every_n_steps=50, enable_model_summary=False,
        callbacks=[
            TQDMProgressBar(refresh_rate=50),
            LearningRateMonitor("step"),
            SeededBatches(options.seed),
            LastCheckpoint(Path(options.run) / CHECKPOINT),
            *([average] if options.ema_decay else []),
            ModelCheckpoint(options.run, save_last=True, train_time_interval=timedelta(minutes=1), save_top_k=0),
            *callbacks,
        ],
    )  # fmt: skip


def card_of(what: str, name: str, options: TrainingOptions, began: float, facts: dict[str, Any]) -> dict[str, Any]:
    """What every card says; began: `time.time()` at the start, facts: of `run_training`."""
    minutes = round((time.time() - began) / 60, 1)
    return {"what": what, "command": command_line(name, options), "seed": options.seed, "minutes": minutes, **facts}


@contextmanager
def _room_for(run: str) -> Iterator[None]:
    """BadInput where the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise BadInput(
            f"{run}: no room to write a checkpoint ({error.strerror}); the last one is whole: make room, and start the "
            "same training again to go on from it"
        ) from error


def _precision(wanted: str) -> str:
    import torch

    if wanted != "auto":
        return wanted
    return "bf16-mixed" if torch.cuda.is_available() or torch.cpu._is_avx512_bf16_supported() else "32-true"
