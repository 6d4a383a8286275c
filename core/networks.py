"""Trained networks as files: safetensors in half precision, and a card in JSON that says what they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import BadInput
from .files import PathLike, atomic_path, existing_file

if TYPE_CHECKING:
    from torch import Tensor, nn

_USUAL = 4096  # a number in a card, whatever its arrays hold
Network = TypeVar("Network", bound="nn.Module")


def save_network(path: PathLike, network: nn.Module, card: dict[str, Any], half: bool = True) -> list[Path]:
    """Writes PATH.safetensors and PATH.json and returns both; `load_network` reads them.

    Parameters are written in half precision unless `half` is False, buffers (statistics, filters) as they are. The JSON
    is the card, and under "network" what the network is made from: its `config`, a dataclass or a mapping.
    """
    from safetensors.torch import save

    config: Any = network.config
    sizes = {k: v for k, v in config.items() if k[:1] != "_"} if isinstance(config, Mapping) else asdict(config)
    buffers = {name for name, _ in network.named_buffers()}
    arrays = {
        name: (value.half() if half and name not in buffers else value).contiguous()
        for name, value in network.state_dict().items()
    }
    weights, text = weight_files(path)
    with atomic_path(weights) as file:
        Path(file).write_bytes(save(arrays))
    with atomic_path(text) as file:
        Path(file).write_text(json.dumps(card | {"network": sizes}, indent=1) + "\n", encoding="utf-8")
    return [weights, text]


def weight_files(path: PathLike) -> tuple[Path, Path]:
    """Weights PATH.safetensors and their card PATH.json, whatever dots PATH has; it may name either of them."""
    path = Path(path)
    name = path.name.removesuffix(".safetensors").removesuffix(".json")
    return path.with_name(f"{name}.safetensors"), path.with_name(f"{name}.json")


def load_network(path: PathLike, make: Callable[[dict[str, Any]], Network]) -> tuple[Network, dict[str, Any]]:
    """Reads what `save_network` wrote: the network in single precision, ready to use, and its card.

    make: from the sizes in the card to a network. Raises BadInput for files that do not fit each other.
    """
    path = Path(path)
    card, arrays = read_weights(path)
    with fitting(path):
        _check_sizes(card["network"], arrays)
        network = make(card["network"])
        network.load_state_dict(arrays)
    return network.float().eval().requires_grad_(False), card


def _check_sizes(sizes: dict[str, Any], arrays: dict[str, Tensor]) -> None:
    """ValueError for a card by which a network would be made that no file could fill, for hours or out of memory."""
    largest = max(_USUAL, len(arrays), *(max(value.shape, default=0) for value in arrays.values()))
    for name, value in sizes.items():
        if isinstance(value, int) and not -1 <= value <= largest:
            raise ValueError(f"{name}: expected at most {largest}, got {value}")


def read_weights(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The card PATH.json and the arrays PATH.safetensors, as they are. Raises BadInput for what is neither."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    weights, text_file = weight_files(path)
    text = existing_file(text_file, "the card").read_bytes()
    existing_file(weights, "the weights")
    try:
        card = json.loads(text)
        if not isinstance(card, dict):
            raise BadInput("expected an object")
    except ValueError as error:
        raise BadInput(f"{text_file} is no card of weights ({error})") from None
    try:
        return card, load_file(str(weights))
    except SafetensorError as error:
        raise BadInput(f"{weights} is no whole safetensors file ({error})") from None


@contextmanager
def fitting(path: Path) -> Iterator[None]:
    """BadInput where a network is made from a card and arrays that do not fit each other."""
    try:
        yield
    except (KeyError, TypeError, RuntimeError, ValueError, ZeroDivisionError, AttributeError) as error:
        reason = " ".join(str(error).split())[:80]
        raise BadInput(f"{path}: its weights and its card do not fit each other ({reason})") from None
