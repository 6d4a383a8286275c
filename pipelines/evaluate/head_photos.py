"""Photos of textured heads from any side, by which drawn heads are judged: what is seen, where, and what is hidden."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from ...renderer import Cameras, around, clip, interpolate_fast, pinhole, rasterize, still, to_pixels
from ...training.completion.heads import TexturedHead, posed, welded_normals
from ...training.completion.photos import textured

PIVOT = (0.0, -0.03, -0.07)  # m, what the camera circles around
DISTANCE, FIELD = 1.1, 24.0  # m; degrees of the picture
TOWARD_LIGHT = np.array([0.35, 0.5, 0.8]) / np.linalg.norm([0.35, 0.5, 0.8])  # it stands in the world
AMBIENT = 0.62
CLOTHES = "clothes"
SAME = 0.006  # m between surfaces that are one
REACH = 40  # px by which a drawn head may lie aside
APART = 24  # grey levels by which a person differs from the wall behind
Rated = dict[str, float]


@dataclass(frozen=True)
class HeadPhoto:
    """A photo of S px, and its truth."""

    picture: np.ndarray  # [S, S, 3] uint8
    head: np.ndarray  # [S, S] bool, the head without clothes
    person: np.ndarray  # [S, S] bool, clothes too
    place: np.ndarray  # [S, S, 3] m, what is seen there; NaN where nobody is
    camera: Cameras


class HeadModel:
    """A textured head in one expression, in a calm studio."""

    def __init__(self, head: TexturedHead, morphs: dict[str, float], size: int) -> None:
        """size: px of its photos."""
        meshes = posed(head, morphs)
        normals = [welded_normals(v, p.faces, p.weld) for v, p in zip(meshes, head.parts)]
        first = np.cumsum([0, *(len(v) for v in meshes)])
        self.size, self.textures = size, [p.texture for p in head.parts]
        self.vertices = np.concatenate(meshes)
        self.faces = torch.from_numpy(np.concatenate([p.faces + k for p, k in zip(head.parts, first)]).astype(np.int32))
        self.part = np.repeat(np.arange(len(head.parts)), [len(p.faces) for p in head.parts])
        self.is_head = np.array([p.name != CLOTHES for p in head.parts])
        uv = np.concatenate([p.uv for p in head.parts])
        values = np.concatenate([uv, np.concatenate(normals), self.vertices], 1)  # [N, 8]
        self.values = torch.from_numpy(values.astype(np.float32))[None]

    def photo(self, angle: float) -> HeadPhoto:
        """From `angle` degrees to the subject's left."""
        camera = camera_at(angle, self.size)
        corner = clip(camera, torch.from_numpy(self.vertices).float()[None])[0]
        triangle = rasterize(corner, self.faces, self.size, self.size)
        at = np.asarray(interpolate_fast(triangle, corner, self.faces, self.values)[0])
        shown = triangle[0].numpy()
        person = shown >= 0
        normal = at[..., 2:5] / np.maximum(np.linalg.norm(at[..., 2:5], axis=-1, keepdims=True), 1e-9)
        light = AMBIENT + (1 - AMBIENT) * np.maximum(normal @ TOWARD_LIGHT, 0)
        color = textured(self.textures, self.part, shown, at[..., :2]) * light[..., None]
        picture = np.where(person[..., None], color, wall(self.size))
        head = person & self.is_head[self.part[shown]]
        place = np.where(person[..., None], at[..., 5:], np.nan)
        return HeadPhoto(picture.clip(0, 255).round().astype(np.uint8), head, person, place, camera)


def camera_at(angle: float, size: int) -> Cameras:
    """A camera that circles around the head, to the subject's left."""
    pose = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    pose[:3, 3] = torch.tensor([0.0, 0.0, DISTANCE]) - pose[:3, :3] @ torch.tensor(PIVOT)
    base = pinhole(size, size, focal=size / 2 / np.tan(np.radians(FIELD / 2)), camera_from_world=pose)
    return around(base, PIVOT, still(angle))


def wall(size: int) -> np.ndarray:
    """What is behind the head [S, S, 3] 0..255: a vertical ramp with two soft spots."""
    y, x = np.mgrid[0:size, 0:size] / size
    spot = lambda across, down: np.exp(-((x - across) ** 2 + (y - down) ** 2) * 9)  # noqa: E731
    return np.stack([120 + 40 * y - 25 * spot(0.2, 0.3), 128 + 36 * y, 140 + 30 * y + 15 * spot(0.8, 0.6)], -1)


def hidden(true: HeadPhoto, photo: HeadPhoto) -> np.ndarray:
    """Where [S, S] a photo of the truth shows a part of the head that another photo does not."""
    points = torch.from_numpy(np.nan_to_num(true.place)).float()
    size = points.shape[0]
    pixels = to_pixels(photo.camera, points.view(1, -1, 3)).reshape(size, size, 2).numpy()
    column, row = np.floor(np.clip(pixels, 0, size - 1)).astype(int).transpose(2, 0, 1)
    inside = ((pixels >= 0) & (pixels < size)).all(-1)
    away = np.linalg.norm(photo.place - np.asarray(photo.camera.centers[0, 0]), axis=-1)
    own = np.linalg.norm(true.place - np.asarray(photo.camera.centers[0, 0]), axis=-1)
    seen = inside & (np.abs(own - np.nan_to_num(away, nan=-9)[row, column]) < SAME)
    return true.head & ~seen


def rate(drawn: np.ndarray, true: HeadPhoto, unseen: np.ndarray) -> Rated:
    """Measures of a drawn head [S, S, 3] uint8, laid onto the true one by the shift that fits best.

    `l1` and `ssim` inside the true head, `hidden` where the photo does not show it (NaN where it shows all), `outline`:
    the overlap of what differs from the wall with the true person, above the collar.
    """
    from skimage.metrics import structural_similarity

    laid = shifted(drawn, true.picture, true.head)
    error = np.abs(laid.astype(np.float32) - true.picture).mean(-1)
    alike = structural_similarity(laid, true.picture, channel_axis=2, win_size=7, full=True)[1].mean(-1)
    rows = slice(0, np.flatnonzero(true.head.any(1))[-1] + 1)
    person, drawn_person = true.person[rows], outline(laid)[rows]
    return {
        "l1": float(error[true.head].mean()),
        "hidden": float(error[unseen].mean()) if unseen.any() else float("nan"),
        "ssim": float(alike[true.head].mean()),
        "outline": float((person & drawn_person).sum() / (person | drawn_person).sum()),
    }


def shifted(drawn: np.ndarray, true: np.ndarray, head: np.ndarray) -> np.ndarray:
    """`drawn` moved by the whole pixels, at most `REACH`, that make it most like `true` inside the box of `head`."""
    rows, columns = (np.flatnonzero(head.any(axis)) for axis in (1, 0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    larger = np.s_[rows[0] : rows[-1] + 1 + 2 * REACH, columns[0] : columns[-1] + 1 + 2 * REACH]
    grey = lambda picture: cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)  # noqa: E731
    padded = cv2.copyMakeBorder(grey(drawn), *[REACH] * 4, cv2.BORDER_REPLICATE)
    _, _, _, (across, down) = cv2.minMaxLoc(cv2.matchTemplate(padded[larger], grey(true)[box], cv2.TM_CCOEFF_NORMED))
    move = np.array([[1, 0, REACH - across], [0, 1, REACH - down]], np.float32)
    return cv2.warpAffine(drawn, move, drawn.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)


def outline(picture: np.ndarray) -> np.ndarray:
    """Who stands before the wall [S, S] bool: the largest thing that differs from it, its holes filled."""
    differs = (np.abs(picture.astype(np.float32) - wall(picture.shape[0])).max(-1) > APART).astype(np.uint8)
    differs = cv2.morphologyEx(differs, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    around_it, _ = cv2.findContours(differs, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    out = np.zeros_like(differs)
    if around_it:
        cv2.drawContours(out, [max(around_it, key=cv2.contourArea)], -1, 1, cv2.FILLED)
    return out.astype(bool)
