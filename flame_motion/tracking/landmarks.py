"""Where the points of a face are in a picture. One back end so far: MediaPipe Face Mesh (models in its wheel)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

POINTS = 478  # 468 on the skin, 5 on each iris
WORKING_SIZE = 384  # px: side a face crop is scaled down to before detection, if it is larger
# The two ends of the line between the outer eye corners: the inter-ocular distance of every figure in this project.
OUTER_EYE_CORNERS = (33, 263)
# MediaPipe's landmark numbers by region.
LIPS = [
    0, 11, 12, 13, 14, 15, 16, 17, 37, 38, 39, 40, 41, 42, 61, 62, 72, 73, 74, 76, 77, 78, 80, 81, 82, 84, 85, 86,
    87, 88, 89, 90, 91, 95, 96, 146, 178, 179, 180, 181, 183, 184, 185, 191, 267, 268, 269, 270, 271, 272, 291,
    292, 302, 303, 304, 306, 307, 308, 310, 311, 312, 314, 315, 316, 317, 318, 319, 320, 321, 324, 325, 375, 402,
    403, 404, 405, 407, 408, 409, 415
]  # fmt: skip
INNER_LIPS = [
    78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95
]  # fmt: skip
EYES_OUTLINE = [
    33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246, 263, 249, 390, 373, 374, 380,
    381, 382, 362, 398, 384, 385, 386, 387, 388, 466
]  # fmt: skip
FACE_OUTLINE = [
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149,
    150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109
]  # fmt: skip
# Human faces, painted and carved ones too, score 0.84 and more with at least one detector; an alpaca got 0.64.
SURE_FACE = 0.7
SETTLING = 3  # more looks at a photo, each where the one before found the face


@dataclass(frozen=True)
class Face:
    """One face in one picture."""

    points: np.ndarray  # [478, 3] px, y down; z grows away from the camera, in px, zero at the head's centre

    @property
    def size(self) -> float:
        """Side in px of the square that holds the points."""
        return float(np.ptp(self.points[:, :2], axis=0).max())


class LandmarkDetector(Protocol):
    """A landmark back end."""

    def faces(self, image: np.ndarray) -> list[Face]:
        """All faces of a photo [H, W, 3] uint8, the largest first."""

    def track(self, frames: Iterable[np.ndarray]) -> Iterator[Face | None]:
        """The one face of each frame [H, W, 3] uint8, None where there is none."""


class MediaPipeDetector:
    """MediaPipe Face Mesh with attention (478 points). The full-range detector finds small faces."""

    def __init__(self) -> None:
        os.environ.setdefault("GLOG_minloglevel", "2")  # the C++ side otherwise reports every start on stderr
        import mediapipe

        self._solutions: Any = mediapipe.solutions

    def faces(self, image: np.ndarray) -> list[Face]:
        """All faces of a photo, the largest first."""
        found: list[Face] = []
        with self._mesh() as mesh:
            for box, _ in self._boxes(image):
                mesh.reset()
                face = _mesh_in(mesh, image, box)
                for _ in range(SETTLING):  # as in a video: where the face is looked for follows from its own points
                    face = None if face is None else _mesh_in(mesh, image, box)
                if face is not None and not any(_same(face, other) for other in found):
                    found.append(face)
        return sorted(found, key=lambda f: -f.size)

    def track(self, frames: Iterable[np.ndarray]) -> Iterator[Face | None]:
        """The face of each frame. The crop stands still until the face nears its edge, so that it adds no jitter."""
        with self._mesh() as mesh:
            box: np.ndarray | None = None
            for image in frames:
                face = None if box is None else _mesh_in(mesh, image, box)
                if face is None:
                    box = max((b for b, _ in self._boxes(image)), key=lambda b: b[2], default=None)
                    mesh.reset()
                    face = None if box is None else _mesh_in(mesh, image, box)
                if face is None or box is None:
                    box = None
                elif not _well_inside(face, box):
                    box = _box_around(face.points, 2.4)
                    mesh.reset()
                yield face

    def _mesh(self) -> Any:
        return self._solutions.face_mesh.FaceMesh(
            max_num_faces=1,
            refine_landmarks=True,
            min_detection_confidence=0.3,
            min_tracking_confidence=0.3,
        )

    @cached_property
    def _detectors(self) -> list[Any]:
        """Full range first: it sees small faces; short range sees faces that fill the picture."""
        detection = self._solutions.face_detection.FaceDetection
        return [detection(min_detection_confidence=0.5, model_selection=model) for model in (1, 0)]

    def _boxes(self, image: np.ndarray) -> list[tuple[np.ndarray, float]]:
        """Squares [x, y, side] px around every face that a detector is sure of, with its score; surest first."""
        height, width = image.shape[:2]
        boxes = []
        for detector in self._detectors:
            for d in detector.process(np.ascontiguousarray(image)).detections or ():
                if d.score[0] < SURE_FACE:  # the graph itself lets weaker ones through
                    continue
                r = d.location_data.relative_bounding_box
                side = 2.0 * max(r.width * width, r.height * height)
                centre = np.array([(r.xmin + r.width / 2) * width, (r.ymin + r.height * 0.45) * height])
                boxes.append((np.array([*(centre - side / 2), side]), float(d.score[0])))
        return sorted(boxes, key=lambda b: -b[1])


def _mesh_in(mesh: Any, image: np.ndarray, box: np.ndarray) -> Face | None:
    """Face Mesh on a square of the picture (padded with its edge), in the picture's own pixels."""
    import cv2

    x, y, side = np.round(box).astype(int)
    scale = min(1.0, WORKING_SIZE / side)
    if side < 256:
        scale = 256 / side
    size = max(2, round(side * scale))
    to_crop = np.array([[size / side, 0, -x * size / side], [0, size / side, -y * size / side]])
    flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    inside = x >= 0 and y >= 0 and x + side <= image.shape[1] and y + side <= image.shape[0]
    if inside:
        crop = cv2.resize(image[y : y + side, x : x + side], (size, size), interpolation=flags)
    else:
        crop = cv2.warpAffine(image, to_crop, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    result = mesh.process(crop)
    if not result.multi_face_landmarks:
        return None
    points = np.array([[p.x, p.y, p.z] for p in result.multi_face_landmarks[0].landmark], np.float64) * side
    return Face(points + [x, y, 0.0])


def _box_around(points: np.ndarray, margin: float = 1.9) -> np.ndarray:
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    side = margin * (high - low).max()
    return np.array([*((low + high) / 2 - side / 2), side])


def _well_inside(face: Face, box: np.ndarray) -> bool:
    """Whether the face still lies in its crop with room to move, at a useful size."""
    low, high = face.points[:, :2].min(0), face.points[:, :2].max(0)
    room = 0.06 * box[2]
    return bool((low > box[:2] + room).all() and (high < box[:2] + box[2] - room).all() and 0.3 < face.size / box[2])


def _same(a: Face, b: Face) -> bool:
    gap = np.linalg.norm(a.points[:, :2].mean(0) - b.points[:, :2].mean(0))
    return bool(gap < 0.4 * max(a.size, b.size))
