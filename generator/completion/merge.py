"""The whole head of a photo: its own pixels where it shows them, the network's answer elsewhere, no rim between.

Where both are known they differ by light and tint; that difference is carried on into what is hidden, hair's to hair
and skin's to skin, and fades with the distance.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from ...core.easing import smoothstep
from ..portrait import Portrait
from .atlas import ROWS, around, blurred, carried, heights, longitudes, surface_normals, surface_points
from .depth import with_depth
from .ears import ear_place, ears_in_photo, ears_of_photo
from .frame import AtlasView, atlas_view
from .hair import cut_short, hair_seen, own_color
from .network import Completed, CompletionNetwork, load_completion
from .seen import ASIDE, Seen, fitted_surface, in_photo, look, network_input, unhidden
from .strands import continued_detail
from .whole_head import FINE, WholeHead

ASLANT = (0.15, 0.45)  # cosines between which the photo's pixels fade in
SURE = (0.8, 1.0)  # mattes between which they do
SURELY = 9.0  # logit of skin where the fitted head has some: clothes are drawn over it
DECIDED = 4.0  # times the logit of hair: a half-and-half of hair and skin looks like neither
MOST_OUTWARDS = 0.05  # m: an outline farther out is that of something else
RIM_ROWS = 92  # of the atlas, from the top: below are shoulders
EDGE = 0.004  # m beside the person's outline that the photo mixes with the background
NAPE = -0.08  # m: below this height a neck is not to widen behind
FLARE = 0.25  # m a m that it may
BEHIND = (-0.2, 0.3)  # cosines from straight behind between which that begins
BY_EARS = 8  # texels around an ear's place that share its color
REACHES = (48.0, 24.0, 12.0, 6.0, 3.0)  # texels over which what was learned at the border is carried on


@torch.no_grad()
def complete(portrait: Portrait, network: CompletionNetwork) -> Portrait:
    """The portrait with its whole head; what one photo does not tell of the fitted one's depth is the network's."""
    seen = look(portrait)
    made = network(torch.from_numpy(network_input(seen))[None])
    if not portrait.of_clip:
        portrait = with_depth(portrait, seen, made.skin_radius[0, 0].numpy(), made.skin_there[0, 0].numpy() > 0)
        seen = replace(seen, fitted=fitted_surface(portrait)[0])
    radius = within_outline(made.outside_radius[0, 0].numpy(), seen)
    made = replace(
        made,
        skin_there=torch.where(torch.from_numpy(seen.has_fit), SURELY, made.skin_there),
        outside_radius=torch.from_numpy(radius)[None, None].float(),
    )
    return replace(portrait, whole=_merged(portrait, seen, made))


def with_whole_head(portrait: Portrait) -> Portrait:
    """The portrait that keeps its whole head, so that every machine draws the same one."""
    return portrait if portrait.whole is not None else complete(portrait, load_completion())


def within_outline(radius: np.ndarray, seen: Seen) -> np.ndarray:
    """Distances [H, W] m, made to agree with the person's outline in the photo.

    Nothing is beyond it; and what lies to the side as the camera sees it is what the outline is the outline of.
    """
    inside = np.where(seen.cut, radius, np.minimum(radius, seen.outline))
    rim = rim_share(inside, seen)
    return inside + blurred((rim * np.where(rim > 0, seen.outline - inside, 0)).astype(np.float32), 1.0)


def rim_share(radius: np.ndarray, seen: Seen) -> np.ndarray:
    """How much [H, W] 0..1 of a surface at these distances [H, W] m is what the person's outline is the outline of."""
    near = ~seen.cut & (seen.outline - radius < MOST_OUTWARDS) & (np.arange(len(radius)) < RIM_ROWS)[:, None]
    return np.exp(-((seen.toward / ASIDE) ** 2)) * near


def _merged(portrait: Portrait, seen: Seen, made: Completed) -> WholeHead:
    """The network's answer (B = 1), with the photo's pixels where it shows the person."""
    import cv2

    fine = lambda x: enlarged(x[0].permute(1, 2, 0).numpy())  # noqa: E731
    radius, hair = fine(made.outside_radius), fine((DECIDED * made.hair_there).sigmoid())
    there = np.maximum(fine(made.skin_there.sigmoid()), hair) > 0.5
    radius, hair = cut_short(radius, hair, fine(made.skin_radius), seen)
    radius = _straight_nape(radius, hair)
    collar = (1 - hair) * fine((DECIDED * made.collar_there).sigmoid())
    layers = {"skin": 255 * fine(made.skin), "collar": 255 * fine(made.collar), "hair": 255 * fine(made.hair)}
    pixels, shown = _shown(radius, there, atlas_view(portrait), portrait.matte)
    ears = ears_of_photo(portrait)
    behind = in_photo(ears_in_photo(portrait, ears), pixels)  # an ear in the photo, and no cheek
    by_ears = np.zeros(shown.shape, np.uint8)
    for ear in ears.values():
        place = ear_place(ear.points)
        behind[place] = 0
        by_ears |= place
    shown = shown * (1 - behind)
    photo = in_photo(portrait.image, pixels).astype(np.float32)
    trusted = shown * (1 - cv2.dilate(by_ears, _disc(BY_EARS)))  # the color of ears is that of nothing else
    known = {"skin": trusted * (1 - hair - collar), "collar": trusted * collar, "hair": hair_seen(photo, hair, trusted)}
    share = {"skin": 1 - hair - collar, "collar": collar, "hair": hair}
    vivid = _vividness(photo, sum(share[name][..., None] * layers[name] for name in layers), shown)
    layers = {name: _saturated(layer, vivid) for name, layer in layers.items()}
    layers["hair"] = own_color(layers["hair"], photo, known["hair"])
    nothing = np.zeros_like(photo)
    color = nothing.copy()
    for name, layer in layers.items():
        color += share[name][..., None] * (layer + carried(photo - layer, known[name], REACHES, nothing))
    color += shown[..., None] * (photo - color)
    color += continued_detail(color, hair, shown)
    byte = lambda x: (x + 0.5).clip(0, 255).astype(np.uint8)  # noqa: E731
    radius, fitted = radius.astype(np.float32), seen.fitted.astype(np.float32)
    return WholeHead(radius, there, byte(color), byte(255 * hair), byte(255 * shown), fitted)


def _straight_nape(radius: np.ndarray, hair: np.ndarray) -> np.ndarray:
    """Distances [h, w] m whose bare neck goes down behind without widening to shoulders: clothes cover it there.

    hair: its share [h, w] 0..1. What is drawn of clothes is the photo's, seen from the front, which would not cover it.
    """
    scale = radius.shape[0] / ROWS
    height = heights(scale)[:, None]
    below = height[:, 0] < NAPE
    may = -FLARE * height[below]
    narrow = np.minimum.accumulate(radius[below] - may, 0) + may
    behind = smoothstep((-np.cos(longitudes(scale)) - BEHIND[0]) / (BEHIND[1] - BEHIND[0]))
    out = radius.copy()
    out[below] -= behind * (1 - hair[below]) * (radius[below] - narrow)
    return out


def enlarged(values: np.ndarray, times: int = FINE) -> np.ndarray:
    """An atlas [H, W] or [H, W, C] at `times` its side."""
    import cv2

    edge, (rows, columns) = 4, values.shape[:2]
    size = (columns + 2 * edge) * times, rows * times
    out = cv2.resize(around(values, edge), size, interpolation=cv2.INTER_LINEAR)[:, edge * times : -edge * times]
    return np.ascontiguousarray(out.reshape(rows * times, columns * times, *values.shape[2:]).squeeze())


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
