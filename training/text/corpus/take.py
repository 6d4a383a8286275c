"""A performance under construction: named tracks over the frames of a clip."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

# Tracks of the head, by the names of `controls.py`: degrees. Shift of the head in mm, world axes.
ANGLES = ("yaw", "pitch", "roll", "gazeYaw", "gazePitch")
SHIFTS = ("x", "y", "z")
LIDS = ("eyeBlinkLeft", "eyeBlinkRight")
PAIRED = (
    "browDown", "browOuterUp", "cheekSquint", "eyeSquint", "eyeWide", "mouthDimple", "mouthFrown", "mouthLowerDown",
    "mouthPress", "mouthSmile", "mouthStretch", "mouthUpperUp", "noseSneer",
)  # fmt: skip


@dataclass
class Take:
    """Tracks [T] by control name, each 0 until something is added. Left is the subject's."""

    frames: int
    fps: float
    tracks: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def times(self) -> np.ndarray:
        """[T] s."""
        return np.arange(self.frames) / self.fps

    def add(self, name: str, track: np.ndarray) -> None:
        """Adds a track [T] to a control; lids close together without ever closing more than fully."""
        if name in LIDS and name in self.tracks:
            self.tracks[name] = 1.0 - (1.0 - self.tracks[name]) * (1.0 - track)
        else:
            self.tracks[name] = self.tracks.get(name, 0.0) + track

    def add_face(self, name: str, track: np.ndarray, lean: float = 0.0) -> None:
        """Adds to an expression axis, or to both of a pair; lean -1..1 weakens the right (left) one of the two."""
        if name in PAIRED:
            self.add(f"{name}Left", track * (1.0 + min(lean, 0.0)))
            self.add(f"{name}Right", track * (1.0 - max(lean, 0.0)))
        else:
            self.add(name, track)

    def blink(self, closure: np.ndarray, left: bool = True, right: bool = True) -> None:
        """Closes lids by a track [T] 0..1."""
        for name, wanted in zip(LIDS, (left, right)):
            if wanted:
                self.add(name, closure)

    def track(self, name: str) -> np.ndarray:
        """A control's track [T]; zeros when nothing moved it."""
        return self.tracks.get(name, np.zeros(self.frames))
