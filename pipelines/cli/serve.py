"""`app` and `live`: what answers in a browser until it is ended."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..app.limits import Limits
from ..request import APP_PORT, HOST, LIVE_PORT
from .options import Photo, with_options


def app(
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 lets other machines in.")] = HOST,
    port: Annotated[int, typer.Option(help="The port; 0 for any free one.", min=0, max=65535)] = APP_PORT,
    open: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    name: Annotated[
        list[str] | None, typer.Option(help="A further name that this machine is reached by. Give it again for more.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Jobs done at a time, each by a process of its own.", min=1)] = 1,
    max_upload_mb: Annotated[float, typer.Option(help="Most that may be sent at once, MB.")] = Limits.upload_mb,
    max_seconds: Annotated[float, typer.Option(help="Longest video made, s.")] = Limits.seconds,
    max_size: Annotated[int, typer.Option(help="Largest video made: its longest side, px.")] = Limits.size,
    keep_minutes: Annotated[float, typer.Option(help="Minutes until what was made is removed.")] = Limits.keep_minutes,
) -> None:
    """Serve the web page and the HTTP API (extra `app`) on this machine, until Ctrl-C."""
    from ..app.server import serve

    limits = Limits(upload_mb=max_upload_mb, seconds=max_seconds, size=max_size, keep_minutes=keep_minutes)

    def ready(address: str) -> None:
        typer.echo(f"The page is at {address}, the API at {address}/docs. Ctrl-C ends it.")
        if open:
            import threading
            import webbrowser

            threading.Timer(1.0, webbrowser.open, [address]).start()

    serve(limits, host=host, port=port, workers=workers, names=tuple(name or ()), ready=ready)


@with_options("framing", "strength", "face", "head", "generator")
def live(
    photo: Photo,
    video: Annotated[Path | None, typer.Option(help="A driving video, played at its own pace.")] = None,
    speech: Annotated[Path | None, typer.Option(help="A recording of speech, played at its own pace.")] = None,
    camera_device: Annotated[
        int | None, typer.Option(help="A camera of this machine by number; the page's own when nothing is given.")
    ] = None,
    microphone: Annotated[bool, typer.Option("--microphone", help="This machine's microphone drives.")] = False,
    loop: Annotated[bool, typer.Option("--loop", help="A file begins again when it ends.")] = False,
    size: Annotated[
        int | None,
        typer.Option(help="Longest side, px; as large as this machine draws 25 times a second, 512 at most."),
    ] = None,
    folder: Annotated[Path, typer.Option(help="Where recordings are written.")] = Path(),
    virtual_camera: Annotated[
        bool, typer.Option("--virtual-camera", help="Be a camera for other programs, too (extra `camera`).")
    ] = False,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = HOST,
    port: Annotated[int, typer.Option(help="The port; 0 for any free one.", min=0, max=65535)] = LIVE_PORT,
    name: Annotated[
        list[str] | None, typer.Option(help="A further name that this machine is reached by. Give it again for more.")
    ] = None,
    open: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    seconds: Annotated[float | None, typer.Option(help="Begin at once and end after so long, s.", min=0)] = None,
    **more: Any,
) -> None:
    """Let PHOTO follow a camera, a video or a voice as it comes, on a page of this machine (extra `app`)."""
    options = {key: value for key, value in locals().items() if key not in ("open", "name", "more")} | more
    from ..live.run import go_live

    def ready(address: str) -> None:
        typer.echo(f"Live at {address}. Ctrl-C ends it.")
        if open:
            import webbrowser

            webbrowser.open(address)

    numbers = go_live(**options, names=tuple(name or ()), ready=ready)
    late = numbers["latency_ms"]
    typer.echo(
        f"{numbers['drawn']} pictures of {numbers['fed']}, {numbers['dropped']} dropped; at the end {numbers['fps']} a "
        f"second, {'nobody watched' if late is None else f'{late} ms late (median)'}"
    )
    if numbers["drawn"] and not numbers["faces"]:
        typer.echo("note: no face was seen; use a picture that shows one clearly", err=True)
