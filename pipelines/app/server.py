"""The server: the page at /, the API at /api, one queue behind both."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...core.errors import BadInput
from ...core.extras import how_to_install
from ..web import address_of, listening
from .limits import Limits
from .options import AppOptions
from .reach import THIS_MACHINE, Reach

NEEDED = ("fastapi", "gradio", "multipart", "uvicorn")
CORS: dict[str, Any] = {  # what other sites' pages, where they may call the API, may send and read
    "allow_methods": ["GET", "POST", "DELETE"],
    "allow_headers": ["Range"],
    "expose_headers": ["Content-Range", "Retry-After"],
}
STATIC = {  # what the page fetches below /app, and the room that it lies in
    **dict.fromkeys(("page.js", "living.js", "points.js", "docs.js", "icon.svg"), "app"),
    **dict.fromkeys(("player.js", "view.js"), "player"),
}
QUIET = {  # Gradio sends and fetches nothing
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_CHECK_VERSION": "False",
    "GRADIO_RUN_HISTORY": "False",
    "GRADIO_SSR_MODE": "False",
    "HF_HUB_OFFLINE": "1",
}


def check_installed() -> None:
    """BadInput with what to install where the extra `app` is not."""
    from importlib.util import find_spec

    try:
        missing = any(find_spec(name) is None for name in NEEDED)
    except (ImportError, ValueError):
        missing = True
    if missing:
        raise BadInput(f"the page needs further packages: {how_to_install('app')}")


@contextmanager
def running_app(
    limits: Limits,
    reach: Reach = THIS_MACHINE,
    *,
    workers: int = 1,
    warm: bool = True,
) -> Iterator[Any]:
    """The ASGI app (`app.queue` is its queue) at work; at the end its processes are gone, and so are all files."""
    from .own_folder import own_folder

    with own_folder() as root:
        os.environ.update(QUIET, GRADIO_TEMP_DIR=str(root))
        from .job_queue import JobQueue
        from .looking import PhotoLooker

        looker = PhotoLooker(warming=root / "warm" if warm else None)
        queue = JobQueue(root, limits, workers=workers, warm=warm, looker=looker)
        try:
            app = build(queue, limits, reach)
            queue.start()
            yield app
        finally:
            queue.close()


def build(queue: Any, limits: Limits, reach: Reach = THIS_MACHINE) -> Any:
    """The ASGI app over a queue: the API and the page, each an app of its own (the page's answers any path)."""
    from importlib.metadata import version

    from fastapi import FastAPI
    from fastapi.middleware.cors import CORSMiddleware
    from fastapi.responses import FileResponse

    from .api import add_api
    from .living_routes import add_living
    from .own_routes import OwnRoutes, readable
    from .page import add_page
    from .visitors import Guard

    page = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app = FastAPI(
        title="flamecast",
        version=version("flamecast"),
        description="Animates a portrait photo by words, speech or a driving video.",
        docs_url=None,  # FastAPI's own pages load scripts from other sites
        redoc_url=None,
    )
    own = Path(__file__).parent

    @readable(app, "/docs", include_in_schema=False)
    def docs() -> FileResponse:
        return FileResponse(own / "docs.html", media_type="text/html")

    @readable(app, "/app/{name}", include_in_schema=False)
    def static(name: str) -> Any:
        if name not in STATIC:
            from fastapi import HTTPException

            raise HTTPException(404, "there is nothing here")
        return FileResponse(own.parent / STATIC[name] / name, headers={"Cache-Control": "no-cache"})

    add_api(app, queue, limits)
    add_living(app, queue)
    if reach.origins:
        app.add_middleware(CORSMiddleware, **CORS, allow_origins=reach.origins)
    add_page(page, queue, limits, reach.root_path)
    return Guard(OwnRoutes(app, page, reach.root_path), queue, limits.upload_bytes, reach)


def serve(options: AppOptions, ready: Callable[[str], None] = lambda address: None) -> None:
    """Serves page and API until it is ended. ready: called with the address. BadInput or MissingAsset."""
    limits, reach = options.limits, options.reach
    check_installed()
    listener = listening(options.host, options.port)
    import uvicorn

    with running_app(limits, reach, workers=options.workers) as app:
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=2, lifespan="on"
        )
        server = uvicorn.Server(config)
        ready(address_of(options.host, listener))
        server.run(sockets=[listener])
