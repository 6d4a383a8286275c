"""Something that is made once, in the background, and waited for by whoever needs it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Made = TypeVar("Made")


class Background(Generic[Made]):
    """`get` what `make` makes in a thread of its own, which, unlike an executor's, does not keep Ctrl-C waiting."""

    def __init__(self, make: Callable[[], Made]) -> None:
        self._make = make
        self._made: Made | None = None
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="background", daemon=True)
        self._thread.start()

    def get(self) -> Made:
        """Waits for it; raises what went wrong."""
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        assert self._made is not None
        return self._made

    def _run(self) -> None:
        try:
            self._made = self._make()
        except Exception as error:  # raised by `get`
            self._failure = error
