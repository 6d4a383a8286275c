"""Motion primitives of head, gaze and lids: what each word looks like when a person does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.random import Generator

from .kinematics import drift, lid_closure, onset_hold, reaches, spring
from .take import Take

LEFT, RIGHT = 1, -1


@dataclass(frozen=True)
class Beat:
    """One motion of a script: what, how, and between which seconds of the clip."""

    name: str
    start: float = 0.0  # s
    stop: float = 4.0  # s
    side: int = 0  # LEFT, RIGHT or 0
    count: int | None = None  # how often; as many as come naturally when None
    size: float = 1.0  # times the usual amplitude
    tempo: float = 1.0  # times the usual duration
    stays: bool = False  # a pose that is still held when the beat ends

    @property
    def span(self) -> float:
        """Seconds there are for it."""
        return self.stop - self.start


Perform = Callable[[Take, Beat, Generator], None]


def _place(beat: Beat, wanted: float, rng: Generator) -> tuple[float, float]:
    """When it begins (s) and by how much it must be hurried, to fit `wanted` seconds into the beat."""
    hurry = min(1.0, 0.96 * beat.span / wanted)
    slack = beat.span - wanted * hurry
    return beat.start + rng.uniform(0.0, min(0.45 * slack, 1.0)), hurry


@dataclass(frozen=True)
class Swing:
    """To one side and back (nods), or to either side in turn (shakes), `count` times, dying away a little."""

    axis: str
    amp: tuple[float, float]  # degrees, or mm of a shift
    period: tuple[float, float]  # s
    counts: tuple[int, int]
    both: bool = False  # swings past the middle
    vor: float = 0.6  # share of the turn that the eyes undo, to stay on what they see
    faint: float = 0.15  # size of an anticipation

    def __call__(self, take: Take, beat: Beat, rng: Generator) -> None:
        """Adds the beat's motion to a take."""
        low, high = self.counts
        count = beat.count or (low if beat.tempo > 1.3 else int(rng.integers(low, high + 1)))
        cycle = rng.uniform(*self.period) * beat.tempo * (1.15 if count == 1 else 1.0)
        start, hurry = _place(beat, (count + (0.35 if self.both else 0.15)) * cycle, rng)
        cycle *= hurry
        size = beat.size * rng.uniform(*self.amp)
        first = rng.choice([LEFT, RIGHT]) if self.both else 1
        keys, at = [(start, 0.0)], start
        if not self.both and rng.random() < 0.4:  # anticipation: the other way first
            keys.append((at + 0.2 * cycle, -self.faint * size * rng.uniform(0.5, 1.2)))
            at += 0.15 * cycle
        for k in range(count):
            level = first * size * rng.uniform(0.88, 1.08) * (1.0 - 0.25 * k / max(count, 3))
            beats = cycle * rng.uniform(0.92, 1.08)
            back = -level * rng.uniform(0.8, 1.05) if self.both else level * rng.uniform(-0.12, 0.12)
            keys += [(at + (0.5 if self.both else 0.45) * beats, level), (at + beats, back)]
            at += beats
        keys.append((at + 0.4 * cycle, 0.0))
        track = reaches(take.times, keys)
        take.add(self.axis, track)
        eyes = {"yaw": "gazeYaw", "pitch": "gazePitch"}.get(self.axis)
        if eyes is not None:
            take.add(eyes, -self.vor * rng.uniform(0.7, 1.1) * track)
        _coupled(take, self.axis, track, rng)


def _coupled(take: Take, axis: str, track: np.ndarray, rng: Generator) -> None:
    """What a neck cannot help doing beside: a turn tips the head a little, a nod wavers."""
    for other in {"yaw": ("roll", "pitch"), "pitch": ("yaw", "roll"), "roll": ("yaw", "pitch")}.get(axis, ()):
        take.add(other, track * rng.normal(0.0, 0.06))


@dataclass(frozen=True)
class Aim:
    """Goes to a pose, stays, and comes back unless the beat `stays`. yaw and roll are toward the beat's side."""

    yaw: tuple[float, float] = (0, 0)  # degrees
    pitch: tuple[float, float] = (0, 0)
    roll: tuple[float, float] = (0, 0)
    z: tuple[float, float] = (0, 0)  # mm
    reach: tuple[float, float] = (0.45, 0.8)  # s on the way
    lead: float = 0.6  # share of the turn that the eyes make at once, before the head has arrived
    lids: float = 0.0  # how far they are down

    def __call__(self, take: Take, beat: Beat, rng: Generator) -> None:
        """Adds the beat's motion to a take."""
        side = beat.side or 1
        sizes = {
            "yaw": side * rng.uniform(*self.yaw), "pitch": rng.uniform(*self.pitch),
            "roll": -side * rng.uniform(*self.roll), "z": rng.uniform(*self.z),
        }  # fmt: skip
        there = rng.uniform(*self.reach) * beat.tempo * max(beat.size, 0.7) ** 0.5
        there = min(there, 0.42 * beat.span)
        start = beat.start + rng.uniform(0.0, min(0.25, 0.1 * beat.span))
        back = there * rng.uniform(0.9, 1.2)
        leave = take.times[-1] + 9.0 if beat.stays else max(beat.stop - back * rng.uniform(1.0, 1.15), start + there)
        over = rng.uniform(0.0, 0.08) if beat.tempo < 1.2 else 0.0
        keys = [
            (start, 0.0),
            (start + there, 1.0 + over),
            (start + there * 1.45, 1.0),
            (max(leave, start + there * 1.5), 1.0),
        ]
        if not beat.stays:
            keys.append((max(leave, start + there * 1.5) + back, 0.0))
        shape = reaches(take.times, keys)
        for name, size in sizes.items():
            if size:
                late = rng.uniform(0.0, 0.06)
                take.add(name, beat.size * size * np.interp(take.times - late, take.times, shape))
        if self.lead:
            _eyes_lead(take, beat, rng, (sizes["yaw"], sizes["pitch"]), (start, there, leave), self.lead)
        if self.lids:
            take.blink(self.lids * rng.uniform(0.7, 1.1) * np.clip(shape, 0, 1))
        _gaze_blink(take, start, rng, 0.35 if abs(sizes["yaw"]) + abs(sizes["pitch"]) > 10 else 0.05)


def _eyes_lead(
    take: Take, beat: Beat, rng: Generator, turn: tuple[float, float], when: tuple[float, float, float], lead: float
) -> None:
    """The eyes jump to the goal first, then sit a little beyond the head's own direction."""
    start, there, leave = when
    early = start - rng.uniform(0.02, 0.12)
    for name, size in zip(("gazeYaw", "gazePitch"), turn):
        goal = np.clip(beat.size * size * lead, -18, 18)
        rest = goal * rng.uniform(0.15, 0.5)
        keys = [
            (early, 0.0),
            (early + 0.08, goal),
            (start + 0.6 * there, goal),
            (start + 1.1 * there, rest),
            (max(leave, start + 1.2 * there), rest),
        ]
        if not beat.stays:
            keys += [(keys[-1][0] + 0.08, rest - 0.7 * goal), (keys[-1][0] + 0.6 * there, 0.0)]
        take.add(name, reaches(take.times, keys))


def _gaze_blink(take: Take, at: float, rng: Generator, chance: float) -> None:
    """Many large gaze shifts carry a blink along; never where lids are counted (the script clears those)."""
    if rng.random() < chance:
        take.add("reflex", lid_closure(take.times, at + rng.uniform(0.08, 0.16), 0.08, 0.16))


def _eyes_only(
    take: Take, beat: Beat, rng: Generator, *, yaw: tuple[float, float] = (0, 0), pitch: tuple[float, float] = (0, 0),
    brief: bool = True, head: float = 0.06,
) -> None:  # fmt: skip
    """A glance: a saccade, a short stay and back, once or `count` times; not brief: the eyes stay."""
    times, side = take.times, beat.side or 1
    goal = (side * rng.uniform(*yaw) * beat.size, rng.uniform(*pitch) * beat.size)
    goal = (float(np.clip(goal[0], -28, 28)), float(np.clip(goal[1], -22, 24)))
    count = beat.count or 1
    stay = rng.uniform(0.35, 0.8) * beat.tempo
    start, hurry = _place(beat, count * (stay + 0.35), rng)
    keys = [(start, 0.0)]
    for _ in range(count):
        keys.append((keys[-1][0] + rng.uniform(0.04, 0.08), 1.0))
        keys.append((keys[-1][0] + stay * hurry if brief else max(beat.stop - 0.15, start + 0.3), 1.0))
        if not brief and beat.stays:
            break
        keys.append((keys[-1][0] + rng.uniform(0.04, 0.08), 0.0))
        keys.append((keys[-1][0] + 0.22 * hurry, 0.0))
    shape = reaches(times, keys)
    for eye, axis, size in (("gazeYaw", "yaw", goal[0]), ("gazePitch", "pitch", goal[1])):
        take.add(eye, size * shape)
        take.add(axis, head * size * np.interp(times - 0.1, times, shape))


def _blinks(take: Take, beat: Beat, rng: Generator) -> None:
    """`count` whole blinks, apart enough to be told one by one."""
    count = beat.count or int(rng.integers(1, 3))
    gap = rng.uniform(0.5, 0.85) * (0.6 + 0.4 * beat.tempo)
    start, hurry = _place(beat, count * gap + 0.15, rng)
    at = start + 0.12
    for _ in range(count):
        slow = min(max(beat.tempo, 0.8), 1.8) * max(hurry, 0.7)
        take.blink(
            lid_closure(take.times, at, 0.09 * slow, 0.17 * slow, min(1.0, 0.96 * max(beat.size, 1.0)), 0.04 * slow)
        )
        at += gap * max(hurry, 0.5) * rng.uniform(0.92, 1.1)


def _wink(take: Take, beat: Beat, rng: Generator) -> None:
    """One eye shut, the cheek pushed up to it, the head a touch toward it; the other lid follows a little."""
    side = beat.side or rng.choice([LEFT, RIGHT])
    count = beat.count or 1
    held = rng.uniform(0.16, 0.4) * beat.tempo
    start, hurry = _place(beat, count * (held + 0.55), rng)
    at = start + 0.16
    for _ in range(count):
        closure = lid_closure(take.times, at, 0.12, 0.2, 1.0, held * hurry)
        take.blink(closure, left=side == LEFT, right=side == RIGHT)
        take.blink(closure * rng.uniform(0.02, 0.14), left=side == RIGHT, right=side == LEFT)
        take.add(f"cheekSquint{'Left' if side == LEFT else 'Right'}", 0.5 * closure)
        take.add(f"mouthSmile{'Left' if side == LEFT else 'Right'}", rng.uniform(0.1, 0.35) * closure)
        take.add("roll", -side * rng.uniform(0.0, 3.0) * closure)
        at += (held + 0.55) * hurry


def _close_eyes(take: Take, beat: Beat, rng: Generator) -> None:
    """Lids sink and stay down."""
    fall = rng.uniform(0.12, 0.35) * beat.tempo
    start = beat.start + rng.uniform(0.0, min(0.3, 0.08 * beat.span))
    rise = rng.uniform(0.2, 0.4) * beat.tempo
    stop = take.times[-1] + 9 if beat.stays else beat.stop
    take.blink(onset_hold(take.times, start, min(fall, 0.3 * beat.span), stop, min(rise, 0.2 * beat.span)))


def _flutter(take: Take, beat: Beat, rng: Generator) -> None:
    """Quick small blinks in a row."""
    count = beat.count or int(rng.integers(5, 9))
    gap = rng.uniform(0.2, 0.27)
    start, hurry = _place(beat, count * gap + 0.2, rng)
    for k in range(count):
        at = start + 0.1 + k * gap * max(hurry, 0.6)
        take.blink(lid_closure(take.times, at, 0.06, 0.1, rng.uniform(0.6, 1.0)))


def _still(take: Take, beat: Beat, rng: Generator) -> None:
    """Nothing: the idle motion is taken down instead (`idle.py`)."""


def _circle(take: Take, beat: Beat, rng: Generator) -> None:
    """The head rolls around: down, to one shoulder, back, to the other."""
    count = beat.count or int(rng.integers(1, 3))
    lap = rng.uniform(1.5, 2.2) * beat.tempo
    start, hurry = _place(beat, count * lap + 0.5, rng)
    lap *= hurry
    phase = 2 * np.pi * count * reaches(take.times, [(start + 0.2, 0.0), (start + 0.2 + count * lap, 1.0)])
    swell = onset_hold(take.times, start, 0.35, start + count * lap + 0.5, 0.35)
    turn = beat.side or rng.choice([LEFT, RIGHT])
    take.add("pitch", beat.size * rng.uniform(10, 16) * swell * np.cos(phase))
    take.add("roll", -turn * beat.size * rng.uniform(11, 17) * swell * np.sin(phase))
    take.add("yaw", turn * beat.size * rng.uniform(1, 5) * swell * np.sin(phase))
    if rng.random() < 0.5:
        take.blink(swell * rng.uniform(0.6, 1.0))


def _sway(take: Take, beat: Beat, rng: Generator) -> None:
    """Body and head, slowly from side to side."""
    hertz = rng.uniform(0.4, 0.6) / beat.tempo
    swell = onset_hold(take.times, beat.start, 0.7, beat.stop + (9 if beat.stays else 0), 0.7)
    wave = swell * np.sin(2 * np.pi * hertz * (take.times - beat.start) + rng.choice([0.0, np.pi]))
    take.add("x", beat.size * rng.uniform(14, 26) * wave)
    take.add("roll", -beat.size * rng.uniform(4, 8) * wave)
    take.add("yaw", beat.size * rng.uniform(-2, 2) * wave)


def _startle(take: Take, beat: Beat, rng: Generator) -> None:
    """A jolt back within a fifth of a second, a blink, and a slow way back."""
    at = beat.start + rng.uniform(0.1, max(0.15, min(0.45 * beat.span, 1.2)))
    jolt = onset_hold(take.times, at, 0.16, at + rng.uniform(1.2, 1.8) * beat.tempo, 0.8)
    ring = spring(take.times, at, rng.uniform(1.8, 2.6), 0.35)
    take.add("pitch", -beat.size * (rng.uniform(6, 10) * jolt + 3.0 * ring))
    take.add("z", -beat.size * (rng.uniform(22, 38) * jolt + 6.0 * ring))
    take.add("yaw", beat.size * rng.normal(0, 3) * jolt)
    take.add("y", beat.size * rng.uniform(2, 6) * jolt)
    take.blink(lid_closure(take.times, at + 0.1, 0.07, 0.16))
    for name, size in (("eyeWide", 0.8), ("browInnerUp", 0.6), ("browOuterUp", 0.6)):
        take.add_face(name, size * onset_hold(take.times, at + 0.12, 0.15, at + 1.6, 0.6))


def _doze(take: Take, beat: Beat, rng: Generator) -> None:
    """Lids and head sink in steps; now and then the head is caught and lifted."""
    depth = beat.size * rng.uniform(16, 24)
    length = beat.span * rng.uniform(0.55, 0.75)
    start = beat.start + rng.uniform(0, 0.05) * beat.span
    keys = [
        (start, 0.0),
        (start + 0.5 * length, 0.45 * depth),
        (start + 0.62 * length, 0.4 * depth),
        (start + length, depth),
    ]
    lids = [(start, 0.0), (start + 0.4 * length, 0.75), (start + 0.5 * length, 0.6), (start + 0.8 * length, 1.0)]
    if not beat.stays and beat.span - length > 0.7:
        keys += [(start + length + 0.15, depth), (start + length + 0.45, -0.1 * depth), (start + length + 0.9, 0.0)]
        lids += [(start + length + 0.2, 1.0), (start + length + 0.4, 0.1), (start + length + 0.9, 0.0)]
    take.add("pitch", reaches(take.times, keys))
    take.add("roll", rng.normal(0, 0.25) * reaches(take.times, keys))
    take.blink(reaches(take.times, lids))


def _roll_eyes(take: Take, beat: Beat, rng: Generator) -> None:
    """Up, along the upper rim and down on the other side, with a small tip of the head."""
    count = beat.count or 1
    lap = rng.uniform(0.8, 1.2) * beat.tempo
    start, hurry = _place(beat, count * lap + 0.3, rng)
    turn = beat.side or rng.choice([LEFT, RIGHT])
    for k in range(count):
        a, d = start + 0.1 + k * lap * hurry, lap * hurry
        take.add(
            "gazePitch",
            reaches(take.times, [(a, 0), (a + 0.25 * d, -16), (a + 0.5 * d, -20), (a + 0.75 * d, -14), (a + d, 0)]),
        )
        take.add(
            "gazeYaw",
            turn * reaches(take.times, [(a, 0), (a + 0.25 * d, 16), (a + 0.5 * d, 0), (a + 0.75 * d, -16), (a + d, 0)]),
        )
        swell = onset_hold(take.times, a, 0.4 * d, a + 1.2 * d, 0.5 * d)
        take.add("pitch", -rng.uniform(1, 4) * beat.size * swell)
        take.add("roll", rng.normal(0, 2) * swell)
        take.blink(0.25 * swell)


def _look_around(take: Take, beat: Beat, rng: Generator) -> None:
    """One way, then the other, the eyes first; a third look when there is time."""
    turn = beat.side or rng.choice([LEFT, RIGHT])
    goals = [turn * rng.uniform(14, 26), -turn * rng.uniform(14, 26)]
    leg = min(rng.uniform(1.0, 1.5) * beat.tempo, 0.31 * beat.span)
    if beat.span > 3.9 * leg:
        goals.append(turn * rng.uniform(6, 18))
    yaw, gaze, pitch, at = [(beat.start, 0.0)], [(beat.start, 0.0)], [(beat.start, 0.0)], beat.start + 0.02
    for goal in goals:
        goal *= beat.size
        gaze += [(at, gaze[-1][1]), (at + 0.08, np.clip(0.5 * goal, -16, 16)), (at + 0.6 * leg, 0.25 * goal)]
        yaw += [(at + 0.08, yaw[-1][1]), (at + 0.62 * leg, goal), (at + leg, goal)]
        pitch += [(at + 0.62 * leg, rng.normal(0, 3))]
        at += leg
    for name, keys in (("yaw", yaw), ("gazeYaw", gaze), ("pitch", pitch)):
        take.add(name, reaches(take.times, [*keys, (keys[-1][0] + 0.6 * leg, 0.0)]))
    _gaze_blink(take, beat.start, rng, 0.4)


def _tremble(take: Take, beat: Beat, rng: Generator) -> None:
    """Small fast shaking that comes and goes."""
    swell = onset_hold(take.times, beat.start, 0.3, beat.stop + (9 if beat.stays else 0), 0.4) * beat.size
    for name, size in (("yaw", 1.6), ("roll", 0.9), ("pitch", 0.8)):
        take.add(name, size * swell * drift(rng, take.frames, take.fps, [(4.0, 8.0, 1.0)]))


def _double_take(take: Take, beat: Beat, rng: Generator) -> None:
    """A careless look away, then the head snaps back, eyes wide."""
    side = beat.side or rng.choice([LEFT, RIGHT])
    away, start = beat.size * rng.uniform(16, 24), beat.start + 0.1
    leg = min(0.6 * beat.tempo, 0.22 * beat.span)
    snap = start + 2.1 * leg
    yaw = [(start, 0.0), (start + leg, away), (snap, away), (snap + 0.24, -0.12 * away), (snap + 0.45, 0.0)]
    take.add("yaw", side * reaches(take.times, yaw))
    take.add("z", 14 * onset_hold(take.times, snap, 0.25, beat.stop, 0.5))
    for name, size in (("eyeWide", 0.8), ("browOuterUp", 0.7), ("browInnerUp", 0.5)):
        take.add_face(name, size * onset_hold(take.times, snap, 0.2, beat.stop, 0.5))


def _chin_up_gaze(take: Take, beat: Beat, rng: Generator) -> None:
    """The head back, the eyes still ahead."""
    before = take.track("pitch").copy()
    Aim(pitch=(-13, -8), z=(-6, 0), lead=0.0)(take, beat, rng)
    take.add("gazePitch", -0.8 * (take.track("pitch") - before))


MOTIONS: dict[str, Perform] = {
    "nod": Swing(axis="pitch", amp=(8.0, 14.0), period=(0.5, 0.75), counts=(2, 3)),
    "shake": Swing(axis="yaw", amp=(9.0, 16.0), period=(0.55, 0.8), counts=(2, 3), both=True),
    "turn": Aim(yaw=(17, 34), pitch=(-2, 2), roll=(-3, 4)),
    "look_up": Aim(pitch=(-22, -12), lead=0.7),
    "look_down": Aim(pitch=(12, 22), lead=0.6, lids=0.25),
    "look_up_side": Aim(yaw=(14, 26), pitch=(-19, -11), roll=(-2, 4), lead=0.7),
    "look_down_side": Aim(yaw=(14, 26), pitch=(11, 19), roll=(-2, 4), lids=0.2),
    "tilt": Aim(roll=(11, 20), yaw=(-2, 4), pitch=(-1, 3), lead=0.0),
    "blink": _blinks,
    "wink": _wink,
    "close_eyes": _close_eyes,
    "still": _still,
    "glance": partial(_eyes_only, yaw=(14, 24), pitch=(-3, 3)),
    "glance_up": partial(_eyes_only, yaw=(-4, 4), pitch=(-20, -13)),
    "glance_down": partial(_eyes_only, yaw=(-4, 4), pitch=(13, 20)),
    "gaze": partial(_eyes_only, yaw=(14, 24), pitch=(-3, 3), brief=False),
    "roll_eyes": _roll_eyes,
    "lean_in": Aim(z=(38, 70), pitch=(2, 7), reach=(0.6, 1.0), lead=0.0),
    "lean_away": Aim(z=(-65, -36), pitch=(-6, -2), reach=(0.6, 1.0), lead=0.0),
    "circle": _circle,
    "sway": _sway,
    "tilt_both": Swing(axis="roll", amp=(9.0, 15.0), period=(0.9, 1.3), counts=(2, 3), both=True),
    "look_around": _look_around,
    "startle": _startle,
    "doze": _doze,
    "chin_up": _chin_up_gaze,
    "bow": Swing(axis="pitch", amp=(20, 30), period=(1.5, 2.1), counts=(1, 1), vor=-0.2, faint=0.05),
    "bob": Swing(axis="pitch", amp=(5.0, 9.0), period=(0.45, 0.6), counts=(5, 9), vor=0.7),
    "tremble": _tremble,
    "peer": Aim(z=(30, 55), pitch=(-7, -2), reach=(0.5, 0.9), lead=0.0),
    "double_take": _double_take,
    "flutter": _flutter,
    "ponder": Aim(yaw=(7, 15), pitch=(-13, -8), roll=(2, 7), lead=1.0),
    "listen": Aim(yaw=(6, 12), pitch=(0, 3), roll=(6, 11), lead=-0.5),
    "look_ahead": _still,
    "idle": _still,
    "unknown": _still,
}
SIDED = ("turn", "look_up_side", "look_down_side", "tilt", "wink", "glance", "gaze")
COUNTED = (
    "nod",
    "shake",
    "blink",
    "wink",
    "glance",
    "glance_up",
    "glance_down",
    "roll_eyes",
    "circle",
    "tilt_both",
    "bow",
)
POSES = (
    "turn",
    "look_up",
    "look_down",
    "look_up_side",
    "look_down_side",
    "tilt",
    "gaze",
    "lean_in",
    "lean_away",
    "chin_up",
    "peer",
    "ponder",
    "listen",
    "close_eyes",
    "doze",
    "sway",
    "tremble",
)
LIDDED = ("blink", "wink", "close_eyes", "flutter", "doze")  # what says itself how the lids move
