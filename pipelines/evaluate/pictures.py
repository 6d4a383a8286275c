"""How alike pictures are, and how steady: measures of regions of video frames beside the true ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
from skimage.metrics import structural_similarity

from ...flame_motion.tracking.landmarks import LIPS, OUTER_EYE_CORNERS
from ...training.generator.perceptual import PerceptualDistance

JUDGE = "efficientnet-lite1"  # a network that no training looks through
REGIONS = {"picture": 512, "head": 256, "mouth": 112}  # and the longer side, px, to which they are scaled
HEAD_ROOM = 0.6  # of the face's box on each side: hair and ears
MOUTH = 1.1  # side of the mouth's square, of the eyes' distance
Box = tuple[slice, slice]


def psnr(squared: float) -> float:
    """Peak signal-to-noise ratio in dB of a mean squared error of grey levels 0..255; infinite for none."""
    return float(10 * np.log10(255**2 / squared)) if squared > 0 else float("inf")


def ssim(picture: np.ndarray, truth: np.ndarray) -> float:
    """Structural similarity of pictures [H, W, 3] uint8 or floats 0..1 (Wang et al. 2004, windows of 7 px)."""
    span = 255 if picture.dtype == np.uint8 else 1.0
    return float(structural_similarity(picture, truth, channel_axis=2, data_range=span))


def edges(picture: np.ndarray) -> float:
    """Mean energy of the Laplacian of a picture [H, W, 3] uint8: how sharp it is."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float(np.square(cv2.Laplacian(grey, cv2.CV_32F)).mean())


def change_error(frames: np.ndarray, truth: np.ndarray) -> float:
    """Mean difference, grey levels, of how two clips [T, H, W, 3] change from frame to frame."""
    return float(np.abs(np.diff(frames, axis=0) - np.diff(truth, axis=0)).mean())


def unrest(frames: np.ndarray) -> float:
    """Mean size of the second difference of a clip [T, H, W, 3] in time, grey levels: what is not even motion."""
    return float(np.abs(np.diff(frames, n=2, axis=0)).mean())


def boxes(points: np.ndarray, height: int, width: int) -> dict[str, Box]:
    """Where head and mouth lie in a picture of that size, by its true landmarks [478, 3] px."""
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    room = HEAD_ROOM * (high - low)
    lips = points[LIPS, :2].mean(0)
    half = MOUTH / 2 * np.linalg.norm(np.subtract(*points[list(OUTER_EYE_CORNERS), :2]))
    found = {"head": (low - room, high + room), "mouth": (lips - half, lips + half)}
    return {name: _box(*corners, height, width) for name, corners in found.items()}


def _box(low: np.ndarray, high: np.ndarray, height: int, width: int) -> Box:
    """Rows and columns between two corners [x, y], within the picture, at least 8 px of it."""
    spans = []
    for at, size in ((1, height), (0, width)):
        start = int(np.clip(round(float(low[at])), 0, max(size - 8, 0)))
        spans.append(slice(start, int(np.clip(round(float(high[at])), min(start + 8, size), size))))
    return spans[0], spans[1]


@dataclass
class RegionSums:
    """What was measured of one region over pictures."""

    of: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def means(self) -> dict[str, float]:
        """The measures over all pictures; shares of sums, so that a picture without any edge does no harm."""
        mean = {name: float(np.mean(values)) for name, values in self.of.items()}
        share = lambda name: mean[name] / max(mean[f"true {name}"], 1e-6)  # noqa: E731
        return {
            "psnr": psnr(mean["squared"]), "ssim": mean["ssim"], "perceptual": mean["perceptual"],
            "sharpness": share("edges"), "flicker": mean["change"], "unrest": share("unrest"),
        }  # fmt: skip


class PictureJudge:
    """Compares frames of a video with the true ones, region by region."""

    def __init__(self) -> None:
        """BadInput where the perceptual distance is not installed."""
        self.network = PerceptualDistance(JUDGE)
        self.regions: dict[str, RegionSums] = defaultdict(RegionSums)
        self.mouths: list[np.ndarray] = []  # features [W] of each
        self.true_mouths: list[np.ndarray] = []

    def feed(self, frames: Sequence[np.ndarray], truth: Sequence[np.ndarray], where: Mapping[str, Box]) -> None:
        """Adds three neighbouring frames [H, W, 3] uint8 and the true ones; where: regions, of the middle frame."""
        whole = (slice(None), slice(None))
        for name, box in {"picture": whole, **where}.items():
            made, real = (np.stack([scaled(one[box], REGIONS[name]) for one in clip]) for clip in (frames, truth))
            self._add(self.regions[name], made, real)
            if name == "mouth":
                self.mouths.append(self._features(made[1]))
                self.true_mouths.append(self._features(real[1]))

    def _add(self, region: RegionSums, made: np.ndarray, real: np.ndarray) -> None:
        """Measures one region of clips [3, H, W, 3] uint8."""
        steps = made.astype(np.float32), real.astype(np.float32)
        picture, true = made[1], real[1]
        found = {
            "squared": float(np.square(steps[0][1] - steps[1][1]).mean()), "ssim": ssim(picture, true),
            "perceptual": self._distance(picture, true), "edges": edges(picture), "true edges": edges(true),
            "change": change_error(*steps), "unrest": unrest(steps[0]), "true unrest": unrest(steps[1]),
        }  # fmt: skip
        for name, value in found.items():
            region.of[name].append(value)

    @torch.inference_mode()
    def _distance(self, picture: np.ndarray, truth: np.ndarray) -> float:
        return float(self.network(as_batch(picture), as_batch(truth)))

    @torch.inference_mode()
    def _features(self, picture: np.ndarray) -> np.ndarray:
        """Means over the picture of the two deepest layers that the judge compares, [W]."""
        layers = list(self.network.features(as_batch(picture)))
        return torch.cat([layer.mean((2, 3)) for layer in layers[-2:]], 1)[0].double().numpy()


def as_batch(picture: np.ndarray) -> torch.Tensor:
    """A picture [H, W, 3] uint8 as [1, 3, H, W] 0..1."""
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float() / 255


def scaled(picture: np.ndarray, side: int) -> np.ndarray:
    """A picture [H, W, 3] whose longer side is `side` px."""
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    size = max(8, round(width * scale)), max(8, round(height * scale))
    if size == (width, height):
        return np.ascontiguousarray(picture)
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
