"""`flamecast fit`: a photo, as a fitted portrait file and the picture to judge the fit by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.files import PathLike, atomic_path, check_writable, refuse_overwriting
from ..core.report import Done, check_file
from ..core.threads import one_torch_thread
from ..flame_motion import BadInput, Progress
from ..flame_motion.media.photos import load_photo
from ..generator import Portrait
from ..generator.completion.merge import with_whole_head
from ..generator.overlay import draw_overlay
from .request import HEAD, AnimateRequest

if TYPE_CHECKING:
    from ..flame_motion.tracking.landmarks import LandmarkDetector

_DOUBTFUL = 2.0  # % of the inter-ocular distance


@one_torch_thread()
def open_portrait(
    photo: PathLike | np.ndarray | Portrait, face: int = 0, head: str = HEAD, detector: LandmarkDetector | None = None
) -> tuple[Portrait, list[str]]:
    """The fitted portrait of a photo file, a portrait.npz, an array [H, W, 3] uint8 or a Portrait; what to know of it.

    Its whole head is completed from the photo as large as it came. A cut-out's transparency is its matte. Raises
    BadInput.
    """
    portrait, notes = _open(photo, face, head, detector)
    return with_whole_head(portrait), notes


def _open(
    photo: PathLike | np.ndarray | Portrait, face: int, head: str, detector: LandmarkDetector | None
) -> tuple[Portrait, list[str]]:
    if isinstance(photo, Portrait):
        return photo, []
    if isinstance(photo, np.ndarray):
        if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3:
            raise BadInput(f"photo must be uint8 [H, W, 3], got {photo.dtype} {list(photo.shape)}")
        return Portrait.fit_with_notes(photo, face=face, head=head, detector=detector)
    if str(photo).endswith(".npz"):
        return Portrait.load(photo), []
    image, alpha = load_photo(str(photo))
    cut_out = alpha is not None and float((alpha < 128).mean()) > 0.05
    matte = alpha.astype(np.float32) / 255 if alpha is not None and cut_out else None
    return Portrait.fit_with_notes(image, matte=matte, face=face, head=head, detector=detector)


def write_fit(photo: str, output: Path, *, face: int = 0, head: str = HEAD, progress: Progress | None = None) -> Done:
    """Writes the portrait to `output` (.npz) and its overlay beside it, OUTPUT_overlay.png. Raises BadInput."""
    from PIL import Image

    AnimateRequest(face=face)  # refuses what `animate` would refuse
    check_file(output, ".npz")
    picture = output.with_name(f"{output.stem}_overlay.png")
    check_writable(picture)
    refuse_overwriting([photo], [output, picture])
    report = progress or (lambda stage, done, of: None)
    report("fit", 0, 1)
    portrait, problems = open_portrait(photo, face, head)
    portrait.save(output)
    with atomic_path(picture) as hidden:
        Image.fromarray(draw_overlay(portrait)).save(hidden, format="PNG")
    report("fit", 1, 1)
    if portrait.error > _DOUBTFUL:
        problems.append(
            f"the fit is off by {portrait.error:.1f} % of the eye distance (usual: below {_DOUBTFUL:g}): see {picture}"
        )
    return Done([output, picture], problems)
