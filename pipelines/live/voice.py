"""A voice, as it comes, into frames of motion at their own pace."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np

from ...drivers.speech import SpeechDriver
from ...drivers.speech.data import FPS
from ...drivers.speech.driver import LATENCY
from ...flame_motion import FlameSequence, Waveform
from .following import Spoken

MARGIN = 0.15  # s beyond the stream's own latency, for computing: frames are made four at a time
BEHIND = LATENCY + MARGIN  # s that a mouth shows after its sound
CHUNK = 0.04  # s of a file's sound that are heard at once
MOST = 250  # chunks that may wait, 10 s: what computes so slowly that more do is not live


class Voice:
    """`hear` sound as it comes; each frame of its motion is given to `feed` when it is due, `BEHIND` s later."""

    def __init__(self, driver: SpeechDriver, feed: Callable[[Spoken], None], *, seed: int = 0) -> None:
        self._driver, self._feed, self._seed = driver, feed, seed
        self._heard: queue.Queue[Waveform | None] = queue.Queue(MOST)
        self._made: queue.Queue[FlameSequence | None] = queue.Queue()
        self._began: float | None = None  # s, when the first sample was spoken
        self._closed = threading.Event()
        self.lost = 0  # chunks that were not heard, since too many waited
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._make, self._pace)]
        for thread in self._threads:
            thread.start()

    def hear(self, chunk: Waveform, at: float) -> None:
        """The next sound, whose last sample was spoken at `at` s."""
        if self._began is None:
            self._began = at - chunk.duration
        try:
            self._heard.put_nowait(chunk)
        except queue.Full:
            self.lost += 1

    def close(self) -> None:
        """What was heard is over: what is still to be shown of it is not."""
        self._closed.set()
        while not self._heard.empty():
            self._heard.get_nowait()
        self._heard.put(None)
        for thread in self._threads:
            thread.join()

    def finish(self) -> None:
        """What was heard is over, and will be shown to its end."""
        self._heard.put(None)
        for thread in self._threads:
            thread.join()

    def _make(self) -> None:
        for piece in self._driver.stream(self._chunks(), seed=self._seed):
            self._made.put(piece)
        self._made.put(None)

    def _chunks(self) -> Iterator[Waveform]:
        while (chunk := self._heard.get()) is not None:
            yield chunk

    def _pace(self) -> None:
        frame = 0
        while (piece := self._made.get()) is not None:
            for number in range(len(piece)):
                media = frame / FPS
                spoken = (self._began or 0.0) + media
                if self._closed.wait(max(0.0, spoken + BEHIND - time.perf_counter())):
                    return
                self._feed(Spoken(piece[number : number + 1], spoken, media))
                frame += 1


def play_sound(sound: Waveform, voice: Voice, stop: threading.Event, *, loop: bool = False) -> None:
    """Lets a voice hear a recording at its own pace, until it ends or `stop` is set; loop: again and again."""
    samples, rate = np.asarray(sound.samples), int(sound.sample_rate)
    step, start, heard = round(CHUNK * rate), time.perf_counter(), 0
    while True:
        for first in range(0, len(samples), step):
            chunk = Waveform(samples[first : first + step], rate)
            heard += len(chunk.samples)
            due = start + heard / rate
            if stop.wait(max(0.0, due - time.perf_counter())):
                voice.close()
                return
            voice.hear(chunk, due)
        if not loop:
            voice.finish()
            return
