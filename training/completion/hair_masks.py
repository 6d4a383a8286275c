"""Where a head's skin texture shows painted hair and a painted collar: by color, in the places where they may be."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...generator.completion.atlas import CENTER
from .heads import Part

SIDE = 336  # px of the masks
FACE = np.radians(55)  # on either side of the nose is no hair but above the brow
BROW = np.radians(5)  # above the level of the atlas's centre
COLLAR = -0.11  # m below the eyes starts what may be a collar; hair ends a little lower
LEAST_CONTRAST = 40.0  # grey levels between cheek and crown, from which on the crown wears hair
SOFT = 12.0  # grey levels over which skin becomes hair


@dataclass(frozen=True)
class SkinMasks:
    """What a skin texture shows besides skin, each [SIDE, SIDE] 0..1."""

    hair: np.ndarray
    collar: np.ndarray


def skin_masks(skin: Part, bald: bool = False) -> SkinMasks:
    """The masks of a head's skin, at rest; bald: it is known that no hair is painted on it."""
    import cv2

    place, there = _on_texture(skin)
    color = cv2.resize(skin.texture, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    offset = place - CENTER
    side = np.abs(np.arctan2(offset[..., 0], offset[..., 2]))
    up = np.arctan2(offset[..., 1], np.hypot(offset[..., 0], offset[..., 2]))
    height = place[..., 1]
    middle = lambda where: np.median(color[there & where], 0)  # noqa: E731
    cheek = middle((side > 0.44) & (side < 0.78) & (height > -0.07) & (height < -0.03))
    crown = middle(up > np.radians(60))
    to_cheek, to_crown = (np.linalg.norm(color - c, axis=-1) for c in (cheek, crown))
    hair = _step((to_cheek - to_crown) / SOFT)
    hair[((side < FACE) & (up < BROW)) | (height < -0.13) | ~there] = 0
    if (
        bald or np.abs(cheek - crown).mean() < LEAST_CONTRAST
    ):  # bald, or painted in the color of the skin: they cannot be told apart
        hair[:] = 0
    front = middle((side < 0.7) & (height < -0.085) & (height > COLLAR))
    collar = _step((np.linalg.norm(color - front, axis=-1) - 50) / 8) * there
    collar *= np.clip((COLLAR - height) / 0.012, 0, 1)
    return SkinMasks(*(_softened(mask.astype(np.float32), there) for mask in (hair, collar)))


def _softened(mask: np.ndarray, there: np.ndarray) -> np.ndarray:
    """A mask blurred a little, continued over the edges of the texture's islands, so that no seam shows."""
    import cv2

    beyond = cv2.dilate(mask * there, np.ones((9, 9), np.uint8))
    return cv2.GaussianBlur(np.where(there, mask, beyond), (0, 0), 1.0)


def _step(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -30, 30)))


def _on_texture(skin: Part) -> tuple[np.ndarray, np.ndarray]:
    """Where each texel lies [SIDE, SIDE, 3] m, and whether it lies on the mesh [SIDE, SIDE]."""
    triangle, weights = _texels(skin.uv.tobytes(), skin.faces.tobytes())
    corner = skin.vertices[skin.faces[np.maximum(triangle, 0)]]
    return (corner * weights[..., None]).sum(-2), triangle >= 0


@lru_cache(maxsize=2)
def _texels(uv_bytes: bytes, faces_bytes: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Triangle [SIDE, SIDE] and weights of its corners [SIDE, SIDE, 3]: the same for every head."""
    import torch

    from ...renderer import cover, rasterize

    uv = torch.from_numpy(np.frombuffer(uv_bytes, np.float32).reshape(-1, 2).copy())
    faces = torch.from_numpy(np.frombuffer(faces_bytes, np.int32).reshape(-1, 3).copy())
    corner = torch.cat([2 * uv - 1, torch.zeros_like(uv[:, :1]), torch.ones_like(uv[:, :1])], 1)[None]
    triangle = rasterize(corner, faces, SIDE, SIDE)
    covered = cover(triangle, corner, faces)
    return triangle[0].numpy(), covered.spread(covered.weights)[0].numpy()
