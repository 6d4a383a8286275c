"""What made hair and cloth look like: strands, locks and weaves as textures, and the noise they are made of.

Letters: H x W = SHAPE, an atlas of SCALE times the usual side.
"""

from __future__ import annotations

import numpy as np

from ...generator.completion.atlas import COLUMNS, ROWS, blurred

SCALE = 2
SHAPE = ROWS * SCALE, COLUMNS * SCALE
FINER = 2  # times the surface's side is the texture's


def strand_texture(color: np.ndarray, thick: np.ndarray, curly: bool, rng: np.random.Generator) -> np.ndarray:
    """Strands [FINER H, FINER W, 3] uint8 of a color [3] 0..255 on hair that is `thick` [H, W] m."""
    import cv2

    size = SHAPE[0] * FINER, SHAPE[1] * FINER
    along = 9.0 if curly else 40.0  # texels
    strands = 0.11 * _streaks(rng, size, 0.8, along) + 0.06 * _streaks(rng, size, 3.0, along * 1.6)
    deep = np.tanh((thick - blurred(thick.astype(np.float32), 4.0)) / 0.003)  # valleys between locks are dark
    tips = (np.arange(SHAPE[0])[:, None] / SHAPE[0] - 0.4) * rng.uniform(-0.1, 0.4)
    coarse = 0.10 * smooth_noise(rng, (7, 14)) + 0.10 * deep + tips
    shade = strands + cv2.resize(coarse.astype(np.float32), size[::-1], interpolation=cv2.INTER_LINEAR)
    streak = rng.uniform(0, 0.25) * (rng.random() < 0.4)  # of lighter hair
    bright = color * np.exp(shade)[..., None]
    if streak:
        light = np.clip(_streaks(rng, size, 5.0, along * 3), 0, 2)[..., None] * streak
        bright = bright + light * (np.maximum(np.array([190, 160, 115]), color) - bright)
    return np.clip(bright, 0, 255).astype(np.uint8)


def cloth_texture(rng: np.random.Generator) -> np.ndarray:
    """A woven or printed cloth [H, W, 3] uint8."""
    color = rng.uniform(15, 230, 3) * rng.uniform(0.5, 1) if rng.random() < 0.6 else np.full(3, rng.uniform(15, 225))
    row, column = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]
    knit = 0.06 * np.sin(column * rng.uniform(0.5, 2)) * np.sin(row * rng.uniform(0.2, 2))
    folds = 0.12 * smooth_noise(rng, (12, 12)) + 0.03 * fine_noise(rng, 1.0)
    return np.clip(color * np.exp(knit + folds)[..., None], 0, 255).astype(np.uint8)


def smooth_noise(rng: np.random.Generator, cells: tuple[int, int]) -> np.ndarray:
    """Noise [H, W] of deviation about 1 that changes over cells (down, around)."""
    import cv2

    down, around = cells
    coarse = rng.normal(size=(down, around)).astype(np.float32)
    coarse = np.concatenate([coarse, coarse[:, :1]], 1)
    x = np.arange(SHAPE[1], dtype=np.float32) / SHAPE[1] * around
    y = np.linspace(0, down - 1, SHAPE[0], dtype=np.float32)
    return cv2.remap(coarse, *np.meshgrid(x, y), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def fine_noise(rng: np.random.Generator, sigma: float) -> np.ndarray:
    """Isotropic noise [H, W] of deviation 1 that changes over sigma texels."""
    noise = blurred(rng.normal(size=SHAPE).astype(np.float32), sigma)
    return noise / noise.std()


def _streaks(rng: np.random.Generator, size: tuple[int, int], across: float, along: float) -> np.ndarray:
    """Noise of a size [H, W] and deviation 1, drawn out downwards over texels; it wanders sideways."""
    import cv2

    noise = rng.standard_normal(size, np.float32)
    edge = 64
    wide = np.concatenate([noise[:, -edge:], noise, noise[:, :edge]], 1)
    wide = cv2.GaussianBlur(wide, (0, 0), across, sigmaY=along)
    x, y = np.meshgrid(np.arange(size[1], dtype=np.float32), np.arange(size[0], dtype=np.float32))
    wander = cv2.resize(10 * smooth_noise(rng, (6, 10)), size[::-1]).clip(-edge, edge)
    out = cv2.remap(wide, x + edge + wander, y, cv2.INTER_LINEAR)
    return out / max(float(out.std()), 1e-6)
