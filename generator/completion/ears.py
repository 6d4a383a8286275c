"""Where a portrait's ears are: around the head, and in its photo.

Landmarks do not hold a fitted head's ears: those of real people stand out up to 1 cm less and 2 cm more. Where the
person's outline in the photo passes along an ear, the ear is moved to it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ...flame_motion.heads.head import PARTS
from ...renderer import rasterize
from ..covers import skin_share
from ..portrait import Portrait
from .atlas import COLUMNS, ROWS, around, directions_of
from .frame import AtlasView, atlas_view, in_atlas
from .seen import in_photo, view_clip
from .whole_head import FINE

SIDES = (-1, 1)  # the subject's right and left
GROWN = 0.002  # m that an ear's place in the photo is grown by
GROWN_TEXELS = 5  # and the one around the head
USUALLY = np.array([0.0, -0.003, 0.018])  # m outwards, up and forwards that ears are from where a fitted head has them
BINS = 12  # heights at which an ear's rim is compared with the outline
HIGHER = np.arange(-0.010, 0.0101, 0.001)  # m that an ear is tried higher
FARTHER = np.arange(-0.012, 0.0261, 0.001)  # m that the outline is looked for farther out than the rim
ASIDE = 0.35  # cosine between an ear's side and the way to the camera within which an outline is the ear's
ALIKE = 0.004  # m on average within which rim and outline are alike
STAYS = 0.1  # m of difference that a m higher or lower counts as


def ear_faces(portrait: Portrait, side: int) -> np.ndarray:
    """The triangles [F, 3] of one of the fitted head's ears."""
    head = portrait.head
    faces = head.faces[head.part == PARTS.index("ears")].numpy()
    return faces[(side * head.template.numpy()[faces][..., 0] > 0).all(1)]


@dataclass(frozen=True, eq=False)
class FoundEar:
    """One of a portrait's ears, in the space of its atlas."""

    points: np.ndarray  # [E, 3] m
    faces: np.ndarray  # [F, 3] int32, of the points
    bare: float | None  # how much of it the photo shows with the color of skin, 0..1; None where it does not show it


Ears = dict[int, FoundEar]  # by side


def ears_of_photo(portrait: Portrait) -> Ears:
    """Each side's ear; where the photo does not show one, it is taken to be as the other."""
    view, fitted, moves = atlas_view(portrait), {}, {}
    for side in SIDES:
        faces = ear_faces(portrait, side)
        if len(faces):
            index, triangles = np.unique(faces, return_inverse=True)
            points = in_atlas(portrait, portrait.vertices()[0, index]) + USUALLY * [side, 1, 1]
            fitted[side] = points, triangles.reshape(-1, 3).astype(np.int32)
            moves[side] = _move(points, side, view, portrait.matte)
    known = [move for move in moves.values() if move is not None]
    usual = np.mean(known, 0) if known else np.zeros(2)
    ears: Ears = {}
    for side, (points, triangles) in fitted.items():
        found = moves[side]
        move = usual if found is None else found
        points = points + [side * move[0], move[1], 0]
        shown = None if found is None else skin_share(portrait.image, portrait.landmarks, view.to_pixels(points)[0])
        ears[side] = FoundEar(points, triangles, shown)
    return ears


def _move(ear: np.ndarray, side: int, view: AtlasView, matte: np.ndarray) -> np.ndarray | None:
    """How much farther out and higher [2] m the outline has an ear [E, 3] m; None where that is not the ear's."""
    away = view.eye - ear.mean(0)
    if abs(away[0]) > ASIDE * np.linalg.norm(away):
        return None
    level = np.linspace(ear[:, 1].min(), ear[:, 1].max(), BINS + 1)
    bins = np.digitize(ear[:, 1], level[1:-1])
    rim = np.stack([ear[bins == k][np.argmax(side * ear[bins == k, 0])] for k in np.unique(bins)])
    tried = np.zeros((len(HIGHER), len(rim), len(FARTHER), 3)) + rim[:, None]
    tried[..., 0] += side * FARTHER
    tried[..., 1] += HIGHER[:, None, None]
    outside = in_photo(matte.astype(np.float32), view.to_pixels(tried.reshape(len(HIGHER), -1, 3))[0]) < 0.5
    outside = outside.reshape(tried.shape[:3])
    first = np.where(outside.any(2), outside.argmax(2), 0)
    found = first > 0
    farther = np.where(found, FARTHER[first], np.nan)
    if found.mean() < 0.5:
        return None
    middle = np.nanmedian(farther, 1)
    unlike = np.nanmean(np.abs(farther - middle[:, None]), 1) + STAYS * np.abs(HIGHER) + ALIKE * (~found).mean(1)
    best = int(np.nanargmin(unlike))
    return np.array([middle[best], HIGHER[best]]) if unlike[best] < ALIKE else None


def ear_place(ear: np.ndarray) -> np.ndarray:
    """Which directions [FINE * ROWS, FINE * COLUMNS] an ear of points [E, 3] m stands in."""
    import cv2

    row, column = directions_of(ear)
    place = np.zeros((FINE * ROWS, FINE * COLUMNS), np.uint8)
    rows = (np.asarray(row) * FINE).clip(0, FINE * ROWS - 1).astype(int)
    place[rows, (np.asarray(column) * FINE).astype(int) % (FINE * COLUMNS)] = 1
    edge = 8 * GROWN_TEXELS
    grown = cv2.dilate(around(place, edge), np.ones((2 * GROWN_TEXELS + 1,) * 2, np.uint8))
    return grown[:, edge:-edge] > 0


def ears_in_photo(portrait: Portrait, ears: Ears) -> np.ndarray:
    """Where [H, W] float32 0..1 the photo has ears, a little grown."""
    import cv2

    view, (height, width) = atlas_view(portrait), portrait.matte.shape
    shown = np.zeros((height, width), np.float32)
    for ear in ears.values():
        corner = view_clip(view, ear.points, (height, width))
        shown = np.maximum(shown, rasterize(corner, torch.from_numpy(ear.faces), height, width)[0].numpy() >= 0)
    reach = max(1, round(GROWN * view.intrinsics[0, 0] / view.to_camera(np.zeros(3))[2]))
    return cv2.blur(cv2.dilate(shown.astype(np.float32), np.ones((2 * reach + 1,) * 2, np.uint8)), (3, 3))
