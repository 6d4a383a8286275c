"""Fine detail for hair that the photo hides: strands as strong and as colored as those that it shows.

On the atlas strands run roughly downwards from the crown. Pieces of the seen hair, mirrored again and again, look like
what they are: repetitions. Noise that is drawn out along the strands does not.
"""

from __future__ import annotations

import numpy as np

from .atlas import blurred

FINE_REACH = 4.0  # texels: what varies over less is detail
STRONGEST = 0.3  # of the brightness, by which detail may differ from it
MOST = 0.06  # of the brightness, its standard deviation at most: jewels and patterned cloth vary by more than hair
SURE = 0.7  # how surely a texel is hair, and the photo's
LEAST = 400  # texels of seen hair from which on its strands are known
STRANDS = ((0.6, 10.0, 1.0), (1.6, 18.0, 0.8))  # width and length in texels, and strength of finer and of broader ones
WAVE = 3.0  # texels by which strands swing aside
SLOW = 18.0  # texels over which they do


def continued_detail(color: np.ndarray, hair: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Detail [h, w, 3] to be added where hair is hidden, 0 elsewhere and where no hair is seen.

    color [h, w, 3] 0..255: the atlas so far; hair, shown [h, w] 0..1: how much of it is hair, and the photo's pixels.
    """
    import cv2

    usable = cv2.erode(((hair > SURE) & (shown > SURE)).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    if usable.sum() < LEAST:
        return np.zeros_like(color)
    weight = usable.astype(np.float32)
    near = np.maximum(blurred(weight, FINE_REACH), 1e-3)[..., None]
    smooth = blurred(color * weight[..., None], FINE_REACH) / near
    share = ((color - smooth) / (smooth.mean(-1, keepdims=True) + 12))[usable]  # of the brightness there
    variance, direction = np.linalg.eigh(np.cov((STRONGEST * np.tanh(share / STRONGEST)).T))
    brightness = blurred(color, FINE_REACH).mean(-1, keepdims=True) + 12
    strands = _strands(usable.shape)[..., None] * (min(np.sqrt(variance[-1]), MOST) * np.abs(direction[:, -1]))
    return strands * brightness * (hair * (1 - shown))[..., None]


def _strands(shape: tuple[int, int]) -> np.ndarray:
    """Noise [h, w] of variance 1 that is drawn out downwards and joins at its left and right ends; always the same."""
    import cv2

    rng, (rows, columns) = np.random.default_rng(0), shape
    total = np.zeros(shape, np.float32)
    for width, length, strength in STRANDS:
        noise = np.tile(rng.standard_normal(shape).astype(np.float32), 3)
        drawn_out = cv2.GaussianBlur(noise, (0, 0), width, sigmaY=length)[:, columns : 2 * columns]
        total += strength * drawn_out / drawn_out.std()
    aside = blurred(rng.standard_normal(shape).astype(np.float32), SLOW)
    row, column = np.mgrid[0:rows, 0:columns].astype(np.float32)
    x = column + WAVE * aside / aside.std() + columns
    swung = cv2.remap(np.tile(total, 3), x.astype(np.float32), row, cv2.INTER_LINEAR)
    return swung / swung.std()
