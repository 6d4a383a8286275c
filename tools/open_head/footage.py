"""Faces of real media as 468 points in one metric frame: tracked with MediaPipe, aligned by similarity."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .facemesh import COUNT, RIGID, mirror_map

EYE_WIDTH = 0.087  # m between the outer eye corners of the mean face (adults: 80 to 95 mm)
PITCH = -14.0  # degrees: people look slightly down at a camera, and MediaPipe's depth leans the same way
CORNERS = np.array([0.0, 0.0182, 0.0288])  # m, middle of the outer eye corners (FLAME's placement)
BOW = 0.45  # 1/m: MediaPipe flattens the profile; forehead and chin stand this much (times height squared) further out
DISTANCE = 7.0  # camera distance assumed when undoing perspective, in outer-eye-corner distances (about 0.65 m)


@dataclass(frozen=True)
class Subject:
    """All frames of one photo or clip; axes x left, y up, z out of the face, pixels."""

    name: str
    points: np.ndarray  # [T, 468, 3]


def read_footage(folder: Path, cache: Path | None = None) -> list[Subject]:
    """Every face in folder/portraits and folder/clips. With a cache folder, landmarks are kept there as .npz."""
    people = []
    for path in sorted([*(folder / "portraits").iterdir(), *(folder / "clips").iterdir()]):
        points = _track(path) if cache is None else _kept(path, cache)
        if len(points):
            people.append(Subject(path.stem, points[:, :COUNT] * np.array([1.0, -1.0, -1.0])))
    if not people:
        raise FileNotFoundError(f"{folder} holds no picture or clip with a face; expected portraits/ and clips/ in it")
    return people


def _kept(path: Path, cache: Path) -> np.ndarray:
    """_track(path), read from `cache` when it is there and kept there otherwise."""
    cache.mkdir(parents=True, exist_ok=True)
    kept = cache / f"{path.stem}.npz"
    if not kept.exists():
        np.savez(kept, landmarks=_track(path))
    with np.load(kept) as file:
        return file["landmarks"]


def _track(path: Path, stride: int = 2, longest: int = 1280) -> np.ndarray:
    """Landmarks [T, 478, 3] in pixels (x right, y down, z away) of every `stride`-th frame with a face."""
    import cv2
    from mediapipe.python.solutions.face_mesh import FaceMesh

    still = path.suffix != ".mp4"
    reader = None if still else cv2.VideoCapture(str(path))
    found, index = [], 0
    with FaceMesh(static_image_mode=still, refine_landmarks=True, min_detection_confidence=0.3) as mesh:
        while True:
            image = cv2.imread(str(path)) if reader is None else reader.read()[1]
            if image is None:
                break
            if index % stride == 0:
                height, width = image.shape[:2]
                scale = min(1.0, longest / max(height, width))
                answer = mesh.process(cv2.resize(image, None, fx=scale, fy=scale)[:, :, ::-1].copy())
                for face in (answer.multi_face_landmarks or [])[:1]:
                    found.append([(p.x * width, p.y * height, p.z * width) for p in face.landmark])
            index += 1
            if still:
                break
    return np.array(found, np.float32).reshape(-1, 478, 3)


def without_perspective(points: np.ndarray) -> np.ndarray:
    """[..., 468, 3] image points to what a camera at infinity would have seen, nearest plane at the eyes."""
    eyes = points[..., [33, 263], :].mean(-2, keepdims=True)
    size = np.linalg.norm(points[..., 33, :] - points[..., 263, :], axis=-1)[..., None, None]
    local = points - eyes
    depth = 1.0 - local[..., 2:] / (DISTANCE * size)
    return np.concatenate([local[..., :2] * depth, local[..., 2:]], -1)


def align(points: np.ndarray, target: np.ndarray, index: list[int] | np.ndarray, scale: bool = True) -> np.ndarray:
    """Each face of points [..., 468, 3] moved onto target [468, 3] by the best similarity over `index` (Umeyama)."""
    source, goal = points[..., index, :], target[index]
    mean_s, mean_g = source.mean(-2, keepdims=True), goal.mean(0)
    u, d, vt = np.linalg.svd(np.swapaxes(source - mean_s, -1, -2) @ (goal - mean_g))
    flip = np.sign(np.linalg.det(u @ vt))
    u[..., -1] *= flip[..., None]
    size = 1.0
    if scale:
        d[..., -1] *= flip
        size = (d.sum(-1) / ((source - mean_s) ** 2).sum((-1, -2)))[..., None, None]
    return size * ((points - mean_s) @ (u @ vt)) + mean_g


def frontal(points: np.ndarray) -> np.ndarray:
    """How frontal each face is: cosine of its turn away from the camera, [T] for points [T, 468, 3]."""
    across = points[:, 454] - points[:, 234]
    up = points[:, 10] - points[:, 152]
    normal = np.cross(across, up)
    return normal[:, 2] / np.linalg.norm(normal, axis=-1)


def common_frame(people: list[Subject]) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Aligned frames of each person [T, 468, 3] m in the head's axes, the mean face [468, 3] and its mirror map [468].

    Faces turned more than 40 degrees are left out unless a person has no others. Each person counts once in the mean.
    """
    faces = []
    for person in people:
        turn = frontal(person.points)
        keep = turn >= min(np.cos(np.radians(40)), turn.max())
        faces.append(without_perspective(person.points[keep]))
    mean = faces[int(np.argmax([len(f) for f in faces]))][0]
    for _ in range(10):
        mean = np.mean([align(f, mean, RIGID).mean(0) for f in faces], 0)
        mean *= EYE_WIDTH / np.linalg.norm(mean[33] - mean[263])
    twin = mirror_map(mean)
    image = mean * np.array([-1.0, 1.0, 1.0])
    mean = (mean + align(image[twin], mean, np.arange(COUNT), scale=False)) / 2
    mean = place(upright(mean, twin))
    return [bowed(align(f, mean, RIGID)) for f in faces], bowed(mean), twin


def place(face: np.ndarray) -> np.ndarray:
    """An upright mean face [468, 3] m pitched and moved into the head's place."""
    c, s = np.cos(np.radians(PITCH)), np.sin(np.radians(PITCH))
    return (face - face[[33, 263]].mean(0)) @ np.array([[1, 0, 0], [0, c, s], [0, -s, c]]) + CORNERS


def bowed(face: np.ndarray) -> np.ndarray:
    """Forehead and chin brought forward along the midline (see BOW), fading towards the sides; [..., 468, 3] m."""
    centre = np.clip(1 - (face[..., 0] / 0.075) ** 2, 0, 1)
    return face + np.stack([0 * centre, 0 * centre, BOW * centre * (face[..., 1] + 0.005) ** 2], -1)


def upright(face: np.ndarray, twin: np.ndarray) -> np.ndarray:
    """A mirror-symmetric face turned so that the mirror plane is x = 0, then made exactly symmetric."""
    across = (face - face[twin])[twin != np.arange(COUNT)]
    axis = (across * np.sign(across[:, :1])).sum(0)
    axis /= np.linalg.norm(axis)
    up = np.array([0.0, 1.0, 0.0]) - axis * axis[1]
    up /= np.linalg.norm(up)
    face = face @ np.stack([axis, up, np.cross(axis, up)], 1)
    face = face - np.array([(face[:, 0] + face[twin, 0]).mean() / 2, 0, 0])
    return (face + face[twin] * np.array([-1.0, 1.0, 1.0])) / 2
