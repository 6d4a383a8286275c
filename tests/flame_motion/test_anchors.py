"""Anchors: followed to a fraction of a pixel, and strong enough to overrule landmarks that are wrong about the head."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage.data import astronaut

from flamecast.flame_motion import FlameSequence, load_head
from flamecast.flame_motion.tracking.anchors import Anchors, AnchorTracker
from flamecast.flame_motion.tracking.detector import MediaPipeDetector
from flamecast.flame_motion.tracking.landmarks import Face
from flamecast.flame_motion.tracking.pinhole import Pinhole
from flamecast.flame_motion.tracking.track import Detections, track_landmarks

SHIFT = np.array([1.5, -0.75])  # px a frame


@pytest.fixture(scope="module")
def run() -> Anchors:
    """The public-domain portrait, moved a little from frame to frame."""
    import cv2

    photo = astronaut()
    face = MediaPipeDetector().faces(photo)[0]
    tracker = AnchorTracker()
    for t in range(6):
        matrix = np.array([[1, 0, SHIFT[0] * t], [0, 1, SHIFT[1] * t]])
        frame = cv2.warpAffine(photo, matrix, photo.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
        tracker.feed(frame, Face(face.points + [*(SHIFT * t), 0]))
    (only,) = tracker.runs
    return only


def test_anchors_are_followed_to_a_tenth_of_a_pixel(run):
    assert run.key == 0 and len(run.later) == 5 and len(run.start) >= 16
    for t, places in enumerate(run.later, 1):
        there = np.isfinite(places).all(1)
        assert there.mean() > 0.8
        assert np.abs(places[there] - run.start[there] - SHIFT * t).max() < 0.35
        assert np.abs(np.median(places[there] - run.start[there], 0) - SHIFT * t).max() < 0.1


def test_a_frame_without_a_face_ends_the_run():
    photo = astronaut()
    face = MediaPipeDetector().faces(photo)[0]
    tracker = AnchorTracker()
    for seen in (face, face, None, face):
        tracker.feed(photo, seen)
    assert [(r.key, len(r.later)) for r in tracker.runs] == [(0, 1), (3, 0)]


def test_anchors_overrule_landmarks_that_turn_with_the_expression():
    """Landmarks that swing 3 degrees while the hair stands still: the head stands still."""
    head = load_head()
    frames = 24
    swing = torch.sin(torch.linspace(0, 6.28, frames))
    motion = replace(
        FlameSequence.neutral(frames=frames, fps=25, head=head),
        neck=torch.stack([0 * swing, 0 * swing, 0.05 * swing], 1),
        translation=torch.tensor([0.0, 0.0, -0.8]).expand(frames, 3),
    )
    skin = head.subset(head.mediapipe)
    points = skin.pose(*skin.shaped(motion.shape), motion)
    camera = Pinhole.guess(512, 512)
    depth = -(points[..., 2:] - points[..., 2:].mean(1, keepdim=True)) * camera.focal / 0.8
    seen = torch.cat([camera.project(points), depth], -1).numpy().astype(np.float32)
    rng = np.random.default_rng(0)
    low, high = seen[0, :, :2].min(0), seen[0, :, :2].max(0)
    places = np.c_[rng.uniform(low[0], high[0], 80), rng.uniform(low[1] - 50, low[1], 80)].astype(np.float32)
    still = [Anchors(0, places, [places] * (frames - 1))]
    clip = Detections(seen, 512, 512, 25.0)
    roll = lambda anchors: track_landmarks(replace(clip, anchors=anchors), head).motion.neck[:, 2].std()  # noqa: E731
    assert float(roll(still)) < 0.4 * float(roll([]))
