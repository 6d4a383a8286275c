"""An open page: the portrait goes out as pictures or parameters, the page's camera, microphone and buttons come in."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import numpy as np
from fastapi import WebSocket, WebSocketDisconnect

from ...flame_motion import BadInput
from .follower import CapturedFrame
from .options import STRENGTH_RANGE
from .protocol import HEADER, PICTURE, SOUND, Picture, decode_jpeg
from .shown import Shown
from .state import LiveState

MAX_IN_TRANSIT = 2  # pictures that a page may have got without saying that it shows them
LOST = 1.0  # s after which one of those is taken to be lost
NUMBERS_EVERY = 0.5  # s between two messages of numbers


def _number(value: Any) -> float:
    """A finite number; ValueError or TypeError for anything else."""
    if not math.isfinite(number := float(value)):
        raise ValueError("not a finite number")
    return number


class Viewer:
    """One open page, which gets the newest of what waits for it: a slow one delays no other."""

    def __init__(self, live: LiveState, socket: WebSocket, *, may_control: bool = True) -> None:
        """may_control: whether it may have the controls; a page that only shows the portrait may not."""
        assert live.session is not None
        self.live, self.socket, self.session, self.may_control = live, socket, live.session, may_control
        self.draws = False  # until it asks for parameters
        self._loop = asyncio.get_running_loop()
        self._newest: Picture | bytes | None = None
        self._ready = asyncio.Event()
        # By the number of a picture on its way: when the driver was seen, and when it was sent.
        self._sent: dict[int, tuple[float, float]] = {}
        self._shown = Shown(self.session.clock)
        self.dropped = 0

    @property
    def controls(self) -> bool:
        """Whether this page's camera, microphone and buttons count."""
        return self.live.controller is self

    def offer(self, message: Picture | bytes) -> None:
        """The newest picture or parameters, from any thread."""
        try:
            self._loop.call_soon_threadsafe(self._take, message)
        except RuntimeError:
            pass  # the server has ended

    def _take(self, message: Picture | bytes) -> None:
        if isinstance(message, bytes) != self.draws:
            return  # it has changed its mind meanwhile
        self.dropped += self._newest is not None
        self._newest = message
        self._ready.set()

    async def send(self) -> None:
        """Sends the newest: parameters as soon as the socket takes them, a picture when the page shows what it got."""
        while True:
            await self._ready.wait()
            if isinstance(self._newest, Picture) and self._is_full():
                await asyncio.sleep(0.002)
                continue
            newest, self._newest = self._newest, None
            self._ready.clear()
            if isinstance(newest, Picture):
                self._sent[newest.number] = newest.at, self._loop.time()
                await self.socket.send_bytes(await asyncio.to_thread(newest.message))
            elif newest is not None:
                await self.socket.send_bytes(newest)

    def _is_full(self) -> bool:
        now = self._loop.time()
        self._sent = {number: (at, sent) for number, (at, sent) in self._sent.items() if now - sent < LOST}
        return len(self._sent) >= MAX_IN_TRANSIT

    async def send_numbers(self) -> None:
        """Sends the numbers twice a second; with the reason where the session has ended."""
        while True:
            numbers = self.session.numbers() | self._shown.numbers()
            numbers["dropped"] += self.dropped
            numbers["recording"] = self.live.recorder is not None
            numbers["watchers"] = len(self.live.watchers)
            if (note := self.live.note) is not None:
                numbers["note"] = note
            if (failure := self.session.failure or self.live.voice_failure) is not None:
                numbers["ended"] = str(failure)
            await self.socket.send_json({"type": "numbers", **numbers})
            await asyncio.sleep(NUMBERS_EVERY)

    async def send_role(self) -> None:
        """Tells the page whether it has the controls."""
        try:
            await self.socket.send_json({"type": "role", "controls": self.controls})
        except (RuntimeError, WebSocketDisconnect):
            pass  # it is gone

    async def receive(self) -> None:
        """Handles what the page sends, until it is closed."""
        while True:
            message = await self.socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect
            if message.get("bytes") is not None:
                if self.controls:
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
            message = json.loads(text)
            await self._watch(message)
            if self.controls:
                await self._control(message)
        except BadInput as error:
            await self._send_problem(str(error))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            pass  # in no form that is known: it is ignored

    async def _watch(self, message: dict[str, Any]) -> None:
        """What every page may say."""
        match message["type"]:
            case "draw":
                await self._draw(by_page=message["by"] == "page" and self.live.portrait is not None)
            case "shown" if (sent := self._sent.pop(int(message["number"]), None)) is not None:
                late = message.get("late")  # ms by the page's own clock, from its camera on
                at = sent[0] if late is None else self.session.clock() - _number(late) / 1000
                for shown in self._counted():
                    shown.mark(at)
            case "drawn" if self.draws:
                late = [None if message[name] is None else _number(message[name]) for name in ("late", "late_p95")]
                for shown in self._counted():
                    shown.report(_number(message["fps"]), *late)
            case "clock":
                sent_at = _number(message["sent"])
                await self.socket.send_json({"type": "clock", "sent": sent_at, "here": self.session.clock()})
            case "take" if self.may_control and not self.controls:
                await self._take_controls()

    def _counted(self) -> list[Shown]:
        return [self._shown, self.session.shown] if self.controls or self.live.controller is None else [self._shown]

    async def _draw(self, *, by_page: bool) -> None:
        """Pictures from now on, or parameters, of which the newest goes out at once."""
        self.draws, self._newest = by_page, None
        self._sent.clear()
        await self.socket.send_json({"type": "draw", "by": "page" if by_page else "server"})
        if by_page and self.live.last is not None:
            self._take(self.live.last)

    async def _take_controls(self) -> None:
        before, self.live.controller = self.live.controller, self
        if self.live.source == "page":  # whose microphone that was
            await asyncio.to_thread(self.live.stop_microphone)
        await self.send_role()
        if isinstance(before, Viewer):
            await before.send_role()

    async def _control(self, message: dict[str, Any]) -> None:
        """What the page with the controls may say."""
        match message["type"]:
            case "calibrate":
                self.session.calibrate()
            case "strength":
                self.session.set_strength(float(np.clip(_number(message["value"]), *STRENGTH_RANGE)))
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

    async def _send_problem(self, sentence: str) -> None:
        await self.socket.send_json({"type": "problem", "sentence": sentence})
