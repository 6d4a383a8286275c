"""Three nodes over `AnimatePipeline`: a photo animated by words, by speech, by a video.

ComfyUI's IMAGE is a float tensor [B, H, W, C], 0..1; its AUDIO {"waveform": [B, C, T], "sample_rate": Hz}.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from flamecast.core.options import Option
from flamecast.core.plugins import DRIVER_OPTIONS
from flamecast.flame_motion import BadInput, VideoClip, Waveform
from flamecast.pipelines import AnimatePipeline
from flamecast.pipelines.request import all_options, plugin_options

Kinds = dict[str, dict[str, Any]]
COMMON = ("size", "seed", "framing", "mode", "strength")  # what every node takes; the names are those of a request
FREE = ("edit", "camera")
LONGEST = 600.0  # s
TYPES = {int: "INT", float: "FLOAT", bool: "BOOLEAN", str: "STRING"}


def request_inputs(*names: str, **changed: dict[str, Any]) -> dict[str, Any]:
    """Options of a request as ComfyUI takes them, made from their fields; changed: facts that are this node's own."""
    fields = all_options()
    return {name: _input(fields[name], changed.get(name, {})) for name in names}


def driver_inputs(driver: str) -> dict[str, Any]:
    """The options that a driver declares, as ComfyUI takes them."""
    return {name: _input(each.option, {}) for name, each in plugin_options(DRIVER_OPTIONS, driver).items()}


def _input(field: Option, changed: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """One field: ComfyUI's type, with default, range and help."""
    facts: dict[str, Any] = {"default": field.default, "min": field.minimum, "max": field.maximum}
    facts |= {"tooltip": field.help_text, **changed}
    if field.plain_type is float:
        facts.setdefault("step", 0.05)
    if field.plain_type is str and not field.choices:
        facts["default"] = facts["default"] or ""
    facts = {name: value for name, value in facts.items() if value is not None}
    return (list(field.choices) if field.choices else TYPES[field.plain_type]), facts


def _words() -> dict[str, Any]:
    return request_inputs("text", "emotion", text={"multiline": True})


def _fps() -> dict[str, Any]:
    return request_inputs("fps", fps={"default": 25.0, "step": 0.01})


class AnimateText:
    """Animates a photo by words."""

    CATEGORY, FUNCTION = "flamecast", "animate"
    RETURN_TYPES: ClassVar = ("IMAGE", "FLOAT")
    RETURN_NAMES: ClassVar = ("frames", "fps")

    @classmethod
    def INPUT_TYPES(cls) -> Kinds:
        words, length = _words(), {"default": 4.0, "min": 0.1, "max": LONGEST, "step": 0.1}
        own = {"photo": ("IMAGE",), "text": words.pop("text"), **request_inputs("seconds", seconds=length), **_fps()}
        required = own | request_inputs(*COMMON, size={"step": 2}) | driver_inputs("text")
        return {"required": required, "optional": words | request_inputs("style", *FREE)}

    def animate(self, photo: Tensor, **options: Any) -> tuple[Tensor, float]:
        """Frames [T, H, W, 3] and their rate, Hz."""
        return _animated(photo, options)


class AnimateSpeech:
    """Makes a photo speak a recording."""

    CATEGORY, FUNCTION = "flamecast", "animate"
    RETURN_TYPES: ClassVar = ("IMAGE", "FLOAT", "AUDIO")
    RETURN_NAMES: ClassVar = ("frames", "fps", "audio")

    @classmethod
    def INPUT_TYPES(cls) -> Kinds:
        own = {"photo": ("IMAGE",), "audio": ("AUDIO",), **_fps(), **driver_inputs("speech")}
        required = own | request_inputs(*COMMON, size={"step": 2})
        return {"required": required, "optional": _words() | request_inputs("style", *FREE)}

    def animate(self, photo: Tensor, audio: dict[str, Any], **options: Any) -> tuple[Tensor, float, dict[str, Any]]:
        """Frames [T, H, W, 3], their rate, Hz, and the same sound."""
        return *_animated(photo, options | {"speech": _waveform(audio)}), audio


class AnimateVideo:
    """Animates a photo by the face in a video."""

    CATEGORY, FUNCTION = "flamecast", "animate"
    RETURN_TYPES: ClassVar = ("IMAGE", "FLOAT")
    RETURN_NAMES: ClassVar = ("frames", "fps")

    @classmethod
    def INPUT_TYPES(cls) -> Kinds:
        own = {"photo": ("IMAGE",), "video": ("IMAGE",), **_fps(), **driver_inputs("video")}
        required = own | request_inputs(*COMMON, size={"step": 2})
        return {"required": required, "optional": _words() | request_inputs(*FREE)}

    def animate(self, photo: Tensor, video: Tensor, fps: float, **options: Any) -> tuple[Tensor, float]:
        """As many frames [T, H, W, 3] as `video` [T, H', W', C] has, at its rate `fps`, Hz."""
        return _animated(photo, options | {"video": VideoClip(list(_pixels(video, "video")), fps)})


NODE_CLASS_MAPPINGS = {
    "FlamecastAnimateText": AnimateText,
    "FlamecastAnimateSpeech": AnimateSpeech,
    "FlamecastAnimateVideo": AnimateVideo,
}
NODE_DISPLAY_NAME_MAPPINGS = {
    "FlamecastAnimateText": "flamecast animate (text)",
    "FlamecastAnimateSpeech": "flamecast animate (speech)",
    "FlamecastAnimateVideo": "flamecast animate (video)",
}


@lru_cache(maxsize=1)
def _pipeline() -> AnimatePipeline:
    """One for all nodes: models are loaded once."""
    return AnimatePipeline()


def _animated(photo: Tensor, options: dict[str, Any]) -> tuple[Tensor, float]:
    """Frames [T, H, W, 3] and their rate, Hz. Texts that are empty were not given. BadInput stops the workflow."""
    given = {name: value for name, value in options.items() if value != ""}
    with torch.inference_mode(False):  # what stays loaded must not be bound to ComfyUI's inference mode
        done = _pipeline()(_pixels(photo, "photo")[0], **given, progress=_progress())
    assert done.frames is not None
    for problem in done.problems:
        print(f"flamecast: {problem}")
    return torch.from_numpy(done.frames[:, 0]).float() / 255, float(done.report["fps"])


def _pixels(images: Tensor, name: str) -> np.ndarray:
    """An IMAGE [B, H, W, C] as uint8 RGB [B, H, W, 3]. BadInput for another shape."""
    if images.ndim != 4 or len(images) == 0 or images.shape[3] not in (1, 3, 4):
        raise BadInput(f"{name} must be an IMAGE [B, H, W, 1, 3 or 4] with B >= 1, got {list(images.shape)}")
    colors = images[..., :3] if images.shape[3] > 1 else images.expand(-1, -1, -1, 3)
    return (colors.detach().cpu().float().clamp(0, 1) * 255).round().to(torch.uint8).contiguous().numpy()


def _waveform(audio: dict[str, Any]) -> Waveform:
    """An AUDIO's first clip, its channels averaged."""
    samples = audio["waveform"].detach().cpu().float()
    if samples.ndim != 3 or samples.numel() == 0:
        raise BadInput(f"audio must hold a waveform [B, C, T], got {list(samples.shape)}")
    return Waveform(samples[0].mean(0).clamp(-1, 1).numpy(), int(audio["sample_rate"]))


def _progress() -> Any:
    """ComfyUI's progress bar, where it is; its bar also stops the work when the user cancels."""
    try:
        from comfy.utils import ProgressBar
    except ImportError:
        return None
    bar = ProgressBar(1)

    def show(stage: str, done: int, of: int) -> None:
        if stage == "generate" and of:
            bar.update_absolute(done, of)

    return show
