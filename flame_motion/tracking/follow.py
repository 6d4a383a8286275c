"""Which face of a frame is followed: the one that is the same person as before.

A person is recognised by place while the picture goes on, and by appearance after a gap or a cut. On 14 real clips the
likeness of two frames of one person was 0.60 or more in three of four pairs (2nd percentile 0.34), that of different
people 0.47 or less in 95 of 100 (0.63 at most).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from .confidence import face_patch, likeness, straight_face
from .landmarks import Face

# Likeness from which on a face is the same person: where that was last seen, after a cut, and too far from there.
NEAR_ALIKE, ALIKE, FAR_ALIKE = 0.25, 0.55, 0.65
NEAR, SIZES = 0.75, 1.5  # how far, in its own sizes, and how much larger or smaller a face may be at the same place
JUMP = 0.35  # in sizes of the face: no face moves farther from one frame to the next
PATIENCE = 2.0  # s without the person before another face is followed
LEARN = 10  # frames between two looks at the person followed
REMEMBERED = 8  # appearances of a person
TINT = 0.02  # likeness lost by one unit of CIELAB chroma beyond TINT_FREE
TINT_FREE = 4.0


@dataclass(frozen=True)
class Appearance:
    """What a face looks like, drawn straight."""

    patch: np.ndarray  # [SIDE, SIDE] float32 grey
    tint: np.ndarray  # [2] mean CIELAB a and b of the face

    @staticmethod
    def at(image: np.ndarray, face: Face) -> Appearance:
        """The appearance of a face in a frame [H, W, 3] uint8."""
        import cv2

        lab = cv2.cvtColor(straight_face(image, face.points), cv2.COLOR_RGB2LAB)
        return Appearance(face_patch(image, face.points).astype(np.float32), lab[..., 1:].reshape(-1, 2).mean(0))

    def likeness(self, other: Appearance) -> float:
        """0..1, how alike two appearances are; light does not count, colour a little."""
        difference = float(np.linalg.norm(self.tint - other.tint))
        return float(likeness(self.patch[None], other.patch)[0]) - TINT * max(0.0, difference - TINT_FREE)


@dataclass
class Follower:
    """Remembers people and chooses the face of a frame to follow; `person` counts the people followed, from 0."""

    fps: float
    person: int = -1
    people: list[list[Appearance]] = field(default_factory=list)  # the appearances of each person followed so far
    last: Face | None = None  # where the person was last seen
    missing: int = 0  # frames since then
    _free: bool = False  # after a cut: any face may be followed
    _seen: int = 0
    _before: np.ndarray | None = None  # the frame before this one, when the person was seen in it

    def cut(self) -> None:
        """Forget places: the picture has changed as a whole."""
        self._free = True

    def goes_on(self, image: np.ndarray, face: Face) -> Face | None:
        """The face found where the one before was, as the person followed; None when it jumped onto another person."""
        if self.last is not None and self.missing == 0 and not _near(face, self.last, JUMP):
            appearance = Appearance.at(image, face)
            if self._likeness(appearance, self.person) < ALIKE:
                return None
        self._seen += 1
        if self._seen % LEARN == 0:
            self._learn(Appearance.at(image, face))
        return self._followed(image, face)

    def choose(self, image: np.ndarray, faces: Sequence[Face]) -> Face | None:
        """The face to follow among all of a frame; None when the person does not seem to be among them."""
        if self.last is not None and self._before is not None:  # lost just now: this is how they looked last
            self._learn(Appearance.at(self._before, self.last))
            self._before = None
        if not faces:
            self._missed()
            return None
        largest = max(faces, key=lambda f: f.size)
        if self.last is None:
            return self._take_over(image, largest, ALIKE)
        appearances = [Appearance.at(image, face) for face in faces]
        scores = [self._score(face, appearance) for face, appearance in zip(faces, appearances)]
        best = int(np.argmax(scores))
        if scores[best] > 0:
            self._learn(appearances[best])
            return self._followed(image, faces[best])
        if self._free:
            return self._take_over(image, largest, ALIKE)
        waited = self.missing >= round(PATIENCE * self.fps)
        if waited:
            return self._take_over(image, largest, FAR_ALIKE)
        self._missed()
        return None

    def _score(self, face: Face, appearance: Appearance) -> float:
        """Above 0: the same person; higher, more surely."""
        alike = self._likeness(appearance, self.person)
        if self._free:  # after a cut only the appearance counts
            return alike - ALIKE
        assert self.last is not None
        near = _near(face, self.last, NEAR)
        return alike - (NEAR_ALIKE if near else FAR_ALIKE)

    def _take_over(self, image: np.ndarray, face: Face, enough: float) -> Face:
        """Follow this face from now on: a person followed before where more than `enough` alike, else a new one."""
        appearance = Appearance.at(image, face)
        known = [self._likeness(appearance, person) for person in range(len(self.people))]
        if known and max(known) > enough:
            self.person = int(np.argmax(known))
            self._learn(appearance)
        else:
            self.people.append([appearance])
            self.person = len(self.people) - 1
        return self._followed(image, face)

    def _followed(self, image: np.ndarray, face: Face) -> Face:
        self.last, self.missing, self._free, self._before = face, 0, False, image
        return replace(face, person=self.person)

    def _missed(self) -> None:
        self.missing += 1

    def _learn(self, appearance: Appearance) -> None:
        """Remember one more appearance; the first one is kept for good."""
        appearances = self.people[self.person]
        if len(appearances) == REMEMBERED:
            appearances.pop(1)
        appearances.append(appearance)

    def _likeness(self, appearance: Appearance, person: int) -> float:
        return max(appearance.likeness(other) for other in self.people[person])


def _near(face: Face, last: Face, reach: float) -> bool:
    """Whether a face lies within `reach` of its sizes of where one was, at about its size."""
    gap = float(np.linalg.norm(face.points[:, :2].mean(0) - last.points[:, :2].mean(0)))
    ratio = face.size / max(last.size, 1e-6)
    return gap < reach * last.size and 1 / SIZES < ratio < SIZES
