"""What pages and the session share: who watches, who has the controls, recording, microphone, virtual camera."""

from __future__ import annotations

import secrets
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
from .background import Background
from .follower import Frame, PosedFrame
from .protocol import Header, Picture, encode_pose
from .recorder import MicrophoneSound, Recorder, sound_of_file
from .session import DrawnFrame, LiveSession
from .voice import Voice


class Watcher(Protocol):
    """An open page."""

    draws: bool  # itself, from parameters; else it gets pictures
    may_control: bool

    def offer(self, message: Picture | bytes) -> None:
        """Takes the newest picture or parameters, from any thread."""


class LiveState:
    """The state of one `flamecast live`, and its session's audience; the session, pages and `go_live` change it.

    Any number of pages watch; one of them has the controls, and its camera or microphone drives.
    """

    def __init__(self, source: str, *, folder: Path, sound: Path | None = None) -> None:
        """source: `page`, or the name of another driver; folder: for recordings; sound: a file for the page."""
        self.source, self.folder, self.sound = source, folder, sound
        self.session_name = secrets.token_hex(8)  # by which a page that connects again knows whether it is another
        self.session: LiveSession | None = None
        self.watched = threading.Event()  # a page has been opened
        self.watchers: tuple[Watcher, ...] = ()  # in the order in which they came
        self.controller: Watcher | None = None
        self.portrait: Background[bytes] | None = None  # its file for pages that draw
        self.note: str | None = None  # what pages are to say of what drives
        self.last: bytes | None = None  # the newest parameters, for who comes later
        self.recorder: Recorder | None = None
        self.recordings: dict[str, Path] = {}
        self.left: str | None = None  # the recording that ended because its page was closed; told to the next one
        self.camera: Callable[[np.ndarray], None] | None = None  # a virtual one
        self._voice: Voice | None = None
        self._microphone: MicrophoneSound | None = None

    def join(self, watcher: Watcher) -> None:
        """A page was opened; it gets the controls where nobody has them."""
        self.watchers = (*self.watchers, watcher)
        if self.controller is None and watcher.may_control:
            self.controller = watcher
        self.watched.set()

    def leave(self, watcher: Watcher) -> bool:
        """A page was closed; the newest other one gets the controls that it had. Returns whether it had them."""
        self.watchers = tuple(other for other in self.watchers if other is not watcher)
        if self.controller is not watcher:
            return False
        self.controller = next((other for other in reversed(self.watchers) if other.may_control), None)
        return True

    def wants_pictures(self) -> bool:
        """Whether a page, a recording or the virtual camera needs pictures that are drawn here."""
        return self.recorder is not None or self.camera is not None or any(not one.draws for one in self.watchers)

    def wants_poses(self) -> bool:
        """Whether a page draws."""
        return any(one.draws for one in self.watchers)

    def show(self, drawn: DrawnFrame) -> None:
        """Gives a picture to pages, the recording and the virtual camera. Called in the drawing thread."""
        recorder, watchers, session = self.recorder, self.watchers, self.session
        if recorder is not None:
            recorder.put(drawn)
        if self.camera is not None:
            self.camera(drawn.picture)
        picture = Picture(drawn.picture, drawn.number, drawn.tag, drawn.media, drawn.at)
        for watcher in watchers:
            if not watcher.draws:
                watcher.offer(picture)
        if not watchers and session is not None:
            session.shown.mark(drawn.at)

    def pose(self, posed: PosedFrame, frame: Frame, number: int) -> None:
        """Gives parameters to pages that draw: one message, encoded once. Called in the thread that follows."""
        header = Header(number, frame.tag, frame.at, frame.media, posed.found, posed.calibrated)
        self.last = message = encode_pose(posed.pose, header)
        for watcher in self.watchers:
            if watcher.draws:
                watcher.offer(message)

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
        """The page with the controls was closed: what it recorded is ended and kept, its microphone has gone."""
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
