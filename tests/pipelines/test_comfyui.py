"""The ComfyUI nodes, loaded and called as ComfyUI does, without it."""

from __future__ import annotations

import importlib.util
import inspect
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from skimage.data import astronaut

from flamecast.flame_motion import BadInput
from flamecast.pipelines import AnimatePipeline

FOLDER = Path(__file__).parents[2] / "integrations" / "comfyui"
NAMES = ["FlamecastAnimateText", "FlamecastAnimateSpeech", "FlamecastAnimateVideo"]
KINDS = {"IMAGE", "AUDIO", "FLOAT", "INT", "STRING"}
PHOTO = torch.from_numpy(astronaut().copy())[None].float() / 255  # [1, 512, 512, 3]


@pytest.fixture(scope="module")
def comfy():
    """The package under a name that is no identifier, as ComfyUI loads what lies in `custom_nodes`."""
    name = "/ComfyUI/custom_nodes/flamecast"
    spec = importlib.util.spec_from_file_location(
        name, FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    yield module
    for loaded in [key for key in sys.modules if key.startswith(name)]:
        del sys.modules[loaded]


def call(module: Any, name: str, **links: Any) -> tuple:
    """A node with its defaults, what is linked, and what is typed, in inference mode; checks what it gives."""
    node = module.NODE_CLASS_MAPPINGS[name]
    kinds = node.INPUT_TYPES()
    values = dict(links)
    for key, (kind, *more) in kinds["required"].items():
        if key not in values:
            assert kind not in ("IMAGE", "AUDIO"), f"{key} must be linked"
            values[key] = kind[0] if isinstance(kind, list) else more[0]["default"]
    with torch.inference_mode():
        given = getattr(node(), node.FUNCTION)(**values)
    assert isinstance(given, tuple) and len(given) == len(node.RETURN_TYPES)
    for kind, value in zip(node.RETURN_TYPES, given):
        if kind == "IMAGE":
            assert value.dtype == torch.float32 and value.ndim == 4 and value.shape[3] == 3
            assert value.min() >= 0 and value.max() <= 1
        elif kind == "AUDIO":
            assert value["waveform"].ndim == 3 and value["sample_rate"] > 0
        else:
            assert isinstance(value, float)
    return given


def sound(seconds: float, rate: int = 16000) -> dict[str, Any]:
    """A buzz that comes and goes, in stereo."""
    time = torch.arange(round(seconds * rate)) / rate
    buzz = 0.4 * torch.sin(2 * np.pi * 160 * time) * (torch.sin(2 * np.pi * 3 * time) > 0)
    return {"waveform": buzz.expand(1, 2, -1).clone(), "sample_rate": rate}


def test_the_package_says_what_comfyui_asks_for(comfy):
    assert list(comfy.NODE_CLASS_MAPPINGS) == list(comfy.NODE_DISPLAY_NAME_MAPPINGS) == NAMES
    for node in comfy.NODE_CLASS_MAPPINGS.values():
        kinds = node.INPUT_TYPES()
        assert set(kinds) <= {"required", "optional", "hidden"}
        for group in kinds.values():
            for name, (kind, *more) in group.items():
                assert isinstance(kind, list) or kind in KINDS, name
                if kind in ("INT", "FLOAT"):
                    assert more[0]["min"] <= more[0]["default"] <= more[0]["max"]
                if kind == "STRING":
                    assert isinstance(more[0]["default"], str)
        assert set(node.RETURN_TYPES) <= KINDS and len(node.RETURN_TYPES) == len(node.RETURN_NAMES)
        assert node.CATEGORY == "flamecast" and callable(getattr(node, node.FUNCTION))
        takes = inspect.signature(getattr(node, node.FUNCTION)).parameters
        named = [name for name, each in takes.items() if each.kind is each.POSITIONAL_OR_KEYWORD and name != "self"]
        assert set(named) <= {**kinds["required"], **kinds["optional"]}.keys()


def test_words_give_what_the_pipeline_gives(comfy):
    given, fps = call(
        comfy, NAMES[0], photo=PHOTO, text="she nods", seconds=0.2, size=64, seed=3, emotion="", edit="smile=0.5"
    )
    asked = {"text": "she nods", "seconds": 0.2, "size": 64, "seed": 3, "fps": 25.0, "edit": "smile=0.5"}
    frames = AnimatePipeline()(astronaut(), **asked).frames
    assert fps == 25 and np.array_equal(given.numpy(), frames[:, 0].astype(np.float32) / 255)


def test_speech_gives_a_frame_for_each_moment_of_it_and_the_sound_back(comfy):
    audio = sound(0.4)
    given, fps, back = call(comfy, NAMES[1], photo=PHOTO, audio=audio, size=64, fps=20.0)
    assert given.shape == (8, 64, 64, 3) and fps == 20
    assert torch.equal(back["waveform"], audio["waveform"]) and back["sample_rate"] == 16000


def test_a_video_gives_as_many_frames_as_it_has(comfy):
    alpha = torch.ones(5, 320, 320, 1)
    video = torch.stack([PHOTO[0, :320, 60 + 2 * k : 380 + 2 * k] for k in range(5)])
    given, fps = call(comfy, NAMES[2], photo=PHOTO, video=torch.cat([video, alpha], 3), fps=12.5, size=64)
    assert given.shape == (5, 64, 64, 3) and fps == 12.5


def test_what_is_no_image_or_has_no_face_is_refused_in_a_sentence(comfy):
    for photo, said in ((PHOTO[0], r"photo must be an IMAGE \[B, H, W"), (torch.zeros(1, 99, 99, 3), "no face")):
        with pytest.raises(BadInput, match=said):
            call(comfy, NAMES[0], photo=photo, text="she nods", seconds=0.2, size=64)
    with pytest.raises(BadInput, match=r"audio must hold a waveform \[B, C, T\]"):
        call(comfy, NAMES[1], photo=PHOTO, audio={"waveform": torch.zeros(4), "sample_rate": 16000}, size=64)
    with pytest.raises(BadInput, match="nothing drives the portrait: give a video, a motion, text"):
        call(comfy, NAMES[0], photo=PHOTO, seconds=0.2, size=64)


def test_comfyuis_bar_is_moved_to_its_end(comfy, monkeypatch):
    seen: list[tuple[int, int]] = []
    bar = types.SimpleNamespace(update_absolute=lambda done, of: seen.append((done, of)))
    monkeypatch.setitem(sys.modules, "comfy", types.ModuleType("comfy"))
    monkeypatch.setitem(sys.modules, "comfy.utils", types.SimpleNamespace(ProgressBar=lambda total: bar))
    call(comfy, NAMES[0], photo=PHOTO, text="she nods", seconds=0.2, size=64)
    assert seen[-1] == (5, 5) and seen == sorted(seen)
