"""The `diffusion` generator: the warped photo, improved around the face by the trained network."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from ...core.networks import load_network, save_network, weight_files
from ...flame_motion import BadInput, FlameSequence, Progress
from ...renderer import Cameras
from ..conditioning import CHUNK, Conditioning, motion_size, render_conditioning
from ..portrait import Portrait
from ..warp import WarpGenerator
from .network import CONDITIONS, PortraitConfig, PortraitDenoiser
from .sampler import sample, start_latents

WEIGHTS = Path(__file__).parent / "weights"
DENOISER = "denoiser"  # the network's name in a folder
EDGE = 0.08  # of the square's side, over which what the network adds fades out
UNTOUCHED = 0.5 / 255  # a smaller change than that is none
HALF = CHUNK // 2  # frames by which windows overlap in time


class DiffusionGenerator:
    """Animates a portrait by geometry, and by a network around the face. Experimental.

    All views are sampled together, and frames in windows that overlap, where the network has layers across views and
    frames; the shipped one has neither, and knows the photo's own camera.
    """

    def __init__(
        self,
        weights: str | os.PathLike[str] | None = None,
        steps: int | None = None,
        guidance: dict[str, float] | str | None = None,
    ) -> None:
        """weights: see `load_denoiser`; the shipped ones when None. steps: of sampling; as the weights say when None.

        guidance: the scale of classifier-free guidance by condition, or "source=1.5,flow=2". Raises BadInput.
        """
        self.network = load_denoiser(WEIGHTS if weights is None else weights)
        self.steps = self.network.config.sampling_steps if steps is None else int(steps)
        if self.steps < 1:
            raise BadInput(f"steps must be 1 or more, got {self.steps}")
        self.guidance = _read_guidance(guidance) if isinstance(guidance, str) else guidance or {}
        if unknown := sorted(set(self.guidance) - set(CONDITIONS)):
            raise BadInput(f"guidance of {unknown[0]!r}: conditions are {', '.join(CONDITIONS)}")

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str], **options: Any) -> DiffusionGenerator:
        """The generator with the weights that `save_pretrained` wrote to a folder; other options as at first."""
        return cls(**options | {"weights": folder})

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Writes the network as it is now to FOLDER/denoiser.safetensors and .json."""
        save_network(Path(folder) / DENOISER, self.network, {"what": "diffusion generator"}, half=False)

    def to(self, device: str | torch.device) -> DiffusionGenerator:
        """Moves the network to a device and returns itself; the geometry around it is drawn on the CPU."""
        self.network.to(device)
        return self

    def __call__(
        self, portrait: Portrait, motion: FlameSequence, cameras: Cameras | None = None, *, seed: int = 0,
        progress: Progress | None = None,
    ) -> Iterator[np.ndarray]:  # fmt: skip
        """One uint8 [V, H, W, 3] a frame of motion; what the network does not change is the warp generator's.

        BadInput for a head of another size than the network was trained with.
        """
        if motion_size(motion.expression.shape[1]) != self.network.config.motion_size:
            raise BadInput(f"the diffusion generator's weights are not for the head {motion.head}")
        left, top, side = portrait.face_window()
        size, fade = self.network.config.size, _fade(side)
        square = portrait.cropped(left, top, side, side).resized(size, size)
        seen_by = portrait.camera if cameras is None else cameras
        views = [seen_by.view(k).cropped(left, top, side, side).resized(size, size) for k in range(seen_by.views)]
        warp = WarpGenerator(mouth=False)  # as the network was trained
        chunks = zip(*(render_conditioning(square, motion, view, warp=warp) for view in views), strict=True)
        whole = WarpGenerator(mouth=False)(portrait, motion, cameras)
        for done, (frame, change) in enumerate(zip(whole, self._changes(chunks, seed), strict=True), 1):
            yield np.stack([_added(*view, fade, left, top) for view in zip(frame, change, strict=True)])
            if progress is not None:
                progress("generate", done, len(motion))

    def _changes(self, chunks: Iterable[tuple[Conditioning, ...]], seed: int) -> Iterator[np.ndarray]:
        """What the network adds to each frame's warped photos, [V, S, S, 3]; a chunk holds the views' conditioning.

        A network with layers across frames samples windows of `CHUNK` frames. Each begins in the middle of the one
        before, and is cross-faded with it over the frames that both have.
        """
        first = 0
        if not self.network.stage_parameters("temporal"):
            for chunk in chunks:
                yield from self._sampled(chunk, seed, first)
                first += len(chunk[0])
            return
        before, ending = None, None  # the half that the last window ended with, and what was sampled for it
        for half in (half for chunk in chunks for half in _halves(chunk)):
            if before is not None:
                joined = tuple(Conditioning.concatenate(list(pair)) for pair in zip(before, half, strict=True))
                change = self._sampled(joined, seed, first)
                again, fresh = change[: len(before[0])], change[len(before[0]) :]
                yield from again if ending is None else _cross_faded(ending, again)
                first, ending = first + len(again), fresh
            before = half
        if before is not None:
            yield from self._sampled(before, seed, first) if ending is None else ending

    def _sampled(self, window: tuple[Conditioning, ...], seed: int, first: int) -> np.ndarray:
        """What the network adds in a window of all views from frame `first` on, [T, V, S, S, 3]."""
        views, frames = len(window), len(window[0])
        rows, device = [view.batch() for view in window], self.network.device
        conditions: dict[str, Any] = {name: torch.cat([row[name] for row in rows]).to(device) for name in rows[0]}
        conditions["source"] = window[0].source[None].to(device)  # one for all rows
        # A frame's noise is its own, whichever window it is in.
        numbers = [(seed * 1009 + view) * 1_000_003 + first + k for view in range(views) for k in range(frames)]
        start = torch.cat([
            start_latents(self.network.config.start, latents[None], torch.Generator().manual_seed(number % 2**64))
            for latents, number in zip(self.network.encode(conditions["warped"]), numbers, strict=True)
        ])  # fmt: skip
        pictures = sample(
            self.network, conditions, start, self.steps, views=views, frames=frames, guidance=self.guidance
        )  # fmt: skip
        change = (pictures - conditions["warped"]).permute(0, 2, 3, 1).unflatten(0, (views, frames))
        return change.transpose(0, 1).cpu().numpy()


def load_denoiser(weights: str | os.PathLike[str]) -> PortraitDenoiser:
    """The network of weights WEIGHTS.safetensors and WEIGHTS.json, or of a folder with `denoiser` so. BadInput."""
    path = Path(weights)
    path = path / DENOISER if path.is_dir() else path
    if not weight_files(path)[1].is_file():
        raise BadInput(
            f"the diffusion generator's weights: expected {path}.safetensors and its card {path}.json; train some with "
            "`flamecast train generator-image output=WEIGHTS`, and give them with --generator-option weights=WEIGHTS"
        )
    return load_network(path, lambda sizes: PortraitDenoiser(PortraitConfig(**sizes)))[0]


def _cross_faded(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """One window's frames [T, ...] passing over into the next one's."""
    share = ((np.arange(len(old), dtype=np.float32) + 0.5) / len(old)).reshape(-1, *[1] * (old.ndim - 1))
    return (1 - share) * old + share * new


def _halves(chunk: tuple[Conditioning, ...]) -> Iterator[tuple[Conditioning, ...]]:
    """A chunk of all views, cut in half."""
    for start in range(0, len(chunk[0]), HALF):
        yield tuple(view.frames(start, start + HALF) for view in chunk)


def _read_guidance(text: str) -> dict[str, float]:
    """ "source=1.5,flow=2" as scales by condition. BadInput."""
    try:
        pairs = [part.split("=") for part in text.split(",") if part.strip()]
        return {name.strip(): float(scale) for name, scale in pairs}
    except ValueError:
        raise BadInput(f"guidance {text!r}: expected condition=scale, as in source=1.5,flow=2") from None


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
