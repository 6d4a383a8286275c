"""Drivers on another device: models move, tensors follow, motions stay on the CPU. Without a GPU, on torch's `meta`.

An operator on `meta` refuses a tensor of the CPU, as one on a GPU does, but computes no values: where the drivers or
the encoders ask for one, they are answered.
"""

from __future__ import annotations

import socket
from typing import Any

import pytest
import torch
from torch import Tensor

from flamecast.drivers.speech import audio_features, head_motion
from flamecast.drivers.speech.articulation import load_articulation
from flamecast.drivers.speech.audio_features import Heard, MelFeatures, Stretch, WhisperFeatures, load_features
from flamecast.drivers.speech.driver import WEIGHTS
from flamecast.drivers.text import Fill, TextDriver, kept_by
from flamecast.drivers.text import driver as text_driver
from flamecast.drivers.text.encoder import TextEncoder
from flamecast.drivers.video import VideoDriver
from flamecast.flame_motion import BadInput, TextPrompt
from flamecast.flame_motion.diffusion import Condition
from flamecast.flame_motion.diffusion.weights import load_weights
from flamecast.flame_motion.edit import demo_motion


def _denoise_once(denoise: Any, noise: Tensor, cond: Condition, **options: Any) -> Tensor:
    """Stands for the sampler, whose branches need values."""
    assert all(not torch.is_tensor(value) or value.device == noise.device for value in options.values())
    assert cond.given is not None and cond.kept is not None and cond.given.device == cond.kept.device == noise.device
    return denoise(noise, torch.zeros(len(noise), device=noise.device), cond)


@pytest.fixture
def meta(monkeypatch) -> torch.device:
    to_cpu, to_bool = Tensor.cpu, Tensor.__bool__
    monkeypatch.setattr(Tensor, "cpu", lambda t: torch.zeros(t.shape, dtype=t.dtype) if t.is_meta else to_cpu(t))
    monkeypatch.setattr(Tensor, "__bool__", lambda t: not t.is_meta and to_bool(t))
    monkeypatch.setattr(text_driver, "sample", _denoise_once)
    monkeypatch.setattr(head_motion, "sample", _denoise_once)
    return torch.device("meta")


@pytest.mark.parametrize("loaded", [False, True])
def test_the_text_driver_generates_on_its_device(meta, loaded):
    driver = TextDriver()
    assert not loaded or (driver.encoder and driver.models)
    assert driver.to("meta") is driver
    motion = driver(TextPrompt("nods, then smiles", duration=9.0)).motion
    assert len(motion) == 225 and motion.neck.device.type == "cpu"
    for model in (driver.encoder.model, *(trained.denoiser for trained in driver.models.values())):
        assert {parameter.device for parameter in model.parameters()} == {meta}
    base = demo_motion()
    filled = driver(Fill(TextPrompt("nods", duration=base.duration), base, kept_by("head, 1s", base))).motion
    assert torch.equal(filled.neck, base.neck)


def test_what_the_speech_driver_is_made_of_computes_on_its_device(meta):
    sound = Heard(torch.zeros(3 * audio_features.SAMPLE_RATE))
    assert MelFeatures().to(meta)(sound).device == meta
    encoder = WhisperFeatures.load().to(meta)
    span = Stretch.of(encoder, sound, 0, 150)
    assert span.values.device == meta and span.values.shape == (150, encoder.width)
    lips = load_articulation(WEIGHTS / "lips", encoder.name).to(meta)
    assert lips(span.values).device.type == "cpu" and len(lips(span.values)) == 75
    player = head_motion.HeadMotionSampler(load_weights(WEIGHTS / "head").to(meta), seed=0, steps=2, guidance=1.5)
    windows = [player.window(span, 30, 30), player.window(span, 30, 20)]
    assert [(len(window), window.device.type) for window in windows] == [(30, "cpu"), (20, "cpu")]


def test_the_video_driver_moves_a_detector_that_can_be_moved():
    class Detector:
        moved: list[str] = []

        def to(self, device: str) -> None:
            self.moved.append(device)

    driver = VideoDriver(detector=Detector())  # type: ignore[arg-type]
    assert driver.to("cuda") is driver and Detector.moved == ["cuda"]
    assert VideoDriver().to("cuda").to("cpu").head.template.device.type == "cpu"


@pytest.mark.parametrize("load", [load_features, TextEncoder])
def test_nothing_is_downloaded(monkeypatch, load):
    asked: list[Any] = []

    def refuse(*address: Any, **options: Any) -> Any:
        asked.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(BadInput, match="expected a folder (with a speech encoder )?of transformers"):
        load("nobody/an-encoder-that-is-not-here")
    assert not asked
