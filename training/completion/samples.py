"""Pairs for the completion network: what the product sees in a photo of somebody, and the whole atlas of their head.

The photo goes through the product's own detector, segmentation and fit, errors and all. The truth lies in the space of
that fit: every point of the head is put behind the pixel where the photo shows it (or would, if nothing hid it), at
a depth that keeps the fit's size of the head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ...core.errors import BadInput
from ...core.npz import save_arrays
from ...flame_motion.tracking.landmarks import LandmarkDetector
from ...generator.completion.atlas import COLUMNS, ROWS, blurred, outermost, surface_normals, surface_points
from ...generator.completion.frame import AtlasView, atlas_view
from ...generator.completion.seen import HIDES, Seen, depth_map, in_photo, look, nearest
from ...generator.portrait import Portrait
from .heads import SKIN
from .people import PeopleBank, Person
from .photos import Backgrounds, Grade, Scene, developed, draw_grade, draw_scene, on_skin, photograph, textured
from .real_photos import RealTruth, real_view

FINE = 2  # the truth's colors are kept at so many times the atlas's side
DOUBTFUL = 3.0  # % of the eyes' distance: a photo that is fitted worse is left out
UNDER_CLOTHES = 0.006  # m by which what clothes hide must lie deeper
ASTRAY = 0.25  # of the head's size in px that the fitted eyes may lie beside the true ones


@dataclass(frozen=True)
class Truth:
    """The atlas as it is, what clothes hide left out; H x W = ROWS x COLUMNS, h x w FINE times as many.

    Skin is also known under hair.
    """

    skin: np.ndarray  # [h, w, 3] uint8, the color of skin (and painted hair and collar)
    skin_there: np.ndarray  # [h, w] uint8 0..255, how much of a texel has it
    skin_radius: np.ndarray  # [H, W] float16 m
    hair: np.ndarray  # [h, w, 3] uint8, the color of hair on the outside, a mesh or painted
    hair_there: np.ndarray  # [h, w] uint8 0..255
    hair_radius: np.ndarray  # [H, W] float16 m, of the outside where hair is
    painted: np.ndarray  # [h, w] uint8 0..255, where the skin's texture shows hair, covered or not
    collar: np.ndarray  # [h, w] uint8 0..255, where it shows a collar
    seen: np.ndarray  # [H, W] uint8, 1 where the photo shows the outside well


@dataclass(frozen=True)
class Sample:
    """A photo, what the product sees in it, and the truth."""

    photo: np.ndarray  # [SIZE, SIZE, 3] uint8
    matte: np.ndarray  # [SIZE, SIZE] uint8, as the product segments it
    view: AtlasView  # of the fit
    seen: Seen
    truth: Truth | RealTruth
    kind: str  # of hair; "photo" for a real one's


def make_sample(
    bank: PeopleBank, backgrounds: Backgrounds, detector: LandmarkDetector, seed: Sequence[int]
) -> Sample | None:
    """The sample of a seed; None where no head is found in it, or the fit has gone astray."""
    rng = np.random.default_rng(list(seed))
    person = bank.draw(rng)
    scene, grade = draw_scene(person, rng), draw_grade(rng)
    photo = developed(photograph(scene, backgrounds.draw(rng)), grade, rng)
    portrait = fitted(photo, detector)
    if portrait is None:
        return None
    view = atlas_view(portrait)
    aside = np.linalg.norm(view.to_pixels(np.zeros(3))[0] - scene.view().to_pixels(scene.eyes)[0])
    if aside > ASTRAY * 0.1 * scene.focal / scene.eyes[2]:
        return None
    truth = true_atlas(person, scene, grade, view)
    return Sample(photo, _byte(portrait.matte), view, look(portrait), truth, person.hair)


def make_real_sample(photo: np.ndarray, detector: LandmarkDetector, seed: Sequence[int]) -> Sample | None:
    """A photo [H, W, 3] uint8 of somebody real, seen from aside; None where no head is found in it."""
    portrait = fitted(photo, detector)
    if portrait is None:
        return None
    drawn, truth = real_view(portrait, np.random.default_rng(list(seed)))
    return Sample(drawn.image, _byte(drawn.matte), atlas_view(drawn), look(drawn), truth, "photo")


def fitted(photo: np.ndarray, detector: LandmarkDetector) -> Portrait | None:
    """The portrait of a photo, or None where the product finds none that is good and upright."""
    try:
        portrait, notes = Portrait.fit_with_notes(photo, detector=detector)
    except BadInput:
        return None
    return None if portrait.error > DOUBTFUL or notes else portrait


def in_fitted_space(scene: Scene, view: AtlasView) -> np.ndarray:
    """The scene's vertices [N, 3] m in the space of the fitted portrait's atlas.

    They appear at the same pixels; depths are scaled about the eyes, so that the head is as large as the fitted one.
    """
    pixels, depth = scene.view().to_pixels(scene.vertices)
    true_eyes, fitted_eyes = scene.eyes[2], view.to_camera(np.zeros(3))[2]
    scale = (fitted_eyes / view.intrinsics[0, 0]) / (true_eyes / scene.focal)
    return view.unproject(pixels, np.maximum(fitted_eyes + scale * (depth - true_eyes), 0.05))


def true_atlas(person: Person, scene: Scene, grade: Grade, view: AtlasView) -> Truth:
    """The person's atlas in the space of a fit, in the light of the photo and graded as it."""
    vertices = in_fitted_space(scene, view)
    skin = _layer(scene, vertices, SKIN, grade)
    hair = _layer(scene, vertices, ("hair",), grade)
    clothes = outermost(vertices, scene.faces[scene.faces_of(("clothes",))], FINE)[0] - UNDER_CLOTHES
    for layer in (skin, hair):
        layer.radius[clothes > np.maximum(skin.radius, hair.radius)] = 0
    covers = hair.radius > np.maximum(skin.radius, 1e-6)
    painted, collar = (on_skin(scene, m, skin.triangle, skin.uv) for m in (person.masks.hair, person.masks.collar))
    mask = np.where(covers, 1.0, painted * (skin.radius > 0))
    radius = np.where(covers, hair.radius, skin.radius)
    outside = _smaller_radius(radius)
    return Truth(
        skin.color, _byte(skin.radius > 0), _smaller_radius(skin.radius).astype(np.float16),
        np.where(covers[..., None], hair.color, skin.color), _byte(mask), outside.astype(np.float16), _byte(painted),
        _byte(collar), _shown(scene, vertices, outside, view).astype(np.uint8),
    )  # fmt: skip


@dataclass(frozen=True)
class _Layer:
    radius: np.ndarray  # [h, w] m, 0 where nothing is (changed in place by what covers it)
    color: np.ndarray  # [h, w, 3] uint8
    triangle: np.ndarray  # [h, w] of the scene, -1
    uv: np.ndarray  # [h, w, 2]


def _layer(scene: Scene, vertices: np.ndarray, names: Sequence[str], grade: Grade) -> _Layer:
    """The outermost surface of some of the scene's parts."""
    own = np.flatnonzero(scene.faces_of(names))
    radius, hit, weights = outermost(vertices, scene.faces[own], FINE)
    if not len(own):
        return _Layer(radius, np.zeros((*hit.shape, 3), np.uint8), hit, np.zeros((*hit.shape, 2)))
    met = hit >= 0
    triangle = np.where(met, own[hit], -1)
    corner = scene.faces[triangle[met]]
    shares = np.concatenate([1 - weights[met].sum(-1, keepdims=True), weights[met]], -1)[..., None]
    uv, light = np.zeros((*hit.shape, 2)), np.zeros((*hit.shape, 3))
    for out, values in ((uv, scene.uv), (light, scene.light)):
        out[met] = (values[corner] * shares).sum(-2)
    color = grade(textured(scene.textures, scene.part, triangle, uv) * light) * met[..., None]
    return _Layer(radius, np.clip(color, 0, 255).astype(np.uint8), triangle, uv)


def _byte(share: np.ndarray) -> np.ndarray:
    return (np.clip(share, 0, 1) * 255 + 0.5).astype(np.uint8)


def _smaller_radius(radius: np.ndarray) -> np.ndarray:
    """Distances [h, w] m as their means [H, W] over what is there; 0 where less than half is."""
    there = (radius > 0).reshape(ROWS, FINE, COLUMNS, FINE).mean((1, 3))
    mean = radius.reshape(ROWS, FINE, COLUMNS, FINE).mean((1, 3)) / np.maximum(there, 1e-6)
    return np.where(there >= 0.5, mean, 0)


def _shown(scene: Scene, vertices: np.ndarray, radius: np.ndarray, view: AtlasView) -> np.ndarray:
    """Where [H, W] the photo shows a surface at these distances [H, W] m well: unhidden, and not aslant."""
    points = surface_points(radius)
    pixels, own = view.to_pixels(points)
    away = view.eye - points
    away /= np.linalg.norm(away, axis=-1, keepdims=True)
    smooth = surface_normals(blurred(radius[nearest(radius > 0)].astype(np.float32), 1.5))  # strands are not aslant
    facing = (smooth * away).sum(-1)
    size = int(2 * view.intrinsics[1, 2]), int(2 * view.intrinsics[0, 2])
    front = depth_map(vertices, scene.faces, view, size)
    front = in_photo(np.minimum(front, 99).astype(np.float32), pixels)
    inside = ((pixels > 0) & (pixels < size[::-1])).all(-1)
    return (radius > 0) & inside & (facing > 0.25) & (own < front + 1.5 * HIDES)


def save_sample(path: Path, sample: Sample | None) -> None:
    """Writes a sample; a file without arrays says that there is none."""
    save_arrays(path, {} if sample is None else sample_arrays(sample))


def is_empty(path: Path) -> bool:
    """Whether `save_sample` found no sample to write."""
    return path.stat().st_size < 1000


def sample_arrays(sample: Sample) -> dict[str, np.ndarray]:
    """A sample as named arrays, small enough to keep thousands of."""
    seen = {f.name: _compact(f.name, getattr(sample.seen, f.name)) for f in fields(Seen)}
    truth = {f.name: getattr(sample.truth, f.name) for f in fields(sample.truth)}
    return {
        "photo": sample.photo, "matte": sample.matte, "kind": np.array(sample.kind),
        "intrinsics": sample.view.intrinsics, "camera_from_atlas": sample.view.camera_from_atlas,
        **{f"seen.{k}": v for k, v in seen.items()}, **{f"truth.{k}": v for k, v in truth.items()},
    }  # fmt: skip


def _compact(name: str, value: np.ndarray) -> np.ndarray:
    """Distances as halves, what lies within -1..1 as signed bytes, pictures and masks as they are."""
    if value.dtype in (np.uint8, np.bool_):
        return value
    if name in ("fitted", "outline"):
        return value.astype(np.float16)
    return np.round(np.clip(value, -1, 1) * 127).astype(np.int8)


def seen_of(arrays: dict[str, np.ndarray]) -> Seen:
    """What `sample_arrays` kept of what a photo shows."""
    return Seen(**{f.name: _loose(arrays[f"seen.{f.name}"]) for f in fields(Seen)})


def _loose(value: np.ndarray) -> np.ndarray:
    """The inverse of `_compact`."""
    if value.dtype not in (np.int8, np.float16):
        return value
    return value.astype(np.float32) / (127 if value.dtype == np.int8 else 1)
