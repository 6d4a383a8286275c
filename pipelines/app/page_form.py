"""The page's form: a photo, what moves it, and how it is drawn."""

from __future__ import annotations

from typing import Any

import gradio as gr

from .keyframe_text import EXAMPLE
from .limits import Limits
from .page_events import KEYS, MOTION, SOURCES, VIDEO, VOICE, WORDS, PageEvents

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


def add_form(do: PageEvents, limits: Limits) -> dict[str, Any]:
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
        words = gr.Textbox(info=HINTS.get(source, ""))
        return [*(gr.Column(visible=source == name) for name in parts), gr.Accordion(visible=source == VOICE), words]

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
