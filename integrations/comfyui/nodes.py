"""Three nodes over `AnimatePipeline`: a photo animated by words, by speech, by a video.

ComfyUI's IMAGE is a float tensor [B, H, W, C], 0..1; its AUDIO {"waveform": [B, C, T], "sample_rate": Hz}.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from flamecast.flame_motion import BadInput, VideoClip, Waveform
from flamecast.pipelines import AnimatePipeline

Kinds = dict[str, dict[str, Any]]
# What every node takes besides what drives; the names are those of `AnimatePipeline`.
COMMON: dict[str, Any] = {
    "size": ("INT", {"default": 512, "min": 64, "max": 4096, "step": 2, "tooltip": "Longest side, px."}),
    "seed": ("INT", {"default": 0, "min": 0, "max": 2**53 - 1}),
    "framing": (["photo", "face"], {"tooltip": "The whole photo, or a square around the head."}),
    "mode": (["relative", "absolute"], {"tooltip": "The driver's changes, or its pose and expression as they are."}),
    "strength": ("FLOAT", {"default": 1.0, "min": 0.0, "max": 2.0, "step": 0.05}),
}
FREE: dict[str, Any] = {
    "edit": ("STRING", {"default": "", "tooltip": "smile=0.5,yaw=15deg"}),
    "camera": ("STRING", {"default": "", "tooltip": "orbit:20, arc:-15,15, dolly:0.8"}),
}
WORDS = ("STRING", {"default": "", "multiline": True, "tooltip": "she nods twice, then looks up to her left"})
FEELING = ("STRING", {"default": "", "tooltip": "amused, breaking into a laugh"})
FPS = ("FLOAT", {"default": 25.0, "min": 1.0, "max": 240.0, "step": 0.01})


class AnimateText:
    """Animates a photo by words."""

    CATEGORY, FUNCTION = "flamecast", "animate"
    RETURN_TYPES: ClassVar = ("IMAGE", "FLOAT")
    RETURN_NAMES: ClassVar = ("frames", "fps")

    @classmethod
    def INPUT_TYPES(cls) -> Kinds:
        seconds = ("FLOAT", {"default": 4.0, "min": 0.1, "max": 600.0, "step": 0.1})
        own = {"photo": ("IMAGE",), "text": WORDS, "seconds": seconds, "fps": FPS}
        return {"required": own | COMMON, "optional": {"emotion": FEELING} | FREE}

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
        amount = ("FLOAT", {"default": 1.0, "min": 0.0, "max": 2.0, "step": 0.05})
        own = {"photo": ("IMAGE",), "audio": ("AUDIO",), "fps": FPS, "lips": amount, "head_motion": amount}
        return {"required": own | COMMON, "optional": {"text": WORDS, "emotion": FEELING} | FREE}

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
        own = {"photo": ("IMAGE",), "video": ("IMAGE",), "fps": FPS}
        return {"required": own | COMMON, "optional": {"text": WORDS, "emotion": FEELING} | FREE}

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
