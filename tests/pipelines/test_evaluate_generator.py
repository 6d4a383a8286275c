"""Measures of pictures against known answers: an untrained bridge is the warp, poses and openings are read exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage.data import astronaut

from flamecast.core.networks import save_network
from flamecast.flame_motion import BadInput
from flamecast.flame_motion.edit import apply_edit, demo_motion
from flamecast.flame_motion.retargeting.transfer import drive
from flamecast.generator import Portrait
from flamecast.generator.conditioning import render_conditioning
from flamecast.generator.diffusion.network import PortraitDenoiser
from flamecast.generator.diffusion.presets import PRESETS
from flamecast.generator.warp import WarpGenerator
from flamecast.pipelines.evaluate.faces import FaceReader
from flamecast.pipelines.evaluate.factors import CAMERAS, DISTANCES, EXPRESSIONS, TURNS, _disagreement, _points, _read
from flamecast.pipelines.evaluate.generator import evaluate_generator, flicker
from flamecast.renderer import render_maps
from flamecast.renderer.cameras import to_pixels
from flamecast.renderer.cameras.paths import around, still
from flamecast.renderer.geometry import unproject
from flamecast.training.generator.examples import example_of
from flamecast.training.generator.perceptual import MODELS, PerceptualDistance
from flamecast.training.generator.shards import write_index, write_shard


@pytest.fixture(scope="module")
def portrait() -> Portrait:
    return Portrait.fit(astronaut())


def test_an_untrained_bridge_measures_as_the_warp_does(portrait, tmp_path):
    left, top, side = portrait.face_window()
    square = portrait.cropped(left, top, side, side).resized(64, 64)
    motion = drive(square.pose, demo_motion(square.pose.head).frames(torch.tensor([10, 30])))
    whole = next(render_conditioning(square, motion))
    targets = [
        portrait.cropped(left, top, side, side).resized(64, 64).image,
        next(WarpGenerator()(square, motion[1:2]))[0],  # the truth of the second is the warp itself
    ]
    rows = [example_of(whole.frames(k, k + 1), [target]) for k, target in enumerate(targets)]
    write_index(tmp_path, {"one": {"person": "somebody", "pairs": write_shard(tmp_path / "one.tar", rows)}})
    save_network(tmp_path / "net", PortraitDenoiser(PRESETS["tiny"]), {})
    page = tmp_path / "page.html"
    found = evaluate_generator(tmp_path, ("somebody",), weights=tmp_path / "net", page=page)
    ours, warp = found["diffusion"], found["warp"]
    assert ours == pytest.approx(warp, abs=2e-3) and found["copy"]["perceptual"] > 0
    assert 0.5 < warp["ssim"] < 1 and found["copy"]["psnr"] != warp["psnr"]
    text = page.read_text()
    assert text.count("data:image/jpeg;base64,") == 2 and "src=" in text and "http" not in text
    assert f"<td>{warp['psnr']:.1f}</td>" in text or f"<td class=best>{warp['psnr']:.1f}</td>" in text
    with pytest.raises(BadInput, match="the network makes 256"):
        small = PortraitDenoiser(PRESETS["small"])
        save_network(tmp_path / "small", small, {})
        evaluate_generator(tmp_path, (), weights=tmp_path / "small")


@pytest.mark.parametrize("model", list(MODELS))
def test_the_perceptual_distance_is_one(model):
    looks = PerceptualDistance(model)
    photo = torch.from_numpy(astronaut()[:128, 160:288]).permute(2, 0, 1)[None].float() / 255
    blurred = torch.nn.functional.avg_pool2d(photo, 5, 1, 2)
    worse = torch.nn.functional.avg_pool2d(photo, 11, 1, 5)
    near, far = float(looks(blurred, photo)), float(looks(worse, photo))
    assert float(looks(photo, photo)) == 0 < near < far
    assert float(looks(photo, blurred)) == pytest.approx(near, rel=1e-4)
    assert not any(parameter.requires_grad for parameter in looks.parameters())


def testflicker_is_how_changes_differ():
    truth = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert flicker(truth, truth, 4) == 0
    assert flicker(truth + 0.2, truth, 4) == pytest.approx(0, abs=1e-4)  # brighter all the time is none
    blinking = truth + torch.tensor([0.0, 0.1, 0.0, 0.1]).view(4, 1, 1, 1)
    assert flicker(blinking, truth, 4) == pytest.approx(25.5, rel=1e-3)


def test_turns_and_openings_are_read_off_projected_points_exactly(portrait):
    model, lens = _points(portrait), portrait.camera.intrinsics[0].double().numpy()
    faces, bary = portrait.head.mediapipe_places()

    def seen(pose):
        vertices = portrait.vertices(pose)[0]
        points = (vertices[portrait.head.faces[faces.clamp_min(0)]] * bary[..., None]).sum(-2)
        return np.pad(to_pixels(portrait.camera, points[None])[0, 0].numpy(), ((0, 0), (0, 1)))

    rest, distances = _read(seen(portrait.pose), model, lens)
    turned = replace(portrait.pose, neck=portrait.pose.neck + torch.deg2rad(torch.tensor([[0.0, 15.0, 0.0]])))
    turn, same = _read(seen(turned), model, lens)
    assert np.linalg.norm(turn - rest) == pytest.approx(15, abs=0.3)
    assert np.allclose(same, distances, atol=2e-3)  # a turn is no expression
    opened = apply_edit(portrait.pose, {"jawOpen": "0.6"}, portrait.head)
    still_there, wide = _read(seen(opened), model, lens)
    assert np.linalg.norm(still_there - rest) < 0.5  # and an open mouth no turn
    assert wide[0] - distances[0] > 0.1 and len(wide) == len(DISTANCES)


def test_views_that_show_one_surface_agree_and_others_do_not(portrait):
    small = portrait.resized(128, 128)
    cameras = around(small.camera, small.vertices()[0].mean(0), still(CAMERAS))
    depth = render_maps(small.vertices(), small.head, cameras, maps=("depth",)).depth[:, 0]
    colors = []
    for view in range(cameras.views):
        world = unproject(cameras.view(view), depth[view][None, None])[0, 0]
        colors.append((127 + 100 * torch.sin(60 * world)).clamp(0, 255).byte().numpy())
    painted = np.zeros((len(CAMERAS), len(TURNS), len(EXPRESSIONS), 128, 128, 3), np.uint8)
    painted[:, len(TURNS) // 2, 0] = colors
    own = _disagreement(small, cameras, painted)
    assert own < 6 < _disagreement(small, cameras, painted[::-1])


def test_who_a_face_is_is_known(portrait):
    pytest.importorskip("dlib")
    faces = FaceReader()
    same = faces.compare(portrait, portrait)
    assert same["identity"] == pytest.approx(1) and same["landmarks"] == same["pose"] == same["expression"] == 0
    assert faces.read(np.zeros((64, 64, 3), np.uint8)) is None
