"""`flamecast prepare heads` and `photos`: what the completion network learns from, people made up and real ones.

What is done is not done again, and the same seeds give the same samples.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ...core.files import PathLike, atomic_path, read_json
from ...core.report import Done
from ...core.threads import one_torch_thread
from ...flame_motion import BadInput, Progress
from ...flame_motion.media.photos import read_photo
from ...flame_motion.tracking.detector import MediaPipeDetector
from .head_files import load_heads
from .heads import TexturedHead, morph_names
from .people import PeopleBank
from .photos import EXPRESSIONS, PICTURES, Backgrounds
from .samples import is_empty, make_real_sample, make_sample, save_sample

INDEX = "index.json"  # of a folder of samples: from whom they were made
REAL = "photo_"  # what names of samples of real people begin with


@one_torch_thread()
def prepare_heads(
    heads: Iterable[PathLike], output: PathLike, progress: Progress | None = None, *, photos: PathLike | None = None,
    count: int = 1000, seed: int = 0, without: Sequence[str] = (), only: Sequence[str] = (),
) -> Done:  # fmt: skip
    """Makes samples 0 to count - 1 of a seed, OUTPUT/<seed>_<number>.npz, each a photo and the whole atlas behind it.

    heads: as for `load_heads`, which leaves out those in `without`, or all but those in `only`; photos: a folder of
    photos whose corners make backgrounds. Other seeds may be made into the same folder, also at the same time, from
    the same heads. A sample in whose photo no face was found is an empty file. BadInput.
    """
    folder, backgrounds = Path(output), Backgrounds(None if photos is None else Path(photos))
    people = load_heads(heads, without, only)
    _begin(folder, [head.name for head in people])
    bank, detector = PeopleBank(people), MediaPipeDetector()
    files = [folder / f"{seed:03d}_{number:06d}.npz" for number in range(count)]
    for number, file in enumerate(files):
        if not file.exists():
            save_sample(file, make_sample(bank, backgrounds, detector, (seed, number)))
        if progress is not None:
            progress("prepare", number + 1, count)
    empty = sum(map(is_empty, files))
    if empty == count:
        raise BadInput(f"a face was found in none of {count} photos of {len(people)} heads: look at the textures")
    problems = [f"{empty} of {count} photos left out, in which no face was found or fitted well"] if empty else []
    return Done([folder], problems + _still_faces(people))


@one_torch_thread()
def prepare_photos(
    photos: Iterable[PathLike], output: PathLike, progress: Progress | None = None, *, views: int = 2, seed: int = 0
) -> Done:
    """Makes `views` samples of each photo of somebody real, OUTPUT/photo_<its name>_<seed>_<view>.npz.

    Each is the portrait as drawn from aside, and what the photo knows of what that hides. photos: files or folders;
    OUTPUT may hold samples of heads, too. A sample in whose photo no face was found is an empty file. BadInput.
    """
    folder, detector = Path(output), MediaPipeDetector()
    files = [f for p in map(Path, photos) for f in (sorted(p.glob("*")) if p.is_dir() else [p])]
    pictures = [file for file in files if file.suffix.lower() in PICTURES]
    if not pictures:
        raise BadInput(f"expected photos ({', '.join(PICTURES)}) or folders of them, found none")
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for done, (view, picture) in enumerate(itertools.product(range(views), pictures)):
        made.append(folder / f"{REAL}{picture.stem}_{seed:03d}_{view}.npz")
        if not made[-1].exists():
            save_sample(made[-1], make_real_sample(read_photo(str(picture)).image, detector, (seed, done)))
        if progress is not None:
            progress("prepare", done + 1, views * len(pictures))
    empty = sum(map(is_empty, made))
    if empty == len(made):
        raise BadInput(f"a face was found in none of {len(pictures)} photos")
    return Done([folder], [f"{empty} of {len(made)} left out: no face was found or fitted well"] if empty else [])


def check_held_out(data: Path, validation: Path) -> None:
    """BadInput where two folders of samples were made from the same people, as far as both say so."""
    trained, held = ({f.stem.rsplit("_", 2)[0] for f in folder.glob(f"{REAL}*.npz")} for folder in (data, validation))
    if same := sorted(trained & held):
        raise BadInput(f"{validation}: {len(same)} of its photos are in {data}, too, {same[0][len(REAL):]} for one: "
                       "prepare others")  # fmt: skip
    both = [set(read_json(f / INDEX, "the index")["heads"]) for f in (data, validation) if (f / INDEX).exists()]
    if len(both) == 2 and (shared := sorted(both[0] & both[1])):
        raise BadInput(f"{validation}: {len(shared)} of its people are in {data}, too, {shared[0]} for one: hold them "
                       "out by `flamecast prepare heads --without`")  # fmt: skip


def _begin(folder: Path, names: list[str]) -> None:
    """Writes the folder's index. BadInput where the folder was begun with other heads."""
    index: dict[str, Any] = {"heads": sorted(names)}
    if (folder / INDEX).exists():
        if read_json(folder / INDEX, "the index") != index:
            raise BadInput(f"{folder} holds samples of other heads: give the same ones, or another folder")
        return
    with atomic_path(folder / INDEX) as hidden:
        Path(hidden).write_text(json.dumps(index) + "\n", encoding="utf-8")


def _still_faces(people: Sequence[TexturedHead]) -> list[str]:
    """A sentence for the heads that have none of the expressions."""
    wanted = {name for names in EXPRESSIONS for name in names}
    still = [head.name for head in people if not wanted & set(morph_names(head))]
    if not still:
        return []
    return [f"{len(still)} heads keep still faces, {still[0]} for one: they have no morph {', '.join(sorted(wanted))}"]
