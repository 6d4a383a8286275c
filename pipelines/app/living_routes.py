"""Living portraits and the motions that they play, as the page fetches them: each for the visitor alone whose it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, Response

from .job import DONE
from .living import file_of
from .own_routes import readable
from .results import OUT, UNEDITED
from .uploads import UPLOAD_NAME
from .visitors import visitor_of

if TYPE_CHECKING:
    from .job_queue import JobQueue

HEADERS = {"Cache-Control": "private, max-age=3600"}
BYTES = "application/octet-stream"


def add_living(app: FastAPI, queue: JobQueue) -> None:
    """Adds the routes to a server."""

    @readable(app, "/app/portraits/{upload}/{face}", include_in_schema=False)
    def portrait(request: Request, upload: str, face: int) -> FileResponse:
        photo = queue.root / visitor_of(request) / "uploads" / upload / "photo"
        if re.fullmatch(UPLOAD_NAME, upload) is None or not file_of(photo, face).is_file():
            raise HTTPException(404, "there is no such portrait: it may have been removed")
        return FileResponse(file_of(photo, face), media_type=BYTES, headers=HEADERS)

    @readable(app, "/app/motions/{id}", include_in_schema=False)
    def motion(request: Request, id: str) -> Response:
        job = queue.get(id, visitor_of(request))
        if job is None or job.state != DONE:
            raise HTTPException(404, "there is no such motion: it may have been removed")
        return Response(_motion_file(job.folder / OUT / UNEDITED), media_type=BYTES, headers=HEADERS)


def _motion_file(path: Path) -> bytes:
    """A motion before any edit, as a clip of the player's file without a portrait."""
    from ...flame_motion import Driven, FlameSequence
    from ..player.clips import add_clip
    from ..player.container import Container

    motion = FlameSequence.load(path)
    made = Container()
    add_clip(made, "motion", motion, Driven(motion))
    return made.packed()
