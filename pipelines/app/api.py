"""The HTTP API: a photo and a signal in, a job to watch, files out."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import fastapi
from fastapi import APIRouter, Depends, FastAPI, File, Form, HTTPException, Request, UploadFile
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel, Field, WithJsonSchema

from ...core.errors import BadInput, MissingAsset
from .job import WAITING, Full, Job
from .job_options import ADDED, EXAMPLES, bounded, file_options, json_schema, value_options
from .job_queue import JobQueue
from .job_request import DEMO, JobRequest, read_request
from .limits import MB, Limits
from .own_routes import add_plain_errors, readable
from .results import RESULTS
from .uploads import check_content, shown_name, store, stored_name
from .visitors import api_user, visitor_of

FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
Id = Annotated[str, fastapi.Path(description="The job's, as the answer to its request has it")]
Name = Annotated[
    Literal["video.mp4", "motion.npz", "head.glb", "report.json", "poster.jpg"],
    fastapi.Path(description="One of its `files`"),
]
Download = Annotated[bool, fastapi.Query(description="To be saved under a name, not shown")]


class JobAnswer(BaseModel):
    """The state of a job."""

    id: str = Field(description="Unguessable: who knows it may watch, fetch and cancel the job")
    state: Literal["waiting", "running", "done", "failed", "cancelled"] = Field(
        description="Ask until it is none of the first two"
    )
    position: int = Field(description="How many jobs wait before this one")
    stage: str = Field(description="What is being done")
    done: int = Field(description="How much of the stage is done")
    of: int = Field(description="How much the stage is, 0 where that is not known")
    seconds_left: float | None = Field(description="An estimate, s")
    error: str | None = Field(description="One sentence, where it failed")
    problems: list[str] = Field(description="What to know about the result")
    facts: dict[str, Any] = Field(description="Frames, fps, seconds and size of the video")
    files: dict[str, str] = Field(description="Addresses of the results by name")


class Problem(BaseModel):
    """What was wrong, in one sentence."""

    detail: str


REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem, "description": what}
    for code, what in (
        (400, "This is no form that can be read"),
        (404, "There is no such job or file"),
        (405, "The path takes other methods"),
        (413, "More is sent than is taken"),
        (415, "This is no form"),
        (422, "Something that was given cannot be used"),
        (429, "Too many jobs wait, or too much is kept"),
    )
}


def answer_of(queue: JobQueue, job: Job, request: Request) -> JobAnswer:
    """A job as the API describes it, with addresses as the sender of the request has them."""
    return JobAnswer(
        id=job.id,
        state=job.state,  # type: ignore[arg-type]
        position=queue.position(job) if job.state == WAITING else 0,
        stage=job.stage,
        done=job.done,
        of=job.of,
        seconds_left=None if job.left is None else round(job.left, 1),
        error=job.error,
        problems=job.problems,
        facts=job.facts,
        files={name: f"{request.scope['root_path']}/api/jobs/{job.id}/files/{name}" for name in job.files},
    )


def add_api(app: FastAPI, queue: JobQueue, limits: Limits) -> None:
    """Adds the routes under /api to a server."""
    routes = APIRouter(prefix="/api", responses=REFUSALS)
    _add_creation(routes, queue, limits)
    _add_job_routes(routes, queue)

    @readable(routes, "/limits", summary="What this server takes")
    def bounds() -> Limits:
        return replace(limits, user_mb=limits.user_bytes / MB)

    app.include_router(routes)
    _add_error_answers(app)


def _add_creation(routes: APIRouter, queue: JobQueue, limits: Limits) -> None:
    """The route that makes a job."""

    def animate(request: Request, **fields: Any) -> JobAnswer:
        """Options mean what they mean for `flamecast animate`. Poll the answer's job until its `state` is `done`."""
        given = {name: fields[name] for name in (*value_options(), "preview")}
        given |= {"photo": DEMO if fields["demo"] else None, "motion": DEMO if fields["demo_motion"] else None}
        sent = {name: fields[name] for name in file_options()}
        job = queue.add(api_user(request), lambda folder: _read_form(folder, given, sent, limits))
        return answer_of(queue, job, request)

    signature = inspect.Signature(_form_parameters(limits), return_annotation=JobAnswer)
    animate.__signature__ = signature  # type: ignore[attr-defined]
    examples = {name: {"value": {"photo": "@photo.jpg", **fields}} for name, fields in EXAMPLES.items()}
    form = {"requestBody": {"content": {FORMS[0]: {"examples": examples}}}}
    described: dict[str, Any] = {
        "summary": "Animate a portrait",
        "response_description": "The job",
        "openapi_extra": form,
    }
    routes.post("/jobs", status_code=202, dependencies=[Depends(_check_fields)], **described)(animate)


def _form_parameters(limits: Limits) -> list[inspect.Parameter]:
    """The route's parameters: a form field for each option, described by the option. Values are checked later, as
    texts, so that the sentences are those of the command line.
    """
    kinds: dict[str, tuple[Any, Any]] = {"request": (Request, inspect.Parameter.empty)}
    for name, option in file_options().items():
        kinds[name] = Annotated[UploadFile | None, File(description=option.help)], None
    for name, option in ADDED.items():
        kinds[name] = Annotated[bool, Form(description=option.help)], option.default
    for name, given in value_options().items():
        option = bounded(given, limits)
        described = Annotated[str | None, WithJsonSchema(json_schema(option, limits))]
        kinds[name] = Annotated[described, Form(description=option.help_text)], option.default
    return [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)
        for name, (kind, default) in kinds.items()
    ]


def _add_job_routes(routes: APIRouter, queue: JobQueue) -> None:
    """The routes of an existing job."""

    @readable(routes, "/jobs/{id}", summary="How a job goes")
    def job(request: Request, id: Id) -> JobAnswer:
        return answer_of(queue, _job(queue, request, id), request)

    @routes.delete("/jobs/{id}", summary="Cancel a job and delete its files")
    def cancel(request: Request, id: Id) -> JobAnswer:
        found = _job(queue, request, id)
        queue.remove(found)
        return answer_of(queue, found, request)

    @readable(routes, "/jobs/{id}/files/{name}", summary="A result", response_class=FileResponse)
    def result(request: Request, id: Id, name: Name, download: Download = False) -> FileResponse:
        path = _job(queue, request, id).file(name)
        if path is None or not path.is_file():
            raise HTTPException(404, "there is no such file: the job has not made it, or it was removed")
        kind = "attachment" if download else "inline"
        headers = {"Cache-Control": "private, no-store"}
        shown = f"flamecast-{name}"
        return FileResponse(
            path, media_type=RESULTS[name], filename=shown, content_disposition_type=kind, headers=headers
        )


async def _check_fields(request: Request) -> None:
    """BadInput for a field that does not exist, which would have no effect, and for text in a file's place.
    HTTPException 415 for what is no form.
    """
    kind = request.headers.get("content-type", "nothing that says its type").partition(";")[0].strip()
    if kind.lower() not in FORMS:
        sent = "each option is a field of it, each file a part"
        raise HTTPException(415, f"expected a form ({FORMS[0]}), got {kind[:60]}: {sent}", {"Accept": FORMS[0]})
    form, known = await request.form(), (*file_options(), *ADDED, *value_options())
    if unknown := sorted(set(form) - set(known)):
        raise BadInput(f"there is no field {', '.join(unknown)[:60]}; known are: {', '.join(known)}")
    for name in file_options():
        if (given := form.get(name)) and isinstance(given, str):
            demo = {"photo": ", or demo=true", "motion": ", or demo_motion=true"}.get(name, "")
            raise BadInput(f"{name}: expected a file that is sent{demo}, got the text {given[:60]!r}")


def _job(queue: JobQueue, request: Request, id: str) -> Job:
    """The job of an id. Jobs of the page are only for the browser that requested them. HTTPException 404."""
    job = queue.get(id)
    if job is None or (not job.user.startswith("api-") and job.user != visitor_of(request)):
        raise HTTPException(404, "there is no such job: it may have been removed")
    return job


def _read_form(folder: Path, given: dict[str, Any], sent: dict[str, UploadFile | None], limits: Limits) -> JobRequest:
    """Stores what was sent in the folder of a new job, and reads the rest. BadInput."""
    files: dict[str, Path] = {}
    names: dict[str, str] = {}
    for kind, upload in sent.items():
        if upload is not None:
            names[kind] = shown_name(upload.filename, kind)
            files[kind] = folder / "in" / stored_name(kind, names[kind])
            store(upload.file, files[kind], limits.upload_bytes, f"{kind} {names[kind]}")
            check_content(files[kind], kind, f"{kind} {names[kind]}")
    return read_request(given, files, names, limits)


def _add_error_answers(app: FastAPI) -> None:
    """Answers errors of the user with one sentence, as the command line does."""

    def unusable(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 422)

    def full(request: Request, error: Any) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 429, {"Retry-After": str(error.again)})

    for kind, answer in ((BadInput, unusable), (MissingAsset, unusable), (Full, full)):
        app.add_exception_handler(kind, answer)
    add_plain_errors(app)

    from fastapi.exceptions import RequestValidationError

    def invalid(request: Request, error: Any) -> JSONResponse:
        one = error.errors()[0]
        where = ".".join(str(part) for part in one["loc"][1:])
        return JSONResponse({"detail": f"{where}: {one['msg']}"}, 404 if "path" in one["loc"] else 422)

    app.add_exception_handler(RequestValidationError, invalid)
