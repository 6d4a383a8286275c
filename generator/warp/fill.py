"""Filling what a picture does not show from what surrounds it."""

from __future__ import annotations

import numpy as np


def fill(color: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Colors [H, W, C] kept where weight [H, W] is 1 and continued smoothly where it is 0 (push-pull pyramid).

    Gortler et al., "The Lumigraph" (1996), section 3.3: average down what is known, fill up what is not.
    """
    import cv2

    height, width = weight.shape
    known = color * weight[..., None]
    if min(height, width) <= 2:
        total = float(weight.sum())
        mean = known.sum((0, 1)) / total if total > 1e-6 else np.zeros(color.shape[2], np.float32)
        return known + (1 - weight[..., None]) * mean
    small_weight = cv2.pyrDown(weight)
    small = cv2.pyrDown(known).reshape(*small_weight.shape, -1) / np.maximum(small_weight, 1e-6)[..., None]
    # A little known is enough: what is averaged down counts as known in full, so that it is not washed out again.
    coarse = fill(small.astype(np.float32), np.minimum(small_weight * 4, 1).astype(np.float32))
    up = cv2.pyrUp(coarse, dstsize=(width, height)).reshape(height, width, -1)
    return known + (1 - weight[..., None]) * up


def backdrop(image: np.ndarray, matte: np.ndarray) -> np.ndarray:
    """The photo [H, W, 3] uint8 without its person: what stood behind is continued from around it."""
    import cv2

    reach = 2 * max(2, round(max(matte.shape) / 120)) + 1
    hidden = cv2.dilate(matte, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    weight = np.clip(1 - hidden * 4, 0, 1).astype(np.float32)
    if weight.max() < 0.5:  # the person fills the picture: nothing is known of what is behind
        return image
    filled = fill(image.astype(np.float32), weight)
    return np.clip(filled + 0.5, 0, 255).astype(np.uint8)
