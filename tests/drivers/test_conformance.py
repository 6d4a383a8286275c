"""What every driver promises, for each one that is registered."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import numpy as np
import pytest
import torch
from skimage.data import astronaut

from flamecast.drivers import load_driver
from flamecast.drivers.idle import IdleSignal
from flamecast.drivers.mix import DriverCall, MixSignal
from flamecast.flame_motion import BadInput, Driven, TextPrompt, VideoClip, Waveform, load_head
from flamecast.flame_motion.channels import CHANNELS

DRIVERS = sorted(entry_points(group="flamecast.drivers"), key=lambda entry: entry.name)


def _clip(frames: int, fps: float) -> VideoClip:
    """A face that slides through the picture."""
    return VideoClip([np.ascontiguousarray(astronaut()[:320, 60 + k : 380 + k]) for k in range(frames)], fps)


# By driver: makes a signal of that many frames at a rate. A driver of ours that is missing here fails.
SIGNALS: dict[str, Callable[[int, float], Any]] = {
    "video": _clip,
    "text": lambda frames, fps: TextPrompt(motion="nods", emotion="happy", duration=frames / fps),
    "speech": lambda frames, fps: Waveform(np.sin(np.arange(round(16000 * frames / fps)), dtype=np.float32) / 2, 16000),
    "idle": lambda frames, fps: IdleSignal(frames / fps),
    "mix": lambda frames, fps: MixSignal(
        DriverCall("video", _clip(frames, fps)), {"head": DriverCall("text", TextPrompt("nods"))}
    ),
}


def _signal(entry: EntryPoint, frames: int, fps: float) -> Any:
    if entry.name not in SIGNALS:
        ours = entry.dist is not None and entry.dist.name == "flamecast"
        assert not ours, f"add a signal for the driver {entry.name} to SIGNALS"
        pytest.skip(f"the driver {entry.name} is another project's: its signal is not known here")
    return SIGNALS[entry.name](frames, fps)


def test_there_is_a_driver():
    assert "video" in [entry.name for entry in DRIVERS]


@pytest.mark.parametrize("entry", DRIVERS, ids=lambda entry: entry.name)
@pytest.mark.parametrize(("frames", "fps"), [(1, 25.0), (7, 30000 / 1001), (12, 12.0)])
def test_a_signal_becomes_as_many_frames_as_it_lasts(entry, frames, fps):
    signal = _signal(entry, frames, fps)
    calls: list[tuple[str, int, int]] = []
    driven = load_driver(entry.name)(signal, seed=0, progress=lambda *step: calls.append(step))
    motion = driven.motion
    assert isinstance(driven, Driven) and motion.head == load_head().id
    assert calls and all(0 <= done and (of == 0 or done <= of) for _, done, of in calls)
    json.dumps(driven.facts)
    for entry_ in driven.frame_problems:
        first, last = entry_["frames"]
        assert 0 <= first <= last < len(motion) and entry_["problem"]
    assert len(motion) == round(signal.duration * motion.fps)
    load_head().check(motion)


@pytest.mark.parametrize("entry", DRIVERS, ids=lambda entry: entry.name)
def test_the_same_seed_gives_the_same_motion(entry):
    first, again = (load_driver(entry.name)(_signal(entry, 6, 25.0), seed=3) for _ in range(2))
    for name in ("shape", *CHANNELS):
        assert torch.equal(getattr(first.motion, name), getattr(again.motion, name)), name


@pytest.mark.parametrize("entry", DRIVERS, ids=lambda entry: entry.name)
def test_a_driver_that_moves_to_a_device_gives_itself_back(entry):
    driver = load_driver(entry.name)
    move = getattr(driver, "to", None)
    assert move is None or move("cpu") is driver


def test_an_unknown_driver_is_named_with_those_there_are():
    with pytest.raises(BadInput, match="no driver 'telepathy'.* video"):
        load_driver("telepathy")


def test_an_option_that_a_driver_has_not_is_named_with_those_it_has():
    with pytest.raises(BadInput, match="the driver 'video' has no option 'speed'; known are: .*focal"):
        load_driver("video", speed=2)
