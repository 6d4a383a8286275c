"""The picture by which a fit is judged."""

from __future__ import annotations

import numpy as np

from ..renderer import to_pixels
from .portrait import Portrait


def draw_overlay(portrait: Portrait) -> np.ndarray:
    """The photo with the fitted mesh (white), its landmarks (green) and the detected ones (red)."""
    import cv2

    vertices = portrait.vertices()[0]
    pixels = to_pixels(portrait.camera, vertices[None])[0, 0, :, :2].numpy()
    face = portrait.landmarks
    left, top, side = portrait.face_window(2.6)
    scale = 1024 / side  # so that a small face can be judged too
    at = lambda p: (16 * scale * (p - [left, top])).round().astype(np.int32)  # noqa: E731  4 fractional bits
    canvas = portrait.cropped(left, top, side, side).image
    canvas = cv2.resize(canvas, (1024, 1024), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    facing = portrait.front_faces().numpy()
    lines = canvas.copy()
    for triangle in portrait.head.faces.numpy()[facing]:
        cv2.polylines(lines, [at(pixels[triangle])], True, (255, 255, 255), 1, cv2.LINE_AA, 4)
    canvas = cv2.addWeighted(lines, 0.35, canvas, 0.65, 0)
    index = portrait.head.mediapipe.numpy()
    for found, vertex in zip(at(face[:, :2]), index):
        cv2.circle(canvas, found, 48, (255, 60, 60), -1, cv2.LINE_AA, 4)
        if vertex >= 0:
            cv2.circle(canvas, at(pixels[vertex]), 24, (60, 255, 60), -1, cv2.LINE_AA, 4)
    return canvas
