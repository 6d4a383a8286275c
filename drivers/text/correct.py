"""What the network made of one event, measured and corrected: how often, how far, from when to when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from ...flame_motion.rotations import matrix_from_axis_angle
from ..idle.eyes import Blink, closure
from .channels import FPS
from .poses import Event

AXES = ("pitch", "yaw", "roll")  # in the order of axis-angle's x, y, z
LIMITS = {"yaw": 75.0, "pitch": 45.0, "roll": 45.0}  # degrees that a neck can turn


@dataclass(frozen=True)
class Goal:
    """What a motion does, in numbers: along which axis, to which side, how far it usually goes, how often."""

    axis: str  # of AXES, or lids, or gaze_yaw, gaze_pitch: of the eyes in the head
    usual: float  # degrees; of lids: 0..1
    sign: int = 1  # of its first movement; where the motion has sides: that of the left
    sided: bool = False
    swings: bool = False  # there and back, countable
    both: bool = False  # to either side


GOALS = {
    "nod": Goal("pitch", 11, swings=True),
    "shake": Goal("yaw", 13, swings=True, both=True),
    "bow": Goal("pitch", 25, swings=True),
    "bob": Goal("pitch", 7, swings=True),
    "tilt_both": Goal("roll", 12, swings=True, both=True),
    "turn": Goal("yaw", 26, sided=True),
    "look_up": Goal("pitch", 17, -1),
    "look_down": Goal("pitch", 17),
    "look_up_side": Goal("yaw", 20, sided=True),
    "look_down_side": Goal("yaw", 20, sided=True),
    "chin_up": Goal("pitch", 11, -1),
    "tilt": Goal("roll", 15, -1, sided=True),
    "blink": Goal("lids", 0.95, swings=True),
    "wink": Goal("lids", 0.95, swings=True),
    "wink_any": Goal("lids", 0.95, swings=True),
    "gaze": Goal("gaze_yaw", 16, sided=True),
    "glance": Goal("gaze_yaw", 16, sided=True),
    "glance_up": Goal("gaze_pitch", 13, -1),
    "glance_down": Goal("gaze_pitch", 13),
}
HERTZ = {"nod": 1.1, "shake": 0.9, "bob": 1.3, "blink": 0.7, "tilt_both": 0.6}  # of what does not stop
BLINK_STEP, BLINK_STEPS = 0.6, {"quickly": 0.42, "very quickly": 0.36, "slowly": 1.1, "very slowly": 1.5}  # s
WINK_SPARES = 0.2  # closure of the other lid at most
SOMETIMES = 0.3  # times a second
RETURNS = ("glance", "glance_up", "glance_down")  # that are over at once, unless the eyes alone do them
USUAL_FACE = 0.6  # the largest number of an expression
LEAST_SHARE = 0.65  # of the usual size, below which a motion was not done
CLOSING = {"": 0.24, "slowly": 0.9, "very slowly": 1.5}  # s that lids take to shut
NO_JOINTS = np.zeros(0, dtype=int)


def head_angles(neck: np.ndarray) -> dict[str, np.ndarray]:
    """Degrees [T] of yaw (+ left), pitch (+ down) and roll (+ to the right shoulder) of axis-angles [T, 3]."""
    import torch

    matrix = matrix_from_axis_angle(torch.as_tensor(neck, dtype=torch.float32)).numpy()
    return {
        "yaw": np.degrees(np.arctan2(matrix[:, 0, 2], matrix[:, 2, 2])),
        "pitch": np.degrees(-np.arcsin(np.clip(matrix[:, 1, 2], -1, 1))),
        "roll": np.degrees(np.arctan2(matrix[:, 1, 0], matrix[:, 1, 1])),
    }


def _track(channels: dict[str, np.ndarray], goal: Goal, side: int) -> np.ndarray:
    """What a goal counts or measures [T], positive where it is meant to go."""
    if goal.axis == "lids":
        lids = channels["eyelids"]
        return lids.mean(-1) if not side else lids[:, 0 if side > 0 else 1]
    if goal.axis.startswith("gaze"):
        track = np.degrees(channels["eyes"].mean(1)[:, 1 if goal.axis == "gaze_yaw" else 0])
    else:
        track = head_angles(channels["neck"])[goal.axis]
    return track * goal.sign * (side if goal.sided and side else 1)


def done_share(channels: dict[str, np.ndarray], event: Event) -> float:
    """How much of its usual size an event has in what was generated; 1 where it has no measure."""
    goal = GOALS.get(event.name)
    if "neck" not in channels:
        face = float(np.abs(channels["expression"]).max() + 2 * np.abs(channels["jaw"]).max())
        return 1.0 if event.name in ("neutral", "") else face / USUAL_FACE
    if goal is None:
        return 1.0
    track = _track(channels, goal, event.action.side)
    return float(track.max() / goal.usual)


def corrected(channels: dict[str, np.ndarray], event: Event, frames: int) -> dict[str, np.ndarray]:
    """The channels [t, ...] of an event, at most `frames` long, with its count, its size and its length as asked."""
    goal = GOALS.get(event.name) if "neck" in channels else None
    manner = event.action.manner
    if event.name == "close_eyes" and manner.size >= 1:
        return _held_shut(channels, frames, CLOSING.get(manner.tempo, CLOSING[""]))
    if goal is None:
        return {name: value[:frames] for name, value in channels.items()}
    side = event.action.side
    count = manner.count
    rate = manner.rate or (HERTZ.get(event.name) if manner.goes_on else SOMETIMES if manner.sometimes else None)
    if rate and count is None:
        count = max(1, round(rate * event.span))
    if event.name.startswith("wink") or (event.name == "blink" and count):
        return _blinked({name: value[:frames] for name, value in channels.items()}, event, count or 1, rate)
    if goal.swings and count:
        channels = with_count(
            channels, _track(channels, goal, side), count, frames, goal, round(FPS / rate) if rate else 0
        )
    elif not goal.swings and event.timed and (event.name not in RETURNS or event.action.eyes):
        channels = _held(channels, _track(channels, goal, side), frames, event)
    channels = {name: value[:frames] for name, value in channels.items()}
    if event.action.eyes:  # the head stays
        channels |= {name: np.zeros_like(channels[name]) for name in ("neck", "translation")}
    if goal.axis not in AXES:
        return channels
    return _sized(channels, event, goal, _track(channels, goal, side))


def _sized(channels: dict[str, np.ndarray], event: Event, goal: Goal, track: np.ndarray) -> dict[str, np.ndarray]:
    """The head's turn as far as asked; with nothing asked, at least as far that it is seen."""
    manner = event.action.manner
    reached = float(np.abs(track).max() if goal.both else track.max())
    if reached < 0.5:
        return channels
    if manner.degrees is not None:
        wanted = min(manner.degrees, LIMITS[goal.axis])
    elif manner.size != 1.0 and goal.swings:
        wanted = goal.usual * float(np.clip(manner.size, 0.3, 1.8))
    elif manner.size != 1.0:
        wanted = min(goal.usual * manner.size, 0.85 * LIMITS[goal.axis])
    else:
        wanted = max(reached, LEAST_SHARE * goal.usual)
    result = dict(channels)
    share = wanted / reached
    for _ in range(3):
        result["neck"] = channels["neck"] * share
        now = _track(result, goal, event.action.side)
        share *= wanted / max(float(np.abs(now).max() if goal.both else now.max()), 1e-3)
    result["translation"] = channels["translation"] * min(share, 1.5)
    result["eyes"] = channels["eyes"] * min(share, 1.0)
    return result


def swings_of(track: np.ndarray, goal: Goal) -> np.ndarray:
    """Frames [n] at which a track is at the far end of a swing."""
    smooth = gaussian_filter1d(track, 0.8, mode="nearest")
    least = 0.35 if goal.axis == "lids" else max(3.2, 0.3 * float(np.percentile(smooth, 98)))
    padded = np.r_[min(smooth[0], 0.0), smooth, min(smooth[-1], 0.0)]
    return find_peaks(padded, prominence=least)[0] - 1


def with_count(
    channels: dict[str, np.ndarray], track: np.ndarray, count: int, frames: int, goal: Goal, every: int = 0
) -> dict[str, np.ndarray]:
    """The channels with exactly `count` swings: whole swings of what was generated, left out or done again.

    Time runs from far end to far end, so that every swing keeps its own course; all of it is played faster where it
    would not fit into `frames`, and comes to rest where there are more. every: frames at least from one to the next.
    """
    far = swings_of(track, goal)
    if not len(far) or (len(far) == count and len(track) <= frames and not every):
        return channels
    ends = _regular(far, track)
    cycles = [np.arange(a + 1, b + 1) for a, b in zip(ends, ends[1:], strict=False)]
    first, last = int(ends[0]), int(ends[-1])
    if not cycles:  # one swing alone: it comes back as it went
        back = _valley(track, first, round(0.6 * FPS))
        cycles = [np.r_[np.arange(first + 1, back), np.arange(max(2 * first - back, 0), first + 1)]]
    cycles = [_lengthened(cycle, track, every) for cycle in cycles]
    pieces = [np.arange(first + 1), *(cycles[k % len(cycles)] for k in range(count - 1))]
    over = np.arange(last + 1, _valley(track, last, round(0.8 * FPS)) + 1)
    source = np.concatenate([*pieces, over]).clip(0, len(track) - 1).astype(float)
    joints = np.cumsum([len(piece) for piece in pieces])
    whole = {name: _resampled(value, source, joints) for name, value in channels.items()}
    if len(source) > frames:
        return {
            name: _resampled(value, np.linspace(0, len(source) - 1, frames), NO_JOINTS) for name, value in whole.items()
        }
    return {name: _settled(value, frames) for name, value in whole.items()}


def _lengthened(cycle: np.ndarray, track: np.ndarray, frames: int) -> np.ndarray:
    """Source frames [n] of a swing that waits where it is back, so that it takes `frames` at least."""
    back = int(np.argmin(track[cycle.clip(0, len(track) - 1)]))
    return np.insert(cycle, back, np.full(max(frames - len(cycle), 0), cycle[back]))


def _regular(ends: np.ndarray, track: np.ndarray) -> np.ndarray:
    """The longest run of far ends that follow each other about evenly and reach about as far."""
    ends = ends[track[ends] > 0.7 * track[ends].max()]
    steps = np.diff(ends)
    if len(steps) < 2:
        return ends[:2] if len(steps) and steps[0] <= 1.4 * FPS else ends[:1]
    breaks = np.flatnonzero(steps > 1.6 * np.sort(steps)[len(steps) // 3])
    return max(np.split(ends, breaks + 1), key=len)


def _settled(value: np.ndarray, frames: int) -> np.ndarray:
    """A channel [t, ...] that comes to rest after its last frame, within half a second, up to `frames`."""
    ease = np.clip(np.arange(1, frames - len(value) + 1) / (0.5 * FPS), 0, 1)
    fall = (1 - ease**2 * (3 - 2 * ease)).reshape(-1, *[1] * (value.ndim - 1))
    return np.concatenate([value, fall * value[-1:]]).astype(value.dtype)


def _valley(track: np.ndarray, end: int, most: int) -> int:
    """The frame after a far end at which a swing is back."""
    after = track[end : end + most + 1]
    return end + max(int(np.argmin(after)), 2)


def _resampled(value: np.ndarray, source: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """A channel [t, ...] read at source frames [n]; what jumps where pieces meet is spread over the frames around."""
    flat = value.reshape(len(value), -1)
    low = np.clip(np.floor(source).astype(int), 0, len(flat) - 1)
    high = np.clip(low + 1, 0, len(flat) - 1)
    share = (source - low)[:, None]
    read = flat[low] * (1 - share) + flat[high] * share
    offset = np.zeros_like(read)
    for joint in joints[:-1]:
        offset[joint:] -= (read[joint] - read[joint - 1]) * np.exp(-np.arange(len(read) - joint) / 6.0)[:, None]
    return (read + offset).reshape(len(read), *value.shape[1:]).astype(value.dtype)


def _held(channels: dict[str, np.ndarray], track: np.ndarray, frames: int, event: Event) -> dict[str, np.ndarray]:
    """A pose reached as it was generated, before half its time, and then held to its end.

    Done slowly, or over a time that is said, it goes there evenly and takes nearly all of its own time.
    """
    peak = float(track.max())
    near = np.flatnonzero(track >= 0.85 * peak)
    if peak <= 0 or not len(near):
        return channels
    first, last = int(near[0]), int(near[-1])
    own = event.span if event.arrives is None else event.arrives
    at = np.arange(frames, dtype=float)
    slowly = event.action.manner.tempo in ("slowly", "very slowly")
    if slowly or event.gradual:
        first = int(track.argmax())
        last = max(first, last)
        arrive = max(min(round(0.9 * own * FPS), frames - 1), 2)
        risen = np.maximum.accumulate(track[: first + 1]) + 1e-3 * np.arange(first + 1)  # for each height, one frame
        share = np.clip(at / arrive, 0, 1)
        level = risen[0] + (risen[-1] - risen[0]) * share**2 * (3 - 2 * share)
        there = np.interp(level, risen, np.arange(first + 1))
    else:
        arrive = max(min(first, round(0.45 * min(own * FPS, frames))), 1)
        there = at * first / arrive
    last = min(last, first + frames - 1 - arrive)  # no faster than it was generated
    held = first + (at - arrive) * (last - first) / max(frames - 1 - arrive, 1)
    source = np.where(at <= arrive, there, held)
    return {name: _resampled(value, source, NO_JOINTS) for name, value in channels.items()}


def _blinked(
    channels: dict[str, np.ndarray], event: Event, count: int, rate: float | None
) -> dict[str, np.ndarray]:  # fmt: skip
    """Lids that blink or wink exactly so often: a network makes one blink of two that follow closely."""
    tempo, side, wink = event.action.manner.tempo, event.action.side, event.name != "blink"
    slow = (2.5 if tempo.endswith("slowly") else 1.0) * (1.5 if wink else 1.0)
    step = 1 / rate if rate else BLINK_STEPS.get(tempo, BLINK_STEP) * (1.6 if wink else 1.0)
    begin = 0.15 if event.start < 0.04 else 0.28  # s; what comes after something else fades in first
    step = min(step, max((event.span - begin) / count, 0.3))
    begin = max(begin, 0.4 * step) if rate else begin
    shut = 0.16 if wink else 0.06
    blinks = [Blink(begin + k * step, 0.1 * slow, shut * slow, 0.18 * slow, 1.0) for k in range(count)]
    track = closure(np.arange(len(channels["eyelids"])) / FPS, FPS, blinks)
    lids = np.repeat(track[:, None], 2, 1)
    if wink:
        made = channels["eyelids"]
        open_eye = 1 if (side or (1 if made[:, 0].max() >= made[:, 1].max() else -1)) > 0 else 0
        lids[:, open_eye] = made[:, open_eye].clip(max=WINK_SPARES)
    return channels | {"eyelids": lids.astype(np.float32)}


def _held_shut(channels: dict[str, np.ndarray], frames: int, closing: float) -> dict[str, np.ndarray]:
    """Lids that shut within the first `closing` s and stay so."""
    result = {name: value[:frames] for name, value in channels.items()}
    rise = np.clip(np.arange(len(result["eyelids"])) / FPS / closing, 0, 1)
    shape = rise**2 * (3 - 2 * rise)
    result["eyelids"] = np.maximum(result["eyelids"] * shape[:, None], shape[:, None]).astype(np.float32)
    return result
