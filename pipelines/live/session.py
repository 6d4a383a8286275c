"""A live session: frames of a driver go in, pictures of the portrait come out; old frames are dropped."""

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
from .follower import CapturedFrame, FollowerProcess, PosedFrame, VoiceFrame
from .mailbox import Mailbox

WINDOW = 5.0  # s that `numbers` look back


@dataclass(frozen=True)
class DrawnFrame:
    """A picture of the portrait, and of which frame of the driver it is."""

    picture: np.ndarray  # [H, W, 3] uint8 RGB
    at: float  # s, when its driver was there to be seen
    media: float  # see `CapturedFrame`
    tag: float
    number: int  # counted from 1


class LiveSession:
    """`feed` frames of a driver from any thread; `show` is called with each picture of the portrait, in a thread.

    One process tracks and poses while this one draws. Each takes the newest frame that waits and drops older ones, so
    that nothing queues up; `numbers` counts the dropped ones.
    """

    def __init__(
        self, portrait: Portrait, generator: Generator, follower: FollowerProcess, show: Callable[[DrawnFrame], None]
    ) -> None:
        """portrait: as large as its pictures are to be; follower: started for it."""
        self._portrait, self._generator, self._follower, self._show = portrait, generator, follower, show
        self.clock = time.perf_counter
        self._seen: Mailbox[CapturedFrame | VoiceFrame] = Mailbox()
        self._posed: Mailbox[tuple[PosedFrame, CapturedFrame | VoiceFrame]] = Mailbox()
        self._commands: deque[Callable[[], None]] = deque()  # to be run before the next frame is posed
        self._shown: deque[tuple[float, float]] = deque()  # (when, latency) s of the last WINDOW
        self._lock = threading.Lock()
        self._fed = self._drawn = self._faces = 0
        self._last: PosedFrame | None = None
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

    def feed(self, frame: CapturedFrame | VoiceFrame) -> None:
        """The driver's newest frame; an older one that still waits is dropped."""
        self._fed += 1
        self._seen.put(frame)

    def settle(self, patience: float) -> None:
        """Waits until every frame is shown or dropped, for `patience` s at most."""
        end = self.clock() + patience
        while self.clock() < end and self._fed > self._drawn + self._seen.dropped + self._posed.dropped:
            time.sleep(0.01)

    def calibrate(self) -> None:
        """Take the driver's rest pose anew, from the next second."""
        self._commands.append(self._follower.calibrate)

    def set_strength(self, strength: float) -> None:
        """How far the portrait goes with the driver, 0 to 2."""
        self._commands.append(lambda: self._follower.set_strength(strength))

    def mark_shown(self, at: float) -> None:
        """Notes that a picture is on a screen now whose driver was seen at `at` s."""
        now = self.clock()
        with self._lock:
            self._shown.append((now, now - at))
            while now - self._shown[0][0] > WINDOW:
                self._shown.popleft()

    def numbers(self) -> dict[str, Any]:
        """Pictures shown a second and their latency (ms) in the last seconds, and counts since the start."""
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
        while (frame := self._seen.take()) is not None:
            while self._commands:
                self._commands.popleft()()
            self._last = self._follower.pose(frame)
            self._faces += self._last.found
            self._posed.put((self._last, frame))
            self._posed.wait_empty()  # what cannot be drawn yet need not be tracked: a newer picture will be

    @one_torch_thread()
    @torch.inference_mode()
    def _draw(self) -> None:
        while (taken := self._posed.take()) is not None:
            posed, frame = taken
            picture = next(iter(self._generator(self._portrait, posed.pose, None)))[0]
            self._drawn += 1
            self._show(DrawnFrame(picture, frame.at, frame.media, frame.tag, self._drawn))

    def _stop(self) -> None:
        self._seen.close()
        self._posed.close()

    def _guarded(self, work: Callable[[], None]) -> None:
        """Runs a thread's work; where it fails, the session ends with the reason."""
        try:
            work()
        except Exception as error:  # raised by `go_live`, which looks at it
            self.failure = error
            self._stop()
