"""A person's own eyelid shapes: how far each lid has to go to shut the eye is seen in the photo."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..flame_motion import FlameSequence, Head
from ..flame_motion.retargeting.retarget import part_vertices

# MediaPipe's landmarks along the upper and the lower lid from the outer to the inner corner, and the brow's lower edge.
LEFT = ((466, 388, 387, 386, 385, 384, 398), (249, 390, 373, 374, 380, 381, 382), (276, 283, 282, 295, 285))
RIGHT = ((246, 161, 160, 159, 158, 157, 173), (7, 163, 144, 145, 153, 154, 155), (46, 53, 52, 65, 55))
EDGES = LEFT, RIGHT
EYES = ("eye_left", "eye_right")
OVERLAP = 0.0007  # m that a shut upper lid goes beyond the lower one's edge
MAX_SHUT = 0.8  # an eye that the photo shows more shut says nothing about how it shuts
RATIO = (0.3, 3.0)  # of the head's own lid movement, that a person's may be
BACK = 0.002  # m by which the eyeball makes room for shut lids
IN_FRONT = 0.0008  # m that a shut upper lid lies in front of the lower one
LASHES = 0.45  # of the open eye's height: the edge of the upper lid, which moves as it is
BROW = 0.75  # of the way from lid to brow that a shutting lid draws skin from
MAX_SKIN = 0.011  # m of it


def own_eyelids(head: Head, pose: FlameSequence, offsets: Tensor) -> tuple[Tensor, Tensor]:
    """Eyelid shapes [N, 3, 2] m by which 1 shuts this person's eyes, and offsets [N, 3] m that go with them.

    pose: the photo's, one frame, with offsets [N, 3] m at rest; both describe the same face as before. The head's own
    movement is scaled, along the eye, to the gap that the photo shows between the lids, and ends below the brow.
    """
    eyelids, fitted = head.eyelids.clone(), offsets.clone()
    seen = unposed(head, pose, offsets)
    for side, landmarks in enumerate(EDGES):
        shut = float(pose.eyelids[0, side])
        marks = head.mediapipe[torch.tensor(sum(landmarks, ()))]
        if shut > MAX_SHUT or not bool((marks >= 0).all()) or not bool(head.eyelids[..., side].any()):
            continue
        movement = _scaled(head, seen, head.eyelids[..., side], landmarks, shut)
        movement[part_vertices(head, (EYES[side],)), 2] -= BACK
        fitted += shut * (head.eyelids[..., side] - movement)
        eyelids[..., side] = movement
    return eyelids, fitted


def unposed(head: Head, pose: FlameSequence, offsets: Tensor) -> Tensor:
    """The face [N, 3] m of a pose (one frame) before jaw and head turn: identity, expression and lids."""
    rest, _ = head.skin.shaped(pose.shape, offsets)
    return rest + head.expression @ pose.expression[0] + head.eyelids @ pose.eyelids[0]


def upper_edge(head: Head, seen: Tensor, landmarks: tuple[tuple[int, ...], ...]) -> Tensor:
    """How high [N] m the edge of the upper lid is above or below each vertex of a face as it is seen [N, 3]."""
    upper, lower = (head.mediapipe[torch.tensor(points)] for points in landmarks[:2])
    across = (seen[upper, 0] + seen[lower, 0]) / 2
    order = across.argsort()
    height = np.interp(seen[:, 0].numpy(), across[order].numpy(), seen[upper, 1][order].numpy())
    return torch.from_numpy(height).float()


def _scaled(head: Head, seen: Tensor, movement: Tensor, landmarks: tuple[tuple[int, ...], ...], shut: float) -> Tensor:
    """A lid movement [N, 3] m that takes both lids' edges onto each other from where they are seen [N, 3], `shut`."""
    upper, lower, brow = (head.mediapipe[torch.tensor(points)] for points in landmarks)
    lid = upper_edge(head, seen, landmarks).numpy()
    gap = (seen[upper, 1] - seen[lower, 1]).clamp_min(0)
    closing = (movement[lower, 1] - movement[upper, 1]).clamp_min(1e-4)
    over = OVERLAP * gap / gap.max().clamp_min(1e-4)
    ratio = ((gap + over) / ((1 - shut) * closing)).clamp(*RATIO)
    across = (seen[upper, 0] + seen[lower, 0]) / 2
    order = across.argsort()
    at = lambda where, values: np.interp(seen[:, 0].numpy(), where.numpy(), values.numpy())  # noqa: E731
    along = at(across[order], ratio[order])
    by_x = seen[brow, 0].argsort()
    room = at(seen[brow, 0][by_x], seen[brow, 1][by_x]) - lid  # m between the lid's edge and the brow
    lashes = LASHES * float(gap.max())
    end = np.maximum(np.minimum(BROW * room, lashes + MAX_SKIN), lashes + 1e-3)
    drawn = 1 - np.clip((seen[:, 1].numpy() - lid - lashes) / (end - lashes), 0, 1)
    scaled = movement * torch.from_numpy(along * drawn).float()[:, None]
    down = (-scaled[:, 1] / -scaled[upper, 1].min()).clamp(0, 1)
    scaled[:, 2] += IN_FRONT * down
    return scaled
