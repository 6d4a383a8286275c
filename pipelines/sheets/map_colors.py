"""What maps look like to a person: a colour for every value, the same over the whole clip."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...flame_motion.heads.head import PARTS
from ...renderer import GeometryMaps

FLOW_SPAN = 0.04  # m of movement along an axis that is full colour; none is gray
GRAY = 128


def color(name: str, maps: GeometryMaps, depths: tuple[float, float], source_size: tuple[int, int]) -> np.ndarray:
    """One map of a chunk as pictures [V, t, H, W, 3] uint8.

    depth: near is bright, from depths[0] to depths[1] m; normal: x right red, y up green, toward the camera blue; part:
    a hue a part; uv: red u, green v; flow: red, green and blue as it leads to +x, +y and +z; source_xy: red across,
    green down the photo (source_size = height, width); visible: green, where it is not seen red; rays: their direction.
    """
    value = getattr(maps, name).numpy()
    inside = np.ones((*value.shape[:4], 1), bool) if name == "rays" else _inside(maps)
    return np.where(inside, _COLORS[name](value, depths, source_size), 0).astype(np.uint8)


def _inside(maps: GeometryMaps) -> np.ndarray:
    assert maps.mask is not None
    return maps.mask.numpy()[..., None]


def _depth(value: np.ndarray, depths: tuple[float, float], size: tuple[int, int]) -> np.ndarray:
    share = np.clip((value - depths[0]) / (depths[1] - depths[0]), 0, 1)[..., None]
    return np.repeat(255 - 215 * share, 3, -1)


def _normal(value: np.ndarray, depths: tuple[float, float], size: tuple[int, int]) -> np.ndarray:
    return (value * np.array([1, -1, -1], np.float32) + 1) * 127.5


def _part(value: np.ndarray, depths: tuple[float, float], size: tuple[int, int]) -> np.ndarray:
    import colorsys

    hues = [colorsys.hsv_to_rgb((0.38 * k) % 1, 0.35 + 0.5 * (k % 2), 0.95) for k in range(len(PARTS))]
    return (255 * np.array(hues)).astype(np.uint8)[value]


def _pair(value: np.ndarray, scale: tuple[float, float]) -> np.ndarray:
    both = np.clip(value / np.array(scale, np.float32), 0, 1) * 255
    return np.concatenate([both, np.full_like(both[..., :1], 64)], -1)


def _signed(value: np.ndarray, span: float) -> np.ndarray:
    return np.clip(GRAY + value / span * 127, 0, 255)


_COLORS: dict[str, Callable[[np.ndarray, tuple[float, float], tuple[int, int]], np.ndarray]] = {
    "depth": _depth,
    "normal": _normal,
    "mask": lambda value, depths, size: np.full((*value.shape, 3), 255, np.uint8),
    "part": _part,
    "uv": lambda value, depths, size: _pair(value, (1.0, 1.0)),
    "flow": lambda value, depths, size: _signed(value, FLOW_SPAN),
    "source_xy": lambda value, depths, size: _pair(value, (size[1], size[0])),
    "visible": lambda value, depths, size: np.array([(190, 60, 60), (60, 190, 90)], np.uint8)[value.astype(np.uint8)],
    "rays": lambda value, depths, size: _signed(value[..., :3], 1.0),
}
