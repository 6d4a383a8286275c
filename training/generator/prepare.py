"""`flamecast prepare generator` and `prepare synthetic`: shards of photos and windows, clip by clip, here or by Ray."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from ...core.files import PathLike
from ...core.report import Done
from ...core.spread import spread
from ...core.threads import one_torch_thread
from ...flame_motion import BadInput, Progress
from ..prepare import VIDEOS, check_names, content, footage_files
from .clip_windows import RIG, Clip, Rig, Windows, videos_in
from .shards import read_index, write_index, write_shard
from .synthetic import VIEWS, Person


class Job(Protocol):
    """What a shard is made of."""

    @property
    def name(self) -> str: ...
    @property
    def person(self) -> str: ...
    def content(self) -> str:
        """Another content is another shard. BadInput."""

    def read(self, windows: Windows) -> Clip | Rig | Person:
        """What windows are cut from. BadInput."""


@dataclass(frozen=True)
class Footage:
    """A video, or a folder of several of one moment with their cameras; and who is in it."""

    path: Path
    person: str

    @property
    def name(self) -> str:
        """Of the shard."""
        return self.path.stem

    def content(self) -> str:
        """Of all its files. BadInput."""
        files = [self.path / RIG, *videos_in(self.path)] if self.path.is_dir() else [self.path]
        return "-".join(content(file) for file in files)

    def read(self, windows: Windows) -> Clip | Rig:
        """Tracked. BadInput."""
        return (Rig if self.path.is_dir() else Clip).read(self.path, windows.most)


def prepare_generator(
    paths: Iterable[PathLike],
    output: PathLike,
    progress: Progress | None = None,
    windows: Windows | None = None,
    ray: str | None = None,
) -> Done:
    """Tracks videos and writes OUTPUT/<clip>.tar, photos and windows of frames; OUTPUT/index.json says how.

    A folder with `cameras.json` beside its videos is one moment seen by several cameras; a folder that holds such
    folders is all of them. A clip whose shard is there already, by content and settings, is not made again. Who it is:
    as for `prepare speech`. ray: a cluster's address, or `local`: the clips are shared out by Ray Data, which makes
    those of a lost worker again. Raises BadInput when nothing can be used.
    """
    jobs = list(_footage(paths))
    if not jobs:
        raise BadInput(f"expected videos ({', '.join(VIDEOS)}) or folders of them, got none in {list(map(str, paths))}")
    check_names(job.name for job in jobs)
    return _prepare(jobs, Path(output), windows or Windows(), ray, progress)


def prepare_synthetic(
    people: int,
    output: PathLike,
    progress: Progress | None = None,
    windows: Windows | None = None,
    ray: str | None = None,
    views: int = VIEWS,
) -> Done:
    """Writes shards of so many people that nobody is, as `prepare_generator` does, each seen by several cameras."""
    jobs = [Person(number, views) for number in range(people)]
    return _prepare(jobs, Path(output), windows or Windows(), ray, progress)


@one_torch_thread()
def _prepare(jobs: Sequence[Job], folder: Path, windows: Windows, ray: str | None, progress: Progress | None) -> Done:
    folder.mkdir(parents=True, exist_ok=True)
    told: dict[str, Any] = read_index(folder) if (folder / "index.json").is_file() else {}
    waiting = [job for job in jobs if not _is_made(job, told.get(job.name, {}), folder, windows)]
    made = partial(prepare_shard, folder=folder.absolute(), windows=windows)
    for done, (number, entry) in enumerate(spread(made, waiting, ray=ray), len(jobs) - len(waiting) + 1):
        told[waiting[number].name] = entry or {"left out": "its process died, again and again"}
        write_index(folder, told)
        if progress is not None:
            progress("prepare", done, len(jobs))
    out = [f"{name}: {entry['left out']}" for name, entry in sorted(told.items()) if "left out" in entry]
    if not any("person" in told[job.name] for job in jobs):
        raise BadInput(f"none of {len(jobs)} clips can be used: {'; '.join(out[:3])}")
    notes = [f"{len(out)} of {len(told)} clips left out: {'; '.join(out)}"] if out else []
    dropped = sum(entry.get("frames_dropped", 0) for entry in told.values())
    notes += [f"{dropped} frames dropped that no fit explains"] if dropped else []
    return Done([folder, folder / "index.json"], notes)


def prepare_shard(job: Job, folder: Path, windows: Windows) -> dict[str, Any]:
    """Writes a shard; what the index says of it. The same on any machine."""
    shard, settings = folder / f"{job.name}.tar", asdict(windows)
    try:
        settings["content"] = job.content()
        footage = job.read(windows)
        count = write_shard(shard, footage.windows(windows))
        if not count:
            raise BadInput(f"{job.name}: no frame's face could be fitted well enough to be a photo")
    except BadInput as error:
        shard.unlink(missing_ok=True)
        return settings | {"left out": str(error)}
    told = {"person": job.person, "pairs": count, "views": footage.views, "frames_dropped": footage.dropped}
    return settings | told


def _footage(paths: Iterable[PathLike]) -> Iterator[Footage]:
    """Videos, rigs, and those in folders."""
    for path in map(Path, paths):
        if (path / RIG).is_file():
            yield Footage(path.absolute(), path.name)
        else:
            yield from (Footage(file.absolute(), person) for file, person in footage_files([path]))
            if path.is_dir():
                yield from (Footage(rig.parent.absolute(), rig.parent.name) for rig in sorted(path.glob(f"*/{RIG}")))


def _is_made(job: Job, entry: dict[str, Any], folder: Path, windows: Windows) -> bool:
    """Whether the shard is there, or known to be none, from this content and these settings."""
    try:
        wanted = {"content": job.content(), **asdict(windows)}
    except BadInput:
        return False
    there = (folder / f"{job.name}.tar").is_file() or "left out" in entry
    return there and {key: entry.get(key) for key in wanted} == wanted
