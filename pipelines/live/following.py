"""Tracking and posing in a process of its own, beside the one that draws.

Both are Python that calls many small operations: in one process they wait for each other's interpreter lock, and 25
frames a second become 20.
"""

from __future__ import annotations

import multiprocessing
import pickle
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch

from ...flame_motion import FlameSequence

GOING = 5.0  # s that the process may take to end


@dataclass(frozen=True)
class Captured:
    """A picture of the driver."""

    image: np.ndarray  # [H, W, 3] uint8 RGB
    at: float  # s on the session's clock, when it was there to be seen
    media: float = 0.0  # s into the file or recording that it comes from
    tag: float = 0.0  # whatever its sender wants back with the answer


@dataclass(frozen=True)
class Spoken:
    """A frame of motion that a voice gave; its rest is the neutral face."""

    motion: FlameSequence
    at: float
    media: float = 0.0
    tag: float = 0.0


@dataclass(frozen=True)
class Posed:
    """The portrait's pose for what was captured, and what is known of the driver."""

    pose: FlameSequence  # one frame
    found: bool  # a face was seen, or a voice heard
    calibrated: bool  # the driver's rest is known


class Following:
    """From what a driver does to the portrait's pose."""

    def __init__(self, source: FlameSequence, fps: float, picture: np.ndarray | None = None) -> None:
        """source: the portrait's own pose, one frame; fps: about how often pictures come.

        picture [H, W, 3] uint8: of any face; what the first pictures would wait for is loaded and compiled with it.
        """
        from ...flame_motion.retargeting.retarget import head_of
        from ...flame_motion.tracking.causal import CALIBRATION, CausalTracker
        from ...flame_motion.tracking.detector import MediaPipeDetector
        from .posing import Poser

        head, detector = head_of(source), MediaPipeDetector()
        if picture is not None:
            warm, pose = CausalTracker(head, detector, fps=fps), Poser(source)
            for number in range(round(CALIBRATION * fps) + 2):  # until it is calibrated, which is compiled code, too
                seen = warm.feed(picture, number / fps)
                pose(seen.motion, seen.rest, number / fps)
        self.tracker = CausalTracker(head, detector, fps=fps, beside=True)
        self.poser = Poser(source)
        self._neutral: FlameSequence | None = None

    def pose(self, thing: Captured | Spoken) -> Posed:
        """The pose for the next of the driver."""
        if isinstance(thing, Spoken):
            if self._neutral is None:
                self._neutral = FlameSequence.neutral(1, thing.motion.fps, thing.motion.head)
            return Posed(self.poser(thing.motion, self._neutral, thing.at, speaks=True), True, True)
        seen = self.tracker.feed(thing.image, thing.at)
        pose = self.poser(seen.motion, seen.rest, thing.at, found=seen.found)
        return Posed(pose, seen.found, self.tracker.calibrated)


class FollowingProcess:
    """`Following` in another process: `start` it, `ask` it, `close` it. Asked from one thread."""

    def __init__(self, head: str) -> None:
        """Begins to load what it needs. head: name or file, as for `load_head`."""
        self._here, there = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=_serve, args=(there, head), name="following", daemon=True)
        self._process.start()
        there.close()

    def start(self, source: FlameSequence, fps: float, picture: np.ndarray | None = None) -> None:
        """Makes it ready for a portrait of that pose, see `Following`; returns when it is."""
        self._call("start", source, fps, picture)

    def ask(self, thing: Captured | Spoken) -> Posed:
        """See `Following.pose`."""
        answer: Posed = self._call("pose", thing)
        return answer

    def calibrate(self) -> None:
        """Take the driver's rest anew."""
        self._call("calibrate")

    def strengthen(self, strength: float) -> None:
        """How far the portrait goes with the driver from now on."""
        self._call("strengthen", strength)

    def close(self) -> None:
        """Ends the process."""
        self._here.close()
        self._process.join(GOING)
        self._process.kill()

    def _call(self, what: str, *given: Any) -> Any:
        try:
            self._here.send_bytes(_packed((what, *given)))
            answer = pickle.loads(self._here.recv_bytes())  # from our own child
        except (EOFError, OSError):
            raise RuntimeError("the process that follows the driver has died: start flamecast live again") from None
        if isinstance(answer, BaseException):
            raise answer
        return answer


def _serve(there: Connection, head: str) -> None:
    """The process: answers until nobody asks any more."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the process that asks
    from ...flame_motion import load_head

    load_head(head)
    torch.inference_mode().__enter__()  # for good: nothing here wants gradients, and each small operation is shorter
    following: Following | None = None
    while True:
        try:
            what, *given = pickle.loads(there.recv_bytes())
        except (EOFError, OSError):
            return
        answer: Any = None
        try:
            if what == "start":
                following = Following(*given)
            elif following is not None and what == "pose":
                answer = following.pose(*given)
            elif following is not None and what == "calibrate":
                following.tracker.calibrate()
            elif following is not None and what == "strengthen":
                following.poser.strength = given[0]
        except Exception as error:
            answer = error
        there.send_bytes(_packed(answer))


def _packed(thing: Any) -> bytes:
    """Plain bytes: the pickler of `Connection.send` would share each tensor through a file."""
    return pickle.dumps(thing, protocol=pickle.HIGHEST_PROTOCOL)
