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

from ...core.extras import how_to_install
from ...core.threads import one_torch_thread
from ...drivers.speech.level import Level
from ...flame_motion import BadInput, FlameSequence, VideoClip, Waveform
from ...flame_motion.formats import load_motion
from ...flame_motion.media.sound import SoundTrack
from ...generator import Generator, Portrait, load_generator
from ...generator.warp.scene import prepare
from ..exports.portrait import PAGE_SIZE
from ..fit import Fitted, Sight, look_at, open_portrait
from ..framing import framed
from ..player.scene_file import scene_file
from ..web import Names, address_of, listed, listening
from .background import Background
from .follower import FollowerProcess
from .livelink import open_livelink, play_livelink
from .options import LiveOptions
from .session import LiveSession
from .sources import play_camera, play_file, play_microphone, play_motion
from .voice import Voice, play_sound

if TYPE_CHECKING:
    from .state import LiveState

SIZES = (512, 448, 384, 320, 256)  # px, of the longest side
DRAWN_IN = 0.028  # s a picture may take to draw where 25 a second are wanted and tracking goes on beside
LAST = 3.0  # s that the last pictures may take, where the driver ends by itself
STOPPING = 5.0  # s that is waited, at most, for what drives to end: a camera may not answer
Media = VideoClip | Waveform | FlameSequence | socket.socket  # what drives from outside a page: files, and a stream
CAMERA_FPS = 30.0  # what cameras give, about


def go_live(
    options: LiveOptions,
    *,
    ready: Callable[[str], None] = lambda address: None,
    note: Callable[[str], None] = lambda sentence: None,
    stop: threading.Event | None = None,
    cache: bool = False,
) -> dict[str, Any]:
    """Serves the page until Ctrl+C, `stop`, the end of `options.seconds` or of the driver; returns the last numbers.

    ready: called with the page's address once it answers; note: with what to know of photo and sound. cache:
    whether the fitted portrait is kept, see `fit.look_at`. Raises BadInput or MissingAsset.
    """
    _check_folder(Path(options.folder))
    try:
        from .server import create_app
        from .state import LiveState
    except ImportError as error:
        raise BadInput(f"flamecast live needs more ({error}): {how_to_install('app')}") from None
    sight = look_at(options.photo, options.face, head=options.head, cache=cache)  # before anything is started for it
    media = _open_media(options, note)
    names, listener = Names.of(options.host, listed(options.name)), listening(options.host, options.port)
    follower = FollowerProcess(options.head)
    try:
        whole, portrait, generator = _prepared(options, sight, note)
        follower.start(portrait.pose, media.fps if isinstance(media, VideoClip) else CAMERA_FPS, portrait.image)
        follower.set_strength(options.strength)
        live = LiveState(options.source, folder=Path(options.folder), sound=_sound_of(options))
        gc.collect()
        gc.freeze()  # what is loaded by now stays: collecting the garbage of hours takes no longer than that of minutes
        live.portrait = _portrait_file(options, whole)
        with LiveSession(portrait, generator, follower, live) as session:
            live.session = session
            play = _player(live, session, media, options)  # loads the models that it needs
            with (
                _virtual_camera(live, portrait, options.virtual_camera),
                _served(create_app(live, names), listener, options.host) as address,
            ):
                ready(address)
                begin = None if options.virtual_camera or options.seconds is not None else live.watched
                try:
                    _until_over(session, play, begin, options.seconds, threading.Event() if stop is None else stop)
                finally:  # what is recorded by now is kept, however it ends
                    live.stop_recording()
                    live.stop_microphone()
                numbers, failure = session.numbers(), session.failure
                follower.close()  # whatever picture it is at: the session would wait for it
        if failure is not None:
            raise failure
        return numbers
    finally:
        gc.unfreeze()
        follower.close()
        listener.close()
        if isinstance(media, socket.socket):
            media.close()


def _check_folder(folder: Path) -> None:
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise BadInput(f"the folder for recordings, {folder}: it must be there and be one that can be written to")


def _open_media(options: LiveOptions, note: Callable[[str], None]) -> Media | None:
    """The file or stream that drives, if one does; a recording as loud as a voice is heard. BadInput."""
    if options.livelink is not None:
        return open_livelink(options.livelink)
    if options.video is not None:
        return VideoClip.open(options.video)
    if options.motion is not None:
        motion, notes = load_motion(options.motion, options.head)
        for sentence in notes:
            note(sentence)
        return motion
    if options.speech is None:
        return None
    sound = Waveform.open(options.speech)
    level = Level.of(sound)
    if level.note is not None:
        note(f"the recording {options.speech} {level.note}")
    return level.amplified(sound)


@one_torch_thread()
def _prepared(
    options: LiveOptions, sight: Fitted | Sight, note: Callable[[str], None]
) -> tuple[Portrait, Portrait, Generator]:  # fmt: skip
    """The fitted portrait, whole and as large as it is drawn here, and its generator, warm."""
    whole, notes = open_portrait(sight, head=options.head)
    for sentence in notes:
        note(sentence)
    generator = load_generator(options.generator)
    for size in SIZES if options.size is None else (options.size,):
        portrait = framed(whole, options.framing, size)
        taken = []
        for _ in range(6):
            start = time.perf_counter()
            next(iter(generator(portrait, portrait.pose, None)))
            taken.append(time.perf_counter() - start)
        if statistics.median(taken[1:]) <= DRAWN_IN:  # the first prepares the portrait
            break
    return whole, portrait, generator


def _portrait_file(options: LiveOptions, whole: Portrait) -> Background[bytes] | None:
    """The portrait's file for pages that draw; None for a generator that is not what they draw like."""
    if options.generator != "warp":
        return None
    longest = min(PAGE_SIZE, max(whole.image.shape[:2])) if options.size is None else options.size

    @one_torch_thread()
    def make() -> bytes:
        return scene_file(prepare(framed(whole, options.framing, longest))).packed()

    return Background(make)


def _sound_of(options: LiveOptions) -> Path | None:
    """What the page may play beside the pictures."""
    if options.video is not None:
        return options.video if SoundTrack.find(options.video)[0] is not None else None
    return options.speech


def _player(
    live: LiveState, session: LiveSession, media: Media | None, options: LiveOptions
) -> Callable[[threading.Event], None] | None:
    """What feeds the session until it ends or is stopped; None where the page does."""
    if isinstance(media, VideoClip):
        return partial(play_file, media, session.feed, loop=options.loop)
    if isinstance(media, FlameSequence):
        return partial(play_motion, media, session.feed, loop=options.loop)
    if isinstance(media, socket.socket):
        return partial(play_livelink, media, session.feed)
    if media is not None:
        return partial(play_sound, media, Voice(session.feed), loop=options.loop)
    if options.microphone:
        live.start_microphone()
        return partial(play_microphone, live.add_sound)
    return None if options.camera_device is None else partial(play_camera, options.camera_device, session.feed)


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
        except BaseException as error:  # raised by the thread that waits, below
            failures.append(error)

    player = threading.Thread(target=played, name="player", daemon=True)
    player.start()
    try:
        while time.perf_counter() < end and session.failure is None and (play is None or player.is_alive()):
            if stop.wait(0.05):
                break
    except KeyboardInterrupt:  # that is how one ends it
        stop.set()
    ended = not stop.is_set()
    stop.set()
    player.join(STOPPING)
    if failures:
        raise failures[0]
    if ended:
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
        raise BadInput(f"--virtual-camera needs more: {how_to_install('camera')}") from None
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
