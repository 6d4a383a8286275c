"""`flamecast prepare generator` and `prepare synthetic`: shards of examples, clip by clip, here or by Ray."""

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
from .clips import RIG, Clip, Rig, videos_in
from .examples import ExampleOptions
from .shards import read_index, write_index, write_shard
from .synthetic import VIEWS, SyntheticPerson


class Material(Protocol):
    """What a shard is made of."""

    @property
    def name(self) -> str: ...
    @property
    def person(self) -> str: ...
    def content(self) -> str:
        """A digest: material of another content makes another shard. BadInput."""

    def read(self, options: ExampleOptions) -> Clip | Rig | SyntheticPerson:
        """What examples are cut from. BadInput."""


@dataclass(frozen=True)
class VideoMaterial:
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

    def read(self, options: ExampleOptions) -> Clip | Rig:
        """Tracked. BadInput."""
        return (Rig if self.path.is_dir() else Clip).read(self.path, options.max_frames)


def prepare_generator(
    paths: Iterable[PathLike],
    output: PathLike,
    progress: Progress | None = None,
    options: ExampleOptions | None = None,
    ray: str | None = None,
) -> Done:
    """Tracks videos and writes OUTPUT/<clip>.tar, photos and windows of frames; OUTPUT/index.json says how.

    A folder with `cameras.json` beside its videos is one moment seen by several cameras; a folder that holds such
    folders is all of them. A clip whose shard is there already, by content and settings, is not made again. Who it is:
    as for `prepare speech`. ray: a cluster's address, or `local`: the clips are shared out by Ray Data, which makes
    those of a lost worker again. Raises BadInput when nothing can be used.
    """
    materials = list(_videos(paths))
    if not materials:
        raise BadInput(f"expected videos ({', '.join(VIDEOS)}) or folders of them, got none in {list(map(str, paths))}")
    check_names(material.name for material in materials)
    return _prepare(materials, Path(output), options or ExampleOptions(), ray, progress)


def prepare_synthetic(
    people: int,
    output: PathLike,
    progress: Progress | None = None,
    options: ExampleOptions | None = None,
    ray: str | None = None,
    views: int = VIEWS,
) -> Done:
    """Writes shards of so many people that nobody is, as `prepare_generator` does, each seen by several cameras."""
    materials = [SyntheticPerson(number, views) for number in range(people)]
    return _prepare(materials, Path(output), options or ExampleOptions(), ray, progress)


@one_torch_thread()
def _prepare(
    materials: Sequence[Material], folder: Path, options: ExampleOptions, ray: str | None, progress: Progress | None
) -> Done:
    folder.mkdir(parents=True, exist_ok=True)
    entries: dict[str, Any] = read_index(folder) if (folder / "index.json").is_file() else {}
    waiting = [
        material for material in materials if not _is_made(material, entries.get(material.name, {}), folder, options)
    ]
    prepare = partial(prepare_shard, folder=folder.absolute(), options=options)
    for done, (number, entry) in enumerate(spread(prepare, waiting, ray=ray), len(materials) - len(waiting) + 1):
        entries[waiting[number].name] = entry or {"left out": "its process died, again and again"}
        write_index(folder, entries)
        if progress is not None:
            progress("prepare", done, len(materials))
    out = [f"{name}: {entry['left out']}" for name, entry in sorted(entries.items()) if "left out" in entry]
    if not any("person" in entries[material.name] for material in materials):
        raise BadInput(f"none of {len(materials)} clips can be used: {'; '.join(out[:3])}")
    notes = [f"{len(out)} of {len(entries)} clips left out: {'; '.join(out)}"] if out else []
    dropped = sum(entry.get("frames_dropped", 0) for entry in entries.values())
    notes += [f"{dropped} frames dropped that no fit explains"] if dropped else []
    return Done([folder, folder / "index.json"], notes)


def prepare_shard(material: Material, folder: Path, options: ExampleOptions) -> dict[str, Any]:
    """Writes a shard; what the index says of it. The same on any machine."""
    shard, settings = folder / f"{material.name}.tar", asdict(options)
    try:
        settings["content"] = material.content()
        clip = material.read(options)
        count = write_shard(shard, clip.examples(options))
        if not count:
            raise BadInput(f"{material.name}: no frame's face could be fitted well enough to be a photo")
    except BadInput as error:
        shard.unlink(missing_ok=True)
        return settings | {"left out": str(error)}
    facts = {"person": material.person, "pairs": count, "views": clip.views, "frames_dropped": clip.dropped}
    return settings | facts


def _videos(paths: Iterable[PathLike]) -> Iterator[VideoMaterial]:
    """Videos, rigs, and those in folders."""
    for path in map(Path, paths):
        if (path / RIG).is_file():
            yield VideoMaterial(path.absolute(), path.name)
        else:
            yield from (VideoMaterial(file.absolute(), person) for file, person in footage_files([path]))
            if path.is_dir():
                yield from (
                    VideoMaterial(rig.parent.absolute(), rig.parent.name) for rig in sorted(path.glob(f"*/{RIG}"))
                )


def _is_made(material: Material, entry: dict[str, Any], folder: Path, options: ExampleOptions) -> bool:
    """Whether the shard is there, or known to be none, from this content and these settings."""
    try:
        wanted = {"content": material.content(), **asdict(options)}
    except BadInput:
        return False
    entry = {"max_frames" if key == "most" else key: value for key, value in entry.items()}  # as 0.1 called it
    there = (folder / f"{material.name}.tar").is_file() or "left out" in entry
    return there and {key: entry.get(key) for key in wanted} == wanted
