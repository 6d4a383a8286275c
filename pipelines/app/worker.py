"""The process that does the jobs: what crashes or runs away there takes no server along."""

from __future__ import annotations

import os
import sys
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

CANCEL, STOP = "cancel", "stop"
EVERY = 0.1  # s between two words about progress
LARGEST_FILE = 4 << 30  # bytes that a job may write into one file


class Cancelled(Exception):
    """The user does not want it any more."""


def work(channel: Connection, warming: Path | None) -> None:
    """Does jobs until told to stop: receives (ask, folder), sends (kind, content) pairs, the last of a job its end.

    warming: a folder for a first job that nobody waits for; none is done without.
    """
    _settle()
    from ...flame_motion import BadInput, MissingAsset
    from .making import Maker

    maker = Maker()
    if warming is not None:
        _warm(maker, warming)
    channel.send(("ready", None))
    while True:
        try:
            job = channel.recv()
        except (EOFError, OSError):  # the server is gone
            return
        if job == STOP:
            return
        if job == CANCEL:  # of a job that has just ended
            continue
        ask, folder = job
        try:
            answer: tuple[str, Any] = ("done", maker(ask, folder, _Told(channel)))
        except (BadInput, MissingAsset) as error:
            answer = ("failed", str(error))
        except Cancelled:
            answer = ("cancelled", None)
        except MemoryError:
            answer = ("failed", "the job needs more memory than there is: make it smaller or shorter")
        except Exception:
            answer = ("fault", traceback.format_exc())
        channel.send(answer)


class _Told:
    """The progress callback: says how far it is, and stops where the user says so."""

    def __init__(self, channel: Connection):
        self.channel, self.last, self.stage = channel, 0.0, ""

    def __call__(self, stage: str, done: int, of: int) -> None:
        while self.channel.poll():
            if self.channel.recv() in (CANCEL, STOP):
                raise Cancelled
        now = time.monotonic()
        if stage != self.stage or now - self.last >= EVERY or done == of:
            self.last, self.stage = now, stage
            self.channel.send(("progress", (stage, done, of)))


def _settle() -> None:
    """A process of the background: polite, without core dumps, silent native libraries."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to answer
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
        os.nice(5)  # pages answer while it computes
    except (ImportError, OSError, ValueError):
        pass  # not on this system
    if not os.environ.get("FLAMECAST_NATIVE_LOGS"):
        sys.stderr.flush()
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 2)
        os.close(silence)


def _warm(maker: Any, warming: Path) -> None:
    """A job of two frames, so that the first user does not wait for models and compilers."""
    import tempfile

    from .ask import Ask

    warming.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=warming) as folder:
        ask = Ask({"photo": "demo", "text": "nods", "size": 64, "seconds": 0.2}, cut=0.2)
        maker(ask, Path(folder), lambda stage, done, of: None)
