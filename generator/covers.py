"""What covers a face in the photo (mask, microphone, sunglasses, hair over an eye): seen, said, and not torn.

It is seen by color: where the fit says that there are lips and the skin around them, or lids and the skin below them,
the photo shows nothing of the kind. What has the color of skin, as hands have, cannot be told from it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
import torch
from torch import Tensor

from ..core.easing import smoothstep
from ..flame_motion import FlameSequence, Head
from ..flame_motion.retargeting.retarget import part_vertices
from ..flame_motion.tracking.landmarks import LIPS, OUTER_EYE_CORNERS

MOUTH, LEFT_EYE, RIGHT_EYE = COVERED = ("mouth", "left eye", "right eye")
SEEN_AT = 120.0  # px between the outer eye corners, at which colors are compared
BLUR = 2.0  # px there
# MediaPipe's landmarks, by what they lie on.
_FOREHEAD, _BRIDGE = (151, 9, 108, 337, 69, 299, 67, 297), (6, 168, 122, 351)
_UNDER_EYES = (117, 118, 119, 346, 347, 348)  # no mask reaches so high
_NOSE_AND_CHEEKS = (197, 195, 5, 4, 50, 280, 205, 425, 36, 266, 187, 411)  # no lens reaches so low
_UPPER_LIP, _LOWER_LIP = (11, 72, 302, 0, 37, 267), (16, 85, 315, 15, 86, 316)
_BELOW_LIPS = (18, 83, 313, 200, 201, 421)
_CHIN, _NOSE_BASE = (152, 148, 377, 175), 2
_LIDS = {  # skin above an eye, below it, farther below, and its pupil
    LEFT_EYE: ((257, 258, 259, 260, 286, 467, 466), (252, 253, 254, 256, 339, 341), (449, 450, 451, 448), 473),
    RIGHT_EYE: ((27, 28, 29, 30, 56, 247, 246), (22, 23, 24, 26, 110, 112), (229, 230, 231, 228), 468),
}
DARK = 0.55  # of the skin's lightness: so much darker is unlike skin (1)
COLORED = (0.5, 9.0)  # of the skin's chroma, or CIELAB units: so far from its hue is unlike skin (1)
FLUSHED = 0.5  # what redder and yellower counts: blushes, shades and warm light are so
MOUTH_UNLIKE = (0.95, 1.4)  # from which on it is covered if lip and chin look the same, and whatever they look like
NOISE = 5.0  # of lightness: what is this dark has no light and dark of its own
LIP_SHOWS = 6.0  # CIELAB units of color between the lower lip and the chin
EYES_UNLIKE, EYE_UNLIKE = 1.0, 1.2  # from which on both eyes are covered; from which on one is
PUPIL_DARKER = (0.15, 0.3)  # log of lightness, than the lids: from where on one may be there; where it surely is
SURELY_UNLIKE = 1.4  # lids that are so far from skin may have spots as dark as a pupil that may be there
INSIDE = {  # parts that lie behind what is covered
    MOUTH: ("teeth_upper", "teeth_lower", "tongue", "mouth"), LEFT_EYE: ("eye_left",), RIGHT_EYE: ("eye_right",),
}  # fmt: skip
HELD = {MOUTH: (0.022, 0.045), LEFT_EYE: (0.014, 0.030), RIGHT_EYE: (0.014, 0.030)}  # m from lips or lids: all, nothing


def seen_covers(image: np.ndarray, landmarks: np.ndarray) -> tuple[str, ...]:
    """Which of COVERED something covers in a photo [H, W, 3] uint8 of a face with landmarks [478, 3] px."""
    color = _colors(image, landmarks[:, :2])
    at = lambda points: np.median(color[list(points)], 0)  # noqa: E731
    found = []
    skin = at(_FOREHEAD + _BRIDGE + _UNDER_EYES)
    unlike = min(_unlike(at(points), skin) for points in (_UPPER_LIP, _LOWER_LIP, _BELOW_LIPS))
    lip = float(np.linalg.norm((at(_LOWER_LIP) - at(_BELOW_LIPS))[1:]))
    if unlike > MOUTH_UNLIKE[1] or (unlike > MOUTH_UNLIKE[0] and lip < LIP_SHOWS):
        found.append(MOUTH)
    skin = at(_FOREHEAD + (_BRIDGE if found else _NOSE_AND_CHEEKS))
    eyes = {eye: _eye_unlike(color, _LIDS[eye], skin) for eye in _LIDS}
    least = EYES_UNLIKE if min(eyes.values()) > EYES_UNLIKE else EYE_UNLIKE
    found += [eye for eye, unlike in eyes.items() if unlike > least]
    return tuple(found)


def skin_share(image: np.ndarray, landmarks: np.ndarray, pixels: np.ndarray) -> float:
    """How many 0..1 of the places [K, 2] px of a photo [H, W, 3] uint8 show skin like that of its face [478, 3] px."""
    color = _colors(image, np.concatenate([landmarks[:, :2], pixels]))
    skin = np.median(color[list(_FOREHEAD + _BRIDGE + _UNDER_EYES + _NOSE_AND_CHEEKS)], 0)
    return float(np.mean([_unlike(one, skin) < 1 for one in color[len(landmarks) :]]))


def behind(covers: tuple[str, ...]) -> tuple[str, ...]:
    """The head's parts that they hide: between lids and lips that a fit parts, they are the cover's going on."""
    return sum((INSIDE[name] for name in covers), ())


def notes_on(covers: tuple[str, ...]) -> list[str]:
    """What the user should know of them, a sentence each."""
    notes = []
    if MOUTH in covers:
        notes.append("a cover was seen over the mouth: it moves with head and jaw and does not open")
    eyes = [eye for eye in covers if eye != MOUTH]
    if len(eyes) == 2:
        notes.append("a cover was seen over both eyes: it moves with the head, without lids and gaze")
    elif eyes:
        notes.append(f"a cover was seen over the {eyes[0]}: it moves with the head, without lid and gaze")
    return notes


@dataclass(frozen=True, eq=False)
class Hold:
    """How what is covered is held as the photo shows it."""

    mouth: Tensor  # [N, 1] how firmly each vertex is, 0..1
    eyes: Tensor  # [N, 1] the same
    down: Tensor  # [N, 1] how far it goes with the chin, 0..1
    chin: Tensor  # indices of vertices

    @classmethod
    def of(cls, head: Head, covers: tuple[str, ...]) -> Hold:
        """Of a head on which something covers some of COVERED."""
        near = {name: _near(head, name) if name in covers else torch.zeros(len(head.template)) for name in COVERED}
        marks = lambda points: head.mediapipe[torch.tensor(points)]  # noqa: E731
        chin, height = marks(_CHIN), head.template[:, 1]
        top, low = float(height[marks([_NOSE_BASE])].mean()), float(height[chin].mean())
        eyes = reduce(torch.maximum, (near[LEFT_EYE], near[RIGHT_EYE]))
        down = smoothstep((top - height) / (top - low))
        return cls(near[MOUTH][:, None], eyes[:, None], down[:, None], chin)

    def __call__(
        self, head: Head, photo: FlameSequence, offsets: Tensor, motion: FlameSequence, posed: Tensor
    ) -> Tensor:
        """The head posed by a motion [T, N, 3] m with its covers held: of lips, lids and gaze they show nothing.

        photo: the pose in the photo, one frame, under which nothing changes to the bit. offsets [N, 3] m.
        """
        own = {
            name: getattr(photo, name).expand_as(getattr(motion, name)) for name in ("expression", "eyes", "eyelids")
        }
        chews = head(replace(motion, **own), offsets)
        out = posed + self.eyes * (chews - posed)
        if not self.mouth.any():
            return out
        shut = head(replace(motion, **own, jaw=photo.jaw.expand_as(motion.jaw)), offsets)
        by = (chews[:, self.chin] - shut[:, self.chin]).mean(1, keepdim=True)
        return out + self.mouth * (shut + self.down * by - out)


def _colors(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """CIELAB of the photo at points [K, 2] px, as seen from so far that the eyes lie SEEN_AT px apart: [K, 3]."""
    import cv2

    scale = SEEN_AT / max(float(np.linalg.norm(points[OUTER_EYE_CORNERS[0]] - points[OUTER_EYE_CORNERS[1]])), 1.0)
    corner = points.min(0) - 30 / scale
    size = tuple(np.ceil(np.ptp(points, axis=0) * scale + 60).astype(int).tolist())
    if scale < 1:
        image = cv2.GaussianBlur(image, (0, 0), 0.4 / scale)
    matrix = np.array([[scale, 0, -corner[0] * scale], [0, scale, -corner[1] * scale]])
    face = cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REPLICATE).astype(np.float32) / 255
    lab = cv2.GaussianBlur(cv2.cvtColor(face, cv2.COLOR_RGB2Lab), (0, 0), BLUR)
    x, y = ((points - corner) * scale).astype(np.float32).T
    return cv2.remap(lab, x[None], y[None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0]


def _eye_unlike(color: np.ndarray, lids: tuple, skin: np.ndarray) -> float:
    """How unlike skin the surroundings of an eye are, 0 where it shows its pupil; color [478, 3], skin [3]: CIELAB."""
    *around, pupil = lids
    unlike = min(_unlike(np.median(color[list(points)], 0), skin) for points in around)
    beside = min(float(color[list(points), 0].mean()) for points in around[::2])
    darker = float(np.log((beside + NOISE) / (float(color[pupil, 0]) + NOISE)))
    return unlike if darker < PUPIL_DARKER[int(unlike > SURELY_UNLIKE)] else 0.0


def _unlike(color: np.ndarray, skin: np.ndarray) -> float:
    """How unlike skin a color is, both CIELAB [3]: 1 is not skin in other light."""
    darker = max(float(skin[0] - color[0]), 0.0) / max(DARK * float(skin[0]), 1.0)
    off = color[1:] - skin[1:]
    off = np.where(off > 0, FLUSHED * off, off)
    chroma = float(np.linalg.norm(skin[1:]))
    return float(np.hypot(darker, np.linalg.norm(off) / max(COLORED[0] * chroma, COLORED[1])))


def _near(head: Head, covered: str) -> Tensor:
    """How firmly [N] a cover over the mouth or an eye holds each vertex, 0..1: all near it and all that it hides."""
    if covered == MOUTH:
        marks = torch.tensor(LIPS)
    else:
        marks = torch.tensor(sum(_LIDS[covered][:2], ()))
    full, none = HELD[covered]
    away = torch.cdist(head.template, head.template[head.mediapipe[marks]]).min(1).values
    near = smoothstep((none - away) / (none - full))
    near[part_vertices(head, INSIDE[covered])] = 1
    return near
