"""The motions that can be said, by name: a motion is a call that adds one beat to a take."""

from __future__ import annotations

from numpy.random import Generator

from .beat import Beat, Perform
from .eye_motions import Glance, blinks, close_eyes, flutter, roll_eyes, wink
from .head_motions import (
    Aim,
    Swing,
    chin_up,
    circle,
    double_take,
    doze,
    look_around,
    startle,
    sway,
    tremble,
)  # fmt: skip
from .take import Take


def _still(take: Take, beat: Beat, rng: Generator) -> None:
    """Nothing: the idle motion is taken down instead (`idle.py`)."""


MOTIONS: dict[str, Perform] = {
    "nod": Swing(axis="pitch", amp=(8.0, 14.0), period=(0.5, 0.75), counts=(2, 3)),
    "shake": Swing(axis="yaw", amp=(9.0, 16.0), period=(0.55, 0.8), counts=(2, 3), both=True),
    "turn": Aim(yaw=(17, 34), pitch=(-2, 2), roll=(-3, 4)),
    "look_up": Aim(pitch=(-22, -12), lead=0.7),
    "look_down": Aim(pitch=(12, 22), lead=0.6, lids=0.25),
    "look_up_side": Aim(yaw=(14, 26), pitch=(-19, -11), roll=(-2, 4), lead=0.7),
    "look_down_side": Aim(yaw=(14, 26), pitch=(11, 19), roll=(-2, 4), lids=0.2),
    "tilt": Aim(roll=(11, 20), yaw=(-2, 4), pitch=(-1, 3), lead=0.0),
    "blink": blinks,
    "wink": wink,
    "close_eyes": close_eyes,
    "still": _still,
    "glance": Glance(yaw=(14, 24), pitch=(-3, 3)),
    "glance_up": Glance(yaw=(-4, 4), pitch=(-20, -13)),
    "glance_down": Glance(yaw=(-4, 4), pitch=(13, 20)),
    "gaze": Glance(yaw=(14, 24), pitch=(-3, 3), brief=False),
    "roll_eyes": roll_eyes,
    "lean_in": Aim(z=(38, 70), pitch=(2, 7), reach=(0.6, 1.0), lead=0.0),
    "lean_away": Aim(z=(-65, -36), pitch=(-6, -2), reach=(0.6, 1.0), lead=0.0),
    "circle": circle,
    "sway": sway,
    "tilt_both": Swing(axis="roll", amp=(9.0, 15.0), period=(0.9, 1.3), counts=(2, 3), both=True),
    "look_around": look_around,
    "startle": startle,
    "doze": doze,
    "chin_up": chin_up,
    "bow": Swing(axis="pitch", amp=(20, 30), period=(1.5, 2.1), counts=(1, 1), vor=-0.2, faint=0.05),
    "bob": Swing(axis="pitch", amp=(5.0, 9.0), period=(0.45, 0.6), counts=(5, 9), vor=0.7),
    "tremble": tremble,
    "peer": Aim(z=(30, 55), pitch=(-7, -2), reach=(0.5, 0.9), lead=0.0),
    "double_take": double_take,
    "flutter": flutter,
    "ponder": Aim(yaw=(7, 15), pitch=(-13, -8), roll=(2, 7), lead=1.0),
    "listen": Aim(yaw=(6, 12), pitch=(0, 3), roll=(6, 11), lead=-0.5),
    "look_ahead": _still,
    "idle": _still,
    "unknown": _still,
}
SIDED = ("turn", "look_up_side", "look_down_side", "tilt", "wink", "glance", "gaze")
COUNTED = (
    "nod", "shake", "blink", "wink", "glance", "glance_up", "glance_down", "roll_eyes", "circle", "tilt_both", "bow",
)  # fmt: skip
POSES = (
    "turn", "look_up", "look_down", "look_up_side", "look_down_side", "tilt", "gaze", "lean_in", "lean_away", "chin_up",
    "peer", "ponder", "listen", "close_eyes", "doze", "sway", "tremble",
)  # fmt: skip
LID_MOTIONS = ("blink", "wink", "close_eyes", "flutter", "doze")  # beside which nobody blinks by chance
