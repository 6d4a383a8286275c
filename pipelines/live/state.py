"""What the page and the session share: the open page, the recording, the microphone, the virtual camera."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Protocol

import numpy as np

from ...flame_motion import BadInput, Waveform
from ...flame_motion.media.sound import SAMPLE_RATE
from .recorder import MicrophoneSound, Recorder, sound_of_file
from .session import DrawnFrame, LiveSession
from .voice import Voice


class Watcher(Protocol):
    """An open page."""

    def offer(self, drawn: DrawnFrame) -> None:
        """Takes the newest picture, from any thread."""

    async def dismiss(self) -> None:
        """Closes the page's connection: another page takes its place."""


class LiveState:
    """The state of one `flamecast live`; the session, the page and `go_live` change it."""

    def __init__(self, source: str, *, folder: Path, sound: Path | None = None) -> None:
        """source: `page`, or the name of another driver; folder: for recordings; sound: a file for the page."""
        self.source, self.folder, self.sound = source, folder, sound
        self.session: LiveSession | None = None
        self.watched = threading.Event()  # a page has been opened
        self.viewer: Watcher | None = None
        self.recorder: Recorder | None = None
        self.recordings: dict[str, Path] = {}
        self.left: str | None = None  # the recording that ended because its page was closed; told to the next one
        self.camera: Callable[[np.ndarray], None] | None = None  # a virtual one
        self._voice: Voice | None = None
        self._microphone: MicrophoneSound | None = None

    def show(self, drawn: DrawnFrame) -> None:
        """Gives a picture to the page, the recording and the virtual camera. Called in the drawing thread."""
        recorder, viewer, session = self.recorder, self.viewer, self.session
        if recorder is not None:
            recorder.put(drawn)
        if self.camera is not None:
            self.camera(drawn.picture)
        if viewer is not None:
            viewer.offer(drawn)
        elif session is not None:
            session.mark_shown(drawn.at)

    def start_recording(self) -> None:
        """Begins a file in the folder, named by the time. BadInput where none can be written."""
        if self.recorder is None:
            sound = None if self._microphone is None else self._microphone.starting
            target = self._unused(time.strftime("flamecast-live-%Y%m%d-%H%M%S"))
            self.recorder = Recorder(target, sound if self.sound is None else sound_of_file(self.sound))

    def _unused(self, name: str) -> Path:
        """A file that neither is there nor is being made."""
        for number in count(1):
            target = self.folder / (f"{name}.mp4" if number == 1 else f"{name}-{number}.mp4")
            if not target.exists() and target.name not in self.recordings:
                return target
        raise AssertionError("numbers do not end")

    def stop_recording(self) -> str | None:
        """Ends the recording; returns the name under which the page fetches it. BadInput where it was not written."""
        recorder, self.recorder = self.recorder, None
        try:
            made = None if recorder is None else recorder.close()
        except OSError as error:
            raise BadInput(f"the recording could not be written: {error.strerror or error}") from error
        if made is None:
            return None
        self.recordings[made.name] = made
        return made.name

    def page_gone(self) -> None:
        """The page was closed: what it recorded is ended and kept, its microphone has gone with it."""
        try:
            self.left = self.stop_recording() or self.left
        finally:
            if self.source == "page":
                self.stop_microphone()

    def start_microphone(self) -> None:
        """Loads the speech driver for a microphone that is turned on; returns after seconds, when it is ready."""
        assert self.session is not None
        self.stop_microphone()
        self._microphone, self._voice = MicrophoneSound(), Voice(self.session.feed)

    def add_sound(self, samples: np.ndarray) -> None:
        """The microphone's next samples [n], -1..1 at SAMPLE_RATE; ignored while it is off."""
        # Kept here: another thread may turn it off meanwhile.
        session, voice, microphone = self.session, self._voice, self._microphone
        if session is not None and voice is not None and microphone is not None:
            microphone.add(samples)
            voice.add(Waveform(samples, SAMPLE_RATE), session.clock())

    @property
    def listens(self) -> bool:
        """Whether a microphone drives: then pictures do not."""
        return self._voice is not None

    @property
    def voice_failure(self) -> Exception | None:
        """The error that ended the processing of the microphone's sound, if any."""
        voice = self._voice
        return None if voice is None else voice.failure

    def stop_microphone(self) -> None:
        """Stops processing the microphone's sound."""
        voice, self._voice, self._microphone = self._voice, None, None
        if voice is not None:
            voice.close()
            if voice.failure is not None:  # the page has shown its sentence; where it comes from is for who runs this
                traceback.print_exception(voice.failure)
