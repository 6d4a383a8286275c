"""The page of `flamecast live` in a real browser: its camera and its microphone drive, recordings are made and kept."""

from __future__ import annotations

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import structural_similarity

from flamecast.flame_motion import VideoClip
from flamecast.generator.warp import WarpGenerator
from flamecast.pipelines.fit import open_portrait
from flamecast.pipelines.framing import framed

from .test_live_server import SIZE, server  # noqa: F401  (a fixture)
from .test_page import PATIENCE, browser, media  # noqa: F401  (fixtures)

pytestmark = pytest.mark.slow


@pytest.fixture
def page(browser, server):  # noqa: F811
    """The page, at the size of a phone; every request that leaves its server is noted."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, permissions=["camera", "microphone"])
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.outside = []
    page.on(
        "request",
        lambda request: request.url.startswith((server.address, "blob:", "data:")) or page.outside.append(request.url),
    )
    page.goto(f"{server.address}?draw=page")  # a browser without a graphics processor asks for pictures by itself
    page.wait_for_selector("#camera:visible")
    yield page
    assert page.outside == []
    context.close()


def wait_for(page, name: str, text: str) -> None:
    page.wait_for_function("([name, text]) => document.getElementById(name).textContent === text", arg=[name, text])


def test_the_camera_drives_and_is_recorded_on_a_key(page, tmp_path):
    assert not page.is_visible("#sound") and page.inner_text("#hint") == "Turn on the camera or the microphone"
    page.click("#camera")
    wait_for(page, "face", "seen")
    wait_for(page, "rest", "known")
    assert page.evaluate("document.getElementById('self').videoWidth") == 320
    page.wait_for_selector("#here[aria-pressed=true]")
    before = page.evaluate("() => window.flamecast.drawn")  # the pose of the last picture
    page.wait_for_function("before => window.flamecast.drawn !== before", arg=before)
    page.keyboard.press("r")
    page.wait_for_selector("#red:visible")
    page.wait_for_timeout(1500)
    page.keyboard.press("r")
    link = page.wait_for_selector("#made:visible")
    made = tmp_path / "made.mp4"
    made.write_bytes(page.request.get(link.evaluate("link => link.href")).body())
    assert 0.5 < VideoClip.open(made).duration < 10
    page.keyboard.press("m")
    assert "mirrored" in page.get_attribute("#portrait", "class")
    page.keyboard.press("c")
    wait_for(page, "rest", "hold still…")
    wait_for(page, "rest", "known")
    page.click("#camera")
    assert not page.is_visible("#self")


def test_the_server_draws_for_who_asks_for_that(page):
    page.wait_for_selector("#here[aria-pressed=true]")
    page.click("#here")
    page.wait_for_selector("#stage:visible")
    page.click("#camera")
    wait_for(page, "face", "seen")
    before = page.evaluate("() => document.getElementById('stage').toDataURL()")
    page.wait_for_function("before => document.getElementById('stage').toDataURL() !== before", arg=before)
    page.keyboard.press("d")
    page.wait_for_selector("#portrait:visible")
    page.wait_for_function("() => window.flamecast.shown")  # parameters come
    page.click("#camera")


def test_without_a_graphics_processor_the_server_draws(browser, server):  # noqa: F811
    """As it does here, where Chromium draws by the processor; OBS's scene is drawn by the page all the same."""
    other = browser.new_context().new_page()
    other.goto(server.address)
    other.wait_for_selector("#here:visible")
    other.wait_for_timeout(1500)
    assert other.evaluate("async () => (await import('./player.js')).drawnBySoftware()")
    assert other.get_attribute("#here", "aria-pressed") == "false" and other.is_visible("#stage")
    other.click("#here")
    other.wait_for_selector("#portrait:visible", timeout=PATIENCE)
    other.context.close()


def test_what_is_drawn_here_is_what_the_server_draws(page):
    """The last pose, by both: the camera is off, so that nothing moves."""
    page.wait_for_selector("#here[aria-pressed=true]")
    page.click("#camera")
    wait_for(page, "rest", "known")
    page.wait_for_function("() => window.flamecast.shown")
    number = page.evaluate(
        """() => { const p = window.flamecast, [w, h] = p.header.size; p.running = false; p.canvas.width = w;
        p.canvas.height = h; p.renderer.draw(p.shown, undefined, true); window.pose = p.shown;
        return p.canvas.toDataURL("image/png"); }"""
    )
    drawn = np.asarray(Image.open(io.BytesIO(base64.b64decode(number.split(",")[1]))).convert("RGB"))
    pose = page.evaluate("() => window.pose")
    portrait = framed(open_portrait("demo")[0], "photo", SIZE)
    motion = replace(
        portrait.pose, **{name: torch.tensor(pose[name]).reshape(getattr(portrait.pose, name).shape) for name in pose}
    )
    (truth,) = WarpGenerator()(portrait, motion, None)
    assert structural_similarity(truth[0], drawn, channel_axis=2) > 0.95
    page.click("#camera")


def test_obs_gets_the_person_alone_without_the_controls(browser, server, page):  # noqa: F811
    scene = browser.new_context(viewport={"width": 400, "height": 400}).new_page()
    scene.goto(f"{server.address}/?background=none")
    scene.wait_for_selector("#portrait:visible", timeout=PATIENCE)
    scene.wait_for_function("() => window.flamecast.facts")
    picture = np.asarray(Image.open(io.BytesIO(scene.screenshot(omit_background=True))))
    assert picture[:8, :8, 3].max() == 0 and picture[80:105, 165:190, 3].min() > 250
    assert not scene.is_visible("#camera") and not scene.is_visible("#fps")
    page.click("#camera")
    wait_for(page, "face", "seen")
    scene.wait_for_function("() => window.flamecast.shown")  # it follows the other page's camera
    page.click("#camera")
    scene.context.close()


def test_the_microphone_drives(page):
    page.click("#microphone")
    wait_for(page, "face", "by voice")
    page.wait_for_function("() => parseFloat(document.getElementById('fps').textContent) > 1")
    page.click("#microphone")
    assert page.get_attribute("#microphone", "aria-pressed") == "false"


def test_camera_and_microphone_take_turns(page):
    page.click("#microphone")
    page.click("#camera")  # also while the browser still asks for the first
    page.wait_for_selector("#camera[aria-pressed=true]")
    assert page.get_attribute("#microphone", "aria-pressed") == "false"
    wait_for(page, "face", "seen")
    page.click("#microphone")
    page.wait_for_selector("#microphone[aria-pressed=true]")
    assert page.get_attribute("#camera", "aria-pressed") == "false" and not page.is_visible("#self")
    page.click("#microphone")


def test_a_second_tab_watches_and_takes_the_controls_by_a_button(browser, server, page):  # noqa: F811
    page.click("#camera")
    wait_for(page, "face", "seen")
    other = browser.new_context(permissions=["camera"]).new_page()
    other.goto(f"{server.address}?draw=page")
    other.wait_for_selector("#take:visible")
    other.wait_for_selector("#portrait:visible", timeout=PATIENCE)
    other.wait_for_function("() => window.flamecast.shown")  # it sees what the first drives
    assert not other.is_visible("#camera") and page.get_attribute("#camera", "aria-pressed") == "true"
    other.click("#take")
    other.wait_for_selector("#camera:visible")
    page.wait_for_selector("#take:visible")
    assert page.get_attribute("#camera", "aria-pressed") == "false"
    other.context.close()
    page.wait_for_selector("#camera:visible")  # the one that is left has them again
    page.click("#camera")
    wait_for(page, "face", "seen")
    page.click("#camera")


def test_a_closed_tab_leaves_room_for_the_next(browser, server, page):  # noqa: F811
    page.click("#camera")
    wait_for(page, "face", "seen")
    page.close()
    again = browser.new_context(permissions=["camera"]).new_page()
    again.goto(server.address)
    again.click("#camera")
    again.wait_for_selector("#camera[aria-pressed=true]")  # the server may still tell of the first tab's face
    wait_for(again, "face", "seen")
    assert "taken over" not in again.inner_text("#hint")
    again.context.close()


def test_the_page_fits_a_phone(page):
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    small = "[...document.querySelectorAll('button')].filter(b => b.offsetParent && b.offsetHeight < 44).length"
    assert page.evaluate(small) == 0  # a finger finds every button
