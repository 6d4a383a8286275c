"""Expressions that the network made, corrected: how strong, how often, one brow alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .channels import FPS
from .poses import Event

SURE = {  # what shows it, how far at least, and what hides it
    "brows_up": ("browInnerUp browOuterUp", 0.7, "browDown eyeSquint noseSneer"),
    "frown": ("browDown", 0.7, "browInnerUp browOuterUp"),
    "wide_eyes": ("eyeWide", 0.7, "eyeSquint browDown"),
    "squint": ("eyeSquint", 0.8, "eyeWide"),
}
NARROWED, SQUINTING = 0.2, 0.3  # closure of lids that squint, at least and at most
STRONGEST = 1.1  # of an axis of the face
WIDEST = 0.436  # rad that a jaw opens
PARTING = "mouthUpperUp mouthLowerDown mouthFunnel mouthStretch mouthClose".split()  # lips, beside the jaw
OF_BROWS = ("browDown", "eyeSquint", "eyeWide", "cheekSquint", "noseSneer")


def corrected_face(
    channels: dict[str, np.ndarray], event: Event, names: Sequence[str], seed: int
) -> dict[str, np.ndarray]:
    """The face's channels [t, ...] of an event as strong, as often and as one-sided as asked."""
    manner = event.action.manner
    if event.name == "one_brow":
        channels = _one_brow(channels, event.action.side or (1 if seed % 2 else -1), names)
    if event.name in SURE:
        channels = _surely(channels, *SURE[event.name], names, event.span)
    if manner.shut:
        channels = _lips_together(channels, names)
    slow = event.gradual or manner.tempo in ("slowly", "very slowly")
    times = np.arange(len(channels["jaw"])) / FPS
    level = np.full(len(times), manner.size)
    if manner.count and event.name not in ("laugh", "talk", "chew"):
        level = level * _pulses(times, event.span, manner.count)
    if manner.growing and not slow:
        level = level * np.clip(0.25 + 0.9 * times / max(event.span, 0.5), 0, 1.1)
    if slow:
        share = np.clip(times / max(0.85 * event.span, 0.5), 0, 1)
        level = level * share**2 * (3 - 2 * share)
    if (level == 1).all():
        return channels
    jaw = channels["jaw"] * level[:, None]
    if event.name in ("open_mouth", "yawn", "shout") and manner.size > 1.5:
        jaw *= max(1.0, 0.9 * WIDEST / max(float(jaw[:, 0].max()), 1e-3))
    return channels | {
        "expression": (channels["expression"] * level[:, None]).clip(-STRONGEST, STRONGEST),
        "jaw": np.c_[jaw[:, :1].clip(-WIDEST, WIDEST), jaw[:, 1:]],
        "eyelids": channels["eyelids"] * level[:, None].clip(0, 1),
    }


def _pulses(times: np.ndarray, span: float, count: int) -> np.ndarray:
    """0..1 [T]: up and down `count` times within a span (s), a second each where there is time."""
    period = min(1.1, span / count)
    phase = (times - 0.15) / period
    wave = 0.5 - 0.5 * np.cos(2 * np.pi * phase)
    return np.where((phase > 0) & (phase < count), np.clip(1.25 * wave, 0, 1), 0.0)


def _surely(
    channels: dict[str, np.ndarray], up: str, least: float, down: str, names: Sequence[str], span: float
) -> dict[str, np.ndarray]:
    """What moves one part of the face alone, at least so far that it is seen: with some seeds a network does not.

    up, down: beginnings of the names of the axes that show it, and of those that would hide it.
    """
    face = channels["expression"].copy()
    times = np.arange(len(face)) / FPS
    rise = np.clip(times / min(0.35, 0.4 * span), 0, 1)
    rise = rise**2 * (3 - 2 * rise)
    shown = [k for k, name in enumerate(names) if name.startswith(tuple(up.split()))]
    hidden = [k for k, name in enumerate(names) if name.startswith(tuple(down.split()))]
    face[:, shown] = np.maximum(face[:, shown], least * rise[:, None])
    face[:, hidden] = 0.0
    lids = channels["eyelids"]
    if up.startswith("eyeSquint"):
        lids = np.maximum(lids, NARROWED * rise[:, None].astype(np.float32)).clip(max=SQUINTING)
    return channels | {"expression": face, "eyelids": lids}


def _one_brow(channels: dict[str, np.ndarray], side: int, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Only the brow of one side (1 the left) goes up; the other rests, and so do both eyes."""
    face = channels["expression"].copy()
    place = {name: k for k, name in enumerate(names)}
    ups = [face[:, place[f"browOuterUp{way}"]].copy() for way in ("Left", "Right")]
    up = max(ups, key=lambda track: float(track.max()))
    up = up * (0.95 / max(float(up.max()), 0.2))
    for name in OF_BROWS:
        for way in ("Left", "Right"):
            if (k := place.get(f"{name}{way}")) is not None:
                face[:, k] = 0.0
    face[:, place["browInnerUp"]] = 0.0
    for way, own in (("Left", 1), ("Right", -1)):
        face[:, place[f"browOuterUp{way}"]] = up if own == side else 0.0
    return channels | {"expression": face, "eyelids": np.zeros_like(channels["eyelids"])}


def _lips_together(channels: dict[str, np.ndarray], names: Sequence[str]) -> dict[str, np.ndarray]:
    """The expression with nothing that parts the lips."""
    face = channels["expression"].copy()
    face[:, [k for k, name in enumerate(names) if name.startswith(tuple(PARTING))]] = 0.0
    return channels | {"expression": face, "jaw": np.zeros_like(channels["jaw"])}
