"""The page's form: a photo, what moves it, and a field for every option of a request and of plug-ins."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from ...core.options import Option
from ...flame_motion.style import PRESETS
from .job_options import driver_of, value_options
from .keyframe_text import EXAMPLE
from .limits import Limits
from .page_events import EXAMPLES, KEYS, MOTION, OF_ONE_SOURCE, SOURCES, VIDEO, VOICE, WORDS, PageEvents, sources_of

ELSEWHERE = ("edit",)  # below the result
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
MIXES = [
    ("As usual: head and gaze", ""),
    ("The head", "head=text"),
    ("The eyes and brows", "upper=text"),
    ("The mouth and jaw", "lower=text"),
    ("The whole face", "face=text"),
]
LOOKS: dict[str, dict[str, Any]] = {  # of options that do not look as their fields say
    "text": {
        "label": "What happens", "info": HINTS[WORDS], "lines": 2,
        "placeholder": "she nods twice, then looks up to her left",
    },
    "emotion": {"label": "How it feels", "info": None, "placeholder": "amused, breaking into a laugh"},
    "say": {"label": "Or words to say", "info": None, "lines": 2, "placeholder": "Hello there."},
    "idle": {"label": "Just wait, so many seconds", "info": "It blinks, glances and breathes; 0: it does not"},
    "mix": {"label": "What the words above move", "info": "Beside a voice, a video or a motion"},
    "style": {"label": "Style of movement", "info": "Of words and voice"},
    "mode": {"label": "What is followed", "info": None},
    "strength": {"label": "How strongly it moves", "info": "1: as it comes"},
    "camera": {"label": "Camera", "info": "Or in its own words: orbit:20+zoom:1.1"},
    "size": {"label": "Size: the longest side, px", "info": None},
    "framing": {"label": "What is shown", "info": None},
    "seconds": {"label": "Length, seconds", "info": "0: as long as it takes"},
    "fps": {"label": "Pictures a second", "info": "0: as what moves it has"},
    "motion_fps": {"label": "Pictures a second of the motion", "info": "0: as the file says"},
    "keep": {"label": "What of the motion stays", "info": "Words fill in the rest: head, gaze, lids, face; 0s,1.5s"},
    "face": {"label": "Which face", "info": "0: the largest in the photo"},
    "seed": {"label": "Variation", "info": "Another number, another take"},
    "lips": {"label": "How far the lips open", "info": None},
    "head_motion": {"label": "How much the head moves", "info": None},
    "blinks": {"label": "How far blinks close the eyes", "info": None},
    "style_strength": {"label": "How lively brows and gaze are", "info": None},
}  # fmt: skip
CHOICES = {  # what the choices of an option are called
    "mode": {"relative": "Its movements, from this face's own rest", "absolute": "Its face exactly as it is"},
    "framing": {"photo": "The whole photo", "face": "A square around the head"},
}


@dataclass
class Form:
    """The form's fields while they are made."""

    limits: Limits
    fields: dict[str, Any] = field(default_factory=dict)  # by the name of the option, or of the file
    examples: dict[str, Any] = field(default_factory=dict)  # buttons by the name of their example
    parts: list[tuple[Any, tuple[str, ...]]] = field(default_factory=list)  # what is shown for some sources alone

    def add(self, *names: str) -> None:
        """A field for each of these options."""
        for name in names:
            self.fields[name] = _component(value_options()[name], self.limits)

    def part(self, component: Any, *sources: str) -> Any:
        """Shows a component for these sources alone."""
        self.parts.append((component, sources))
        return component


def add_form(do: PageEvents, limits: Limits) -> Form:
    """The left column: photo, what moves it, and how it is drawn."""
    form = Form(limits)
    form.fields["photo"] = _as_sent(
        gr.Image(
            label="Photo", type="filepath", sources=["upload", "webcam", "clipboard"], height=240, elem_id="photo",
            buttons=[],
        )
    )  # fmt: skip
    demo = gr.Button("Use the demo portrait", size="sm", elem_id="demo")
    demo.click(do.demo, None, form.fields["photo"], show_progress="hidden", api_visibility="private")
    with gr.Row(elem_id="examples"):
        gr.HTML('<span class="note">Examples:</span>', elem_id="examples-title")
        for name in EXAMPLES:
            form.examples[name] = gr.Button(name, size="sm", min_width=0)
    form.fields["source"] = gr.Radio(list(SOURCES), value=WORDS, label="What moves it", elem_id="source")
    timeline, load = _add_sources(form)
    form.add("text", "emotion")
    _add_options(form)
    _wire(do, form, timeline, load)
    return form


def _add_sources(form: Form) -> tuple[Any, Any]:
    """A part for each source; the drawing of the keyframes and the button that loads some."""
    with form.part(gr.Column(visible=False, elem_id="voice-part", elem_classes="part"), VOICE):
        form.fields["speech"] = _as_sent(
            gr.Audio(label="Recording", type="filepath", sources=["upload", "microphone"], elem_id="speech", buttons=[])
        )
        form.add(*_of_source(VOICE))
    with form.part(gr.Column(visible=False, elem_id="video-part", elem_classes="part"), VIDEO):
        form.fields["video"] = _as_sent(
            gr.Video(label="Video of a face", sources=["upload", "webcam"], height=280, elem_id="video", buttons=[])
        )
    with form.part(gr.Column(visible=False, elem_id="keys-part", elem_classes="part"), KEYS):
        form.fields["keys"] = gr.Textbox(
            EXAMPLE, label="Keyframes", lines=5,
            info="A line each: time, edits, and how it goes on (linear, smooth, in, out, hold)",
            elem_id="keys", elem_classes="mono",
        )  # fmt: skip
        timeline = gr.HTML(elem_id="timeline")
        load = gr.UploadButton("Load a keyframe file", file_types=[".json"], size="sm", elem_id="load-keys")
    with form.part(gr.Column(visible=False, elem_id="motion-part", elem_classes="part"), MOTION):
        form.fields["motion"] = gr.File(
            label="Motion (.npz, or ARKit .csv); none: the demo motion", elem_id="motion", height=150
        )
        form.add(*_of_source(MOTION))
    return timeline, load


def _of_source(source: str) -> list[str]:
    return [name for name, own in OF_ONE_SOURCE.items() if own == source]


def _add_options(form: Form) -> None:
    """Folded away: every other option; those that a driver declares in a part of their own, shown for its sources."""
    left = [name for name in value_options() if name not in (*form.fields, *ELSEWHERE)]
    shared = [name for name in left if driver_of(name) is None]
    with gr.Accordion("Picture, camera and strength", open=False, elem_id="options"):
        for first in range(0, len(shared), 2):
            with gr.Row():
                form.add(*shared[first : first + 2])
    declared: dict[str, list[str]] = {}
    for name in left:
        if (driver := driver_of(name)) is not None:
            declared.setdefault(driver, []).append(name)
    for driver, names in declared.items():
        title = "How it speaks" if driver == "speech" else f"Options of {driver}"
        accordion = gr.Accordion(title, open=False, visible=WORDS in sources_of(names[0]), elem_id=f"options-{driver}")
        with form.part(accordion, *sources_of(names[0])):
            form.add(*names)


def _component(option: Option, limits: Limits) -> Any:
    """The field of an option, by its type, range and choices."""
    name = option.name
    facts = {"label": name.replace("_", " ").capitalize(), "info": option.help_text, "elem_id": name}
    facts |= LOOKS.get(name, {})
    if name == "size":
        sizes = [size for size in SIZES if size <= limits.size] or [limits.size]
        return gr.Dropdown(sizes, value=option.default if option.default in sizes else sizes[-1], **facts)
    if name == "camera":
        return gr.Dropdown(CAMERAS, value="", allow_custom_value=True, **facts)
    if name == "style":
        return gr.Dropdown([("As it comes", ""), *((each.capitalize(), each) for each in PRESETS)], value="", **facts)
    if option.choices:
        called = CHOICES.get(name, {})
        return gr.Dropdown([(called.get(each, each), each) for each in option.choices], value=option.default, **facts)
    if name == "mix":
        return gr.Dropdown(MIXES, value="", allow_custom_value=True, **facts)
    if option.plain_type is bool:
        return gr.Checkbox(bool(option.default), **facts)
    if option.plain_type is str:
        return gr.Textbox(option.default or "", max_length=limits.words, **facts)
    if option.plain_type is float and option.default is not None and None not in (option.minimum, option.maximum):
        step = 0.05 if option.maximum <= 2 else None  # type: ignore[operator]
        return gr.Slider(option.minimum, option.maximum, option.default, step=step, buttons=[], **facts)
    return gr.Number(option.default, precision=0 if option.plain_type is int else None, **facts)


def _as_sent(component: Any) -> Any:
    """A component that hands over the file as it was sent: nothing opens it before the worker process does."""
    component.preprocess = lambda payload: None if payload is None else payload.path
    return component


def _wire(do: PageEvents, form: Form, timeline: Any, load: Any) -> None:
    """The source shows its parts; keyframes are drawn as they are typed."""
    at, quiet = form.fields, {"show_progress": "hidden", "api_visibility": "private"}

    def choose(source: str) -> list[Any]:
        shown = [type(component)(visible=source in sources) for component, sources in form.parts]
        return [*shown, gr.Textbox(info=HINTS.get(source, ""))]

    at["source"].change(choose, at["source"], [*(component for component, _ in form.parts), at["text"]], **quiet)
    for event in (at["keys"].change, at["source"].select, at["seconds"].change):
        event(do.timeline, [at["keys"], at["seconds"]], timeline, trigger_mode="always_last", **quiet)
    load.upload(do.load_keys, load, at["keys"], **quiet)
