"""`flamecast live`: a portrait, what drives it, and the page that shows it."""

from __future__ import annotations

import gc
import os
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.threads import one_torch_thread
from ...flame_motion import BadInput, VideoClip, Waveform
from ...flame_motion.media.sound import SoundTrack
from ...generator import Generator, Portrait, load_generator
from ..fit import open_portrait
from ..framing import framed
from ..request import GENERATOR, HEAD, HOST, LIVE_PORT, AnimateRequest, Transfer, View
from ..web import Names, address_of, listening
from .follower import FollowerProcess
from .session import LiveSession
from .sources import play_camera, play_file, play_microphone
from .voice import Voice, play_sound

if TYPE_CHECKING:
    from .state import LiveState

SIZES = (512, 448, 384, 320, 256)  # px, of the longest side
DRAWN_IN = 0.028  # s a picture may take to draw where 25 a second are wanted and tracking goes on beside
LAST = 3.0  # s that the last pictures may take
CAMERA_FPS = 30.0  # what cameras give, about


def go_live(
    photo: str,
    *,
    video: Path | None = None,
    speech: Path | None = None,
    camera_device: int | None = None,
    microphone: bool = False,
    loop: bool = False,
    size: int | None = None,
    framing: str = View().framing,
    face: int = AnimateRequest.face,
    strength: float = Transfer().strength,
    head: str = HEAD,
    generator: str = GENERATOR,
    folder: Path = Path(),
    virtual_camera: bool = False,
    host: str = HOST,
    port: int = LIVE_PORT,
    names: tuple[str, ...] = (),
    seconds: float | None = None,
    ready: Callable[[str], None] = lambda address: None,
    stop: threading.Event | None = None,
) -> dict[str, Any]:
    """Serves the page until Ctrl+C, `stop`, the end of `seconds`, or that of what drives; returns the last numbers.

    Driven by one of video and speech (files, at their own pace), a camera or the microphone of this machine, or else by
    what the page sends. size: px of the longest side; what this machine draws 25 times a second when None. ready: told
    the page's address once it answers. Raises BadInput or MissingAsset.
    """
    drivers = {"video": video, "speech": speech, "camera": camera_device, "microphone": microphone or None}
    _check(drivers, loop, folder, size=size or View().size, strength=strength, framing=framing, face=face)
    try:
        from .server import create_app
        from .state import LiveState
    except ImportError as error:
        raise BadInput(f'flamecast live needs more ({error}): pip install "flamecast[app]"') from None
    clip = None if video is None else VideoClip.open(video)
    voice = None if speech is None else Waveform.open(speech)
    listener = listening(host, port)
    follower = FollowerProcess(head)
    try:
        portrait, draws, size = _portrait(photo, face, head, generator, framing, size)
        follower.start(portrait.pose, CAMERA_FPS if clip is None else clip.fps, portrait.image)
        follower.set_strength(strength)
        live = LiveState(
            _named(video, speech, camera_device, microphone), folder=folder, sound=_sound_of(video, speech)
        )
        gc.collect()
        gc.freeze()  # what is loaded by now stays: collecting the garbage of hours takes no longer than that of minutes
        with LiveSession(portrait, draws, follower, live.show) as session:
            live.session = session
            play = _player(live, session, clip, voice, camera_device, microphone, loop)  # loads what it hears with
            with (
                _virtual_camera(live, portrait, virtual_camera),
                _served(create_app(live, Names.of(host, names)), listener, host) as address,
            ):
                ready(address)
                begin = None if virtual_camera or seconds is not None else live.watched
                try:
                    _until_over(session, play, begin, seconds, threading.Event() if stop is None else stop)
                finally:  # what is recorded by now is kept, however it ends
                    live.stop_recording()
                    live.stop_microphone()
                numbers = session.numbers()
        if session.failure is not None:
            raise session.failure
        return numbers
    finally:
        gc.unfreeze()
        follower.close()
        listener.close()


def _check(drivers: dict[str, Any], loop: bool, folder: Path, **options: Any) -> None:
    given = [name for name, value in drivers.items() if value is not None]
    if len(given) > 1:
        raise BadInput(f"expected one of {', '.join(drivers)} to drive with, got {' and '.join(given)}")
    if loop and not {"video", "speech"} & set(given):
        raise BadInput("loop goes with a file that ends: video or speech")
    AnimateRequest.of(**options)
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise BadInput(f"the folder for recordings, {folder}: it must be there and be one that can be written to")


@one_torch_thread()
def _portrait(
    photo: str, face: int, head: str, generator: str, framing: str, size: int | None
) -> tuple[Portrait, Generator, int]:
    """The fitted portrait as large as it is shown, its generator, warm, and that size."""
    whole = Portrait.load(photo) if photo.endswith(".npz") else open_portrait(photo, face, head)[0]
    draws = load_generator(generator)
    for tried in SIZES if size is None else (size,):
        portrait = framed(whole, framing, tried)
        taken = []
        for _ in range(6):
            start = time.perf_counter()
            next(iter(draws(portrait, portrait.pose, None)))
            taken.append(time.perf_counter() - start)
        if statistics.median(taken[1:]) <= DRAWN_IN:  # the first prepares the portrait
            break
    return portrait, draws, tried


def _named(video: Path | None, speech: Path | None, device: int | None, microphone: bool) -> str:
    if video is not None:
        return video.name
    if speech is not None:
        return f"voice: {speech.name}"
    if microphone:
        return "voice: the microphone"
    return "page" if device is None else f"camera {device}"


def _sound_of(video: Path | None, speech: Path | None) -> Path | None:
    """What the page may play beside the pictures."""
    if video is not None:
        return video if SoundTrack.find(video)[0] is not None else None
    return speech


def _player(
    live: LiveState, session: LiveSession, clip: VideoClip | None, voice: Waveform | None, device: int | None,
    microphone: bool, loop: bool,
) -> Callable[[threading.Event], None] | None:  # fmt: skip
    """What feeds the session until it ends or is stopped; None where the page does."""
    if clip is not None:
        return partial(play_file, clip, session.feed, loop=loop)
    if voice is not None:
        return partial(play_sound, voice, Voice(session.feed), loop=loop)
    if microphone:
        live.start_microphone()
        return partial(play_microphone, live.add_sound)
    return None if device is None else partial(play_camera, device, session.feed)


def _until_over(
    session: LiveSession, play: Callable[[threading.Event], None] | None, begin: threading.Event | None,
    seconds: float | None, stop: threading.Event,
) -> None:  # fmt: skip
    """Plays, from when `begin` is set, until the end of that, of `seconds`, of the session itself, `stop` or Ctrl+C."""
    failures: list[BaseException] = []
    end = float("inf") if seconds is None else time.perf_counter() + seconds

    def played() -> None:
        try:
            while begin is not None and not begin.wait(0.05) and not stop.is_set():
                pass
            if play is not None and not stop.is_set():
                play(stop)
        except BaseException as error:
            failures.append(error)

    player = threading.Thread(target=played, name="player", daemon=True)
    player.start()
    try:
        while time.perf_counter() < end and session.failure is None and (play is None or player.is_alive()):
            if stop.wait(0.05):
                break
    except KeyboardInterrupt:
        pass  # that is how one ends it
    stop.set()
    player.join()
    if failures:
        raise failures[0]
    session.settle(LAST)
    time.sleep(LAST / 10)  # what is drawn is on its way to the page


@contextmanager
def _virtual_camera(live: Any, portrait: Portrait, wanted: bool) -> Iterator[None]:
    """What is shown, as a camera of this machine that other programs see. BadInput where it has none."""
    if not wanted:
        yield
        return
    try:
        import pyvirtualcam
    except ImportError:
        raise BadInput('--virtual-camera needs more: pip install "flamecast[camera]"') from None
    height, width = portrait.image.shape[:2]
    try:
        camera = pyvirtualcam.Camera(width, height, 25)
    except RuntimeError as error:
        raise BadInput(
            f"there is no virtual camera on this machine ({str(error).strip().splitlines()[-1]}): on Linux load "
            "v4l2loopback, on Windows and macOS install OBS"
        ) from None
    with camera:
        live.camera = lambda picture: camera.send(np.ascontiguousarray(picture))
        yield
        live.camera = None


@contextmanager
def _served(app: Any, listener: socket.socket, host: str) -> Iterator[str]:
    """The app, answering at an address, in a thread."""
    import uvicorn

    from .protocol import MAX_MESSAGE

    options: dict[str, Any] = {"ws_max_size": MAX_MESSAGE, "ws_per_message_deflate": False, "lifespan": "off"}
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False, server_header=False, **options))
    thread = threading.Thread(target=server.run, args=([listener],), name="server", daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    if not server.started:
        raise RuntimeError("the server did not start")
    try:
        yield address_of(host, listener)
    finally:
        server.should_exit = server.force_exit = True  # an open page would keep it
        thread.join()
