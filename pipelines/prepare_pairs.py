"""`flamecast prepare generator`: footage as pairs of pictures of one person, with the geometry between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..flame_motion import BadInput, FlameSequence, Progress, VideoClip
from ..flame_motion.files import PathLike
from ..flame_motion.threads import one_torch_thread
from ..flame_motion.transfer import drive
from ..generator import Portrait
from ..generator.conditioning import guide
from ..generator.training.shards import PICTURES, read_index, write_index, write_shard
from .prepare import VIDEOS, check_names, content, footage_files
from .report import Done

EXPLAINED = 3.5  # % of the face's size, by which a fit may miss a frame's landmarks
SIZE = 256  # px of a picture
LEAST = 4  # frames that a clip must have
TURN = 3.0  # how much an angle of the head, in rad, counts beside an expression


@one_torch_thread()
def prepare_generator(
    paths: Iterable[PathLike],
    output: PathLike,
    progress: Progress | None = None,
    *,
    size: int = SIZE,
    sources: int = 3,
    targets: int = 16,
    most: int = 250,
) -> Done:
    """Tracks videos and writes OUTPUT/<clip>.tar, pairs of a source and a target frame; OUTPUT/index.json says how.

    size: px of a picture; sources: photos a clip, as unlike each other as they are; targets: frames for each, as unlike
    it; most: frames of a clip that are looked at. A clip whose shard is there already, by content and settings, is not
    made again. Who it is: as for `prepare speech`. Raises BadInput when nothing can be used.
    """
    folder = Path(output)
    jobs = list(footage_files(paths))
    if not jobs:
        raise BadInput(f"expected videos ({', '.join(VIDEOS)}) or folders of them, got none in {list(map(str, paths))}")
    check_names(path.stem for path, _ in jobs)
    folder.mkdir(parents=True, exist_ok=True)
    told: dict[str, Any] = read_index(folder) if (folder / "index.json").is_file() else {}
    made = 0
    for done, (path, person) in enumerate(jobs, 1):
        settings = {"content": content(path), "size": size, "sources": sources, "targets": targets, "most": most}
        shard = folder / f"{path.stem}.tar"
        before = told.get(path.stem, {})
        if not (shard.is_file() and {key: before.get(key) for key in settings} == settings):
            try:
                clip, motion, dropped = _tracked(path, most)
                count = write_shard(shard, _pairs(clip, motion, size, sources, targets))
                if not count:
                    raise BadInput(f"{path.name}: no frame's face could be fitted well enough to be a photo")
                told[path.stem] = settings | {"person": person, "pairs": count, "frames_dropped": dropped}
            except BadInput as error:
                shard.unlink(missing_ok=True)
                told[path.stem] = settings | {"left out": str(error)}
            write_index(folder, told)
        made += "person" in told[path.stem]
        if progress is not None:
            progress("prepare", done, len(jobs))
    out = [f"{name}: {entry['left out']}" for name, entry in sorted(told.items()) if "left out" in entry]
    if not made:
        raise BadInput(f"none of {len(jobs)} clips can be used: {'; '.join(out[:3])}")
    notes = [f"{len(out)} of {len(jobs)} clips left out: {'; '.join(out)}"] if out else []
    return Done([folder, folder / "index.json"], notes)


def _tracked(path: Path, most: int) -> tuple[list[np.ndarray], FlameSequence, int]:
    """The frames that the fit explains, their motion, and how many were dropped. BadInput."""
    from ..drivers.video import VideoDriver

    video = VideoClip.open(path)
    video = video.first(most / video.fps)
    driven = VideoDriver()(video)
    bad = {k for problem in driven.frame_problems for k in range(problem["frames"][0], problem["frames"][1] + 1)}
    kept = [k for k in range(len(driven)) if k not in bad]
    if len(kept) < LEAST:
        raise BadInput(f"{path.name}: a face is seen in {len(kept)} frames, and {LEAST} are needed")
    frames = list(video)
    return [frames[k] for k in kept], driven.motion.frames(torch.tensor(kept)), len(frames) - len(kept)


def _pairs(
    frames: list[np.ndarray], motion: FlameSequence, size: int, sources: int, targets: int
) -> Iterator[dict[str, np.ndarray]]:
    """Sources that are unlike each other, each with targets that are unlike it."""
    told = _features(motion)
    for source in _unlike(told, [int((told - told.mean(0)).norm(dim=1).argmin())], sources):
        try:
            portrait = Portrait.fit(frames[source]).with_identity(motion.shape)
        except BadInput:  # no face in this one after all
            continue
        if portrait.error > EXPLAINED:
            continue
        others = [k for k in _unlike(told, [source], targets + 1) if k != source]
        left, top, side = portrait.face_window()
        square = portrait.cropped(left, top, side, side).resized(size, size)
        driven = drive(square.pose, motion, "absolute", first=motion[source : source + 1])
        chosen = driven.frames(torch.tensor(others))
        wanted = iter(others)
        for part in guide(square, chosen):
            for values in _rows(part.batch()):
                yield values | {"target": _window(frames[next(wanted)], portrait, left, top, side, size)}


def _rows(batch: dict[str, Tensor]) -> Iterator[dict[str, np.ndarray]]:
    """Each row of a batch, pictures as bytes [H, W, 3] and the rest in half precision."""
    for row in range(len(batch["warped"])):
        one = {name: values[row] for name, values in batch.items()}
        yield {
            name: (value.permute(1, 2, 0) * 255).round().byte().numpy() if name in PICTURES else value.half().numpy()
            for name, value in one.items()
        }


def _window(frame: np.ndarray, portrait: Portrait, left: int, top: int, side: int, size: int) -> np.ndarray:
    """A frame as the portrait's square sees it."""
    return replace(portrait, image=frame).cropped(left, top, side, side).resized(size, size).image


def _features(motion: FlameSequence) -> Tensor:
    """What makes frames unlike: head angles, jaw, lids and expression [T, F]."""
    return torch.cat([TURN * motion.neck, TURN * motion.jaw, motion.eyelids, 0.3 * motion.expression], 1)


def _unlike(told: Tensor, chosen: list[int], count: int) -> list[int]:
    """Frames as far from each other as they are: the farthest from all before, from `chosen` on."""
    apart = torch.cdist(told, told[chosen]).amin(1)
    while len(chosen) < min(count, len(told)):
        chosen = [*chosen, int(apart.argmax())]
        apart = torch.minimum(apart, (told - told[chosen[-1]]).norm(dim=1))
    return chosen
