"""Windows of frames and of cameras, people made up, and a cluster that does the same as one process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.data import astronaut

from flamecast.core.networks import save_network
from flamecast.flame_motion import BadInput
from flamecast.flame_motion.edit import demo_motion
from flamecast.flame_motion.media.video_writer import VideoWriter
from flamecast.flame_motion.retargeting.transfer import drive
from flamecast.generator import Portrait
from flamecast.generator.diffusion.generator import load_denoiser
from flamecast.generator.diffusion.network import PortraitDenoiser
from flamecast.generator.diffusion.presets import PRESETS
from flamecast.generator.warp import WarpGenerator
from flamecast.renderer import render_maps
from flamecast.renderer.cameras import Cameras, pinhole, to_pixels
from flamecast.renderer.cameras.file import save_cameras
from flamecast.renderer.cameras.paths import around, still
from flamecast.training.generator.appearance import Appearance
from flamecast.training.generator.clips import RIG
from flamecast.training.generator.examples import ExampleOptions
from flamecast.training.generator.options import GeneratorTraining
from flamecast.training.generator.prepare import prepare_generator, prepare_synthetic
from flamecast.training.generator.round_trips import moved_away
from flamecast.training.generator.shards import read_examples, read_index, window_of
from flamecast.training.generator.synthetic import SyntheticPerson, random_motion
from flamecast.training.generator.train import train_generator

LITTLE = ExampleOptions(size=64, sources=1, targets=2)
FAST = GeneratorTraining(preset="tiny", batch_size=1, ema_decay=0.0, perceptual=0.0, accelerator="cpu")


@pytest.fixture(scope="module")
def views() -> tuple[list[list[np.ndarray]], Cameras]:
    """Frames of somebody who moves, by three cameras, and the cameras."""
    portrait = Portrait.fit(astronaut()).resized(256, 256)
    motion = drive(portrait.pose, demo_motion(portrait.pose.head).frames(torch.arange(0, 40, 2)))
    cameras = around(portrait.camera, portrait.vertices()[0].mean(0), still([0.0, 15.0, -15.0]))
    frames = list(WarpGenerator()(portrait, motion, cameras))
    return [[frame[view] for frame in frames] for view in range(3)], cameras


@pytest.fixture(scope="module")
def rig(views, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("footage") / "moment"
    for number, frames in enumerate(views[0]):
        write_video(folder / f"camera{number}.mp4", frames)
    save_cameras(views[1], folder / RIG)
    return folder


def write_video(path: Path, frames: list[np.ndarray]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, 25.0) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def error(read: dict[str, torch.Tensor], name: str, view: int) -> float:
    picture = read[name] if name == "source" else read[name][:, view]
    return float((picture.float() - read["target"][:, view].float()).abs().mean())


def test_a_window_of_frames_is_one_moment_after_the_other(rig, views, tmp_path):
    options = ExampleOptions(size=64, sources=1, targets=2, frames=4)
    prepare_generator([rig / "camera0.mp4"], tmp_path / "out", options=options)
    read = read_examples(tmp_path / "out")
    assert read["target"].shape == (2, 4, 64, 64, 3) and window_of(tmp_path / "out") == (1, 4)
    assert read["source"].shape == (2, 64, 64, 3) and read["flow"].shape == (2, 4, 60, 16, 16)
    steps = np.diff(read["motion"].float().numpy(), axis=1)
    assert np.abs(steps).max() > 0 and error(read, "warped", 3) < error(read, "source", 3)


def test_a_rig_is_seen_by_all_its_cameras(rig, tmp_path):
    prepare_generator([rig], tmp_path / "out", options=LITTLE)
    read = read_examples(tmp_path / "out", ["moment"])
    assert window_of(tmp_path / "out") == (3, 1) and read["target"].shape == (2, 3, 64, 64, 3)
    for view in (1, 2):  # another side than the photo's, at the place where geometry says
        assert error(read, "warped", view) < 0.7 * error(read, "source", view)
    own, other = read["rays"].float()[:, :2].unbind(1)
    assert float((own - other).abs().max()) > 0.1


def test_a_rig_whose_cameras_do_not_fit_is_left_out_with_its_reason(rig, views, tmp_path):
    folder = tmp_path / "two"
    for number, frames in enumerate(views[0][:2]):
        write_video(folder / f"camera{number}.mp4", frames[:3])
    save_cameras(views[1], folder / RIG)
    with pytest.raises(BadInput, match="a still camera for each of 2 videos"):
        prepare_generator([folder], tmp_path / "out", options=LITTLE)


def test_a_photo_drawn_elsewhere_leads_back_to_itself():
    portrait = Portrait.fit(astronaut()).resized(256, 256)
    motion = drive(portrait.pose, demo_motion(portrait.pose.head))
    pose = motion[30:31]
    assert float((pose.neck - portrait.pose.neck).abs().max()) > 0.05 or float(pose.translation.abs().max()) > 0.001
    away, home = moved_away(portrait, pose, WarpGenerator())
    seen = lambda one, motion: to_pixels(one.camera, one.vertices(motion))  # noqa: E731
    assert torch.allclose(seen(away, home), seen(portrait, portrait.pose), atol=1e-2)  # the very head of the photo
    assert torch.allclose(seen(away, away.pose), seen(portrait, pose), atol=1e-2)
    apart = lambda picture: float(np.abs(picture.astype(float) - portrait.image).mean())  # noqa: E731
    assert apart(next(WarpGenerator()(away, home))[0]) < 0.5 * apart(away.image)
    same, home = moved_away(portrait, portrait.pose, WarpGenerator())
    assert np.array_equal(same.image, portrait.image)


def test_round_trips_of_several_frames_or_cameras_are_refused(rig, tmp_path):
    with pytest.raises(BadInput, match="round trips are single pictures"):
        ExampleOptions(round_trip=True, frames=3)
    with pytest.raises(BadInput, match="a rig makes no round trips"):
        prepare_generator([rig], tmp_path, options=ExampleOptions(size=64, round_trip=True))


def test_round_trips_have_the_photo_as_their_truth(rig, tmp_path):
    options = ExampleOptions(size=64, sources=1, targets=3, round_trip=True)
    prepare_generator([rig / "camera0.mp4"], tmp_path, options=options)
    read = read_examples(tmp_path)
    assert len(read["target"]) == 3 and bool((read["target"] == read["target"][:1]).all())
    assert not bool((read["source"][0] == read["source"][1]).all()) and error(read, "warped", 0) < error(
        read, "source", 0
    )


def test_people_made_up_are_where_their_geometry_is():
    """A bald one's matte is the head as the renderer sees it; and who has a number is always the same."""
    number = next(n for n in range(60) if not bool((Appearance.of(n).hair > 0).any()))
    person, rng = Appearance.of(number), np.random.default_rng(0)
    pose = random_motion(person.head, person.shape, rng, 1)
    windows = list(SyntheticPerson(number).examples(LITTLE))
    again = list(SyntheticPerson(number).examples(LITTLE))
    assert all(np.array_equal(a[name], b[name]) for a, b in zip(windows, again, strict=True) for name in a)
    camera = pinhole(128, 128, fov=0.45, distance=0.85)
    _, matte = person.picture(pose, camera)
    mask = render_maps(person.head(pose), person.head, camera, maps=("mask",)).mask[0, 0].numpy()
    assert ((matte > 0.5) != mask).mean() < 0.005 and 0.1 < mask.mean() < 0.7


def test_people_made_up_become_windows_of_views(tmp_path):
    prepare_synthetic(2, tmp_path, options=LITTLE)
    read = read_examples(tmp_path)
    assert read["target"].shape == (4, 3, 64, 64, 3)
    assert set(read_index(tmp_path)) == {"synthetic_0000", "synthetic_0001"}
    assert error(read, "warped", 0) < error(read, "source", 0)


@pytest.mark.parametrize("part", ["temporal", "views"])
def test_a_later_stage_trains_its_own_part_alone(part, rig, tmp_path):
    if part == "temporal":
        prepare_generator([rig / "camera0.mp4"], tmp_path / "data", options=ExampleOptions(64, 1, 2, frames=3))
    else:
        prepare_generator([rig], tmp_path / "data", options=LITTLE)
    torch.manual_seed(0)
    base = PortraitDenoiser(PRESETS["tiny"])
    for parameter in base.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    save_network(tmp_path / "base", base, {})
    data, base, run, output = (str(tmp_path / name) for name in ("data", "base", "run", "out"))
    train_generator(replace(FAST, part=part, init_weights=base, data=data, run=run, output=output, steps=3))
    before, after = load_denoiser(base), load_denoiser(output)
    old, new = before.state_dict(), after.state_dict()
    assert all(torch.equal(old[name], new[name]) for name in old)
    assert all(bool(new[name].any()) for name in set(new) - set(old) if name.endswith("to_out.0.weight"))


def test_a_stage_wants_windows_of_its_own_kind(rig, tmp_path):
    prepare_generator([rig / "camera0.mp4"], tmp_path, options=LITTLE)
    with pytest.raises(BadInput, match="windows of 1 views x 1 frames: temporal needs more"):
        train_generator(replace(FAST, output=str(tmp_path / "out"), data=str(tmp_path), part="temporal"))


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="sets a limit that only some systems have")
def test_a_full_disk_loses_no_checkpoint(rig, tmp_path):
    """Files that may not grow beyond what a checkpoint needs stand for it."""
    prepare_generator([rig / "camera0.mp4"], tmp_path / "data", options=LITTLE)
    options = [
        "preset=tiny",
        "batch_size=1",
        "ema_decay=0",
        "perceptual=0",
        "accelerator=cpu",
        f"data={tmp_path / 'data'}",
    ]
    options += [f"run={tmp_path / 'run'}", f"output={tmp_path / 'out'}", "steps=4"]
    code = (
        "import resource, sys\n"
        "if sys.argv[1] == 'full': resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
        "del sys.argv[1]\n"
        "from flamecast.pipelines.cli import main; main()"
    )
    command = [sys.executable, "-c", code]
    train = lambda how, *more: subprocess.run(  # noqa: E731
        [*command, how, "train", "generator-image", *options, *more], capture_output=True, text=True, timeout=200
    )
    assert train("empty", "until=2").returncode == 0
    whole = (tmp_path / "run" / "last.ckpt").read_bytes()
    full = train("full")
    assert full.returncode == 2 and "no room to write a checkpoint" in full.stderr and "Traceback" not in full.stderr
    assert (tmp_path / "run" / "last.ckpt").read_bytes() == whole
    assert train("empty").returncode == 0


@pytest.fixture(scope="module")
def cluster():
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


def folder_of(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


@pytest.mark.slow
def test_a_cluster_of_two_makes_the_same_bytes(cluster, tmp_path):
    prepare_synthetic(2, tmp_path / "here", options=LITTLE)
    prepare_synthetic(2, tmp_path / "there", options=LITTLE, ray="local")
    assert folder_of(tmp_path / "here") == folder_of(tmp_path / "there")


@pytest.mark.slow
def test_a_lost_worker_loses_nothing(cluster, tmp_path):
    killed: list[int] = []

    def kill() -> None:
        until = time.monotonic() + 60
        while not killed and time.monotonic() < until:
            for entry in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    name = entry.read_bytes()
                except OSError:
                    continue
                if name.startswith(b"ray::Map"):  # at work, not idle
                    killed.append(int(entry.parent.name))
                    os.kill(killed[0], signal.SIGKILL)
                    return
            time.sleep(0.02)

    prepare_synthetic(4, tmp_path / "here", options=LITTLE)
    thread = threading.Thread(target=kill)
    thread.start()
    prepare_synthetic(4, tmp_path / "there", options=LITTLE, ray="local")
    thread.join()
    assert killed and folder_of(tmp_path / "here") == folder_of(tmp_path / "there")
