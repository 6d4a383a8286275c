"""The server of `flamecast live`: a page gets pictures and numbers, sends its camera's, and nobody else gets in."""

from __future__ import annotations

import io
import json
import queue
import random
import socket
import sys
import threading
import time
import wave
from contextlib import ExitStack
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from flamecast.flame_motion import BadInput, VideoClip
from flamecast.flame_motion.media.photos import load_photo
from flamecast.pipelines.live.follower import FollowerProcess
from flamecast.pipelines.live.options import LiveOptions
from flamecast.pipelines.live.protocol import (
    ANSWER,
    HEADER,
    MAGIC,
    MAX_MESSAGE,
    PARAMETERS,
    PICTURE,
    SOUND,
    decode_jpeg,
)
from flamecast.pipelines.live.recorder import Recorder
from flamecast.pipelines.live.run import _served, _until_over, go_live
from flamecast.pipelines.live.server import create_app
from flamecast.pipelines.live.session import DrawnFrame, LiveSession
from flamecast.pipelines.live.state import LiveState
from flamecast.pipelines.web import Names, listening

SIZE = 128


def face_jpeg(size: int = 256) -> bytes:
    """The astronaut's face, as a camera's picture."""
    photo = Image.fromarray(load_photo("demo")[0]).crop((100, 0, 356, 256)).resize((size, size))
    data = io.BytesIO()
    photo.save(data, "JPEG")
    return data.getvalue()


def live(photo: str, *, ready=lambda address: None, stop=None, **options) -> dict:
    return go_live(LiveOptions(photo, **options), ready=ready, stop=stop)


class Server:
    """`go_live` in a thread; `words` and `pictures` of one page that says what it shows."""

    def __init__(self, folder: Path, **options) -> None:
        self.result: queue.Queue = queue.Queue()
        self.stop = threading.Event()
        ready: queue.Queue[str] = queue.Queue()

        def run() -> None:
            try:
                done = live("demo", size=SIZE, port=0, folder=folder, ready=ready.put, stop=self.stop, **options)
                self.result.put(done)
            except BaseException as error:
                self.result.put(error)

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()
        self.address = ready.get(timeout=90)
        self.socket_address = self.address.replace("http", "ws") + "/ws"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A page's camera drives."""
    made = Server(tmp_path_factory.mktemp("live"))
    yield made
    made.stop.set()
    made.thread.join(60)
    assert isinstance(made.result.get(), dict)


def words(page, kind: str, within: float = 20.0) -> dict:
    """The next message of that kind, past pictures and others."""
    end = time.time() + within
    while time.time() < end:
        message = page.recv(timeout=within)
        if isinstance(message, str) and (said := json.loads(message))["type"] == kind:
            return said
    raise AssertionError(f"no {kind} came")


def test_a_page_sends_its_camera_and_gets_the_portrait(server):
    picture, got = face_jpeg(), 0
    with connect(server.socket_address, max_size=None) as page:
        said = words(page, "hello")
        assert {name: said[name] for name in ("source", "sound", "strength", "controls", "draws")} == {
            "source": "page", "sound": False, "strength": [0, 2], "controls": True, "draws": True
        }  # fmt: skip
        end, last = time.time() + 20, None
        while time.time() < end and (got < 20 or last is None or not last["calibrated"]):
            page.send(HEADER.pack(PICTURE, 1000.0 + got) + picture)
            message = page.recv(timeout=20)
            if isinstance(message, str):
                last = json.loads(message)
                continue
            number, tag, _ = ANSWER.unpack_from(message)
            with Image.open(io.BytesIO(message[ANSWER.size :]), formats=["JPEG"]) as drawn:
                assert drawn.size == (SIZE, SIZE)
            assert tag >= 1000.0  # the page's own clock comes back
            page.send(json.dumps({"type": "shown", "number": number, "late": 50}))
            got += 1
        assert got >= 20 and last["face"] and last["calibrated"]
        numbers = words(page, "numbers")
    assert 45 < numbers["latency_ms"] < 60 + 50 and numbers["fed"] >= numbers["drawn"] >= got


@pytest.mark.slow
def test_the_socket_takes_damaged_messages(server):
    """Pictures, sound and words, damaged by chance: the page goes on being served."""
    chance, picture = random.Random(0), face_jpeg()
    good: list[bytes | str] = [HEADER.pack(PICTURE, 1.0) + picture, HEADER.pack(SOUND, 1.0) + bytes(3840)]
    good += [json.dumps(each) for each in ({"type": "shown", "number": 1, "late": 5}, {"type": "strength", "value": 1},
                                           {"type": "calibrate"}, {"type": "stop"})]  # fmt: skip
    with connect(server.socket_address, max_size=None) as page:
        for _ in range(300):
            whole = chance.choice(good)
            made = bytearray(whole.encode() if isinstance(whole, str) else whole)
            for _ in range(chance.choice([1, 3, 20])):
                at = chance.randrange(len(made) + 1)
                made[at : at + chance.choice([0, 1, 30])] = chance.randbytes(chance.choice([0, 1, 8, 100]))
            page.send(bytes(made) if not isinstance(whole, str) else made.decode(errors="replace"))
        end, got = time.time() + 30, 0
        while got < 5 and time.time() < end:
            page.send(HEADER.pack(PICTURE, 1.0) + picture)
            message = page.recv(timeout=20)
            if isinstance(message, bytes):
                page.send(json.dumps({"type": "shown", "number": ANSWER.unpack_from(message)[0]}))
                got += 1
    assert got == 5


def test_a_recording_is_made_on_request_and_fetched_by_its_name_alone(server):
    picture = face_jpeg()
    with connect(server.socket_address, max_size=None) as page:
        page.send(json.dumps({"type": "record"}))
        for _ in range(20):
            page.send(HEADER.pack(PICTURE, 1.0) + picture)
            time.sleep(0.05)
        page.send(json.dumps({"type": "stop"}))
        name = words(page, "recorded")["name"]
    got = httpx.get(f"{server.address}/recordings/{name}")
    assert got.status_code == 200 and got.headers["content-type"] == "video/mp4"
    for path in ("../" + name, "..%2f" + name, "%2fetc%2fpasswd", "nothing.mp4"):
        assert httpx.get(f"{server.address}/recordings/{path}").status_code == 404


@pytest.mark.parametrize(
    "message",
    [
        '{"type": "shown", "number": 1e400}',
        '{"type": "strength", "value": NaN}',
        '{"type": "clock", "sent": Infinity}',
        '{"type": "draw"}',
        '{"type": "draw", "by": {"page": []}}',
        '{"type": "drawn", "fps": -1, "late": null, "late_p95": null}',
        "[" * 100_000,
        b"",
        b"\x01",
        HEADER.pack(PICTURE, 0.0) + b"no picture",
        HEADER.pack(9, float("nan")) + b"what is this",
        HEADER.pack(SOUND, 0.0) + b"abc",
        "no json",
        '{"type": "strength", "value": "much"}',
        '{"type": "shown", "number": [1]}',
        "[1, 2]",
        '{"no": "type"}',
    ],
    ids=range(17),
)
def test_what_no_page_of_ours_sends_changes_nothing(server, message):
    with connect(server.socket_address, max_size=None) as page:
        words(page, "hello")
        page.send(message)
        assert "ended" not in words(page, "numbers")
        assert "ended" not in words(page, "numbers")  # and a while later


def test_a_page_that_shows_nothing_still_gets_a_picture_now_and_then(server):
    """One that cannot draw what it got has not said so; it is not forgotten, and not flooded."""
    picture, got, sent = face_jpeg(), [], 0
    with connect(server.socket_address, max_size=None) as page:
        words(page, "hello")
        start = time.time()
        while time.time() < start + 4:
            page.send(HEADER.pack(PICTURE, 1.0) + picture)
            sent += 1
            try:
                while True:
                    if isinstance(page.recv(timeout=0.03), bytes):
                        got.append(time.time() - start)
            except TimeoutError:
                pass
    assert sent > 40 and 4 <= len(got) <= 12 and max(got) > 2


def test_a_message_that_is_too_long_ends_only_its_own_connection(server):
    with connect(server.socket_address, max_size=None) as page:
        words(page, "hello")
        with pytest.raises(ConnectionClosed):  # while it is sent, or after
            page.send(HEADER.pack(PICTURE, 0.0) + b"\0" * MAX_MESSAGE)
            for _ in range(100):
                page.recv(timeout=20)
    with connect(server.socket_address, max_size=None) as page:
        words(page, "numbers")


def test_a_second_page_watches_and_takes_the_controls_when_asked(server):
    with connect(server.socket_address, max_size=None) as first:
        assert words(first, "hello")["controls"]
        with connect(server.socket_address, max_size=None) as second:
            assert not words(second, "hello")["controls"]
            second.send(HEADER.pack(PICTURE, 1.0) + face_jpeg())  # does nothing
            second.send(json.dumps({"type": "record"}))
            assert not words(second, "numbers")["recording"] and not words(second, "numbers")["recording"]
            second.send(json.dumps({"type": "take"}))
            assert words(second, "role")["controls"] and not words(first, "role")["controls"]
            assert words(first, "numbers")["watchers"] == 2  # it goes on watching
        assert words(first, "role")["controls"]  # nobody else is there


def test_a_page_that_only_shows_never_gets_the_controls(server):
    with connect(server.socket_address + "?watch", max_size=None) as scene:
        assert not words(scene, "hello")["controls"]
        scene.send(json.dumps({"type": "take"}))
        with connect(server.socket_address, max_size=None) as page:
            assert words(page, "hello")["controls"]


def posed(page, within: float = 20.0) -> tuple[int, bytes]:
    """The next message of parameters: its number, and all of it."""
    end = time.time() + within
    while time.time() < end:
        message = page.recv(timeout=within)
        if isinstance(message, bytes):
            assert message[:4] == MAGIC
            return PARAMETERS.unpack_from(message)[3], message
    raise AssertionError("no parameters came")


def test_ten_pages_draw_what_one_camera_drives_and_the_server_draws_nothing(server):
    """All get the same bytes; one that does not read delays nobody, and gets the newest afterwards."""
    with ExitStack() as stack:
        pages = [stack.enter_context(connect(server.socket_address, max_size=None)) for _ in range(10)]
        for page in pages:
            words(page, "hello")
            page.send(json.dumps({"type": "draw", "by": "page"}))
            assert words(page, "draw")["by"] == "page"
        drawn = words(pages[0], "numbers")["drawn_here"]
        first, got = pages[0], []
        for k in range(15):
            first.send(HEADER.pack(PICTURE, 1000.0 + k) + face_jpeg())
            got.append(posed(first))
            while PARAMETERS.unpack_from(got[-1][1])[4] < 1000.0 + k:
                got.append(posed(first))
        wanted = dict(got)
        for page in pages[1:]:
            number, message = posed(page)
            while number < got[-1][0]:
                assert wanted.get(number, message) == message
                number, message = posed(page)
            assert message == got[-1][1]
        numbers = words(first, "numbers")
        assert numbers["drawn_here"] == drawn and numbers["watchers"] == 10
        assert len(got[-1][1]) * 25 <= 10_000
        first.send(json.dumps({"type": "drawn", "fps": 24.0, "late": 60.0, "late_p95": 80.0}))
        while words(first, "numbers")["latency_ms"] != 60.0:  # what the page measured is told
            pass


def test_the_portrait_and_the_player_are_served_and_nothing_else(server):
    file = httpx.get(f"{server.address}/portrait", timeout=60)
    assert file.content[:4] == b"FLMC" and "createPlayer" in httpx.get(f"{server.address}/player.js").text
    answer = httpx.get(f"{server.address}/drawing.js")
    assert answer.headers["content-type"].startswith("text/javascript") and "./player.js" in answer.text
    for path in ("page.js", "..%2fplayer.js", "none.js", "portrait/x"):
        assert httpx.get(f"{server.address}/{path}").status_code == 404


@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
def test_another_sites_page_gets_no_socket(server, origin):
    with pytest.raises(InvalidStatus):
        connect(server.socket_address, origin=origin)


def test_it_listens_on_this_machine_alone(server):
    """Another address of this machine is refused, if it has one."""
    port = int(server.address.rpartition(":")[2])
    assert server.address.startswith("http://127.0.0.1:")
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.2", port), timeout=2)


def test_a_server_called_by_another_sites_name_does_not_answer(tmp_path):
    app = create_app(LiveState("page", folder=tmp_path), Names.of("127.0.0.1"))
    for host, code in (("127.0.0.1:7862", 200), ("localhost", 200), ("evil.example", 421), ("", 421)):
        assert TestClient(app).get("/", headers={"host": host}).status_code == code
    with pytest.raises(WebSocketDisconnect):
        with TestClient(app).websocket_connect("/ws", headers={"host": "evil.example"}):
            pass


def test_the_page_fetches_nothing_from_elsewhere(tmp_path):
    """It names no other server, and its policy would let it reach none."""
    page = TestClient(
        create_app(LiveState("page", folder=tmp_path), Names.of("127.0.0.1")), base_url="http://localhost"
    )
    answer = page.get("/")
    assert "http://" not in answer.text.replace("http://www.w3.org", "") and "https://" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert page.get("/sound").status_code == 404


def test_only_a_jpeg_of_a_cameras_size_is_adecode_jpeg():
    assert decode_jpeg(face_jpeg(64)).shape == (64, 64, 3)
    png, huge = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (8, 8)).save(png, "PNG")
    Image.new("RGB", (4000, 4000)).save(huge, "JPEG")
    for data in (b"", b"\xff\xd8\xff", png.getvalue(), huge.getvalue(), face_jpeg(64)[:200]):
        assert decode_jpeg(data) is None


# -- what cannot be used -----------------------------------------------------------------------------------------------


def test_one_thing_drives(tmp_path):
    with pytest.raises(BadInput, match="a video and a recording cannot drive at once: leave one"):
        live("demo", video=Path("a.mp4"), speech=Path("b.wav"))
    with pytest.raises(BadInput, match="folder for recordings"):
        live("demo", folder=tmp_path / "nowhere")
    with pytest.raises(BadInput, match="does not exist"):
        live("demo", video=tmp_path / "no.mp4", port=0)
    for wrong in ({"size": 1}, {"framing": "nope"}, {"face": -1}, {"strength": 3.0}, {"loop": True}):
        with pytest.raises(BadInput, match=next(iter(wrong))):
            live("demo", **wrong)


def test_the_photo_is_looked_at_before_anything_is_started(tmp_path, monkeypatch):
    def start(*_, **__):
        raise AssertionError("something was opened before the photo was looked at")

    for name in ("_open_media", "FollowerProcess", "load_generator"):
        monkeypatch.setattr(f"flamecast.pipelines.live.run.{name}", start)
    Image.new("RGB", (200, 200), "tan").save(tmp_path / "wall.png")
    with pytest.raises(BadInput, match="no face was found"):
        live(tmp_path / "wall.png", video=Path("a.mp4"), folder=tmp_path)
    with pytest.raises(BadInput, match="is not a picture: it holds text"):
        (tmp_path / "me.jpg").write_text("no picture")
        live(tmp_path / "me.jpg", speech=Path("a.wav"), folder=tmp_path)


def test_a_very_quiet_recording_is_played_as_loud_as_a_voice_and_said(tmp_path):
    from flamecast.pipelines.live.run import _open_media

    sound = np.random.default_rng(0).normal(0, 0.2, 16000).clip(-0.9, 0.9) * (np.arange(16000) % 4000 < 2500)
    said = []
    for name, level in (("usual", 1.0), ("quiet", 0.003)):
        with wave.open(str(tmp_path / f"{name}.wav"), "wb") as file:
            file.setparams((1, 2, 16000, 0, "NONE", ""))
            file.writeframes(np.rint(sound * level * 32767).astype("<i2").tobytes())
        heard = _open_media(LiveOptions("demo", speech=tmp_path / f"{name}.wav"), said.append)
        assert 0.03 < heard.samples.std() < 0.25
    assert len(said) == 1 and f"the recording {tmp_path / 'quiet.wav'} is very quiet" in said[0]


def test_a_port_that_is_taken_is_said(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(BadInput, match="choose another with --port"):
            live("demo", port=taken.getsockname()[1])


def test_a_port_is_taken_from_when_it_is_given_on():
    """Before anything answers there: two servers that load for seconds do not both get it."""
    first = listening("127.0.0.1", 0)
    with pytest.raises(BadInput, match="choose another with --port"):
        listening("127.0.0.1", first.getsockname()[1])
    first.close()


def test_recordings_of_one_second_have_names_of_their_own(tmp_path):
    live = LiveState("page", folder=tmp_path)
    made = []
    for number in range(3):
        live.start_recording()
        live.show(DrawnFrame(np.full((32, 32, 3), 60, np.uint8), 0.0, 0.0, 0.0, number))
        made.append(live.stop_recording())
    assert len(set(made)) == 3 and sorted(made) == sorted(file.name for file in tmp_path.iterdir())


def test_a_full_disk_is_said_and_the_page_stays(server, monkeypatch):
    def full(self):
        raise OSError(28, "No space left on device")

    with connect(server.socket_address, max_size=None) as page:
        words(page, "hello")
        monkeypatch.setattr(Recorder, "close", full)
        page.send(json.dumps({"type": "record"}))
        page.send(json.dumps({"type": "stop"}))
        assert "No space left on device" in words(page, "problem")["sentence"]
        words(page, "numbers")
    monkeypatch.undo()
    with connect(server.socket_address, max_size=None) as page:
        words(page, "numbers")


def test_a_page_that_goes_leaves_this_machines_microphone_on(tmp_path):
    """Only a page's own microphone goes with the page."""
    closed = []
    for source in ("voice: the microphone", "page"):
        live = LiveState(source, folder=tmp_path)
        live.session = LiveSession(None, None, None, live)
        live._voice = type("Voice", (), {"failure": None, "close": lambda self, source=source: closed.append(source)})()
        listener = listening("127.0.0.1", 0)
        with _served(create_app(live, Names.of("127.0.0.1")), listener, "127.0.0.1") as address:
            with connect(address.replace("http", "ws") + "/ws") as page:
                words(page, "hello")
                page.send(json.dumps({"type": "microphone_off" if source != "page" else "nothing"}))
                words(page, "numbers")
            for _ in range(100):
                if live.controller is None:
                    break
                time.sleep(0.02)
            time.sleep(0.2)  # what goes with the page goes in a thread
        listener.close()
    assert closed == ["page"]


@pytest.fixture
def idle(tmp_path):
    """A served state whose pages drive, without anything that draws: the state and the address of its socket."""
    live = LiveState("page", folder=tmp_path)
    live.session = LiveSession(None, None, None, live)
    listener = listening("127.0.0.1", 0)
    with _served(create_app(live, Names.of("127.0.0.1")), listener, "127.0.0.1") as address:
        yield live, address.replace("http", "ws") + "/ws"
    listener.close()


class Ear:
    """Stands for the voice of a microphone that is on."""

    failure = None

    def __init__(self) -> None:
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()


def until(true, within: float = 20.0) -> None:
    end = time.monotonic() + within
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_a_closed_page_was_recording_is_ended_kept_and_offered_to_the_next(idle):
    live, address = idle
    with connect(address) as page:
        page.send(json.dumps({"type": "record"}))
        until(lambda: live.recorder is not None)
        for number in range(5):
            live.show(DrawnFrame(np.full((32, 32, 3), 60, np.uint8), number / 25, 0.0, 0.0, number + 1))
    until(lambda: live.left is not None)
    assert live.recorder is None and VideoClip.open(live.folder / live.left).frame_count == 5
    with connect(address) as page:
        assert words(page, "recorded")["name"] in live.recordings
    with connect(address) as page:  # once
        assert not words(page, "numbers")["recording"]
    assert live.left is None


def test_a_page_that_takes_over_begins_without_the_other_pages_microphone(idle):
    live, address = idle
    live._voice = ear = Ear()
    with connect(address) as first:
        words(first, "hello")
        with connect(address) as second:
            words(second, "hello")
            assert live.listens
            second.send(json.dumps({"type": "take"}))
            words(second, "role")
            assert ear.closed.is_set() and not live.listens
        words(first, "role")
        words(first, "role")  # it has them again
        with connect(address) as back:
            words(back, "hello")
            live.show(DrawnFrame(np.full((32, 32, 3), 60, np.uint8), 0.0, 0.0, 0.0, 1))
            while not isinstance(back.recv(timeout=20), bytes):
                pass


def test_pictures_of_a_camera_do_not_drive_beside_a_microphone(idle):
    live, address = idle
    live._voice = Ear()
    with connect(address) as page:
        page.send(HEADER.pack(PICTURE, 1.0) + face_jpeg(64))
        page.send(json.dumps({"type": "microphone_off"}))
        page.send(HEADER.pack(PICTURE, 2.0) + face_jpeg(64))
        until(lambda: live.session._fed)
        assert live.session._seen.take().tag == 2.0 and live.session._fed == 1


def test_who_ends_it_does_not_wait_for_the_last_pictures_or_for_what_drives(monkeypatch):
    """Neither for pictures that are never shown nor for a camera that does not answer: Ctrl+C ends it."""
    monkeypatch.setattr("flamecast.pipelines.live.run.LAST", 1000.0)
    monkeypatch.setattr("flamecast.pipelines.live.run.STOPPING", 0.1)
    session, stop, hangs, release = LiveSession(None, None, None, None), threading.Event(), [], threading.Event()
    session._fed = 1

    def play(stop: threading.Event) -> None:
        hangs.append(True)
        release.wait()

    ending = threading.Thread(target=_until_over, args=(session, play, None, None, stop), daemon=True)
    ending.start()
    until(lambda: hangs)
    stop.set()
    ending.join(60)
    release.set()
    assert not ending.is_alive()


def test_the_command_says_its_numbers_and_ends_at_once(monkeypatch, capfd):
    """Without taking apart what it loaded, which took most of the time between Ctrl+C and the end."""
    from flamecast.pipelines import cli

    numbers = {"drawn": 3, "fed": 4, "dropped": 1, "fps": 24.9, "latency_ms": 70.0, "faces": 3}
    monkeypatch.setattr("flamecast.pipelines.live.run.go_live", lambda options, ready, note, cache: numbers)
    monkeypatch.setattr("os._exit", lambda code: sys.exit(f"ended {code}"))
    with pytest.raises(SystemExit, match="ended 0"):
        cli.app(["live", "demo"], standalone_mode=False)
    assert capfd.readouterr().out.startswith("3 pictures of 4, 1 dropped; at the end 24.9 a second, 70.0 ms late")


def test_the_process_that_follows_is_not_waited_for():
    """Nor is who waits for its answer: it may be at a picture that takes long, or still at its start."""
    follower, ended = FollowerProcess("open"), []

    def ask() -> None:
        try:
            follower.start(None, 25.0)
        except RuntimeError as error:
            ended.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    follower.close()
    asking.join(20)
    assert "has died" in str(ended[0]) and not follower._process.is_alive()
    follower.close()  # once more changes nothing


def test_a_camera_that_is_not_there_is_said(tmp_path):
    with pytest.raises(BadInput, match="camera 63: none answers there"):
        live("demo", camera_device=63, size=SIZE, port=0, folder=tmp_path, seconds=5)


def test_a_microphone_that_is_not_there_is_said(tmp_path):
    try:
        import sounddevice

        if any(device["max_input_channels"] for device in sounddevice.query_devices()):
            pytest.skip("this machine has a microphone")
    except OSError:
        pass  # PortAudio is missing, which is said, too
    with pytest.raises(BadInput, match="no microphone"):
        live("demo", microphone=True, size=SIZE, port=0, folder=tmp_path, seconds=20)


def test_a_machine_without_a_virtual_camera_says_so(tmp_path):
    pytest.importorskip("pyvirtualcam")
    import pyvirtualcam

    try:
        pyvirtualcam.Camera(64, 64, 25).close()
    except RuntimeError:
        with pytest.raises(BadInput, match="no virtual camera on this machine"):
            live("demo", virtual_camera=True, size=SIZE, port=0, folder=tmp_path, seconds=5)
    else:
        pytest.skip("this machine has a virtual camera")


CLIP = Path(__file__).resolve().parents[3] / "shared" / "data" / "clips" / "sadtalker__ref_video_WDA_KatieHill_000.mp4"


@pytest.mark.skipif(not CLIP.exists(), reason="no real media: ../shared/data is not here")
def test_a_file_begins_when_the_page_is_there_and_ends_the_server(tmp_path):
    import av

    short = tmp_path / "short.mp4"
    frames = list(VideoClip.open(CLIP).first(1.0))
    with av.open(str(short), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.height, stream.width = frames[0].shape[:2]
        for frame in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame))))
        out.mux(stream.encode(None))
    server = Server(tmp_path, video=short)
    time.sleep(1.0)
    assert server.thread.is_alive()  # nobody watches: it has not begun
    media = []
    with connect(server.socket_address, max_size=None) as page:
        assert words(page, "hello")["source"] == "short.mp4"
        try:
            while True:
                message = page.recv(timeout=20)
                if isinstance(message, bytes):
                    number, _, at = ANSWER.unpack_from(message)
                    media.append(at)
                    page.send(json.dumps({"type": "shown", "number": number}))
        except ConnectionClosed:
            pass
    server.thread.join(20)
    numbers = server.result.get()
    assert numbers["fed"] == 25 and media == sorted(media) and 0 < numbers["latency_ms"] < 5000
    assert media[0] == 0 and media[-1] > 0.9  # however few a busy machine draws between
