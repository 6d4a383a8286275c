"""The portrait of the public-domain photo in scikit-image: fit, file, windows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from flamecast.flame_motion import BadInput
from flamecast.generator import Portrait
from flamecast.renderer import to_pixels


def reprojection(portrait: Portrait) -> float:
    """Mean landmark distance in % of the inter-ocular distance."""
    vertices = portrait.vertices()[:, portrait.head.mediapipe[:468]]
    pixels = to_pixels(portrait.camera, vertices)[0, 0, :, :2].numpy()
    seen = portrait.landmarks[:, :2]
    return 100 * np.linalg.norm(pixels - seen[:468], axis=1).mean() / np.linalg.norm(seen[33] - seen[263])


def test_fit_meets_the_landmarks(portrait):
    assert portrait.error < 1.2
    assert reprojection(portrait) < 0.2
    assert not portrait.pose.translation.any() and not portrait.pose.rotation.any()


def test_saved_and_loaded_is_the_same_portrait(portrait, tmp_path):
    portrait.save(tmp_path / "p.npz")
    back = Portrait.load(tmp_path / "p.npz")
    assert np.array_equal(back.image, portrait.image) and np.array_equal(back.matte, portrait.matte)
    assert torch.equal(back.vertices(), portrait.vertices())
    assert torch.equal(back.camera.camera_from_world, portrait.camera.camera_from_world)
    assert back.error == portrait.error


def test_a_window_shows_the_head_where_the_photo_did(portrait):
    left, top, side = portrait.face_window()
    window = portrait.cropped(left, top, side, side).resized(300, 300)
    assert reprojection(window) == pytest.approx(reprojection(portrait), abs=1e-3)


def test_a_window_beyond_the_photo_continues_its_edge(portrait):
    height, width = portrait.matte.shape
    window = portrait.cropped(-20, -10, height + 30, width + 40)
    assert np.array_equal(window.image[10 : 10 + height, 20 : 20 + width], portrait.image)
    assert np.array_equal(window.image[0, 20 : 20 + width], portrait.image[0])


def test_no_face_and_too_few_faces_are_said(astronaut):
    with pytest.raises(BadInput, match="no face was found"):
        Portrait.fit(np.full((200, 200, 3), 128, np.uint8))
    with pytest.raises(BadInput, match=r"only 1 face\(s\) were found"):
        Portrait.fit(astronaut, face=1)


def test_not_a_portrait_file(tmp_path):
    np.savez(tmp_path / "other.npz", format=np.array(1))
    with pytest.raises(BadInput, match="no flamecast portrait"):
        Portrait.load(tmp_path / "other.npz")
