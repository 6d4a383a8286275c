"""A motion's curves as small charts of pose, gaze, jaw, lids and face, one below the other."""

from __future__ import annotations

import math
from html import escape

import torch
from torch import Tensor

from ...flame_motion import FlameSequence
from ...flame_motion.retargeting.retarget import head_of
from ...flame_motion.rotations import compose

WIDTH, HEIGHT, EDGE = 600, 64, 4  # of a chart, in its own units
MAX_POINTS = 600
STILL = 1e-4  # degrees, or shares of a full movement
DEGREES = 180 / math.pi
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

    rest: the face that curves are counted from, one frame; moving: only charts in which anything moves.
    """
    after = motion if edited is None else edited
    before = {name: curves for name, _, curves, _ in charts_of(motion, rest)} if edited is not None else {}
    seconds = max(motion.duration, after.duration)
    rows = "".join(
        _chart(name, unit, curves, before.get(name, {}), shown, after.fps, motion.fps, seconds)
        for name, unit, curves, shown in charts_of(after, rest)
        if not moving or any(float(track.max() - track.min()) > STILL for track in curves.values())
    )
    note = "" if edited is None else '<p class="note">Dashed: as it was made. Full: with the change.</p>'
    marks = "".join(f"<span>{_seconds(seconds * part / 4)}</span>" for part in range(5))
    return (
        f'<div class="curves" data-seconds="{seconds:.3f}">{rows}<div class="axis" aria-hidden="true">{marks}</div>'
        f"{note}</div>"
    )


def _chart(
    name: str, unit: str, curves: dict[str, Tensor], before: dict[str, Tensor], shown: tuple[float, float],
    fps: float, fps_before: float, seconds: float,
) -> str:  # fmt: skip
    """One chart: a line a curve, with its name and range beside it. shown: a range that is always included."""
    tracks = [*curves.values(), *before.values()]
    low = min(shown[0], *(float(track.min()) for track in tracks))
    high = max(shown[1], *(float(track.max()) for track in tracks))
    lines = [_line(track, low, high, fps_before, seconds, f"was c{n}") for n, track in enumerate(before.values())]
    lines += [_line(track, low, high, fps, seconds, f"c{n}") for n, track in enumerate(curves.values())]
    zero = HEIGHT - EDGE - (0 - low) / (high - low) * (HEIGHT - 2 * EDGE)
    keys = "".join(f'<span class="c{n}">{escape(key)}</span>' for n, key in enumerate(curves))
    ranges = ", ".join(
        f"{key} from {float(track.min()):.1f} to {float(track.max()):.1f}{unit}" for key, track in curves.items()
    )
    return (
        f'<div class="chart"><div class="legend"><b>{name}</b>{keys}</div>'
        f'<div class="plot">'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{name}: {ranges}">'
        f'<line class="zero" x1="0" x2="{WIDTH}" y1="{zero:.1f}" y2="{zero:.1f}"/>{"".join(lines)}</svg>'
        f'<i class="now"></i></div>'
        f'<div class="range" aria-hidden="true"><span>{_bound(high, unit)}</span>'
        f"<span>{_bound(low, unit)}</span></div></div>"
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
    return f"{value:.0f}{unit}" if unit else f"{value:.1f}".removesuffix(".0")


def _seconds(value: float) -> str:
    return f"{value:.2g} s" if value < 10 else f"{value:.0f} s"
