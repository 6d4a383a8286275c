"""The preset sd15, on folders of Stable Diffusion's and AnimateDiff's layout, shrunk and with random weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, MotionAdapter, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from flamecast.core.networks import save_network
from flamecast.flame_motion import BadInput
from flamecast.generator.diffusion.generator import load_denoiser
from flamecast.generator.diffusion.network import CONDITIONS, PortraitDenoiser, parameter_counts
from flamecast.generator.diffusion.presets import from_stable_diffusion
from flamecast.generator.diffusion.sampler import sample, start_latents

WIDTHS = (32, 64)
WORDS = ["<|startoftext|>", "<|endoftext|>", "a</w>"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("sd15")
    UNet2DConditionModel(
        sample_size=8, block_out_channels=WIDTHS, layers_per_block=1, cross_attention_dim=32, attention_head_dim=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        norm_num_groups=16,
    ).save_pretrained(root / "unet")  # fmt: skip
    AutoencoderKL(
        block_out_channels=(16, 16, 16, 16), latent_channels=4, norm_num_groups=8,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
    ).save_pretrained(root / "vae")  # fmt: skip
    CLIPTextModel(
        CLIPTextConfig(
            hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, vocab_size=len(WORDS),
            max_position_embeddings=5, bos_token_id=0, eos_token_id=1,
        )
    ).save_pretrained(root / "text_encoder")  # fmt: skip
    (root / "tokenizer").mkdir()
    (root / "tokenizer" / "vocab.json").write_text(json.dumps({word: k for k, word in enumerate(WORDS)}))
    (root / "tokenizer" / "merges.txt").write_text("#version: 0.2\n")
    (root / "tokenizer" / "tokenizer_config.json").write_text(
        json.dumps({"bos_token": WORDS[0], "eos_token": WORDS[1], "unk_token": WORDS[1], "pad_token": WORDS[1]})
    )
    return root


@pytest.fixture(scope="module")
def adapter(tmp_path_factory) -> Path:
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("adapter")
    MotionAdapter(
        block_out_channels=WIDTHS, motion_layers_per_block=1, motion_num_attention_heads=2, motion_norm_num_groups=16,
        use_motion_mid_block=False,
    ).save_pretrained(path)  # fmt: skip
    return path


def given(rows: int) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(2)
    draw = lambda *shape: torch.rand(rows, *shape, generator=rng)  # noqa: E731
    maps = {"visible": 1, "depth": 1, "normal": 3, "flow": 60, "rays": 6, "landmarks": 1}
    return {name: draw(channels, 16, 16) for name, channels in maps.items()} | {
        "warped": draw(3, 64, 64), "source": draw(3, 64, 64), "motion": draw(148)
    }  # fmt: skip


def test_untrained_it_answers_as_stable_diffusion_does(folder):
    network = from_stable_diffusion(folder).eval()
    unet = UNet2DConditionModel.from_pretrained(folder / "unet").eval()
    conditions = {name: values for name, values in given(2).items() if name != "source"}  # no reference
    noisy, time = torch.randn(2, 4, 8, 8), torch.tensor([0.3, 0.8])
    with torch.no_grad():
        ours = network(noisy, time, conditions)
        theirs = unet(noisy, 1000 * time, network.context.expand(2, -1, -1)).sample
    assert network.config.size == 64 and torch.allclose(ours, theirs, atol=1e-5)


def test_an_adapter_makes_frames_look_at_each_other(folder, adapter):
    rows, noisy, time = given(3), torch.randn(3, 4, 8, 8), torch.full((3,), 0.5)
    for layers, alike in ((None, True), (adapter, False)):
        network = from_stable_diffusion(folder, layers).eval()
        with torch.no_grad():
            together, alone = network(noisy, time, rows, frames=3), network(noisy, time, rows)
        assert torch.allclose(together, alone, atol=1e-5) is alike


def test_it_is_trained_by_stages_saved_and_sampled(folder, adapter, tmp_path):
    network = from_stable_diffusion(folder, adapter, start="noise", sampling_steps=2)
    assert set(network.with_layers("temporal").state_dict()) == set(network.state_dict())  # it has layers of its own
    counts = parameter_counts(network)
    assert counts["temporal"] > 0 and counts["vae"] > 0
    assert not any(name.startswith("vae.") for name in network.stage_parameters("image"))
    rows = given(2)
    loss = (network(network.encode(rows["warped"]), torch.full((2,), 0.5), rows, frames=2)).square().mean()
    loss.backward()
    for stage in ("image", "temporal"):
        assert any(p.grad is not None and bool(p.grad.any()) for p in network.stage_parameters(stage).values())
    save_network(tmp_path / "sd", network, {}, half=False)
    again = load_denoiser(tmp_path / "sd")
    assert isinstance(again, PortraitDenoiser)
    began = start_latents("noise", network.encode(rows["warped"]), torch.Generator().manual_seed(0))
    made = [sample(n.eval(), rows, began, 2, frames=2) for n in (network, again)]
    assert made[0].shape == (2, 3, 64, 64) and torch.allclose(made[0], made[1], atol=1e-5)


@pytest.mark.parametrize("name", CONDITIONS)
def test_each_condition_has_a_way_in(folder, name):
    network = from_stable_diffusion(folder).eval().requires_grad_(False)
    for parameter in network.parameters():
        if not bool(parameter.any()):
            torch.nn.init.normal_(parameter, std=0.1)
    torch.nn.init.normal_(network.unet.conv_in.weight, std=0.1)
    rows, noisy, time = given(2), torch.randn(2, 4, 8, 8), torch.full((2,), 0.5)
    assert not torch.allclose(
        network(noisy, time, rows), network(noisy, time, rows | {name: rows[name].roll(1, -1)}), atol=1e-5
    )


def test_another_folder_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(BadInput, match="expected a Stable Diffusion 1.5 folder"):
        from_stable_diffusion(tmp_path)
