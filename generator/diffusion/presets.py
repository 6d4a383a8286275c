"""Sizes of the denoiser by name, and one that starts from a local Stable Diffusion 1.5."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, MotionAdapter, UNet2DConditionModel, UNetMotionModel

from ...flame_motion import BadInput
from .network import PortraitConfig, PortraitDenoiser


def _plain(widths: tuple[int, ...], attends: int) -> dict[str, Any]:
    """A U-Net of one block a size (S / 4, S / 8, ...), whose smallest `attends` sizes have attention."""
    plain = len(widths) - attends
    return {
        "block_out_channels": list(widths),
        "down_block_types": ["DownBlock2D"] * plain + ["AttnDownBlock2D"] * attends,
        "up_block_types": ["AttnUpBlock2D"] * attends + ["UpBlock2D"] * plain,
        "mid_block_type": "UNetMidBlock2D",
        "layers_per_block": 1,
        "attention_head_dim": 32,
        "norm_num_groups": 16,
        "resnet_time_scale_shift": "scale_shift",
    }


PRESETS = {
    # 64 px, half a million numbers: for tests, and to see whether a training runs at all
    "tiny": PortraitConfig(64, _plain((32, 64), 1), condition_channels=16),
    # 128 px: for comparing ideas
    "mid": PortraitConfig(128, _plain((32, 64), 1), condition_channels=32),
    # 256 px around the face: what a laptop can train and run
    "small": PortraitConfig(256, _plain((32, 64, 96), 1), condition_channels=32),
}
SD15 = "sd15"  # 512 px; see `from_stable_diffusion`


def from_stable_diffusion(
    folder: str | os.PathLike[str], adapter: str | os.PathLike[str] | None = None, **config: Any
) -> PortraitDenoiser:
    """The denoiser whose U-Net and autoencoder are those of a Stable Diffusion 1.5 folder, as diffusers lays it out.

    adapter: the folder of an AnimateDiff motion adapter (`MotionAdapter.save_pretrained`); without one its layers are
    new, and 0. The input convolution is widened by zeros, the motion adds 0 to the text, and the text is always the
    empty one: untrained, the U-Net predicts what it did. (It predicted noise, and is trained on to predict a velocity.)
    config: fields of `PortraitConfig`, besides what the folder says. BadInput for any other folder.
    """
    root, how = Path(folder), {"local_files_only": True, "low_cpu_mem_usage": False}
    try:
        unet = UNet2DConditionModel.from_pretrained(root / "unet", **how)
        vae = AutoencoderKL.from_pretrained(root / "vae", **how)
        context = _empty_text(root)
        layers = None if adapter is None else MotionAdapter.from_pretrained(Path(adapter), **how)
        moving = UNetMotionModel.from_unet2d(unet, layers)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise BadInput(
            f"{folder}: expected a Stable Diffusion 1.5 folder with unet, vae, text_encoder and tokenizer, and an "
            f"adapter that fits it ({str(error)[:120]})"
        ) from None
    size = unet.config.sample_size * 2 ** (len(vae.config.block_out_channels) - 1)
    sizes = {"size": size, "condition_channels": 64} | config
    network = PortraitDenoiser(PortraitConfig(
        **sizes, unet_config=_settings(moving) | {"_class_name": "UNetMotionModel"}, vae_config=_settings(vae),
        context_shape=list(context.shape),
    ))  # fmt: skip
    network.vae.load_state_dict(vae.state_dict())
    network.vae.requires_grad_(False)
    network.context.copy_(context)
    _copy_unet(moving, network.unet, new_motion_modules=adapter is None)
    return network


def _copy_unet(trained: UNetMotionModel, wide: UNetMotionModel, new_motion_modules: bool) -> None:
    """Copies weights to a U-Net with more input channels, whose added ones are 0; and so are new motion modules."""
    weights = trained.state_dict()
    conv_in = torch.zeros_like(wide.conv_in.weight)
    conv_in[:, : weights["conv_in.weight"].shape[1]] = weights["conv_in.weight"]
    wide.load_state_dict(weights | {"conv_in.weight": conv_in}, strict=False)
    if new_motion_modules:
        for name, module in wide.named_modules():
            if "motion_modules" in name and name.endswith("proj_out"):
                for parameter in module.parameters():
                    torch.nn.init.zeros_(parameter)


def _settings(model: Any) -> dict[str, Any]:
    """A model's configuration, less where it came from."""
    return {name: value for name, value in model.config.items() if not name.startswith("_")}


def _empty_text(root: Path) -> torch.Tensor:
    """The folder's text encoding of no words, [L, C]."""
    from transformers import CLIPTextModel, CLIPTokenizer

    tokens = CLIPTokenizer.from_pretrained(root / "tokenizer", local_files_only=True)(
        "", padding="max_length", truncation=True, return_tensors="pt",
        max_length=json.loads((root / "text_encoder" / "config.json").read_text())["max_position_embeddings"],
    )  # fmt: skip
    model = CLIPTextModel.from_pretrained(root / "text_encoder", local_files_only=True)
    with torch.inference_mode():
        return model(tokens.input_ids).last_hidden_state[0].clone()
