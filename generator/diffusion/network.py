"""The denoiser: diffusers' U-Net on unshuffled pixels, guided by geometry, by the source photo and by the motion.

What goes in and where (MVPortrait, MagicPortrait and FactorPortrait, joined):
- depth, normals, 3D flow, rays and the warped photo: an encoder each, whose last layer is zero at first, added up and
  handed to the input convolution beside the noisy picture;
- the source photo: the same U-Net reads it once, and every self-attention also looks at what its own layer saw there;
- expression, jaw, gaze and lids: scale and shift of every block's norm, together with the time.
The last convolution is zero at first. Each condition may be left out.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import UNet2DConditionModel
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from ..conditioning import COARSE, SAMPLES
from .attention import ReferenceBank, reference_processors

PIXELS = 3 * COARSE * COARSE  # channels of an unshuffled picture
# Channels of each condition at a quarter of the picture's size.
GUIDES = {"warped": PIXELS + 1, "depth": 1, "normal": 3, "flow": 3 * SAMPLES, "rays": 6}
CONDITIONS = (*GUIDES, "source", "motion")


class PortraitDenoiser(ModelMixin, ConfigMixin):
    """Pictures [B, 3, S, S] at a time, under conditions, to the way from the picture to where it started."""

    @register_to_config
    def __init__(
        self,
        size: int,  # px, S; this and the four below: see `presets`
        widths: tuple[int, ...],  # channels at S / 4, S / 8, ...
        layers: int,  # blocks at each size
        attends: int,  # of the sizes, from the smallest up, have attention
        guide_width: int,
        motion: int = 148,  # numbers in `Guidance.motion`
        start: str = "warp",  # what it was trained to start from, and in how many steps it is best sampled
        steps: int = 1,
    ) -> None:
        super().__init__()
        plain = len(widths) - attends
        self.unet = UNet2DConditionModel(
            sample_size=size // COARSE,
            in_channels=PIXELS + guide_width,
            out_channels=PIXELS,
            down_block_types=("DownBlock2D",) * plain + ("AttnDownBlock2D",) * attends,
            up_block_types=("AttnUpBlock2D",) * attends + ("UpBlock2D",) * plain,
            mid_block_type="UNetMidBlock2D",
            block_out_channels=tuple(widths),
            layers_per_block=layers,
            attention_head_dim=32,
            norm_num_groups=16,
            class_embed_type="projection",
            projection_class_embeddings_input_dim=motion,
            resnet_time_scale_shift="scale_shift",
        )
        self.guides = nn.ModuleDict({name: _encoder(channels, guide_width) for name, channels in GUIDES.items()})
        nn.init.zeros_(self.unet.conv_out.weight)
        nn.init.zeros_(self.unet.conv_out.bias)
        self.bank = ReferenceBank()
        self.unet.set_attn_processor(reference_processors(self.unet, self.bank))

    def read_source(self, source: Tensor) -> None:
        """Remembers what each self-attention sees of the photos [B, 3, S, S] 0..1, one for each row of a batch."""
        picture = nn.functional.pixel_unshuffle(2 * source - 1, COARSE)
        blank = picture.new_zeros(len(picture), self.config.guide_width, *picture.shape[2:])
        with self.bank.writing():
            self.unet(
                torch.cat([picture, blank], 1),
                torch.zeros(len(picture), device=picture.device),
                None,
                class_labels=picture.new_zeros(len(picture), self.config.motion),
            )

    def forward(self, noisy: Tensor, time: Tensor, given: dict[str, Tensor]) -> Tensor:
        """The way [B, 3, S, S] from the clean picture to the start, at a picture `noisy` (-1..1) of time [B] 0..1.

        given: any of `CONDITIONS` (and `visible`, which goes with `warped`), rows as in `Guidance.batch`.
        """
        picture = nn.functional.pixel_unshuffle(noisy, COARSE)
        guidance = picture.new_zeros(len(picture), self.config.guide_width, *picture.shape[2:])
        for name, encoder in self.guides.items():
            if name in given:
                guidance = guidance + encoder(_unshuffled(given) if name == "warped" else given[name])
        motion = given.get("motion")
        if motion is None:
            motion = picture.new_zeros(len(picture), self.config.motion)
        if "source" in given:
            self.read_source(given["source"])
        try:
            out = self.unet(torch.cat([picture, guidance], 1), 1000 * time, None, class_labels=motion).sample
        finally:
            self.bank.clear()
        return nn.functional.pixel_shuffle(out, COARSE)


def _unshuffled(given: dict[str, Tensor]) -> Tensor:
    """The warped photo [B, 48, G, G] with where it is seen, [B, 49, G, G]."""
    return torch.cat([nn.functional.pixel_unshuffle(2 * given["warped"] - 1, COARSE), given["visible"]], 1)


def _encoder(channels: int, width: int) -> nn.Sequential:
    """A condition's encoder, whose answer is 0 before training."""
    last = nn.Conv2d(width, width, 3, padding=1)
    for parameter in last.parameters():
        nn.init.zeros_(parameter)
    return nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.SiLU(), last)


def parameter_counts(network: PortraitDenoiser) -> dict[str, int]:
    """Numbers to train, by part."""
    count = lambda module: sum(p.numel() for p in module.parameters())  # noqa: E731
    parts: dict[str, Any] = {"unet": network.unet, **{f"guide {name}": m for name, m in network.guides.items()}}
    return {name: count(part) for name, part in parts.items()} | {"all": count(network)}
