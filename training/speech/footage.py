"""Footage of people who talk: sound, the tracked face counted from its rest, and the mouth as the picture shows it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...core.files import PathLike
from ...core.npz import load_arrays, save_arrays
from ...drivers.speech.audio_features import FPS, SAMPLE_RATE, interpolate
from ...flame_motion import BadInput, FlameSequence, load_head, rotations
from ...flame_motion.packing import Layout
from ...flame_motion.retargeting.rest import rest_of

# MediaPipe's landmarks: pairs of the inner lips (middle, left, right), the corners, the outer corners of the eyes.
GAPS, CORNERS, EYES = ((13, 14), (82, 87), (312, 317)), (61, 291), (33, 263)
SHUT = 0.02  # of the eyes' distance: lips that close nearer than so touch
WHOLE = ("expression", "rotation", "neck", "jaw", "eyes", "eyelids", "translation")


@dataclass(frozen=True, eq=False)
class Footage:
    """One clip of one person. Frame k lies at k / FPS seconds of the sound."""

    name: str
    speaker: str
    samples: Tensor  # [N] at SAMPLE_RATE, -1..1
    motion: FlameSequence  # at FPS, counted from the person's rest
    mouth: Tensor  # [T, 4] by the eyes' distance: three gaps between the lips, and how much wider than at rest
    seen: Tensor  # [T] bool: the picture shows the face there
    offset: float = 0.0  # s that the sound was moved by to fit the picture

    def __post_init__(self) -> None:
        """BadInput where its parts are not of one length."""
        frames = len(self.motion)
        if self.mouth.shape != (frames, 4) or self.seen.shape != (frames,) or self.seen.dtype != torch.bool:
            raise BadInput(f"footage {self.name}: expected mouth [{frames}, 4] and seen [{frames}], as its motion has")
        if self.samples.ndim != 1 or not len(self.samples):
            raise BadInput(f"footage {self.name}: expected samples [N], got {list(self.samples.shape)}")

    def save(self, path: PathLike) -> None:
        """One .npz, arrays only. BadInput where it cannot be written."""
        layout = Layout.of(load_head(self.motion.head), WHOLE)
        save_arrays(path, {
            "name": np.array(self.name), "speaker": np.array(self.speaker), "head": np.array(self.motion.head),
            "samples": (self.samples * 32767).round().to(torch.int16).numpy(),
            "motion": layout.pack(self.motion).numpy(), "mouth": self.mouth.numpy(), "seen": self.seen.numpy(),
            "offset": np.array(self.offset),
        })  # fmt: skip

    @classmethod
    def load(cls, path: PathLike) -> Footage:
        """Reads what `save` wrote. BadInput for anything else."""
        arrays = load_arrays(path)
        try:
            head = load_head(str(arrays["head"]))
            motion = Layout.of(head, WHOLE).unpack(
                torch.from_numpy(arrays["motion"]), FlameSequence.neutral(1, FPS, head)
            )
            return cls(
                str(arrays["name"]), str(arrays["speaker"]), torch.from_numpy(arrays["samples"]).float() / 32767,
                motion, torch.from_numpy(arrays["mouth"]), torch.from_numpy(arrays["seen"]), float(arrays["offset"]),
            )  # fmt: skip
        except KeyError as missing:
            raise BadInput(f"{path} is no footage of `flamecast prepare speech`: it has no {missing}") from None

    def moved(self, seconds: float) -> Footage:
        """The same with the picture that many seconds later on the sound's clock; what it loses there is not seen."""
        times = (torch.arange(len(self.mouth)) - seconds * FPS).clamp(0, len(self.mouth) - 1)
        inside = (torch.arange(len(self.mouth)) - seconds * FPS - times).abs() < 0.5
        near = times.round().long()
        return replace(
            self, motion=self.motion.sample(times.double(), FPS), mouth=interpolate(self.mouth, times),
            seen=self.seen[near] & inside, offset=self.offset + seconds,
        )  # fmt: skip


def load_footage(folder: PathLike) -> list[Footage]:
    """All clips that `flamecast prepare speech` left in a folder, in order of name. BadInput when there is none."""
    paths = sorted(Path(folder).glob("*.npz"))
    if not paths:
        raise BadInput(
            f"{folder}: expected a folder with footage; make one: flamecast prepare speech VIDEOS -o {folder}"
        )
    return [Footage.load(path) for path in paths]


def footage_of(name: str, speaker: str, samples: Tensor, motion: FlameSequence, points: np.ndarray) -> Footage:
    """A tracked clip as footage.

    samples [N] at SAMPLE_RATE, the first at the first frame; motion: T frames of the built-in head; points
    [T, 478, 3] px, NaN where no face was seen. BadInput for a clip of fewer than 25 frames with a face.
    """
    seen = torch.from_numpy(np.isfinite(points).all((1, 2)))
    if int(seen.sum()) < FPS:
        raise BadInput(f"{name}: expected a second with a face, got {int(seen.sum())} frames")
    mouth = torch.from_numpy(filled(measured_mouth(points))).float()
    rest, width = shut_rest(motion, mouth, seen)
    mouth = torch.cat([mouth[:, :3], mouth[:, 3:] - width], 1)
    counted = counted_from(motion, rest)
    frames = min(int(len(motion) / motion.fps * FPS), len(samples) * int(FPS) // SAMPLE_RATE)
    times = torch.arange(frames) * (motion.fps / FPS)
    return Footage(
        name, speaker, samples, counted.sample(times.double(), FPS), interpolate(mouth, times),
        seen[times.round().long().clamp(max=len(seen) - 1)],
    )  # fmt: skip


def measured_mouth(points: np.ndarray) -> np.ndarray:
    """MediaPipe's landmarks [T, 478, 3] px -> [T, 4]: three gaps and the width, by the eyes' distance."""
    eyes = np.linalg.norm(points[:, EYES[0], :2] - points[:, EYES[1], :2], axis=-1)
    pairs = np.array([*GAPS, CORNERS])
    return np.linalg.norm(points[:, pairs[:, 0], :2] - points[:, pairs[:, 1], :2], axis=-1) / eyes[:, None]


def shut_rest(motion: FlameSequence, mouth: Tensor, seen: Tensor) -> tuple[FlameSequence, Tensor]:
    """The frame that a talking clip is counted from, and the mouth's width [1] there: lips together, where they are."""
    rest = rest_of(motion)
    shut = seen & (mouth[:, 0] < SHUT)
    if int(shut.sum()) < 3:
        calm = seen & (mouth[:, 0] <= mouth[seen, 0].quantile(0.1))
        return rest, mouth[calm, 3:].median(0).values
    face = {name: getattr(motion, name)[shut].mean(0, keepdim=True) for name in ("expression", "jaw")}
    return replace(rest, **face), mouth[shut, 3:].median(0).values


def counted_from(motion: FlameSequence, rest: FlameSequence) -> FlameSequence:
    """A motion from its rest (one frame) as a motion from the neutral face, of nobody's shape."""
    opened = ((motion.eyelids - rest.eyelids) / (1 - rest.eyelids).clamp_min(0.2)).clamp(0, 1)
    neutral = FlameSequence.neutral(len(motion), motion.fps, motion.head)
    return replace(
        neutral,
        expression=motion.expression - rest.expression,
        jaw=motion.jaw - rest.jaw,
        eyes=motion.eyes - rest.eyes,
        eyelids=opened,
        rotation=rotations.compose(motion.rotation, -rest.rotation.expand_as(motion.rotation)),
        neck=rotations.compose(motion.neck, -rest.neck.expand_as(motion.neck)),
        translation=motion.translation - motion.translation.median(0, keepdim=True).values,
    )


def filled(values: np.ndarray) -> np.ndarray:
    """Columns [T, C] with what is not finite bridged in time."""
    known, at = np.isfinite(values).all(1), np.arange(len(values))
    return np.stack([np.interp(at, at[known], column[known]) for column in values.T], 1)


def offset_of(clip: Footage, predicted: Tensor) -> tuple[float, float]:
    """The seconds by which the picture lies later on the sound's clock than it says, and the correlation r there.

    predicted: [T, 4] gaps and width that a trained mouth has for the sound. Tried are +-0.4 s; gap and width count two
    to one.
    """
    best = (0.0, -1.0, -1.0)
    for step in range(-20, 21):
        moved = clip.moved(step / 50)
        seen = moved.seen & torch.isfinite(predicted).all(1)
        if int(seen.sum()) < FPS:
            continue
        gap, width = (correlation(moved.mouth[seen, k], predicted[seen, k]) for k in (0, 3))
        if 2 * gap + width > best[1]:
            best = (step / 50, 2 * gap + width, gap)
    return best[0], best[2]


def correlation(one: Tensor, other: Tensor) -> float:
    """Pearson's r of two rows [T]; 0 where one of them does not move."""
    a, b = one - one.mean(), other - other.mean()
    size = float(a.norm() * b.norm())
    return float(a @ b) / size if size > 1e-9 else 0.0
