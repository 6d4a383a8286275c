"""MediaPipe as the landmark back end: Face Mesh with attention, its models in the wheel."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

import numpy as np

from .follow import Follower
from .landmarks import Face
from .mediapipe_models import solutions
from .shots import CutDetector

WORKING_SIZE = 384  # px: side a face crop is scaled down to before detection, if it is larger
# Human faces, painted and carved ones too, score 0.84 and more with at least one detector; an alpaca got 0.64.
SURE_FACE = 0.7
SETTLING = 3  # more looks at a photo, each where the one before found the face
# A detector sees a picture 192 px wide. Tiles of so much of the shorter side, overlapping by half, show it small faces.
TILES = (0.5, 0.25)
SMALLEST_TILE = 256  # px
SHRUNK = 512  # px: a larger tile is scaled down to it


class MediaPipeDetector:
    """MediaPipe Face Mesh with attention (478 points). The full-range detector finds small faces."""

    def __init__(self) -> None:
        self._solutions = solutions()
        self._looking = (
            threading.Lock()
        )  # a photo and a clip may be searched at once; a graph takes one picture at a time

    def faces(self, image: np.ndarray, *, small: bool = True) -> list[Face]:
        """All faces of a photo, the largest first.

        small: where the whole picture shows none, ever smaller tiles are searched.
        """
        found = self._meshed(image, self._boxes(image))
        sides = {max(SMALLEST_TILE, round(share * min(image.shape[:2]))) for share in TILES}
        for side in sorted(sides, reverse=True) if small else ():
            if not found and side < max(image.shape[:2]):
                found = self._meshed(image, self._boxes_in_tiles(image, side))
        return sorted(found, key=lambda f: -f.size)

    def track(self, frames: Iterable[np.ndarray], fps: float = 25.0) -> Iterator[Face | None]:
        """The face of one person in each frame, as `Follower` knows them.

        The crop stands still until the face nears its edge, so that it adds no jitter.
        """
        follower, cuts = Follower(fps), CutDetector()
        with self._mesh() as mesh:
            box: np.ndarray | None = None
            for image in frames:
                if cuts.feed(image):
                    follower.cut()
                    box = None
                face = None if box is None else _mesh_in(mesh, image, box)
                if face is not None:
                    face = follower.goes_on(image, face)
                if face is None:
                    found = self._candidates(mesh, image)
                    face = follower.choose(image, [one for one, _ in found])
                    box = next((b for one, b in found if face is not None and one.points is face.points), None)
                    if len(found) > 1:  # the mesh looks where the last of them was
                        mesh.reset()
                elif box is not None and not _well_inside(face, box):
                    box = _box_around(face.points, 2.4)
                    mesh.reset()
                yield face

    def _candidates(self, mesh: Any, image: np.ndarray) -> list[tuple[Face, np.ndarray]]:
        """Every face of a frame, with the box [x, y, side] px that it was found in."""
        found: list[tuple[Face, np.ndarray]] = []
        for box, _ in sorted(self._boxes(image), key=lambda b: -b[0][2]):  # a wide crop is left later
            if any(_inside(box, other) for other, _ in found):  # both detectors see most faces
                continue
            mesh.reset()
            face = _mesh_in(mesh, image, box)
            if face is not None and not any(_same(face, other) for other, _ in found):
                found.append((face, box))
        return found

    def _meshed(self, image: np.ndarray, boxes: list[tuple[np.ndarray, float]]) -> list[Face]:
        """The different faces that a photo has in some boxes, each settled."""
        found: list[Face] = []
        if not boxes:  # starting the mesh takes longer than looking
            return found
        with self._mesh() as mesh:
            for box, _ in boxes:
                if any(_inside(box, other) for other in found):
                    continue
                mesh.reset()
                face = _mesh_in(mesh, image, box)
                for _ in range(SETTLING):  # as in a video: where the face is looked for follows from its own points
                    face = None if face is None else _mesh_in(mesh, image, box)
                if face is not None and not any(_same(face, other) for other in found):
                    found.append(face)
        return found

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

    def _boxes(self, image: np.ndarray, detectors: list[Any] | None = None) -> list[tuple[np.ndarray, float]]:
        """Squares [x, y, side] px around every face that a detector is sure of, with its score; surest first."""
        height, width = image.shape[:2]
        boxes = []
        for detector in self._detectors if detectors is None else detectors:
            with self._looking:
                seen = detector.process(np.ascontiguousarray(image)).detections or ()
            for d in seen:
                if d.score[0] < SURE_FACE:  # the graph itself lets weaker ones through
                    continue
                r = d.location_data.relative_bounding_box
                side = 2.0 * max(r.width * width, r.height * height)
                centre = np.array([(r.xmin + r.width / 2) * width, (r.ymin + r.height * 0.45) * height])
                boxes.append((np.array([*(centre - side / 2), side]), float(d.score[0])))
        return sorted(boxes, key=lambda b: -b[1])

    def _boxes_in_tiles(self, image: np.ndarray, side: int) -> list[tuple[np.ndarray, float]]:
        """`_boxes` of square tiles of `side` px, in the photo's own px; surest first. Only the full range looks."""
        import cv2

        boxes = []
        for top in _tile_starts(image.shape[0], side):
            for left in _tile_starts(image.shape[1], side):
                tile = image[top : top + side, left : left + side]
                scale = min(1.0, SHRUNK / side)
                if scale < 1:
                    tile = cv2.resize(tile, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
                boxes += [
                    (box / scale + [left, top, 0], score) for box, score in self._boxes(tile, self._detectors[:1])
                ]
        return sorted(boxes, key=lambda b: -b[1])


def _tile_starts(length: int, side: int) -> list[int]:
    """Where tiles of `side` px begin so that they cover `length` px and overlap by half."""
    count = max(1, int(np.ceil(2 * length / side)) - 1)
    return np.linspace(0, max(0, length - side), count).round().astype(int).tolist()


def _inside(box: np.ndarray, face: Face) -> bool:
    """Whether a box [x, y, side] px is about a face that is known already: tiles overlap."""
    gap = np.linalg.norm(box[:2] + box[2] / 2 - face.points[:, :2].mean(0))
    return bool(gap < 0.3 * face.size and box[2] < 3 * face.size)


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
