"""The optimizer and the learning-rate schedule of every training."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from .options import TrainingOptions


def adamw(
    parameters: Iterable[torch.nn.Parameter], options: TrainingOptions, weight_decay: float = 0.01,
    betas: tuple[float, float] = (0.9, 0.999),
) -> dict[str, Any]:  # fmt: skip
    """AdamW and its schedule, as `LightningModule.configure_optimizers` returns them.

    The learning rate rises linearly over `warmup_steps` and falls along a half cosine. The first step counts as the
    first of the warm-up: its learning rate is lr / warmup_steps and not 0, the last one's is just above 0.
    """
    from diffusers.optimization import get_scheduler

    optimizer = torch.optim.AdamW(parameters, lr=options.lr, weight_decay=weight_decay, betas=betas)
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]  # a schedule that begins at its step 1 asks for it
    warmup = min(options.warmup_steps, options.steps)
    schedule = get_scheduler(
        "cosine", optimizer, num_warmup_steps=warmup, num_training_steps=options.steps + 1, last_epoch=0
    )
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
