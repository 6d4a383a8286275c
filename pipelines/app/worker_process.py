"""A worker process as the server sees it: the process, and the pipe to it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from .worker import STOP

Target = Callable[[Connection, Path | None], None]  # what the process runs, as `worker.work`


@dataclass
class WorkerProcess:
    """A process that does one job after the other."""

    process: Any
    channel: Connection
    ready: bool = False  # its models are loaded

    @classmethod
    def start(cls, target: Target, warming: Path | None) -> WorkerProcess:
        """A new one, by spawning: a fork would copy the locks of the server's threads."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=target, args=(theirs, warming), name="flamecast worker", daemon=True)
        process.start()
        theirs.close()
        return cls(process, ours)

    def was_ready(self) -> bool:
        """Whether it ever was ready, also where nobody has read its messages since."""
        try:
            while not self.ready and self.channel.poll():
                self.ready = self.channel.recv()[0] == "ready"
        except (EOFError, OSError):
            pass  # it has ended: what it was stays
        return self.ready

    def send(self, message: str) -> None:
        """Sends a message; nothing happens where the process is gone."""
        try:
            self.channel.send(message)
        except (OSError, ValueError):
            pass  # it has ended

    def kill(self) -> None:
        """Ends the process at once."""
        self.process.kill()
        self.process.join()

    def quit(self) -> None:
        """Asks the process to end, and kills it where it does not within a second."""
        self.send(STOP)
        self.process.join(1.0)
        if self.process.is_alive():
            self.kill()
