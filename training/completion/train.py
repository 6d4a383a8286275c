"""`flamecast train completion`: the network that makes a whole head of what one photo shows."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.networks import save_network
from ...flame_motion import BadInput
from ..loop import card_of, run_training
from ..options import names_in
from .options import CompletionTraining

if TYPE_CHECKING:
    from ...generator.completion.network import CompletionNetwork


def train_completion(options: CompletionTraining) -> list[Path]:
    """Trains on a folder of samples and writes the averaged weights and their card; returns both files. BadInput."""
    from lightning.pytorch import seed_everything

    from ..batches import StepData
    from .data import CompletionBatches, pack
    from .module import CompletionModule
    from .prepare import check_held_out

    began, held_out = time.time(), None
    samples = pack(Path(options.data))
    if options.validation:
        check_held_out(Path(options.data), Path(options.validation))
        held_out = CompletionBatches(pack(Path(options.validation)), options.batch_size, options.seed, varied=False)
    seed_everything(options.seed, verbose=False)
    if not 0 <= options.kept <= 1 or (options.kept and options.init_weights is None):
        raise BadInput(f"kept={options.kept}: expected 0 to 1, and more than 0 only with init_weights")
    network = _initial(options)
    module = CompletionModule(network, options)
    batches = CompletionBatches(samples, options.batch_size, options.seed)
    facts = run_training(module, StepData(batches, held_out), options)
    if module.global_rank != 0:  # of several processes one writes
        return []
    if options.kept:
        _mix(network, _initial(options), options.kept)
    card = card_of("completion of the whole head from one photo", "completion", options, began, facts) | {
        "samples": len(samples), "held_out_samples": 0 if held_out is None else len(held_out.samples),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
    }  # fmt: skip
    return save_network(options.output, network, card)


def _initial(options: CompletionTraining) -> CompletionNetwork:
    """The untrained network of the options' sizes, or the one at `init_weights`. BadInput."""
    from ...generator.completion.network import CompletionConfig, CompletionNetwork, load_completion

    if options.init_weights is None:
        return CompletionNetwork(CompletionConfig(_widths(options), options.fine))
    trained = load_completion(Path(options.init_weights))  # shared by all that load it: its numbers are copied
    network = CompletionNetwork(trained.config)
    network.load_state_dict(trained.state_dict())
    return network


def _mix(network: CompletionNetwork, first: CompletionNetwork, share: float) -> None:
    """Moves the network's numbers towards `first`'s by a share: what it learned without all of what it forgot.

    Wortsman et al., "Robust fine-tuning of zero-shot models" (2022), section 2.
    """
    trained = network.state_dict()
    network.load_state_dict({name: trained[name].lerp(value, share) for name, value in first.state_dict().items()})


def _widths(options: CompletionTraining) -> tuple[int, ...]:
    """The widths of the levels as numbers. BadInput."""
    names = names_in(options.widths)
    if not names or not all(name.isdecimal() and int(name) > 0 and int(name) % 8 == 0 for name in names):
        raise BadInput(f"widths {options.widths!r}: expected multiples of 8 between commas, as in 40,80,128,192")
    return tuple(map(int, names))
