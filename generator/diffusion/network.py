"""The denoiser: a U-Net of diffusers, guided by geometry, by the source photo and by the motion.

What goes in and where (MVPortrait, MagicPortrait and FactorPortrait, joined):
- depth, normals, 3D flow, rays, landmarks and the warped photo: an encoder each, whose last layer is zero at first,
  added up and handed to the input convolution beside the noisy picture;
- the source photo: the same U-Net reads it once, and every self-attention also looks at what its own layer saw there;
- expression, jaw, gaze and lids: with the time, the scale and shift of every block's norm (of a U-Net that reads text:
  added to what it reads, since its norms know one time for all frames of a clip);
- the frames before and after, and other views of the same moment: attention across them, zero at first.
Each condition may be left out. Pictures are handled as codes: their pixels folded into channels, or an autoencoder's.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel, UNetMotionModel
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from ..conditioning import COARSE, SAMPLES
from .attention import Memory, Surroundings, portrait_processors

PIXELS = 3 * COARSE * COARSE  # channels of a picture folded to a quarter of its size
# Channels of each condition's map; the warped photo's are those of a code, and where it is seen.
GUIDES = {"warped": 1, "depth": 1, "normal": 3, "flow": 3 * SAMPLES, "rays": 6, "landmarks": 1}
CONDITIONS = (*GUIDES, "source", "motion")
SOON = 0.05  # time under which the way to the picture is not drawn out further
STAGES = ("image", "temporal", "views")  # trainings, one after the other


class PortraitDenoiser(ModelMixin, ConfigMixin):
    """Codes [B, C, G, G] of pictures at a time, under conditions, to the way from the picture to where it started.

    From noise in folded pixels the U-Net answers with the picture, and the way follows from that: it has fewer channels
    than a code, and could not let noise through to answer with it (Li and He 2025). A batch's rows are n portraits x
    views x frames, frames running fastest.
    """

    @register_to_config
    def __init__(
        self,
        size: int,  # px, S, of a picture
        unet_config: dict[str, Any],  # a U-Net of diffusers, see `presets`; channels in and out are set here
        guide_width: int,  # channels that all guides are added up in
        motion_numbers: int = 148,  # numbers in `Guidance.motion`
        vae_config: dict[str, Any]
        | None = None,  # an AutoencoderKL whose codes stand for pictures; None: folded pixels
        context_shape: list[int] | None = None,  # [L, C] of the text that cross-attention is told, always the same
        temporal: bool = False,  # attention across frames (a UNetMotionModel has its own)
        views: bool = False,  # attention across views
        start: str = "warp",  # what it was trained to start from, and in how many steps it is best sampled
        steps: int = 1,
    ) -> None:
        super().__init__()
        self.vae = None if vae_config is None else AutoencoderKL.from_config(vae_config)
        channels = PIXELS if self.vae is None else self.vae.config.latent_channels
        moving = unet_config.get("_class_name") == "UNetMotionModel"
        shape = {"sample_size": None, "in_channels": channels + guide_width, "out_channels": channels}
        if context_shape is None:
            shape |= {"class_embed_type": "projection", "projection_class_embeddings_input_dim": motion_numbers}
        self.unet = (UNetMotionModel if moving else UNet2DConditionModel).from_config({**unet_config, **shape})
        self.guides = nn.ModuleDict(
            {n: _encoder(c + channels * (n == "warped"), guide_width) for n, c in GUIDES.items()}
        )
        for parameter in self.unet.conv_out.parameters():
            nn.init.zeros_(parameter)
        if context_shape is not None:
            self.register_buffer("context", torch.zeros(context_shape))
            width = context_shape[1]
            self.motion = nn.Sequential(nn.Linear(motion_numbers, width), nn.SiLU(), nn.Linear(width, width))
            for parameter in self.motion[-1].parameters():
                nn.init.zeros_(parameter)
        self.around = Surroundings()
        self.unet.set_attn_processor(portrait_processors(self.unet, self.around, temporal=temporal, views=views))

    def encode(self, pictures: Tensor) -> Tensor:
        """Codes [B, C, G, G] of pictures [B, 3, S, S] 0..1."""
        if self.vae is None:
            return nn.functional.pixel_unshuffle(2 * pictures - 1, COARSE)
        with torch.no_grad():
            return self.vae.encode(2 * pictures - 1).latent_dist.mean * self.vae.config.scaling_factor

    def decode(self, codes: Tensor) -> Tensor:
        """Pictures [B, 3, S, S], 0..1 but for what overshoots, of codes."""
        if self.vae is None:
            return (nn.functional.pixel_shuffle(codes, COARSE) + 1) / 2
        return (self.vae.decode(codes / self.vae.config.scaling_factor).sample + 1) / 2

    def read_source(self, source: Tensor) -> Memory:
        """What each self-attention sees of photos [B, 3, S, S] 0..1: one for each row of a batch, or one for all."""
        code = self.encode(source)
        blank = code.new_zeros(len(code), self.config.guide_width, *code.shape[2:])
        with self.around.written_to() as memory:
            self._run(torch.cat([code, blank], 1), code.new_zeros(len(code)), code.new_zeros(len(code), 0), 1)
            return memory

    def forward(self, noisy: Tensor, time: Tensor, given: dict[str, Any], views: int = 1, frames: int = 1) -> Tensor:
        """The way [B, C, G, G] from the clean code to the start, at a code `noisy` of time [B] 0..1.

        given: any of `CONDITIONS` (and `visible`, which goes with `warped`), rows as in `Guidance.batch`; `memory`
        (`read_source`) may stand for `source`.
        """
        guidance = noisy.new_zeros(len(noisy), self.config.guide_width, *noisy.shape[2:])
        for name, encoder in self.guides.items():
            if name in given:
                guidance = guidance + encoder(self._map(name, given, noisy))
        memory = given["memory"] if "memory" in given else None
        if memory is None and "source" in given:
            memory = self.read_source(given["source"])
        motion = given.get("motion", noisy.new_zeros(len(noisy), 0))
        with self.around.of(memory, views, frames):
            out = self._run(torch.cat([noisy, guidance], 1), time, motion, frames)
        if self.config.start == "noise" and self.vae is None:
            return (noisy - out) / time.clamp_min(SOON)[:, None, None, None]
        return out

    def _run(self, picture: Tensor, time: Tensor, motion: Tensor, frames: int) -> Tensor:
        """The U-Net on rows [B, ...]; motion [B, 0]: not told."""
        if not motion.shape[1]:
            motion = motion.new_zeros(len(motion), self.config.motion_numbers)
        if self.config.context_shape is None:
            return self.unet(picture, 1000 * time, None, class_labels=motion).sample
        context = self.context + self.motion(motion)[:, None]
        clips = lambda x: x.unflatten(0, (-1, frames))  # noqa: E731  # frames are an axis of their own here
        out = self.unet(clips(picture).transpose(1, 2), 1000 * clips(time)[:, 0], context)
        return out.sample.transpose(1, 2).flatten(0, 1)

    def _map(self, name: str, given: dict[str, Any], like: Tensor) -> Tensor:
        """A condition at the codes' size."""
        fit = lambda x: x if x.shape[2:] == like.shape[2:] else nn.functional.adaptive_avg_pool2d(x, like.shape[-1])  # noqa: E731
        if name == "warped":
            return torch.cat([self.encode(given["warped"]), fit(given["visible"])], 1)
        return fit(given[name])

    def with_part(self, part: str) -> PortraitDenoiser:
        """The same denoiser with the layers of `temporal` or `views` where it has none; new, they change nothing."""
        config = {name: value for name, value in self.config.items() if not name.startswith("_")}
        grown = PortraitDenoiser(**config | ({} if self.trained_in(part) else {part: True}))
        grown.load_state_dict(self.state_dict(), strict=False)
        return grown

    def trained_in(self, stage: str) -> dict[str, nn.Parameter]:
        """The parameters by name that a stage of `STAGES` trains; the others rest."""
        kinds = {"temporal": (".processor.time.", "motion_modules."), "views": (".processor.views.",)}
        own = lambda name, kind: any(part in name for part in kinds[kind])  # noqa: E731
        return {
            name: parameter
            for name, parameter in self.named_parameters()
            if not name.startswith("vae.")
            and (own(name, stage) if stage in kinds else not any(own(name, kind) for kind in kinds))
        }


def _encoder(channels: int, width: int) -> nn.Sequential:
    """A condition's encoder, whose answer is 0 before training."""
    last = nn.Conv2d(width, width, 3, padding=1)
    for parameter in last.parameters():
        nn.init.zeros_(parameter)
    return nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.SiLU(), last)


def parameter_counts(network: PortraitDenoiser) -> dict[str, int]:
    """Numbers of each part, those across time and views apart; `all` sums them up."""
    count = lambda parameters: sum(p.numel() for p in parameters)  # noqa: E731
    across = {stage: count(network.trained_in(stage).values()) for stage in STAGES[1:]}
    parts = {"unet": count(network.unet.parameters()) - sum(across.values()), **across}
    parts |= {} if network.config.context_shape is None else {"motion": count(network.motion.parameters())}
    parts |= {f"guide {name}": count(module.parameters()) for name, module in network.guides.items()}
    parts |= {} if network.vae is None else {"vae": count(network.vae.parameters())}
    return parts | {"all": count(network.parameters())}
