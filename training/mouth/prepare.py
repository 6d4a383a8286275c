"""`flamecast prepare mouths`: footage as pairs of drawn and true mouths, a file a clip."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ...core.files import PathLike, atomic_path
from ...core.npz import save_arrays
from ...core.report import Done
from ...core.threads import one_torch_thread
from ...flame_motion import BadInput, Progress
from ...flame_motion.media.photos import load_photo
from ...flame_motion.tracking.detector import MediaPipeDetector
from ..prepare import check_names, content, footage_files
from .examples import MouthOptions, Pairs, RememberingDetector, TalkingClip
from .photos import photo_pairs

INDEX = "index.json"
PHOTOS = (".jpg", ".jpeg", ".png", ".webp")


@one_torch_thread()
def prepare_mouths(
    paths: Sequence[PathLike], output: PathLike, progress: Progress | None = None, options: MouthOptions | None = None
) -> Done:
    """Tracks videos and writes OUTPUT/<clip>.npz; OUTPUT/index.json says who is in it, or why it is left out.

    A clip that is there already, by content and settings, is not made again. Who it is: as for `prepare speech`.
    Raises BadInput when nothing can be used.
    """
    options, folder = options or MouthOptions(), Path(output)
    clips = _some_of_each([*footage_files(paths), *_photo_files(paths)], options.clips)
    check_names(path.stem for path, _ in clips)
    folder.mkdir(parents=True, exist_ok=True)
    entries: dict[str, Any] = read_index(folder) if (folder / INDEX).is_file() else {}
    detector = RememberingDetector(MediaPipeDetector())
    for done, (path, person) in enumerate(clips, 1):
        wanted = {"content": content(path), **asdict(options)}
        entry = entries.get(path.stem, {})
        if {key: entry.get(key) for key in wanted} != wanted:
            entries[path.stem] = wanted | _prepared(path, person, folder, options, detector)
            write_index(folder, entries)
        if progress is not None:
            progress("prepare", done, len(clips))
    out = [f"{name}: {entry['left out']}" for name, entry in sorted(entries.items()) if "left out" in entry]
    if not any("pairs" in entries[path.stem] for path, _ in clips):
        raise BadInput(f"none of {len(clips)} clips can be used: {'; '.join(out[:3])}")
    return Done(
        [folder, folder / INDEX], [f"{len(out)} of {len(entries)} clips left out: {'; '.join(out)}"] if out else []
    )


def _photo_files(paths: Iterable[PathLike]) -> Iterator[tuple[Path, str]]:
    """The photos in folders, each of somebody else."""
    for folder in map(Path, paths):
        if folder.is_dir():
            yield from ((file, file.stem) for file in sorted(folder.iterdir()) if file.suffix.lower() in PHOTOS)


def _some_of_each(footage: Iterable[tuple[Path, str]], most: int) -> list[tuple[Path, str]]:
    """At most so many clips of each person."""
    taken: Counter[str] = Counter()
    kept = []
    for path, person in footage:
        taken[person] += 1
        if taken[person] <= most:
            kept.append((path, person))
    return kept


def _prepared(
    path: Path, person: str, folder: Path, options: MouthOptions, detector: RememberingDetector
) -> dict[str, Any]:
    """Writes the pairs of a clip or a photo; what the index says of it."""
    try:
        if path.suffix.lower() in PHOTOS:
            photos = list(photo_pairs(load_photo(path)[0], detector))
        else:
            photos = list(TalkingClip.read(path, options.frames, detector).pairs(options))
        if not photos:
            raise BadInput(f"{path.name}: nothing could be fitted well enough to be a photo of a mouth")
    except BadInput as error:
        return {"left out": str(error)}
    save_arrays(folder / f"{path.stem}.npz", joined(photos))
    return {"person": person, "pairs": sum(len(photo["drawn"]) for photo in photos), "photos": len(photos)}


def joined(photos: list[Pairs]) -> Pairs:
    """The pairs of several photos as one; `of` [N] says whose photo each is drawn of."""
    of = np.repeat(np.arange(len(photos)), [len(photo["drawn"]) for photo in photos])
    once = ("photo", "photo_parts", "photo_open", "pixels", "source")
    join = lambda name: (np.stack if name in once else np.concatenate)([photo[name] for photo in photos])  # noqa: E731
    return {name: join(name) for name in photos[0]} | {"of": of}


def write_index(folder: Path, clips: dict[str, Any]) -> None:
    """Writes what became of each clip."""
    with atomic_path(folder / INDEX) as file:
        Path(file).write_text(json.dumps(clips, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_index(folder: PathLike) -> dict[str, Any]:
    """What `write_index` wrote. BadInput for a folder without."""
    try:
        clips = json.loads((Path(folder) / INDEX).read_text(encoding="utf-8"))
        if not isinstance(clips, dict):
            raise ValueError("not an object")
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{folder}: expected a folder that `flamecast prepare mouths` made, with {INDEX} ({error})"
        ) from None
    return clips
