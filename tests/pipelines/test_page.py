"""The web page in a real browser: what is pressed makes videos that play, and users do not see each other."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from flamecast.flame_motion import FlameSequence
from flamecast.flame_motion.edit import apply_edit
from flamecast.flame_motion.media.video_writer import VideoWriter
from flamecast.pipelines.app.limits import Limits

uvicorn = pytest.importorskip("uvicorn", reason='needs pip install "flamecast[app]"')
pytest.importorskip("gradio", reason='needs pip install "flamecast[app]"')
playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright, pip install playwright")

pytestmark = pytest.mark.slow
LIMITS = Limits(upload_mb=20.0, seconds=6.0, size=512)
PATIENCE = 45_000  # ms


def chromium() -> str | None:
    """A Chromium of this machine, or Playwright's own."""
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        if (found := shutil.which(name)) is not None:
            return found
    with playwright.sync_playwright() as driver:
        path = driver.chromium.executable_path
    return path if os.path.exists(path) else None


@pytest.fixture(scope="module")
def media(tmp_path_factory) -> Path:
    """A photo, a driving video, a recording, and what stands before the fake camera and microphone."""
    import wave

    import av

    folder = tmp_path_factory.mktemp("media")
    Image.fromarray(astronaut()).resize((320, 320)).save(folder / "photo.png")
    (folder / "text.png").write_text("no picture at all\n")
    frames = [np.ascontiguousarray(astronaut()[:320, 60 + 4 * step : 380 + 4 * step]) for step in range(10)]
    with VideoWriter(folder / "driver.mp4", 10) as writer:
        for frame in frames:
            writer.write(frame)
    beat = np.sin(np.arange(16000) * 0.2) * (np.arange(16000) % 4000 < 2500) / 2
    with wave.open(str(folder / "talk.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes((beat * 32767).astype("<i2").tobytes())
    with av.open(str(folder / "camera.mjpeg"), "w", format="mjpeg") as camera:
        stream = camera.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 320, "yuvj420p"
        for frame in frames:
            camera.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        camera.mux(stream.encode(None))
    return folder


@pytest.fixture(scope="module")
def server():
    """The page on a free port: its address, and its queue."""
    from flamecast.pipelines.app.server import running_app

    with running_app(LIMITS) as app:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        running = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not running.started:
            time.sleep(0.05)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", app.queue
        running.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def browser(media):
    executable = chromium()
    if executable is None:
        pytest.skip("no Chromium is here: apt install chromium, or playwright install chromium")
    arguments = [
        "--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={media / 'camera.mjpeg'}",
        f"--use-file-for-fake-audio-capture={media / 'talk.wav'}",
        "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    ]  # fmt: skip
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=executable, args=arguments)
        yield started
        started.close()


class Visit:
    """One user: a browser of their own with the page open; every request and error is noted."""

    def __init__(self, browser: Any, address: str, **options: Any):
        self.context = browser.new_context(permissions=["camera", "microphone"], **options)
        self.address, self.outside, self.errors = address, [], []
        self.page = self.open()

    def open(self) -> Any:
        page = self.context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("request", self._note)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(self.address)
        page.wait_for_selector("#status .ready", state="attached")
        return page

    def _note(self, request: Any) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.outside.append(request.url)

    def photo(self, file: Path) -> None:
        self.page.set_input_files("#photo input[type=file]", file)
        self.page.wait_for_selector("#photo img")

    def small(self, seconds: float | None = 1) -> None:
        """Small and short, so that it is quick."""
        self.page.click("#options > button")
        self.page.click("#size input")
        self.page.click("#size [role=option] >> text=256")
        if seconds is not None:
            self.page.fill("#seconds input", str(seconds))

    def source(self, name: str) -> None:
        self.page.click(f"#source label:has-text('{name}')")

    def press(self, button: str = "#animate") -> dict[str, Any]:
        """Presses, and waits until the new video plays: what is known of it."""
        before = self.page.evaluate("document.querySelector('#made')?.src ?? null")
        self.page.click(button)
        return self.played(before)

    def played(self, before: str | None) -> dict[str, Any]:
        self.page.wait_for_function(
            """before => document.querySelector('#status .bad')
                || (v => v && v.src !== before && v.currentTime > 0.1 && !v.paused)(document.querySelector('#made'))""",
            arg=before,
        )
        assert self.page.locator("#status .bad").count() == 0, self.page.inner_text("#status")
        return self.page.evaluate(
            "(v => ({src: v.src, seconds: v.duration, width: v.videoWidth}))(document.querySelector('#made'))"
        )

    def result(self, name: str) -> bytes:
        """A file of the video that is shown, fetched as this user."""
        source = self.page.evaluate("document.querySelector('#made').src")
        answer = self.context.request.get(source.replace("video.mp4", name))
        assert answer.ok
        return answer.body()

    def refusal(self) -> str:
        self.page.wait_for_selector("#status .bad")
        return self.page.inner_text("#status")


@pytest.fixture
def visit(browser, server) -> Iterator[Any]:
    """Makes users; closes their browsers."""
    visits = []

    def come(**options: Any) -> Visit:
        visits.append(Visit(browser, server[0], **options))
        return visits[-1]

    yield come
    for one in visits:
        one.context.close()
        assert one.outside == [], "the page fetches from elsewhere"


def motion_of(content: bytes, folder: Path) -> FlameSequence:
    (folder / "motion.npz").write_bytes(content)
    return FlameSequence.load(folder / "motion.npz")


def sound_of(content: bytes) -> int:
    import av

    with av.open(io.BytesIO(content)) as video:
        return len(video.streams.audio)


def test_words_preview_edit_and_history(visit, tmp_path):
    """The whole way: a preview, a video, its curves changed and made again, and found again after a reload."""
    one = visit()
    one.page.click("#demo")
    one.page.wait_for_selector("#photo img")
    one.page.fill("#text textarea", "she nods twice")
    preview = one.press("#preview")
    assert preview["width"] == 256 and preview["seconds"] == pytest.approx(2, abs=0.05)
    one.small()
    made = one.press()
    assert made["width"] == 256 and made["seconds"] == pytest.approx(1, abs=0.05)
    before = motion_of(one.result("motion.npz"), tmp_path)
    assert one.result("head.glb")[:4] == b"glTF"
    assert one.page.locator("#curves svg").count() == 6
    one.page.click("#type")
    one.page.fill("#edit textarea", "smile=0.4")
    one.page.fill("#edit-keys textarea", "0s: yaw=0\n0.6s: yaw=10deg")
    one.page.wait_for_selector("#curves .was")
    one.press("#again")
    keys = [{"time": 0, "edits": "yaw=0"}, {"time": 0.6, "edits": "yaw=10deg"}]
    (tmp_path / "keys.json").write_text(json.dumps(keys))
    wanted = apply_edit(before, ["smile=0.4", str(tmp_path / "keys.json")])
    after = motion_of(one.result("motion.npz"), tmp_path)
    assert np.array_equal(after.expression, wanted.expression) and np.array_equal(after.neck, wanted.neck)
    assert one.page.locator("#history li").count() == 3
    one.page.fill("#edit textarea", "smilee=0.4")
    one.page.wait_for_selector("#edited .bad")
    assert "did you mean" in one.page.inner_text("#edited")
    again = one.open()
    again.wait_for_selector("#made")
    assert again.locator("#history li").count() == 3
    again.click("#history li:first-child .remove")
    again.wait_for_function("document.querySelectorAll('#history li').length === 2")
    assert one.context.request.get(one.page.evaluate("document.querySelector('#made').src")).status == 404
    again.click("#history li:last-child .show")
    again.wait_for_function("document.querySelector('#made')?.videoWidth === 256")
    assert again.input_value("#edit textarea") == ""
    assert one.errors == []


def test_the_portrait_lives_before_anything_is_asked_and_shows_edits_without_the_server(visit):
    """A photo is enough; what a slider does is drawn here, not fetched."""
    one = visit(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")  # else it blinks between two pictures
    page = one.page
    page.click("#demo")
    page.wait_for_selector("#living[data-shown]")
    assert page.locator("#made").count() == 0 and not page.is_visible("#again")

    def seen() -> np.ndarray:
        """The portrait, as large as it looks the same at every resolution that the player chooses."""
        page.wait_for_timeout(700)
        picture = Image.open(io.BytesIO(page.locator("#living canvas").screenshot())).convert("L")
        return np.asarray(picture.resize((48, 48), Image.Resampling.BOX), float)

    def difference(first: np.ndarray, second: np.ndarray) -> float:
        return float(np.abs(first - second).mean())

    before, fetched = seen(), []
    page.on("request", lambda request: fetched.append(request.url))
    page.evaluate("document.querySelector('#sliders [name=yaw]').focus()")
    page.keyboard.press("End")
    turned = seen()
    assert difference(before, turned) > 2
    assert page.input_value("#edit textarea") == "yaw=46deg"
    page.evaluate("document.querySelector('#reset').click()")  # the pointer stays: the portrait looks at it
    assert difference(before, seen()) < difference(before, turned) / 4
    assert page.input_value("#edit textarea") == ""
    assert all("/queue/" in address for address in fetched), fetched  # the curves are told, nothing is drawn there

    page.fill("#text textarea", "she waits")
    page.click("#preview")
    page.wait_for_selector("#made")  # which does not play by itself where less motion is wanted
    assert page.is_visible("#living canvas")
    assert one.errors == []


def test_points_on_the_curves_are_keyframes(visit):
    one = visit(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    page = one.page
    page.click("#demo")
    page.wait_for_selector("#photo img")
    page.fill("#text textarea", "she waits")
    page.click("#preview")
    page.wait_for_selector("#made")
    plot = page.locator("#curves .plot").first
    plot.evaluate("plot => plot.scrollIntoView({block: 'end'})")  # the stage stays above
    page.wait_for_function("document.querySelector('#curves .legend [aria-pressed]')")  # it can be pressed
    plot.dblclick(position={"x": plot.bounding_box()["width"] / 2, "y": 16})
    page.wait_for_selector("#curves .was")  # the server's curves are there, with points put on them anew
    key = page.locator("#curves .key").nth(1)
    key.wait_for()
    assert page.locator("#curves .key").count() == 3  # what it is led up to and away from, too
    before = page.input_value("#edit-keys textarea")
    key.press("ArrowUp")
    page.wait_for_function("before => document.querySelector('#edit-keys textarea').value !== before", arg=before)
    lines = page.input_value("#edit-keys textarea").splitlines()
    assert len(lines) == 3 and lines[1].startswith("1.00s: yaw=") and lines[0].endswith("yaw=0.0deg")
    assert float(lines[1].split("yaw=")[1].removesuffix("deg")) > 5
    page.locator("#curves .key").nth(1).press("Delete")
    page.wait_for_function("document.querySelectorAll('#curves .key').length === 2")
    assert one.errors == []


def test_a_recording_is_spoken_with_its_sound(visit, media):
    one = visit()
    one.photo(media / "photo.png")
    one.source("Voice")
    one.page.set_input_files("#speech input[type=file]", media / "talk.wav")
    one.page.wait_for_selector("#speech [data-testid^='waveform'], #speech .waveform-container", state="attached")
    one.page.fill("#text textarea", "she looks around")
    one.small(None)
    made = one.press()
    assert made["seconds"] == pytest.approx(1, abs=0.1) and sound_of(one.result("video.mp4")) == 1
    assert json.loads(one.result("report.json"))["driver"]["text_moves"] == ["head+gaze"]


def test_a_video_drives(visit, media):
    one = visit()
    one.photo(media / "photo.png")
    one.source("Video")
    one.page.set_input_files("#video input[type=file]", media / "driver.mp4")
    one.page.wait_for_selector("#video video")
    one.small(None)
    made = one.press()
    assert made["seconds"] == pytest.approx(1, abs=0.1)
    assert json.loads(one.result("report.json"))["frames"] == 10


def test_camera_and_microphone(visit):
    """A photo by the camera, a voice by the microphone."""
    one = visit()
    one.page.click("#photo [aria-label='Capture from camera']")
    one.page.click("#photo >> text=/click to access webcam/i")
    one.page.click("#photo button[aria-label='capture photo']")
    one.page.wait_for_selector("#photo img")
    one.source("Voice")
    one.page.click("#speech [aria-label='Record audio']")
    one.page.click("#speech button:has-text('Record')")
    one.page.wait_for_timeout(1500)
    one.page.click("#speech button:has-text('Stop')")
    one.page.wait_for_timeout(1500)
    one.small(1)
    one.press()
    assert sound_of(one.result("video.mp4")) == 1


def test_keyframes_move_it_and_are_drawn(visit, media, tmp_path):
    one = visit()
    one.photo(media / "photo.png")
    one.source("Keyframes")
    one.page.wait_for_selector("#timeline polyline")
    one.page.fill("#keys textarea", "0s: smile=0\n0.8s: smile=0.5 | out\nnonsense")
    one.page.wait_for_selector("#timeline .bad")
    assert "line 3" in one.page.inner_text("#timeline")
    keys = {"keyframes": [{"time": 0, "edits": {"yaw": 0}}, {"time": 0.8, "edits": {"yaw": "20deg"}, "ease": "linear"}]}
    (tmp_path / "keys.json").write_text(json.dumps(keys))
    one.page.set_input_files("#keys-part input[type=file]", tmp_path / "keys.json")
    one.page.wait_for_function("document.querySelector('#keys textarea').value.startsWith('0s: yaw=0')")
    one.small()
    one.press()
    motion = motion_of(one.result("motion.npz"), tmp_path)
    turn = np.degrees((motion.neck[:, 1] - motion.neck[0, 1]).numpy())
    assert len(motion) == 25 and turn[20:].min() > 18 and turn[10] == pytest.approx(turn[20] / 2, abs=1.5)


def test_a_running_job_is_cancelled_and_the_next_is_made(visit, server):
    one = visit()
    one.page.click("#demo")
    one.page.wait_for_selector("#photo img")
    one.page.fill("#text textarea", "she nods")
    one.page.click("#animate")
    one.page.wait_for_selector("#status .run")
    one.page.wait_for_selector("#cancel", state="visible")
    one.page.click("#cancel")
    one.page.wait_for_function("document.querySelector('#status').innerText.includes('Cancelled')")
    assert one.page.locator("#cancel").is_hidden() and one.page.locator("#made").count() == 0
    assert one.press("#preview")["width"] == 256


def test_two_users_at_once_are_served_and_do_not_see_each_other(visit, media):
    one, two = visit(), visit()
    for user, words in ((one, "she nods"), (two, "she shakes her head")):
        user.photo(media / "photo.png")
        user.page.fill("#text textarea", words)
    for user in (one, two):
        user.page.click("#preview")
    made = [user.played(None)["src"] for user in (one, two)]
    assert made[0] != made[1]
    sent = one.page.evaluate("document.querySelector('#photo img').src")
    assert one.context.request.get(made[0]).ok and one.context.request.get(sent).ok
    for address in (made[0], made[0].replace("video.mp4", "motion.npz"), made[0].split("/files/")[0], sent):
        assert two.context.request.get(address).status == 404, address
    assert [user.page.locator("#history li").count() for user in (one, two)] == [1, 1]


def test_what_cannot_be_used_is_said_in_a_sentence(visit, media):
    one = visit()
    one.page.click("#animate")
    assert one.refusal().startswith("A photo is missing")
    one.page.set_input_files("#photo input[type=file]", media / "text.png")
    one.page.fill("#text textarea", "she nods")
    one.page.wait_for_selector("#photo img")
    one.page.click("#preview")
    one.page.wait_for_function("document.querySelector('#status').innerText.includes('text.png')")
    assert one.refusal() == "The photo text.png is not a picture: it holds text"


def test_200_megabytes_are_refused_and_the_page_goes_on(visit, media, tmp_path):
    with (tmp_path / "huge.mp4").open("wb") as file:
        file.truncate(200_000_000)
    one = visit()
    one.photo(media / "photo.png")
    one.source("Video")
    one.page.set_input_files("#video input[type=file]", tmp_path / "huge.mp4")
    one.page.wait_for_function("document.body.innerText.toLowerCase().includes('20.0 mb')")
    one.source("Words")
    one.page.fill("#text textarea", "she nods")
    assert one.press("#preview")["width"] == 256


def test_a_closed_tab_takes_its_waiting_job_along(visit, server, media):
    first, second = visit(), visit()
    for user in (first, second):
        user.photo(media / "photo.png")
        user.page.fill("#text textarea", "she nods")
    first.page.click("#animate")
    first.page.wait_for_selector("#status .run")
    second.page.click("#animate")
    second.page.wait_for_selector("#status .wait")
    queue = server[1]
    waiting = [job for job in list(queue._jobs.values()) if job.state == "waiting"]
    assert len(waiting) == 1
    second.page.close()
    until = time.monotonic() + 20
    while waiting[0].state == "waiting":
        assert time.monotonic() < until
        time.sleep(0.1)
    assert waiting[0].state == "cancelled" and waiting[0].started is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_is_used_by_keyboard(visit, scheme):
    one = visit(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page = one.page
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground.strip("rgba()").split(",")[:3])) > 384) == (scheme == "light")
    small = page.evaluate(
        """[...document.querySelectorAll('#actions button, #demo, #source label')]
           .filter(e => e.offsetParent && e.getBoundingClientRect().height < 40).length"""
    )
    assert small == 0
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("(document.activeElement.closest('[id]') ?? document.activeElement).id"))
        if page.evaluate("document.activeElement.id") == "demo":
            page.keyboard.press("Enter")
        if page.evaluate("!!document.activeElement.closest('#text')"):
            page.keyboard.type("she nods")
        if page.evaluate("document.activeElement.id") == "preview":
            page.wait_for_selector("#photo img")
            page.keyboard.press("Enter")
            break
    assert one.played(None)["width"] == 256, reached
