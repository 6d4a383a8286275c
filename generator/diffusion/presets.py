"""Sizes of the denoiser by name."""

from __future__ import annotations

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    # 64 px, half a million numbers: for tests, and to see whether a training runs at all
    "tiny": {"size": 64, "widths": (32, 64), "layers": 1, "attends": 1, "guide_width": 16},
    # 256 px around the face: what a laptop can train and run
    "small": {"size": 256, "widths": (32, 64, 96), "layers": 1, "attends": 1, "guide_width": 32},
}
