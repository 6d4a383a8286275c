"""Footage to pairs, pairs to weights: made once, gone on with to the bit, and each condition worth its place."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.data import astronaut

from flamecast.flame_motion import BadInput
from flamecast.flame_motion.edit import demo_motion
from flamecast.flame_motion.media.video_writer import VideoWriter
from flamecast.flame_motion.retargeting.transfer import drive
from flamecast.generator import Portrait
from flamecast.generator.conditioning import Conditioning, render_conditioning
from flamecast.generator.diffusion.network import CONDITIONS, PortraitDenoiser
from flamecast.generator.diffusion.presets import PRESETS
from flamecast.generator.diffusion.sampler import sample, start_latents
from flamecast.generator.warp import WarpGenerator
from flamecast.training.generator.data import Examples
from flamecast.training.generator.examples import ExampleOptions, example_of
from flamecast.training.generator.module import GeneratorModule
from flamecast.training.generator.options import GeneratorTraining
from flamecast.training.generator.prepare import prepare_generator
from flamecast.training.generator.shards import ARRAYS, read_examples, rows_of, write_index, write_shard
from flamecast.training.generator.train import train_generator

SMALL = GeneratorTraining(preset="tiny", batch_size=4, ema_decay=0.0, perceptual=0.0, accelerator="cpu")


@pytest.fixture(scope="module")
def portrait() -> Portrait:
    return Portrait.fit(astronaut())


@pytest.fixture(scope="module")
def rows(portrait) -> list[dict[str, np.ndarray]]:
    """Eight pairs whose target is the warped photo, darker on one side: what a network can learn."""
    left, top, side = portrait.face_window()
    square = portrait.cropped(left, top, side, side).resized(64, 64)
    motion = drive(square.pose, demo_motion(square.pose.head).frames(torch.arange(10, 50, 5)))
    whole, shade = (
        Conditioning.concatenate(list(render_conditioning(square, motion))),
        np.linspace(1.0, 0.6, 64)[:, None],
    )
    found = [example_of(whole.frames(k, k + 1), [np.zeros((64, 64, 3), np.uint8)]) for k in range(8)]
    return [row | {"target": (row["warped"] * shade).astype(np.uint8)} for row in found]


@pytest.fixture
def pairs(rows, tmp_path) -> Path:
    folder = tmp_path / "pairs"
    folder.mkdir()
    clips = {}
    for name, part in (("one", rows[:5]), ("two", rows[5:])):
        clips[name] = {"person": f"person {name}", "pairs": write_shard(folder / f"{name}.tar", part)}
    write_index(folder, clips)
    return folder


def test_shards_hold_what_was_written_to_the_byte(rows, pairs, tmp_path):
    read = read_examples(pairs)
    for name in ARRAYS:
        assert np.array_equal(read[name].numpy(), np.stack([row[name] for row in rows])), name
    write_shard(tmp_path / "one.tar", rows[:5])
    assert (tmp_path / "one.tar").read_bytes() == (pairs / "one.tar").read_bytes()


def test_people_are_taken_and_left_out_whole(rows, pairs):
    assert len(read_examples(pairs, ["person two"])["target"]) == 3
    assert len(read_examples(pairs, without=["person two"])["target"]) == 5
    with pytest.raises(BadInput, match="nobody is called 'x'; there are person one, person two"):
        read_examples(pairs, without=["x"])


def test_a_shard_that_is_cut_off_is_named(pairs):
    whole = (pairs / "two.tar").read_bytes()
    (pairs / "two.tar").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match=r"two\.tar is no whole shard"):
        read_examples(pairs)
    assert len(read_examples(pairs, ["person one"])["target"]) == 5


def test_a_folder_without_pairs_is_refused(tmp_path):
    with pytest.raises(BadInput, match="flamecast prepare generator"):
        train_generator(replace(SMALL, output=str(tmp_path / "out"), data=str(tmp_path)))


def test_every_pair_comes_once_an_epoch_and_two_processes_share_them(pairs):
    batches = Examples.read(pairs, 4, seed=1)
    seen = lambda batch: {row.tobytes() for row in batch["target"].numpy()}  # noqa: E731
    epoch = [seen(batches.at(step)) for step in range(len(batches))]
    assert len(set.union(*epoch)) == 8 and not set.intersection(*epoch)
    apart = [seen(batches.at(0, rank, 2)) for rank in range(2)]
    assert len(set.union(*apart)) == 8


def weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder.with_suffix(".safetensors"))


def test_a_training_that_stopped_goes_on_to_the_bit(pairs, tmp_path):
    options = replace(SMALL, data=str(pairs), steps=6, held_out="person two", validate_every=4)
    made = train_generator(replace(options, output=str(tmp_path / "whole"), run=str(tmp_path / "a")))
    for stop in (3, 6):
        where = {"output": str(tmp_path / "parts"), "run": str(tmp_path / "b"), "until": stop}
        again = train_generator(replace(options, **where))
    cards = [json.loads(files[1].read_text()) for files in (made, again)]
    assert cards[0]["val_loss"] == cards[1]["val_loss"] > 0 and cards[0]["held_out"] == ["person two"]
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    untrained = PortraitDenoiser(PRESETS["tiny"]).half().state_dict()
    assert any(not torch.equal(whole[name], untrained[name]) for name in whole if "conv_out" in name)


def trained(examples: Examples, steps: int, start: str = "warp", without: tuple[str, ...] = ()) -> tuple:
    """A tiny network after some steps on all pairs at once, and the pairs as given."""
    torch.manual_seed(0)
    rate, dropped = 2e-3, ",".join(without)
    options = GeneratorTraining(cond_drop_prob=0.0, drop_conditions=dropped, perceptual=0.0)
    module = GeneratorModule(PortraitDenoiser(replace(PRESETS["tiny"], start=start)), options)
    optimizer = torch.optim.AdamW(module.network.parameters(), lr=rate)
    given, rng = rows_of(examples.arrays), torch.Generator().manual_seed(0)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, 2 * (1 - step / steps))
        module.loss(given, rng).backward()
        optimizer.step()
        optimizer.zero_grad()
    return module.network.eval().requires_grad_(False), given


@pytest.mark.slow
@pytest.mark.parametrize("name", CONDITIONS)
def test_a_condition_that_alone_tells_the_answer_is_needed(pairs, name):
    """The target is one grey, known from nothing but the condition: with it the error is a fraction of that without."""
    read = read_examples(pairs)
    gray = torch.linspace(0.2, 0.9, 8)
    code = (gray - 0.5) * 2
    for other in ("warped", "source"):
        read[other] = torch.full_like(read[other], 128)
    for other in (*CONDITIONS, "visible"):
        if other not in ("warped", "source"):
            read[other] = torch.zeros_like(read[other])
    shape = lambda x: code.view(-1, *[1] * (x.ndim - 1))  # noqa: E731
    picture = lambda x: (255 * gray).round().byte().view(-1, *[1] * (x.ndim - 1)).expand_as(x).contiguous()  # noqa: E731
    if name in ("warped", "source"):
        read[name] = picture(read[name])
    else:
        read[name] = shape(read[name]).expand_as(read[name]).half().contiguous()
    read["target"] = picture(read["target"])
    # A bridge starts from the warped photo: whether that is a condition, too, only a start from noise can show, and
    # learning to take noise away takes longer than this.
    # What is read of a source has passed a norm, and no gradient goes back through the reading.
    start, share = {"warped": ("noise", 0.85), "source": ("warp", 0.6)}.get(name, ("warp", 0.5))
    errors = []
    for without in ((), (name,)):
        network, given = trained(Examples(read), 100, without=without, start=start)
        began = start_latents(start, network.encode(given["warped"]), torch.Generator().manual_seed(1))
        made = sample(network, {key: values for key, values in given.items() if key not in without}, began, 1)
        errors.append(float((made - given["target"]).abs().mean()))
    assert errors[0] < share * errors[1], errors


@pytest.mark.slow
def test_one_clip_is_learned_by_heart(pairs):
    network, given = trained(Examples.read(pairs), 400)
    made = sample(network, given, start_latents("warp", network.encode(given["warped"]), None), 1)
    psnr = lambda picture: float(-10 * (picture - given["target"]).square().mean().log10())  # noqa: E731
    assert psnr(made) >= 30 > psnr(given["warped"])


@pytest.mark.slow
def test_two_processes_train_together(pairs, tmp_path):
    out, run = tmp_path / "out", tmp_path / "run"
    options = [f"data={pairs}", f"output={out}", f"run={run}", "preset=tiny", "batch_size=2", "steps=3", "devices=2"]
    command = [str(Path(sys.executable).with_name("flamecast")), "train", "generator-image", *options]
    done = subprocess.run([*command, "strategy=ddp", "accelerator=cpu"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert out.with_suffix(".json").is_file() and all(bool(values.isfinite().all()) for values in weights(out).values())


@pytest.fixture(scope="module")
def clip(portrait, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("footage") / "someone.mp4"
    motion = drive(portrait.pose, demo_motion(portrait.pose.head).frames(torch.arange(0, 40, 2)))
    with VideoWriter(path, 25.0) as writer:
        for frame in WarpGenerator()(portrait.resized(256, 256), motion):
            writer.write(frame[0])
    return path


def test_footage_becomes_pairs_once(clip, tmp_path):
    out = tmp_path / "pairs"
    settings = ExampleOptions(size=64, sources=2, targets=3)
    prepare_generator([clip], out, options=settings)
    read = read_examples(out)
    assert len(read["target"]) == 6 and read["target"].shape[1:] == (1, 64, 64, 3)
    assert read_examples(out, ["someone"])["motion"].shape == (6, 1, 148)
    error = lambda name: float((read[name].float().reshape(6, 64, 64, 3) - read["target"][:, 0].float()).abs().mean())  # noqa: E731
    assert error("warped") < 0.8 * error("source")  # geometry explains most of it
    before = (out / "someone.tar").stat().st_mtime_ns
    prepare_generator([clip], out, options=settings)
    index = json.loads((out / "index.json").read_text())
    index["someone"]["most"] = index["someone"].pop("max_frames")  # as 0.1 called it
    write_index(out, index)
    prepare_generator([clip], out, options=settings)
    assert (out / "someone.tar").stat().st_mtime_ns == before
    prepare_generator([clip], out, options=replace(settings, targets=2))
    assert len(read_examples(out)["target"]) == 4


def test_a_file_that_is_no_video_is_said_and_does_not_stop_the_others(clip, tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    done = prepare_generator([bad, clip], tmp_path / "pairs", options=ExampleOptions(size=64, sources=1, targets=2))
    assert "1 of 2 clips left out: bad" in done.problems[0] and len(read_examples(tmp_path / "pairs")["target"]) == 2
    with pytest.raises(BadInput, match="none of 1 clips can be used"):
        prepare_generator([bad], tmp_path / "none", options=ExampleOptions(size=64))


def test_two_clips_of_one_name_are_refused_before_any_work(clip, tmp_path):
    other = tmp_path / clip.name
    other.write_bytes(clip.read_bytes())
    with pytest.raises(BadInput, match="several clips are called someone"):
        prepare_generator([clip, other], tmp_path / "pairs", options=ExampleOptions(size=64))
    assert not (tmp_path / "pairs").exists()
