"""How many pictures a second are seen, and how late."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

WINDOW = 5.0  # s that `numbers` look back
WORST = 3.6e6  # ms; a page's clock that says more is wrong


class Shown:
    """Marks of pictures seen in the last seconds; or what a page that draws measured itself."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """clock: s, as the marks are."""
        self.clock = clock
        self._marks: deque[tuple[float, float]] = deque()  # (when, latency) s of the last WINDOW
        self._reported: tuple[float, dict[str, Any]] | None = None
        self._lock = threading.Lock()

    def mark(self, at: float) -> None:
        """A picture is on a screen now whose driver was seen at `at` s."""
        now = self.clock()
        with self._lock:
            self._reported = None
            self._marks.append((now, now - at))
            while now - self._marks[0][0] > WINDOW:
                self._marks.popleft()

    def report(self, fps: float, latency_ms: float | None, latency_ms_p95: float | None) -> None:
        """What a page that draws saw in its last seconds. ValueError for what cannot be."""
        late = [latency_ms, latency_ms_p95]
        if not (0 <= fps <= 1000 and all(value is None or -WORST <= value <= WORST for value in late)):
            raise ValueError("no such frame rate or latency")
        rounded = [None if value is None else round(float(value), 1) for value in late]
        numbers = {"fps": round(float(fps), 1), "latency_ms": rounded[0], "latency_ms_p95": rounded[1]}
        with self._lock:
            self._reported = self.clock(), numbers

    def numbers(self) -> dict[str, Any]:
        """fps, and the median and 95th percentile of latency in ms (None where nothing was seen)."""
        now = self.clock()
        with self._lock:
            recent = [(when, late) for when, late in self._marks if now - when <= WINDOW]
            reported = self._reported
        if reported is not None and now - reported[0] <= WINDOW:
            return reported[1]
        late = np.array([late for _, late in recent]) * 1000
        return {
            "fps": round((len(recent) - 1) / (recent[-1][0] - recent[0][0]), 1) if len(recent) > 2 else 0.0,
            "latency_ms": round(float(np.median(late)), 1) if len(late) else None,
            "latency_ms_p95": round(float(np.percentile(late, 95)), 1) if len(late) else None,
        }
