"""The light on a face, and the usual colors of what a photo does not show, in that light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# sRGB in the light that shows fair skin as FAIR_SKIN.
FAIR_SKIN = (0.78, 0.62, 0.54)
MOUTH_COLORS = {
    "teeth_upper": (0.98, 0.92, 0.85),
    "teeth_lower": (0.90, 0.84, 0.77),
    "tongue": (0.66, 0.36, 0.35),
    "mouth": (0.36, 0.13, 0.12),
}
GUMS = (0.64, 0.36, 0.35)
# By degrees from the iris's centre.
DEFAULT_EYE = ((0, (0.05, 0.04, 0.04)), (9, (0.05, 0.04, 0.04)), (11, (0.30, 0.20, 0.13)), (26, (0.22, 0.15, 0.11)),
               (30, (0.80, 0.77, 0.75)), (90, (0.74, 0.68, 0.66)))  # fmt: skip
MIN_WHITE = 0.85  # of the usual white, that an eye's has at least


@dataclass(frozen=True)
class Light:
    """The light on a face, and how colorful the photo of it is."""

    color: np.ndarray  # [3]
    vivid: float  # 0 (black and white) to 1

    @classmethod
    def on_skin(cls, skin: np.ndarray) -> Light:
        """From the mean color of skin [3]; white light where that is black, since no skin is seen then.

        No photo is lit bluer than white: what seems so is pale skin, or a photo without color.
        """
        if not skin.any():
            return cls(np.ones(3), 1.0)
        light = (skin / np.array(FAIR_SKIN)).clip(0.35, 1.25)
        saturation = 1 - float(skin.min() / skin.max())
        return cls(np.minimum(light, light[0]), min(saturation / (1 - FAIR_SKIN[2] / FAIR_SKIN[0]), 1.0))

    def on(self, colors: np.ndarray) -> np.ndarray:
        """Usual colors [..., 3] as such a photo shows them in this light."""
        gray = colors.mean(-1, keepdims=True)
        return (gray + self.vivid * (colors - gray)) * self.color


def eye_colors(image: np.ndarray, eye: np.ndarray, angle: np.ndarray, light: Light) -> np.ndarray:
    """Eye color [91, 3] at 0..90 degrees from the iris's centre, from the photo's eye pixels [H, W].

    The median at each angle, so that lids and highlights do not count; white from the brighter half of what is seen
    beyond the iris. Where the photo shows too little (shut or tiny eyes): the usual colors.
    """
    usual = light.on(np.stack([
        np.interp(np.arange(91), [a for a, _ in DEFAULT_EYE], [c[k] for _, c in DEFAULT_EYE]) for k in range(3)
    ], 1))  # fmt: skip
    known, colors = [], []
    for low in range(0, 30, 3):
        ring = image[eye & (angle >= low) & (angle < low + 3)]
        if len(ring) >= 5:
            known.append(low + 1.5)
            colors.append(np.median(ring, 0))
    if not known or known[0] > 15:
        return usual
    white = image[eye & (angle >= 32)]
    bright = white[white.sum(1) >= np.median(white.sum(1))].mean(0) if len(white) >= 8 else usual[45]
    bright = np.maximum(bright, MIN_WHITE * usual[45])  # what is seen of it may be lids and lashes
    known += [34.0, 60.0, 90.0]
    colors += [bright, bright * 0.96, bright * 0.85]
    return np.stack([np.interp(np.arange(91), known, np.stack(colors)[:, c]) for c in range(3)], 1)
