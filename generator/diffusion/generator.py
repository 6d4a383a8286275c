"""The `diffusion` generator: the warped photo, bettered around the face by the trained network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch

from ...flame_motion import BadInput, FlameSequence, Progress
from ...renderer import Cameras
from ..conditioning import Guidance, guide, motion_size
from ..portrait import Portrait
from ..warp import WarpGenerator
from .network import PortraitDenoiser
from .sampler import sample, start_of

WEIGHTS = Path(__file__).parent / "weights"
EDGE = 0.08  # of the square's side, over which what the network adds fades out
UNTOUCHED = 0.5 / 255  # a smaller change than that is none


class DiffusionGenerator:
    """Animates a portrait by geometry, and by a network around the face. Experimental.

    The network has seen photos' own cameras only: other views are as good as what it makes of the guidance.
    """

    def __init__(self, weights: str | os.PathLike[str] | None = None, steps: int | None = None) -> None:
        """weights: a folder that `save_pretrained` or a training wrote; steps: as the weights say if None. BadInput."""
        folder = Path(WEIGHTS if weights is None else weights)
        if not (folder / "config.json").is_file():
            raise BadInput(
                f"the diffusion generator's weights: expected a folder with config.json, got {folder}; train one with "
                "`flamecast train generator-image`, and give it with --generator-option weights=FOLDER"
            )
        try:
            self.network = PortraitDenoiser.from_pretrained(
                folder, use_safetensors=True, local_files_only=True, low_cpu_mem_usage=False
            )
        except (OSError, ValueError, RuntimeError, TypeError) as error:
            raise BadInput(f"{folder} holds no denoiser of flamecast ({str(error)[:100]})") from None
        self.network = self.network.float().eval().requires_grad_(False)
        self.steps = self.network.config.steps if steps is None else int(steps)
        if self.steps < 1:
            raise BadInput(f"steps must be 1 or more, got {self.steps}")

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Writes the network, as diffusers does."""
        self.network.save_pretrained(folder)

    def __call__(
        self,
        portrait: Portrait,
        motion: FlameSequence,
        cameras: Cameras | None = None,
        *,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Iterator[np.ndarray]:
        """One uint8 [V, H, W, 3] a frame of motion; what the network does not change is the warp generator's.

        BadInput for a head that the network does not know.
        """
        if motion_size(motion.expression.shape[1]) != self.network.config.motion:
            raise BadInput(f"the diffusion generator's weights are not for the head {motion.head}")
        left, top, side = portrait.face_window()
        size, fade = self.network.config.size, _fade(side)
        square = portrait.cropped(left, top, side, side).resized(size, size)
        seen_by = portrait.camera if cameras is None else cameras
        views = [seen_by.view(k).cropped(left, top, side, side).resized(size, size) for k in range(seen_by.views)]
        rngs = [torch.Generator().manual_seed(seed + k) for k in range(seen_by.views)]
        whole, done = WarpGenerator()(portrait, motion, cameras), 0
        for parts in zip(*(guide(square, motion, view) for view in views), strict=True):
            changes = [self._change(part, rng) for part, rng in zip(parts, rngs, strict=True)]
            for rows in zip(*changes, strict=True):
                frames = zip(next(whole), rows, strict=True)
                yield np.stack([_added(frame, change, fade, left, top) for frame, change in frames])
                done += 1
                if progress is not None:
                    progress("generate", done, len(motion))

    def _change(self, part: Guidance, rng: torch.Generator) -> np.ndarray:
        """What the network adds to the warped photo, [T, S, S, 3]."""
        given = part.batch()
        began = start_of(self.network.config.start, given["warped"], rng)
        made = sample(self.network, given, began, self.steps)
        return (made - given["warped"]).permute(0, 2, 3, 1).numpy()


def _fade(side: int) -> np.ndarray:
    """1 inside a square, falling to 0 at its edge, [side, side, 1]."""
    ramp = np.clip((0.5 + np.minimum(np.arange(side), np.arange(side)[::-1])) / (EDGE * side), 0, 1)
    return (np.minimum.outer(ramp, ramp)[..., None]).astype(np.float32)


def _added(frame: np.ndarray, change: np.ndarray, fade: np.ndarray, left: int, top: int) -> np.ndarray:
    """The frame [H, W, 3] uint8 with a change [S, S, 3] added in the square at (left, top), which may reach outside."""
    side = len(fade)
    change = np.where(np.abs(change) < UNTOUCHED, 0, change)
    change = cv2.resize(change, (side, side), interpolation=cv2.INTER_CUBIC if side > len(change) else cv2.INTER_AREA)
    height, width = frame.shape[:2]
    y0, x0, y1, x1 = max(top, 0), max(left, 0), min(top + side, height), min(left + side, width)
    if y0 >= y1 or x0 >= x1:
        return frame
    inside = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
    out = frame.copy()
    seen = out[y0:y1, x0:x1].astype(np.float32)
    out[y0:y1, x0:x1] = np.clip(seen + 255 * fade[inside] * change[inside] + 0.5, 0, 255).astype(np.uint8)
    return out
