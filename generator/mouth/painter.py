"""The network at work: once a photo its own mouth is read, then each drawn frame's mouth is changed in place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...core.easing import smoothstep
from ...core.files import PathLike
from ...core.networks import load_network
from ...core.threads import one_torch_thread
from ...renderer import Cameras, clip, rasterize
from ..portrait import Portrait
from .crop import MouthCrop, MouthMarks, cut, place_mouth, put_back
from .network import MouthConfig, MouthNetwork, Reference, in_channels_last
from .parts import parts_in_crop

WEIGHTS = Path(__file__).with_name("weights") / "mouth"
COLORED = 12.0  # grey levels between a photo's channels around the mouth, on average, from which on it is in color
STILL, MOVED = 0.25, 2.5  # px of a crop: lips that moved less than the first are left alone, from the second on changed


@lru_cache(maxsize=1)
def mouth_network() -> MouthNetwork:
    """The network of the package."""
    return load_mouth(WEIGHTS)


def load_mouth(weights: PathLike) -> MouthNetwork:
    """A network that `flamecast train mouth` wrote. BadInput."""
    network = load_network(weights, lambda sizes: MouthNetwork(MouthConfig(tuple(sizes["widths"]))))[0]
    return in_channels_last(network)


@dataclass(frozen=True, eq=False)
class MouthPainter:
    """A network that knows one photo's mouth."""

    network: MouthNetwork
    marks: MouthMarks
    eyes: float  # m between the outer eye corners
    photo: MouthCrop  # where the photo's mouth is in it
    reference: Reference
    vivid: float  # how much color it may add, 0..1: none in a photo that has none

    @classmethod
    @one_torch_thread()
    def of(cls, portrait: Portrait, faces: Tensor, part: np.ndarray, network: MouthNetwork) -> MouthPainter | None:
        """For a portrait, of whose head faces [F, 3] are drawn, each of a part [F]; None where no mouth is seen."""
        marks = MouthMarks.of(portrait.head)
        if marks is None:
            return None
        corners = portrait.vertices()[0, torch.from_numpy(marks.eyes)]
        eyes, posed = float((corners[0] - corners[1]).norm()), clip(portrait.camera, portrait.vertices())[0]
        crop = place_mouth(marks, posed[0].numpy(), eyes, portrait.camera)
        if crop is None:
            return None
        height, width = portrait.image.shape[:2]
        seen = rasterize(posed, faces, 2 * height, 2 * width)[0].numpy()
        parts = parts_in_crop(seen, part, 0, 0, crop.crop_from_picture)
        photo = cut(portrait.image, crop.crop_from_picture)
        with torch.inference_mode():
            reference = network.reference(_planes(photo), _planes(parts))
        return cls(network, marks, eyes, crop, reference, min(float(np.ptp(photo, axis=2).mean()) / COLORED, 1.0))

    @one_torch_thread()
    def paint(
        self, frame: np.ndarray, posed: np.ndarray, seen: np.ndarray, part: np.ndarray, top: int, left: int,
        camera: Cameras,
    ) -> None:  # fmt: skip
        """Changes the mouth of a drawn frame [H, W, 3] uint8, as far as its lips moved from where the photo has them.

        posed [N, 4]: clip coordinates of the head's vertices; seen [2 h, 2 w] int32: the triangle that each quarter of
        a pixel shows, of a window from (top, left) on; part [F] of these triangles.
        """
        crop = place_mouth(self.marks, posed, self.eyes, camera)
        if crop is None:
            return
        gain = self.gain(crop)
        if gain > 0:
            parts = parts_in_crop(seen, part, top, left, crop.crop_from_picture)
            change = self.change(cut(frame, crop.crop_from_picture), parts, crop.open)
            put_back(frame, crop.crop_from_picture, gain * change)

    def gain(self, crop: MouthCrop) -> float:
        """How far a mouth is changed, 0..1: not at all while the lips are as in the photo, wherever the head went."""
        moved = float(np.abs(crop.lips - self.photo.lips).max())
        return float(smoothstep(torch.tensor((moved - STILL) / (MOVED - STILL))))

    @torch.inference_mode()
    def change(self, drawn: np.ndarray, parts: np.ndarray, apart: float) -> np.ndarray:
        """What to add to a drawn crop [HEIGHT, WIDTH, 3] uint8, float32 in 0..255; apart: `MouthCrop.open`."""
        numbers = torch.tensor([numbers_of(apart, self.photo.open, self.photo.scale)])
        change = self.network(_planes(drawn), _planes(parts), numbers, self.reference)[0]
        change = torch.lerp(change.mean(1, keepdim=True), change, self.vivid)
        return np.ascontiguousarray(255 * change[0].permute(1, 2, 0).numpy())


def numbers_of(now: float, photo: float, pixels: float) -> tuple[float, float, float]:
    """What the network is told of a frame in three numbers.

    now, photo: between the inner lips, in eyes' distances; pixels: of the photo to one of the crop.
    """
    return 4 * now, 4 * photo, float(np.clip(np.log2(pixels), -1, 1))


def _planes(picture: np.ndarray) -> Tensor:
    """[h, w, C] uint8 as [1, C, h, w] 0..1."""
    return torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
