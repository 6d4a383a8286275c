"""Blinks in a track of lids: found, taken away, and put in at another rate and length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEAST = 0.12  # closure that a blink adds to what the lids rest at
SHARE = 0.35  # of the widest closure of the clip, at least: how far a tracker sees a lid close depends on the face
LONGEST = 0.6  # s at half height: longer are eyes that are shut, or look down
APART = 0.16  # s between two blinks
CLOSING = 0.7  # of a blink's length at half height, the way down; the way up takes 2 - CLOSING
VARIED = 0.15  # spread of the log of lengths
SAME = 0.1  # rates and lengths that differ by less are one


@dataclass(frozen=True)
class Blink:
    """One blink of a clip."""

    at: float  # s of the deepest closure
    seconds: float  # at half its height
    depth: float  # closure above the lids' rest


def blinks_in(closure: np.ndarray, fps: float) -> list[Blink]:
    """The blinks of lids [T], 0 open and 1 shut."""
    if len(closure) < 3:
        return []
    from scipy.signal import find_peaks, peak_widths

    closure = closure.astype(np.float64)
    least = max(LEAST, SHARE * float(closure.max() - np.percentile(closure, 30)))
    padded = np.pad(closure, 1, mode="reflect")  # one at the very edge is one, too
    peaks, facts = find_peaks(padded, prominence=least, distance=max(round(APART * fps), 1))
    widths = peak_widths(padded, peaks, rel_height=0.5)[0] / fps
    found = zip((peaks - 1) / fps, widths, facts["prominences"])
    return [Blink(float(at), float(width), float(depth)) for at, width, depth in found if width <= LONGEST]


def with_blinks(
    lids: np.ndarray, fps: float, per_minute: float, seconds: float, rng: np.random.Generator
) -> np.ndarray:
    """Lids [T, 2] that blink `per_minute` times a minute, `seconds` long at half height; the same where they do so.

    Blinks that are there stay where they are, as far as they are wanted; more come where there is most room, and
    those nearest to others go.
    """
    found = blinks_in(lids.mean(1), fps)
    minutes = len(lids) / fps / 60
    wanted = int(per_minute * minutes + rng.random())  # on average as many as asked for, in short clips too
    usual = float(np.median([blink.seconds for blink in found])) if found else seconds
    if abs(wanted - len(found)) <= SAME * wanted and abs(usual - seconds) <= SAME * seconds:
        return lids
    times = _thinned([blink.at for blink in found], wanted, len(lids) / fps)
    depths = {blink.at: blink.depth for blink in found}
    open_ = lids.copy()
    for blink in found:
        open_ = _without(open_, blink, fps)
    times += _added(times, wanted - len(times), len(lids) / fps, rng)
    moments = np.arange(len(lids)) / fps
    for at in sorted(times):
        length = seconds * float(np.exp(rng.normal(0, VARIED)))
        shut = _shape(moments - at, length, fps)[:, None] * min(depths.get(at, 0.95), 1.0)
        open_ = np.maximum(open_, shut + (1 - shut) * open_)
    return open_.clip(0, 1)


def _thinned(times: list[float], wanted: int, end: float) -> list[float]:
    """At most `wanted` of the times: those nearest to others go first."""
    kept = sorted(times)
    while len(kept) > max(wanted, 0):
        edges = [-end, *kept, 2 * end]
        room = [min(edges[k + 1] - edges[k], edges[k + 2] - edges[k + 1]) for k in range(len(kept))]
        kept.pop(int(np.argmin(room)))
    return kept


def _added(times: list[float], more: int, end: float, rng: np.random.Generator) -> list[float]:
    """Times of `more` blinks, each in a gap that is chosen by the square of its length."""
    kept, new = sorted(times), []
    for _ in range(more):
        edges = np.array([0.0, *kept, end])
        room = np.maximum(np.diff(edges) - 2 * APART, 0.0) ** 2
        if room.sum() <= 0:
            break
        gap = int(rng.choice(len(room), p=room / room.sum()))
        at = float(edges[gap] + (edges[gap + 1] - edges[gap]) * rng.uniform(0.3, 0.7))
        kept = sorted([*kept, at])
        new.append(at)
    return new


def _without(lids: np.ndarray, blink: Blink, fps: float) -> np.ndarray:
    """Lids [T, 2] that go straight from before a blink to after it."""
    first, last = (round((blink.at + side * (1.3 * blink.seconds + 0.06)) * fps) for side in (-1, 1))
    first, last = max(first, 0), min(last, len(lids) - 1)
    share = np.linspace(0, 1, last - first + 1)[:, None]
    ends = [lids[k] if 0 < k < len(lids) - 1 else lids[first : last + 1].min(0) for k in (first, last)]
    straight = lids.copy()
    straight[first : last + 1] = np.minimum(lids[first : last + 1], ends[0] + share * (ends[1] - ends[0]))
    return straight


def _shape(since: np.ndarray, seconds: float, fps: float) -> np.ndarray:
    """Closure 0..1 at times [T] from the deepest moment: down fast, up slower (minimum jerk each way)."""
    down, up = CLOSING * seconds, (2 - CLOSING) * seconds
    near = np.abs(since) <= 0.5 / fps  # a frame shows it shut, whenever the moment falls between two
    u = np.where(since < 0, 1 + since / down, 1 - since / up).clip(0, 1)
    return np.where(near, 1.0, u**3 * (10 - 15 * u + 6 * u**2))
