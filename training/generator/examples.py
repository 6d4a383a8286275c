"""Examples that the generator learns from: a photo, and a window of frames and views of the same person.

A window has V views of T frames in a row, V T pictures, frames running fastest.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from torch import Tensor

from ...flame_motion import BadInput, FlameSequence
from ...generator import Portrait
from ...generator.conditioning import Conditioning, render_conditioning
from ...generator.warp import WarpGenerator
from ...renderer import Cameras
from .shards import PICTURES

Example = dict[str, np.ndarray]  # `shards.ARRAYS` by name


@dataclass(frozen=True)
class ExampleOptions:
    """How many examples a clip gives, and how large they are."""

    size: int = 256  # px of a picture
    sources: int = 3  # photos a clip, as unlike each other as they are
    targets: int = 16  # windows for each photo, as unlike it
    frames: int = 1  # of a window, one after the other
    max_frames: int = 250  # of a clip, that are looked at
    depth_guided: bool = True  # see `render_conditioning`
    round_trip: bool = False  # a photo drawn in another pose is the source, the photo itself the target

    def __post_init__(self) -> None:
        if self.round_trip and self.frames != 1:
            raise BadInput(f"round trips are single pictures: {self.frames} frames of a window cannot be asked for too")


class FaceSquare:
    """The square around a portrait's face at the size of the examples' pictures."""

    def __init__(self, portrait: Portrait, options: ExampleOptions) -> None:
        self.window, self.whole, self.options = portrait.face_window(), portrait, options
        self.portrait, self.warp = self._cropped(portrait), WarpGenerator(mouth=False)

    def cut(self, frame: np.ndarray) -> np.ndarray:
        """The same square of another frame [H, W, 3] uint8."""
        return self._cropped(replace(self.whole, image=frame)).image

    def conditioning(self, motion: FlameSequence, camera: Cameras | None = None) -> Conditioning:
        """Of all frames of a motion, seen by the photo's camera when None."""
        chunks = render_conditioning(
            self.portrait, motion, camera, depth_guided=self.options.depth_guided, warp=self.warp
        )  # fmt: skip
        return Conditioning.concatenate(list(chunks))

    def _cropped(self, portrait: Portrait) -> Portrait:
        left, top, side = self.window
        return portrait.cropped(left, top, side, side).resized(self.options.size, self.options.size)


def example_of(conditioning: Conditioning, targets: list[np.ndarray]) -> Example:
    """An example by name: pictures as bytes [V T, S, S, 3] and the rest in half precision; one source [S, S, 3].

    targets: V T true pictures [S, S, 3] uint8.
    """
    values = {field.name: getattr(conditioning, field.name) for field in fields(conditioning)}
    arrays = {name: _bytes(x) if name in PICTURES else x.half().numpy() for name, x in values.items()}
    return arrays | {"target": np.stack(targets)}


def _bytes(pictures: Tensor) -> np.ndarray:
    """Pictures [..., 3, S, S] 0..1 as uint8 [..., S, S, 3]."""
    return (pictures.movedim(-3, -1) * 255).round().byte().numpy()
