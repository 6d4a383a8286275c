"""A voice, as it comes, into frames of motion at their own pace."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ...core.threads import one_torch_thread
from ...drivers import load_driver
from ...drivers.speech import SpeechDriver
from ...drivers.speech.audio_features import FPS
from ...drivers.speech.driver import LATENCY
from ...flame_motion import FlameSequence, Waveform
from ...flame_motion.media.sound import SAMPLE_RATE
from .following import Spoken

MARGIN = 0.35  # s beyond the stream's own latency: the head of a second is made at once, the mouth of four frames
BEHIND = LATENCY + MARGIN  # s that a mouth shows after its sound
MOST_BEHIND = BEHIND + 0.5  # s, where computing takes longer: rather later than by fits and starts
LATE = 1.5  # s later than that: what waits is given up, and hearing begins anew
CHUNK = 0.04  # s of a file's sound that are heard at once
STEPS = 5  # of the head's sampler: half of what a file gets, for half of the time


@dataclass(frozen=True)
class _Sound:
    chunk: Waveform
    spoken: float  # s, when its first sample was
    media: float  # s into all that was heard


class Voice:
    """`hear` sound as it comes; each frame of its motion is given to `feed` when it is due, `BEHIND` s later or more.

    Made in seconds: what it hears with is loaded then.
    """

    def __init__(self, feed: Callable[[Spoken], None], *, seed: int = 0) -> None:
        driver = load_driver("speech", steps=STEPS)
        assert isinstance(driver, SpeechDriver)
        self._driver, self._feed, self._seed = driver, feed, seed
        list(driver.stream([Waveform(np.zeros(SAMPLE_RATE, np.float32), SAMPLE_RATE)]))  # loads what it needs
        self._heard: queue.Queue[_Sound | None] = queue.Queue()
        self._made: queue.Queue[tuple[FlameSequence, _Sound, int] | None] = queue.Queue()
        self._media = 0.0
        self.failure: Exception | None = None  # what ended it, if anything did
        self._closed = threading.Event()
        self._ended = False  # whether the last of the sound was taken: nothing more may be waited for
        self._late: _Sound | None = None  # what began the stream that cannot be kept up with
        self.given_up = 0  # times that it could not keep up
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._make, self._pace)]
        for thread in self._threads:
            thread.start()

    def hear(self, chunk: Waveform, at: float) -> None:
        """The next sound, whose last sample was spoken at `at` s."""
        self._heard.put(_Sound(chunk, at - chunk.duration, self._media))
        self._media += chunk.duration

    def finish(self) -> None:
        """What was heard is over, and will be shown to its end. Raises what went wrong while it was heard."""
        self._end()
        if self.failure is not None:
            raise self.failure

    def close(self) -> None:
        """What was heard is over; what is still to be shown of it is not."""
        self._closed.set()
        self._end()

    def _end(self) -> None:
        self._heard.put(None)
        for thread in self._threads:
            thread.join()

    @one_torch_thread()
    def _make(self) -> None:
        """Motion of all that is heard; anew from the newest sound when it is too late."""
        try:
            while not self._ended and (first := self._heard.get()) is not None:
                done = 0
                for piece in self._driver.stream(self._chunks(first), seed=self._seed):
                    if self._closed.is_set() or self._late is first:
                        break
                    self._made.put((piece, first, done))
                    done += len(piece)
                if self._late is not first:
                    break  # the sound has ended
                self._give_up()
        except Exception as error:
            self.failure = error
        finally:
            self._made.put(None)  # who waits for more goes home

    def _chunks(self, first: _Sound) -> Iterator[Waveform]:
        sound: _Sound | None = first
        while sound is not None:
            yield sound.chunk
            sound = self._heard.get()
        self._ended = True

    def _give_up(self) -> None:
        """What waits to be heard never is."""
        self.given_up += 1
        while not self._heard.empty():
            self._ended |= self._heard.get_nowait() is None

    def _pace(self) -> None:
        behind = BEHIND
        while (made := self._made.get()) is not None:
            piece, first, done = made
            if self._late is first:
                continue
            for number in range(len(piece)):
                second = (done + number) / FPS
                wait = first.spoken + second + behind - time.perf_counter()
                if self._closed.wait(max(0.0, wait)):
                    return
                if wait < 0:
                    behind = min(behind - wait, MOST_BEHIND)
                if wait < -LATE:
                    self._late = first
                    break
                self._feed(Spoken(piece[number : number + 1], first.spoken + second, first.media + second))


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
