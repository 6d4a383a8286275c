"""The page's event handlers: from its fields to a job, and from a job to what is shown."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import gradio as gr

from ...core.errors import BadInput, MissingAsset
from ...core.files import read_json
from ...flame_motion import FlameSequence
from ...flame_motion.edit import apply_edit
from ...flame_motion.media.photos import load_photo
from . import results
from .curves import curves_html
from .job import DONE, ENDED, Full, Job
from .job_html import EMPTY, READY, about_html, label_of, message, result_html, status_html
from .job_options import driver_of, value_options
from .job_queue import JobQueue
from .job_request import DEMO, JobRequest, read_request
from .keyframe_text import as_lines, read_lines, write_keyframes
from .limits import Limits
from .uploads import JSON_BYTES, check_content, shown_name, stored_name

WATCH_EVERY = 0.4  # s between two updates of a job's progress
WORDS, VOICE, VIDEO, KEYS, MOTION = "Words", "Voice", "Video", "Keyframes", "Motion file"
SOURCES = (WORDS, VOICE, VIDEO, KEYS, MOTION)
DRIVERS = {WORDS: "text", VOICE: "speech", VIDEO: "video", KEYS: "text"}  # whose declared options are shown
OF_ONE_SOURCE = {"say": VOICE, "keep": MOTION, "motion_fps": MOTION}  # options that go with one source alone
REFUSED = (BadInput, MissingAsset, Full)
STILL_FPS = 25.0  # Hz, of the clip that keyframes are shown on
Updates = list[Any]  # updates of: status, result, head, curves, history, current, animate, preview, cancel


def sources_of(name: str) -> tuple[str, ...]:
    """The sources that an option goes with."""
    if name in OF_ONE_SOURCE:
        return (OF_ONE_SOURCE[name],)
    driver = driver_of(name)
    return SOURCES if driver is None else tuple(source for source, own in DRIVERS.items() if own == driver)


def visitor(request: gr.Request) -> str:
    """The folder of the visitor who sent this event."""
    return request.request.scope["flamecast_visitor"]


class PageEvents:
    """The page's event handlers over one queue."""

    def __init__(self, queue: JobQueue, limits: Limits):
        self.queue, self.limits = queue, limits

    # -- requesting ------------------------------------------------------------------------------------------------

    def animate(self, given: dict[str, Any], request: gr.Request, preview: bool = False) -> AsyncIterator[Updates]:
        """Submits a job with the page's fields and shows it until its end."""

        def prepare(folder: Path) -> JobRequest:
            options, files, names = self._gather(given, folder)
            return read_request(options | {"preview": preview}, files, names, self.limits)

        return self._run(lambda: self.queue.add(visitor(request), prepare, request.session_hash), request)

    async def redraw(
        self, current: str | None, edit: str, keys: str, camera: str, request: gr.Request
    ) -> AsyncIterator[Updates]:
        """Edits the shown result's motion, draws it again and shows that."""

        def submit() -> Job:
            user = visitor(request)
            before = self._finished(current, user)
            return self.queue.add(user, lambda folder: self._redrawn(before, edit, keys, camera, folder), tab)

        tab = request.session_hash
        async for shown in self._run(submit, request):  # Gradio knows a generator by its own `yield`
            yield shown

    def _redrawn(self, before: Job, edit: str, keys: str, camera: str, folder: Path) -> JobRequest:
        """The request that draws a finished job again."""
        files, names = {}, {}
        if keys.strip():
            files["keyframes"] = write_keyframes(keys, folder / "in" / "keyframes.json")
            names["keyframes"] = "the keyframes"
        made = before.request.animate
        options = {"edit": edit, "camera": camera, "size": made.view.size, "text": made.drive.text}
        redraw = _keep_results(before.folder, folder / "before")
        return read_request(options, files, names, self.limits, redraw=redraw)

    async def _run(self, submit: Callable[[], Job], request: gr.Request) -> AsyncIterator[Updates]:
        """Submits a job and shows it until its end."""
        try:
            job = await asyncio.to_thread(submit)
        except REFUSED as error:
            yield self._refused(str(error))
            return
        async for shown in self._watch(job, request):
            yield shown

    def _gather(self, given: dict[str, Any], folder: Path) -> tuple[dict[str, Any], dict[str, Path], dict[str, str]]:
        """Options and files out of the page's fields; only what belongs to the chosen source counts."""
        source = given["source"]
        options = {name: value for name, value in given.items() if self._is_given(name, value, source)}
        sent = {"photo": given["photo"]}
        if source == VOICE:
            sent["speech"] = given["speech"]
            if given["speech"]:
                options.pop("say", None)
            elif "say" not in options:
                raise BadInput("a voice is missing: record one, give a recording, or write words to say")
        elif source == VIDEO:
            sent["video"] = given["video"]
            if not given["video"]:
                raise BadInput("a video is missing: give one, or record your own face")
        elif source == MOTION:
            sent["motion"] = given["motion"]
            if not given["motion"]:
                options["motion"] = DEMO
        files: dict[str, Path] = {}
        names: dict[str, str] = {}
        for kind, path in sent.items():
            if path:
                names[kind] = shown_name(Path(path).name, kind)
                files[kind] = _link(Path(path), folder / "in" / stored_name(kind, names[kind]))
                check_content(files[kind], kind, f"{kind} {names[kind]}")
        if source == KEYS:
            files["keyframes"] = write_keyframes(given["keys"] or "", folder / "in" / "keyframes.json")
            names["keyframes"] = "the keyframes"
        return options, files, names

    def _is_given(self, name: str, value: Any, source: str) -> bool:
        """Whether a field holds a value of an option that goes with the source."""
        option = value_options().get(name)
        if option is None or value in (None, "") or (value == 0 and option.default is None):  # an empty number is 0
            return False
        return source in sources_of(name)

    def _finished(self, current: str | None, user: str) -> Job:
        job = self.queue.get(current or "", user)
        if job is None or job.state != DONE:
            raise BadInput("there is no result to change: make one first, or choose one of this visit")
        return job

    # -- showing ---------------------------------------------------------------------------------------------------

    async def _watch(self, job: Job, request: gr.Request) -> AsyncIterator[Updates]:
        shown = None
        while job.state not in ENDED:
            status = status_html(job, self.queue.position(job))
            if status != shown:
                first = shown is None
                shown = status
                yield self._working(status, request if first else None)
            await asyncio.sleep(WATCH_EVERY)
        yield await asyncio.to_thread(self._ended, job, request)

    def _working(self, status: str, request: gr.Request | None) -> Updates:
        skip = gr.skip()
        history = self._history(request, None) if request is not None else skip
        # Cancel takes the preview's place, so that the progress below stays in sight.
        busy = (gr.Button(interactive=False), gr.Button(visible=False), gr.Button(visible=True))
        return [status, skip, skip, skip, skip, history, skip, *busy]

    def _ended(self, job: Job, request: gr.Request) -> Updates:
        if job.state != DONE:
            return [status_html(job), *[gr.skip()] * 4, self._history(request, None), gr.skip(), *_idle()]
        return [status_html(job), *self._result(job), self._history(request, job.id), job.id, *_idle()]

    def _refused(self, sentence: str) -> Updates:
        return [message(sentence), *[gr.skip()] * 6, *_idle()]

    def _result(self, job: Job) -> Updates:
        """Updates of the result, its description, the box of curves, and the curves."""
        motion = FlameSequence.load(job.file("motion.npz") or "")
        return [result_html(job), about_html(job), gr.Column(visible=True), curves_html(motion)]

    def head(self, current: str | None, request: gr.Request) -> str | None:
        """The shown result's head in 3D. By an event of its own, with one answer: of two in a row, as a generator
        gives at its end, Gradio's viewer drops the second and then the first.
        """
        job = self.queue.get(current or "", visitor(request))
        path = None if job is None else job.file("head.glb")
        return None if path is None else str(path)

    def _history(self, request: gr.Request, chosen: str | None) -> Any:
        jobs = [job for job in self.queue.jobs_of(visitor(request)) if job.state == DONE]
        return gr.Radio(choices=[(label_of(job), job.id) for job in jobs], value=chosen, visible=bool(jobs))

    def restore(self, request: gr.Request) -> Updates:
        """Shows what this visitor made before, when the page is opened again."""
        done = [job for job in self.queue.jobs_of(visitor(request)) if job.state == DONE]
        if not done:
            return [READY, EMPTY, *[gr.skip()] * 3, self._history(request, None), None]
        return [READY, *self._result(done[0]), self._history(request, done[0].id), done[0].id]

    def choose(self, id: str | None, request: gr.Request) -> Updates:
        """Shows one of this visit's results."""
        job = self.queue.get(id or "", visitor(request))
        if job is None or job.state != DONE:
            return [message("it is not there any more"), *[gr.skip()] * 5]
        return ["", *self._result(job), job.id]

    def change(self, current: str | None, edit: str, keys: str, request: gr.Request) -> list[Any]:
        """The curves as an edit would change them, before anything is drawn."""
        try:
            job = self._finished(current, visitor(request))
            motion = FlameSequence.load(job.file("motion.npz") or "")
            edits: list[str] = []
            if edit.strip():
                read_request({"edit": edit}, {}, {}, self.limits, redraw=job.folder)  # no files of the server
                edits.append(edit)
            if keys.strip():
                edits.append(str(write_keyframes(keys, job.folder / "in" / "shown.json")))
            return ["", curves_html(motion, apply_edit(motion, edits) if edits else None)]
        except REFUSED as error:
            return [message(_without_paths(str(error))), gr.skip()]

    def timeline(self, keys: str, seconds: float | None, request: gr.Request) -> str:
        """Keyframes as curves."""
        folder = self.queue.root / visitor(request) / "uploads" / "keys"
        try:
            content = read_lines(keys)
            path = write_keyframes(keys, folder / "shown.json")
            entries = content if isinstance(content, list) else content.get("keyframes", [])
            last = max(float(entry["time"]) for entry in entries) if entries else 0.0
            length = min(max(seconds or 4.0, last + 0.2), self.limits.seconds)
            still = FlameSequence.neutral(max(1, round(length * STILL_FPS)), STILL_FPS)
            return curves_html(apply_edit(still, str(path)), moving=True)
        except (BadInput, TypeError, KeyError, ValueError, AttributeError) as error:
            return message(_without_paths(str(error)))

    def load_keys(self, path: str | None) -> Any:
        """A keyframe file, as lines to edit."""
        if not path:
            return gr.skip()
        try:
            return as_lines(read_json(path, "the keyframe file", JSON_BYTES))
        except BadInput:
            raise gr.Error("This file holds no keyframes: expected JSON as `--edit` takes it.") from None

    # -- the rest --------------------------------------------------------------------------------------------------

    def cancel(self, request: gr.Request) -> None:
        """Cancels the jobs of this tab."""
        for job in self.queue.jobs_of(visitor(request)):
            if job.tab == request.session_hash:
                self.queue.cancel(job)

    def leave(self, request: gr.Request) -> None:
        """The tab was closed."""
        if request.session_hash:
            self.queue.leave(visitor(request), request.session_hash)

    def demo(self, request: gr.Request) -> str:
        """Writes the demo portrait as an upload of this visitor; returns its path."""
        from PIL import Image

        target = self.queue.root / visitor(request) / "uploads" / "demo" / "demo.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(load_photo(DEMO)[0]).save(target)
        return str(target)


def _idle() -> tuple[gr.Button, ...]:
    """Animate and preview can be pressed, there is nothing to cancel."""
    return gr.Button(interactive=True), gr.Button(visible=True), gr.Button(visible=False)


def _link(source: Path, target: Path) -> Path:
    """Links (or copies) a file to `target`; the page keeps its own for the next job. BadInput where it is gone."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:
        try:
            shutil.copyfile(source, target)
        except FileNotFoundError:
            raise BadInput("a file was kept too long and is gone: give it again") from None
    return target


def _keep_results(made: Path, target: Path) -> Path:
    """Links a job's results into another job's folder: its own may be removed before that one runs."""
    for name in (results.MOTION, results.PORTRAIT, results.REPORT, results.VIDEO):
        _link(made / results.OUT / name, target / results.OUT / name)
    return target


def _without_paths(sentence: str) -> str:
    """A sentence about keyframes without the file that only the server knows."""
    import re

    return re.sub(r"\S*/shown\.json: ", "", sentence)
