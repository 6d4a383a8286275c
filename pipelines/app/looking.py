"""The first look at a job's photo, while its request waits for an answer: in a process of its own, within a bound."""

from __future__ import annotations

import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

from ...core.errors import BadInput
from .job_request import JobRequest
from .results import with_shown_names
from .worker import settle
from .worker_process import Target, WorkerProcess

WITHIN = 8.0  # s that a request waits for it; a photo that takes longer is accepted, and its job says what is wrong


def look(channel: Connection, _: Path | None) -> None:
    """The process: receives (photo, face), sends ('looked', what is wrong with it or None); until the pipe ends."""
    settle()
    from ...flame_motion import BadInput
    from ...flame_motion.tracking.detector import MediaPipeDetector
    from ..fit import look_at

    detector = MediaPipeDetector()
    channel.send(("ready", None))
    while True:
        try:
            photo, face = channel.recv()
        except (EOFError, OSError, ValueError):  # the server is gone, or says STOP
            return
        refusal = None
        try:
            look_at(photo, face, lambda: detector)
        except BadInput as error:
            refusal = str(error)
        channel.send(("looked", refusal))


class PhotoLooker:
    """Looks at photos, one at a time, in a process that is started anew where it dies or takes too long."""

    def __init__(self, target: Target = look, within: float = WITHIN) -> None:
        self._target, self._within = target, within
        self._one = threading.Lock()
        self._process: WorkerProcess | None = None
        self._closed = False

    def start(self) -> None:
        """Starts the process; `close` ends it."""
        self._process = WorkerProcess.start(self._target, None)

    def close(self) -> None:
        """Ends the process."""
        self._closed = True
        if self._process is not None:
            self._process.kill()

    def check(self, request: JobRequest) -> None:
        """BadInput where a request's photo was found within the bound not to show the face that is asked for."""
        photo, face = request.animate.photo, request.animate.face
        if not isinstance(photo, Path) or request.redraw is not None:
            return
        end = time.monotonic() + self._within
        if not self._one.acquire(timeout=self._within):
            return
        try:
            sentence = self._answer(photo, face, end)
        finally:
            self._one.release()
        if sentence is not None:
            raise BadInput(with_shown_names(sentence, request.names))

    def _answer(self, photo: Path, face: int, end: float) -> str | None:
        """What is wrong with a photo; None where nothing is, or where that is not known by `end`."""
        process = self._process
        if process is None:
            return None
        left = lambda: max(0.0, end - time.monotonic())  # noqa: E731
        try:
            if not process.ready:
                if not process.channel.poll(left()):
                    return None  # it still loads
                process.ready = process.channel.recv()[0] == "ready"
            process.channel.send((photo, face))
            if process.channel.poll(left()):
                return process.channel.recv()[1]
        except (EOFError, OSError):
            pass  # it died at this photo; the job will say what is wrong
        process.kill()  # dead, or at a photo that takes too long, whose answer the next request must not get
        if not self._closed:
            self.start()
        return None
