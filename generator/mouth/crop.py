"""Where the mouth's crop lies in a picture: upright on the head, always as large on the face; cut out and put back."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from ...flame_motion import Head
from ...flame_motion.tracking.landmarks import LIPS, OUTER_EYE_CORNERS
from ...renderer import NEAR, Cameras

HEIGHT, WIDTH = 96, 112  # px of a crop
EYES = 100.0  # px of a crop between the outer eye corners
BELOW = 2.0  # px of a crop that its middle lies above the mouth's
AROUND = (61, 291, 0, 17)  # MediaPipe's points at the corners of the mouth, over and under it
INNER = (13, 14)  # inside the upper and the lower lip
UPRIGHT = (168, 2)  # between the eyes, and under the nose
SHARPEST = 1.1  # px of a picture to one of the crop, from which on the picture is smoothed first


@dataclass(frozen=True, eq=False)
class MouthMarks:
    """The vertices of a head that say where its mouth is."""

    eyes: np.ndarray  # [2] outer corners
    around: np.ndarray  # [4]
    inner: np.ndarray  # [2]
    upright: np.ndarray  # [2]
    lips: np.ndarray  # [L] all around them

    @classmethod
    def of(cls, head: Head) -> MouthMarks | None:
        """None for a head whose lips are not known."""
        if not len(head.mediapipe):
            return None
        groups = [head.mediapipe[torch.tensor(k)].numpy() for k in (OUTER_EYE_CORNERS, AROUND, INNER, UPRIGHT, LIPS)]
        return cls(*groups) if all((group >= 0).all() for group in groups) else None


@dataclass(frozen=True, eq=False)
class MouthCrop:
    """A crop's place in a picture."""

    crop_from_picture: np.ndarray  # [2, 3] px from px, both with the first pixel's centre at 0.5: turned and scaled
    open: float  # between the inner lips, in eyes' distances
    lips: np.ndarray  # [L, 2] px of the crop

    @property
    def scale(self) -> float:
        """px of the picture to one of the crop."""
        return float(np.linalg.det(self.crop_from_picture[:, :2]) ** -0.5)


def place_mouth(marks: MouthMarks, clip: np.ndarray, eyes: float, camera: Cameras) -> MouthCrop | None:
    """Where the mouth of a head lies, whose vertices have the clip coordinates clip [N, 4] in a camera's picture.

    eyes: m between the outer eye corners. None behind the camera, or where the mouth is out of the picture.
    """
    ahead = clip[np.concatenate([marks.eyes, marks.lips, marks.upright]), 3] > NEAR
    if not ahead.all():
        return None
    size = np.array([camera.width, camera.height])
    px = lambda which: (clip[which, :2] / clip[which, 3:] + 1) / 2 * size  # noqa: E731
    middle, (bridge, nose), inner = px(marks.around).mean(0), px(marks.upright), px(marks.inner)
    if not ((middle >= 0) & (middle < size)).all():
        return None
    focal = float(camera.intrinsics.reshape(-1, 3, 3)[0, 1, 1])
    wide = focal * eyes / float(clip[marks.around, 3].mean())  # px of the eyes' distance, were it seen from the front
    down = (nose - bridge) / max(float(np.linalg.norm(nose - bridge)), 1e-6)
    turn = np.array([[down[1], -down[0]], down]) * (EYES / wide)
    shift = np.array([WIDTH / 2, HEIGHT / 2 - BELOW]) - turn @ middle
    apart = float(np.linalg.norm(inner[0] - inner[1])) / wide
    return MouthCrop(np.column_stack([turn, shift]), apart, px(marks.lips) @ turn.T + shift)


def cut(picture: np.ndarray, crop_from_picture: np.ndarray, margin: int = 0, continued: bool = True) -> np.ndarray:
    """The crop [HEIGHT + 2 margin, WIDTH + 2 margin, C] of a picture [H, W, C] uint8.

    continued: outside the picture its edge goes on; 0 otherwise.
    """
    placed = crop_from_picture + np.array([[0, 0, margin], [0, 0, margin]])
    height, width = HEIGHT + 2 * margin, WIDTH + 2 * margin
    left, top, right, bottom = window_of(placed, picture.shape[:2], height, width)
    if right <= left or bottom <= top:
        return np.zeros((height, width, *picture.shape[2:]), np.uint8)
    part = picture[top:bottom, left:right]
    scale = float(np.linalg.det(placed[:, :2]) ** -0.5)
    if scale > SHARPEST:
        part = cv2.GaussianBlur(part, (0, 0), 0.5 * np.sqrt(scale**2 - 1), borderType=cv2.BORDER_REPLICATE)
    here = placed.copy()
    here[:, 2] += placed[:, :2] @ [left, top]
    border = cv2.BORDER_REPLICATE if continued else cv2.BORDER_CONSTANT
    flags = cv2.INTER_CUBIC if continued else cv2.INTER_LINEAR
    return cv2.warpAffine(part, _by_centres(here), (width, height), flags=flags, borderMode=border)


def put_back(picture: np.ndarray, crop_from_picture: np.ndarray, change: np.ndarray) -> None:
    """Adds the change [HEIGHT, WIDTH, 3] float32 of a crop, in 0..255, to a picture [H, W, 3] uint8, in place."""
    left, top, right, bottom = window_of(crop_from_picture, picture.shape[:2], HEIGHT, WIDTH)
    if right <= left or bottom <= top:
        return
    here = crop_from_picture.copy()
    here[:, 2] += here[:, :2] @ [left, top]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    added = cv2.warpAffine(change, _by_centres(here), (right - left, bottom - top), flags=flags)
    part = picture[top:bottom, left:right]
    part[:] = np.rint(np.clip(part + added, 0, 255)).astype(np.uint8)


def window_of(
    crop_from_picture: np.ndarray, shape: tuple[int, ...], height: int = HEIGHT, width: int = WIDTH
) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) px of the part of a picture [H, W] that a crop of some size takes in."""
    inverse = np.linalg.inv(crop_from_picture[:, :2])
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]]) - crop_from_picture[:, 2]
    x, y = (corners @ inverse.T).T
    edge = 3 * max(1.0, float(np.linalg.det(inverse) ** 0.5))  # what smoothing and interpolation look at
    low = max(int(x.min() - edge), 0), max(int(y.min() - edge), 0)
    return *low, min(int(np.ceil(x.max() + edge)), shape[1]), min(int(np.ceil(y.max() + edge)), shape[0])


def _by_centres(a_from_b: np.ndarray) -> np.ndarray:
    """An affine map [2, 3] for OpenCV, whose first pixel has its centre at 0."""
    shifted = a_from_b.copy()
    shifted[:, 2] += a_from_b[:, :2] @ [0.5, 0.5] - 0.5
    return shifted
