"""The idle driver: somebody who waits or listens, with the statistics of people and out of no clip."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.random import Generator

from ...flame_motion import Driven, FlameSequence, Progress, load_head
from .body import DEGREES, MILLIMETRES, breath, nods, posture, settled
from .curves import bumps, moments, reaches, smooth_noise
from .eyes import LID_A_DEGREE, blinks_of, closure, gaze_of, with_head
from .listening import nod_times, pauses
from .signal import IdleSignal

FPS = 25.0
PAIRED = ("browOuterUp", "mouthSmile", "mouthPress")


class IdleDriver:
    """Blinks, glances, breath, slow shifts of posture; and nods at the pauses of a recording that it listens to.

    Everything is drawn anew from the seed, strays about the portrait's own pose and comes back: no loop, no drift.
    """

    def __init__(self) -> None:
        self.head = load_head("open")

    open = staticmethod(IdleSignal.open)  # the signal that `--signal TEXT` stands for

    def __call__(
        self, signal: IdleSignal | float, *, seed: int = 0, progress: Progress | None = None
    ) -> Driven:  # fmt: skip
        """round(duration * 25) frames (at least one), with the sound that is listened to. BadInput for over an hour."""
        given = signal if isinstance(signal, IdleSignal) else IdleSignal(signal)
        frames, rng = max(1, round(given.duration * FPS)), np.random.default_rng([seed, 5])
        recording = None if given.recording is None else given.recording.sound
        stops = [] if recording is None else pauses(recording)
        nodding = [] if recording is None else nod_times(rng, recording, stops)
        times = np.arange(frames) / FPS
        gaze = gaze_of(rng, given.duration, recording is not None)
        blinks = blinks_of(rng, given.duration, gaze.wide, stops)
        body, deep = posture(rng, times, FPS), breath(rng, times)
        body["pitch"] += reaches(times, gaze.head_pitch) - DEGREES * deep
        body["yaw"] += reaches(times, gaze.head_yaw)
        body["y"] += MILLIMETRES * deep
        body = {name: settled(track, FPS) for name, track in body.items()}
        body["pitch"] += nods(rng, times, nodding)
        head = np.stack([body[name] for name in ("pitch", "yaw", "roll")], 1)
        eyes = with_head(gaze, times, head[:, [1, 0]])
        lids = closure(times, FPS, blinks)
        down = (LID_A_DEGREE * eyes[:, 1].clip(min=0)).clip(max=0.4)
        face = self._face(rng, times, nodding)
        if progress is not None:
            progress("idle", frames, frames)
        turned = np.radians(np.stack([eyes[:, 1], eyes[:, 0], np.zeros(frames)], 1))
        motion = replace(
            FlameSequence.neutral(frames, FPS, self.head), expression=face,
            neck=_tensor(np.radians(head)), eyes=_tensor(turned)[:, None].repeat(1, 2, 1),
            translation=_tensor(np.stack([body[name] for name in "xyz"], 1) / 1000),
            eyelids=_tensor(lids + (1 - lids) * down)[:, None].repeat(1, 2),
        )  # fmt: skip
        facts = {
            "seconds": round(given.duration, 3), "listens": recording is not None, "blinks": len(blinks),
            "glances": gaze.glances, "pauses": len(stops), "nods": len(nodding),
        }  # fmt: skip
        notes = [] if given.recording is None else list(given.recording.problems)
        sound = None if given.recording is None else given.recording.path or given.recording.sound
        return Driven(motion, facts, sound, notes, rest=FlameSequence.neutral(1, FPS, self.head))

    def _face(self, rng: Generator, times: np.ndarray, nodding: list[float]) -> torch.Tensor:
        """Expression [T, E]: brows lifted now and then, lips pressed or wetted, a smile that comes and goes."""
        seconds = float(times[-1])
        brows = [
            (at, 0.25, rng.uniform(0.2, 0.7), 0.5, rng.uniform(0.1, 0.25)) for at in moments(rng, seconds, 11, 0.6, 3)
        ]
        press = [
            (at, 0.25, rng.uniform(0.1, 0.4), 0.35, rng.uniform(0.15, 0.35)) for at in moments(rng, seconds, 22, 0.5, 6)
        ]
        smile = 0.06 * smooth_noise(rng, len(times), FPS, 1.5).clip(0)
        agree = [at for at in nodding if rng.random() < 0.45]
        smile += bumps(times, [(at, 0.4, 0.5, 0.9, rng.uniform(0.1, 0.28)) for at in agree])
        lift = bumps(times, sorted(brows)) + bumps(
            times, [(at, 0.2, 0.15, 0.4, rng.uniform(0.1, 0.2)) for at in nodding if rng.random() < 0.3]
        )
        tracks = {
            "browInnerUp": 0.8 * lift,
            "browOuterUp": lift,
            "mouthSmile": smile,
            "mouthPress": bumps(times, press),
        }
        names, face = self.head.expression_names, torch.zeros(len(times), self.head.expression.shape[-1])
        for name, track in tracks.items():
            for axis in (f"{name}Left", f"{name}Right") if name in PAIRED else (name,):
                face[:, names.index(axis)] = _tensor(settled(track, FPS))
        return face


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).float()
