"""Teeth that the photo shows: found, and the model's row put where they end."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import torch

from flamecast.generator.teeth_rows import TeethRows
from flamecast.generator.warp.parts import vertices_of
from flamecast.generator.warp.teeth import INNER_LIPS, MAX_FORWARD, ROW, teeth_shown, with_teeth
from flamecast.renderer import to_pixels


def smiling(portrait, share: float):
    """The portrait with white teeth painted over the upper `share` of an opening between its lips, dark below."""
    points = portrait.landmarks.copy()
    height = 0.2 * np.linalg.norm(points[33, :2] - points[263, :2])
    for k in (87, 14, 317, 178, 402, 88, 318, 95, 324):
        points[k, 1] = points[13, 1] + height
    for k in (82, 13, 312, 81, 311, 80, 310, 191, 415):
        points[k, 1] = points[13, 1]
    image = portrait.image.copy()
    opening = points[list(INNER_LIPS), :2].round().astype(np.int32)
    cv2.fillConvexPoly(image, opening, (40, 15, 15))
    teeth = np.zeros(image.shape[:2], np.uint8)
    cv2.fillConvexPoly(teeth, opening, 1)
    end = round(float(points[13, 1] + share * height))
    teeth[end:] = 0
    image[teeth > 0] = (235, 228, 215)
    return replace(portrait, image=image, landmarks=points), teeth > 0, end


def test_teeth_are_found_where_they_were_painted(portrait):
    drawn, teeth, _ = smiling(portrait, 0.6)
    found = teeth_shown(drawn)
    assert (found & teeth).sum() / (found | teeth).sum() > 0.9


def test_a_shut_or_a_dark_mouth_shows_none(portrait):
    points = portrait.landmarks.copy()
    points[14] = points[13]
    assert not teeth_shown(replace(portrait, landmarks=points)).any()
    drawn, teeth, _ = smiling(portrait, 0.6)
    dark = drawn.image.copy()
    dark[teeth] = (60, 25, 25)
    assert not teeth_shown(replace(drawn, image=dark)).any()


def test_the_upper_row_ends_where_the_photos_does(portrait):
    row = vertices_of(portrait.head, ROW)

    def edge(p):
        at = to_pixels(p.camera, p.vertices()[0][row][None])[0, 0].numpy()
        middle = np.abs(at[:, 0] - p.landmarks[13, 0]) < 0.1 * np.linalg.norm(p.landmarks[33] - p.landmarks[263])
        return float(np.quantile(at[middle, 1], 0.95))

    was = edge(portrait)
    for share in (0.5, 0.7):
        drawn, _, end = smiling(portrait, share)
        moved, before = edge(with_teeth(drawn)), edge(drawn)
        wanted = end - before
        limit = 0.006 * float(portrait.camera.intrinsics[0, 1, 1]) / float(portrait.camera.camera_from_world[0, 2, 3])
        assert abs((moved - before) - np.clip(wanted, -limit, limit)) < 0.25 * abs(wanted) + 1.5
    plain = with_teeth(
        replace(portrait, landmarks=np.where(np.arange(478)[:, None] == 14, portrait.landmarks[13], portrait.landmarks))
    )
    assert abs(edge(plain) - was) < 1.0
    assert torch.equal(plain.offsets, portrait.offsets)


def test_bared_teeth_stand_right_behind_the_lip_where_the_photo_has_them(portrait):
    bared = smiling(portrait, 0.5)[0]
    head, matrix = portrait.head, portrait.camera.camera_from_world[0]
    row, near = vertices_of(head, ROW), with_teeth(bared)
    moved = TeethRows.of(head).moving[0]
    depth = lambda p: (p.vertices()[0] @ matrix[:3, :3].T + matrix[:3, 3])[:, 2]  # noqa: E731
    forward = (depth(bared) - depth(near))[moved] * 1000
    assert 1 < float(forward.mean()) < 1000 * MAX_FORWARD + 1
    lip = depth(near)[head.mediapipe[torch.tensor(INNER_LIPS[:11])]]
    assert float(depth(near)[row].min()) > float(lip.min())  # and none before it
    x = [to_pixels(p.camera, p.vertices())[0, 0, moved, 0] for p in (bared, near)]
    assert float((x[0] - x[1]).abs().max()) < 0.5  # across the face nothing moved; up and down, `with_teeth` may
