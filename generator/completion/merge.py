"""The whole head of a photo: its own pixels where it shows them, the network's answer elsewhere, no rim between.

Where both are known they differ by light and tint; that difference is carried on into what is hidden, hair's to hair
and skin's to skin, and fades with the distance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ...flame_motion.easing import smoothstep
from ..portrait import Portrait
from .atlas import COLUMNS, ROWS, blurred, grid_mesh, surface_normals, surface_points
from .frame import AtlasView, atlas_view
from .network import Completed, CompletionNetwork
from .seen import in_photo, look, network_input, unhidden
from .strands import continued_detail

FINE = 2  # times the atlas's side that colors are kept at
ASLANT = (0.15, 0.45)  # cosines between which the photo's pixels fade in
SURE = (0.8, 1.0)  # mattes between which they do
EDGE = 0.003  # m beside the person's outline that the photo mixes with the background
REACHES = (48.0, 24.0, 12.0, 6.0, 3.0)  # texels over which what was learned at the border is carried on


@dataclass(frozen=True)
class WholeHead:
    """A head's surface all around; h x w = FINE times ROWS x COLUMNS."""

    radius: np.ndarray  # [h, w] m
    there: np.ndarray  # [h, w] bool
    color: np.ndarray  # [h, w, 3] 0..255
    hair: np.ndarray  # [h, w] 0..1, how much of it is hair
    shown: np.ndarray  # [h, w] 0..1, how much is the photo's own pixels
    view: AtlasView

    def mesh(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Vertices [N, 3] m, triangles [F, 3], colors [N, 3] 0..255."""
        vertices, faces = grid_mesh(self.radius, self.there)
        return vertices, faces, np.concatenate([self.color.reshape(-1, 3), self.color[0].mean(0)[None]])


@torch.no_grad()
def complete(portrait: Portrait, network: CompletionNetwork, strands: bool = True) -> WholeHead:
    """The whole head of a portrait."""
    made = network(torch.from_numpy(network_input(look(portrait)))[None])
    return merge(portrait.image, portrait.matte, atlas_view(portrait), made, strands)


def merge(image: np.ndarray, matte: np.ndarray, view: AtlasView, made: Completed, strands: bool = True) -> WholeHead:
    """The network's answer (B = 1), with the pixels of a photo [H, W, 3] uint8 where it shows the person.

    matte: [H, W] 0..1; view: of the photo; strands: whether hidden hair gets the detail of the hair that is seen.
    """
    enlarged = lambda x: _enlarged(x[0].permute(1, 2, 0).numpy())  # noqa: E731
    radius, hair = enlarged(made.outside_radius), enlarged(made.hair_there.sigmoid())
    there = np.maximum(enlarged(made.skin_there.sigmoid()), hair) > 0.5
    collar = enlarged(made.collar_there.sigmoid())[..., None]
    skin = enlarged(made.skin) * (1 - collar) + enlarged(made.collar) * collar
    layers = {"skin": 255 * skin, "hair": 255 * enlarged(made.hair)}
    pixels, shown = _shown(radius, there, view, matte)
    photo = in_photo(image, pixels).astype(np.float32)
    share = {"skin": 1 - hair, "hair": hair}
    vivid = _vividness(photo, share["skin"][..., None] * layers["skin"] + hair[..., None] * layers["hair"], shown)
    layers = {name: _saturated(layer, vivid) for name, layer in layers.items()}
    color = np.zeros_like(photo)
    for name, layer in layers.items():
        color += share[name][..., None] * (layer + _carried(photo - layer, shown * share[name]))
    color += shown[..., None] * (photo - color)
    if strands:
        color += continued_detail(color, hair, shown)
    return WholeHead(radius, there, np.clip(color, 0, 255), hair, shown, view)


def _enlarged(values: np.ndarray) -> np.ndarray:
    """An atlas [H, W] or [H, W, C] at FINE times its side."""
    import cv2

    edge = 4
    wide = np.concatenate([values[:, -edge:], values, values[:, :edge]], 1)
    size = (COLUMNS + 2 * edge) * FINE, ROWS * FINE
    out = cv2.resize(wide, size, interpolation=cv2.INTER_LINEAR)[:, edge * FINE : -edge * FINE]
    return out.reshape(ROWS * FINE, COLUMNS * FINE, *values.shape[2:]).squeeze()


def _shown(radius: np.ndarray, there: np.ndarray, view: AtlasView, matte: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each texel lies in the photo [h, w, 2] px, and how surely the photo shows it [h, w] 0..1."""
    import cv2

    points = surface_points(radius)
    pixels, _ = view.to_pixels(points)
    away = view.eye - points
    away /= np.linalg.norm(away, axis=-1, keepdims=True)
    facing = (surface_normals(blurred(radius, 2.0)) * away).sum(-1)
    visible = unhidden(radius, there, view, matte.shape).astype(np.float32)
    visible = smoothstep((blurred(visible, 1.5) - 0.5) / 0.5)
    inner = cv2.erode(matte.astype(np.float32), _disc(EDGE * view.intrinsics[0, 0] / view.to_camera(np.zeros(3))[2]))
    person = smoothstep((in_photo(inner, pixels) - SURE[0]) / (SURE[1] - SURE[0]))
    return pixels, visible * person * smoothstep((facing - ASLANT[0]) / (ASLANT[1] - ASLANT[0]))


def _vividness(photo: np.ndarray, made: np.ndarray, shown: np.ndarray) -> float:
    """How colored the photo is, of how colored the network takes it to be, at most 1: 0 in black and white."""
    chroma = lambda x: float(((x - x.mean(-1, keepdims=True)) ** 2 * shown[..., None]).sum()) ** 0.5  # noqa: E731
    return min(chroma(photo) / max(chroma(made), 1e-6), 1.0)


def _saturated(color: np.ndarray, vivid: float) -> np.ndarray:
    gray = color.mean(-1, keepdims=True)
    return gray + vivid * (color - gray)


def _disc(radius: float) -> np.ndarray:
    """A disc of a radius in px, for morphology."""
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return (np.hypot(x, y) <= max(radius, 0.5)).astype(np.uint8)


def _carried(difference: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """A difference [h, w, 3] known by weights [h, w], carried on to where it is not."""
    out = np.zeros_like(difference)
    weight = weight.astype(np.float32)[..., None]
    for reach in REACHES:
        near = blurred(weight[..., 0], reach)[..., None]
        mean = blurred(difference * weight, reach) / np.maximum(near, 1e-4)
        out += np.clip(4 * near, 0, 1) * (mean - out)
    return out
