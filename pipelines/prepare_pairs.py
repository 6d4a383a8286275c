"""`flamecast prepare generator`: footage as photos and windows of the same person, with the geometry between them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from ..flame_motion import BadInput, Progress
from ..flame_motion.files import PathLike
from ..flame_motion.threads import one_torch_thread
from ..generator.training.shards import read_index, write_index, write_shard
from .prepare import VIDEOS, check_names, content, footage_files
from .report import Done
from .windows import RIG, Clip, Rig, Windows, videos_in

Job = tuple[Path, str]  # a video, or a folder of several with their cameras; and who is in it


@one_torch_thread()
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
    folder, windows = Path(output), windows or Windows()
    jobs = list(_jobs(paths))
    if not jobs:
        raise BadInput(f"expected videos ({', '.join(VIDEOS)}) or folders of them, got none in {list(map(str, paths))}")
    check_names(path.stem for path, _ in jobs)
    folder.mkdir(parents=True, exist_ok=True)
    told: dict[str, Any] = read_index(folder) if (folder / "index.json").is_file() else {}
    waiting = [job for job in jobs if not _is_made(job, told.get(job[0].stem, {}), folder, windows)]
    made = partial(prepare_clip, folder=folder.absolute(), windows=windows)
    results = map(made, waiting) if ray is None else _by_ray(made, waiting, ray)
    for done, (name, entry) in enumerate(results, len(jobs) - len(waiting) + 1):
        told[name] = entry
        write_index(folder, told)
        if progress is not None:
            progress("prepare", done, len(jobs))
    names = {path.stem for path, _ in jobs}
    out = [f"{name}: {entry['left out']}" for name, entry in sorted(told.items()) if "left out" in entry]
    if not any("person" in told[name] for name in names):
        raise BadInput(f"none of {len(jobs)} clips can be used: {'; '.join(out[:3])}")
    notes = [f"{len(out)} of {len(told)} clips left out: {'; '.join(out)}"] if out else []
    dropped = sum(entry.get("frames_dropped", 0) for entry in told.values())
    notes += [f"{dropped} frames dropped that no fit explains"] if dropped else []
    return Done([folder, folder / "index.json"], notes)


def prepare_clip(job: Job, folder: Path, windows: Windows) -> tuple[str, dict[str, Any]]:
    """Writes a clip's shard; its name, and what the index says of it. The same on any machine."""
    path, person = job
    shard = folder / f"{path.stem}.tar"
    try:
        entry = {"content": _content(path), **asdict(windows)}
    except BadInput as error:
        return path.stem, {"left out": str(error)}
    try:
        footage = Rig.read(path, windows.most) if path.is_dir() else Clip.read(path, windows.most)
        count = write_shard(shard, footage.windows(windows))
        if not count:
            raise BadInput(f"{path.name}: no frame's face could be fitted well enough to be a photo")
    except BadInput as error:
        shard.unlink(missing_ok=True)
        return path.stem, entry | {"left out": str(error)}
    return path.stem, entry | {
        "person": person, "pairs": count, "views": footage.views, "frames_dropped": footage.dropped
    }  # fmt: skip


def _jobs(paths: Iterable[PathLike]) -> Iterator[Job]:
    """Videos, rigs, and those in folders."""
    for path in map(Path, paths):
        if (path / RIG).is_file():
            yield path, path.name
        else:
            yield from footage_files([path])
            if path.is_dir():
                yield from ((rig.parent, rig.parent.name) for rig in sorted(path.glob(f"*/{RIG}")))


def _content(path: Path) -> str:
    if not path.is_dir():
        return content(path)
    return "-".join(content(file) for file in [path / RIG, *videos_in(path)])


def _is_made(job: Job, entry: dict[str, Any], folder: Path, windows: Windows) -> bool:
    """Whether the shard is there, made of this content in this way."""
    path = job[0]
    try:
        wanted = {"content": _content(path), **asdict(windows)}
    except BadInput:
        return False
    there = (folder / f"{path.stem}.tar").is_file() or "left out" in entry
    return there and {key: entry.get(key) for key in wanted} == wanted


def _by_ray(made: Any, jobs: list[Job], address: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each job's answer, in the order in which Ray Data finishes them; a lost worker's are done again."""
    try:
        import ray
    except ImportError:
        raise BadInput('--ray needs more: pip install "flamecast[scale]"') from None
    if not jobs:
        return
    if not ray.is_initialized():
        try:
            ray.init(None if address == "local" else address, log_to_driver=False, include_dashboard=False)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise BadInput(f"--ray {address}: no cluster answers there ({str(error)[:80]})") from None
    rows = [{"path": str(path.absolute()), "person": person} for path, person in jobs]

    def answer(row: dict[str, Any]) -> dict[str, Any]:
        name, entry = made((Path(row["path"]), row["person"]))
        return {"name": name, "entry": json.dumps(entry)}

    done = ray.data.from_items(rows, override_num_blocks=len(rows)).map(answer)
    yield from ((row["name"], json.loads(row["entry"])) for row in done.iter_rows())
