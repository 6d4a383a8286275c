"""The local server of `flamecast live`: page, player, recordings, and the WebSocket between page and session."""

from __future__ import annotations

import asyncio
import sys
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI, HTTPException, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse, HTMLResponse, Response
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ...flame_motion import BadInput
from ..player.page import player_text
from ..web import Names, from_other_site
from .options import STRENGTH_RANGE
from .state import LiveState
from .viewer import Viewer

PAGE = Path(__file__).parent / "page.html"
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' blob:; style-src 'unsafe-inline'; img-src blob: data:; "
    "media-src 'self' blob:; connect-src 'self' ws: wss:; worker-src blob:; frame-ancestors 'none'; base-uri 'none'"
)


SCRIPTS = ("player.js", "drawing.js")  # what a page that draws imports
MAX_WATCHERS = 64
PARTING = 1008  # the code with which a socket is closed that asks too much


class HostGuard:
    """Middleware that refuses requests by another host name, and other sites' pages."""

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


def create_app(live: LiveState, names: Names) -> FastAPI:
    """The server's routes. names: those under which it may be called."""
    app = FastAPI(title="flamecast live", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(HostGuard, names=names)

    @app.get("/")
    def page() -> HTMLResponse:
        return HTMLResponse(PAGE.read_text(encoding="utf-8"), headers={"Content-Security-Policy": POLICY})

    @app.get("/{name}.js")
    def script(name: str) -> Response:
        if f"{name}.js" not in SCRIPTS:
            raise HTTPException(404, "there is no script of that name")
        text = player_text("player.js") if name == "player" else files(__package__).joinpath("drawing.js").read_text()
        return Response(text, media_type="text/javascript", headers={"Cache-Control": "no-store"})

    @app.get("/portrait")
    def portrait() -> Response:
        """Answers when it is made."""
        if live.portrait is None:
            raise HTTPException(404, "this portrait is drawn by the server alone")
        return Response(
            live.portrait.get(), media_type="application/octet-stream", headers={"Cache-Control": "no-store"}
        )

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


def _kept(live: LiveState) -> None:
    """Ends what a page that was closed had begun; nobody is left to be told what goes wrong."""
    try:
        live.page_gone()
    except BadInput as error:
        print(f"flamecast live: {error}", file=sys.stderr, flush=True)


async def _watch(live: LiveState, socket: WebSocket) -> None:
    """Serves one page until it is closed. The first has the controls; the others watch, or take them over."""
    if len(live.watchers) >= MAX_WATCHERS:
        await socket.close(PARTING, f"{MAX_WATCHERS} pages watch already")
        return
    viewer = Viewer(live, socket, may_control="watch" not in socket.query_params)
    live.join(viewer)
    await socket.send_json(
        {"type": "hello", "session": live.session_name, "source": live.source, "sound": live.sound is not None,
         "strength": STRENGTH_RANGE, "controls": viewer.controls, "draws": live.portrait is not None}
    )  # fmt: skip
    if viewer.controls and live.left is not None:
        name, live.left = live.left, None
        await socket.send_json({"type": "recorded", "name": name})
    work = [asyncio.create_task(part()) for part in (viewer.send, viewer.send_numbers, viewer.receive)]
    try:
        await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if live.leave(viewer):
            await asyncio.to_thread(_kept, live)
            if isinstance(live.controller, Viewer):
                await live.controller.send_role()
        for task in work:
            task.cancel()
        for failure in await asyncio.gather(*work, return_exceptions=True):
            gone = (asyncio.CancelledError, WebSocketDisconnect, RuntimeError)
            if isinstance(failure, BaseException) and not isinstance(failure, gone):
                raise failure
