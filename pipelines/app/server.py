"""The server: the page at /, the API at /api, one queue behind both."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...core.errors import BadInput
from ..request import HOST
from ..web import Names, address_of, host_names, listening
from .limits import Limits
from .options import AppOptions

NEEDED = ("fastapi", "gradio", "multipart", "uvicorn")
_NAME = re.compile(r"[A-Za-z0-9_.-]+|[0-9A-Fa-f.]*(:[0-9A-Fa-f.]*){2,7}")  # of a host, or an IPv6 address
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
        raise BadInput('the page needs further packages: pip install "flamecast[app]"')


def check_names(names: tuple[str, ...]) -> None:
    """BadInput for a name that no request can call the server by."""
    for name in names:
        if not _NAME.fullmatch(name):
            raise BadInput(f"--name {name}: expected a host name such as faces.example.org, without http:// and port")


@contextmanager
def running_app(
    limits: Limits, *, host: str = HOST, workers: int = 1, warm: bool = True, names: tuple[str, ...] = ()
) -> Iterator[Any]:
    """The ASGI app (`app.queue` is its queue) at work; at the end its processes are gone, and so are all files."""
    root = Path(tempfile.mkdtemp(prefix="flamecast-app-")).resolve()
    os.environ.update(QUIET, GRADIO_TEMP_DIR=str(root))
    from .job_queue import JobQueue

    queue = JobQueue(root, limits, workers=workers, warm=warm)
    try:
        app = build(queue, limits, host, names)
        queue.start()
        yield app
    finally:
        queue.close()
        shutil.rmtree(root, ignore_errors=True)


def build(queue: Any, limits: Limits, host: str = HOST, names: tuple[str, ...] = ()) -> Any:
    """The ASGI app over a queue."""
    from importlib.metadata import version

    from fastapi import FastAPI
    from fastapi.responses import FileResponse

    from .api import add_api
    from .page import add_page
    from .visitors import Guard

    app = FastAPI(
        title="flamecast",
        version=version("flamecast"),
        description="Animates a portrait photo by words, speech or a driving video.",
        docs_url=None,  # FastAPI's own pages load scripts from other sites
        redoc_url=None,
    )
    own = Path(__file__).parent

    @app.get("/docs", include_in_schema=False)
    def docs() -> FileResponse:
        return FileResponse(own / "docs.html", media_type="text/html")

    @app.get("/app/{name}", include_in_schema=False)
    def static(name: str) -> Any:
        if name not in ("page.js", "docs.js", "icon.svg"):
            from fastapi import HTTPException

            raise HTTPException(404, "there is nothing here")
        return FileResponse(own / name, headers={"Cache-Control": "no-cache"})

    add_api(app, queue, limits)
    add_page(app, queue, limits)
    return Guard(app, queue, limits.upload_bytes, Names.of(host, names))


def serve(options: AppOptions, ready: Callable[[str], None] = lambda address: None) -> None:
    """Serves page and API until it is ended. ready: called with the address. BadInput or MissingAsset."""
    limits, names = options.limits, host_names(options.name)
    check_installed()
    check_names(names)
    listener = listening(options.host, options.port)
    import uvicorn

    with running_app(limits, host=options.host, workers=options.workers, names=names) as app:
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=2, lifespan="on"
        )
        server = uvicorn.Server(config)
        ready(address_of(options.host, listener))
        server.run(sockets=[listener])
