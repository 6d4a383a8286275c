"""A plain look for any head: the colour of each part, for viewers and sheets. No photo is involved."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .head import JOINTS, PARTS, Head

PUPIL, IRIS = 11.0, 29.5  # degrees from the middle of the iris, seen from the eyeball's centre: 4.6 and 11.8 mm across


@dataclass(frozen=True)
class Look:
    """How one material looks."""

    name: str
    color: tuple[float, float, float]  # sRGB 0..1
    roughness: float  # 0 a mirror, 1 chalk


LOOKS = (
    Look("skin", (0.80, 0.63, 0.55), 0.6),
    Look("lips", (0.72, 0.42, 0.40), 0.45),
    Look("eye_white", (0.93, 0.92, 0.90), 0.15),
    Look("iris", (0.33, 0.43, 0.47), 0.15),
    Look("pupil", (0.03, 0.03, 0.03), 0.1),
    Look("teeth", (0.92, 0.90, 0.83), 0.25),
    Look("tongue", (0.74, 0.38, 0.38), 0.4),
    Look("mouth", (0.42, 0.14, 0.14), 0.5),
)
OF_PART = {
    "lips": "lips",
    "eye_left": "eye_white",
    "eye_right": "eye_white",
    "teeth_upper": "teeth",
    "teeth_lower": "teeth",
    "tongue": "tongue",
    "mouth": "mouth",
}


def face_looks(head: Head) -> Tensor:
    """Index [F] into `LOOKS` of every face: by its part; on the eyeballs also by the angle from the gaze."""
    index = {look.name: place for place, look in enumerate(LOOKS)}
    by_part = torch.tensor([index[OF_PART.get(part, "skin")] for part in PARTS])
    look = by_part[head.part]
    middle = head.template[head.faces].mean(1)  # [F, 3] m
    for eye in ("eye_left", "eye_right"):
        on_eye = head.part == PARTS.index(eye)
        ball = head.template[head.faces[on_eye].unique()]
        if not len(ball):
            continue
        # At rest a head looks along +z. The joint need not be the ball's centre on every head, so the ball says.
        centre = (ball.amin(0) + ball.amax(0)) / 2
        centre[2] = head.skin.joints[JOINTS.index(eye), 2]
        angle = torch.rad2deg(torch.acos(torch.nn.functional.normalize(middle - centre, dim=1)[:, 2].clamp(-1, 1)))
        look[on_eye & (angle < IRIS)] = index["iris"]
        look[on_eye & (angle < PUPIL)] = index["pupil"]
    return look
