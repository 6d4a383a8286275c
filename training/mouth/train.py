"""`flamecast train mouth`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.networks import save_network
from ..loop import card_of, run_training
from ..options import names_in
from .options import MouthTraining

if TYPE_CHECKING:
    from ...generator.mouth.network import MouthNetwork


def train_mouth(options: MouthTraining) -> list[Path]:
    """Trains the network of the mouth and writes its weights and card; returns both files. BadInput."""
    from lightning.pytorch import seed_everything

    from ..batches import StepData
    from .data import MouthPairs
    from .module import MouthModule

    began, held_out, folders = time.time(), names_in(options.held_out), names_in(options.data)
    pairs = MouthPairs.read(folders, options.batch_size, options.seed, without=held_out)
    validation = MouthPairs.read(folders, options.batch_size, people=held_out, varied=False) if held_out else None
    seed_everything(options.seed, verbose=False)
    module = MouthModule(_initial(options), options)
    facts = run_training(module, StepData(pairs, validation), options)
    if module.global_rank != 0:  # of several processes one writes
        return []
    card = card_of("mouths that look like a photo's", "mouth", options, began, facts) | {
        "pairs": pairs.count, "people": len(pairs.people), "held_out": list(held_out),
        "parameters": sum(parameter.numel() for parameter in module.network.parameters()),
    }  # fmt: skip
    return save_network(options.output, module.network, card)


def _initial(options: MouthTraining) -> MouthNetwork:
    """An untrained network, or the one at `init_weights`. BadInput."""
    from ...generator.mouth.network import MouthNetwork
    from ...generator.mouth.painter import load_mouth

    if options.init_weights is None:
        return MouthNetwork()
    return load_mouth(options.init_weights).requires_grad_(True)
