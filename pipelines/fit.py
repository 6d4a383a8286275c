"""`flamecast fit`: a photo, as a fitted portrait file and the picture to judge the fit by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..core.files import PathLike, refuse_overwriting
from ..core.report import Done, check_beside, check_file, write_png
from ..core.threads import one_torch_thread
from ..flame_motion import BadInput, Progress
from ..flame_motion.media.photos import read_photo
from ..generator import Portrait
from ..generator.covers import notes_on
from .portrait_cache import KeptPortrait
from .request import HEAD, AnimateRequest

if TYPE_CHECKING:
    from ..flame_motion.tracking.landmarks import Face, LandmarkDetector

_DOUBTFUL = 2.0  # % of the inter-ocular distance


@dataclass(frozen=True)
class Sight:
    """A photo that shows the face that is asked for, not yet fitted."""

    image: np.ndarray  # [H, W, 3] uint8
    matte: np.ndarray | None  # [H, W] 1 = person, of a cut-out
    face: int
    seen: tuple[int, list[Face]]  # see `generator.portrait_fit.find_faces`
    notes: list[str] = field(default_factory=list)  # on the file
    kept: KeptPortrait | None = None  # where its portrait is to be kept


class Fitted(NamedTuple):
    """A fitted portrait, and what the user should know of the fit, a sentence each."""

    portrait: Portrait
    notes: list[str]


@one_torch_thread()
def look_at(
    photo: PathLike | np.ndarray | Portrait, face: int = 0, detector: Callable[[], LandmarkDetector] | None = None,
    *, head: str = HEAD, cache: bool | Path = False,
) -> Fitted | Sight:  # fmt: skip
    """The first look at a photo (as for `open_portrait`), before any other work is done for it.

    detector: gives one, when one is needed; cache: whether the portrait of that `head` is taken from an earlier fit,
    and kept (`portrait_cache`), which is for programs of one user, who knows of it; a folder: there instead of the
    user's own. Raises BadInput where it is no photo, or does not show the face.
    """
    if isinstance(photo, Portrait):
        return Fitted(photo, [])
    folder = cache if isinstance(cache, Path) else None
    kept = KeptPortrait.of(photo, face, head, folder) if cache else None
    if kept is not None and (found := kept.load()) is not None:
        return Fitted(*found)
    notes: list[str] = []
    matte = None
    if isinstance(photo, np.ndarray):
        if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3:
            raise BadInput(f"photo must be uint8 [H, W, 3], got {photo.dtype} {list(photo.shape)}")
        image = photo
    elif str(photo).endswith(".npz"):
        portrait = Portrait.load(photo)
        return Fitted(portrait, notes_on(portrait.covers))
    else:
        read = read_photo(str(photo))
        image, notes = read.image, read.notes
        if read.alpha is not None and float((read.alpha < 128).mean()) > 0.05:  # a cut-out
            matte = read.alpha.astype(np.float32) / 255
    from ..flame_motion.tracking.detector import MediaPipeDetector
    from ..generator.portrait_fit import find_faces

    return Sight(image, matte, face, find_faces(image, (detector or MediaPipeDetector)(), face), notes, kept)


@one_torch_thread()
def open_portrait(photo: PathLike | np.ndarray | Portrait | Sight | Fitted, face: int = 0, head: str = HEAD) -> Fitted:
    """The fitted portrait of a photo file, a portrait.npz, an array [H, W, 3] uint8 or a Portrait; what to know of it.

    Its whole head is completed from the photo as large as it came. A cut-out's transparency is its matte. What was
    looked at before is not looked at again. Raises BadInput.
    """
    from ..generator.completion.merge import with_whole_head

    sight = photo if isinstance(photo, (Sight, Fitted)) else look_at(photo, face)
    if isinstance(sight, Fitted):
        return Fitted(with_whole_head(sight.portrait), sight.notes)
    portrait, notes = Portrait.fit_with_notes(
        sight.image, matte=sight.matte, face=sight.face, head=head, seen=sight.seen
    )
    fitted = Fitted(with_whole_head(portrait), [*sight.notes, *notes])
    if sight.kept is not None:
        sight.kept.save(*fitted)
    return fitted


def write_fit(
    photo: str, output: Path, *, face: int = 0, head: str = HEAD, cache: bool = False, progress: Progress | None = None
) -> Done:
    """Writes the portrait to `output` (.npz) and its overlay beside it, OUTPUT_overlay.png. cache: see `look_at`.

    Raises BadInput.
    """
    from PIL import Image

    from ..generator.overlay import draw_overlay

    AnimateRequest(face=face)  # refuses what `animate` would refuse
    check_file(output, ".npz")
    picture = output.with_name(f"{output.stem}_overlay.png")
    check_beside(picture)
    refuse_overwriting([photo], [output, picture])
    report = progress or (lambda stage, done, of: None)
    report("fit", 0, 1)
    portrait, problems = open_portrait(look_at(photo, face, head=head, cache=cache), head=head)
    portrait.save(output)
    write_png(picture, Image.fromarray(draw_overlay(portrait)))
    report("fit", 1, 1)
    if portrait.error > _DOUBTFUL:
        problems.append(
            f"the fit is off by {portrait.error:.1f} % of the eye distance (usual: below {_DOUBTFUL:g}): see {picture}"
        )
    return Done([output, picture], problems)
