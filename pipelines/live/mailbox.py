"""Between two threads of a live program: room for one thing, and the newest is the one that counts."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


class Mailbox(Generic[Thing]):
    """What is put before the last was taken replaces it: nothing queues up, and `dropped` counts what was lost."""

    def __init__(self) -> None:
        self._ready = threading.Condition()
        self._thing: Thing | None = None
        self._closed = False
        self.dropped = 0

    def put(self, thing: Thing) -> None:
        """Replaces what waits."""
        with self._ready:
            self.dropped += self._thing is not None
            self._thing = thing
            self._ready.notify_all()

    def take(self) -> Thing | None:
        """Waits for the newest; None once it is closed."""
        with self._ready:
            self._ready.wait_for(lambda: self._closed or self._thing is not None)
            thing, self._thing = self._thing, None
            self._ready.notify_all()
            return None if self._closed else thing

    def wait_empty(self) -> None:
        """Waits until what was put has been taken, or the box is closed."""
        with self._ready:
            self._ready.wait_for(lambda: self._closed or self._thing is None)

    def close(self) -> None:
        """Whoever waits goes home."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()
