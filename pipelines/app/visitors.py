"""Visitors and what they may reach: a cookie for each browser, a folder for each visitor, nothing for strangers."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import secrets
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..web import Names, from_other_site
from .limits import MB
from .reach import Reach

if TYPE_CHECKING:
    from .job_queue import JobQueue

COOKIE = "flamecast_visitor"
LINGER, LINGER_BYTES = 1.0, 32 << 20  # s between two pieces, and bytes in all, that are still read of what is refused
CALL_BYTES = 2_000_000  # of a call to the page, whose files have been sent before
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
# Gradio's routes that the page needs; all others (a proxy, server functions, recordings …) are closed.
_OPEN = re.compile(
    r"/gradio_api/(queue/(join|data)|upload(_progress)?|heartbeat/\w+|cancel|reset/?|app_id/?|startup-events|info/?|theme\.css)"
)
_FILE = "/gradio_api/file="
_CLOSED = ("/monitoring", "/login", "/logout", "/token", "/user", "/proxy=", "/dev/", "/svelte/", "/config/")
# The page brings everything along, so its browser need fetch nothing from other sites.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob: 'wasm-unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "connect-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors "
)


def headers_of(reach: Reach) -> dict[bytes, bytes]:
    """The headers that every answer has."""
    headers = {
        b"content-security-policy": (POLICY + (" ".join(reach.frames) or "'none'")).encode(),
        b"x-content-type-options": b"nosniff",
        b"referrer-policy": b"same-origin",
        b"cross-origin-resource-policy": b"cross-origin" if reach.origins else b"same-origin",  # a <video> in a page
    }
    return headers if reach.frames else headers | {b"x-frame-options": b"DENY"}  # which can name no site


def visitor_of(request: HTTPConnection) -> str:
    """The name of the visitor's folder, from which the cookie that proves who they are cannot be derived."""
    return request.scope.get("flamecast_visitor", "nobody")


def api_user(request: Request) -> str:
    """The user whose jobs are counted together: programs have no cookies, so it is their machine."""
    host = request.client.host if request.client is not None else "unknown"
    return "api-" + hashlib.sha256(host.encode()).hexdigest()[:16]


def folder_name(secret: str) -> str:
    """The folder of a cookie."""
    return "visitor-" + hashlib.sha256(secret.encode()).hexdigest()[:32]


class Guard:
    """Middleware before every route: refuses other host names, other sites' pages, other visitors' files, too much."""

    def __init__(self, app: ASGIApp, queue: JobQueue, max_bytes: int, reach: Reach):
        self.app, self.queue, self.root, self.max_bytes = app, queue, queue.root.resolve(), max_bytes
        self.reach, self.names = reach, Names.of(reach.host, reach.names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["path"] == self.reach.root_path != "" and scope["type"] == "http":  # what a page names lies below it
            await RedirectResponse(f"{self.reach.root_path}/", 308)(scope, receive, send)
            return
        scope = {**scope, "path": self.reach.below(scope["path"])}
        request = HTTPConnection(scope)
        secret = _cookie(request)
        fresh = secrets.token_urlsafe(32) if secret is None else None
        scope["flamecast_visitor"] = folder_name(secret or fresh or "")
        refusal = self._refusal(request, scope)
        if refusal is not None:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            await _refuse(refusal, scope, receive, send)
            return
        if scope["type"] == "websocket":
            await self.app(scope, receive, send)
            return
        joins = scope["path"] == "/gradio_api/queue/join" and scope["method"] == "POST"
        bounded = Bounded(receive, CALL_BYTES if joins else self.max_bytes)
        body = None
        if joins:
            body = await bounded.whole()
            if body is None or not self._owns_all(body, scope["flamecast_visitor"]):
                answer = JSONResponse({"detail": "this file is not yours, or is gone: give it again"}, 403)
                await answer(scope, receive, send)
                return
        await self._pass(scope, bounded, _Answer(send, fresh, scope, self.reach), body)

    async def _pass(self, scope: Scope, bounded: Bounded, send: _Answer, body: bytes | None) -> None:
        """Runs the app; a request that turns out too long is answered 413."""
        try:
            await self.app(scope, bounded.again(body) if body is not None else bounded, send)
        except TooLong:
            if send.begun:
                raise
            await _refuse(_too_long(self.max_bytes), scope, bounded.receive, send)

    def _refusal(self, request: HTTPConnection, scope: Scope) -> Response | None:
        """The answer to a request that is refused by its address, headers and length; None where it is not."""
        if not self.names.answer(request):
            return JSONResponse(
                {"detail": "this server answers to other names only (flamecast app --host, --name)"}, 421
            )
        acting = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD", "OPTIONS")
        invited = scope["path"].startswith("/api/") and request.headers.get("origin") in self.reach.origins
        if acting and from_other_site(request) and not invited:
            return JSONResponse({"detail": "another site's page may not act here"}, 403)
        length = request.headers.get("content-length", "0")
        if scope["type"] == "http" and (not length.isdecimal() or int(length) > self.max_bytes):
            return _too_long(self.max_bytes)
        path = scope["path"]
        if path.startswith(_FILE):
            own = self.root / scope["flamecast_visitor"]
            return None if _inside(path[len(_FILE) :], own) else _nothing()
        if path.startswith("/gradio_api") and not _OPEN.fullmatch(path):
            return _nothing()
        return _nothing() if path.startswith(_CLOSED) else None

    def _owns_all(self, body: bytes, visitor: str) -> bool:
        """Whether every file that a call to the page names lies in the visitor's own folder."""
        try:
            content = json.loads(body)
        except (ValueError, RecursionError):
            return False
        own = self.root / visitor
        stack: list[Any] = [content]
        while stack:
            value = stack.pop()
            if isinstance(value, dict):
                path = value.get("path")
                if path is not None and not (isinstance(path, str) and _inside(path, own)):
                    return False
                stack.extend(value.values())
            elif isinstance(value, list):
                stack.extend(value)
        return True


class TooLong(HTTPException):
    """More came than is accepted: FastAPI answers it as it is, where any other error would become one of reading."""

    def __init__(self, max_bytes: int):
        super().__init__(413, _too_much(max_bytes), {"Connection": "close"})


class Bounded:
    """Receives a request's body up to a number of bytes."""

    def __init__(self, receive: Receive, max_bytes: int):
        self.receive, self.max_bytes, self.left = receive, max_bytes, max_bytes

    async def __call__(self) -> Message:
        message = await self.receive()
        if message["type"] == "http.request":
            self.left -= len(message.get("body", b""))
            if self.left < 0:
                raise TooLong(self.max_bytes)
        return message

    async def whole(self) -> bytes | None:
        """The body in one piece; None where it is too long or cut off."""
        pieces = []
        try:
            while True:
                message = await self()
                if message["type"] != "http.request":
                    return None
                pieces.append(message.get("body", b""))
                if not message.get("more_body", False):
                    return b"".join(pieces)
        except TooLong:
            return None

    def again(self, body: bytes) -> Receive:
        """A receiver that gives the whole body once more."""
        given = False

        async def receive() -> Message:
            nonlocal given
            if given:
                return await self.receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        return receive


class _Answer:
    """Adds the headers that every answer has, and the cookie of somebody new."""

    def __init__(self, send: Send, fresh: str | None, scope: Scope, reach: Reach):
        self.send, self.fresh, self.scope, self.reach, self.begun = send, fresh, scope, reach, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            own = headers_of(self.reach)
            headers = [pair for pair in message.get("headers", []) if pair[0].lower() not in own]
            headers += list(own.items())
            if self.fresh is not None and self.scope["path"] == "/":  # not with each file of a page's first visit
                headers.append((b"set-cookie", self._cookie().encode()))
            message = {**message, "headers": headers}
        await self.send(message)

    def _cookie(self) -> str:
        """The cookie of somebody new; in another site's frame, browsers send only one that is made for it."""
        cookie, secure = (
            f"{COOKIE}={self.fresh}; Path={self.reach.root_path}/; HttpOnly",
            self.scope["scheme"] == "https",
        )
        if secure and self.reach.frames:
            return f"{cookie}; SameSite=None; Secure; Partitioned"
        return f"{cookie}; SameSite=Lax" + ("; Secure" if secure else "")


async def _refuse(answer: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers at once, and reads on for a moment: closing while the client still sends would lose the answer."""

    async def unfinished(message: Message) -> None:
        await send({**message, "more_body": True} if message["type"] == "http.response.body" else message)

    await answer(scope, receive, unfinished)
    left = LINGER_BYTES
    try:
        while left > 0 and scope["method"] not in ("GET", "HEAD"):
            message = await asyncio.wait_for(receive(), LINGER)
            left -= len(message.get("body", b""))
            if message["type"] != "http.request" or not message.get("more_body", False):
                break
    except asyncio.TimeoutError:
        pass  # who sends no more is answered all the same
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _cookie(request: HTTPConnection) -> str | None:
    """The visitor's secret, where the browser brought one."""
    try:
        morsel = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel is not None and _SECRET.fullmatch(morsel.value) else None


def _inside(path: str, folder: Path) -> bool:
    """Whether a path, wherever its links lead, lies in a folder."""
    try:
        real = os.path.realpath(path)
    except (OSError, ValueError):
        return False
    return os.path.isabs(path) and real.startswith(str(folder) + os.sep)


def _nothing() -> Response:
    return JSONResponse({"detail": "there is nothing here"}, 404)


def _too_much(max_bytes: int) -> str:
    return f"at most {max_bytes / MB:g} MB are taken at once"


def _too_long(max_bytes: int) -> Response:
    return JSONResponse({"detail": _too_much(max_bytes)}, 413, headers={"Connection": "close"})
