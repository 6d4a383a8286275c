"""Small trained networks as files: safetensors in half precision, and a card in JSON that says what they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import BadInput
from .files import atomic_path, existing_file

if TYPE_CHECKING:
    from torch import nn

Network = TypeVar("Network", bound="nn.Module")


def save_network(path: Path, network: Any, card: dict[str, Any]) -> None:
    """Writes PATH.safetensors and PATH.json: the card, with the sizes (`network.config`, a dataclass) to load it."""
    from safetensors.torch import save

    arrays = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    with atomic_path(path.with_suffix(".safetensors")) as file:
        Path(file).write_bytes(save(arrays))
    with atomic_path(path.with_suffix(".json")) as file:
        text = json.dumps(card | {"network": asdict(network.config)}, indent=1)
        Path(file).write_text(text + "\n", encoding="utf-8")


def load_network(path: Path, make: Callable[[dict[str, Any]], Network]) -> tuple[Network, dict[str, Any]]:
    """Reads what `save_network` wrote: the network, ready to use, and its card.

    make: from the sizes in the card to a network. Raises BadInput for files that do not fit each other.
    """
    from safetensors.torch import load_file

    card = json.loads(existing_file(path.with_suffix(".json"), "the card").read_text(encoding="utf-8"))
    arrays = load_file(str(existing_file(path.with_suffix(".safetensors"), "the weights")))
    try:
        network = make(card["network"])
        network.load_state_dict({name: value.float() for name, value in arrays.items()})
    except (KeyError, TypeError, RuntimeError) as error:
        raise BadInput(f"{path}: its weights and its card do not fit each other ({str(error)[:80]})") from None
    return network.eval().requires_grad_(False), card
