"""Plain materials for any head, by part, for viewers and sheets; a photo's texture has nothing to do with them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .head import JOINTS, PARTS, Head

PUPIL, IRIS = 11.0, 29.5  # degrees from the middle of the iris, seen from the eyeball's centre: 4.6 and 11.8 mm across


@dataclass(frozen=True)
class Material:
    """The colour and finish of a part."""

    name: str
    color: tuple[float, float, float]  # sRGB 0..1
    roughness: float  # 0 a mirror, 1 chalk


MATERIALS = (
    Material("skin", (0.80, 0.63, 0.55), 0.6),
    Material("lips", (0.72, 0.42, 0.40), 0.45),
    Material("eye_white", (0.93, 0.92, 0.90), 0.15),
    Material("iris", (0.33, 0.43, 0.47), 0.15),
    Material("pupil", (0.03, 0.03, 0.03), 0.1),
    Material("teeth", (0.92, 0.90, 0.83), 0.25),
    Material("tongue", (0.74, 0.38, 0.38), 0.4),
    Material("mouth", (0.42, 0.14, 0.14), 0.5),
)
MATERIAL_OF_PART = {
    "lips": "lips",
    "eye_left": "eye_white",
    "eye_right": "eye_white",
    "teeth_upper": "teeth",
    "teeth_lower": "teeth",
    "tongue": "tongue",
    "mouth": "mouth",
}


def face_materials(head: Head) -> Tensor:
    """Index [F] into `MATERIALS` of every face: by its part; on the eyeballs also by the angle from the gaze."""
    index = {material.name: place for place, material in enumerate(MATERIALS)}
    by_part = torch.tensor([index[MATERIAL_OF_PART.get(part, "skin")] for part in PARTS])
    found = by_part[head.part]
    middle = head.template[head.faces].mean(1)  # [F, 3] m
    for eye in ("eye_left", "eye_right"):
        on_eye = head.part == PARTS.index(eye)
        ball = head.template[head.faces[on_eye].unique()]
        if not len(ball):
            continue
        # At rest a head looks along +z. The joint need not be the ball's centre, so the ball gives it.
        centre = (ball.amin(0) + ball.amax(0)) / 2
        centre[2] = head.skin.joints[JOINTS.index(eye), 2]
        angle = torch.rad2deg(torch.acos(torch.nn.functional.normalize(middle - centre, dim=1)[:, 2].clamp(-1, 1)))
        found[on_eye & (angle < IRIS)] = index["iris"]
        found[on_eye & (angle < PUPIL)] = index["pupil"]
    return found
