"""The local page of `flamecast live`: pictures of the driver come in by a WebSocket, the portrait's go out by it."""

from __future__ import annotations

import asyncio
import io
import json
import struct
import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
from fastapi import FastAPI, HTTPException, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse, HTMLResponse
from PIL import Image
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ...flame_motion import BadInput, Waveform
from ...flame_motion.media.sound import SAMPLE_RATE
from ..web import Names, from_other_site
from .following import Captured
from .recorder import HeardSound, Recorder, sound_of_file
from .session import LiveSession, Shown
from .voice import Voice

PAGE = Path(__file__).parent / "page.html"
PICTURE, SOUND = 1, 2  # the first byte of what a page sends
HEADER = struct.Struct("<Bd")  # kind, the page's own clock in ms
ANSWER = struct.Struct("<Idd")  # number, the page's clock or 0, s into the file
LARGEST = 2 * 1024 * 1024  # bytes of a message
MOST_PIXELS = 1920 * 1080
QUALITY = 88  # of the JPEG pictures
ON_THE_WAY = 2  # pictures that a page may have got without saying that it shows them
LOST = 1.0  # s after which one of those is taken to be lost
TELL = 0.5  # s between two lines of numbers


class Live:
    """What the page and the session share: who watches, what is recorded, what hears."""

    def __init__(self, source: str, *, folder: Path, sound: Path | None = None) -> None:
        """source: `page`, or the name of what else drives; folder: for recordings; sound: what the page may play."""
        self.source, self.folder, self.sound = source, folder, sound
        self.session: LiveSession | None = None
        self.watched = threading.Event()  # somebody has opened the page
        self.viewer: Viewer | None = None
        self.recorder: Recorder | None = None
        self.recordings: dict[str, Path] = {}
        self.camera: Callable[[np.ndarray], None] | None = None  # a virtual one
        self._voice: Voice | None = None
        self._heard: HeardSound | None = None

    def show(self, shown: Shown) -> None:
        """A picture is drawn: to whoever watches, records, or has it as a camera. Called in the drawing thread."""
        recorder, viewer, session = self.recorder, self.viewer, self.session
        if recorder is not None:
            recorder.put(shown)
        if self.camera is not None:
            self.camera(shown.picture)
        if viewer is not None:
            viewer.offer(shown)
        elif session is not None:
            session.told_shown(shown.at)

    def start_recording(self) -> None:
        """Begins a file in the folder, named by the time. BadInput where none can be written."""
        if self.recorder is None:
            heard = None if self._heard is None else self._heard.starting
            target = self._unused(time.strftime("flamecast-live-%Y%m%d-%H%M%S"))
            self.recorder = Recorder(target, heard if self.sound is None else sound_of_file(self.sound))

    def _unused(self, name: str) -> Path:
        """A file that neither is there nor is being made."""
        for number in count(1):
            target = self.folder / (f"{name}.mp4" if number == 1 else f"{name}-{number}.mp4")
            if not target.exists() and target.name not in self.recordings:
                return target
        raise AssertionError("numbers do not end")

    def stop_recording(self) -> str | None:
        """Ends it; the name under which the page may fetch it. BadInput where it could not be written."""
        recorder, self.recorder = self.recorder, None
        try:
            made = None if recorder is None else recorder.close()
        except OSError as error:
            raise BadInput(f"the recording could not be written: {error.strerror or error}") from error
        if made is None:
            return None
        self.recordings[made.name] = made
        return made.name

    def listen(self) -> None:
        """A microphone is about to be on; returns, after seconds, when it can be heard."""
        assert self.session is not None
        self.deaf()
        self._heard, self._voice = HeardSound(), Voice(self.session.feed)

    def hear(self, samples: np.ndarray) -> None:
        """A microphone's next samples [n] -1..1 at SAMPLE_RATE; nothing while nobody listens."""
        session, voice, heard = self.session, self._voice, self._heard  # another thread may turn it off meanwhile
        if session is not None and voice is not None and heard is not None:
            heard.add(samples)
            voice.hear(Waveform(samples, SAMPLE_RATE), session.clock())

    @property
    def deafened(self) -> Exception | None:
        """What went wrong with what the microphone hears, if anything did."""
        voice = self._voice
        return None if voice is None else voice.failure

    def deaf(self) -> None:
        """The microphone is off."""
        voice, self._voice, self._heard = self._voice, None, None
        if voice is not None:
            voice.close()


class Viewer:
    """One open page. Of the pictures that wait for it, it gets the newest."""

    def __init__(self, live: Live, socket: WebSocket) -> None:
        self.live, self.socket = live, socket
        self._loop = asyncio.get_running_loop()
        self._newest: Shown | None = None
        self._ready = asyncio.Event()
        # By the number of a picture on its way: when the driver was seen, and when it was sent.
        self._sent: dict[int, tuple[float, float]] = {}
        self.left_out = 0

    def offer(self, shown: Shown) -> None:
        """The newest picture, from any thread."""
        self._loop.call_soon_threadsafe(self._take, shown)

    def _take(self, shown: Shown) -> None:
        self.left_out += self._newest is not None
        self._newest = shown
        self._ready.set()

    async def send(self) -> None:
        """Sends the newest as soon as the page shows what it got."""
        while True:
            await self._ready.wait()
            now = self._loop.time()
            self._sent = {number: (at, sent) for number, (at, sent) in self._sent.items() if now - sent < LOST}
            if len(self._sent) >= ON_THE_WAY:
                await asyncio.sleep(0.002)
                continue
            shown, self._newest = self._newest, None
            self._ready.clear()
            if shown is not None:
                self._sent[shown.number] = shown.at, now
                picture = await asyncio.to_thread(_jpeg, shown.picture)
                await self.socket.send_bytes(ANSWER.pack(shown.number, shown.tag, shown.media) + picture)

    async def tell(self) -> None:
        """Says the numbers, twice a second; the reason, where the session has ended."""
        session = self.live.session
        assert session is not None
        while True:
            numbers = session.numbers()
            numbers["dropped"] += self.left_out
            numbers["recording"] = self.live.recorder is not None
            if (failure := session.failure or self.live.deafened) is not None:
                numbers["ended"] = str(failure)
            await self.socket.send_json({"type": "numbers", **numbers})
            await asyncio.sleep(TELL)

    async def receive(self) -> None:
        """Takes what the page sends, until it goes."""
        while True:
            message = await self.socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect
            if message.get("bytes") is not None:
                await self._take_bytes(message["bytes"])
            else:
                await self._take_words(message.get("text") or "")

    async def _take_bytes(self, message: bytes) -> None:
        session = self.live.session
        if session is None or len(message) <= HEADER.size or self.live.source != "page":
            return
        kind, tag = HEADER.unpack_from(message)
        if kind == PICTURE:
            arrived = session.clock()
            image = await asyncio.to_thread(_picture, message[HEADER.size :])
            if image is not None:
                session.feed(Captured(image, arrived, tag=tag))
        elif kind == SOUND:
            samples = np.frombuffer(message[HEADER.size :][: (len(message) - HEADER.size) // 2 * 2], "<i2")
            await asyncio.to_thread(self.live.hear, samples.astype(np.float32) / 32768)

    async def _take_words(self, text: str) -> None:
        session, live = self.live.session, self.live
        try:
            said = json.loads(text)
            what = said["type"]
            if what == "shown":
                sent = self._sent.pop(int(said["number"]), None)
                if sent is not None and session is not None:
                    late = said.get("late")  # ms by the page's own clock, from its camera on
                    session.told_shown(sent[0] if late is None else session.clock() - float(late) / 1000)
            elif what == "calibrate" and session is not None:
                session.calibrate()
            elif what == "strength" and session is not None:
                session.strengthen(min(max(float(said["value"]), 0.0), 2.0))
            elif what == "record":
                live.start_recording()
            elif what == "stop":
                name = await asyncio.to_thread(live.stop_recording)
                await self.socket.send_json({"type": "recorded", "name": name})
            elif what == "listen" and live.source == "page":
                await asyncio.to_thread(live.listen)
                await self.socket.send_json({"type": "listening"})
            elif what == "deaf" and live.source == "page":
                await asyncio.to_thread(live.deaf)
        except BadInput as error:
            await self.socket.send_json({"type": "problem", "sentence": str(error)})
        except (ValueError, KeyError, TypeError, OverflowError):
            pass  # nothing that our page sends


class Door:
    """Refuses what calls the server by another name, and other sites' pages."""

    def __init__(self, app: ASGIApp, names: Names) -> None:
        self.app, self.names = app, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        request = HTTPConnection(scope)
        refused = not self.names.answer(request) or (scope["type"] == "websocket" and from_other_site(request))
        if not refused:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await PlainTextResponse("this server answers to other names only", 421)(scope, receive, send)


def create_app(live: Live, names: Names) -> FastAPI:
    """The server's routes. names: those under which it may be called."""
    app = FastAPI(title="flamecast live", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Door, names=names)

    @app.get("/")
    def page() -> HTMLResponse:
        return HTMLResponse(PAGE.read_text(encoding="utf-8"), headers={"Content-Security-Policy": POLICY})

    @app.get("/sound")
    def sound() -> FileResponse:
        if live.sound is None:
            raise HTTPException(404, "there is no sound")
        return FileResponse(live.sound)

    @app.get("/recordings/{name}")
    def recording(name: str) -> FileResponse:
        if name not in live.recordings:  # by name alone: a path of the caller's is never opened
            raise HTTPException(404, "there is no recording of that name")
        return FileResponse(live.recordings[name], media_type="video/mp4", filename=name)

    @app.websocket("/ws")
    async def watch(socket: WebSocket) -> None:
        await socket.accept()
        await _watch(live, socket)

    return app


POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' blob:; style-src 'unsafe-inline'; img-src blob: data:; "
    "media-src 'self' blob:; connect-src 'self' ws: wss:; worker-src blob:; frame-ancestors 'none'; base-uri 'none'"
)


async def _watch(live: Live, socket: WebSocket) -> None:
    """One page, from when it opens until it goes. A second page takes the place of the first."""
    viewer, before = Viewer(live, socket), live.viewer
    live.viewer = viewer
    if before is not None:
        try:
            await before.socket.send_json({"type": "problem", "sentence": "another window has taken over"})
            await before.socket.close()
        except (RuntimeError, WebSocketDisconnect):
            pass  # it was gone
    live.watched.set()
    await socket.send_json({"type": "hello", "source": live.source, "sound": live.sound is not None})
    work = [asyncio.create_task(part()) for part in (viewer.send, viewer.tell, viewer.receive)]
    try:
        await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if live.viewer is viewer:
            live.viewer = None
            if live.source == "page":  # its microphone has gone with it
                await asyncio.to_thread(live.deaf)
        for task in work:
            task.cancel()
        for failure in await asyncio.gather(*work, return_exceptions=True):
            gone = (asyncio.CancelledError, WebSocketDisconnect, RuntimeError)
            if isinstance(failure, BaseException) and not isinstance(failure, gone):
                raise failure


def _jpeg(picture: np.ndarray) -> bytes:
    import cv2

    good, coded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    assert good
    return coded.tobytes()


def _picture(data: bytes) -> np.ndarray | None:
    """A page's JPEG [H, W, 3] uint8; None for anything else."""
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                return None
            return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError):
        return None
