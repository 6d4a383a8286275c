"""Writes the pictures that are shown into a file of constant rate, while they are shown."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...flame_motion.media.sound import SAMPLE_RATE, Sound
from ...flame_motion.media.video_writer import VideoWriter, check_target
from .session import DrawnFrame

FPS = 25.0
MAX_WAITING = 50  # pictures; more are dropped, and the one before stays longer
LONGEST_PAUSE = 60.0  # s that a picture stays at most


class Recorder:
    """`put` what is shown from the thread that shows it; `close` publishes the file, which is not there before."""

    def __init__(self, target: Path, sound: Callable[[float], Sound | None] | None = None) -> None:
        """sound: gives the sound from that media time on (s), once the first picture says when that is. BadInput."""
        check_target(target)
        self.target, self._sound = target, sound
        self._queue: queue.Queue[DrawnFrame | None] = queue.Queue(MAX_WAITING)
        self.dropped = 0
        self.failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def put(self, drawn: DrawnFrame) -> None:
        """The next picture; it never waits."""
        try:
            self._queue.put_nowait(drawn)
        except queue.Full:
            self.dropped += 1

    def close(self) -> Path | None:
        """Ends the file; None where not one picture came. Raises what went wrong while it was written."""
        self._queue.put(None)
        self._thread.join()
        if self.failure is not None:
            raise self.failure
        return self.target if self.target.is_file() else None

    def _run(self) -> None:
        try:
            first = self._queue.get()
            if first is None:
                return
            sound = None if self._sound is None else self._sound(first.media)
            with VideoWriter(self.target, FPS, sound=sound) as writer:
                last, slot = first, 0
                while (drawn := self._queue.get()) is not None:
                    due = round((drawn.at - first.at) * FPS)
                    for _ in range(min(due - slot, round(LONGEST_PAUSE * FPS))):
                        writer.write(last.picture)
                    last, slot = drawn, max(due, slot)
                writer.write(last.picture)
        except Exception as error:  # raised by `close`
            self.failure = error
            while self._queue.get() is not None:  # `close` must not wait for room
                pass


class MicrophoneSound(Sound):
    """A microphone's sound: `add` samples as they come, `take` them from a time on; missing ones are silent."""

    def __init__(self) -> None:
        super().__init__(1, iter(()))
        self._lock = threading.Lock()
        self._parts: list[np.ndarray] = []
        self._start = self._at = 0  # samples since the microphone began: of the first part, and of the next `take`

    def add(self, samples: np.ndarray) -> None:
        """[n] -1..1 at SAMPLE_RATE. Ten seconds are kept until they are taken."""
        with self._lock:
            self._parts.append(samples.astype(np.float32))
            while sum(map(len, self._parts)) > 10 * SAMPLE_RATE:
                self._start += len(self._parts.pop(0))

    def starting(self, media: float) -> MicrophoneSound:
        """Itself, from that second on."""
        self._at = round(media * SAMPLE_RATE)
        return self

    def take(self, count: int) -> np.ndarray:
        """The next [1, count]."""
        with self._lock:
            whole = np.concatenate([*self._parts, np.zeros(0, np.float32)])
        first = self._at - self._start
        self._at += count
        wanted = np.arange(first, first + count)
        there = (wanted >= 0) & (wanted < len(whole))
        return np.where(there, np.take(whole, wanted, mode="clip") if len(whole) else 0.0, 0.0).astype(np.float32)[None]


def sound_of_file(path: Path) -> Callable[[float], Sound | None]:
    """The sound of a file, from a second on."""

    def starting(media: float) -> Sound | None:
        sound = Sound.of(path)
        if sound is not None:
            sound.take(round(media * SAMPLE_RATE))
        return sound

    return starting
