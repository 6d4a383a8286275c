"""An open page: pictures of the portrait go out, the page's camera, microphone and buttons come in."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import numpy as np
from fastapi import WebSocket, WebSocketDisconnect

from ...flame_motion import BadInput
from .follower import CapturedFrame
from .options import STRENGTH_RANGE
from .protocol import ANSWER, HEADER, PICTURE, SOUND, decode_jpeg, encode_jpeg
from .session import DrawnFrame
from .state import LiveState

MAX_IN_TRANSIT = 2  # pictures that a page may have got without saying that it shows them
LOST = 1.0  # s after which one of those is taken to be lost
NUMBERS_EVERY = 0.5  # s between two messages of numbers


class Viewer:
    """One open page, which gets the newest of the pictures that wait for it."""

    def __init__(self, live: LiveState, socket: WebSocket) -> None:
        assert live.session is not None
        self.live, self.socket, self.session = live, socket, live.session
        self._loop = asyncio.get_running_loop()
        self._newest: DrawnFrame | None = None
        self._ready = asyncio.Event()
        # By the number of a picture on its way: when the driver was seen, and when it was sent.
        self._sent: dict[int, tuple[float, float]] = {}
        self.dropped = 0

    def offer(self, drawn: DrawnFrame) -> None:
        """The newest picture, from any thread."""
        self._loop.call_soon_threadsafe(self._take, drawn)

    def _take(self, drawn: DrawnFrame) -> None:
        self.dropped += self._newest is not None
        self._newest = drawn
        self._ready.set()

    async def send(self) -> None:
        """Sends the newest as soon as the page shows what it got."""
        while True:
            await self._ready.wait()
            now = self._loop.time()
            self._sent = {number: (at, sent) for number, (at, sent) in self._sent.items() if now - sent < LOST}
            if len(self._sent) >= MAX_IN_TRANSIT:
                await asyncio.sleep(0.002)
                continue
            drawn, self._newest = self._newest, None
            self._ready.clear()
            if drawn is not None:
                self._sent[drawn.number] = drawn.at, now
                picture = await asyncio.to_thread(encode_jpeg, drawn.picture)
                await self.socket.send_bytes(ANSWER.pack(drawn.number, drawn.tag, drawn.media) + picture)

    async def send_numbers(self) -> None:
        """Sends the numbers twice a second; with the reason where the session has ended."""
        while True:
            numbers = self.session.numbers()
            numbers["dropped"] += self.dropped
            numbers["recording"] = self.live.recorder is not None
            if (failure := self.session.failure or self.live.voice_failure) is not None:
                numbers["ended"] = str(failure)
            await self.socket.send_json({"type": "numbers", **numbers})
            await asyncio.sleep(NUMBERS_EVERY)

    async def receive(self) -> None:
        """Handles what the page sends, until it is closed."""
        while True:
            message = await self.socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect
            if message.get("bytes") is not None:
                await self._take_bytes(message["bytes"])
            else:
                await self._take_text(message.get("text") or "")

    async def _take_bytes(self, message: bytes) -> None:
        if len(message) <= HEADER.size or self.live.source != "page":
            return
        kind, tag = HEADER.unpack_from(message)
        if kind == PICTURE and not self.live.listens:
            arrived = self.session.clock()
            image = await asyncio.to_thread(decode_jpeg, message[HEADER.size :])
            if image is not None:
                self.session.feed(CapturedFrame(image, arrived, tag=tag))
        elif kind == SOUND:
            samples = np.frombuffer(message[HEADER.size :][: (len(message) - HEADER.size) // 2 * 2], "<i2")
            await asyncio.to_thread(self.live.add_sound, samples.astype(np.float32) / 32768)

    async def _take_text(self, text: str) -> None:
        """A message of the page; what our page does not send is ignored."""
        try:
            await self._handle(json.loads(text))
        except BadInput as error:
            await self._send_problem(str(error))
        except (ValueError, KeyError, TypeError, OverflowError):
            pass  # in no form that is known: it is ignored

    async def _handle(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "shown" if (sent := self._sent.pop(int(message["number"]), None)) is not None:
                late = message.get("late")  # ms by the page's own clock, from its camera on
                self.session.mark_shown(sent[0] if late is None else self.session.clock() - float(late) / 1000)
            case "calibrate":
                self.session.calibrate()
            case "strength":
                self.session.set_strength(float(np.clip(float(message["value"]), *STRENGTH_RANGE)))
            case "record":
                self.live.start_recording()
            case "stop":
                name = await asyncio.to_thread(self.live.stop_recording)
                await self.socket.send_json({"type": "recorded", "name": name})
            case "microphone_on" if self.live.source == "page":
                await asyncio.to_thread(self.live.start_microphone)
                await self.socket.send_json({"type": "listening"})
            case "microphone_off" if self.live.source == "page":
                await asyncio.to_thread(self.live.stop_microphone)

    async def dismiss(self) -> None:
        """Closes the connection: another page takes its place."""
        try:
            await self._send_problem("another window has taken over")
            await self.socket.close()
        except (RuntimeError, WebSocketDisconnect):
            pass  # it was gone

    async def _send_problem(self, sentence: str) -> None:
        await self.socket.send_json({"type": "problem", "sentence": sentence})
