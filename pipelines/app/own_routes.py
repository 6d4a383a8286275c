"""What HTTP asks of every route of ours: HEAD beside GET, 405 with what is taken, errors as JSON, ranges of bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .job import OUR_FAULT

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def readable(routes: APIRouter | FastAPI, path: str, **described: Any) -> Callable[[Callable[..., Any]], Any]:
    """A decorator that answers GET and HEAD at a path; OpenAPI describes one of them."""

    def add(answer: Callable[..., Any]) -> Callable[..., Any]:
        routes.head(path, include_in_schema=False)(answer)
        routes.get(path, **described)(answer)
        return answer

    return add


def add_plain_errors(app: FastAPI) -> None:
    """Answers what no route takes, and our own faults, as JSON with one sentence; 405 names what the path does take."""

    async def refused(request: Any, error: Any) -> JSONResponse:
        headers, detail = dict(error.headers or {}), error.detail
        if error.status_code == 405:
            headers["Allow"] = ", ".join(_taken(app, request.scope))
            detail = f"{request.method} is not taken here, {headers['Allow']} is"
        elif error.status_code == 404 and detail == HTTPStatus.NOT_FOUND.phrase:
            detail = "there is nothing here"
        return JSONResponse({"detail": detail}, error.status_code, headers)

    async def fault(request: Any, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": OUR_FAULT}, 500)

    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(Exception, fault)


def _taken(app: FastAPI, scope: Scope) -> list[str]:
    """The methods that some route takes at a request's path."""

    def takes(method: str) -> bool:
        return any(route.matches({**scope, "method": method})[0] is Match.FULL for route in app.routes)

    return [method for method in METHODS if takes(method)]


class OwnRoutes:
    """Middleware that gives requests for our own routes to one app, all others to the page's."""

    def __init__(self, own: FastAPI, page: ASGIApp, root_path: str = ""):
        """root_path: what a proxy serves both under; it is not part of the paths that come here."""
        self.own, self.page, self.root_path = own, page, root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        path = scope.get("path", "").rstrip("/")
        if scope["type"] != "http" or not f"{path}/".startswith(("/api/", "/app/", "/docs/", "/openapi.json/")):
            await self.page(scope, receive, send)
            return
        unit = Headers(scope=scope).get("range", "bytes=").partition("=")[0].strip().lower()
        headers = [pair for pair in scope["headers"] if unit == "bytes" or pair[0] != b"range"]  # RFC 9110, 14.2
        if path == "/docs" != scope["path"]:  # the page names its files beside itself
            await RedirectResponse(f"{self.root_path}/docs", 308)(scope, receive, send)
            return
        whole = {"path": self.root_path + path, "root_path": self.root_path}  # as ASGI has them
        await self.own({**scope, **whole, "headers": headers}, receive, _JsonErrors(send))


class _JsonErrors:
    """Sends an answer on; an error that is not JSON, as servers of files make it, becomes `{"detail": sentence}`."""

    def __init__(self, send: Send):
        self.send, self.text = send, b""
        self.start: Message | None = None  # of the answer that is replaced

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= 400:
            kind = Headers(raw=message["headers"]).get("content-type", "")
            if not kind.startswith("application/json"):
                self.start = message
                return
        if self.start is None:
            await self.send(message)
            return
        self.text += message.get("body", b"")
        if not message.get("more_body", False):
            await self._send_json(self.start)

    async def _send_json(self, start: Message) -> None:
        headers = Headers(raw=start["headers"])
        detail = self.text.decode(errors="replace") or HTTPStatus(start["status"]).phrase
        if start["status"] == 416:
            detail = f"there is no such part: the file has {headers.get('content-range', '').rpartition('/')[2]} bytes"
        body = json.dumps({"detail": detail}).encode()
        replaced = (b"content-type", b"content-length")
        kept = [pair for pair in start["headers"] if pair[0].lower() not in replaced]
        kept += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await self.send({**start, "headers": kept})
        await self.send({"type": "http.response.body", "body": body})
