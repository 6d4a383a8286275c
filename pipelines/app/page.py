"""The web page: a photo, what moves it, and what comes out."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from .job_html import EMPTY
from .job_queue import JobQueue
from .limits import Limits
from .page_events import PageEvents, Updates
from .page_form import Form, add_form
from .uploads import make_room, shown_name, store
from .visitors import visitor_of

SYSTEM = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
EMBER = (
    "#fff5ed #ffe8d5 #fecdaa #fdac74 #fb813c #f05d16 #c2410c #b4380d #8f2e12 #742912 #3f1206".split()
)  # light to dark
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]


def add_page(app: FastAPI, queue: JobQueue, limits: Limits, root_path: str = "") -> None:
    """Mounts the page at / of a server, which a proxy serves under root_path."""
    own = Path(__file__).parent
    _add_uploads(app, queue, limits)
    gr.mount_gradio_app(
        app,
        build_page(PageEvents(queue, limits), limits),
        path="/",
        root_path=root_path or None,
        footer_links=[],
        run_history=False,
        show_error=False,
        max_file_size=limits.upload_bytes,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        theme=_theme(),
        css_paths=own / "page.css",
        head=(own / "head.html").read_text(encoding="utf-8"),
        app_kwargs={"docs_url": None, "redoc_url": None, "openapi_url": None},
    )


def _add_uploads(app: FastAPI, queue: JobQueue, limits: Limits) -> None:
    """Replaces Gradio's upload routes, so that each visitor's files lie in a folder of their own under our names."""

    @app.post("/gradio_api/upload", include_in_schema=False)
    async def upload(request: Request) -> list[str]:
        own = queue.root / visitor_of(request) / "uploads"
        paths = []
        async with request.form(max_files=4, max_fields=4) as form:
            for file in form.getlist("files"):
                if isinstance(file, str):
                    raise HTTPException(400, "expected files")
                name = shown_name(file.filename, "file")
                target = own / secrets.token_hex(8) / name
                await run_in_threadpool(make_room, own, queue.root, limits)
                await run_in_threadpool(store, file.file, target, limits.upload_bytes, name)
                paths.append(str(target))
        return paths

    @app.get("/gradio_api/upload_progress", include_in_schema=False)
    def progress() -> Response:
        return Response('data: {"msg": "done"}\n\n', media_type="text/event-stream")


def _theme() -> Any:
    hue = gr.themes.Color(*EMBER)
    theme = gr.themes.Base(
        primary_hue=hue, neutral_hue="stone", font=SYSTEM, font_mono=MONO, radius_size="lg", spacing_size="md"
    )
    return theme.set(
        input_background_fill_dark="#1c1a18",
        block_background_fill_dark="#23201e",
        block_border_color_dark="#3a3632",
        button_secondary_background_fill="#efeae4",
        button_secondary_background_fill_hover="#e5ded6",
        button_secondary_background_fill_dark="#35312d",
        button_secondary_background_fill_hover_dark="#45403b",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_700",
        button_primary_text_color="white",
        button_primary_text_color_dark="white",
        block_shadow="none",
        block_label_background_fill="transparent",
        block_label_border_width="0px",
    )


def build_page(do: PageEvents, limits: Limits) -> Any:
    """The page's parts and their events."""
    with gr.Blocks(title="flamecast", analytics_enabled=False, fill_width=True) as page:
        gr.HTML(HEADER)
        with gr.Row(elem_id="columns"):
            with gr.Column(min_width=280, elem_id="left"):
                form = add_form(do, limits)
                with gr.Row(elem_id="actions"):
                    parts = {
                        "animate": gr.Button("Animate", variant="primary", elem_id="animate", scale=2),
                        "preview": gr.Button("Quick preview", elem_id="preview", scale=1),
                        "cancel": gr.Button("Cancel", variant="stop", visible=False, elem_id="cancel", scale=1),
                    }
            with gr.Column(min_width=280, elem_id="right"):
                parts |= _outputs()
            with gr.Column(min_width=280, elem_id="visit"):
                parts["history"] = gr.HTML(elem_id="history")
                parts["pick"] = gr.Textbox(elem_id="pick", elem_classes="offstage", show_label=False)
        parts["current"] = gr.State(None)
        _wire(page, do, form, parts)
    return page


def _outputs() -> dict[str, Any]:
    """The right column: the picture with what goes on, the result, and what changes it; by the names in `Updates`."""
    with gr.Row(elem_id="stage"):
        parts = {"result": gr.HTML(EMPTY, elem_id="result")}
        gr.HTML(LIVING, elem_id="living-box")
        parts["scene"] = gr.HTML(elem_id="scene")
        parts["status"] = gr.HTML(elem_id="status")  # over the picture: how it goes is never out of sight
    parts["about"] = gr.HTML(elem_id="about")
    with gr.Column(elem_id="edits"):
        gr.HTML(SLIDERS)
        with gr.Column(elem_id="typed"):
            parts["edit"] = gr.Textbox(
                label="The changes in words", placeholder="smile=0.3, gain=1.2", elem_id="edit", lines=1,
                info="smile, blink, jawOpen, yaw, pitch, roll, gaze and ARKit's names; gain, smooth, rest, speed, only",
            )  # fmt: skip
            parts["keys"] = gr.Textbox(
                label="Changes at times", placeholder="1.0s: smile=0.6\n1.5s: smile=0 | out", lines=2,
                elem_id="edit-keys", elem_classes="mono",
            )  # fmt: skip
        parts["edited"] = gr.HTML(elem_id="edited")
        parts["again"] = gr.Button("Draw it with these changes", elem_id="again")
    with gr.Column(visible=False, elem_id="motion-box") as parts["box"]:
        with gr.Accordion("The motion's curves", open=True, elem_id="curves-part"):
            parts["curves"] = gr.HTML(elem_id="curves")
    return parts


def _wire(page: Any, do: PageEvents, form: Form, parts: dict[str, Any]) -> None:
    """Connects the page's buttons and lists with their events, which say by name what becomes of the parts."""
    fields = form.fields | {"edit": parts["edit"]}
    everything = list(parts.values())

    def by_part(update: Updates, known: dict[str, Any] = parts) -> Any:
        return {known[name]: value for name, value in update.items()} or gr.skip()  # Gradio takes no empty dictionary

    def pressed(preview: bool) -> Any:
        async def start(values: dict[Any, Any], request: gr.Request) -> Any:
            given = {name: values[field] for name, field in fields.items()}
            async for update in do.animate(given, request, preview):
                yield by_part(update)

        return start

    async def again(current: str | None, edit: str, keys: str, camera: str, request: gr.Request) -> Any:
        async for update in do.redraw(current, edit, keys, camera, request):
            yield by_part(update)

    async def come_alive(photo: str | None, face: float | None, request: gr.Request) -> Any:
        async for update in do.come_alive(photo, face, request):
            yield by_part(update)

    def change(current: str | None, edit: str, keys: str, request: gr.Request) -> Any:
        return by_part(do.change(current, edit, keys, request))

    def pick(what: str, current: str | None, request: gr.Request) -> Any:
        return by_part(do.pick(what, current, request))

    def restore(request: gr.Request) -> Any:
        return by_part(do.restore(request))

    def example(name: str) -> Any:
        def fill(request: gr.Request) -> Any:
            return by_part(do.example(name, request), fields)

        return fill

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    free = quiet | {"concurrency_limit": None}
    inputs, edits = set(fields.values()), [parts["current"], parts["edit"], parts["keys"]]  # a set: values by component
    parts["animate"].click(pressed(False), inputs, everything, **free)
    parts["preview"].click(pressed(True), inputs, everything, **free)
    parts["again"].click(again, [*edits, fields["camera"]], everything, **free)
    parts["cancel"].click(do.cancel, None, None, queue=True, **free)
    for name, button in form.examples.items():
        filled = button.click(example(name), None, list(fields.values()), **free)
        filled.then(pressed(True), inputs, everything, **free)
    for part in (parts["edit"], parts["keys"]):
        part.change(change, edits, everything, trigger_mode="always_last", **quiet)
    for given in (fields["photo"], fields["face"]):
        given.change(come_alive, [fields["photo"], fields["face"]], everything, trigger_mode="always_last", **free)
    # Gradio tells of an `input` only where it was typed: the list writes into the field
    parts["pick"].change(pick, [parts["pick"], parts["current"]], everything, **quiet)
    page.load(restore, None, everything, **quiet)
    page.unload(do.leave)


HEADER = (
    '<header class="top"><h1><a class="mark" href="." aria-label="flamecast"><img src="app/icon.svg" alt="" width="28" '
    'height="28"><span>flamecast</span></a></h1><p>A photo, and what it is to do.</p>'
    '<nav><a href="docs">API</a><button type="button" id="theme" aria-label="Light or dark">◐</button></nav></header>'
)
LIVING = (  # filled by living.js; on a phone one of the two is seen
    '<div id="living" hidden></div><div id="which" role="group" aria-label="What is shown">'
    '<button type="button" value="video">Video</button>'
    '<button type="button" value="living">Living portrait</button></div>'
)
SLIDERS = """<div id="changes"><h2 class="part-title">Change the face</h2><div id="sliders"></div>
<div id="whole" role="group" aria-label="The whole movement">
<label>How far it moves <input type="range" name="gain" min="0" max="2" step="0.05" value="1"><output></output></label>
<label>How fast <input type="range" name="speed" min="0.5" max="2" step="0.05" value="1"><output></output></label>
<label>How smooth <input type="range" name="smooth" min="0" max="0.5" step="0.02" value="0"><output></output></label>
<label>Where <select name="only"><option value="">everywhere</option><option value="head">the head</option>
<option value="mouth">the mouth</option><option value="eyes">the eyes</option><option value="brows">the brows</option>
<option value="upper">the upper face</option><option value="lower">the lower face</option></select></label></div>
<p class="note">You see it at once in the living portrait; how far, fast and smooth show in the curves.</p>
<p class="row"><button type="button" class="get" id="reset">Take the changes back</button>
<button type="button" class="get" id="type" aria-expanded="false" aria-controls="typed">Type the changes</button></p>
</div>"""
