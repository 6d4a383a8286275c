"""The diffusion generator: nothing before it is trained, and every condition a way in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor2_0

from flamecast.core.networks import save_network
from flamecast.flame_motion import BadInput
from flamecast.flame_motion.edit import demo_motion
from flamecast.flame_motion.retargeting.transfer import drive
from flamecast.generator.conditioning import Conditioning, motion_size, render_conditioning
from flamecast.generator.diffusion.generator import DiffusionGenerator, _added, _cross_faded, _fade
from flamecast.generator.diffusion.network import CONDITIONS, MAP_CHANNELS, PortraitDenoiser, parameter_counts
from flamecast.generator.diffusion.presets import PRESETS
from flamecast.generator.diffusion.sampler import sample, start_latents
from flamecast.generator.warp import WarpGenerator
from flamecast.renderer.cameras.paths import around, still


def tiny(trained: bool = False, **parts: bool | str) -> PortraitDenoiser:
    """The smallest network; `trained`: with no zeros left, as training would leave none."""
    torch.manual_seed(0)
    network = PortraitDenoiser(replace(PRESETS["tiny"], **parts))
    if trained:
        for parameter in network.parameters():
            if not bool(parameter.any()):
                torch.nn.init.normal_(parameter, std=0.1)
    return network.eval().requires_grad_(False)


def save(network: PortraitDenoiser, folder: Path) -> None:
    """As a training writes it."""
    save_network(folder / "denoiser", network, {})


def latents(given: dict[str, torch.Tensor]) -> torch.Tensor:
    """Of the warped photos."""
    return tiny().encode(given["warped"])


@pytest.fixture(scope="module")
def square(portrait):
    left, top, side = portrait.face_window()
    return portrait.cropped(left, top, side, side).resized(64, 64)


@pytest.fixture(scope="module")
def given(square) -> dict[str, torch.Tensor]:
    motion = drive(square.pose, demo_motion(square.pose.head)[20:23])
    return Conditioning.concatenate(list(render_conditioning(square, motion))).batch()


def test_conditioning_is_what_it_says(square, given):
    for name, channels in {"depth": 1, "normal": 3, "flow": 60, "rays": 6, "visible": 1, "weight": 1}.items():
        assert given[name].shape == (3, channels, 16, 16), name
    assert given["warped"].shape == (3, 3, 64, 64) and given["motion"].shape == (3, motion_size(63))
    on_head = given["depth"][:, 0] != 0
    lengths = given["normal"].norm(dim=1)[on_head]
    assert torch.allclose(lengths, torch.ones_like(lengths), atol=1e-4)
    assert 0.2 < float(on_head.float().mean()) < 0.8 and float(given["weight"].min()) == 1.0


def test_a_portrait_at_rest_flows_nowhere_and_is_seen_as_in_the_photo(square):
    still = next(render_conditioning(square, square.pose))
    assert float(still.flow.abs().max()) < 1e-4
    assert torch.equal(still.warped[0], still.source)
    half = still.motion.shape[1] // 2
    assert float(still.motion[0, half:].abs().max()) == 0.0


def test_conditioning_does_not_depend_on_how_a_clip_is_cut(square):
    motion = drive(square.pose, demo_motion(square.pose.head)[:11])
    whole = Conditioning.concatenate(list(render_conditioning(square, motion)))
    alone = Conditioning.concatenate(list(render_conditioning(square, motion[9:11])))
    for name in ("warped", "depth", "normal", "visible"):
        assert torch.allclose(getattr(whole, name)[9:11], getattr(alone, name), atol=1e-5), name


def test_a_picture_that_is_not_square_is_refused(portrait):
    with pytest.raises(ValueError, match="must be square"):
        next(render_conditioning(portrait.resized(64, 80), portrait.pose))


@pytest.mark.parametrize("steps", [1, 4])
def test_an_untrained_bridge_gives_the_warped_photo(given, steps):
    assert torch.allclose(
        sample(tiny(), given, start_latents("warp", latents(given), None), steps), given["warped"], atol=1e-6
    )


@pytest.mark.parametrize("steps", [1, 3])
def test_from_noise_an_untrained_network_answers_with_grey(given, steps):
    """It answers with the picture, 0 on -1..1, wherever it starts: no noise is left."""
    torch.manual_seed(0)
    network = PortraitDenoiser(replace(PRESETS["tiny"], start="noise")).eval()
    began = start_latents("noise", network.encode(given["warped"]), torch.Generator().manual_seed(1))
    made = sample(network, given, began, steps)
    assert torch.allclose(made, torch.full_like(made, 0.5), atol=1e-5)


def test_an_untrained_generator_is_the_warp_generator(portrait, tmp_path):
    save(tiny(), tmp_path)
    motion = drive(portrait.pose, demo_motion(portrait.pose.head)[20:22])
    made = DiffusionGenerator(tmp_path)(portrait, motion, seed=2**53 - 1)  # the largest that a request takes
    warped = WarpGenerator()(portrait, motion)
    assert all(np.array_equal(a, b) for a, b in zip(made, warped, strict=True))


@pytest.mark.parametrize("name", CONDITIONS)
def test_each_condition_changes_the_picture_and_may_be_left_out(given, name):
    network, noisy, time = tiny(trained=True), latents(given), torch.full((3,), 0.5)
    whole = network(noisy, time, given)
    without = network(noisy, time, {k: v for k, v in given.items() if k != name})
    other = network(noisy, time, given | {name: given[name].roll(1, -1)})
    assert not torch.allclose(whole, without, atol=1e-4) and not torch.allclose(whole, other, atol=1e-4)


@pytest.mark.parametrize("name", list(MAP_CHANNELS))
def test_a_new_map_changes_nothing_before_training(given, name):
    network = tiny()
    torch.nn.init.normal_(network.unet.conv_out.weight, std=0.1)
    noisy, time = latents(given), torch.full((3,), 0.5)
    without = network(noisy, time, {k: v for k, v in given.items() if k != name})
    assert torch.equal(network(noisy, time, given), without)


def test_a_picture_of_a_batch_does_not_see_the_others(given):
    network, time = tiny(trained=True), torch.full((3,), 0.5)
    together = network(network.encode(given["warped"]), time, given)
    alone = network(
        network.encode(given["warped"][1:2]), time[:1], {name: values[1:2] for name, values in given.items()}
    )
    assert torch.allclose(together[1:2], alone, atol=1e-4)


def test_without_a_reference_attention_is_that_of_diffusers(given):
    network, noisy, time = tiny(trained=True), latents(given), torch.full((3,), 0.5)
    others = {name: values for name, values in given.items() if name != "source"}
    ours = network(noisy, time, others)
    network.unet.set_attn_processor(AttnProcessor2_0())
    assert torch.allclose(ours, network(noisy, time, others), atol=1e-5)


def test_the_reference_is_forgotten_after_each_picture(given):
    network, noisy, time = tiny(trained=True), latents(given), torch.full((3,), 0.5)
    others = {name: values for name, values in given.items() if name != "source"}
    before = network(noisy, time, others)
    network(noisy, time, given)
    assert torch.equal(network(noisy, time, others), before) and not network.attention.reference


def test_from_noise_seeds_differ_and_one_repeats(given):
    network = tiny(trained=True)
    noise = [start_latents("noise", latents(given), torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    made = [sample(network, given, began, 2) for began in noise]
    assert torch.equal(made[0], made[1]) and not torch.equal(made[0], made[2])


def test_parts_are_counted_whole():
    counts = parameter_counts(tiny())
    assert counts["all"] == sum(count for name, count in counts.items() if name != "all")


def test_a_change_is_added_in_its_square_alone():
    frame, change = np.full((40, 50, 3), 100, np.uint8), np.full((16, 16, 3), 0.2, np.float32)
    added = _added(frame, change, _fade(32), -6, 20)  # reaches outside on two sides
    assert (added[:20] == 100).all() and (added[:, 26:] == 100).all()
    assert (added[30:38, 4:15] == 151).all() and (frame == 100).all()
    assert np.array_equal(_added(frame, 0 * change, _fade(32), 0, 0), frame)


def test_weights_that_are_none_are_refused_in_a_sentence(tmp_path):
    with pytest.raises(BadInput, match="denoiser.safetensors and its card"):
        DiffusionGenerator(tmp_path / "denoiser")
    save(tiny(), tmp_path)
    (tmp_path / "denoiser.safetensors").write_bytes(b"no weights")
    with pytest.raises(BadInput, match="no whole safetensors file"):
        DiffusionGenerator(tmp_path)


def test_weights_for_another_head_are_refused(portrait, tmp_path):
    save(PortraitDenoiser(replace(PRESETS["tiny"], motion_size=40)), tmp_path)
    with pytest.raises(BadInput, match="not for the head"):
        next(DiffusionGenerator(tmp_path)(portrait, portrait.pose))


def test_a_generator_is_saved_with_the_weights_that_it_has_and_not_with_those_that_it_was_made_from(given, tmp_path):
    save(tiny(trained=True), tmp_path)
    generator = DiffusionGenerator(tmp_path, guidance="flow=2")
    generator.network.unet.conv_out.weight.mul_(1 / 3)  # a change that half precision would lose
    generator.save_pretrained(tmp_path / "again")
    again = DiffusionGenerator.from_pretrained(tmp_path / "again", guidance="flow=2")
    changed, loaded = generator.network.state_dict(), again.network.state_dict()
    assert again.guidance == generator.guidance and set(changed) == set(loaded)
    assert all(torch.equal(changed[name], loaded[name]) for name in changed)
    noisy, time = latents(given), torch.full((3,), 0.5)
    assert torch.equal(generator.network(noisy, time, given), again.network(noisy, time, given))


@pytest.mark.parametrize("start", ["warp", "noise"])
def test_the_network_of_a_generator_works_on_the_device_that_it_is_moved_to(portrait, start, tmp_path, monkeypatch):
    """torch's `meta` device computes shapes only, and refuses to mix its tensors with those of any other device."""
    save(tiny(trained=True, start=start, temporal=True, views=True), tmp_path)
    generator = DiffusionGenerator(tmp_path, steps=2, guidance="source=1.5,flow=2")
    assert generator.to("meta") is generator and all(p.is_meta for p in generator.network.state_dict().values())
    brought, cpu = [], torch.Tensor.cpu
    fetched = lambda values: brought.append(values.shape) or torch.zeros(values.shape)  # noqa: E731
    monkeypatch.setattr(torch.Tensor, "cpu", lambda values: fetched(values) if values.is_meta else cpu(values))
    small = portrait.resized(128, 128)
    cameras = around(small.camera, small.vertices()[0].mean(0), still([0.0, 20.0]))
    motion = drive(small.pose, demo_motion(small.pose.head)[20:25])
    made = list(generator(small, motion, cameras))
    assert len(made) == 5 and brought == [(5, 2, 64, 64, 3)]
    assert np.array_equal(made, list(WarpGenerator()(small, motion, cameras)))  # nothing is added to what it warps


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
@pytest.mark.parametrize("start", ["warp", "noise"])
def test_a_gpu_draws_what_the_cpu_draws(portrait, start, tmp_path):
    save(tiny(trained=True, start=start, temporal=True), tmp_path)
    motion = drive(portrait.pose, demo_motion(portrait.pose.head)[20:25])
    here, there = (DiffusionGenerator(tmp_path).to(device)(portrait, motion) for device in ("cpu", "cuda"))
    assert np.abs(np.float32(list(here)) - np.float32(list(there))).max() <= 2


@pytest.mark.parametrize("part", ["temporal", "views"])
def test_what_lies_across_changes_nothing_before_training_and_joins_rows_after(given, part):
    axis = {"temporal": {"frames": 3}, "views": {"views": 3}}[part]
    time, plain = torch.full((3,), 0.5), tiny(trained=True)
    grown = plain.with_layers(part).eval()
    own = grown.stage_parameters(part)
    assert own and set(grown.state_dict()) - set(plain.state_dict()) == set(own)
    with torch.no_grad():
        before = plain(latents(given), time, given)
        assert torch.equal(grown(latents(given), time, given, **axis), before)
        for name, parameter in own.items():
            torch.nn.init.normal_(parameter, std=0.1 if "to_out" in name else 0.3)
        assert torch.equal(grown(latents(given), time, given), before)  # of one frame and one view
        joined = grown(latents(given), time, given, **axis)
        assert not torch.allclose(joined, before, atol=1e-4)
        other = {name: values.clone() for name, values in given.items()}
        other["depth"][2] += 1.0
        moved = (grown(latents(other), time, other, **axis) - joined).abs().amax((1, 2, 3))
        assert float(moved[0]) > 1e-5  # the first row sees the conditions of the last
        two = {name: torch.cat([values, other[name]]) for name, values in given.items()}
        both = grown(latents(two), time.repeat(2), two, **axis)
        assert torch.allclose(both[:3], joined, atol=1e-4)  # and not what another portrait was


def test_views_are_told_apart_by_what_they_see_and_not_by_their_number(given):
    network, time, order = tiny(trained=True, views=True), torch.full((3,), 0.5), torch.tensor([2, 0, 1])
    seen = network(latents(given), time, given, views=3)
    mixed = {name: values[order] for name, values in given.items()}
    assert torch.allclose(network(latents(mixed), time, mixed, views=3), seen[order], atol=1e-4)


def test_guidance_of_one_is_none_and_of_nought_is_without(given):
    network, began = tiny(trained=True), latents(given)
    plain = sample(network, given, began, 2)
    without = {name: values for name, values in given.items() if name != "source"}
    assert torch.equal(sample(network, given, began, 2, guidance={"source": 1.0}), plain)
    less = sample(network, given, began, 2, guidance={"source": 0.0})
    assert torch.allclose(less, sample(network, without, began, 2), atol=1e-5)
    assert not torch.allclose(sample(network, given, began, 2, guidance={"flow": 2.0}), plain, atol=1e-4)


def test_one_reading_of_the_source_serves_all_rows(given):
    network, time = tiny(trained=True), torch.full((3,), 0.5)
    reference = network.read_source(given["source"][:1])
    others = {name: values for name, values in given.items() if name != "source"} | {"reference": reference}
    assert torch.allclose(network(latents(given), time, others), network(latents(given), time, given), atol=1e-5)


def test_a_window_passes_over_into_the_next():
    old, new = np.zeros((4, 1, 2, 2, 3), np.float32), np.ones((4, 1, 2, 2, 3), np.float32)
    assert np.allclose(_cross_faded(old, new)[:, 0, 0, 0, 0], [0.125, 0.375, 0.625, 0.875])
    assert np.array_equal(_cross_faded(new, new), new)


@pytest.mark.parametrize("frames", [1, 3, 9, 14])
def test_windows_cover_each_frame_once(portrait, tmp_path, frames):
    """Untrained, the network adds nothing: any frame lost, doubled or shifted would show."""
    save(tiny(temporal=True, views=True), tmp_path)
    small = portrait.resized(128, 128)
    motion = drive(small.pose, demo_motion(small.pose.head)[20 : 20 + frames])
    cameras = around(small.camera, small.vertices()[0].mean(0), still([0.0, 20.0]))
    made = list(DiffusionGenerator(tmp_path)(small, motion, cameras))
    assert np.array_equal(made, list(WarpGenerator()(small, motion, cameras)))


def test_guidance_is_read_or_refused(tmp_path):
    save(tiny(), tmp_path)
    assert DiffusionGenerator(tmp_path, guidance="source=1.5, flow=2").guidance == {"source": 1.5, "flow": 2.0}
    for wrong, said in (("source", "expected condition=scale"), ("hat=2", "conditions are warped, depth")):
        with pytest.raises(BadInput, match=said):
            DiffusionGenerator(tmp_path, guidance=wrong)
