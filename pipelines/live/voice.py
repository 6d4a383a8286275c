"""Turns a voice, as it comes, into frames of motion at their own pace."""

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
from .follower import VoiceFrame

MARGIN = 0.35  # s beyond the stream's own latency: the head of a second is made at once, the mouth of four frames
BEHIND = LATENCY + MARGIN  # s from a sound until the mouth shows it
MAX_BEHIND = BEHIND + 0.5  # s, where computing takes longer: a steady delay rather than stuttering
LATE = 1.5  # s later than that: the sound that waits is dropped, and a new stream begins
CHUNK = 0.04  # s of a file's sound that are added at once
CLOSING = 5.0  # s that closing waits, at most, for what is being computed, which cannot be interrupted
STEPS = 5  # of the head's sampler: half of what a file gets, for half of the time


class _Closed(Exception):
    """The sound was ended at once."""


@dataclass(frozen=True)
class _Sound:
    chunk: Waveform
    spoken: float  # s, when its first sample was
    media: float  # s into all sound


class Voice:
    """`add` sound as it comes; each frame of its motion is given to `feed` when it is due, `BEHIND` s later or more.

    Its constructor takes seconds: it loads the speech driver.
    """

    def __init__(self, feed: Callable[[VoiceFrame], None], *, seed: int = 0) -> None:
        driver = load_driver("speech", steps=STEPS)
        assert isinstance(driver, SpeechDriver)
        self._driver, self._feed, self._seed = driver, feed, seed
        list(driver.stream([Waveform(np.zeros(SAMPLE_RATE, np.float32), SAMPLE_RATE)]))  # loads what it needs
        self._sounds: queue.Queue[_Sound | None] = queue.Queue()
        self._motions: queue.Queue[tuple[FlameSequence, _Sound, int] | None] = queue.Queue()
        self._media = 0.0
        self.failure: Exception | None = None  # what ended it, if anything did
        self._closed = threading.Event()
        self._ended = False  # the end of the sound was taken: nothing more comes
        self._late: _Sound | None = None  # what began the stream that cannot be kept up with
        self.given_up = 0  # times that it could not keep up
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._make, self._pace)]
        for thread in self._threads:
            thread.start()

    def add(self, chunk: Waveform, at: float) -> None:
        """The next sound, whose last sample was spoken at `at` s."""
        self._sounds.put(_Sound(chunk, at - chunk.duration, self._media))
        self._media += chunk.duration

    def finish(self, stop: threading.Event | None = None) -> None:
        """Ends the sound and waits until all of it has been shown, or `stop` is set, which closes it.

        Raises the error that ended it, if any.
        """
        self._sounds.put(None)
        while working := [thread for thread in self._threads if thread.is_alive()]:
            if stop is not None and stop.is_set():
                self.close()
                break
            working[0].join(0.05)
        if self.failure is not None:
            raise self.failure

    def close(self) -> None:
        """Ends the sound at once: what has not been shown yet is not shown."""
        self._closed.set()
        self._sounds.put(None)
        end = time.perf_counter() + CLOSING
        for thread in self._threads:
            thread.join(max(0.0, end - time.perf_counter()))

    @one_torch_thread()
    def _make(self) -> None:
        """Makes the motion of all sound; begins a new stream from the newest sound where it is too late."""
        try:
            while not self._ended and (first := self._sounds.get()) is not None:
                done = 0
                for piece in self._driver.stream(self._chunks(first), seed=self._seed):
                    if self._closed.is_set() or self._late is first:
                        break
                    self._motions.put((piece, first, done))
                    done += len(piece)
                if self._late is not first:
                    break  # the sound has ended
                self._give_up()
        except _Closed:
            pass  # nobody waits for the rest
        except Exception as error:  # told to who asks: `finish` raises it, the page shows it
            self.failure = error
        finally:
            self._motions.put(None)  # ends `_pace`

    def _chunks(self, first: _Sound) -> Iterator[Waveform]:
        sound: _Sound | None = first
        while sound is not None:
            yield sound.chunk
            sound = self._sounds.get()
            if self._closed.is_set():
                raise _Closed
        self._ended = True

    def _give_up(self) -> None:
        """Drops the sound that waits."""
        self.given_up += 1
        while not self._sounds.empty():
            self._ended |= self._sounds.get_nowait() is None

    def _pace(self) -> None:
        behind = BEHIND
        while (made := self._motions.get()) is not None:
            piece, first, done = made
            if self._late is first:
                continue
            for number in range(len(piece)):
                second = (done + number) / FPS
                wait = first.spoken + second + behind - time.perf_counter()
                if self._closed.wait(max(0.0, wait)):
                    return
                if wait < 0:
                    behind = min(behind - wait, MAX_BEHIND)
                if wait < -LATE:
                    self._late = first
                    break
                self._feed(VoiceFrame(piece[number : number + 1], first.spoken + second, first.media + second))


def play_sound(sound: Waveform, voice: Voice, stop: threading.Event, *, loop: bool = False) -> None:
    """Adds a recording to a voice at its own pace, until it ends or `stop` is set; loop: again and again."""
    samples, rate = np.asarray(sound.samples), int(sound.sample_rate)
    step, start, played = round(CHUNK * rate), time.perf_counter(), 0
    while True:
        for first in range(0, len(samples), step):
            chunk = Waveform(samples[first : first + step], rate)
            played += len(chunk.samples)
            due = start + played / rate
            if stop.wait(max(0.0, due - time.perf_counter())):
                voice.close()
                return
            voice.add(chunk, due)
        if not loop:
            voice.finish(stop)
            return
