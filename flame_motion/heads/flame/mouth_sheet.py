"""The hole behind a FLAME head's lips, closed for drawing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from ..head import PARTS, Head


def with_mouth_closed(head: Head) -> Head:
    """The head with a sheet of "mouth" across the hole behind its lips, over the same vertices.

    FLAME has neither teeth nor a throat, and through the hole one would see the inside of the skull. A head with teeth
    is returned as it is.
    """
    label, faces = head.part.numpy(), head.faces.numpy()
    if np.isin(label, [PARTS.index("teeth_upper"), PARTS.index("teeth_lower")]).any():
        return head
    from .surface import border_loops

    inner = np.unique(faces[label == PARTS.index("mouth")])
    loops = [row for row in border_loops(faces) if np.isin(row, inner).all()]
    if not loops:
        return head
    sheet = np.concatenate([_strip(row, head.template.numpy()) for row in loops])
    uv_of = np.zeros(len(head.template), np.int64)
    uv_of[faces.ravel()] = head.uv_faces.numpy().ravel()
    part = torch.full((len(sheet),), PARTS.index("mouth"))
    return replace(
        head,
        faces=torch.cat([head.faces, torch.from_numpy(sheet)]),
        uv_faces=torch.cat([head.uv_faces, torch.from_numpy(uv_of[sheet])]),
        part=torch.cat([head.part, part]),
    )


def _strip(loop: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """Triangles [K - 2, 3] across a closed row [K], from one corner of the mouth to the other, turned as its mesh."""
    row = np.roll(loop, -int(vertices[loop, 0].argmin()))[::-1]
    fan = [(row[k], row[k + 1], row[-1 - k]) for k in range((len(row) - 1) // 2)]
    fan += [(row[k + 1], row[-2 - k], row[-1 - k]) for k in range((len(row) - 2) // 2)]
    return np.array([face for face in fan if len(set(face)) == 3], np.int64)
