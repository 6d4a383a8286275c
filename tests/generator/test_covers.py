"""What covers a face is seen, said and held; what is bare is not. Covers are painted over photos here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from flamecast.flame_motion import BadInput, FlameSequence
from flamecast.flame_motion.tracking.detector import MediaPipeDetector
from flamecast.generator import Portrait, load_generator
from flamecast.generator.completion.merge import with_whole_head
from flamecast.generator.covers import COVERED, notes_on, seen_covers
from flamecast.generator.warp.scene import prepare, with_mouth
from flamecast.pipelines.fit import open_portrait

PORTRAITS = Path(__file__).resolve().parents[3] / "shared/data/portraits"
EYES = ("left eye", "right eye")
MOUTH_NOTE = "a cover was seen over the mouth: it moves with head and jaw and does not open"
EYES_NOTE = "a cover was seen over both eyes: it moves with the head, without lids and gaze"


def eye_distance(points: np.ndarray) -> float:
    return float(np.linalg.norm(points[33] - points[263]))


def paint(image: np.ndarray, inside: np.ndarray, color: np.ndarray) -> np.ndarray:
    """Color [H, W, 3] or [3] over the image where `inside` [H, W] is 1, with a soft edge."""
    share = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 0.7)[..., None]
    return (image * (1 - share) + color * share + 0.5).clip(0, 255).astype(np.uint8)


def polygon(image: np.ndarray, corners: np.ndarray) -> np.ndarray:
    return cv2.fillPoly(np.zeros(image.shape[:2], np.uint8), [np.round(corners).astype(np.int32)], 1)


def mask(image: np.ndarray, points: np.ndarray, color=(150, 190, 215), spots=None) -> np.ndarray:
    """A mask from the nose over the chin, plain or with spots of another color."""
    rim = [93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 280, 197, 50]
    y, x = np.mgrid[: image.shape[0], : image.shape[1]] / (0.16 * eye_distance(points))
    cloth = np.broadcast_to(np.array(color, np.float32), image.shape).copy()
    if spots is not None:
        cloth[(x % 1 - 0.5) ** 2 + (y % 1 - 0.5) ** 2 < 0.08] = spots
    return paint(image, polygon(image, points[rim]), cloth)


def sunglasses(image: np.ndarray, points: np.ndarray, color=(25, 22, 24)) -> np.ndarray:
    apart, inside = eye_distance(points), np.zeros(image.shape[:2], np.uint8)
    for corners in ((33, 133), (362, 263)):
        middle = points[list(corners)].mean(0) + [0, 0.03 * apart]
        cv2.ellipse(
            inside, np.round(middle).astype(int).tolist(), (int(0.3 * apart), int(0.25 * apart)), 0, 0, 360, 1, -1
        )
    return paint(image, inside, np.array(color))


def microphone(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    apart, middle = eye_distance(points), points[[13, 14]].mean(0) + [0, 0.05 * eye_distance(points)]
    inside = cv2.circle(
        np.zeros(image.shape[:2], np.uint8), np.round(middle).astype(int).tolist(), int(0.3 * apart), 1, -1
    )
    return paint(image, inside, np.array((35, 35, 38)))


def lock_of_hair(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Over the person's left eye, in strands."""
    apart, middle = eye_distance(points), points[[362, 263]].mean(0)
    corners = middle + apart * np.array([[-0.4, -1.2], [0.4, -1.2], [0.35, 0.7], [0.1, 0.7], [-0.3, 0.1]])
    strands = cv2.GaussianBlur(np.random.default_rng(1).normal(0, 1, (1, image.shape[1])), (0, 0), 1.5)
    color = np.array((35.0, 25.0, 22.0)) * (1 + 0.35 * strands / strands.std())[..., None]
    return paint(image, polygon(image, corners), np.broadcast_to(color, image.shape))


COVERS: dict[str, tuple[Callable[[np.ndarray, np.ndarray], np.ndarray], tuple[str, ...]]] = {
    "surgical mask": (mask, ("mouth",)),
    "black mask": (lambda image, points: mask(image, points, (25, 25, 28)), ("mouth",)),
    "white mask": (lambda image, points: mask(image, points, (225, 225, 222)), ("mouth",)),
    "spotted mask": (lambda image, points: mask(image, points, (60, 60, 140), (240, 235, 230)), ("mouth",)),
    "microphone": (microphone, ("mouth",)),
    "sunglasses": (sunglasses, EYES),
    "brown lenses": (lambda image, points: sunglasses(image, points, (55, 35, 28)), EYES),
    "hair": (lock_of_hair, ("left eye",)),
}


@pytest.mark.parametrize("name", COVERS)
def test_a_cover_is_seen_where_it_is(portrait, name):
    put_on, covered = COVERS[name]
    assert seen_covers(put_on(portrait.image, portrait.landmarks[:, :2]), portrait.landmarks) == covered


def test_a_bare_face_has_none_in_any_light(portrait):
    photo = portrait.image.astype(np.float32)
    aside = np.linspace(1.2, 0.35, photo.shape[1])[:, None]
    lights = {
        "own": photo, "dim": 0.4 * photo, "bright": 255 * (photo / 255) ** 0.7, "warm": photo * (1.1, 0.95, 0.75),
        "cold": photo * (0.85, 0.95, 1.1), "from a side": photo * aside, "from the other": photo * aside[::-1],
        "grey": np.repeat(photo.mean(2, keepdims=True), 3, 2),
    }  # fmt: skip
    for light, picture in lights.items():
        assert seen_covers(picture.clip(0, 255).astype(np.uint8), portrait.landmarks) == (), light


@pytest.mark.slow
def test_photos_paintings_and_drawings_of_bare_faces_have_none():
    if not PORTRAITS.exists():
        pytest.skip(f"no photos in {PORTRAITS}")
    detector, seen = MediaPipeDetector(), 0
    for path in sorted(PORTRAITS.iterdir()):
        image = np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])
        for face in detector.faces(image)[:1]:
            assert seen_covers(image, face.points) == (), path.name
            seen += 1
    assert seen >= 20


def fitted(image: np.ndarray, matte: np.ndarray) -> tuple[Portrait, list[str]]:
    portrait, notes = Portrait.fit_with_notes(image, matte=matte)
    return with_whole_head(portrait), notes


@pytest.fixture(scope="module")
def masked(portrait) -> tuple[Portrait, list[str]]:
    return fitted(mask(portrait.image, portrait.landmarks[:, :2]), portrait.matte)


@pytest.fixture(scope="module")
def shaded(portrait) -> tuple[Portrait, list[str]]:
    return fitted(sunglasses(portrait.image, portrait.landmarks[:, :2]), portrait.matte)


def test_the_fit_says_so_and_its_file_keeps_it(masked, shaded, tmp_path):
    for (portrait, notes), covered, says in ((masked, ("mouth",), MOUTH_NOTE), (shaded, EYES, EYES_NOTE)):
        assert portrait.covers == covered and notes == [says]
        portrait.save(tmp_path / "p.npz")
        assert open_portrait(tmp_path / "p.npz").notes == [says]
        assert torch.equal(Portrait.load(tmp_path / "p.npz").vertices(), portrait.vertices())
    assert notes_on(()) == []
    assert notes_on(("right eye",)) == [
        "a cover was seen over the right eye: it moves with the head, without lid and gaze"
    ]


def test_a_file_with_an_unknown_cover_is_refused(masked, tmp_path):
    arrays = masked[0].arrays() | {"covers": np.array(["ear"])}
    with pytest.raises(
        BadInput, match="p.npz is no whole portrait: .*covers must be of mouth, left eye, right eye, got ear"
    ):
        Portrait.from_arrays(arrays, tmp_path / "p.npz")


def moved(portrait: Portrait, jaw: float = 0.0, lids: float = 0.0, gaze: float = 0.0, **axes: float) -> FlameSequence:
    """The photo's pose with so much more of it: jaw and gaze in radians."""
    pose = replace(
        portrait.pose, **{n: getattr(portrait.pose, n).clone() for n in ("expression", "jaw", "eyes", "eyelids")}
    )
    pose.jaw[:, 0] += jaw
    pose.eyelids[:] += lids
    pose.eyes[:, :, 1] += gaze
    for name, much in axes.items():
        pose.expression[:, portrait.head.expression_names.index(name)] += much
    return pose


def drawn(portrait: Portrait, pose: FlameSequence) -> np.ndarray:
    (frame,) = load_generator("warp")(portrait, pose)
    return frame[0]


def around(portrait: Portrait, points: list[int], size: float) -> tuple[slice, slice]:
    """The window of the picture around landmarks, `size` times the eyes' distance to each side."""
    xy = portrait.landmarks[points, :2]
    low, high = (f(xy, 0) + s * size * eye_distance(portrait.landmarks[:, :2]) for f, s in ((np.min, -1), (np.max, 1)))
    return slice(int(low[1]), int(high[1]) + 1), slice(int(low[0]), int(high[0]) + 1)


def test_the_covered_photo_is_untouched_to_the_bit(masked, shaded):
    for portrait, _ in (masked, shaded):
        assert np.array_equal(drawn(portrait, portrait.pose), portrait.image)


def test_a_mask_does_not_open(masked):
    portrait, _ = masked
    mouth = around(portrait, [61, 291, 0, 17], 0.05)
    speech = moved(portrait, jaw=0.25, mouthFunnel=0.6, mouthLowerDownLeft=0.5, mouthUpperUpRight=0.5)
    off = lambda one: np.abs(drawn(one, speech)[mouth].astype(int) - (150, 190, 215)).max()  # noqa: E731
    assert off(portrait) <= 12  # it is the mask's cloth all over
    assert off(replace(portrait, covers=())) > 80  # which would be torn


def test_a_mask_goes_down_with_the_jaw_and_not_with_a_smile(masked):
    portrait, _ = masked
    marks = portrait.head.mediapipe[torch.tensor([13, 14, 152])]  # upper and lower lip, chin
    goes = lambda pose: (portrait.vertices(pose) - portrait.vertices())[0, marks, 1]  # noqa: E731
    upper, lower, chin = goes(moved(portrait, jaw=0.2)).tolist()
    assert chin < lower < 0 and chin < -0.005
    assert abs(upper - lower) < 0.0025 < abs(chin)  # one sheet: lips part by no more than it stretches
    assert goes(moved(portrait, mouthSmileLeft=1.0, mouthSmileRight=1.0))[:2].abs().max() < 1e-6


def test_sunglasses_neither_blink_nor_look(shaded):
    portrait, _ = shaded
    look = moved(portrait, lids=0.9, gaze=0.35, browInnerUp=1.0)
    for corners in ([33, 133], [362, 263]):
        lens = around(portrait, corners, 0.05)
        change = lambda one: np.abs(drawn(one, look)[lens].astype(int) - portrait.image[lens]).max()  # noqa: E731, B023
        assert change(portrait) <= 2
    bare = replace(portrait, covers=())
    assert not torch.equal(bare.vertices(look), portrait.vertices(look))
    mouth = portrait.head.mediapipe[torch.tensor([13, 14])]
    speech = moved(portrait, jaw=0.2, mouthFunnel=1.0)
    assert torch.equal(portrait.vertices(speech)[:, mouth], bare.vertices(speech)[:, mouth])  # the mouth is free


def test_a_bare_portrait_is_posed_as_its_head_to_the_bit(portrait):
    assert portrait.covers == () and "covers" not in portrait.arrays()
    pose = moved(portrait, jaw=0.2, lids=0.5, gaze=0.1, mouthFunnel=0.5)
    assert torch.equal(portrait.vertices(pose), portrait.teeth.behind_lips(portrait.head(pose, portrait.offsets)))
    for name in COVERED:  # a cover that nothing moves changes nothing, either
        assert torch.equal(replace(portrait, covers=(name,)).vertices(), portrait.vertices())


def test_no_network_paints_a_mouth_over_a_mask(masked, shaded):
    assert with_mouth(prepare(masked[0])).mouth is None
    assert with_mouth(prepare(shaded[0])).mouth is not None
