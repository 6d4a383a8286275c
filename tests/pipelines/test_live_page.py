"""The page of `flamecast live` in a real browser: its camera and its microphone drive, recordings are made and kept."""

from __future__ import annotations

import pytest

from flamecast.flame_motion import VideoClip

from .test_live_server import server  # noqa: F401  (a fixture)
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
    page.goto(server.address)
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
    before = page.evaluate("document.getElementById('stage').toDataURL()")
    page.wait_for_function("before => document.getElementById('stage').toDataURL() !== before", arg=before)
    page.keyboard.press("r")
    page.wait_for_selector("#red:visible")
    page.wait_for_timeout(1500)
    page.keyboard.press("r")
    link = page.wait_for_selector("#made:visible")
    made = tmp_path / "made.mp4"
    made.write_bytes(page.request.get(link.evaluate("link => link.href")).body())
    assert 0.5 < VideoClip.open(made).duration < 10
    page.keyboard.press("m")
    assert "mirrored" in page.get_attribute("#stage", "class")
    page.keyboard.press("c")
    wait_for(page, "rest", "hold still…")
    wait_for(page, "rest", "known")
    page.click("#camera")
    assert not page.is_visible("#self")


def test_the_microphone_drives(page):
    page.click("#microphone")
    wait_for(page, "face", "by voice")
    page.wait_for_function("parseFloat(document.getElementById('fps').textContent) > 1")
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


def test_a_tab_that_another_took_over_takes_it_back_by_a_button(browser, server, page):  # noqa: F811
    page.click("#camera")
    wait_for(page, "face", "seen")
    other = browser.new_context().new_page()
    other.goto(server.address)
    wait_for(page, "hint", "another window has taken over")
    assert page.get_attribute("#camera", "aria-pressed") == "false"
    other.context.close()
    page.click("#again")
    wait_for(page, "hint", "Turn on the camera or the microphone")
    assert not page.is_visible("#again")
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
