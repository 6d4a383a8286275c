"""Confidence falls with what the landmarks lose: to a hand, to blur, to noise; and is 0 without a face."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.data import astronaut

from flamecast.flame_motion.tracking.confidence import confidences, face_patch
from flamecast.flame_motion.tracking.detector import MediaPipeDetector


@pytest.fixture(scope="module")
def scored() -> dict[str, float]:
    """The public-domain portrait, six times as it is and then spoiled in several ways."""
    import cv2

    photo = astronaut()
    points = MediaPipeDetector().faces(photo)[0].points
    (left, top), (right, bottom) = (f(points[:, :2], 0).astype(int) for f in (np.min, np.max))
    hidden = {}
    for share in (0.3, 0.6):
        spoiled = photo.copy()
        spoiled[int(bottom - share * (bottom - top)) : bottom, left:right] = (200, 150, 120)
        hidden[f"hidden {share}"] = spoiled
    noise = np.random.default_rng(0).normal(0, 60, photo.shape)
    frames = {
        **{f"clean {k}": photo for k in range(6)},
        **hidden,
        "blurred": cv2.GaussianBlur(photo, (0, 0), 6),
        "noisy": np.clip(photo + noise, 0, 255).astype(np.uint8),
    }
    patches = np.stack([face_patch(frame, points) for frame in frames.values()])
    return dict(zip(frames, confidences(patches, np.repeat(points[None], len(frames), 0))))


def test_an_undisturbed_face_is_trusted(scored):
    assert scored["clean 0"] > 0.95


def test_hidden_blurred_and_noisy_faces_are_trusted_less(scored):
    assert scored["clean 0"] > scored["hidden 0.3"] + 0.1 > scored["hidden 0.6"] + 0.3
    assert scored["blurred"] < 0.5 and scored["noisy"] < 0.8


def test_light_does_not_count():
    photo = astronaut()
    points = MediaPipeDetector().faces(photo)[0].points
    dark = (photo * 0.6 + 10).astype(np.uint8)
    patches = np.stack([face_patch(frame, points) for frame in (photo, photo, photo, dark)])
    assert confidences(patches, np.repeat(points[None], 4, 0))[3] > 0.5


def test_no_face_is_no_confidence():
    points = np.full((2, 478, 3), np.nan)
    patches = np.stack([face_patch(np.zeros((64, 64, 3), np.uint8), p) for p in points])
    assert (patches == 0).all() and (confidences(patches, points) == 0).all()
