"""The `diffusion` generator: the warped photo, bettered around the face by the trained network."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from ...core.files import atomic_path
from ...flame_motion import BadInput, FlameSequence, Progress
from ...renderer import Cameras
from ..conditioning import CHUNK, Guidance, guide, motion_size
from ..portrait import Portrait
from ..warp import WarpGenerator
from .network import CONDITIONS, PortraitDenoiser
from .sampler import sample, start_of

WEIGHTS = Path(__file__).parent / "weights"
INDEX = "model_index.json"  # what a folder holds, as diffusers' pipelines say it
PARTS = {"_class_name": "DiffusionGenerator", "denoiser": ["flamecast.generator.diffusion.network", "PortraitDenoiser"]}
EDGE = 0.08  # of the square's side, over which what the network adds fades out
UNTOUCHED = 0.5 / 255  # a smaller change than that is none
HALF = CHUNK // 2  # frames by which windows overlap in time


class DiffusionGenerator:
    """Animates a portrait by geometry, and by a network around the face. Experimental.

    All views are made together, and frames in windows that overlap, where the weights know views and frames; those
    that ship know single pictures of the photo's own camera.
    """

    def __init__(
        self,
        weights: str | os.PathLike[str] | None = None,
        steps: int | None = None,
        guidance: dict[str, float] | str | None = None,
    ) -> None:
        """weights: a folder that `save_pretrained` or a training wrote; steps: as the weights say if None.

        guidance: how many times a condition's effect is taken, by its name, or as "source=1.5,flow=2". BadInput.
        """
        self.network = load_network(weights)
        self.steps = self.network.config.steps if steps is None else int(steps)
        if self.steps < 1:
            raise BadInput(f"steps must be 1 or more, got {self.steps}")
        self.guidance = _read_guidance(guidance) if isinstance(guidance, str) else guidance or {}
        if unknown := sorted(set(self.guidance) - set(CONDITIONS)):
            raise BadInput(f"guidance of {unknown[0]!r}: conditions are {', '.join(CONDITIONS)}")

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str], **options: Any) -> DiffusionGenerator:
        """The generator with the weights that `save_pretrained` wrote to a folder; further options as at first."""
        return cls(**options | {"weights": folder})

    def to(self, device: str | torch.device) -> DiffusionGenerator:
        """Moves the network to a device and returns itself; the geometry around it is drawn on the CPU."""
        self.network.to(device)
        return self

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Writes the network as diffusers does, and an index beside it."""
        save_network(self.network, folder)

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
        if motion_size(motion.expression.shape[1]) != self.network.config.motion_numbers:
            raise BadInput(f"the diffusion generator's weights are not for the head {motion.head}")
        left, top, side = portrait.face_window()
        size, fade = self.network.config.size, _fade(side)
        square = portrait.cropped(left, top, side, side).resized(size, size)
        seen_by = portrait.camera if cameras is None else cameras
        views = [seen_by.view(k).cropped(left, top, side, side).resized(size, size) for k in range(seen_by.views)]
        warp = WarpGenerator()
        parts = zip(*(guide(square, motion, view, warp=warp) for view in views), strict=True)
        whole = WarpGenerator()(portrait, motion, cameras)
        for done, (frame, change) in enumerate(zip(whole, self._changes(parts, seed), strict=True), 1):
            yield np.stack([_added(*view, fade, left, top) for view in zip(frame, change, strict=True)])
            if progress is not None:
                progress("generate", done, len(motion))

    def _changes(self, parts: Iterable[tuple[Guidance, ...]], seed: int) -> Iterator[np.ndarray]:
        """What the network adds to each frame's warped photos, [V, S, S, 3].

        Where it knows frames, each window of `CHUNK` begins in the middle of the one before, and takes over from it.
        """
        first = 0
        if not self.network.trained_in("temporal"):
            for part in parts:
                yield from self._made(part, seed, first)
                first += len(part[0])
            return
        before, ending = None, None  # the half that the last window ended with, and what it made of that
        for half in (half for part in parts for half in _halves(part)):
            if before is not None:
                joined = tuple(Guidance.concatenate(list(pair)) for pair in zip(before, half, strict=True))
                made = self._made(joined, seed, first)
                again, fresh = made[: len(before[0])], made[len(before[0]) :]
                yield from again if ending is None else _taken_over(ending, again)
                first, ending = first + len(again), fresh
            before = half
        if before is not None:
            yield from self._made(before, seed, first) if ending is None else ending

    def _made(self, window: tuple[Guidance, ...], seed: int, first: int) -> np.ndarray:
        """What the network adds in a window of all views from frame `first` on, [T, V, S, S, 3]."""
        views, frames = len(window), len(window[0])
        rows = [view.batch() for view in window]
        device = self.network.device
        given: dict[str, Any] = {k: torch.cat([row[k] for row in rows]).to(device) for k in rows[0]}
        given["source"] = window[0].source[None].to(device)  # one for all rows
        codes = self.network.encode(given["warped"])
        # A frame's noise is its own, whichever window it is in.
        numbers = [(seed * 1009 + view) * 1_000_003 + first + k for view in range(views) for k in range(frames)]
        began = torch.cat([
            start_of(self.network.config.start, code[None], torch.Generator().manual_seed(number))
            for code, number in zip(codes, numbers, strict=True)
        ])  # fmt: skip
        made = sample(self.network, given, began, self.steps, views=views, frames=frames, guidance=self.guidance)
        change = (made - given["warped"]).permute(0, 2, 3, 1).unflatten(0, (views, frames))
        return change.transpose(0, 1).cpu().numpy()


def _taken_over(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """One window's frames [T, ...] passing over into the next one's."""
    share = ((np.arange(len(old), dtype=np.float32) + 0.5) / len(old)).reshape(-1, *[1] * (old.ndim - 1))
    return (1 - share) * old + share * new


def _halves(parts: tuple[Guidance, ...]) -> Iterator[tuple[Guidance, ...]]:
    """Chunks of all views, cut in half."""
    for start in range(0, len(parts[0]), HALF):
        yield tuple(part.frames(start, start + HALF) for part in parts)


def _read_guidance(text: str) -> dict[str, float]:
    """ "source=1.5,flow=2" as numbers by name. BadInput."""
    try:
        pairs = [part.split("=") for part in text.split(",") if part.strip()]
        return {name.strip(): float(times) for name, times in pairs}
    except ValueError:
        raise BadInput(f"guidance {text!r}: expected condition=times, as in source=1.5,flow=2") from None


def save_network(network: PortraitDenoiser, folder: str | os.PathLike[str]) -> Path:
    """Writes a denoiser as `load_network` reads it; where."""
    network.save_pretrained(Path(folder) / "denoiser")
    with atomic_path(Path(folder) / INDEX) as file:
        Path(file).write_text(json.dumps(PARTS, indent=1) + "\n", encoding="utf-8")
    return Path(folder) / "denoiser" / "diffusion_pytorch_model.safetensors"


def load_network(weights: str | os.PathLike[str] | None = None) -> PortraitDenoiser:
    """The denoiser in a folder (the shipped one when None), at rest. BadInput."""
    folder = Path(WEIGHTS if weights is None else weights)
    if not (folder / INDEX).is_file():
        raise BadInput(
            f"the diffusion generator's weights: expected a folder with {INDEX}, got {folder}; train one with "
            "`flamecast train generator-image`, and give it with --generator-option weights=FOLDER"
        )
    try:
        network = PortraitDenoiser.from_pretrained(
            folder / "denoiser", use_safetensors=True, local_files_only=True, low_cpu_mem_usage=False
        )
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        raise BadInput(f"{folder} holds no denoiser of flamecast ({str(error)[:100]})") from None
    return network.float().eval().requires_grad_(False)


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
