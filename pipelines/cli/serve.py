"""`app` and `live`: what answers in a browser until it is ended."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any, NoReturn

import typer

from ...core.options import options_of
from ..app.options import AppOptions
from ..live.options import LiveOptions
from .options import NoCache, Photo, joined, with_options

Open = Annotated[bool, typer.Option("--open", help="Open the page in the browser.")]
APP, LIVE = options_of(AppOptions), options_of(LiveOptions)


@with_options(*APP, fields=APP)
def app(open: Open = False, **options: Any) -> None:
    """Serve the web page and the HTTP API (extra `app`) on this machine, until Ctrl-C."""
    from ..app.server import serve

    def ready(address: str) -> None:
        typer.echo(f"The page is at {address}, the API at {address}/docs. Ctrl-C ends it.")
        if open:
            import threading
            import webbrowser

            threading.Timer(1.0, webbrowser.open, [address]).start()

    serve(AppOptions(**joined(options, APP)), ready)


@with_options(*(name for name in LIVE if name != "photo"), fields=LIVE)
def live(photo: Photo, open: Open = False, no_cache: NoCache = False, **options: Any) -> None:
    """Let PHOTO follow a camera, a video or a voice as it comes, on a page of this machine (extra `app`)."""
    from ..live.run import go_live

    def ready(address: str) -> None:
        typer.echo(f"Live at {address}. Ctrl-C ends it.")
        if open:
            import webbrowser

            webbrowser.open(address)

    def note(sentence: str) -> None:
        typer.echo(f"note: {sentence}", err=True)

    numbers = go_live(LiveOptions(photo=photo, **joined(options, LIVE)), ready=ready, note=note, cache=not no_cache)
    late = numbers["latency_ms"]
    typer.echo(
        f"{numbers['drawn']} pictures of {numbers['fed']}, {numbers['dropped']} dropped; at the end {numbers['fps']} a "
        f"second, {'nobody watched' if late is None else f'{late} ms late (median)'}"
    )
    if numbers["drawn"] and not numbers["faces"]:
        typer.echo("note: no face was seen; use a picture that shows one clearly", err=True)
    _leave()


def _leave() -> NoReturn:
    """Ends this process, which has nothing left to do: to take apart all that it loaded would take seconds."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
