"""`flamecast evaluate factors`: expression, head pose and camera changed one at a time, and what else that changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from scipy.spatial.transform import Rotation

from ...core.files import PathLike
from ...flame_motion import FlameSequence, Progress
from ...flame_motion.edit import apply_edit
from ...flame_motion.media.photos import load_photo
from ...flame_motion.tracking.landmarks import OUTER_EYE_CORNERS
from ...generator import Portrait, load_generator
from ...renderer import Cameras, render_maps
from ...renderer.cameras import to_pixels
from ...renderer.cameras.paths import around, still
from ...renderer.geometry import unproject
from . import page as pages
from .faces import FaceReader

EXPRESSIONS: dict[str, dict[str, str]] = {
    "rest": {}, "mouth open": {"jawOpen": "0.6"}, "smile": {"smile": "0.9"},
    "brows up": {"browInnerUp": "0.9", "browOuterUpLeft": "0.9", "browOuterUpRight": "0.9"},
}  # fmt: skip
TURNS = (-15.0, 0.0, 15.0)  # degrees of the head
CAMERAS = (-15.0, 0.0, 15.0)  # degrees of the camera around the head
# MediaPipe's points of eyes' corners, nose and forehead, which no expression moves.
RIGID = (33, 133, 362, 263, 168, 6, 197, 195, 10, 151, 9, 108, 337)
# What expressions change: the distance of two groups of points along an axis (0: x, 1: y).
DISTANCES = (
    ((13,), (14,), 1), ((61,), (291,), 0), ((61, 291), (168,), 1), ((105, 334), (33, 263), 1),
    ((159,), (145,), 1), ((386,), (374,), 1),
)  # fmt: skip
SAME = 0.004  # m between surfaces that are one


def evaluate_factors(
    photos: Sequence[PathLike], *, generator: str = "diffusion", options: dict[str, Any] | None = None, seed: int = 0,
    page: PathLike | None = None, progress: Progress | None = None,
) -> dict[str, Any]:  # fmt: skip
    """How much of a driven change shows where nothing was driven, by photo and on average; 0 is best.

    Each photo is drawn with every one of `EXPRESSIONS` (columns), `TURNS` of the head (rows), `CAMERAS` (sheets), and
    each picture's face is found again: how it is turned, and six distances on it, straightened. What a factor leaks is
    how far a measure moves that it should leave alone, as a share of how far that measure moves where it is driven.
    `pose in expression`: by how much the same expression changes the face otherwise on a turned head. `expression in
    pose`: by how much the head seems to turn with an expression. `camera and pose`: how far the turn seen is not the
    sum of both. `consistency`: grey levels by which the views disagree about a surface that both see, at rest.
    page: an .html for the sheets. Raises BadInput.
    """
    pages.check_page(page)
    generate, faces = load_generator(generator, **(options or {})), FaceReader()
    found, sheets = {}, []
    for done, path in enumerate(photos, 1):
        portrait = Portrait.fit(load_photo(Path(path))[0])
        motion, names = _motions(portrait)
        pivot = portrait.vertices()[0].mean(0)
        cameras = around(portrait.camera, pivot, still(CAMERAS))
        frames = list(generate(portrait, motion, cameras, seed=seed))
        pictures = np.stack(frames, 1).reshape(len(CAMERAS), len(TURNS), len(names), *portrait.image.shape)
        name = Path(path).stem
        found[name] = _leaks(pictures, portrait, faces) | {"consistency": _disagreement(portrait, cameras, pictures)}
        if page is not None:
            sheets += _sheets(name, pictures)
        if progress is not None:
            progress("evaluate", done, len(photos))
    measures = list(next(iter(found.values())))
    mean = {m: round(float(np.nanmean([measured[m] for measured in found.values()])), 3) for m in measures}
    if page is not None:
        rows = {name: {"": measured} for name, measured in {**found, "mean": mean}.items()}
        pages.write_page(page, f"flamecast evaluate factors: {generator}", [pages.table(rows), *sheets])
    return {"generator": generator, "photos": found, "mean": mean}


def _motions(portrait: Portrait) -> tuple[FlameSequence, list[str]]:
    """Every turn with every expression, turns outermost, as the frames of one motion."""
    rest = portrait.pose
    frames = []
    for turn in TURNS:
        turned = replace(rest, neck=rest.neck + torch.deg2rad(torch.tensor([[0.0, turn, 0.0]])))
        frames += [
            apply_edit(turned, controls, portrait.head) if controls else turned for controls in EXPRESSIONS.values()
        ]
    return FlameSequence.concatenate(frames, fade=0), list(EXPRESSIONS)


def _leaks(pictures: np.ndarray, portrait: Portrait, faces: FaceReader) -> dict[str, float]:
    """Of pictures [camera, turn, expression, H, W, 3]."""
    shape, model = pictures.shape[:3], _points(portrait)
    lens = portrait.camera.intrinsics[0].double().numpy()
    turns, shown = np.full((*shape, 3), np.nan), np.full((*shape, len(DISTANCES)), np.nan)
    for at in np.ndindex(*shape):
        face = faces.read(pictures[at])
        if face is not None:
            turns[at], shown[at] = _read(face.landmarks, model, lens)
    camera, turn = len(CAMERAS) // 2, len(TURNS) // 2
    size = lambda x: float(np.nanmean(np.linalg.norm(x, axis=-1)))  # noqa: E731
    turns -= turns[camera, turn, 0].copy()
    done = shown - shown[:, :, :1]  # what expressions change: the resting face differs from view to view by detection
    driven_expression = size(done[camera, turn, 1:])
    driven_turn = size(np.delete(turns[camera, :, 0], turn, 0))
    driven_camera = size(np.delete(turns[:, turn, 0], camera, 0))
    by_expression = (turns - turns[:, :, :1])[:, :, 1:]
    sums = turns[:, :, 0] - turns[camera, :, 0] - turns[:, turn, 0][:, None]
    found = {
        "pose in expression": size(np.delete(done[camera] - done[camera, turn], turn, 0)[:, 1:]) / driven_expression,
        "camera in expression": size(np.delete(done[:, turn] - done[camera, turn], camera, 0)[:, 1:])
        / driven_expression,
        "expression in pose": size(by_expression[camera]) / driven_turn,
        "expression in camera": size(by_expression[:, turn]) / driven_camera,
        "camera and pose": size(sums) / (driven_turn + driven_camera),
    }
    return {name: round(value, 3) for name, value in found.items()}


def _points(portrait: Portrait) -> np.ndarray:
    """Where MediaPipe's points lie on the portrait's head at rest, straight, [478, 3] m; NaN where it is not known."""
    straight = portrait.vertices(replace(portrait.pose, neck=torch.zeros(1, 3)))[0]
    faces, bary = portrait.head.mediapipe_places()
    points = (straight[portrait.head.faces[faces.clamp_min(0)]] * bary[..., None]).sum(-2)
    return torch.where((faces < 0)[:, None], float("nan"), points).double().numpy()


def _read(seen: np.ndarray, model: np.ndarray, lens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How a head is turned, a rotation vector in degrees, and what its face does, as shares of the eyes' distance.

    The turn is that of points that no expression moves; others are looked for at the depth that the resting head has.
    No depth that a detector guesses is used.
    """
    rigid, pixels = list(RIGID), seen[:, :2].astype(np.float64)
    _, turn, away = cv2.solvePnP(model[rigid], pixels[rigid], lens, None, flags=cv2.SOLVEPNP_SQPNP)
    matrix, _ = cv2.Rodrigues(turn)
    depth = model @ matrix[2] + away[2]
    rays = np.concatenate([pixels, np.ones((len(pixels), 1))], 1) @ np.linalg.inv(lens).T
    straight = (rays * depth[:, None] - away.T) @ matrix
    eyes = np.linalg.norm(model[OUTER_EYE_CORNERS[0]] - model[OUTER_EYE_CORNERS[1]])
    distances = [(straight[list(p)].mean(0) - straight[list(q)].mean(0))[axis] / eyes for p, q, axis in DISTANCES]
    facing = np.diag([1.0, -1.0, -1.0])  # a camera's axes and the world's
    return Rotation.from_matrix(facing @ matrix).as_rotvec(degrees=True), np.array(distances)


def _disagreement(portrait: Portrait, cameras: Cameras, pictures: np.ndarray) -> float:
    """Grey levels between the middle view at rest and the others, where both see the same surface."""
    middle, rest = len(CAMERAS) // 2, pictures[:, len(TURNS) // 2, 0]
    vertices = portrait.vertices()
    maps = render_maps(vertices, portrait.head, cameras, maps=("depth", "mask"))
    assert maps.depth is not None and maps.mask is not None
    own = cameras.view(middle)
    world = unproject(own, maps.depth[middle : middle + 1])[0, 0]  # [H, W, 3]
    on_head = maps.mask[middle, 0].numpy()
    differences = []
    for view in range(cameras.views):
        if view == middle:
            continue
        camera = cameras.view(view)
        xy = to_pixels(camera, world.view(1, -1, 3)).view(*world.shape[:2], 2).nan_to_num(-1.0).float().numpy() - 0.5
        seen = lambda picture: cv2.remap(picture, xy[..., 0], xy[..., 1], cv2.INTER_LINEAR)  # noqa: B023, E731
        matrix = camera.camera_from_world.reshape(4, 4)
        depth = (world @ matrix[2, :3] + matrix[2, 3]).numpy()
        both = on_head & (np.abs(seen(maps.depth[view, 0].numpy()) - depth) < SAME)
        differences.append(np.abs(seen(rest[view].astype(np.float32)) - rest[middle])[both].mean())
    return round(float(np.mean(differences)), 2)


def _sheets(name: str, pictures: np.ndarray) -> list[str]:
    """Pictures [camera, turn, expression, H, W, 3] uint8 for a page: one of each camera, a row a turn of the head."""
    turns = ", ".join(f"{turn:g}" for turn in TURNS)
    rows = f"rows: the head turned by {turns} degrees; columns: {', '.join(EXPRESSIONS)}"
    parts = [pages.heading(name)]
    for degrees, sheet in zip(CAMERAS, pictures, strict=True):
        picture = np.vstack([np.hstack(list(row)) for row in sheet])
        parts.append(pages.picture(picture, f"camera at {degrees:g} degrees; {rows}"))
    return parts
