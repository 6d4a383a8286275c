"""A motion's curves as small charts of pose, gaze, jaw, lids and face, one below the other."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...flame_motion import FlameSequence
from ...flame_motion.edit.controls import JOINTS
from ...flame_motion.retargeting.retarget import head_of
from ...flame_motion.rotations import compose

WIDTH, HEIGHT, EDGE = 600, 64, 4  # of a chart, in its own units
MAX_POINTS = 600
STILL = 1e-4  # degrees, or shares of a full movement
DEGREES = 180 / math.pi
CONTROLS = {  # of a curve that is changed by points: the edit's names, and how much of the chart's unit is 1 of theirs
    **dict.fromkeys(("yaw", "pitch", "roll", "gazeYaw", "gazePitch"), ("", DEGREES)),
    "jawOpen": ("", math.degrees(JOINTS["jawOpen"][3])),
    "left": ("eyeBlinkLeft", 1.0),
    "right": ("eyeBlinkRight", 1.0),
    "smile": ("", 1.0),
    "browInnerUp": ("", 1.0),
    "browDown": ("browDownLeft+browDownRight", 1.0),
}
CALLED = {  # curves by what people call them
    "yaw": "turn", "pitch": "nod", "roll": "tilt", "gazeYaw": "aside", "gazePitch": "down", "jawOpen": "open",
    "left": "left", "right": "right", "smile": "smile", "browInnerUp": "up", "browDown": "down",
}  # fmt: skip
Chart = tuple[str, str, dict[str, Tensor], tuple[float, float]]  # name, unit, curves [T], range that is always shown


def charts_of(motion: FlameSequence, rest: FlameSequence | None = None) -> list[Chart]:
    """The charts of a motion; angles in degrees, the rest 0..1. rest: one frame that they are counted from."""
    names = {name: number for number, name in enumerate(head_of(motion).expression_names)}

    expression = motion.expression if rest is None else motion.expression - rest.expression
    lids = motion.eyelids if rest is None else motion.eyelids - rest.eyelids
    neck, jaw = _turned(motion, rest, "neck"), _turned(motion, rest, "jaw")
    eyes = _turned(motion, rest, "eyes").mean(1)

    def axis(*wanted: str) -> Tensor:
        found = [expression[:, names[name]] for name in wanted if name in names]
        return torch.stack(found).mean(0) if found else torch.zeros(len(motion))

    return [
        ("Head", "°", {"yaw": neck[:, 1], "pitch": neck[:, 0], "roll": neck[:, 2]}, (-10.0, 10.0)),
        ("Gaze", "°", {"gazeYaw": eyes[:, 1], "gazePitch": eyes[:, 0]}, (-10.0, 10.0)),
        ("Jaw", "°", {"jawOpen": jaw[:, 0]}, (0.0, 10.0)),
        ("Lids", "", {"left": lids[:, 0], "right": lids[:, 1]}, (0.0, 1.0)),
        ("Smile", "", {"smile": axis("mouthSmileLeft", "mouthSmileRight")}, (0.0, 1.0)),
        (
            "Brows",
            "",
            {"browInnerUp": axis("browInnerUp"), "browDown": axis("browDownLeft", "browDownRight")},
            (0.0, 1.0),
        ),
    ]


def _turned(motion: FlameSequence, rest: FlameSequence | None, name: str) -> Tensor:
    """A joint's turns, degrees, since those of the rest."""
    track = getattr(motion, name)
    return DEGREES * (track if rest is None else compose(track, -getattr(rest, name).expand_as(track)))


def curves_html(
    motion: FlameSequence, edited: FlameSequence | None = None, *, rest: FlameSequence | None = None,
    moving: bool = False,
) -> str:  # fmt: skip
    """Charts as HTML with SVG inside. edited: drawn full, the motion itself behind it, dashed.

    rest: the face that curves are counted from, one frame, given where points may be put on them; moving: only charts
    in which anything moves.
    """
    after = motion if edited is None else edited
    before = {name: curves for name, _, curves, _ in charts_of(motion, rest)} if edited is not None else {}
    seconds = max(motion.duration, after.duration)
    rows = "".join(
        _chart(name, unit, curves, before.get(name, {}), shown, after.fps, motion.fps, seconds, rest is not None)
        for name, unit, curves, shown in charts_of(after, rest)
        if not moving or any(float(track.max() - track.min()) > STILL for track in curves.values())
    )
    notes = (
        ["Counted from the face in the photo. A double click puts a point on a curve, to be dragged."]
        if rest is not None
        else []
    )
    notes += [] if edited is None else ["Dashed: as it was made. Full: with the change."]
    note = f'<p class="note">{" ".join(notes)}</p>' if notes else ""
    marks = "".join(f"<span>{_seconds(seconds * part / 4)}</span>" for part in range(5))
    return (
        f'<div class="curves" data-seconds="{seconds:.3f}">{rows}<div class="axis" aria-hidden="true">{marks}</div>'
        f"{note}</div>"
    )


def _chart(
    name: str, unit: str, curves: dict[str, Tensor], before: dict[str, Tensor], shown: tuple[float, float],
    fps: float, fps_before: float, seconds: float, points: bool,
) -> str:  # fmt: skip
    """One chart: a line a curve, with its name and range beside it. shown: a range that is always included.

    points: whether points may be put on it.
    """
    tracks = [*curves.values(), *before.values()]
    low = min(shown[0], *(float(track.min()) for track in tracks))
    high = max(shown[1], *(float(track.max()) for track in tracks))
    lines = [_line(track, low, high, fps_before, seconds, f"was c{n}") for n, track in enumerate(before.values())]
    lines += [_line(track, low, high, fps, seconds, f"c{n}") for n, track in enumerate(curves.values())]
    zero = HEIGHT - EDGE - (0 - low) / (high - low) * (HEIGHT - 2 * EDGE)
    keys = "".join(_key(n, key, points) for n, key in enumerate(curves))
    place = (
        f' data-low="{low:.4f}" data-high="{high:.4f}" tabindex="0" role="group" aria-label="{name}"' if points else ""
    )
    ranges = ", ".join(
        f"{CALLED[key]} from {float(track.min()):.1f} to {float(track.max()):.1f}{unit}"
        for key, track in curves.items()
    )
    return (
        f'<div class="chart"><div class="legend"><b>{name}</b>{keys}</div>'
        f'<div class="plot"{place}>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{name}: {ranges}">'
        f'<line class="zero" x1="0" x2="{WIDTH}" y1="{zero:.1f}" y2="{zero:.1f}"/>{"".join(lines)}</svg>'
        f'<i class="now"></i></div>'
        f'<div class="range" aria-hidden="true"><span>{_bound(high, unit)}</span>'
        f"<span>{_bound(low, unit)}</span></div></div>"
    )


def _key(number: int, curve: str, points: bool) -> str:
    """A curve's name; where points may be put, a button that chooses it."""
    if not points:
        return f'<span class="c{number}">{CALLED[curve]}</span>'
    names, scale = CONTROLS[curve]
    return (
        f'<button type="button" class="c{number}" data-control="{names or curve}" data-scale="{scale:.6g}">'
        f"{CALLED[curve]}</button>"
    )


def _line(track: Tensor, low: float, high: float, fps: float, seconds: float, kind: str) -> str:
    step = max(1, math.ceil(len(track) / MAX_POINTS))
    points = []
    for frame in range(0, len(track), step):
        x = frame / fps / seconds * WIDTH
        y = HEIGHT - EDGE - (float(track[frame]) - low) / (high - low) * (HEIGHT - 2 * EDGE)
        points.append(f"{x:.1f},{y:.1f}")
    if len(points) == 1:
        points.append(f"{WIDTH},{points[0].split(',')[1]}")
    return f'<polyline class="{kind}" points="{" ".join(points)}"/>'


def _bound(value: float, unit: str) -> str:
    value = round(value, 0 if unit else 1) + 0.0  # not -0
    return f"{value:.0f}{unit}" if unit else f"{value:.1f}".removesuffix(".0")


def _seconds(value: float) -> str:
    return f"{value:.2g} s" if value < 10 else f"{value:.0f} s"
