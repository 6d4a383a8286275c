"""`flamecast prepare`: footage made ready to train on, clip by clip; what is done is not done again."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..core.files import PathLike, atomic_path, existing_file
from ..core.report import Done
from ..core.threads import one_torch_thread
from ..flame_motion import BadInput, Progress, VideoClip, load_head

if TYPE_CHECKING:
    from ..flame_motion.tracking.landmarks import Face
    from .speech.footage import Footage

VIDEOS = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg")
FITS = 0.3  # r of the gap between the lips with what the sound asks for, that a clip must reach
SHORT = 4.0  # s: a clip as short as that takes the offset of its speaker's others
LOUD = 0.01  # of full scale
STILL = 0.005  # of the eyes' distance: the gap of a mouth that speaks spreads wider


@one_torch_thread()
def prepare_speech(paths: Iterable[PathLike], output: PathLike, progress: Progress | None = None) -> Done:
    """Tracks talking faces into footage, OUTPUT/<clip>.npz, and says in OUTPUT/index.json what became of each clip.

    paths: videos, or folders of videos, or of takes in FACEGOOD's form. Who speaks: the column `speaker` of an
    INDEX.tsv in the folder (by its column `file`), else each file is a person. Sound and picture are aligned by the
    shipped mouth; a clip that fits at no offset is left out. Raises BadInput when nothing can be used.
    """
    folder = Path(output)
    jobs = list(_jobs(paths))
    if not jobs:
        raise BadInput(f"expected videos ({', '.join(VIDEOS)}) or folders of them, got none in {list(map(str, paths))}")
    check_names(path.stem for path, _ in jobs)
    made: list[Footage] = []
    told: dict[str, dict[str, Any]] = {}
    tracker = _Tracker()
    for done, (path, speaker) in enumerate(jobs, 1):
        try:
            made.append(tracker(path, speaker, folder / ".tracked" / f"{path.stem}-{content(path)}.npz"))
        except BadInput as error:
            told[path.stem] = {"left out": str(error)}
        if progress is not None:
            progress("track", done, len(jobs))
    kept = 0
    for clip, offset, fit in _aligned(made, progress):
        told[clip.name] = {"speaker": clip.speaker, "offset": offset, "r": round(fit, 3)}
        if fit < FITS:
            told[clip.name]["left out"] = f"sound and picture do not fit: r {fit:.2f} at best, expected {FITS:g}"
            (folder / f"{clip.name}.npz").unlink(missing_ok=True)  # from when it did
            continue
        clip.moved(offset).save(folder / f"{clip.name}.npz")
        kept += 1
    out = [f"{name}: {entry['left out']}" for name, entry in sorted(told.items()) if "left out" in entry]
    if not kept:
        raise BadInput(f"none of {len(jobs)} clips can be used: {'; '.join(out[:3])}")
    index = folder / "index.json"
    with atomic_path(index) as file:
        Path(file).write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return Done([folder, index], [f"{len(out)} of {len(jobs)} clips left out: {'; '.join(out)}"] if out else [])


def check_names(names: Iterable[str]) -> None:
    """BadInput where two clips would be written under one name."""
    if twice := sorted(name for name, count in Counter(names).items() if count > 1):
        raise BadInput(f"several clips are called {twice[0]}: rename all but one, or prepare them into another folder")


def content(path: Path) -> str:
    """A file's content, in twelve letters: what was made of it is known by that. BadInput."""
    with existing_file(path, "the clip").open("rb") as file:
        return hashlib.sha256(file.read()).hexdigest()[:12]


def _jobs(paths: Iterable[PathLike]) -> Iterator[tuple[Path, str]]:
    """Every clip and who speaks in it."""
    from .speech.facegood import facegood_takes

    for path in map(Path, paths):
        yield from footage_files([path])
        if path.is_dir():
            yield from ((take, path.name) for take in facegood_takes(path))


def footage_files(paths: Iterable[PathLike]) -> Iterator[tuple[Path, str]]:
    """The videos among paths and in folders, and who is in them: `speaker` of the folder's INDEX.tsv, or the name."""
    for path in map(Path, paths):
        if not path.is_dir():
            yield path, path.stem
            continue
        names = _speakers(path / "INDEX.tsv")
        for file in sorted(path.iterdir()):
            if file.suffix.lower() in VIDEOS:
                yield file, names.get(file.name, file.stem)


def _speakers(table: Path) -> dict[str, str]:
    """Who speaks, by file."""
    if not table.is_file():
        return {}
    with table.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return {row["file"]: row["speaker"] for row in rows if row.get("file") and row.get("speaker")}


class _Tracker:
    """A clip as footage, from what was tracked before where that is there."""

    def __init__(self) -> None:
        from ..drivers.video import VideoDriver
        from ..flame_motion.tracking.detector import MediaPipeDetector

        self.detector = _Recorder(MediaPipeDetector())
        self.driver = VideoDriver(detector=self.detector)

    def __call__(self, path: Path, speaker: str, tracked: Path) -> Footage:
        """BadInput for a clip without sound or face."""
        from ..drivers.speech.signal import SpeechSignal
        from .speech.facegood import facegood_footage
        from .speech.footage import Footage, footage_of

        if tracked.is_file():
            return replace(Footage.load(tracked), speaker=speaker)
        if path.suffix == ".npz":
            clip = facegood_footage(path, speaker)
        else:
            sound = SpeechSignal.open(path).sound.samples
            if float(np.abs(sound).max()) < LOUD:
                raise BadInput(f"{path.name}: its sound is silent")
            self.detector.seen.clear()
            motion = self.driver(VideoClip.open(path)).motion
            clip = footage_of(path.stem, speaker, torch.from_numpy(sound), motion, np.stack(self.detector.seen))
        if float(clip.mouth[clip.seen, 0].std()) < STILL:
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
        from ..flame_motion.tracking.landmarks import POINTS

        for face in self.detector.track(frames, fps):
            self.seen.append(np.full((POINTS, 3), np.nan) if face is None else face.points)
            yield face


def _aligned(clips: list[Footage], progress: Progress | None) -> Iterator[tuple[Footage, float, float]]:
    """Each clip with how much later its picture lies on the sound's clock than it says, and how well it then fits."""
    from ..drivers.speech.audio_features import AudioBuffer
    from ..drivers.speech.driver import SpeechDriver
    from ..flame_motion.retargeting.mouth import mouth_of
    from .speech.footage import correlation, offset_of

    driver, gaps = SpeechDriver(), mouth_of(load_head()).gaps
    made, own = [], []
    for done, clip in enumerate(clips, 1):
        made.append(driver.mouth(AudioBuffer(clip.samples), 0, len(clip.mouth)) @ gaps)
        own.append(offset_of(clip, made[-1]))
        if progress is not None:
            progress("align", done, len(clips))
    for clip, gap, (offset, fit) in zip(clips, made, own):
        others = [own[k][0] for k, other in enumerate(clips) if other.speaker == clip.speaker]
        if len(clip.mouth) < SHORT * 25 and len(others) > 1:
            offset = round(float(np.median(others)), 2)
            moved = clip.moved(offset)
            fit = correlation(moved.mouth[moved.seen, 0], gap[moved.seen, 0])
        yield clip, offset, fit
