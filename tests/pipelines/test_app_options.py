"""The HTTP form and the page are made from the fields of a request and of plug-ins: nothing is listed twice."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from flamecast.pipelines.app.limits import Limits
from flamecast.pipelines.request import all_options

from .test_request import plugin  # noqa: F401  (a fixture)

pytest.importorskip("gradio", reason='needs pip install "flamecast[app]"')

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
schemas = build(queue, limits).app.openapi()["components"]["schemas"]
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
        assert form[name]["description"], name
        if not option.is_file:
            found = form[name]
            assert (found.get("default"), found.get("minimum"), found.get("maximum"), found.get("enum")) == (
                option.default,
                option.minimum,
                option.maximum,
                list(option.choices) or None,
            ), name
            assert name in page, name
    assert {"demo", "demo_motion", "preview", "camera_keys"} == set(form) - set(all_options()) - {"depth"}
    assert "512" in str(page["size"]["choices"]) and str(Limits.size * 2) not in str(page["size"]["choices"])
