"""Hair by number: crops, bobs, long hair, curls, updos, ponytails, bald crowns, caps and headscarves on the atlas.

A style is drawn as a surface over the skull: where hair grows (`_cover`), how far out it stands (`_radius`) and its
texture (`wig_textures`). Letters: H x W = SHAPE, an atlas of SCALE times the usual side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from ...generator.completion.atlas import CAP_ROWS, CENTER, FARTHEST, blurred, heights, latitudes, longitudes
from .wig_textures import SCALE, SHAPE, cloth_texture, fine_noise, smooth_noise, strand_texture

DRAPES = 0.025  # m by which hair may be pushed out by what is under it: farther in it is hidden
SKULL = 0.12  # m, the usual distance of the scalp from the atlas's centre
KINDS = {  # how often each is drawn: half of them leave ears and neck free, as in photos
    "crop": 0.20, "short": 0.25, "bob": 0.12, "long": 0.13, "curls": 0.08, "updo": 0.09, "tail": 0.03,
    "horseshoe": 0.05, "cap": 0.02, "scarf": 0.03,
}  # fmt: skip
COVERS = ("cap", "scarf")  # no hair, but worn like it
HANGS = ("bob", "long", "curls")  # beside the face, over the ears
# Usual colors of hair, from black by brown and blond to red, grey and white.
COLORS = np.array([
    (18, 16, 15), (30, 24, 20), (42, 31, 25), (60, 42, 30), (78, 55, 39), (95, 68, 48), (130, 98, 66), (160, 124, 84),
    (175, 140, 95), (205, 178, 130), (125, 62, 36), (90, 45, 30), (110, 104, 100), (140, 138, 136), (210, 208, 205),
], np.float32)  # fmt: skip


@dataclass(frozen=True)
class Wig:
    """Hair as a surface of the atlas, at SCALE times its side."""

    kind: str
    radius: np.ndarray  # [H, W] m
    there: np.ndarray  # [H, W] bool
    texture: np.ndarray  # [S, T, 3] uint8


@dataclass(frozen=True)
class _Style:
    """The numbers that make a style; angles in rad, lengths in m."""

    kind: str
    front: float  # how high above the atlas's centre the hairline is at the forehead
    receding: float  # how much higher beside its middle
    temple: float  # longitude where the front's line turns down
    curtain: tuple[float, float]  # longitude down to which hair hangs on the left and the right of the face
    end: float  # height at which it ends at the back
    end_side: float  # and beside the face
    thick: tuple[float, float, float]  # at the top, the sides, the back
    part: float  # longitude of the parting; none where infinite
    wave: tuple[float, float]  # depth and length of waves
    curl: float  # depth of curls
    drape: float  # how far the line of hair that frames the face has come down half-way to its edge, 0..1; 0: a corner


def hair_color(rng: np.random.Generator) -> np.ndarray:
    """A color [3], 0..255."""
    first, second = COLORS[rng.choice(len(COLORS), 2, p=np.linspace(1.6, 0.4, len(COLORS)) / len(COLORS))]
    share = rng.random() * 0.7
    return np.clip((first * (1 - share) + second * share) * np.exp(rng.normal() * 0.15), 8, 235)


def make_wig(skull: np.ndarray, body: np.ndarray, color: np.ndarray, rng: np.random.Generator) -> Wig:
    """A wig for a head: skull [ROWS, COLUMNS] m the distance of its skin (0: none), body the same with clothes."""
    kind = str(rng.choice(list(KINDS), p=np.array(list(KINDS.values())) / sum(KINDS.values())))
    style = _draw_style(kind, rng)
    skull, body = (_enlarged(x) for x in (skull, body))
    there = _cover(style, rng)
    radius = _radius(style, skull, body, there, rng)
    if kind == "updo":
        radius = np.maximum(radius, _bump(radius, rng))
    if kind == "tail":
        radius, there = _tail(radius, there, skull, rng)
    there &= (radius > skull + 0.0005) & (radius < FARTHEST - 0.01)
    thick = radius - skull
    texture = cloth_texture(rng) if kind in COVERS else strand_texture(color, thick, style.curl >= 0.002, rng)
    return Wig(kind, radius, there, texture)


def _draw_style(kind: str, rng: np.random.Generator) -> _Style:
    degrees = lambda low, high: np.radians(rng.uniform(low, high))  # noqa: E731
    bangs = kind in HANGS and rng.random() < 0.3
    front = degrees(5, 15) if bangs else degrees(22, 40)
    nape = rng.uniform(-0.115, -0.06)
    end = {"bob": rng.uniform(-0.17, -0.07), "long": rng.uniform(-0.31, -0.16), "curls": rng.uniform(-0.22, -0.06)}
    scale = {
        "crop": 0.25,
        "short": 0.7,
        "horseshoe": 0.35,
        "updo": 0.5,
        "tail": 0.5,
        "curls": 1.9,
        "cap": 0.35,
        "scarf": 0.4,
    }
    thick = rng.uniform(0.012, 0.034, 3) * scale.get(kind, 1.0) * np.exp(rng.normal() * 0.2)
    close = degrees(38, 80)
    side_end = end.get(kind, nape) + (rng.uniform(-0.03, 0.05) if kind in HANGS else 0.0)
    return _Style(
        kind, front, degrees(0, 14) * (not bangs), degrees(38, 58), (close, close + rng.normal() * 0.12),
        end.get(kind, nape), side_end, tuple(thick),
        rng.uniform(-0.45, 0.45) if rng.random() < 0.6 and not bangs else np.inf,
        (rng.uniform(0, 0.004) * (kind in HANGS), rng.uniform(0.02, 0.06)),
        {"curls": rng.uniform(0.003, 0.009), "short": rng.uniform(0, 0.003)}.get(kind, rng.uniform(0, 0.001)),
        rng.uniform(0.1, 0.5) * (kind in HANGS and not bangs and rng.random() < 0.6),
    )  # fmt: skip


def _enlarged(radius: np.ndarray) -> np.ndarray:
    import cv2

    return cv2.resize(radius.astype(np.float32), SHAPE[::-1], interpolation=cv2.INTER_LINEAR)


def _cover(style: _Style, rng: np.random.Generator) -> np.ndarray:
    """Where hair is [H, W] bool: above a line that goes around the head, the left and the right half each its own."""
    angle, up = longitudes(SCALE), latitudes(SCALE)[:, None]
    # Above the cylinder "height" is that on a sphere of usual size.
    height = np.where(up > 0, CENTER[1] + SKULL * np.sin(up), heights(SCALE)[:, None])
    if style.kind == "scarf":
        oval = (angle[None] / np.radians(rng.uniform(46, 60))) ** 2 + ((height + 0.03) / rng.uniform(0.075, 0.095)) ** 2
        return (oval > 1 + 0.03 * smooth_noise(rng, (6, 9))) & (height > rng.uniform(-0.24, -0.16))
    lines = [_hairline(style, side, rng) for side in (0, 1)]
    side = np.abs(angle)
    line = np.where(angle > 0, lines[0](side), lines[1](side))
    ends = style.kind in HANGS
    ragged = np.exp(rng.normal() * 0.5)
    tips = ragged * (_columns_noise(rng, 1.0) * 0.6 + _columns_noise(rng, 5.0)) * (0.009 if ends else 0.003)
    cover = height + smooth_noise(rng, (9, 30)) * 0.002 > line + tips * np.clip((side - 0.2) / 0.5, 0.4, 1)
    if style.kind == "horseshoe":
        cover &= (height < CENTER[1] + SKULL * np.sin(np.radians(rng.uniform(32, 60)))) & (side > np.radians(55))
    return cover


def _hairline(style: _Style, half: int, rng: np.random.Generator) -> PchipInterpolator:
    """The height [m] of the line above which hair is, by the angle rad from the middle of the face to the back."""
    on_skull = lambda up: CENTER[1] + SKULL * np.sin(up)  # noqa: E731
    front, corner = on_skull(style.front), on_skull(style.front + style.receding)
    temple = style.temple
    if style.kind == "cap":
        low = rng.uniform(0.03, 0.055)
        return PchipInterpolator([0, 1.2, np.pi], [low, low - rng.uniform(0, 0.03), low - rng.uniform(0.01, 0.09)])
    if style.kind in HANGS:
        edge = max(style.curtain[half], 0.62)
        bend = edge + (rng.uniform(0.05, 0.3) if rng.random() < 0.5 else rng.uniform(0.3, 0.8))
        low, side_end = rng.uniform(-0.05, 0.04), min(style.end_side, -0.055)
        top = [(0.5 * temple, (front + corner) / 2), (min(0.9 * temple, edge - 0.05), corner - 0.006)]
        if style.drape:
            top = [(0.5 * edge, front + style.drape * (low - front))]
        points = [
            (0, front), *top, (edge, low), (bend, side_end), (max(2.0, bend + 0.1), style.end),
            (np.pi, style.end - rng.uniform(-0.01, 0.03)),
        ]  # fmt: skip
    else:
        burn = rng.uniform(-0.045, 0.01)
        over_ear = rng.uniform(0.012, 0.03)
        points = [
            (0, front), (0.55 * temple, (front + 2 * corner) / 3), (0.95 * temple, corner - rng.uniform(0.004, 0.02)),
            (1.02, 0.03), (1.14, burn), (1.3, burn + 0.002), (1.4, over_ear), (1.72, over_ear - 0.004),
            (1.92, -0.03), (2.15, style.end + 0.012), (np.pi, style.end),
        ]  # fmt: skip
    return PchipInterpolator(*zip(*points))


def _columns_noise(rng: np.random.Generator, sigma: float) -> np.ndarray:
    """Noise [W] around the head, of deviation 1, that changes over sigma columns."""
    noise = blurred(np.repeat(rng.normal(size=(1, SHAPE[1])), 9, 0).astype(np.float32), sigma)[4]
    return noise / noise.std()


def _radius(
    style: _Style, skull: np.ndarray, body: np.ndarray, there: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """How far out hair stands [H, W] m."""
    import cv2

    angle, up = longitudes(SCALE)[None], latitudes(SCALE)[:, None]
    top, side, back = style.thick
    thick = top * np.sin(up) ** 2 + np.cos(up) ** 2 * (side * np.sin(angle) ** 2 + back * np.cos(angle) ** 2)
    thick = thick * np.exp(0.3 * smooth_noise(rng, (5, 6)))
    if np.isfinite(style.part):
        groove = np.exp(-(((angle - style.part) / 0.09) ** 2)) * (np.cos(angle) > 0)
        thick = thick * (1 - 0.75 * groove)
    depth, length = style.wave
    rows = np.arange(SHAPE[0])[:, None] * 0.0017
    thick = thick + depth * np.sin(2 * np.pi * rows / length + 3 * smooth_noise(rng, (4, 8)))
    thick = thick + style.curl * cv2.resize(fine_noise(rng, 5.0), SHAPE[::-1]) + 0.0006 * fine_noise(rng, 1.2)
    edge = cv2.distanceTransform(_padded(there), cv2.DIST_L2, 3)[:, 8:-8] / SCALE  # rows from the hairline
    thick = np.maximum(thick, 0.001) * np.clip(0.25 + edge / rng.uniform(3, 9), 0, 1)
    base = np.where(skull > 0, skull, 0)
    fall = 1.0 if style.kind in HANGS else 0.9  # hair that hangs keeps the skull's width below it
    hang = _fallen(blurred(base.astype(np.float32), 3.0), fall, rng.uniform(0.96, 1.004))
    out = hang + thick
    return np.where((body > out) & (body < out + DRAPES), body + 0.004, out)


def _padded(there: np.ndarray) -> np.ndarray:
    return np.concatenate([there[:, -8:], there, there[:, :8]], 1).astype(np.uint8)


def _fallen(base: np.ndarray, share: float, closing: float) -> np.ndarray:
    """The surface that hair follows: the skull's, and below its widest row something between that and a curtain."""
    out = base.copy()
    level = CAP_ROWS * SCALE
    widest = out[level].copy()
    for row in range(level, len(out)):
        widest = np.maximum(widest * (1 - (1 - closing) / SCALE * 0.5), out[row])
        out[row] = share * widest + (1 - share) * out[row]
    return blurred(out, 2.0)


def _bump(radius: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The distance [H, W] m of a bun at the back of the head or on top of it."""
    angle, row = longitudes(SCALE)[None], np.arange(SHAPE[0])[:, None] / SCALE
    middle = np.pi + rng.normal() * 0.1, rng.uniform(12, 66)
    width = rng.uniform(0.2, 0.42), rng.uniform(8, 14)
    apart = (np.angle(np.exp(1j * (angle - middle[0]))) / width[0] * np.cos(latitudes(SCALE))[:, None]) ** 2
    away = apart + ((row - middle[1]) / width[1]) ** 2
    return radius + rng.uniform(0.025, 0.055) * np.sqrt(np.clip(1 - away, 0, 1)) * (1 + 0.05 * fine_noise(rng, 3.0))


def _tail(
    radius: np.ndarray, there: np.ndarray, skull: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A ponytail: distance [H, W] m and cover with it."""
    angle, row = longitudes(SCALE)[None], np.arange(SHAPE[0])[:, None] / SCALE
    start, end = rng.uniform(25, 62), rng.uniform(80, 140)
    width = rng.uniform(0.18, 0.4) * (0.6 + 0.4 * np.sin(np.pi * np.clip((row - start) / (end - start), 0, 1)))
    apart = np.angle(np.exp(1j * (angle - np.pi - rng.normal() * 0.1)))
    tail = (np.abs(apart) < width) & (row > start) & (row < end)
    out = skull[int(start) * SCALE, 0] + rng.uniform(0.015, 0.045)
    hang = out - 0.0004 * (row - start) + 0.012 * np.sqrt(np.clip(1 - (apart / width) ** 2, 0, 1))
    return np.where(tail, np.maximum(radius, hang), radius), there | tail
