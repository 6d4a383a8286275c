"""Muscles, bones and hollows of skull, neck and chest: strokes that raise or lower the swept skin along its normals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Stroke:
    """A line on the left half, mm in the head's axes, and what it does: height mm (raised or sunk) and width mm."""

    line: tuple[tuple[float, float, float], ...]
    height: float
    width: float


STROKES = {
    "sternocleidomastoid": Stroke(((55, -82, -48), (38, -128, -27), (12, -170, -10)), 2.8, 8.5),
    "hollow before it": Stroke(((33, -118, -20), (27, -135, -16)), -1.8, 8),
    "hollow behind it": Stroke(((57, -105, -62), (66, -132, -52), (62, -146, -38)), -3.0, 11),
    "larynx": Stroke(((0, -124, -2), (0, -133, -5)), 2.2, 7),
    "notch of the breastbone": Stroke(((0, -171, -12),), -3.5, 8),
    "collar bone": Stroke(((15, -175, -7), (48, -169, -18), (84, -160, -36), (122, -158, -56)), 3.4, 7),
    "below it": Stroke(((60, -186, -12), (100, -178, -30)), -2.2, 12),
    "trapezius": Stroke(((24, -62, -104), (46, -105, -103), (78, -132, -100), (112, -148, -92)), 1.2, 12),
    "groove of the nape": Stroke(((0, -42, -118), (0, -100, -114)), -2.0, 8),
    "lowest neck bone": Stroke(((0, -122, -127),), 2.0, 10),
    "spine": Stroke(((0, -150, -145), (0, -215, -160)), -2.0, 10),
    "shoulder blade": Stroke(((40, -195, -158), (95, -185, -146)), 2.0, 18),
    "under the jaw": Stroke(((53, -68, -38), (50, -86, -50)), 2.6, 11),
    "mastoid": Stroke(((66, -14, -70), (61, -34, -66)), 1.2, 9),
}


def sculpted(points: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Points [..., 3] m with every stroke applied along unit normals [..., 3], the same on both sides."""
    place = 1000.0 * points
    place[..., 0] = np.abs(place[..., 0])
    raised = sum(s.height * np.exp(-((_distance(place, np.array(s.line)) / s.width) ** 2)) for s in STROKES.values())
    return points + normals * np.asarray(raised)[..., None] / 1000


def _distance(points: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Distance [...] of points [..., 3] to a line of corners [K, 3]."""
    best = np.linalg.norm(points - line[0], axis=-1)
    for a, b in zip(line, line[1:]):
        share = np.clip((points - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)[..., None]
        best = np.minimum(best, np.linalg.norm(points - a - share * (b - a), axis=-1))
    return best
