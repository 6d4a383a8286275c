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
from .page_events import PageEvents
from .page_form import add_form
from .uploads import make_room, shown_name, store
from .visitors import visitor_of

SYSTEM = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
EMBER = (
    "#fff5ed #ffe8d5 #fecdaa #fdac74 #fb813c #f05d16 #d9480f #b4380d #8f2e12 #742912 #3f1206".split()
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
        button_primary_background_fill_hover_dark="*primary_500",
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
                fields = add_form(do, limits)
                with gr.Row(elem_id="actions"):
                    animate = gr.Button("Animate", variant="primary", elem_id="animate", scale=2)
                    preview = gr.Button("Quick preview", elem_id="preview", scale=1)
                    cancel = gr.Button("Cancel", variant="stop", visible=False, elem_id="cancel", scale=1)
                status = gr.HTML(elem_id="status")
            with gr.Column(min_width=280, elem_id="right"):
                shown, tools = _outputs(status)
            with gr.Column(min_width=280, elem_id="visit"):
                history = gr.Radio([], label="This visit", visible=False, elem_id="history")
        shown = [*shown, history, gr.State(None)]
        buttons = [animate, preview, cancel]
        everything = [*shown, *buttons]
        _wire(page, do, fields, shown, tools, buttons, everything)
    return page


def _outputs(status: Any) -> tuple[list[Any], dict[str, Any]]:
    """The right column; what is shown stands in the order of `page_events.Updates`."""
    with gr.Row(elem_id="stage"):
        result = gr.HTML(EMPTY, elem_id="result", scale=3, min_width=300)
        head = gr.Model3D(
            label="3D head", height=380, interactive=False, elem_id="head3d", camera_position=(90, 85, None),
            buttons=[], min_width=260, scale=2,
        )  # fmt: skip
    about = gr.HTML(elem_id="about")
    with gr.Column(visible=False, elem_id="motion-box") as box:
        with gr.Accordion("The motion: curves and edits", open=True, elem_id="curves-part"):
            curves = gr.HTML(elem_id="curves")
            edit = gr.Textbox(
                label="Change all of it", placeholder="smile=0.3, gain=1.2", elem_id="edit", lines=1,
                info="smile, blink, jawOpen, yaw, pitch, roll, gaze and ARKit's names; gain, smooth, rest, speed, only",
            )  # fmt: skip
            edit_keys = gr.Textbox(
                label="Change it at times", placeholder="1.0s: smile=0.6\n1.5s: smile=0 | out", lines=2,
                elem_id="edit-keys", elem_classes="mono",
            )  # fmt: skip
            with gr.Row():
                change = gr.Button("Show the change", elem_id="change")
                again = gr.Button("Make it again", variant="primary", elem_id="again")
            edited = gr.HTML(elem_id="edited")
    tools = {"head": head, "edit": edit, "keys": edit_keys, "change": change, "again": again, "edited": edited}
    return [status, result, about, box, curves], tools


def _wire(
    page: Any, do: PageEvents, fields: dict[str, Any], shown: list[Any], tools: dict[str, Any], buttons: list[Any],
    everything: list[Any],
) -> None:  # fmt: skip
    """Connects the page's buttons and lists with their events."""
    status, result, about, box, curves, history, current = shown
    animate, preview, cancel = buttons

    def pressed(preview: bool) -> Any:
        async def start(values: dict[Any, Any], request: gr.Request) -> Any:
            given = {name: values[field] for name, field in fields.items()}
            async for update in do.animate(given, request, preview):
                yield update

        return start

    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    free = quiet | {"concurrency_limit": None}
    inputs = set(fields.values())  # a set: then values come by component
    animate.click(pressed(False), inputs, everything, **free)
    preview.click(pressed(True), inputs, everything, **free)
    tools["again"].click(do.redraw, [current, tools["edit"], tools["keys"], fields["camera"]], everything, **free)
    cancel.click(do.cancel, None, None, queue=True, **free)
    tools["change"].click(do.change, [current, tools["edit"], tools["keys"]], [tools["edited"], curves], **quiet)
    history.input(do.choose, history, [status, result, about, box, curves, current], **quiet)
    current.change(do.head, current, tools["head"], **quiet)
    page.load(do.restore, None, shown, **quiet)
    page.unload(do.leave)


HEADER = (
    '<header class="top"><a class="mark" href="." aria-label="flamecast"><img src="app/icon.svg" alt="" width="28" '
    'height="28"><span>flamecast</span></a><p>A photo, and what it is to do.</p>'
    '<nav><a href="docs">API</a><button type="button" id="theme" aria-label="Light or dark">◐</button></nav></header>'
)
