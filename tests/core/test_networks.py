"""Networks as files: what is written comes back, and what is damaged is named."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from flamecast.core.errors import BadInput
from flamecast.core.networks import load_network, read_weights, save_network


@dataclass(frozen=True)
class Sizes:
    width: int = 3


class Toy(nn.Module):
    """A parameter and a buffer; half precision would round either."""

    def __init__(self, config) -> None:
        super().__init__()
        self.config, width = config, config["width"] if isinstance(config, dict) else config.width
        self.weight = nn.Parameter(torch.full((width,), 0.1))
        self.register_buffer("mean", torch.full((width,), 0.1))


def test_parameters_are_rounded_to_halves_and_buffers_stay(tmp_path):
    weights, card = save_network(tmp_path / "toy", Toy(Sizes()), {"what": "a toy"})
    assert (weights.name, card.name) == ("toy.safetensors", "toy.json")
    assert json.loads(card.read_text()) == {"what": "a toy", "network": {"width": 3}}
    assert {name: value.dtype for name, value in read_weights(tmp_path / "toy")[1].items()} == {
        "weight": torch.half, "mean": torch.float32,
    }  # fmt: skip
    toy, told = load_network(tmp_path / "toy", lambda sizes: Toy(Sizes(**sizes)))
    assert torch.equal(toy.weight, torch.full((3,), 0.1).half().float()) and torch.equal(
        toy.mean, torch.full((3,), 0.1)
    )
    assert told["what"] == "a toy" and not toy.training and not toy.weight.requires_grad


def test_a_config_may_be_a_mapping_and_parameters_may_stay_whole(tmp_path):
    save_network(tmp_path / "toy", Toy({"width": 2, "_version": 1}), {}, half=False)
    toy, card = load_network(tmp_path / "toy", Toy)
    assert card == {"network": {"width": 2}} and torch.equal(toy.weight, torch.full((2,), 0.1))


@pytest.mark.parametrize(
    "name, content, problem",
    [("toy.json", b"[]", "is no card of weights"), ("toy.json", b'{"network": {"width": 4}}', "do not fit each other"),
     ("toy.json", b"{}", "do not fit each other"), ("toy.safetensors", b"cut", "is no whole safetensors file")],
)  # fmt: skip
def test_damage_is_named(tmp_path, name, content, problem):
    save_network(tmp_path / "toy", Toy(Sizes()), {})
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=problem):
        load_network(tmp_path / "toy", lambda sizes: Toy(Sizes(**sizes)))
