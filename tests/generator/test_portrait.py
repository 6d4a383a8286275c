"""The portrait of the public-domain photo in scikit-image: fit, file, windows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from flamecast.core.npz import load_arrays
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
    assert not window.matte[:10].any()  # hair that the photo cuts off does not go on for ever
    assert np.array_equal(window.matte[-1, 20 : 20 + width], portrait.matte[-1])  # shoulders do


def test_no_face_and_too_few_faces_are_said(astronaut):
    with pytest.raises(BadInput, match="no face was found"):
        Portrait.fit(np.full((200, 200, 3), 128, np.uint8))
    for face in (1, 7, -1):
        with pytest.raises(BadInput, match=f"face {face} was asked for and the photo shows 1: 0 to 0 can be given"):
            Portrait.fit(astronaut, face=face)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": np.array(9)}, "format 3 was expected, got 9"),
        ({"format": np.zeros(3)}, "format 3 was expected"),
        ({"image": np.zeros((0, 512, 3), np.uint8)}, "Cameras.height"),
        ({"image": np.zeros((512, 512, 3), np.float32)}, "image must be uint8"),
        ({"matte": np.full((512, 512), np.nan, np.float32)}, "matte must be finite"),
        ({"matte": np.array("text")}, "matte must have shape"),
        ({"offsets": np.zeros((5, 3), np.float32)}, r"offsets must have shape \[6102, 3\], got \[5, 3\]"),
        ({"offsets": np.full((6102, 3), 1e30, np.float32)}, "offsets must be within 1 m"),
        ({"landmarks": np.zeros((5, 3))}, r"landmarks must have shape \[478, 3\]"),
        ({"landmarks": np.full((478, 3), np.nan)}, "landmarks must be finite"),
        ({"error": np.array("text")}, "could not convert"),
        ({"error": np.array(np.nan)}, "error must be a number of at least 0, got nan"),
        ({"error": np.zeros(4)}, "converted to Python scalars"),
        ({"intrinsics": np.zeros((1, 3, 3), np.float32)}, "Cameras.intrinsics"),
        ({"camera_from_world": np.full((1, 4, 4), np.nan, np.float32)}, "Cameras.camera_from_world must be finite"),
        ({"pose_neck": np.array("text")}, "can't convert"),
        ({"pose_neck": np.full((1, 3), np.inf, np.float32)}, "neck: expected finite"),
        ({"pose_expression": np.zeros((1, 5), np.float32)}, "5 expression"),
    ],
)
def test_a_damaged_portrait_file_is_refused_in_one_sentence(portrait, tmp_path, change, says):
    path = tmp_path / "p.npz"
    portrait.save(path)
    np.savez(path, **{**load_arrays(path), **change})
    with pytest.raises(BadInput, match=f"p.npz is no whole portrait: .*{says}") as caught:
        Portrait.load(path)
    assert "\n" not in str(caught.value)


def test_not_a_portrait_file(tmp_path):
    np.savez(tmp_path / "other.npz", format=np.array(1))
    with pytest.raises(BadInput, match="no flamecast portrait"):
        Portrait.load(tmp_path / "other.npz")


def test_a_portrait_takes_another_identity_and_still_meets_the_landmarks(portrait):
    same = portrait.with_identity(portrait.shape)
    assert float((same.vertices() - portrait.vertices()).norm(dim=-1).mean()) < 5e-4
    left, top, side = portrait.face_window()
    for own in (portrait, portrait.cropped(left, top, side, side)):
        other = own.with_identity(-own.shape)
        assert torch.equal(other.shape, -own.shape)
        assert reprojection(other) < 0.3 and other.error > portrait.error
        assert torch.equal(other.camera.intrinsics, own.camera.intrinsics)


@pytest.mark.parametrize(
    ("turns", "says"), [(1, "90 degrees to the right"), (2, "180 degrees"), (3, "90 degrees to the left")]
)
def test_a_photo_that_lies_or_stands_on_its_head_is_turned(astronaut, portrait, turns, says):
    lying = np.ascontiguousarray(np.rot90(astronaut, turns))
    back, notes = Portrait.fit_with_notes(lying, matte=np.rot90(portrait.matte, turns))
    assert notes == [f"no face stands upright in the photo: it was turned by {says} and is used so"]
    assert np.array_equal(back.image, astronaut) and np.array_equal(back.matte, portrait.matte)
    assert np.array_equal(back.landmarks, portrait.landmarks) and torch.equal(back.pose.neck, portrait.pose.neck)


def test_a_photo_that_stands_upright_is_not_turned(astronaut, portrait):
    same, notes = Portrait.fit_with_notes(astronaut)
    assert notes == [] and np.array_equal(same.landmarks, portrait.landmarks)
