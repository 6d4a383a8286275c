"""`flamecast evaluate heads`: turned heads beside the truth, which is textured 3D heads seen from other sides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ...core.files import PathLike
from ...flame_motion import BadInput, FlameSequence, Progress, load_head
from ...training.completion.head_files import load_heads
from ...training.completion.heads import TexturedHead, morph_names
from ..animate import AnimatePipeline
from . import page as pages
from .head_photos import HeadModel, Rated, hidden, rate
from .measures import explained, plain
from .pictures import scaled

ANGLES = (-60.0, -45.0, -30.0, -15.0, 15.0, 30.0, 45.0, 60.0)  # degrees to the subject's left
FAR = 30.0  # degrees from the photo, from which on a head counts as turned far
FAR_SECTION = f"{FAR:g} degrees and more"
PHOTO = "the photo itself"
SHOWN = 192  # px of the page's pictures
# Morphs that the heads of public repositories share, by a name of our own.
MORPHS = {
    "smile": {"RsmileOpen": 0.9, "LsmileOpen": 0.9},
    "open": {"MouthOpen": 1.0},
    "blink": {"ReyeClose": 1.0, "LeyeClose": 1.0},
}
Found = dict[tuple[str, float], list[Rated]]  # measures of each head, by row and angle


@dataclass(frozen=True)
class Shot:
    """How heads are photographed, and from where they are drawn."""

    angles: tuple[float, ...] = ANGLES
    turned: float = 0.0  # degrees by which the photo sees the head from its left
    morphs: str | None = None  # of `MORPHS`, or NAME=WEIGHT between commas
    size: int = 384  # px of photos


@dataclass(eq=False)
class HeadFigures:
    """What was found of drawn heads."""

    rows: dict[str, dict[str, Rated]]  # of the generator and of `PHOTO`: measures by angle
    notes: list[str]
    parts: list[str]  # of a page


def evaluate_heads(
    heads: Sequence[PathLike], *, angles: Sequence[float] = ANGLES, turned: float = 0.0, morphs: str | None = None,
    generator: str = "warp", size: int = 384, page: PathLike | None = None, progress: Progress | None = None,
) -> dict[str, Any]:  # fmt: skip
    """How near drawn heads come to what they look like from other sides, and how near the photo itself is.

    Each head is photographed, animated as any photo is, drawn from `angles` (degrees around it, 0 the front) and
    compared with its photo from there, inside the head: `l1` and `hidden` (what the photo does not show) in grey
    levels, `ssim`, and the `outline`'s overlap. heads: NAME.glb, NAME.npz with pictures beside it, or folders; turned,
    morphs, size: see `Shot`; page: an .html for tables and every head's pictures. Raises BadInput.
    """
    pages.check_page(page)
    people, shot = load_heads(heads), Shot(tuple(angles), turned, morphs, size)
    found = measure_heads(people, generator, shot, progress)
    if page is not None:
        pages.write_page(page, "Turned heads", [pages.notes(found.notes), pages.table(found.rows), *found.parts])
    facts = {"heads": [head.name for head in people], "generator": generator, **asdict(shot)}
    return plain({**facts, "notes": found.notes, "rows": found.rows, "measures": explained(found.rows)})


def measure_heads(
    people: Sequence[TexturedHead], generator: str, shot: Shot, progress: Progress | None = None
) -> HeadFigures:
    """The figures of `evaluate_heads`, and what a page shows of them. BadInput where no head can be used."""
    pipeline, found, notes, parts = AnimatePipeline(generator=generator), Found(), [], []
    caption = f"the photo, then truth above drawn, from {', '.join(f'{angle:g}' for angle in shot.angles)} degrees"
    for done, head in enumerate(people, 1):
        model = HeadModel(head, chosen_morphs(head, shot.morphs), shot.size)
        try:
            strip = _evaluate_head(model, generator, pipeline, shot, found)
            parts.append(pages.picture(strip, f"{head.name}: {caption}"))
        except BadInput as error:
            notes.append(f"{head.name} is left out: {error}")
        if progress is not None:
            progress("heads", done, len(people))
    if not found:
        raise BadInput(f"none of {len(people)} heads can be used: {notes[0]}")
    return HeadFigures(_rows(found, (generator, PHOTO), shot.turned), notes, parts)


def chosen_morphs(head: TexturedHead, text: str | None) -> dict[str, float]:
    """Morphs of a head by weight. BadInput for those that it has not."""
    if text is None:
        return {}
    if text in MORPHS:
        return MORPHS[text]
    found = {}
    known = morph_names(head)
    for part in text.split(","):
        name, _, weight = (piece.strip() for piece in part.partition("="))
        try:
            found[name] = float(weight)
        except ValueError:
            raise BadInput(
                f"morphs: expected {', '.join(MORPHS)} or NAME=WEIGHT between commas, got {part!r}"
            ) from None
        if name not in known:
            raise BadInput(f"{head.name} has no morph {name!r}; it has {', '.join(known)}")
    return found


def _evaluate_head(model: HeadModel, row: str, pipeline: AnimatePipeline, shot: Shot, found: Found) -> np.ndarray:
    """Adds the measures of one head to `found`; returns its pictures side by side. BadInput where no face is seen."""
    photo = model.photo(shot.turned)
    still = FlameSequence.neutral(1, 25.0, load_head(pipeline.head))
    views = ",".join(f"{angle - shot.turned:g}" for angle in shot.angles)
    drawn = pipeline(photo.picture, motion=still, views=views, size=model.size).frames
    assert drawn is not None
    columns = [[photo.picture, photo.picture]]
    for angle, picture in zip(shot.angles, drawn[0]):
        true = model.photo(angle)
        unseen = hidden(true, photo)
        found.setdefault((row, angle), []).append(rate(picture, true, unseen))
        found.setdefault((PHOTO, angle), []).append(rate(photo.picture, true, unseen))
        columns.append([true.picture, picture])
    return np.hstack([np.vstack([scaled(one, SHOWN) for one in column]) for column in columns])


def _rows(found: Found, names: Sequence[str], turned: float) -> dict[str, dict[str, Rated]]:
    """Means over heads by row and angle, of both sides where the photo is from the front, and over all far ones."""
    rows: dict[str, dict[str, Rated]] = {name: {} for name in names}
    sections: dict[tuple[str, str], list[Rated]] = defaultdict(list)
    for (name, angle), rated in sorted(found.items(), key=lambda item: abs(item[0][1]) if not turned else item[0][1]):
        sections[name, f"{angle if turned else abs(angle):g} degrees"] += rated
    for (name, angle), rated in found.items():
        if abs(angle - turned) >= FAR:
            sections[name, FAR_SECTION] += rated
    for (name, section), rated in sections.items():
        rows[name][section] = _mean(rated)
    return rows


def _mean(rated: Sequence[Rated]) -> Rated:
    known = lambda name: [one[name] for one in rated if np.isfinite(one[name])]  # noqa: E731
    return {name: float(np.mean(known(name))) if known(name) else float("nan") for name in rated[0]}
