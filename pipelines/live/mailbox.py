"""Passes the newest item from one thread to another."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Mailbox(Generic[Item]):
    """Room for one item: a newer one replaces it, so that nothing queues up; `dropped` counts those replaced."""

    def __init__(self) -> None:
        self._ready = threading.Condition()
        self._item: Item | None = None
        self._closed = False
        self.dropped = 0

    def put(self, item: Item) -> None:
        """Replaces the item that waits, if any."""
        with self._ready:
            self.dropped += self._item is not None
            self._item = item
            self._ready.notify_all()

    def take(self) -> Item | None:
        """Waits for the newest item; None once the mailbox is closed."""
        with self._ready:
            self._ready.wait_for(lambda: self._closed or self._item is not None)
            item, self._item = self._item, None
            self._ready.notify_all()
            return None if self._closed else item

    def wait_empty(self) -> None:
        """Waits until the item has been taken, or the mailbox is closed."""
        with self._ready:
            self._ready.wait_for(lambda: self._closed or self._item is None)

    def close(self) -> None:
        """Ends all waiting."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()
