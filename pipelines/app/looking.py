"""Photos are looked at in a process of its own: a job's while its request waits, and the page's to be brought to life.

Each within a bound; a photo at which the process dies or takes too long leaves a new process for the next.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

from ...core.errors import BadInput
from .job import OUR_FAULT
from .job_request import JobRequest
from .results import with_shown_names
from .worker import settle
from .worker_process import Target, WorkerProcess

WITHIN = 8.0  # s that a request waits for it; a photo that takes longer is accepted, and its job says what is wrong
ALIVE_WITHIN = 60.0  # s that a living portrait may take
TOO_LONG = "this photo could not be brought to life: it took too long, or is damaged"


def look(channel: Connection, warming: Path | None) -> None:
    """The process: receives (photo, face, where its living portrait is wanted or None), sends ('looked', what is wrong
    with it or None); until the pipe ends. warming: a folder for a first portrait, which compiles what is needed.
    """
    settle(waited_for=True)
    from ...flame_motion import BadInput
    from ...flame_motion.tracking.detector import MediaPipeDetector
    from ..fit import look_at
    from ..request import HEAD
    from .living import write_portrait

    detector = MediaPipeDetector()

    def bring_to_life(photo: Path | str, face: int, target: tuple[Path, Path]) -> None:
        portrait, folder = target
        folder.mkdir(parents=True, exist_ok=True)
        write_portrait(look_at(photo, face, lambda: detector, head=HEAD, cache=folder), portrait)

    if warming is not None:
        with contextlib.suppress(Exception), tempfile.TemporaryDirectory(dir=warming) as own:
            # What goes wrong here is met again, and said, by the first photo.
            bring_to_life("demo", 0, (Path(own) / "warm.portrait", Path(own) / "portraits"))
    channel.send(("ready", None))
    while True:
        try:
            photo, face, target = channel.recv()
        except (EOFError, OSError, ValueError):  # the server is gone, or says STOP
            return
        refusal = None
        try:
            if target is None:
                look_at(photo, face, lambda: detector)
            else:
                bring_to_life(photo, face, target)
        except BadInput as error:
            refusal = str(error)
        except Exception:  # a job of this photo will meet it, too, and log it
            refusal = OUR_FAULT if target is not None else None
        channel.send(("looked", refusal))


class PhotoLooker:
    """Looks at photos, one at a time, in a process that is started anew where it dies or takes too long."""

    def __init__(self, target: Target = look, within: float = WITHIN, warming: Path | None = None) -> None:
        """warming: a folder for the process's first portrait; None: it makes none."""
        self._target, self._within, self._warming = target, within, warming
        self._one = threading.Lock()
        self._process: WorkerProcess | None = None
        self._closed = False

    def start(self) -> None:
        """Starts the process; `close` ends it."""
        if self._warming is not None:
            self._warming.mkdir(parents=True, exist_ok=True)
        self._process = WorkerProcess.start(self._target, self._warming)

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
            sentence = self._answer((photo, face, None), end)
        finally:
            self._one.release()
        if sentence is not None:
            raise BadInput(with_shown_names(sentence, request.names))

    def is_ready(self) -> bool:
        """Whether the process has loaded what it needs, and compiled it."""
        if self._process is None or not self._one.acquire(blocking=False):
            return self._process is not None and self._process.ready
        try:
            if not self._process.was_ready() and not self._process.process.is_alive() and not self._closed:
                self.start()
            return self._process.ready
        finally:
            self._one.release()

    def bring_to_life(self, photo: Path, face: int, portrait: Path, kept: Path) -> None:
        """Writes the living portrait of a photo; its fit is kept in a folder. BadInput, also past a bound."""
        with self._one:
            sentence = self._answer((photo, face, (portrait, kept)), time.monotonic() + ALIVE_WITHIN)
        if sentence is None and not portrait.is_file():
            sentence = TOO_LONG
        if sentence is not None:
            raise BadInput(sentence)

    def _answer(self, asked: tuple[Path, int, tuple[Path, Path] | None], end: float) -> str | None:
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
            process.channel.send(asked)
            if process.channel.poll(left()):
                return process.channel.recv()[1]
        except (EOFError, OSError):
            pass  # it died at this photo; the job will say what is wrong
        process.kill()  # dead, or at a photo that takes too long, whose answer the next request must not get
        if not self._closed:
            self.start()
        return None
