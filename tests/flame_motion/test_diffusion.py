"""Motion diffusion: the sampler and the loss against known answers, the denoiser's contract, weights on disk."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from flamecast.core.networks import save_network
from flamecast.flame_motion import BadInput
from flamecast.flame_motion.diffusion import Conditioning, DenoiserConfig, MotionDenoiser, diffusion_loss, sample
from flamecast.flame_motion.diffusion.sampler import blend_known, make_scheduler
from flamecast.flame_motion.diffusion.weights import TrainedDenoiser, load_denoiser
from flamecast.training.diffusion import random_known_mask

ALPHAS_CUMPROD = make_scheduler().alphas_cumprod
WEIGHT, MEAN, SPREAD = torch.tensor([0.3, 0.7]), torch.tensor([-1.5, 0.8]), torch.tensor([0.2, 0.4])


def _nothing(count: int, frames: int = 1) -> Conditioning:
    """A condition that says nothing of clips that are wholly there."""
    there = torch.ones(count, frames, dtype=torch.bool)
    return Conditioning(torch.zeros(count, 1, 4), torch.zeros(count, 1, dtype=torch.bool), there)


def _mixture(x: Tensor, t: Tensor, cond: Conditioning) -> Tensor:
    """The exact mean of clean values given noisy ones, for two Gaussians."""
    level = ALPHAS_CUMPROD[t.long()][:, None, None, None]
    noisy, spread = x[..., None], level * SPREAD**2 + (1 - level)
    off = noisy - level.sqrt() * MEAN
    share = (WEIGHT.log() - 0.5 * off**2 / spread - 0.5 * spread.log()).softmax(-1)
    return (share * (MEAN + level.sqrt() * SPREAD**2 / spread * off)).sum(-1)


def test_the_sampler_returns_a_gaussian_mixtures_moments():
    noise = torch.randn(20000, 1, 1, generator=torch.Generator().manual_seed(0))
    fine, found = (sample(_mixture, noise, _nothing(20000), steps=steps) for steps in (100, 20))
    mean = (WEIGHT * MEAN).sum()
    variance = (WEIGHT * (SPREAD**2 + MEAN**2)).sum() - mean**2
    assert float(found.mean()) == pytest.approx(float(mean), abs=0.025)  # three standard errors
    assert float(fine.var()) == pytest.approx(float(variance), rel=0.012)  # three standard errors
    assert float(found.var()) == pytest.approx(float(variance), rel=0.03)  # twenty steps cost 2 hundredths
    assert float((found < -0.5).float().mean()) == pytest.approx(0.3, abs=0.01)


def test_the_same_noise_gives_the_same_motion_and_other_noise_another():
    first, again, other = (
        sample(_mixture, torch.randn(8, 1, 1, generator=torch.Generator().manual_seed(seed)), _nothing(8))
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_guidance_of_one_is_the_condition_alone_and_more_goes_beyond_it():
    def says(x: Tensor, t: Tensor, cond: Conditioning) -> Tensor:
        return torch.where(cond.token_mask.any(1)[:, None, None], 1.0, 0.25).expand_as(x)

    told = Conditioning(torch.zeros(2, 1, 4), torch.ones(2, 1, dtype=torch.bool), torch.ones(2, 3, dtype=torch.bool))
    noise = torch.zeros(2, 3, 1)
    for guidance, expected in ((1.0, 1.0), (3.0, 0.25 + 3 * 0.75)):
        assert sample(says, noise, told, guidance=guidance).sub(expected).abs().max() < 1e-5


def test_given_values_come_out_bit_for_bit():
    given = torch.randn(4, 6, 1, generator=torch.Generator().manual_seed(3))
    kept = torch.zeros(4, 6, 1, dtype=torch.bool)
    kept[:, ::2] = True
    cond = _nothing(4, 6)
    cond = Conditioning(cond.tokens, cond.token_mask, cond.frames, given, kept)
    found = sample(_mixture, torch.randn(4, 6, 1, generator=torch.Generator().manual_seed(4)), cond, guidance=2.0)
    assert torch.equal(found[kept], given[kept]) and not torch.equal(found[~kept], given[~kept])


def test_made_values_go_over_to_given_ones_without_a_jump():
    """A straight course that agrees stays as it is; a key 10 beside it, or a start 10 beside it, bends it smoothly."""
    course = 0.5 * torch.arange(60.0)[None, :, None]
    for given_at in (torch.tensor([30]), torch.arange(12)):
        kept = torch.zeros(1, 60, 1, dtype=torch.bool)
        kept[:, given_at] = True
        cond = replace(_nothing(1, 60), known=course, known_mask=kept)
        assert torch.allclose(blend_known(course, cond), course, atol=1e-5)
        beside = blend_known(course, replace(cond, known=course + 10))[0, :, 0]
        assert torch.equal(beside[given_at], (course + 10)[0, given_at, 0])
        assert float(beside.diff().sub(0.5).abs().max()) < 10 / 6  # the steepest of a bell of 6 frames is 10 / 6 / 1.65
        assert float((beside - course[0, :, 0])[-10:].abs().max()) < 0.1


def test_guidance_may_differ_from_frame_to_frame():
    def says(x: Tensor, t: Tensor, cond: Conditioning) -> Tensor:
        return torch.where(cond.token_mask.any(1)[:, None, None], 1.0, 0.0).expand_as(x)

    told = Conditioning(torch.zeros(1, 1, 4), torch.ones(1, 1, dtype=torch.bool), torch.ones(1, 3, dtype=torch.bool))
    guidance = torch.tensor([1.0, 2.0, 4.0])[None, :, None]
    assert torch.allclose(sample(says, torch.zeros(1, 3, 1), told, guidance=guidance), guidance, atol=1e-5)


def test_half_the_schedule_is_so_noisy_that_only_the_whole_of_a_nod_is_seen():
    noise = ((1 - ALPHAS_CUMPROD) / ALPHAS_CUMPROD).sqrt()  # times the signal
    assert (noise.diff() > 0).all() and float(noise[0]) < 0.05 and 25 < float(noise[-1]) < 40
    assert float(noise[500]) > 3


def test_the_loss_recovers_a_set_of_two_points():
    """-1 in a quarter of the data, else 1: the clean mean is tanh(sqrt(a) x / (1 - a) + log(0.75 / 0.25) / 2)."""
    found = torch.tensor([0.3, 0.0], requires_grad=True)  # slope and offset

    def denoise(x: Tensor, t: Tensor, cond: Conditioning) -> Tensor:
        level = ALPHAS_CUMPROD[t.long()][:, None, None]
        return torch.tanh(found[0] * level.sqrt() * x / (1 - level) + found[1])

    rng, optimizer = torch.Generator().manual_seed(0), torch.optim.Adam([found], 2e-2)
    averaged, steps = torch.zeros(2), 500
    for step in range(steps):
        points = torch.where(torch.rand(1024, 1, 1, generator=rng) < 0.25, -1.0, 1.0)
        loss = diffusion_loss(denoise, points, _nothing(1024), ALPHAS_CUMPROD, rng)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        averaged += found.detach() / 200 if step >= steps - 200 else 0
    assert averaged.tolist() == pytest.approx([1.0, 0.5 * math.log(3)], abs=0.05)
    made = sample(denoise, torch.randn(4000, 1, 1, generator=rng), _nothing(4000))
    assert ((made.abs() - 1).abs() < 1e-2).all()
    assert float((made < 0).float().mean()) == pytest.approx(0.25, abs=0.03)


def test_the_loss_of_the_truth_is_zero_and_counts_only_what_is_there():
    clean = torch.randn(3, 8, 2, generator=torch.Generator().manual_seed(0))
    frames = torch.ones(3, 8, dtype=torch.bool)
    frames[:, 6:] = False
    kept = torch.zeros(3, 8, 2, dtype=torch.bool)
    kept[:, 0] = True
    cond = Conditioning(torch.zeros(3, 1, 4), torch.zeros(3, 1, dtype=torch.bool), frames, clean, kept)
    rng = torch.Generator().manual_seed(1)
    assert diffusion_loss(lambda x, t, c: clean, clean, cond, ALPHAS_CUMPROD, rng) == 0
    wrong = clean.clone()
    wrong[:, 6:], wrong[:, 0] = 9.0, 9.0  # not there, and given
    assert diffusion_loss(lambda x, t, c: wrong, clean, cond, ALPHAS_CUMPROD, rng) == 0
    off = clean + 0.5  # every value by one half: squared 0.25, and once in five steps as much of speed: after the given
    assert float(diffusion_loss(lambda x, t, c: off, clean, cond, ALPHAS_CUMPROD, rng)) == pytest.approx(
        0.25 + 0.5 * 0.25 / 5
    )


@pytest.fixture(scope="module")
def denoiser() -> MotionDenoiser:
    torch.manual_seed(0)
    made = MotionDenoiser(DenoiserConfig(5, context=8, width=16, layers=2, heads=2, patch=4, context_layers=1))
    for value in made.parameters():  # the gates begin at zero: let every part take part
        torch.nn.init.normal_(value, std=0.2)
    return made.eval()


def _conditioned(frames: int, said: int, padded: int = 0) -> Conditioning:
    rng = torch.Generator().manual_seed(5)
    tokens = torch.randn(1, said, 8, generator=rng)
    tokens = torch.nn.functional.pad(tokens, (0, 0, 0, padded), value=7.0)
    mask = torch.arange(said + padded)[None] < said
    return Conditioning(tokens, mask, torch.ones(1, frames, dtype=torch.bool))


@pytest.mark.parametrize("frames", [1, 3, 4, 9, 16])
def test_the_denoiser_keeps_any_length(denoiser, frames):
    x = torch.randn(1, frames, 5)
    assert denoiser(x, torch.tensor([500]), _conditioned(frames, 3)).shape == x.shape


def test_padding_of_words_and_frames_changes_nothing(denoiser):
    x, t = torch.randn(1, 8, 5, generator=torch.Generator().manual_seed(6)), torch.tensor([300])
    alone = denoiser(x, t, _conditioned(8, 3))
    assert torch.allclose(denoiser(x, t, _conditioned(8, 3, padded=4)), alone, atol=1e-5)
    longer = torch.nn.functional.pad(x, (0, 0, 0, 8), value=3.0)
    cond = _conditioned(16, 3)
    cond.frames[:, 8:] = False
    assert torch.allclose(denoiser(longer, t, cond)[:, :8], alone, atol=1e-5)


def test_words_noise_time_and_given_values_are_all_heard(denoiser):
    x, t = torch.randn(1, 8, 5, generator=torch.Generator().manual_seed(7)), torch.tensor([300])
    cond = _conditioned(8, 3)
    heard = denoiser(x, t, cond)
    kept = torch.zeros(1, 8, 5, dtype=torch.bool)
    kept[:, 2] = True
    given = Conditioning(cond.tokens, cond.token_mask, cond.frames, torch.ones(1, 8, 5), kept)
    for other in (denoiser(x, t, cond.unconditional()), denoiser(x, torch.tensor([20]), cond), denoiser(x, t, given)):
        assert (other - heard).abs().max() > 1e-3


def test_the_denoiser_names_a_wrong_shape(denoiser):
    with pytest.raises(BadInput, match=r"expected latents \[B, T, 5\]"):
        denoiser(torch.zeros(1, 8, 4), torch.tensor([1]), _conditioned(8, 3))
    with pytest.raises(BadInput, match="multiple of heads"):
        DenoiserConfig(5, width=10, heads=3)


def test_what_training_gives_lies_within_the_clips():
    frames = torch.arange(40)[None] < torch.full((200, 1), 30)
    kept = random_known_mask(frames, 6, 0.5, torch.Generator().manual_seed(0))
    assert not kept[~frames].any()
    assert 0.35 < kept.flatten(1).any(1).float().mean() < 0.6
    assert not random_known_mask(frames, 6, 0.0, torch.Generator().manual_seed(0)).any()


def test_weights_come_back_as_they_were(denoiser, tmp_path):
    mean, spread = torch.arange(5.0), torch.arange(1.0, 6.0)
    save_network(tmp_path / "toy", TrainedDenoiser(denoiser, mean, spread), {"what": "a toy"})
    back = load_denoiser(tmp_path / "toy")
    assert back.card["what"] == "a toy" and torch.equal(back.mean, mean) and torch.equal(back.spread, spread)
    x, t = torch.randn(1, 8, 5), torch.tensor([300])
    half = MotionDenoiser(denoiser.config)
    half.load_state_dict({name: value.half().float() for name, value in denoiser.state_dict().items()})
    assert torch.equal(back.denoiser(x, t, _conditioned(8, 3)), half.eval()(x, t, _conditioned(8, 3)))
    assert torch.allclose(back.motion(back.normal(x)), x, atol=1e-5)


def test_weights_and_card_that_do_not_fit_are_refused(denoiser, tmp_path):
    save_network(tmp_path / "toy", TrainedDenoiser(denoiser), {})
    card = (tmp_path / "toy.json").read_text().replace('"width": 16', '"width": 32')
    (tmp_path / "toy.json").write_text(card)
    with pytest.raises(BadInput, match="do not fit"):
        load_denoiser(tmp_path / "toy")
    with pytest.raises(BadInput, match="does not exist"):
        load_denoiser(tmp_path / "none")
