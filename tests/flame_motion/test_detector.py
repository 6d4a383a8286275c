"""Faces in photos: small ones in large pictures are found, and what is no face is not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from flamecast.flame_motion.tracking.detector import MediaPipeDetector

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="module")
def detector() -> MediaPipeDetector:
    return MediaPipeDetector()


def test_a_small_face_in_a_large_picture_is_found_where_it_was_put(detector):
    photo = astronaut()
    large = np.full((2400, 3200, 3), 120, np.uint8)
    small = np.asarray(Image.fromarray(photo).resize((200, 200), Image.Resampling.LANCZOS))
    large[1500:1700, 2100:2300] = small
    assert detector.faces(large, small=False) == []
    (face,) = detector.faces(large)
    truth = detector.faces(photo)[0].points[:, :2] * 200 / 512 + [2100, 1500]
    assert np.linalg.norm(face.points[:, :2] - truth, axis=1).mean() < 0.03 * face.size


@pytest.mark.skipif(not (DATA / "inputs").exists(), reason="no real media: ../shared/data")
def test_a_face_of_105_px_in_12_megapixels_is_found(detector):
    with Image.open(DATA / "inputs" / "group_small_face.jpg") as photo:
        (face,) = detector.faces(np.asarray(photo.convert("RGB")))
    assert 90 < face.size < 120


@pytest.mark.skipif(not (DATA / "portraits").exists(), reason="no real media: ../shared/data")
def test_an_alpaca_is_no_person_however_it_is_held(detector):
    with Image.open(DATA / "portraits" / "liveportrait__source_s36.jpg") as photo:
        image = np.asarray(photo.convert("RGB"))
    assert [detector.faces(np.ascontiguousarray(np.rot90(image, k))) for k in range(4)] == [[]] * 4


def test_a_photo_and_a_clip_are_searched_at_once_as_apart(detector):
    photo = astronaut()
    clip = [photo, np.zeros_like(photo)] * 8  # without a face each frame is searched anew

    def points():
        return [face.points for face in detector.faces(photo)]

    def followed():
        return [None if face is None else face.points for face in detector.track(clip)]

    alone = [points()] * 8, followed()
    with ThreadPoolExecutor(2) as pool:
        track = pool.submit(followed)
        together = [pool.submit(points).result() for _ in range(8)], track.result()
    np.testing.assert_equal(together, alone)
