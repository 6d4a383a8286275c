"""The events of a score on the frames of a clip: windows that follow each other softly, and others beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .channels import FPS, combined_closure
from .poses import Event
from .score import Score, need

FADE_FRAMES = 11  # over which one event goes over into the next
BACK_FRAMES = 16  # over which a head goes back to the middle
SLOW_SHARE, SLOWEST = 0.8, 75  # of its time that something slow takes to go back, frames at most
SHORTEST = 14  # frames: the least that is generated of anything
ONCE = ("wink", "bow", "glance", "glance_up", "glance_down", "roll_eyes", "circle", "startle", "double_take", "flutter")
LIDS = ("blink", "wink", "close_eyes", "flutter", "doze")
PASSING = ("yawn", "gasp", "kiss", "puff", "tongue", "sigh", "laugh", "talk", "shout", "chew", "whistle")


@dataclass(frozen=True)
class Layer:
    """What is generated for some frames: one event, or what goes on where there is none."""

    text: str  # for the network
    start: int  # frames of the clip
    stop: int  # where the next one begins; this one fades over FADE_FRAMES after it
    event: Event | None = None
    beside: bool = False  # added to the others, not between them
    rise: int = FADE_FRAMES  # frames over which it comes
    fall: int = FADE_FRAMES  # and goes

    def frames(self, total: int) -> int:
        """How many frames are generated, those of the fade included."""
        return min(self.stop + self.fall, total) - self.start

    def weight(self, total: int) -> np.ndarray:
        """0..1 [frames]: rises where it begins and falls where it ends, but for the clip's own ends."""
        count = self.frames(total)
        weight = np.ones(count)
        if self.start > 0:
            weight[: self.rise] *= _ramp(self.rise)[:count]
        tail = count - (self.stop - self.start)
        if tail > 0:
            weight[count - tail :] *= 1 - _ramp(self.fall)[:tail]
        return weight


def _ramp(frames: int) -> np.ndarray:
    """0..1 [frames], both left out: the ease of a movement with the least jerk."""
    u = np.arange(1, frames + 1) / (frames + 1)
    return u**3 * (10 - 15 * u + 6 * u**2)


def _rise(event: Event | None) -> int:
    """Frames over which an event comes: what goes back to the middle slowly, takes most of its time for it."""
    if event is None or event.name not in ("look_ahead", "neutral"):
        return FADE_FRAMES
    if event.gradual or event.action.manner.tempo in ("slowly", "very slowly"):
        return int(np.clip(SLOW_SHARE * event.span * FPS, BACK_FRAMES, SLOWEST))
    return BACK_FRAMES if event.name == "look_ahead" and not event.action.eyes else FADE_FRAMES


def layers_of(score: Score, part: str, total: int, idle: str) -> list[Layer]:
    """The layers of one part of a clip of `total` frames: they cover it without a gap, those `beside` left out.

    Where a part has no event, it goes along with what the other one does.
    """
    own, other = (score.motion, score.emotion) if part == "motion" else (score.emotion, score.motion)
    found: list[Layer] = []
    beside: list[Layer] = []
    for k, event in enumerate(own):
        start, stop = round(event.start * FPS), min(_stop(event, own[k + 1 :], part, total), total)
        stop = max(stop, min(start + SHORTEST, total))
        start = min(start, max(total - SHORTEST, 0))
        free = not found or start >= found[-1].stop - 1
        layer = Layer(event.text, start if not found or not free else max(start, found[-1].stop), stop, event, not free)
        (found if free else beside).append(layer)
    covered: list[Layer] = []
    at = 0
    for layer in [*found, Layer(idle, total, total)]:
        covered += _between(at, layer.start, other, idle)
        if layer.start < total:
            covered.append(layer)
        at = max(at, layer.stop)
    rises = [_rise(layer.event) for layer in covered]
    covered = [
        replace(layer, rise=rise, fall=fall)
        for layer, rise, fall in zip(covered, rises, [*rises[1:], FADE_FRAMES], strict=True)
    ]
    return covered + beside


def _between(start: int, stop: int, other: Sequence[Event], idle: str) -> list[Layer]:
    """What goes on between two frames: what the other part does then, or nothing."""
    if stop - start <= 0:
        return []
    layers, at = [], start
    for event in other:
        first, last = max(round(event.start * FPS), at), min(round(event.stop * FPS), stop)
        if last - first < SHORTEST:
            continue
        if first > at:
            layers.append(Layer(idle, at, first))
        layers.append(Layer(event.text, first, last, None))
        at = last
    return [*layers, Layer(idle, at, stop)] if stop > at else layers


def _stop(event: Event, later: Sequence[Event], part: str, total: int) -> int:
    """The frame at which an event is over: what is counted, or done once, does not fill a long time."""
    stop = round(event.stop * FPS)
    if event.timed and not event.gradual:
        return stop
    if part == "emotion" and event.name not in PASSING:  # a feeling stays until another one comes
        following = [one.start for one in later if one.start >= event.stop - 1e-6]
        return round(following[0] * FPS) if following else total
    manner = event.action.manner
    if event.name in ONCE or manner.count and manner.rate is None:
        return min(stop, round((event.start + max(1.15 * need(event.action) + 0.5, 1.6)) * FPS))
    return stop


def over_lids(layers: Sequence[Layer], layer: Layer) -> list[Layer]:
    """The layers beside one that move the lids, while it does not: theirs alone count."""
    if layer.event is not None and layer.event.name in LIDS:
        return []
    return [
        one
        for one in layers
        if one is not layer
        and one.event is not None
        and one.event.name in LIDS
        and one.start < layer.stop
        and layer.start < one.stop
        and (one.beside or layer.beside)
    ]


def stacked(made: list[tuple[Layer, dict[str, np.ndarray]]], frames: int) -> dict[str, np.ndarray]:
    """The channels [T, ...] of layers faded into each other, those beside added; lids as far shut as any shuts them."""
    result: dict[str, np.ndarray] = {}
    layers = [layer for layer, _ in made]
    shut: dict[bool, np.ndarray] = {}
    for layer, channels in made:
        weight, span = layer.weight(frames), slice(layer.start, layer.start + layer.frames(frames))
        for name, value in channels.items():
            share = weight.reshape(-1, *[1] * (value.ndim - 1))
            if name == "eyelids":
                for other in over_lids(layers, layer):
                    cover = np.zeros(frames)
                    cover[other.start : other.start + other.frames(frames)] = other.weight(frames)
                    share = share * (1 - cover[span])[:, None]
                track = shut.setdefault(layer.beside, np.zeros((frames, 2), np.float32))
                if layer.beside:
                    track[span] = combined_closure(track[span], (share * value).astype(np.float32))
                else:
                    track[span] += (share * value).astype(np.float32)
                continue
            track = result.setdefault(name, np.zeros((frames, *value.shape[1:]), np.float32))
            track[span] += (share * value).astype(np.float32)
    lids = [value.clip(0, 1) for value in shut.values()]
    result["eyelids"] = lids[0] if len(lids) == 1 else combined_closure(lids[0], lids[1])
    return result
