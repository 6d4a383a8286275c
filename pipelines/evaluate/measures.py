"""What the figures of evaluations mean: the unit of each, and which way is better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

HIGHER, LOWER = "higher is better", "lower is better"


@dataclass(frozen=True)
class Measure:
    """One figure."""

    about: str
    unit: str  # empty for plain numbers
    best: str | float = LOWER  # `HIGHER`, `LOWER`, or the value that is best

    @property
    def direction(self) -> str:
        """Which way is better, in words."""
        return self.best if isinstance(self.best, str) else f"{self.best:g} is best"

    def goodness(self, value: float) -> float:
        """A number that is larger for a better value; that of an unknown one (NaN) is the least."""
        if math.isnan(value):
            return -math.inf
        if isinstance(self.best, str):
            return value if self.best == HIGHER else -value
        return -abs(value - self.best)


EYES = "% of the eyes' distance"
LEAK = "share of what is driven"
GREY = "grey levels of 255"
MEASURES = {
    "psnr": Measure("peak signal-to-noise ratio of all pictures together", "dB", HIGHER),
    "ssim": Measure("structural similarity (Wang et al. 2004, windows of 7 px)", "", HIGHER),
    "perceptual": Measure("distance of unit features of EfficientNet-lite1 (ImageNet)", ""),
    "frechet": Measure("Fréchet distance of mouths' features of EfficientNet-lite1 (ImageNet)", ""),
    "sharpness": Measure("energy of the Laplacian, as a share of the truth's", "", 1.0),
    "flicker": Measure("by how much frames change otherwise than the truth's", GREY),
    "unrest": Measure("second difference from frame to frame, as a share of the truth's", "", 1.0),
    "landmarks": Measure("distance of 478 landmarks", EYES),
    "pose": Measure("angle between the heads' rotations", "degrees"),
    "gaze": Measure("angle between the eyes' rotations in the head", "degrees"),
    "expression": Measure("distance of expression coefficients", ""),
    "identity": Measure("cosine of dlib's face descriptors", "", HIGHER),
    "lost": Measure("frames with a face in the truth, in which none is found", "%"),
    "correlation": Measure("Pearson's r of the lips' opening over time", "", HIGHER),
    "gain": Measure("how far the lips move where the truth's move (slope)", "", 1.0),
    "lag": Measure("by how much the lips are late (shift with the best r)", "ms", 0.0),
    "silence": Measure("how fast lips move in pauses of the sound", f"{EYES} per s"),
    "silence of the truth": Measure("the same of the real lips", f"{EYES} per s"),
    "l1": Measure("mean difference inside the true head", GREY),
    "hidden": Measure("the same where the photo does not show the head", GREY),
    "outline": Measure("overlap (IoU) of the drawn outline with the true one", "", HIGHER),
    "mouth and eyes": Measure("mean difference there", GREY),
    "hidden in the photo": Measure("mean difference where the photo does not show the head", GREY),
    "pose in expression": Measure("by how much an expression differs on a turned head", LEAK),
    "camera in expression": Measure("by how much an expression differs from another view", LEAK),
    "expression in pose": Measure("by how much the head seems to turn with an expression", LEAK),
    "expression in camera": Measure("by how much the camera seems to turn with an expression", LEAK),
    "camera and pose": Measure("how far the turn seen is not the sum of both", LEAK),
    "consistency": Measure("by how much views disagree about a surface that both see", GREY),
    "all": Measure("mean difference over the picture", GREY),
}  # fmt: skip


Section = Mapping[str, "float | None"]  # measures by name
Row = Mapping[str, Section]  # sections by name: of a picture, of its face, …


@dataclass(frozen=True)
class Line:
    """One measure of all rows of a table."""

    section: str
    measure: str
    values: dict[str, float]  # by row; NaN where it is not known
    best: str | None  # the row that is better than all others, if there is one


def lines_of(rows: Mapping[str, Row]) -> list[Line]:
    """Every measure that some row has, section by section."""
    names = dict.fromkeys((section, m) for row in rows.values() for section, found in row.items() for m in found)
    lines = []
    for section, measure in names:
        found = {name: row.get(section, {}).get(measure) for name, row in rows.items()}
        values = {name: float("nan") if value is None else float(value) for name, value in found.items()}
        known = {name: MEASURES[measure].goodness(value) for name, value in values.items() if not math.isnan(value)}
        first = [name for name in known if known[name] == max(known.values())]
        best = first[0] if len(first) == 1 < len(known) else None
        lines.append(Line(section, measure, values, best))
    return lines


def text_table(rows: Mapping[str, Row]) -> str:
    """Rows of measures for a terminal: a line a measure, a column a row, the best marked by a star."""
    cells = [["", "", *rows, "", ""]]
    for line in lines_of(rows):
        measure = MEASURES[line.measure]
        values = [f"{shown(value)}{'*' if name == line.best else ' '}" for name, value in line.values.items()]
        cells.append([line.section, line.measure, *values, measure.unit, measure.direction])
    wide = [max(len(row[k]) for row in cells) for k in range(len(cells[0]))]
    middle = range(2, 2 + len(rows))
    aligned = lambda row: [c.rjust(wide[k]) if k in middle else c.ljust(wide[k]) for k, c in enumerate(row)]  # noqa: E731
    return "\n".join("  ".join(aligned(row)).rstrip() for row in cells)


def explained(rows: Mapping[str, Row]) -> dict[str, str]:
    """What each measure of some rows is: its meaning, unit and which way is better."""
    found = {line.measure: MEASURES[line.measure] for line in lines_of(rows)}
    return {
        name: "; ".join(part for part in (one.about, one.unit, one.direction) if part) for name, one in found.items()
    }


def shown(value: float) -> str:
    """A figure for people: three digits that count."""
    if math.isnan(value):
        return "–"
    if not math.isfinite(value):
        return "identical"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def plain(found: Any) -> Any:
    """The same with what JSON knows: None for what is unknown (NaN), "inf" for a PSNR without any difference."""
    if isinstance(found, Mapping):
        return {name: plain(value) for name, value in found.items()}
    if isinstance(found, (list, tuple)):
        return [plain(value) for value in found]
    if isinstance(found, float) and not math.isfinite(found):
        return None if math.isnan(found) else str(found)
    return found
