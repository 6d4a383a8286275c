"""The HTTP form and the page are made from the fields of a request and of plug-ins: nothing is listed twice."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from PIL import Image

from flamecast.pipelines.app.job_options import EXAMPLES, file_options, value_options
from flamecast.pipelines.app.job_queue import JobQueue
from flamecast.pipelines.app.job_request import SIGNALS, read_request
from flamecast.pipelines.app.limits import Limits
from flamecast.pipelines.request import AnimateRequest, all_options

from .test_request import plugin  # noqa: F401  (a fixture)

gr = pytest.importorskip("gradio", reason='needs pip install "flamecast[app]"')

from flamecast.pipelines.app.page_events import PageEvents  # noqa: E402
from flamecast.pipelines.app.page_form import add_form  # noqa: E402

FILE = "a file"
NOT_SERVED = {"output", "views", "driver", "signal"}
SURFACES = """
import json, pathlib, sys
from flamecast.pipelines.app.job_queue import JobQueue
from flamecast.pipelines.app.limits import Limits
from flamecast.pipelines.app.page import build_page
from flamecast.pipelines.app.page_events import PageEvents
from flamecast.pipelines.app.server import build

limits = Limits()
queue = JobQueue(pathlib.Path(sys.argv[1]), limits, warm=False)
schemas = build(queue, limits).app.own.openapi()["components"]["schemas"]
form = schemas["Body_animate_api_jobs_post"]["properties"]
page = {each["props"].get("elem_id"): each["props"] for each in
        build_page(PageEvents(queue, limits), limits).get_config_file()["components"]}
print(json.dumps([form, page], default=str))
"""


@pytest.fixture(scope="module")
def surfaces(plugin, tmp_path_factory):  # noqa: F811
    """The fields of the HTTP form, and the page's components, where a package with a driver is installed."""
    command = [sys.executable, "-c", SURFACES, str(tmp_path_factory.mktemp("queue"))]
    run = subprocess.run(command, env=plugin, capture_output=True, text=True, timeout=100)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


def test_an_option_that_a_driver_declares_is_in_the_form_and_in_the_page(surfaces):
    form, page = surfaces
    facts = {"description": "How deep it nods (0 to 30 deg).", "default": 8.0, "minimum": 0, "maximum": 30}
    assert form["depth"].items() >= (facts | {"type": "number"}).items()
    assert page["depth"].items() >= {"info": facts["description"], "value": 8.0, "minimum": 0, "maximum": 30}.items()
    assert page["options-nod"]["visible"] is False and page["options-nod"]["label"] == "Options of nod"


def test_every_option_of_a_request_is_a_field_with_its_help_range_and_default(surfaces):
    form, page = surfaces
    for name, option in all_options().items():
        if name in NOT_SERVED:
            assert name not in form
            continue
        assert form[name]["description"] and "`demo`" not in form[name]["description"], name
        if not option.is_file:
            found, most = form[name], {"size": 1024, "seconds": 60, "fps": 60}  # what a server makes is less
            assert (found.get("default"), found.get("minimum"), found.get("maximum"), found.get("enum")) == (
                option.default,
                option.minimum,
                most.get(name, option.maximum),
                list(option.choices) or None,
            ), name
            assert name not in most or f"{most[name]} {option.unit}" in found["description"], name
            assert found.get("maxLength") == (2000 if option.plain_type is str and not option.choices else None)
            assert name in page, name
    assert {"demo", "demo_motion", "preview", "camera_keys"} == set(form) - set(all_options()) - {"depth"}
    assert "512" in str(page["size"]["choices"]) and str(Limits.size * 2) not in str(page["size"]["choices"])


def test_each_signal_has_an_example_of_options_that_there_are():
    known = dict.fromkeys(value_options()) | dict.fromkeys(file_options(), FILE)
    shown = [name for fields in EXAMPLES.values() for name in fields]
    assert {*SIGNALS, "text", "say"} <= set(shown) <= set(known)
    for fields in EXAMPLES.values():
        assert all(str(value).startswith("@") == (known[name] is FILE) for name, value in fields.items())
        assert len({*SIGNALS, "say"} & set(fields)) <= 1


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page's events, and the values of its fields as it opens, with a photo and a voice."""
    folder = tmp_path_factory.mktemp("page")
    Image.new("RGB", (64, 64)).save(folder / "me.png")
    (folder / "talk.wav").write_bytes(b"RIFF\0\0 a sound")
    events = PageEvents(JobQueue(folder / "queue", Limits(), warm=False), Limits())
    with gr.Blocks():
        fields = add_form(events, Limits()).fields
    values = {name: getattr(component, "value", None) for name, component in fields.items()}
    return events, values | {"photo": str(folder / "me.png"), "speech": str(folder / "talk.wav"), "lips": 1.5}


@pytest.mark.parametrize(
    ("source", "given", "options", "files"),
    [
        ("Words", {"text": "nods", "keep": "head"}, {"text": "nods"}, {"photo"}),
        ("Voice", {"seconds": 2, "say": "no"}, {"lips": 1.5, "seconds": 2.0}, {"photo", "speech"}),
        ("Voice", {"speech": None, "say": "hello"}, {"lips": 1.5, "say": "hello"}, {"photo"}),
        ("Keyframes", {"fps": 30}, {"fps": 30.0, "seconds": 4.0}, {"photo", "keyframes"}),
        ("Motion", {"motion_fps": 25, "mode": "absolute"}, {"motion_fps": 25.0, "mode": "absolute"}, {"photo"}),
    ],
)
def test_the_page_sends_the_options_that_go_with_its_source(page, tmp_path, source, given, options, files):
    events, values = page
    gathered, sent, names = events._gather(values | given | {"source": source}, tmp_path)
    assert set(sent) == set(names) == files
    expected = options | {name: path for name, path in sent.items() if name != "keyframes"}
    if "keyframes" in files:
        expected["edit"] = str(sent["keyframes"])
    if source == "Motion":
        expected["motion"] = "demo"
    assert read_request(gathered, sent, names, Limits()).animate == AnimateRequest.of(**expected)


def test_a_server_of_small_videos_has_a_page_too(tmp_path):
    """Its largest is smaller than all that the page offers elsewhere: the page did not start."""
    limits = Limits(size=64, seconds=0.1)
    with gr.Blocks():
        fields = add_form(PageEvents(JobQueue(tmp_path / "queue", limits, warm=False), limits), limits).fields
    assert fields["size"].value == 64
