"""The denoiser: a U-Net of diffusers, conditioned on geometry, on the source photo and on the motion.

What goes in and where (MVPortrait, MagicPortrait and FactorPortrait, joined):
- depth, normals, 3D flow, rays, landmarks and the warped photo: an encoder each, whose last layer is zero at first,
  added up and concatenated with the noisy latents before the input convolution;
- the source photo: the same U-Net reads it once, and every self-attention also attends to the tokens of its own layer;
- expression, jaw, gaze and lids: with the time, the scale and shift of every block's norm (in a U-Net that reads text:
  added to the text, since its norms know one time for all frames of a clip);
- the frames before and after, and other views of the same moment: attention across them, zero at first.
Each condition may be left out. Latents of a picture are its pixels folded into channels, or an autoencoder's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel, UNetMotionModel
from torch import Tensor, nn

from ..conditioning import COARSE, FLOW_SAMPLES
from .attention import AttentionContext, Reference, set_portrait_processors

FOLDED_CHANNELS = 3 * COARSE * COARSE  # of a picture folded to a quarter of its size
# Channels of each condition's map; of the warped photo: besides its latents, where the photo shows it.
MAP_CHANNELS = {"warped": 1, "depth": 1, "normal": 3, "flow": 3 * FLOW_SAMPLES, "rays": 6, "landmarks": 1}
CONDITIONS = (*MAP_CHANNELS, "source", "motion")
MIN_TIME = 0.05  # a predicted picture is not turned into a velocity by a smaller time than this
STAGES = ("image", "temporal", "views")  # trainings, one after the other


Start = Literal["warp", "noise"]  # a bridge from the warped photo, or diffusion from noise


@dataclass(frozen=True)
class PortraitConfig:
    """What a `PortraitDenoiser` is made from."""

    size: int  # px, S, of a picture
    unet_config: dict[str, Any]  # a U-Net of diffusers, see `presets`; channels in and out are set by the denoiser
    condition_channels: int  # in which the encoded maps are added up
    motion_size: int = 148  # numbers in `Conditioning.motion`
    vae_config: dict[str, Any] | None = None  # an AutoencoderKL that makes the latents; None: folded pixels
    context_shape: list[int] | None = None  # [L, C] of the text that cross-attention reads, always the same
    temporal: bool = False  # attention across frames (a UNetMotionModel has its own)
    views: bool = False  # attention across views
    start: Start = "warp"  # what it was trained to start from
    sampling_steps: int = 1  # in which it is best sampled


class PortraitDenoiser(nn.Module):
    """Predicts the velocity from a picture's latents [B, C, G, G] to those where sampling starts.

    Starting from noise in folded pixels, the U-Net predicts the picture, and the velocity follows from that: it has
    fewer channels than the latents, and could not let noise through to predict it (Li and He 2025). A batch's rows are
    n portraits x views x frames, frames running fastest.
    """

    context: Tensor  # [L, C]

    def __init__(self, config: PortraitConfig) -> None:
        super().__init__()
        self.config, width = config, config.condition_channels
        self.vae: Any = None if config.vae_config is None else AutoencoderKL.from_config(config.vae_config)
        channels = FOLDED_CHANNELS if self.vae is None else self.vae.config.latent_channels
        shape = {"sample_size": None, "in_channels": channels + width, "out_channels": channels}
        if config.context_shape is None:
            shape |= {"class_embed_type": "projection", "projection_class_embeddings_input_dim": config.motion_size}
        moving = config.unet_config.get("_class_name") == "UNetMotionModel"
        self.unet = (UNetMotionModel if moving else UNet2DConditionModel).from_config(config.unet_config | shape)
        self.map_encoders = nn.ModuleDict(
            {n: _map_encoder(c + channels * (n == "warped"), width) for n, c in MAP_CHANNELS.items()}
        )
        _zero(self.unet.conv_out)
        if config.context_shape is not None:
            self.register_buffer("context", torch.zeros(config.context_shape))
            text = config.context_shape[1]
            self.motion = nn.Sequential(nn.Linear(config.motion_size, text), nn.SiLU(), nn.Linear(text, text))
            _zero(self.motion[-1])
        self.attention = AttentionContext()
        set_portrait_processors(self.unet, self.attention, temporal=config.temporal, views=config.views)

    @property
    def device(self) -> torch.device:
        """Where its parameters are."""
        return self.unet.device

    def encode(self, pictures: Tensor) -> Tensor:
        """Latents [B, C, G, G] of pictures [B, 3, S, S] 0..1."""
        if self.vae is None:
            return nn.functional.pixel_unshuffle(2 * pictures - 1, COARSE)
        with torch.no_grad():
            return self.vae.encode(2 * pictures - 1).latent_dist.mean * self.vae.config.scaling_factor

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures [B, 3, S, S] of latents; about 0..1, not clamped."""
        if self.vae is None:
            return (nn.functional.pixel_shuffle(latents, COARSE) + 1) / 2
        return (self.vae.decode(latents / self.vae.config.scaling_factor).sample + 1) / 2

    def read_source(self, source: Tensor) -> Reference:
        """Each self-attention's tokens of photos [B, 3, S, S] 0..1: one for each row of a batch, or one for all."""
        latents = self.encode(source)
        blank = latents.new_zeros(len(latents), self.config.condition_channels, *latents.shape[2:])
        with self.attention.recorded() as reference:
            self._unet(torch.cat([latents, blank], 1), latents.new_zeros(len(latents)), None, 1)
            return reference

    def forward(
        self, noisy: Tensor, time: Tensor, conditions: dict[str, Any], views: int = 1, frames: int = 1
    ) -> Tensor:
        """The velocity [B, C, G, G] at latents `noisy` of time [B], 0 (the picture) to 1 (the start).

        conditions: any of `CONDITIONS` (and `visible`, which goes with `warped`), rows as in `Conditioning.batch`;
        `reference` (`read_source`) may stand for `source`.
        """
        maps = noisy.new_zeros(len(noisy), self.config.condition_channels, *noisy.shape[2:])
        for name, encoder in self.map_encoders.items():
            if name in conditions:
                maps = maps + encoder(self._map(name, conditions, noisy))
        reference = conditions.get("reference")
        if reference is None and "source" in conditions:
            reference = self.read_source(conditions["source"])
        with self.attention.attending_to(reference, views, frames):
            out = self._unet(torch.cat([noisy, maps], 1), time, conditions.get("motion"), frames)
        if self.config.start == "noise" and self.vae is None:
            return (noisy - out) / time.clamp_min(MIN_TIME)[:, None, None, None]
        return out

    def _unet(self, latents: Tensor, time: Tensor, motion: Tensor | None, frames: int) -> Tensor:
        """The U-Net on rows [B, ...]; zeros stand for a motion that is left out."""
        if motion is None:
            motion = latents.new_zeros(len(latents), self.config.motion_size)
        if self.config.context_shape is None:
            return self.unet(latents, 1000 * time, None, class_labels=motion).sample
        context = self.context + self.motion(motion)[:, None]
        clips = lambda x: x.unflatten(0, (-1, frames))  # noqa: E731  # frames are an axis of their own here
        out = self.unet(clips(latents).transpose(1, 2), 1000 * clips(time)[:, 0], context)
        return out.sample.transpose(1, 2).flatten(0, 1)

    def _map(self, name: str, conditions: dict[str, Any], like: Tensor) -> Tensor:
        """A condition's map at the latents' size."""
        fit = lambda x: x if x.shape[2:] == like.shape[2:] else nn.functional.adaptive_avg_pool2d(x, like.shape[-1])  # noqa: E731
        if name == "warped":
            return torch.cat([self.encode(conditions["warped"]), fit(conditions["visible"])], 1)
        return fit(conditions[name])

    def with_layers(self, stage: str) -> PortraitDenoiser:
        """A copy with the layers of the stage `temporal` or `views`; new ones change nothing before training."""
        added: dict[str, Any] = {} if self.stage_parameters(stage) else {stage: True}
        grown = PortraitDenoiser(replace(self.config, **added))
        grown.load_state_dict(self.state_dict(), strict=False)
        return grown

    def stage_parameters(self, stage: str) -> dict[str, nn.Parameter]:
        """The parameters by name that a stage of `STAGES` trains; all others stay as they are."""
        kinds = {"temporal": (".processor.time.", "motion_modules."), "views": (".processor.views.",)}
        own = lambda name, kind: any(part in name for part in kinds[kind])  # noqa: E731
        return {
            name: parameter
            for name, parameter in self.named_parameters()
            if not name.startswith("vae.")
            and (own(name, stage) if stage in kinds else not any(own(name, kind) for kind in kinds))
        }


def _map_encoder(channels: int, width: int) -> nn.Sequential:
    """A condition's encoder, whose output is 0 before training."""
    layers = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1))
    _zero(layers[-1])
    return layers


def _zero(layer: nn.Module) -> None:
    """Sets a layer's weight and bias to 0."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


def parameter_counts(network: PortraitDenoiser) -> dict[str, int]:
    """How many numbers each part has, the layers across time and views apart from the U-Net's; `all`: their sum."""
    count = lambda parameters: sum(p.numel() for p in parameters)  # noqa: E731
    across = {stage: count(network.stage_parameters(stage).values()) for stage in STAGES[1:]}
    parts = {"unet": count(network.unet.parameters()) - sum(across.values()), **across}
    parts |= {} if network.config.context_shape is None else {"motion": count(network.motion.parameters())}
    parts |= {f"map {name}": count(module.parameters()) for name, module in network.map_encoders.items()}
    parts |= {} if network.vae is None else {"vae": count(network.vae.parameters())}
    return parts | {"all": count(network.parameters())}
