"""Live: pictures of a driver go in as they are seen, pictures of the portrait come out; the newest goes first."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ...core.threads import one_torch_thread
from ...generator import Generator, Portrait
from .following import Captured, FollowingProcess, Posed, Spoken
from .mailbox import Mailbox

WINDOW = 5.0  # s that `numbers` look back


@dataclass(frozen=True)
class Shown:
    """A picture of the portrait, and what it answers."""

    picture: np.ndarray  # [H, W, 3] uint8 RGB
    at: float  # s, when its driver was there to be seen
    media: float  # see `Captured`
    tag: float
    number: int  # counted from 1


class LiveSession:
    """`feed` what a driver does from any thread; `show` is called with each picture of the portrait, in a thread.

    One process tracks and poses while this one draws. Each takes the newest that waits and drops what is older, so
    that nothing queues up; `numbers` counts what was dropped.
    """

    def __init__(
        self, portrait: Portrait, generator: Generator, following: FollowingProcess, show: Callable[[Shown], None]
    ) -> None:
        """portrait: as large as its pictures are to be; following: started for it."""
        self._portrait, self._generator, self._following, self._show = portrait, generator, following, show
        self.clock = time.perf_counter
        self._seen: Mailbox[Captured | Spoken] = Mailbox()
        self._posed: Mailbox[tuple[Posed, Captured | Spoken]] = Mailbox()
        self._asked: deque[Callable[[], None]] = deque()  # what is to be told to the process before the next picture
        self._shown: deque[tuple[float, float]] = deque()  # (when, latency) s of the last WINDOW
        self._lock = threading.Lock()
        self._fed = self._drawn = self._faces = 0
        self._last: Posed | None = None
        self.failure: BaseException | None = None  # what ended it, if anything did
        self._threads = [
            threading.Thread(target=self._guarded, args=(work,), name=work.__name__, daemon=True)
            for work in (self._follow, self._draw)
        ]

    def __enter__(self) -> LiveSession:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop()
        for thread in self._threads:
            thread.join()

    def feed(self, thing: Captured | Spoken) -> None:
        """The newest of the driver; an older one that still waits is dropped."""
        self._fed += 1
        self._seen.put(thing)

    def settle(self, patience: float) -> None:
        """Waits until all that was fed is shown or dropped, `patience` s at most."""
        end = self.clock() + patience
        while self.clock() < end and self._fed > self._drawn + self._seen.dropped + self._posed.dropped:
            time.sleep(0.01)

    def calibrate(self) -> None:
        """Take the driver's rest anew, from the next second."""
        self._asked.append(self._following.calibrate)

    def strengthen(self, strength: float) -> None:
        """How far the portrait goes with the driver, 0 to 2."""
        self._asked.append(lambda: self._following.strengthen(strength))

    def told_shown(self, at: float) -> None:
        """A picture whose driver was seen at `at` s is on a screen, as from now."""
        now = self.clock()
        with self._lock:
            self._shown.append((now, now - at))
            while now - self._shown[0][0] > WINDOW:
                self._shown.popleft()

    def numbers(self) -> dict[str, Any]:
        """What the last seconds were like: frames a second shown, latency in ms; and counts since the start."""
        now = self.clock()
        with self._lock:
            recent = [(when, late) for when, late in self._shown if now - when <= WINDOW]
        late = np.array([late for _, late in recent]) * 1000
        last = self._last
        return {
            "fps": round((len(recent) - 1) / (recent[-1][0] - recent[0][0]), 1) if len(recent) > 2 else 0.0,
            "latency_ms": round(float(np.median(late)), 1) if len(late) else None,
            "latency_ms_p95": round(float(np.percentile(late, 95)), 1) if len(late) else None,
            "fed": self._fed,
            "drawn": self._drawn,
            "dropped": self._seen.dropped + self._posed.dropped,
            "face": last is not None and last.found,
            "faces": self._faces,
            "calibrated": last is not None and last.calibrated,
        }

    def _follow(self) -> None:
        while (thing := self._seen.take()) is not None:
            while self._asked:
                self._asked.popleft()()
            self._last = self._following.ask(thing)
            self._faces += self._last.found
            self._posed.put((self._last, thing))
            self._posed.wait_empty()  # what cannot be drawn yet need not be tracked: a newer picture will be

    @one_torch_thread()
    @torch.inference_mode()
    def _draw(self) -> None:
        while (taken := self._posed.take()) is not None:
            posed, thing = taken
            picture = next(iter(self._generator(self._portrait, posed.pose, None)))[0]
            self._drawn += 1
            self._show(Shown(picture, thing.at, thing.media, thing.tag, self._drawn))

    def _stop(self) -> None:
        self._seen.close()
        self._posed.close()

    def _guarded(self, work: Callable[[], None]) -> None:
        """A thread that fails ends the session and says why: a picture that stands still would not."""
        try:
            work()
        except Exception as error:
            self.failure = error
            self._stop()
