"""What a FLAME file lacks, computed from its own surface: landmarks, part labels, texture coordinates, eyelids.

The built-in head is registered to the file's template (`register`), and what it knows is carried over; see there.
"""

from __future__ import annotations

import numpy as np

from ....core.errors import BadInput
from ..head import PARTS, Head
from .lid_shapes import eyelid_shapes
from .parts import part_labels
from .register import Registration, register
from .texture_map import texture_map
from .topology import EYEBALLS


def completed(head: Head, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """`arrays` of a FLAME head with all that a `Head` has; `head`: the built-in one.

    On a template that is no head (a test's noise) landmarks are NaN and the lids move nothing.
    """
    vertices, faces = arrays["template"].astype(np.float64), arrays["faces"]
    try:
        found = register(head, vertices, faces, EYEBALLS)
    except BadInput:
        return {**arrays, **unknown(vertices, faces, arrays["weights"])}
    return {**arrays, **carried_over(head, found)}


def carried_over(head: Head, found: Registration) -> dict[str, np.ndarray]:
    """Landmarks, parts, lids and texture map of another head, by the registration of the built-in `head`."""
    uv, uv_faces = texture_map(head, found)
    landmark = _places(head.landmark_faces.numpy(), head.landmark_bary.numpy(), found)
    places = [x.numpy() for x in head.mediapipe_places()]
    mediapipe = _places(places[0], places[1], found)
    return {
        "uv": uv.astype(np.float32),
        "uv_faces": uv_faces,
        "part": part_labels(head, found),
        "eyelids": eyelid_shapes(found.target).astype(np.float32),
        "landmark_faces": landmark[0],
        "landmark_bary": landmark[1].astype(np.float32),
        "mediapipe_faces": np.where(places[0] < 0, -1, mediapipe[0]),
        "mediapipe_bary": mediapipe[1].astype(np.float32),
    }


def unknown(vertices: np.ndarray, faces: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """The same for vertices [N, 3] that are no head: eyeballs by their number, a cylinder for a texture map."""
    label = np.where(weights.argmax(1) == 0, PARTS.index("torso"), PARTS.index("face"))
    for name, index in EYEBALLS.items():
        label[index] = PARTS.index(name)
    angle = np.arctan2(vertices[:, 0], vertices[:, 2] - vertices[:, 2].mean()) / (2 * np.pi) + 0.5
    height = (vertices[:, 1] - vertices[:, 1].min()) / np.ptp(vertices[:, 1])
    return {
        "uv": np.stack([angle, height], 1).astype(np.float32),
        "uv_faces": faces,
        "part": label[faces[:, 0]],
        "eyelids": np.zeros((*vertices.shape, 2), np.float32),
        "landmark_faces": np.zeros(68, np.int64),
        "landmark_bary": np.full((68, 3), np.nan, np.float32),
    }


def _places(face: np.ndarray, bary: np.ndarray, found: Registration) -> tuple[np.ndarray, np.ndarray]:
    """Places on our mesh (face [K], bary [K, 3]) as places on the other."""
    corner = found.source.faces[face.clip(0), bary.argmax(1)]
    if not np.isin(bary, (0.0, 1.0)).all():
        raise ValueError("the built-in head's landmarks must be vertices")
    return found.on_target[0][corner], found.on_target[1][corner]
