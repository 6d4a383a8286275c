"""The web page: a photo, what moves it, and what comes out."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from .handlers import KEYS, MOTION, SOURCES, VIDEO, VOICE, WORDS, Handlers
from .jobs import JobQueue
from .keylines import EXAMPLE
from .limits import Limits
from .uploads import make_room, shown_name, store
from .views import EMPTY
from .visitors import visitor_of

SYSTEM = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]
SIZES = (256, 384, 512, 768, 1024)
CAMERAS = [
    ("Still", ""),
    ("Orbit a little", "orbit:15"),
    ("Orbit", "orbit:30"),
    ("Arc from left to right", "arc:-15,15"),
    ("Move closer", "dolly:0.8"),
    ("Zoom in", "zoom:1.2"),
]
HINTS = {
    WORDS: "In order; times may be given: 0s: nods; 2s: looks left",
    VOICE: "Optional: moves head and gaze beside the voice",
    VIDEO: "Optional: moves head and gaze instead of the video",
    KEYS: "Optional: fills in between the keyframes",
    MOTION: "Optional: moves head and gaze instead of the motion",
}


def as_sent(component: Any) -> Any:
    """A component that hands over the file as it was sent: nothing opens it before the worker's process does."""
    component.preprocess = lambda payload: None if payload is None else payload.path
    return component


def add_page(app: FastAPI, queue: JobQueue, limits: Limits) -> None:
    """Mounts the page at / of a server."""
    own = Path(__file__).parent
    _add_uploads(app, queue, limits)
    gr.mount_gradio_app(
        app,
        build_page(Handlers(queue, limits), limits),
        path="/",
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
    """Gradio's door for files, so that each visitor's lie in a folder of their own under names of ours."""

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
    hue = gr.themes.Color(
        "#fff5ed",
        "#ffe8d5",
        "#fecdaa",
        "#fdac74",
        "#fb813c",
        "#f05d16",
        "#d9480f",
        "#b4380d",
        "#8f2e12",
        "#742912",
        "#3f1206",
    )
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


def build_page(do: Handlers, limits: Limits) -> Any:
    """The page's parts and what they do."""
    with gr.Blocks(title="flamecast", analytics_enabled=False, fill_width=True) as page:
        gr.HTML(HEADER)
        with gr.Row(elem_id="columns"):
            with gr.Column(min_width=280, elem_id="left"):
                fields = _inputs(do, limits)
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


def _inputs(do: Handlers, limits: Limits) -> dict[str, Any]:
    """The left column: photo, what moves it, and how it is drawn."""
    at: dict[str, Any] = {}
    at["photo"] = as_sent(
        gr.Image(
            label="Photo", type="filepath", sources=["upload", "webcam", "clipboard"], height=300, elem_id="photo",
            buttons=[],
        )
    )  # fmt: skip
    demo = gr.Button("Use the demo portrait", size="sm", elem_id="demo")
    at["source"] = gr.Radio(list(SOURCES), value=WORDS, label="What moves it", elem_id="source")
    with gr.Column(visible=False, elem_id="voice-part", elem_classes="part") as voice:
        at["speech"] = as_sent(
            gr.Audio(label="Recording", type="filepath", sources=["microphone", "upload"], elem_id="speech", buttons=[])
        )
        at["say"] = gr.Textbox(
            label="Or words to say", placeholder="Hello there.", lines=2, elem_id="say", max_length=limits.words
        )
    with gr.Column(visible=False, elem_id="video-part", elem_classes="part") as video:
        at["video"] = as_sent(
            gr.Video(label="Video of a face", sources=["upload", "webcam"], height=280, elem_id="video", buttons=[])
        )
    with gr.Column(visible=False, elem_id="keys-part", elem_classes="part") as keys:
        at["keys"] = gr.Textbox(
            EXAMPLE, label="Keyframes", lines=5,
            info="A line each: time, edits, and how it goes on (linear, smooth, in, out, hold)",
            elem_id="keys", elem_classes="mono",
        )  # fmt: skip
        timeline = gr.HTML(elem_id="timeline")
        file = gr.UploadButton("Load a keyframe file", file_types=[".json"], size="sm", elem_id="load-keys")
    with gr.Column(visible=False, elem_id="motion-part", elem_classes="part") as motion:
        at["motion"] = gr.File(
            label="Motion (.npz, or ARKit .csv); none: the demo motion", elem_id="motion", height=120
        )
    at["text"] = gr.Textbox(
        label="What happens", info=HINTS[WORDS], placeholder="she nods twice, then looks up to her left", lines=2,
        elem_id="text", max_length=limits.words,
    )  # fmt: skip
    at["emotion"] = gr.Textbox(
        label="How it feels", placeholder="amused, breaking into a laugh", elem_id="emotion", max_length=limits.words
    )
    at |= _options(limits)
    demo.click(do.demo, None, at["photo"], show_progress="hidden", api_visibility="private")
    parts = {VOICE: voice, VIDEO: video, KEYS: keys, MOTION: motion}

    def choose(source: str) -> list[Any]:
        told = gr.Textbox(info=HINTS.get(source, ""))
        return [*(gr.Column(visible=source == name) for name in parts), gr.Accordion(visible=source == VOICE), told]

    at["source"].change(
        choose, at["source"], [*parts.values(), at["speaking"], at["text"]], show_progress="hidden",
        api_visibility="private",
    )  # fmt: skip
    for event in (at["keys"].change, at["source"].select, at["seconds"].change):
        event(
            do.timeline, [at["keys"], at["seconds"]], timeline, show_progress="hidden", trigger_mode="always_last",
            api_visibility="private",
        )  # fmt: skip
    file.upload(do.load_keys, file, at["keys"], show_progress="hidden", api_visibility="private")
    return at


def _options(limits: Limits) -> dict[str, Any]:
    """Folded away: how it is drawn, and how speech moves it."""
    at: dict[str, Any] = {}
    with gr.Accordion("Picture, camera and strength", open=False, elem_id="options"):
        with gr.Row():
            sizes = [size for size in SIZES if size <= limits.size]
            at["size"] = gr.Dropdown(
                sizes, value=512 if 512 in sizes else sizes[-1], label="Longest side, px", elem_id="size"
            )
            at["framing"] = gr.Dropdown(
                [("The whole photo", "photo"), ("The face", "face")], value="photo", label="Framing"
            )
        with gr.Row():
            at["seconds"] = gr.Number(0, label="Seconds, at most (0: all)", elem_id="seconds")
            at["seed"] = gr.Number(0, label="Seed", precision=0, elem_id="seed")
        at["camera"] = gr.Dropdown(
            CAMERAS, value="", label="Camera", info="Or in its own words: orbit:20+zoom:1.1", allow_custom_value=True,
            elem_id="camera",
        )  # fmt: skip
        at["strength"] = gr.Slider(0, 2, 1, step=0.05, label="Strength", info="How far the portrait goes", buttons=[])
        at["mode"] = gr.Dropdown(
            [("The driver's changes", "relative"), ("Its pose as it is", "absolute")], value="relative",
            label="What is taken over",
        )  # fmt: skip
        with gr.Row():
            at["mix"] = gr.Textbox(label="Regions the words move", placeholder="upper=text", elem_id="mix")
            at["face"] = gr.Number(0, label="Which face", precision=0)
    with gr.Accordion("How it speaks", open=False, visible=False, elem_id="speaking") as at["speaking"]:
        for name, label in (
            ("lips", "Mouth"), ("head_motion", "Head"), ("blinks", "Blinks"), ("style_strength", "Brows and gaze")
        ):  # fmt: skip
            at[name] = gr.Slider(0, 2, 1, step=0.05, label=label, buttons=[])
    return at


def _outputs(status: Any) -> tuple[list[Any], dict[str, Any]]:
    """The right column; what is shown stands in the order of `handlers.Shown`."""
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
    page: Any, do: Handlers, fields: dict[str, Any], shown: list[Any], tools: dict[str, Any], buttons: list[Any],
    everything: list[Any],
) -> None:  # fmt: skip
    """What is pressed, and what it does."""
    status, result, about, box, curves, history, current = shown
    animate, preview, cancel = buttons
    names = [name for name in fields if name != "speaking"]

    def pressed(preview: bool) -> Any:
        async def start(values: dict[Any, Any], request: gr.Request) -> Any:
            given = {name: values[fields[name]] for name in names}
            async for update in do.animate(given, request, preview):
                yield update

        return start

    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    free = quiet | {"concurrency_limit": None}
    inputs = {fields[name] for name in names}  # a set: then values come by component
    animate.click(pressed(False), inputs, everything, **free)
    preview.click(pressed(True), inputs, everything, **free)
    tools["again"].click(do.again, [current, tools["edit"], tools["keys"], fields["camera"]], everything, **free)
    cancel.click(do.cancel, None, None, queue=True, **free)
    tools["change"].click(do.change, [current, tools["edit"], tools["keys"]], [tools["edited"], curves], **quiet)
    history.input(do.choose, history, [status, result, about, box, curves, current], **quiet)
    current.change(do.head, current, tools["head"], **quiet)
    page.load(do.restore, None, shown, **quiet)
    page.unload(do.leave)


HEADER = (
    '<header class="top"><a class="mark" href="/" aria-label="flamecast"><img src="/app/icon.svg" alt="" width="28" '
    'height="28"><span>flamecast</span></a><p>A photo, and what it is to do.</p>'
    '<nav><a href="/docs">API</a><button type="button" id="theme" aria-label="Light or dark">◐</button></nav></header>'
)

__all__ = ["add_page", "build_page"]
