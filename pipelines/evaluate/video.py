"""`flamecast evaluate video`: a video of any program beside the real one, frame by frame and over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ...core.extras import how_to_install
from ...core.files import PathLike
from ...core.threads import one_torch_thread
from ...flame_motion import BadInput, Progress
from . import page as pages
from .faces import FaceReader, FaceTrack, landmark_distances, pose_distances, track_face
from .lips import lip_dynamics, opening, silent_frames, speed
from .measures import explained, plain
from .pairs import ClipPair, Triple
from .pictures import PictureJudge, boxes, scaled

if TYPE_CHECKING:
    from ...flame_motion.tracking.landmarks import LandmarkDetector

SHOWN, WORST = 6, 4  # pictures of a page: evenly over the clip, and those farthest from the truth
STRIP = 224  # px high
LOUDER = 4  # by which differences are shown enhanced


@dataclass(eq=False)
class VideoFigures:
    """What was found of one video."""

    row: dict[str, dict[str, float]]  # measures by section
    facts: dict[str, Any]
    notes: list[str]
    mouths: np.ndarray  # [N, W] features of the video's mouths
    true_mouths: np.ndarray  # [N, W]
    parts: list[str] = field(default_factory=list)  # of a page


def evaluate_video(
    video: PathLike, truth: PathLike, *, pictures: int = 60, page: PathLike | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:  # fmt: skip
    """How near a video comes to the true one, whoever made it: measures by section, and what each of them is.

    `picture`, `head` and `mouth` are compared on some frames: PSNR, SSIM, `perceptual` (named for its network, which is
    no LPIPS), sharpness, flicker and unrest; `face` and `lips` on every one. Both are laid onto each other by time and
    size. pictures: how many frames, evenly out of all; page: an .html for tables, curves and pictures. Raises BadInput.
    """
    from ...flame_motion.tracking.detector import MediaPipeDetector

    pages.check_page(page)
    found = measure_video(video, truth, pictures, MediaPipeDetector(), FaceReader(), progress)
    rows = {"video": found.row}
    if page is not None:
        parts = [pages.notes(found.notes), pages.table(rows), *found.parts]
        pages.write_page(page, f"{video} beside {truth}", parts)
    return plain({**found.facts, "notes": found.notes, "rows": rows, "measures": explained(rows)})


@one_torch_thread()
def measure_video(
    video: PathLike, truth: PathLike, pictures: int, detector: LandmarkDetector, faces: FaceReader,
    progress: Progress | None = None,
) -> VideoFigures:  # fmt: skip
    """The figures of `evaluate_video`, and what a page shows of them. BadInput."""
    report = progress or (lambda stage, done, of: None)
    pair = ClipPair.open(video, truth)
    real = track_face(pair.truth, detector, lambda stage, done, of: report(f"truth, {stage}", done, of))
    if real.motion is None:
        raise BadInput(f"no face is found in any of the {len(real.points)} frames of the truth {truth}")
    made = track_face(pair.video, detector, lambda stage, done, of: report(f"video, {stage}", done, of))
    index = pair.matched(len(made.points), len(real.points))
    seen = np.flatnonzero(real.found[: len(index)])
    inner = seen[(seen > 0) & (seen < len(index) - 1)]
    if not len(inner):
        raise BadInput(f"no face is found in the part of the truth {truth} that is compared")
    chosen = np.unique(inner[np.linspace(0, len(inner) - 1, pictures).round().astype(int)])
    judge, points = PictureJudge(), pair.to_truth(made.points[index])
    identities, strips = [], {}
    for done, triple in enumerate(pair.triples(index, chosen), 1):
        mine, true = points[triple.index], real.points[triple.index]
        where = boxes(true, *pair.size)
        judge.feed(triple.made, triple.real, where)
        if np.isfinite(mine).all():
            identities.append(faces.alike((triple.made[1], mine), (triple.real[1], true)))
        strips[triple.index] = _strip(triple, where["mouth"])
        report("pictures", done, len(chosen))
    row = {name: region.means() for name, region in judge.regions.items()}
    row["face"] = _face(made, real, index, points, identities)
    row["lips"], curves = _lips(points, real, pair, index)
    facts = {
        "video": str(video), "truth": str(truth), "frames": len(index), "fps": pair.truth.fps,
        "size": list(pair.size[::-1]), "pictures": len(strips),
    }  # fmt: skip
    notes = [*pair.notes, *_missing(row, pair), *pair.video.problems]
    parts = [curves, *_pictures(strips, judge.regions["head"].of["perceptual"], pair.truth.fps)]
    return VideoFigures(row, facts, notes, np.stack(judge.mouths), np.stack(judge.true_mouths), parts)


def _face(
    made: FaceTrack, real: FaceTrack, index: np.ndarray, points: np.ndarray, identities: Sequence[float | None]
) -> dict[str, float]:
    """Measures of the face: index [K] and points [K, 478, 3] px of the video's frames, laid onto the truth's."""
    seen, true_points = real.found[: len(index)], real.points[: len(index)]
    both = seen & made.found[index]
    known = [alike for alike in identities if alike is not None]
    found = dict.fromkeys(("landmarks", "pose", "gaze", "expression"), float("nan"))
    if both.any() and made.motion is not None and real.motion is not None:
        found["landmarks"] = float(landmark_distances(points[both], true_points[both]).mean())
        at = torch.from_numpy(np.flatnonzero(both))
        distances = pose_distances(made.motion.frames(torch.from_numpy(index)[at]), real.motion.frames(at))
        found |= {name: float(distance.mean()) for name, distance in distances.items()}
    return found | {
        "identity": float(np.mean(known)) if known else float("nan"),
        "lost": float(100 * (seen & ~both).sum() / seen.sum()),
    }


def _lips(points: np.ndarray, real: FaceTrack, pair: ClipPair, index: np.ndarray) -> tuple[dict[str, float], str]:
    """Measures of the lips, and their curves for a page."""
    fps = pair.truth.fps
    mine, true = opening(points), opening(real.points[: len(index)])
    sound = pair.truth.audio or pair.video.audio
    quiet = silent_frames(sound, len(index), fps)
    row = lip_dynamics(mine, true, fps) | {
        "silence": speed(mine, fps, quiet), "silence of the truth": speed(true, fps, quiet)
    }  # fmt: skip
    drawn = pages.curves({"truth": true, "video": mine}, fps, quiet)
    return row, pages.heading("How far the lips are open; grey: the sound is silent") + drawn


def _missing(row: dict[str, dict[str, float]], pair: ClipPair) -> list[str]:
    """Why measures are not known, a sentence each."""
    found = []
    if np.isnan(row["face"]["landmarks"]):
        found.append("no face is found in the video: what faces and lips do is not known")
    elif np.isnan(row["face"]["identity"]):
        found.append(f"identity is not known: {how_to_install('evaluate')}")
    elif np.isnan(row["lips"]["correlation"]):
        found.append("the lips of the truth do not move: their dynamics are not known")
    if np.isnan(row["lips"]["silence of the truth"]):
        silent = pair.truth.audio is None and pair.video.audio is None
        why = "neither video has a sound" if silent else "the sound has no pause"
        found.append(f"{why}: what lips do in silence is not known")
    return found


def _strip(triple: Triple, mouth: tuple[slice, slice]) -> np.ndarray:
    """Truth, video and difference, then both mouths, side by side [STRIP, W, 3] uint8."""
    made, real = triple.made[1], triple.real[1]
    apart = np.clip(LOUDER * np.abs(made.astype(int) - real), 0, 255).astype(np.uint8)
    return np.hstack([_high(one) for one in (real, made, apart, real[mouth], made[mouth])])


def _high(picture: np.ndarray) -> np.ndarray:
    """A picture [H, W, 3] that is `STRIP` px high."""
    return scaled(picture, round(STRIP * max(picture.shape[:2]) / picture.shape[0]))[:STRIP]


def _pictures(strips: dict[int, np.ndarray], distances: Sequence[float], fps: float) -> list[str]:
    """Strips for a page: some evenly over the clip, and the worst; distances: perceptual ones of the heads."""
    frames = list(strips)
    even = np.unique(np.linspace(0, len(frames) - 1, SHOWN).round().astype(int))
    worst = np.argsort(distances)[::-1][:WORST]
    caption = f"truth, video, difference x {LOUDER}, mouths of truth and video"
    parts = []
    for title, chosen in (("Over the clip", even), ("Farthest from the truth", worst)):
        parts.append(pages.heading(f"{title}: {caption}"))
        parts += [
            pages.picture(strips[frames[k]], f"{frames[k] / fps:.2f} s, head: perceptual {distances[k]:.3f}")
            for k in chosen
        ]
    return parts
