"""How far a frame's landmarks can be trusted: whether the face looks as in the rest of the clip, sharp and in view.

MediaPipe draws a plausible face over a hand or a blur, so how well a head fits its landmarks is no measure. The
picture is: each face is drawn straight and small, and compared block by block with the clip's median face.
"""

from __future__ import annotations

import numpy as np

from .landmarks import OUTER_EYE_CORNERS

SIDE, BLOCK = 48, 8  # px of the face drawn straight, and of the blocks compared
MOUTH_CORNERS = (61, 291)
# Where the eyes' and the mouth's corners come to lie: right eye, left eye, middle of the mouth.
GOAL = np.array([[10, 16], [38, 16], [24, 37]], np.float32)
QUIET = 4.0  # grey levels: the contrast of a block below which its pattern is noise
EDGE_ON = 0.35  # cosine of the turn at which half of the face is hidden


def face_patch(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The face of a frame [H, W, 3] uint8 with landmarks [478, 3] px, drawn straight: [SIDE, SIDE] uint8 grey.

    Black where the landmarks are NaN: no face.
    """
    import cv2

    if not np.isfinite(points).all():
        return np.zeros((SIDE, SIDE), np.uint8)
    return cv2.cvtColor(straight_face(image, points), cv2.COLOR_RGB2GRAY)


def straight_face(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """`face_patch` in colour, [SIDE, SIDE, 3] uint8; landmarks [478, 3] px, finite."""
    import cv2

    corners = points[[*OUTER_EYE_CORNERS, *MOUTH_CORNERS], :2]
    source = np.stack([corners[0], corners[1], corners[2:].mean(0)]).astype(np.float32)
    matrix = cv2.getAffineTransform(source, GOAL)
    return cv2.warpAffine(image, matrix, (SIDE, SIDE), flags=cv2.INTER_AREA)


def confidences(patches: np.ndarray, points: np.ndarray) -> np.ndarray:
    """[T] 0..1 from patches [T, SIDE, SIDE] uint8 and landmarks [T, 478, 3] px; 0 where these are NaN."""
    found = np.isfinite(points).all((1, 2))
    result = np.zeros(len(points))
    if not found.any():
        return result
    seen = patches[found].astype(np.float32)
    usual = np.median(seen, 0)
    alike, sharp = likeness(seen, usual), _sharpness(seen)
    blur = np.minimum(1, sharp / np.median(sharp))
    result[found] = alike * blur * _frontal(points[found])
    return result


def likeness(patches: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Mean over blocks of the correlation of patches [T, SIDE, SIDE] with the usual face [SIDE, SIDE], [T] 0..1.

    Light and contrast of a block do not count.
    """
    a, b = _blocks(patches), _blocks(usual[None])
    size = np.sqrt(((a**2).mean(-1) + QUIET**2 / 2) * ((b**2).mean(-1) + QUIET**2 / 2))
    return np.clip(((a * b).mean(-1) + QUIET**2 / 2) / size, 0, 1).mean(-1)


def _blocks(patches: np.ndarray) -> np.ndarray:
    """[T, SIDE, SIDE] cut into blocks of zero mean, [T, blocks, BLOCK * BLOCK]."""
    cut = patches.reshape(-1, SIDE // BLOCK, BLOCK, SIDE // BLOCK, BLOCK).swapaxes(2, 3)
    flat = cut.reshape(len(patches), -1, BLOCK * BLOCK)
    return flat - flat.mean(-1, keepdims=True)


def _sharpness(patches: np.ndarray) -> np.ndarray:
    """Mean gradient [T]."""
    return np.abs(np.diff(patches, axis=1)).mean((1, 2)) + np.abs(np.diff(patches, axis=2)).mean((1, 2)) + 1e-3


def _frontal(points: np.ndarray) -> np.ndarray:
    """1 for a face seen from the front, falling to 1/2 where half of it hides behind the rest, [T]."""
    across, up = points[:, 454] - points[:, 234], points[:, 10] - points[:, 152]
    normal = np.cross(across, up)
    cosine = np.abs(normal[:, 2]) / np.linalg.norm(normal, axis=-1)
    return np.clip(0.5 + 0.5 * (cosine - EDGE_ON) / (0.8 - EDGE_ON), 0.05, 1)
