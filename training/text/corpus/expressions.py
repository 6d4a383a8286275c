"""Expressions: which axes of the face make each, how it comes, lives and goes, and what the lids do with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator

from .beat import LEFT, RIGHT
from .kinematics import drift, lid_closure, onset_hold, reaches
from .take import Take


@dataclass(frozen=True)
class FaceBeat:
    """One expression of a script: which, how strong, and between which seconds of the clip."""

    name: str
    start: float = 0.0  # s
    stop: float = 4.0  # s
    size: float = 1.0  # times the usual strength
    tempo: float = 1.0  # times the usual time it takes to come
    side: int = 0  # LEFT, RIGHT or 0
    stays: bool = True  # still there when its time ends


@dataclass(frozen=True)
class Expression:
    """What an expression is made of: ARKit's names (both of a pair by the name without its side) at full strength."""

    axes: Mapping[str, float]
    lids: float = 0.0  # how far shut
    head: Mapping[str, float] = field(default_factory=dict)  # what the head does with it: degrees, mm
    life: str = "hold"  # or: event, laugh, talk, chew, cry, yawn, sigh
    lean: float = 0.0  # how one-sided, 0..1
    peak: float = 0.0  # s that an event lasts at its height


def _axes(**axes: float) -> Mapping[str, float]:
    return axes


EXPRESSIONS: dict[str, Expression] = {
    "neutral": Expression({}),
    "happy": Expression(_axes(mouthSmile=0.62, cheekSquint=0.35, eyeSquint=0.12, mouthDimple=0.1)),
    "sad": Expression(_axes(mouthFrown=0.62, browInnerUp=0.6, mouthShrugLower=0.25, browDown=0.1), 0.16, {"pitch": 4}),
    "angry": Expression(
        _axes(browDown=0.85, mouthPress=0.4, noseSneer=0.35, eyeSquint=0.35, mouthFrown=0.3, jawForward=0.15)
    ),
    "surprised": Expression(_axes(browInnerUp=0.7, browOuterUp=0.75, eyeWide=0.75, jawOpen=0.5, mouthFunnel=0.12)),
    "afraid": Expression(
        _axes(browInnerUp=0.85, browDown=0.15, browOuterUp=0.35, eyeWide=0.8, mouthStretch=0.6, jawOpen=0.26),
        0,
        {"z": -8},
    ),
    "disgusted": Expression(
        _axes(noseSneer=0.8, mouthUpperUp=0.5, browDown=0.45, mouthFrown=0.35, eyeSquint=0.35), 0.1, {"z": -5}
    ),
    "laugh": Expression(
        _axes(mouthSmile=0.8, cheekSquint=0.6, eyeSquint=0.4, jawOpen=0.55, mouthUpperUp=0.25, mouthLowerDown=0.2),
        0.15,
        {"pitch": -5},
        "laugh",
    ),
    "amused": Expression(
        _axes(mouthSmile=0.45, cheekSquint=0.3, mouthDimple=0.25, browOuterUp=0.15, eyeSquint=0.15), lean=0.3
    ),
    "excited": Expression(
        _axes(mouthSmile=0.75, eyeWide=0.4, browOuterUp=0.5, browInnerUp=0.4, jawOpen=0.28, cheekSquint=0.3)
    ),
    "grin": Expression(_axes(mouthSmile=0.85, mouthUpperUp=0.3, mouthLowerDown=0.25, cheekSquint=0.5, jawOpen=0.06)),
    "smirk": Expression(_axes(mouthSmile=0.6, mouthDimple=0.35, eyeSquint=0.15), lean=0.95),
    "bored": Expression(_axes(mouthFrown=0.22, mouthShrugLower=0.2, browDown=0.1), 0.4, {"pitch": 3}),
    "tired": Expression(_axes(mouthFrown=0.2, browInnerUp=0.2, jawOpen=0.06), 0.5, {"pitch": 5}),
    "yawn": Expression(
        _axes(jawOpen=1.0, mouthFunnel=0.25, browInnerUp=0.4, noseSneer=0.25, cheekSquint=0.2),
        0.95,
        {"pitch": -6},
        "yawn",
    ),
    "confused": Expression(
        _axes(
            browDownLeft=0.6,
            browInnerUp=0.3,
            browOuterUpRight=0.5,
            eyeSquint=0.25,
            mouthShrugUpper=0.2,
            mouthPucker=0.1,
        ),
        0,
        {"roll": 4},
    ),
    "skeptical": Expression(
        _axes(browOuterUpLeft=0.95, browInnerUp=0.2, browDownRight=0.5, mouthRight=0.25, mouthPress=0.25), 0.08
    ),
    "disbelief": Expression(
        _axes(browInnerUp=0.55, browOuterUp=0.6, eyeWide=0.35, jawOpen=0.24, mouthFrown=0.2), 0, {"z": -6}
    ),
    "worried": Expression(_axes(browInnerUp=0.8, browDown=0.2, mouthPress=0.35, mouthFrown=0.3, mouthStretch=0.15)),
    "embarrassed": Expression(
        _axes(mouthSmile=0.3, mouthPress=0.35, browInnerUp=0.35, cheekSquint=0.2), 0.25, {"pitch": 6}
    ),
    "proud": Expression(_axes(mouthSmile=0.35, mouthPress=0.2, browOuterUp=0.15), 0.18, {"pitch": -5}),
    "pain": Expression(
        _axes(
            browDown=0.7,
            browInnerUp=0.35,
            eyeSquint=0.8,
            cheekSquint=0.6,
            mouthStretch=0.55,
            mouthUpperUp=0.35,
            jawOpen=0.14,
            noseSneer=0.4,
        ),
        0.55,
    ),
    "cry": Expression(
        _axes(browInnerUp=0.9, mouthFrown=0.75, mouthStretch=0.35, eyeSquint=0.5, jawOpen=0.2, mouthLowerDown=0.25),
        0.4,
        {"pitch": 6},
        "cry",
    ),
    "pout": Expression(_axes(mouthShrugLower=0.75, mouthPucker=0.4, mouthFrown=0.3, browDown=0.25)),
    "kiss": Expression(_axes(mouthPucker=1.0, mouthFunnel=0.25), 0.2, {}, "event", peak=0.5),
    "puff": Expression(_axes(cheekPuff=1.0, mouthPress=0.35, mouthPucker=0.2), life="event", peak=1.1),
    "tongue": Expression(_axes(tongueOut=1.0, jawOpen=0.35, mouthLowerDown=0.2), life="event", peak=0.9),
    "bite_lip": Expression(_axes(mouthRollLower=0.9, jawOpen=0.06, mouthUpperUp=0.2)),
    "press_lips": Expression(_axes(mouthPress=0.85, mouthRollLower=0.35, mouthRollUpper=0.35)),
    "chew": Expression(_axes(mouthPress=0.2), life="chew"),
    "talk": Expression({}, life="talk"),
    "shout": Expression(
        _axes(jawOpen=0.85, browDown=0.55, mouthStretch=0.35, mouthUpperUp=0.35, mouthLowerDown=0.4, noseSneer=0.4),
        0,
        {"z": 8},
    ),
    "gasp": Expression(
        _axes(jawOpen=0.62, browInnerUp=0.6, browOuterUp=0.6, eyeWide=0.7, mouthFunnel=0.15),
        0,
        {"z": -8, "y": 4},
        "event",
        peak=0.9,
    ),
    "open_mouth": Expression(_axes(jawOpen=0.62)),
    "sigh": Expression(
        _axes(cheekPuff=0.45, mouthPucker=0.3, mouthFunnel=0.25, jawOpen=0.1, browInnerUp=0.2),
        0.6,
        {"pitch": 5, "y": -4},
        "event",
        peak=0.5,
    ),
    "determined": Expression(_axes(browDown=0.45, mouthPress=0.5, eyeSquint=0.2, jawForward=0.2)),
    "concentrate": Expression(_axes(browDown=0.55, eyeSquint=0.5, mouthRollLower=0.3, mouthPress=0.25), 0.08, {"z": 6}),
    "suspicious": Expression(_axes(browDown=0.5, eyeSquint=0.75, mouthPress=0.4, mouthLeft=0.15), 0.22),
    "disappointed": Expression(
        _axes(mouthFrown=0.5, mouthPress=0.4, browInnerUp=0.45, mouthShrugLower=0.2), 0.15, {"pitch": 4}
    ),
    "dreamy": Expression(_axes(mouthSmile=0.35, browInnerUp=0.25, cheekSquint=0.15), 0.4, {"roll": 4}),
    "grimace": Expression(
        _axes(mouthStretch=0.85, mouthLowerDown=0.5, mouthUpperUp=0.4, jawOpen=0.08, eyeSquint=0.35, browInnerUp=0.2)
    ),
    "sneer": Expression(_axes(mouthUpperUp=0.75, noseSneer=0.8, browDown=0.3, eyeSquint=0.25), lean=0.85),
    "brows_up": Expression(_axes(browInnerUp=0.75, browOuterUp=0.85, eyeWide=0.2)),
    "frown": Expression(_axes(browDown=0.85, browInnerUp=0.1, eyeSquint=0.2)),
    "squint": Expression(_axes(eyeSquint=0.95, cheekSquint=0.45, browDown=0.25), 0.4),
    "wide_eyes": Expression(_axes(eyeWide=1.0, browOuterUp=0.3, browInnerUp=0.2)),
    "whistle": Expression(_axes(mouthPucker=0.85, mouthFunnel=0.5, jawOpen=0.05)),
}
EVENTS = tuple(name for name, expression in EXPRESSIONS.items() if expression.life in ("event", "yawn"))
SIDED_EXPRESSIONS = ("smirk", "sneer")


def perform_face(take: Take, face: FaceBeat, rng: Generator, sudden: bool = False) -> None:
    """Adds one expression to a take, never twice alike: strength, balance, timing and liveliness vary."""
    expression = EXPRESSIONS[face.name]
    times = take.times
    envelope = _envelope(times, face, expression, rng, sudden)
    lively = envelope * (1.0 + 0.07 * drift(rng, take.frames, take.fps, [(0.1, 1.2, 1.0)]))
    lean = (face.side or rng.choice([LEFT, RIGHT])) * expression.lean * rng.uniform(0.85, 1.05) + rng.normal(0, 0.06)
    flip = not face.side and expression.lean == 0 and rng.random() < 0.5  # a raised brow is either one
    jaw = np.ones_like(times)
    if expression.life in LIVES:
        lively, jaw = LIVES[expression.life](take, face, lively, rng)
    for name, full in expression.axes.items():
        shape = lively * jaw if name == "jawOpen" else lively
        take.add_face(
            _other_side(name) if flip else name, full * rng.uniform(0.88, 1.12) * shape, float(np.clip(lean, -1, 1))
        )
    for name, full in expression.head.items():
        take.add(
            name, full * rng.uniform(0.4, 1.2) * face.size * envelope * (rng.choice([-1, 1]) if name == "roll" else 1)
        )
    if expression.lids:
        take.blink(np.clip(expression.lids * rng.uniform(0.85, 1.1) * lively, 0, 1))


def _envelope(times: np.ndarray, face: FaceBeat, expression: Expression, rng: Generator, sudden: bool) -> np.ndarray:
    """How strong an expression is [T]: it comes, is held or passes, and goes unless it stays."""
    quick = 0.4 if sudden else 1.0
    onset = min(rng.uniform(0.3, 0.6) * face.tempo * quick, 0.5 * (face.stop - face.start))
    start = face.start + rng.uniform(0.0, 0.12)
    size = face.size * rng.uniform(0.9, 1.12)
    if expression.life == "event":
        lasts = min(expression.peak * rng.uniform(0.8, 1.3) * face.tempo + 2 * onset, face.stop - start)
        start += rng.uniform(0, min(0.4 * max(face.stop - start - lasts, 0), 0.8))
        return onset_hold(times, start, onset, start + lasts, 1.1 * onset, size)
    if expression.life == "yawn":
        lasts = min(rng.uniform(2.2, 3.2) * face.tempo, face.stop - start)
        keys = [
            (start, 0.0),
            (start + 0.38 * lasts, 0.9),
            (start + 0.55 * lasts, 1.0),
            (start + 0.68 * lasts, 0.95),
            (start + lasts, 0.0),
        ]
        return size * reaches(times, keys)
    stop = times[-1] + 9.0 if face.stays else face.stop
    offset = min(rng.uniform(0.4, 0.8), 0.4 * (face.stop - face.start))
    bump = rng.uniform(0.0, 0.12) * reaches(
        times, [(start + onset * 0.6, 0), (start + onset, 1), (start + 2.5 * onset, 0)]
    )
    return onset_hold(times, start, onset, stop, offset, size) + size * bump


def _laugh(take: Take, face: FaceBeat, envelope: np.ndarray, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Bursts of about five a second that shake jaw, head and shoulders."""
    hertz = rng.uniform(4.2, 5.4)
    burst = 0.5 + 0.5 * np.sin(2 * np.pi * hertz * take.times + rng.uniform(0, 6.28))
    swell = np.clip(0.6 + 0.5 * drift(rng, take.frames, take.fps, [(0.2, 0.9, 1.0)]), 0.15, 1.2)
    take.add("pitch", 1.6 * face.size * envelope * swell * (burst - 0.5))
    take.add("y", 2.0 * envelope * swell * (burst - 0.5))
    return envelope * (1.0 + 0.06 * swell * (burst - 0.5)), 0.55 + swell * (0.3 + 0.25 * burst)


def _talk(take: Take, face: FaceBeat, envelope: np.ndarray, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Syllables, four to six a second, in phrases with pauses; lips round and spread by turns; the head goes along."""
    phrase = np.clip(1.2 + 1.3 * drift(rng, take.frames, take.fps, [(0.15, 0.6, 1.0)]), 0, 1)
    rate = np.cumsum(rng.uniform(4.0, 5.6) + 1.2 * drift(rng, take.frames, take.fps, [(0.3, 2.0, 1.0)])) / take.fps
    syllable = 0.5 - 0.5 * np.cos(2 * np.pi * rate)
    strength = np.clip(0.75 + 0.4 * drift(rng, take.frames, take.fps, [(1.0, 4.0, 1.0)]), 0.1, 1.5)
    open_ = envelope * phrase * syllable * strength
    take.add("jawOpen", 0.36 * face.size * open_)
    shape = drift(rng, take.frames, take.fps, [(0.8, 3.5, 1.0)]) * envelope * phrase
    take.add("mouthFunnel", 0.3 * np.clip(shape, 0, 1))
    take.add("mouthPucker", 0.2 * np.clip(shape - 0.2, 0, 1))
    take.add_face("mouthStretch", 0.22 * np.clip(-shape, 0, 1))
    take.add_face("mouthLowerDown", 0.3 * open_)
    take.add_face("mouthUpperUp", 0.12 * open_)
    take.add("browInnerUp", 0.3 * envelope * np.clip(drift(rng, take.frames, take.fps, [(0.2, 0.9, 1.0)]) - 0.4, 0, 1))
    take.add("pitch", 1.4 * envelope * phrase * drift(rng, take.frames, take.fps, [(0.4, 2.2, 1.0)]))
    return envelope, np.ones_like(envelope)


def _chew(take: Take, face: FaceBeat, envelope: np.ndarray, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """The jaw goes round behind closed lips, a bit more than once a second."""
    phase = 2 * np.pi * rng.uniform(1.1, 1.6) * take.times / max(face.tempo, 0.7)
    take.add("jawOpen", 0.2 * envelope * (0.5 - 0.5 * np.cos(phase)))
    take.add("mouthClose", 0.14 * envelope * (0.5 - 0.5 * np.cos(phase)))
    take.add("jawLeft", 0.3 * envelope * np.sin(phase) * rng.choice([-1, 1]))
    return envelope, np.ones_like(envelope)


def _cry(take: Take, face: FaceBeat, envelope: np.ndarray, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Sobs: the whole face pulses, the chin quivers, breath catches."""
    sob = np.clip(drift(rng, take.frames, take.fps, [(0.7, 1.6, 1.0)]), 0, 1.5)
    take.add("mouthShrugLower", envelope * (0.3 + 0.12 * drift(rng, take.frames, take.fps, [(4.0, 7.0, 1.0)])))
    take.add("pitch", -1.5 * envelope * sob)
    return envelope * (0.9 + 0.12 * sob), 0.6 + 0.7 * sob


LIVES = {"laugh": _laugh, "talk": _talk, "chew": _chew, "cry": _cry}


def _other_side(name: str) -> str:
    if name.endswith("Left"):
        return name[:-4] + "Right"
    return name[:-5] + "Left" if name.endswith("Right") else name


def add_blink(take: Take, at: float, rng: Generator, slow: float = 1.0) -> None:
    """One spontaneous blink at `at` s: lids fall in about 0.09 s and rise in about twice that."""
    depth = float(np.clip(rng.normal(0.95, 0.06), 0.7, 1.0))
    take.blink(lid_closure(take.times, at, rng.uniform(0.07, 0.11) * slow, rng.uniform(0.13, 0.22) * slow, depth))
