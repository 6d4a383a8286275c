"""Drivers on another device: models move, tensors follow, motions stay on the CPU. Without a GPU, on torch's `meta`.

An operator on `meta` refuses a tensor of the CPU, as one on a GPU does, but computes no values: where the drivers or
the encoders ask for one, they are answered.
"""

from __future__ import annotations

import socket
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from flamecast.drivers.mix import DriverCall, MixDriver, MixSignal
from flamecast.drivers.speech import SpeechDriver, head_motion
from flamecast.drivers.speech.audio_features import AudioBuffer, MelFeatures, load_features
from flamecast.drivers.text import Fill, TextDriver, kept_by
from flamecast.drivers.text import driver as text_driver
from flamecast.drivers.text.encoder import TextEncoder
from flamecast.drivers.video import VideoDriver
from flamecast.flame_motion import BadInput, Driven, TextPrompt, Waveform
from flamecast.flame_motion.diffusion import Conditioning
from flamecast.flame_motion.edit import demo_motion


def _denoise_once(denoise: Any, noise: Tensor, conditioning: Conditioning, **options: Any) -> Tensor:
    """Stands for the sampler, whose branches need values."""
    assert all(not torch.is_tensor(value) or value.device == noise.device for value in options.values())
    given = (conditioning.known, conditioning.known_mask, conditioning.tokens)
    assert all(tensor is None or tensor.device == noise.device for tensor in given)
    return denoise(noise, torch.zeros(len(noise), device=noise.device), conditioning)


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


@pytest.mark.parametrize("loaded", [False, True])
def test_the_speech_driver_generates_on_its_device(meta, loaded):
    driver = SpeechDriver(steps=2)
    assert not loaded or (driver.articulation and driver.head_motion)
    assert driver.to("meta") is driver
    sound = Waveform(np.full(8 * 16000, 0.1, np.float32), 16000)
    motion = driver(sound).motion
    assert len(motion) == 200 and motion.jaw.device.type == motion.neck.device.type == "cpu"
    second = Waveform(sound.samples[:16000], 16000)
    assert sum(map(len, driver.stream([second, second]))) == 50
    for model in (driver.encoder, driver.articulation.network, driver.head_motion.denoiser):
        assert {parameter.device for parameter in model.parameters()} == {meta}  # type: ignore[attr-defined]
    assert MelFeatures().to(meta)(AudioBuffer(torch.zeros(16000))).device == meta


def test_a_mix_moves_what_it_loads():
    moved: list[str] = []

    class Still:
        def to(self, device: str) -> None:
            moved.append(device)

        def __call__(self, signal: Any, *, seed: int = 0, progress: Any = None) -> Driven:
            return Driven(demo_motion())

    mixer = MixDriver().to("cuda")
    mixer.load = lambda name: Still()
    mixer(MixSignal(DriverCall("text", None), {"head": DriverCall("text", None)}))
    assert moved == ["cuda", "cuda"]


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
