"""Which frame of its driver a portrait is: by its pixels where the video is there, by its face where it is not."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from skimage.data import astronaut

from flamecast.flame_motion import FlameSequence, VideoClip
from flamecast.generator import Portrait
from flamecast.pipelines.own_frame import own_frame

TRUE, LIKEST, FRAMES = 5, 2, 8


@pytest.fixture(scope="module")
def portrait() -> Portrait:
    return Portrait.fit(astronaut())


@pytest.fixture(scope="module")
def motion(portrait) -> FlameSequence:
    """A clip of the person that turns, and that looks most like the photo in a frame beside the true one."""
    frames = FlameSequence.concatenate([portrait.pose] * FRAMES, fade=0)
    turn = 0.06 * (1 + torch.arange(FRAMES)[:, None]) * torch.tensor([0.0, 1.0, 0.0])
    turn[LIKEST] = 0
    return replace(frames, neck=frames.neck + turn)


def pictures(image: np.ndarray) -> list[np.ndarray]:
    """The photo as the true frame, and the same moved by ever more pixels before and after."""
    return [np.roll(image, 3 * (k - TRUE), axis=1) for k in range(FRAMES)]


def test_without_its_video_the_likest_face_is_taken(portrait, motion):
    assert own_frame(portrait, motion, None) == LIKEST


@pytest.mark.parametrize("size", [512, 200])
def test_the_frame_that_is_the_photo_is_found_at_any_size_and_after_a_jpeg(portrait, motion, size):
    shown = cv2.resize(portrait.image, (size, size), interpolation=cv2.INTER_AREA)
    shown = cv2.imdecode(cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, 85])[1], cv2.IMREAD_COLOR)
    assert own_frame(portrait, motion, VideoClip(pictures(shown), 25.0)) == TRUE


def test_a_video_without_that_picture_leaves_the_likest_face(portrait, motion):
    clip = VideoClip([255 - x for x in pictures(portrait.image)], 25.0)
    assert own_frame(portrait, motion, clip) == LIKEST


def test_a_video_at_another_rate_than_the_motion_says_nothing(portrait, motion):
    assert own_frame(portrait, motion, VideoClip(pictures(portrait.image), 30.0)) == LIKEST


def test_another_person_is_in_no_frame(portrait, motion):
    other = replace(motion, shape=motion.shape + 2)
    assert own_frame(portrait, other, VideoClip(pictures(portrait.image), 25.0)) is None
