"""The worker process, which does the jobs: what crashes or hangs there does not take the server along."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .job_runner import JobRunner

CANCEL, STOP = "cancel", "stop"
PROGRESS_EVERY = 0.1  # s between two progress messages
MAX_FILE = 4 << 30  # bytes that a job may write into one file


class Cancelled(Exception):
    """The job was cancelled."""


def work(channel: Connection, warming: Path | None) -> None:
    """Does jobs until STOP comes: receives (job request, folder), sends (kind, content), the job's end last.

    warming: a folder for a first small job, after which the models are loaded and the kernels compiled; None: no such.
    """
    settle()
    from ...core.memory import release_free_memory
    from ...flame_motion import BadInput, MissingAsset
    from .job_runner import JobRunner

    runner = JobRunner()
    if warming is not None:
        _warm(runner, warming)
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
        request, folder = job
        try:
            answer: tuple[str, Any] = ("done", runner(request, folder, _Progress(channel)))
        except (BadInput, MissingAsset) as error:
            answer = ("failed", str(error))
        except Cancelled:
            answer = ("cancelled", None)
        except MemoryError:
            answer = ("failed", "the job needs more memory than there is: make it smaller or shorter")
        except Exception:  # a fault of ours: the server logs it, and this process may do the next job
            answer = ("fault", traceback.format_exc())
        channel.send(answer)
        release_free_memory()


class _Progress:
    """The progress callback: sends how far the job is, and raises Cancelled where it was cancelled."""

    def __init__(self, channel: Connection):
        self.channel, self.last, self.stage = channel, 0.0, ""

    def __call__(self, stage: str, done: int, of: int) -> None:
        while self.channel.poll():
            if self.channel.recv() in (CANCEL, STOP):
                raise Cancelled
        now = time.monotonic()
        if stage != self.stage or now - self.last >= PROGRESS_EVERY or done == of:
            self.last, self.stage = now, stage
            self.channel.send(("progress", (stage, done, of)))


def _end_with_server() -> None:
    """Ends this process where the server's ends in whatever way: nobody would fetch what it makes, or remove it."""
    server = multiprocessing.parent_process()
    if server is not None:
        server.join()
        os._exit(1)


def settle(waited_for: bool = False) -> None:
    """Makes this a background process, which ends with the server: low priority, no core dumps, silent libraries.

    waited_for: somebody looks at the page until it is done, so it goes before jobs.
    """
    import signal

    from ...core.memory import give_memory_back

    give_memory_back()

    threading.Thread(target=_end_with_server, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to answer
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE, MAX_FILE))
        os.nice(0 if waited_for else 5)  # pages answer while it computes
    except (ImportError, OSError, ValueError):
        pass  # not on this system
    if not os.environ.get("FLAMECAST_NATIVE_LOGS"):
        sys.stderr.flush()
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 2)
        os.close(silence)


def _warm(runner: JobRunner, warming: Path) -> None:
    """Does a job of a few frames, so that the first user does not wait for models and compilers."""
    import tempfile

    from ..request import AnimateRequest
    from .job_request import JobRequest

    warming.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=warming) as folder:
        request = AnimateRequest.of(photo="demo", text="nods", size=64, seconds=0.2)
        runner(JobRequest(request, max_seconds=0.2), Path(folder), lambda stage, done, of: None)
