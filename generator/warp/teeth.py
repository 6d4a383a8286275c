"""Teeth: where the photo shows some, the model's upper row is put where they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from ...renderer import to_pixels
from ..completion.depth import deeper
from ..portrait import Portrait
from ..teeth_rows import TeethRows
from .parts import vertices_of

# MediaPipe's landmarks around the opening of the lips.
INNER_LIPS = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
UPPER_LIP = INNER_LIPS[:11]  # from corner to corner
ROW = ("teeth_upper",)
PARTED = 0.03  # of the eyes' distance between the lips, from which on teeth can be seen
BRIGHT, PALE = 0.72, 0.5  # a tooth: so bright, of the brightest between the lips, and no more saturated than that
LIT = 0.5  # of the skin's brightness, that the brightest tooth has at least
FEW = 5e-4  # of the face's height squared: fewer px of teeth say nothing
TALL = 0.07  # of the face's height: no tooth shows more of itself
MAX_SHIFT = 0.006  # m by which the row moves
BEHIND, CLOSEST = 0.005, 0.002  # m that teeth stand behind the inner edge of the lip that bares them: on average, least
MAX_FORWARD = 0.009  # m that a row comes forward, at most
NEAREST = 6  # vertices of a row, by which a gap is measured


def with_teeth(portrait: Portrait) -> Portrait:
    """The portrait whose upper teeth end where those that its photo shows do, right behind the lips that bare them."""
    head = portrait.head
    offsets = portrait.offsets.clone()
    row, lower = vertices_of(head, ROW), _lower_by(portrait)
    if lower > 0:  # only its edge: the teeth go up as far as before, under a lip that may rise
        height = (head.template + offsets)[row, 1]
        offsets[row, 1] -= lower * (height.max() - height) / (height.max() - height.min()).clamp_min(1e-6)
    else:
        offsets[row, 1] -= lower
    return _near_lips(replace(portrait, offsets=offsets))


def _near_lips(portrait: Portrait) -> Portrait:
    """The portrait whose upper teeth stand right behind the lips that bare them, and where they were in the photo.

    Without, a head that turns shows the dark between the end of the row and the far corner of a smile.
    """
    head = portrait.head
    upper, rows = vertices_of(head, ROW), TeethRows.of(head)
    if rows is None or not teeth_shown(portrait).any():
        return portrait
    matrix = portrait.camera.camera_from_world[0]
    vertices = portrait.vertices()[0]
    depth = (vertices @ matrix[:3, :3].T + matrix[:3, 3])[:, 2]
    at = to_pixels(portrait.camera, vertices[None])[0, 0, :, :2]
    lips = head.mediapipe[torch.tensor(UPPER_LIP)]
    near = torch.cdist(at[lips], at[upper]).topk(NEAREST, largest=False).indices
    gap = depth[upper][near].min(1).values - depth[lips]
    # As one piece with its gums, from which `TeethRows` tells the row's up.
    forward = min(float(gap.mean()) - BEHIND, float(gap.min()) - CLOSEST)
    by = torch.zeros(len(vertices))
    by[rows.moving[0]] = -min(max(forward, 0.0), MAX_FORWARD)
    return deeper(portrait, by)


def lips_parted(portrait: Portrait) -> bool:
    """Whether the photo shows anything between the lips."""
    upper, lower, right, left = portrait.landmarks[[13, 14, 33, 263], :2]
    return bool(np.linalg.norm(upper - lower) >= PARTED * np.linalg.norm(right - left))


def teeth_shown(portrait: Portrait) -> np.ndarray:
    """Where the photo shows teeth, [H, W] bool: what is bright and pale between the lips."""
    import cv2

    image, points = portrait.image, portrait.landmarks[:, :2]
    shown = np.zeros(image.shape[:2], bool)
    if not lips_parted(portrait):
        return shown
    lips = cv2.fillPoly(np.zeros(shown.shape, np.uint8), [points[list(INNER_LIPS)].round().astype(np.int32)], 1) > 0
    value = image.max(2).astype(np.float32)
    pale = (value - image.min(2)) <= PALE * np.maximum(value, 1)
    cheeks = [image[int(y), int(x)].max() for x, y in points[[50, 280, 205, 425]] if _inside(shown, x, y)]
    bright = float(np.quantile(value[lips], 0.9)) if lips.any() else 0.0
    if not cheeks or bright < LIT * float(np.median(cheeks)):
        return shown
    return lips & pale & (value > BRIGHT * bright)


def _inside(picture: np.ndarray, x: float, y: float) -> bool:
    return 0 <= y < picture.shape[0] and 0 <= x < picture.shape[1]


def _end_of_row(column: np.ndarray, tallest: float) -> float:
    """Where the first row of teeth ends in a column of places [K] px, ascending: at a gap, or as tall as teeth are."""
    gaps = np.flatnonzero(np.diff(column) > 2)
    last = column[gaps[0]] if len(gaps) else column[-1]
    return float(min(last + 0.5, column[0] + tallest))


def _lower_by(portrait: Portrait) -> float:
    """How many m farther down, along the head, the photo's upper teeth end than the model's."""
    shown, head = teeth_shown(portrait), portrait.head
    row = vertices_of(head, ROW)
    marks = portrait.landmarks[:, :2]
    face = float(np.linalg.norm(marks[152] - marks[10]))
    if shown.sum() < FEW * face**2 or not bool(row.any()):
        return 0.0
    down = (marks[152] - marks[10]) / face
    axes = np.stack([[down[1], -down[0]], down], 1)  # across the face and down it
    teeth = (np.argwhere(shown)[:, ::-1] + 0.5) @ axes
    vertices = portrait.vertices()[0]
    model = to_pixels(portrait.camera, vertices[row][None])[0, 0, :, :2].numpy() @ axes
    left, right = np.quantile(teeth[:, 0], [0.25, 0.75])
    model = model[(model[:, 0] >= left) & (model[:, 0] <= right), 1]
    columns = np.arange(np.floor(left), right)
    across = [np.sort(teeth[np.abs(teeth[:, 0] - x - 0.5) <= 0.5, 1]) for x in columns]
    ends = [_end_of_row(column, TALL * face) for column in across if len(column)]
    if not len(model) or not ends:
        return 0.0
    lower = float(np.median(ends)) - float(np.quantile(model, 0.95))
    if float(np.median(ends)) > float((marks[[87, 14, 317]] @ axes)[:, 1].min()) - 0.02 * face:
        lower = max(lower, 0.0)  # behind the lower lip they may go on
    depth = float(torch.linalg.vector_norm(vertices[row].mean(0) - portrait.camera.centers[0, 0]))
    return float(np.clip(lower * depth / float(portrait.camera.intrinsics[0, 1, 1]), -MAX_SHIFT, MAX_SHIFT))
