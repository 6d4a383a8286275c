"""The gap between a face's lips, which jaw and expression make together, and jaws that close no farther than shut."""

from __future__ import annotations

import torch
from torch import Tensor

from ..heads.head import Head, Skin
from ..rotations import matrix_from_axis_angle
from ..sequence import FlameSequence
from .lids import EYE_CORNERS

MARKS = ((62, 66), (61, 67), (63, 65))  # of the 68 landmarks, the inner lips: middle, left, right
JAW = 2  # the joint


def lip_gap(head: Head, motion: FlameSequence) -> Tensor:
    """The gap between the inner lips [T] in distances between the outer eye corners; 0 is shut.

    Of the face before its head is turned, each frame bit for bit as if it were alone, which no matrix product is.
    BadInput where the head's landmarks are not known.
    """
    skin, marks = head.landmark_skin, torch.tensor(MARKS).T.flatten()
    points, joints = skin.shaped(motion.shape)
    eyes = (points[EYE_CORNERS[0]] - points[EYE_CORNERS[1]]).norm()
    at = points[marks] + (motion.expression[:, None, None] * skin.expression[marks]).sum(-1)  # [T, 6, 3]
    from_jaw = at - joints[JAW]
    turned = (matrix_from_axis_angle(motion.jaw)[:, None] * from_jaw[:, :, None]).sum(-1)
    height = (at + skin.weights[marks, JAW, None] * (turned - from_jaw))[..., 1]
    return ((height[:, 0] - height[:, 3]) + (height[:, 1] - height[:, 4]) + (height[:, 2] - height[:, 5])) / (3 * eyes)


def with_jaw_above(jaw: Tensor, floor: Tensor) -> Tensor:
    """Jaws [T, 3] rad that are open (about x) by at least `floor` [T or 1, 1] rad."""
    return torch.cat([torch.maximum(jaw[:, :1], floor), jaw[:, 1:]], 1)


def jaw_movement(skin: Skin) -> Tensor:
    """How points [P] of a face at rest move by the jaw's pitch, to first order: [P, 3] m a radian."""
    arm = skin.template - skin.joints[JAW]
    return torch.stack([torch.zeros_like(arm[:, 0]), -arm[:, 2], arm[:, 1]], 1) * skin.weights[:, JAW, None]
