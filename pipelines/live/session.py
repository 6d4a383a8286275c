"""A live session: frames of a driver go in, poses and pictures of the portrait come out; old frames are dropped."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from ...core.threads import one_torch_thread
from ...generator import Generator, Portrait
from .follower import FollowerProcess, Frame, PosedFrame
from .mailbox import Mailbox
from .shown import Shown


@dataclass(frozen=True)
class DrawnFrame:
    """A picture of the portrait, and of which frame of the driver it is."""

    picture: np.ndarray  # [H, W, 3] uint8 RGB
    at: float  # s, when its driver was there to be seen
    media: float  # see `CapturedFrame`
    tag: float
    number: int  # of the frame that it shows, counted from 1


class Audience(Protocol):
    """Who sees the portrait."""

    def wants_pictures(self) -> bool:
        """Whether anybody wants it drawn here."""

    def wants_poses(self) -> bool:
        """Whether anybody draws it elsewhere."""

    def show(self, drawn: DrawnFrame) -> None:
        """Takes the newest picture. Called in the drawing thread."""

    def pose(self, posed: PosedFrame, frame: Frame, number: int) -> None:
        """Takes the newest pose, of the frame of that number. Called in the thread that follows the driver."""


class LiveSession:
    """`feed` frames of a driver from any thread; the audience gets each pose and, where it wants them, pictures.

    One process tracks and poses while this one draws. Each takes the newest frame that waits and drops older ones, so
    that nothing queues up; `numbers` counts the dropped ones. Where nobody wants pictures nothing is drawn here.
    """

    def __init__(
        self, portrait: Portrait, generator: Generator, follower: FollowerProcess, audience: Audience
    ) -> None:  # fmt: skip
        """portrait: as large as its pictures are to be; follower: started for it."""
        self._portrait, self._generator, self._follower, self._audience = portrait, generator, follower, audience
        self._seen: Mailbox[Frame] = Mailbox()
        self._posed: Mailbox[tuple[PosedFrame, Frame, int]] = Mailbox()
        self._commands: deque[Callable[[], None]] = deque()  # to be run before the next frame is posed
        self.clock = time.perf_counter
        self.shown = Shown(lambda: self.clock())  # what who holds the controls sees, or else the first to see it
        self._fed = self._followed = self._drawn = self._undrawn = self._faces = 0
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

    def feed(self, frame: Frame) -> None:
        """The driver's newest frame; an older one that still waits is dropped."""
        self._fed += 1
        self._seen.put(frame)

    def settle(self, patience: float) -> None:
        """Waits until every frame is shown or dropped, for `patience` s at most."""
        end = self.clock() + patience
        while self.clock() < end and self._fed > self._done() + self._seen.dropped + self._posed.dropped:
            time.sleep(0.01)

    def calibrate(self) -> None:
        """Take the driver's rest pose anew, from the next second."""
        self._commands.append(self._follower.calibrate)

    def set_strength(self, strength: float) -> None:
        """How far the portrait goes with the driver, 0 to 2."""
        self._commands.append(lambda: self._follower.set_strength(strength))

    def numbers(self) -> dict[str, Any]:
        """Pictures shown a second and their latency (ms) in the last seconds, and counts since the start.

        `drawn` are the frames that were drawn, here or by pages; `drawn_here` those that this server drew.
        """
        last = self._last
        return {
            **self.shown.numbers(),
            "fed": self._fed,
            "drawn": self._done(),
            "drawn_here": self._drawn,
            "dropped": self._seen.dropped + self._posed.dropped,
            "face": last is not None and last.found,
            "faces": self._faces,
            "calibrated": last is not None and last.calibrated,
        }

    def _done(self) -> int:
        return self._drawn + self._undrawn

    def _follow(self) -> None:
        while (frame := self._seen.take()) is not None:
            while self._commands:
                self._commands.popleft()()
            self._last = self._follower.pose(frame)
            self._faces += self._last.found
            self._followed += 1
            self._audience.pose(self._last, frame, self._followed)
            if not self._audience.wants_pictures():
                self._undrawn += 1
                continue
            self._posed.put((self._last, frame, self._followed))
            if not self._audience.wants_poses():
                self._posed.wait_empty()  # what cannot be drawn yet need not be tracked: a newer picture will be

    @one_torch_thread()
    @torch.inference_mode()
    def _draw(self) -> None:
        while (taken := self._posed.take()) is not None:
            posed, frame, number = taken
            picture = next(iter(self._generator(self._portrait, posed.pose, None)))[0]
            self._drawn += 1
            self._audience.show(DrawnFrame(picture, frame.at, frame.media, frame.tag, number))

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
