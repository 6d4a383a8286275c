"""`flamecast prepare speech`: videos of people who talk as footage to train on; what is done is not done again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ...core.files import PathLike, atomic_path
from ...core.report import Done
from ...core.threads import one_torch_thread
from ...flame_motion import BadInput, Progress, VideoClip, load_head
from ..prepare import VIDEOS, check_names, content, footage_files

if TYPE_CHECKING:
    from ...flame_motion.tracking.landmarks import Face
    from .footage import Footage

MIN_CORRELATION = 0.3  # of the gap between the lips with what the sound asks for
SHORT = 4.0  # s: a clip as short as that takes the offset of its speaker's others
MIN_LOUDNESS = 0.01  # of full scale
MIN_MOVEMENT = 0.005  # of the eyes' distance: the spread of the gap of a mouth that speaks
Index = dict[str, dict[str, Any]]  # what became of each clip, by name


@one_torch_thread()
def prepare_speech(paths: Iterable[PathLike], output: PathLike, progress: Progress | None = None) -> Done:
    """Tracks people who talk: their footage OUTPUT/<clip>.npz, and what became of each clip in OUTPUT/index.json.

    paths: videos, or folders of videos, or of takes in FACEGOOD's form. The speaker is the column `speaker` of an
    INDEX.tsv in the folder (by its column `file`), else each file is a person. Sound and picture are aligned by the
    shipped mouth; a clip that fits at no offset is left out. Raises BadInput when nothing can be used.
    """
    folder, jobs, index = Path(output), list(_jobs(paths)), Index()
    if not jobs:
        raise BadInput(f"expected videos ({', '.join(VIDEOS)}) or folders of them, got none in {list(map(str, paths))}")
    check_names(path.stem for path, _ in jobs)
    for clip, offset, correlation in _aligned(list(_tracked(jobs, folder / ".tracked", index, progress)), progress):
        index[clip.name] = {"speaker": clip.speaker, "offset": offset, "r": round(correlation, 3)}
        file = folder / f"{clip.name}.npz"
        if correlation >= MIN_CORRELATION:
            clip.moved(offset).save(file)
        else:
            reason = f"sound and picture do not fit: r {correlation:.2f} at best, expected {MIN_CORRELATION:g}"
            index[clip.name]["left out"] = reason
            file.unlink(missing_ok=True)  # from when it did
    left_out = [f"{name}: {entry['left out']}" for name, entry in sorted(index.items()) if "left out" in entry]
    if len(left_out) == len(jobs):
        raise BadInput(f"none of {len(jobs)} clips can be used: {'; '.join(left_out[:3])}")
    with atomic_path(folder / "index.json") as path:
        Path(path).write_text(json.dumps(index, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    problems = [f"{len(left_out)} of {len(jobs)} clips left out: {'; '.join(left_out)}"] if left_out else []
    return Done([folder, folder / "index.json"], problems)


def _tracked(
    jobs: list[tuple[Path, str]], cache: Path, index: Index, progress: Progress | None
) -> Iterator[Footage]:  # fmt: skip
    """The clips that show a face and have sound; why others are left out is written to the index."""
    tracker = _Tracker()
    for done, (path, speaker) in enumerate(jobs, 1):
        try:
            yield tracker(path, speaker, cache / f"{path.stem}-{content(path)}.npz")
        except BadInput as error:
            index[path.stem] = {"left out": str(error)}
        if progress is not None:
            progress("track", done, len(jobs))


def _jobs(paths: Iterable[PathLike]) -> Iterator[tuple[Path, str]]:
    """Every clip and its speaker."""
    from .facegood import facegood_takes

    for path in map(Path, paths):
        yield from footage_files([path])
        if path.is_dir():
            yield from ((take, path.name) for take in facegood_takes(path))


class _Tracker:
    """A clip as footage, from what was tracked before where that is there."""

    def __init__(self) -> None:
        from ...drivers.video import VideoDriver
        from ...flame_motion.tracking.detector import MediaPipeDetector

        self.detector = _Recorder(MediaPipeDetector())
        self.driver = VideoDriver(detector=self.detector)

    def __call__(self, path: Path, speaker: str, tracked: Path) -> Footage:
        """BadInput for a clip without sound or face."""
        from ...drivers.speech.signal import SpeechSignal
        from .facegood import facegood_footage
        from .footage import Footage, footage_of

        if tracked.is_file():
            return replace(Footage.load(tracked), speaker=speaker)
        if path.suffix == ".npz":
            clip = facegood_footage(path, speaker)
        else:
            sound = SpeechSignal.open(path).sound.samples
            if float(np.abs(sound).max()) < MIN_LOUDNESS:
                raise BadInput(f"{path.name}: its sound is silent")
            self.detector.seen.clear()
            motion = self.driver(VideoClip.open(path)).motion
            clip = footage_of(path.stem, speaker, torch.from_numpy(sound), motion, np.stack(self.detector.seen))
        if float(clip.mouth[clip.seen, 0].std()) < MIN_MOVEMENT:
            raise BadInput(f"{path.name}: the mouth does not move")
        clip.save(tracked)
        return clip


class _Recorder:
    """A detector that keeps the landmarks [478, 3] px of each frame, NaN without a face."""

    def __init__(self, detector: Any) -> None:
        self.detector = detector
        self.seen: list[np.ndarray] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.detector, name)

    def track(self, frames: Iterable[np.ndarray], fps: float = 25.0) -> Iterator[Face | None]:
        """The faces of a clip, as the detector finds them."""
        from ...flame_motion.tracking.landmarks import POINTS

        for face in self.detector.track(frames, fps):
            self.seen.append(np.full((POINTS, 3), np.nan) if face is None else face.points)
            yield face


def _aligned(clips: list[Footage], progress: Progress | None) -> Iterator[tuple[Footage, float, float]]:
    """Each clip with the offset of its picture on the sound's clock, in s, and the correlation at that offset."""
    from ...drivers.speech.audio_features import AudioBuffer
    from ...drivers.speech.driver import SpeechDriver
    from ...flame_motion.retargeting.mouth import mouth_of
    from .footage import correlation, offset_of

    driver, gaps = SpeechDriver(), mouth_of(load_head()).gaps
    predicted, found = [], []
    for done, clip in enumerate(clips, 1):
        predicted.append(driver.mouth(AudioBuffer(clip.samples), 0, len(clip.mouth)) @ gaps)
        found.append(offset_of(clip, predicted[-1]))
        if progress is not None:
            progress("align", done, len(clips))
    for clip, gap, (offset, fit) in zip(clips, predicted, found):
        others = [found[k][0] for k, other in enumerate(clips) if other.speaker == clip.speaker]
        if len(clip.mouth) < SHORT * 25 and len(others) > 1:
            offset = round(float(np.median(others)), 2)
            moved = clip.moved(offset)
            fit = correlation(moved.mouth[moved.seen, 0], gap[moved.seen, 0])
        yield clip, offset, fit
