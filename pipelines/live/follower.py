"""Tracking and posing in a process of its own, beside the one that draws.

Both are Python that calls many small operations: in one process they would wait for each other's interpreter lock, and
25 frames a second would become 20.
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
from ..request import Transfer


@dataclass(frozen=True)
class CapturedFrame:
    """A picture of the driver."""

    image: np.ndarray  # [H, W, 3] uint8 RGB
    at: float  # s on the session's clock, when it was there to be seen
    media: float = 0.0  # s into the file or recording that it comes from
    tag: float = 0.0  # returned with the answer


@dataclass(frozen=True)
class VoiceFrame:
    """A frame of motion made from a voice; its rest is the neutral face."""

    motion: FlameSequence
    at: float
    media: float = 0.0
    tag: float = 0.0


@dataclass(frozen=True)
class MotionFrame:
    """A frame of a motion as it is, of a phone that tracks a face; its rest is that of the first second."""

    motion: FlameSequence | None  # None: no face is seen
    at: float
    media: float = 0.0
    tag: float = 0.0


Frame = CapturedFrame | VoiceFrame | MotionFrame


@dataclass(frozen=True)
class PosedFrame:
    """The portrait's pose for what was captured, and what is known of the driver."""

    pose: FlameSequence  # one frame
    found: bool  # a face was seen, or a voice heard
    calibrated: bool  # the driver's rest is known


class Follower:
    """Turns frames of a driver into poses of the portrait."""

    def __init__(self, source: FlameSequence, fps: float, picture: np.ndarray | None = None) -> None:
        """source: the portrait's own pose, one frame; fps: about how often pictures come.

        picture [H, W, 3] uint8: any face, with which everything is loaded and compiled before the first frame comes.
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
        self.tracker = CausalTracker(head, detector, fps=fps, in_background=True)
        self.poser = Poser(source)
        self._neutral: FlameSequence | None = None
        self._rest: FlameSequence | None = None  # of the motion that drives: the same object as long as it stays
        self._resting: list[MotionFrame] = []  # from which it is learned

    def pose(self, frame: Frame) -> PosedFrame:
        """The portrait's pose for the driver's next frame."""
        if isinstance(frame, MotionFrame):
            if frame.motion is not None and self._rest is None:
                self._learn_rest(frame)
            found = frame.motion is not None
            pose = self.poser(frame.motion, self._rest, frame.at, found=found, recorded=False)
            return PosedFrame(pose, found, self._rest is not None)
        if isinstance(frame, VoiceFrame):
            if self._neutral is None:
                self._neutral = FlameSequence.neutral(1, frame.motion.fps, frame.motion.head)
            return PosedFrame(self.poser(frame.motion, self._neutral, frame.at, speaks=True), True, True)
        seen = self.tracker.feed(frame.image, frame.at)
        pose = self.poser(seen.motion, seen.rest, frame.at, found=seen.found)
        return PosedFrame(pose, seen.found, self.tracker.calibrated)

    def _learn_rest(self, frame: MotionFrame) -> None:
        """The rest of a motion that comes frame by frame, known after as long as a face in pictures takes."""
        from ...flame_motion.retargeting.rest import rest_of
        from ...flame_motion.tracking.causal import CALIBRATION, MIN_FRAMES

        self._resting.append(frame)
        if len(self._resting) >= MIN_FRAMES and frame.at - self._resting[0].at >= CALIBRATION:
            self._rest = rest_of(
                FlameSequence.concatenate([each.motion for each in self._resting if each.motion is not None], 0)
            )
            self._resting = []

    def calibrate(self) -> None:
        """Take the driver's rest anew."""
        self.tracker.calibrate()
        self._rest, self._resting = None, []


class FollowerProcess:
    """A `Follower` in a process of its own. Used from one thread."""

    def __init__(self, head: str) -> None:
        """Starts the process, which loads the head. head: name or file, as for `load_head`."""
        self._here, there = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=_serve, args=(there, head), name="follower", daemon=True)
        self._process.start()
        there.close()

    def start(self, source: FlameSequence, fps: float, picture: np.ndarray | None = None) -> None:
        """Prepares it for a portrait of that pose, see `Follower`; returns when it is ready."""
        self._call("start", source, fps, picture)

    def pose(self, frame: Frame) -> PosedFrame:
        """See `Follower.pose`."""
        answer: PosedFrame = self._call("pose", frame)
        return answer

    def calibrate(self) -> None:
        """Take the driver's rest pose anew."""
        self._call("calibrate")

    def set_strength(self, strength: float) -> None:
        """How far the portrait goes with the driver from now on."""
        self._call("set_strength", strength)

    def close(self) -> None:
        """Ends the process, which has nothing to keep, whatever it is at."""
        self._process.kill()
        self._process.join()
        self._here.close()

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
    """Runs in the process: answers calls until the pipe is closed."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the parent process
    from ...core.memory import give_memory_back
    from ...flame_motion import load_head

    give_memory_back()
    load_head(head)
    torch.inference_mode().__enter__()  # for good: nothing here wants gradients, and each small operation is shorter
    follower: Follower | None = None
    while True:
        try:
            what, *given = pickle.loads(there.recv_bytes())
        except (EOFError, OSError):
            return
        answer: Any = None
        try:
            if what == "start":
                follower = Follower(*given)
            elif follower is not None and what == "pose":
                answer = follower.pose(*given)
            elif follower is not None and what == "calibrate":
                follower.calibrate()
            elif follower is not None and what == "set_strength":
                follower.poser.transfer = Transfer(strength=given[0])
        except Exception as error:  # raised in the process that asked
            answer = error
        there.send_bytes(_packed(answer))


def _packed(value: Any) -> bytes:
    """Pickled, as plain bytes: the pickler of `Connection.send` would share each tensor through a file."""
    return pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
