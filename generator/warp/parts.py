"""The parts of a head by name: which vertices, triangles and pixels are of some of them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...flame_motion import Head
from ...flame_motion.heads.head import PARTS
from ...flame_motion.retargeting.retarget import part_vertices

EYES = ("eye_left", "eye_right")
FACE = ("face", "lips", "lids", *EYES)
TEETH = ("teeth_upper", "teeth_lower")
MOUTH = (*TEETH, "tongue", "mouth")  # its inside


def is_part(part: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Where [...] bool an index into PARTS [...] is one of some parts."""
    return np.isin(part, [PARTS.index(name) for name in names])


def faces_of(head: Head, names: tuple[str, ...]) -> Tensor:
    """Which triangles [F] bool are of some parts."""
    return torch.isin(head.part, torch.tensor([PARTS.index(name) for name in names]))


def vertices_of(head: Head, names: tuple[str, ...]) -> Tensor:
    """Which vertices [N] bool belong to a triangle of some parts."""
    inside = torch.zeros(head.template.shape[0], dtype=torch.bool)
    inside[part_vertices(head, names)] = True
    return inside
