"""The page's event handlers: from its fields to a job, and from a job to what is shown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from ...core.errors import BadInput, MissingAsset
from ...core.files import read_json
from ...flame_motion import FlameSequence
from ...flame_motion.edit import apply_edit
from ...flame_motion.media.photos import load_photo
from . import living, results
from .curves import curves_html
from .job import DONE, ENDED, Full, Job
from .job_html import (
    BRINGING,
    COMPILING,
    EMPTY,
    READY,
    about_html,
    history_html,
    message,
    result_html,
    status_html,
    working,
)  # fmt: skip
from .job_options import driver_of, value_options
from .job_queue import JobQueue
from .job_request import DEMO, JobRequest, read_request
from .keyframe_text import as_lines, read_lines, write_keyframes
from .limits import Limits
from .uploads import DEMO_UPLOAD, JSON_BYTES, check_content, link, shown_name, stored_name

WATCH_EVERY = 0.4  # s between two updates of a job's progress
WORDS, VOICE, VIDEO, KEYS, MOTION = "Words", "Voice", "Video", "Keyframes", "Motion"
SOURCES = (WORDS, VOICE, VIDEO, KEYS, MOTION)
DRIVERS = {WORDS: "text", VOICE: "speech", VIDEO: "video", KEYS: "text"}  # whose declared options are shown
OF_ONE_SOURCE = {"say": VOICE, "keep": MOTION, "motion_fps": MOTION}  # options that go with one source alone
REFUSED = (BadInput, MissingAsset, Full)
EXAMPLES: dict[str, dict[str, Any]] = {  # by what a button says: what it puts into the fields, beside the demo portrait
    "Words": {"source": WORDS, "text": "she nods twice, then looks up to her left", "emotion": "amused"},
    "A voice": {
        "source": VOICE, "speech": None, "say": "Hello there. I can speak, and I mean it.", "text": "", "emotion": "",
    },
    "A motion": {"source": MOTION, "motion": None, "text": "", "emotion": ""},
}  # fmt: skip
STILL_FPS = 25.0  # Hz, of the clip that keyframes are shown on
ALIVE_EVERY = 0.3  # s between two looks whether photos can be brought to life yet
Updates = dict[str, Any]  # what the page's parts become, by the names that `page.py` gives them


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
            asked = read_request(options | {"preview": preview}, files, names, self.limits)
            photo, face = Path(given["photo"]), int(given.get("face") or 0)
            page = {"edit": given.get("edit") or "", "keys": "", "portrait": living.address_of(photo, face)}
            return replace(asked, portraits=living.kept_in(photo), page=page)

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
        asked = read_request(options, files, names, self.limits, redraw=redraw)
        return replace(asked, page={**before.request.page, "edit": edit, "keys": keys})

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
                files[kind] = link(Path(path), folder / "in" / stored_name(kind, names[kind]))
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

    async def come_alive(self, photo: str | None, face: float | None, request: gr.Request) -> AsyncIterator[Updates]:
        """Brings a photo to life as soon as it is there: the player's file is made and shown."""
        if not photo:
            yield {"scene": ""}
            return
        number, source = max(0, int(face or 0)), Path(photo)
        made, looker = living.file_of(source, number), self.queue.looker
        shown = f'<i data-portrait="{living.address_of(source, number)}"></i>'
        if made.is_file():
            yield {"scene": shown}
            return
        if looker is None:
            return
        yield {"scene": working(COMPILING if not looker.is_ready() else BRINGING)}
        while not await asyncio.to_thread(looker.is_ready):
            await asyncio.sleep(ALIVE_EVERY)
        try:
            what = f"photo {shown_name(source.name, 'photo')}"
            await asyncio.to_thread(check_content, source, "photo", what)
            plain = source.parent / "photo"  # under a name that says nothing of what it is
            if not plain.exists():
                link(source, plain)
            await asyncio.to_thread(looker.bring_to_life, plain, number, made, living.kept_in(source))
        except (BadInput, OSError) as error:
            sentence = str(error) if isinstance(error, BadInput) else "the photo is gone: give it again"
            yield {"scene": message(sentence.replace(str(source.parent / "photo"), source.name))}
            return
        yield {"scene": shown}

    async def _watch(self, job: Job, request: gr.Request) -> AsyncIterator[Updates]:
        shown = None
        while job.state not in ENDED:
            status = status_html(job, self.queue.position(job))
            if status != shown:
                shown = status
                yield {"status": status, **_busy()}
            await asyncio.sleep(WATCH_EVERY)
        yield await asyncio.to_thread(self._ended, job, request)

    def _ended(self, job: Job, request: gr.Request) -> Updates:
        shown = self._result(job) if job.state == DONE else {}
        history = {"history": self._history(request, job.id)} if job.state == DONE else {}
        keys = {} if job.request.redraw is not None or job.state != DONE else {"keys": ""}  # they were another motion's
        return {"status": status_html(job), **shown, **history, **keys, **_idle()}

    def _refused(self, sentence: str) -> Updates:
        return {"status": message(sentence), **_idle()}

    def _result(self, job: Job) -> Updates:
        """A finished job's video, what is known of it, and its curves."""
        page = job.request.page
        return {
            "result": result_html(job), "about": about_html(job), "box": gr.Column(visible=True),
            "curves": self._curves(job, page.get("edit", ""), page.get("keys", "")), "edited": "", "current": job.id,
        }  # fmt: skip

    def _chosen(self, job: Job) -> Updates:
        """A finished job as `_result` shows it, and the edits that it was made with."""
        page = job.request.page
        return {**self._result(job), "edit": page.get("edit", ""), "keys": page.get("keys", "")}

    def _nothing(self) -> Updates:
        return {"result": EMPTY, "about": "", "box": gr.Column(visible=False), "current": None}

    def _curves(self, job: Job, edit: str, keys: str) -> str:
        """What a job's motion is, and what it becomes by an edit. BadInput."""
        unedited = FlameSequence.load(job.folder / results.OUT / results.UNEDITED)
        rest = FlameSequence.load(job.folder / results.OUT / results.REST)
        edits: list[str] = []
        if edit.strip():
            read_request({"edit": edit}, {}, {}, self.limits, redraw=job.folder)  # no files of the server
            edits.append(edit)
        if keys.strip():
            edits.append(str(write_keyframes(keys, job.folder / "in" / "shown.json")))
        return curves_html(unedited, apply_edit(unedited, edits) if edits else None, rest=rest)

    def _history(self, request: gr.Request, chosen: str | None) -> str:
        return history_html([job for job in self.queue.jobs_of(visitor(request)) if job.state == DONE], chosen)

    def restore(self, request: gr.Request) -> Updates:
        """Shows what this visit made before, when the page is opened again."""
        done = [job for job in self.queue.jobs_of(visitor(request)) if job.state == DONE]
        if not done:
            return {"status": READY, "history": self._history(request, None), "current": None}
        return {"status": READY, **self._chosen(done[0]), "history": self._history(request, done[0].id)}

    def pick(self, what: str, current: str | None, request: gr.Request) -> Updates:
        """Shows or deletes one of this visit's results. what: `show ID` or `delete ID`."""
        deed, _, id = what.partition(" ")
        job = self.queue.get(id.partition(" ")[0], visitor(request))
        if job is None or job.state != DONE:
            return {"status": message("it is not there any more"), "history": self._history(request, current)}
        if deed == "show":
            return {"status": READY, **self._chosen(job), "history": self._history(request, job.id)}
        self.queue.remove(job)
        gone = self._nothing() if job.id == current else {}
        return {**gone, "history": self._history(request, None if gone else current)}

    def change(self, current: str | None, edit: str, keys: str, request: gr.Request) -> Updates:
        """The curves as an edit would change them, before anything is drawn."""
        if not current:
            return {}
        try:
            job = self._finished(current, visitor(request))
            return {"edited": "", "curves": self._curves(job, edit or "", keys or "")}
        except REFUSED as error:
            return {"edited": message(_without_paths(str(error)))}

    def example(self, name: str, request: gr.Request) -> dict[str, Any]:
        """What an example puts into the page's fields, by their names."""
        return {"photo": self.demo(request), **EXAMPLES[name]}

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

        target = self.queue.root / visitor(request) / "uploads" / DEMO_UPLOAD / "demo.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(load_photo(DEMO)[0]).save(target)
        return str(target)


def _busy() -> Updates:
    """Cancel takes the preview's place."""
    off = gr.Button(interactive=False)
    return {"animate": off, "again": off, "preview": gr.Button(visible=False), "cancel": gr.Button(visible=True)}


def _idle() -> Updates:
    """Animate and preview can be pressed, there is nothing to cancel."""
    on = gr.Button(interactive=True)
    return {"animate": on, "again": on, "preview": gr.Button(visible=True), "cancel": gr.Button(visible=False)}


def _keep_results(made: Path, target: Path) -> Path:
    """Links a job's results into another job's folder: its own may be removed before that one runs."""
    for name in (results.UNEDITED, results.PORTRAIT, results.REPORT, results.SOUNDING):
        link(made / results.OUT / name, target / results.OUT / name)
    return target


def _without_paths(sentence: str) -> str:
    """A sentence about keyframes without the file that only the server knows."""
    import re

    return re.sub(r"\S*/shown\.json: ", "", sentence)
