"""The demo clip: five keyframed seconds."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..heads.head import DEFAULT_HEAD, Head
from ..heads.library import load_head
from ..sequence import FlameSequence
from .controls import ANGLES, apply_controls
from .keyframes import curve

DEMO_SECONDS = 5.0
# (s, value) by control; degrees for angles. The eyes lead the head into each turn and settle as it arrives.
DEMO: dict[str, tuple[tuple[float, float], ...]] = {
    "yaw": ((0.2, 0), (0.95, 18), (1.2, 18), (2.15, -16), (2.35, -16), (3.0, 0)),
    "pitch": ((0.2, 0), (0.9, 4), (1.2, 4), (1.75, -3), (2.3, 2), (2.9, -1), (3.3, 2), (3.6, -1), (4.0, 2), (4.7, 0)),
    "roll": ((0.2, 0), (0.95, 3), (1.2, 3), (2.15, -3), (2.9, 0), (3.75, 0), (4.25, 8), (4.4, 8), (4.85, 0)),
    "gazeYaw": ((0.1, 0), (0.2, 11), (0.95, 2), (1.1, 2), (1.22, -14), (2.15, -2), (2.25, -2), (2.35, 8), (3.0, 0)),
    "gazePitch": ((0.1, 0), (0.2, 3), (0.95, 0), (3.85, 0), (3.95, -3), (4.4, -2), (4.8, 0)),
    "smile": ((2.5, 0), (3.1, 0.75), (3.5, 0.55), (4.0, 0.35), (4.4, 0.6), (4.85, 0)),
    "browInnerUp": ((0.2, 0), (0.6, 0.35), (1.3, 0), (3.1, 0), (3.35, 0.3), (3.7, 0.1), (3.9, 0.35), (4.5, 0)),
    "jawOpen": (
        (3.05, 0), (3.17, 0.34), (3.28, 0.08), (3.41, 0.45), (3.52, 0.12), (3.62, 0.26), (3.72, 0.03), (3.78, 0.03),
        (3.91, 0.4), (4.03, 0.1), (4.13, 0.22), (4.3, 0),
    ),
    "mouthFunnel": ((3.45, 0), (3.62, 0.4), (3.76, 0), (4.0, 0), (4.13, 0.3), (4.3, 0)),
}  # fmt: skip
DEMO_BLINKS = (0.16, 1.16, 2.32, 3.0, 4.46)  # s of the shut lid; most with a change of gaze, as people do


def demo_motion(head: str | Head = DEFAULT_HEAD, fps: float = 25.0) -> FlameSequence:
    """Five keyframed seconds that need no other input: look around, smile, blink, speak-like jaw, tilt.

    Starts and ends at neutral, looking ahead.
    """
    known = load_head(head)
    frames = round(DEMO_SECONDS * fps)
    times = torch.arange(frames, dtype=torch.float64) / fps
    values: dict[str, Tensor] = {}
    for name, points in DEMO.items():
        unit = math.pi / 180 if name in ANGLES else 1.0
        values[name] = curve([(time, unit * value, "smooth") for time, value in points], times).float()
    values["blink"] = sum((_blink(round(at * fps) / fps, times) for at in DEMO_BLINKS), torch.zeros(frames)).float()
    return apply_controls(FlameSequence.neutral(frames, fps, known), values, known)


def _blink(shut: float, times: Tensor) -> Tensor:
    """One blink [T], 0..1: shutting takes 0.06 s, opening 0.1 s (lids fall faster than they rise)."""
    return curve([(shut - 0.06, 0.0, "smooth"), (shut, 1.0, "smooth"), (shut + 0.1, 0.0, "smooth")], times)
