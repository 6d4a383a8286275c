"""Ears as the fitted head has them, where the photo does not show one well: a shape around a head is too flat for them.

Their color is that of the completed head there, without detail; what makes an ear of it is the relief: light on the
head's own ears, and shade in their hollows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ...core.easing import smoothstep
from ...renderer import rasterize
from ..completion.atlas import COLUMNS, ROWS, blurred, directions_of
from ..completion.ears import Ears, FoundEar, ear_place
from ..completion.whole_head import FINE, WholeHead

PATCH = 96  # texels a side of an ear's picture
HAIRY = (0.35, 0.65)  # shares of hair over an ear between which it is hidden
BARE = (0.5, 0.75)  # of what the photo shows there, with the color of skin: the same
SHOWN = 0.3  # of an ear's place: if the photo shows more of it, its own pixels are better
SOFT = (6.0, 1.0), (24.0, 0.1)  # texels over which color is taken, and how much that counts
LIGHT = np.array([0.0, 0.45, 0.55])  # beside what comes from the side: from above and in front
HOLLOW = 0.004  # m: how deep a hollow is that is in full shade
DARK = 0.55  # of the light that is left there
ROOT = 0.0035  # m from the skull over which it takes on an ear's own color


@dataclass(frozen=True, eq=False)
class Ear:
    """One ear. E points, F triangles."""

    points: np.ndarray  # [E, 3] m, in the space of the atlas
    faces: np.ndarray  # [F, 3] int32, of those
    uv: np.ndarray  # [E, 2] in its picture, 0..1 to the right and down
    picture: np.ndarray  # [PATCH, PATCH, 3] float32 0..255
    place: np.ndarray  # [FINE * ROWS, FINE * COLUMNS] bool, of the whole head


def drawn_ears(found: Ears, whole: WholeHead) -> list[Ear]:
    """The ears that neither hair covers nor the photo shows."""
    shown = [ear.bare for ear in found.values() if ear.bare is not None]
    made = [_ear(ear, side, whole, shown) for side, ear in found.items()]
    return [ear for ear in made if ear is not None]


def _ear(found: FoundEar, side: int, whole: WholeHead, shown: list[float]) -> Ear | None:
    """The ear of a side; None where it is hidden, or seen. shown: how bare those are that the photo shows."""
    ear, triangles, place = found.points, found.faces, ear_place(found.points)
    bareness = 1 - _between(whole.hair[place].mean() / 255, HAIRY)
    bare_in_photo = max(shown) if found.bare is None and shown else found.bare
    if bare_in_photo is not None:  # an ear that the photo shows is there, whatever the network takes for likely
        bareness = max(bareness, _between(bare_in_photo, BARE))
    if bareness <= 0 or (whole.shown[place] > 127).mean() > SHOWN:
        return None
    row, column = (np.asarray(x) * FINE for x in directions_of(ear))
    at = row.clip(0, FINE * ROWS - 1).astype(int), column.astype(int) % (FINE * COLUMNS)
    bare = (255 - whole.hair.astype(np.float32)) / 255 * whole.there
    bare *= np.where(place, 1 - whole.shown.astype(np.float32) / 255, 1)  # beside an ear the photo shows what is behind
    skin = np.dstack([whole.color * bare[..., None], bare])
    total = np.sum([share * blurred(skin, soft) for soft, share in SOFT], 0)
    color = total[..., :3] / np.maximum(total[..., 3:], 1e-6)
    low, high = ear[:, 1:].min(0), ear[:, 1:].max(0)
    up, forwards = ((ear[:, 1:] - low) / (high - low)).T
    uv = np.stack([forwards, 1 - up], 1)
    skull = np.sort(np.abs(ear[:, 0]))[: max(1, len(ear) // 20)].mean()
    own = bareness * smoothstep((np.abs(ear[:, 0]) - skull) / ROOT)[:, None]
    around = _spread(uv, whole.color[at].astype(np.float32))  # nothing shows through it: it takes on the color there
    picture = _spread(uv, color[at]) * _relief(ear, triangles, side, uv)[..., None]
    picture = around + _spread(uv, np.repeat(own, 3, 1), PATCH / 40) * (picture - around)
    return Ear(ear, triangles, uv.astype(np.float32), picture.clip(0, 255), place)


def _between(value: float, ends: tuple[float, float]) -> float:
    """0 up to the first of the ends, 1 from the second on."""
    return float(smoothstep(np.array([(value - ends[0]) / (ends[1] - ends[0])]))[0])


def _relief(ear: np.ndarray, faces: np.ndarray, side: int, uv: np.ndarray) -> np.ndarray:
    """How lit [PATCH, PATCH] an ear is as seen from its side, about 1. ear [E, 3] m, uv [E, 2]."""
    normal = np.zeros_like(ear)
    a, b, c = (ear[faces[:, k]] for k in range(3))
    for k in range(3):
        np.add.at(normal, faces[:, k], np.cross(b - a, c - a))
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    out = side * ear[:, 0]
    depth = 1.0 + (out.max() - out)
    flat = np.stack([(2 * uv[:, 0] - 1) * depth, (2 * uv[:, 1] - 1) * depth, depth - 1.0, depth], 1)
    corner = torch.from_numpy(flat.astype(np.float32))[None]
    triangle = rasterize(corner, torch.from_numpy(faces), PATCH, PATCH)[0].numpy()
    light = LIGHT + [0.7 * side, 0, 0]
    lit = 0.62 + 0.38 * (normal @ (light / np.linalg.norm(light))).clip(0)
    seen = triangle >= 0
    of = lambda values: np.where(seen, values[faces[triangle]].mean(-1), 0).astype(np.float32)  # noqa: E731
    shade, height = _filled(of(lit), seen, 1.0), _filled(of(out), seen, 1.5)
    deep = np.clip((_filled(of(out), seen, PATCH / 10) - height) / HOLLOW, 0, 1)
    shade = shade * (1 - (1 - DARK) * deep)
    return shade / shade[seen].mean()


def _filled(values: np.ndarray, seen: np.ndarray, sigma: float) -> np.ndarray:
    """Values [h, w] blurred over what is seen, and continued beyond it."""
    import cv2

    blur = lambda x: cv2.GaussianBlur(x.astype(np.float32), (0, 0), sigma)  # noqa: E731
    near, far = blur(seen), cv2.GaussianBlur(seen.astype(np.float32), (0, 0), 6 * sigma)
    wide = cv2.GaussianBlur(values * seen, (0, 0), 6 * sigma) / np.maximum(far, 1e-6)
    return np.where(near > 0.05, blur(values * seen) / np.maximum(near, 1e-6), wide)


def _spread(uv: np.ndarray, values: np.ndarray, sigma: float = PATCH / 10) -> np.ndarray:
    """Values [E, 3] at uv [E, 2] as a smooth picture [PATCH, PATCH, 3]."""
    import cv2

    total, weight = np.zeros((PATCH, PATCH, 3), np.float32), np.zeros((PATCH, PATCH), np.float32)
    column, row = (uv * (PATCH - 1) + 0.5).astype(int).T
    np.add.at(total, (row, column), values.astype(np.float32))
    np.add.at(weight, (row, column), 1)
    blur = lambda x: cv2.GaussianBlur(x, (0, 0), sigma)  # noqa: E731
    return blur(total) / np.maximum(blur(weight), 1e-6)[..., None]
