"""Training of the linear map of lip shapes: ridge regression in closed form, a person weighted by the root of how much
there is of him."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from ...drivers.speech.audio_features import PER_FRAME
from ...drivers.speech.lip_shapes import AXES, LipShapes, LipShapesConfig
from ...flame_motion import BadInput, load_head
from .footage import Footage

EVERY = 7  # features a component is found from: neighbours are alike


def fitted_lip_shapes(
    clips: Iterable[tuple[Footage, Tensor]], silent: Iterable[Tensor], components: int, ridge: float
) -> LipShapes:  # fmt: skip
    """The map that predicts the clips' mouths from their features; silent: features of sounds that nobody speaks in.

    ridge: the weight of small numbers, of the mean power of what is seen. BadInput without clips.
    """
    pairs = [(clip, features.float()) for clip, features in clips]
    if not pairs:
        raise BadInput("lip shapes: expected footage to learn from, got none")
    network = LipShapes(LipShapesConfig(pairs[0][1].shape[1], components))
    _set_components(network, torch.cat([features[::EVERY] for _, features in pairs]))
    frames: dict[str, int] = {}
    for clip, _ in pairs:
        frames[clip.speaker] = frames.get(clip.speaker, 0) + len(clip.mouth)
    size, out = network.out.in_features + 1, network.config.out
    power, product = torch.zeros(size, size).double(), torch.zeros(size, out).double()
    for clip, features in pairs:
        count = min(len(clip.mouth), len(features) // PER_FRAME)
        seen, targets = clip.seen[:count], _targets(clip, count)
        inputs = _with_one(network, features)[:count][seen]
        weight = frames[clip.speaker] ** -0.5
        power += weight * inputs.T @ inputs
        product += weight * inputs.T @ targets[seen]
    for features in silent:
        inputs = _with_one(network, features.float())
        power += len(inputs) ** -0.5 / 4 * inputs.T @ inputs
    power += ridge * power.diagonal()[:-1].mean() * torch.eye(size)
    found = torch.linalg.solve(power, product).float()
    with torch.no_grad():
        network.out.weight.copy_(found[:-1].T)
        network.out.bias.copy_(found[-1])
    return network.eval().requires_grad_(False)


@torch.no_grad()
def _set_components(network: LipShapes, features: Tensor) -> None:
    """The principal components of normalised features [N, C], each of unit spread."""
    normal = torch.nn.functional.layer_norm(features, features.shape[-1:])
    mean = normal.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov((normal - mean).T).double())
    top = (
        vectors[:, -network.config.components :] / values[-network.config.components :].clamp_min(1e-9).sqrt()
    ).float()
    network.reduce.weight.copy_(top.T)
    network.reduce.bias.copy_(-mean @ top)


def _with_one(network: LipShapes, features: Tensor) -> Tensor:
    """What each frame sees, and a 1 [T, S + 1]."""
    seen = network.seen(features).detach().double()
    return torch.cat([seen, torch.ones(len(seen), 1)], 1)


def _targets(clip: Footage, frames: int) -> Tensor:
    """Opening and width as the picture shows them, and the tracked axes about their middle [T, 2 + A].

    Lips that rest are a little pursed and pressed: what is counted from there is less than 0 in nearly all speech.
    """
    names = load_head().expression_names
    axes = clip.motion.expression[:frames, [names.index(name) for name in AXES]]
    axes = axes - axes[clip.seen[:frames]].median(0).values
    mouth = clip.mouth[:frames]
    return torch.cat([mouth[:, :3].mean(1, keepdim=True), mouth[:, 3:], axes], 1).double()
