"""The HTTP API on a real server: what it makes, and what it refuses."""

from __future__ import annotations

import io
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import av
import httpx
import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from flamecast.core.extras import how_to_install
from flamecast.flame_motion import FlameSequence
from flamecast.pipelines.app.limits import Limits

uvicorn = pytest.importorskip("uvicorn", reason='needs pip install "flamecast[app]"')
pytest.importorskip("gradio", reason='needs pip install "flamecast[app]"')

LIMITS = Limits(upload_mb=2.0, seconds=3.0, size=512)


@pytest.fixture(scope="module")
def server():
    """A server on a free port of this machine: its address, and the folder where it keeps files."""
    from flamecast.pipelines.app.server import running_app

    with running_app(LIMITS, warm=False) as app:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        running = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        until = time.monotonic() + 30
        while not running.started:
            assert time.monotonic() < until
            time.sleep(0.05)
        yield address, app.root
        running.should_exit = True
        thread.join(10)
    assert not app.root.exists()


@pytest.fixture
def client(server):
    with httpx.Client(base_url=server[0], timeout=60) as client:
        yield client


def post_job(client: httpx.Client, files: dict | None = None, **fields) -> httpx.Response:
    parts = {name: (None, str(value)) for name, value in fields.items()}
    return client.post("/api/jobs", files={**parts, **(files or {})})


def finished(client: httpx.Client, answer: httpx.Response, within: float = 120.0) -> dict:
    assert answer.status_code == 202, answer.text
    until = time.monotonic() + within
    while (job := client.get(f"/api/jobs/{answer.json()['id']}").json())["state"] in ("waiting", "running"):
        assert time.monotonic() < until, job
        time.sleep(0.1)
    return job


def photo_bytes(kind: str = "PNG") -> bytes:
    memory = io.BytesIO()
    Image.fromarray(astronaut()).resize((256, 256)).save(memory, format=kind)
    return memory.getvalue()


def test_a_photo_and_words_become_a_video_a_motion_a_head_and_a_report(client, server):
    job = finished(
        client, post_job(client, {"photo": ("../../me.png", photo_bytes())}, text="nods", seconds=0.4, size=128)
    )
    assert job["state"] == "done", job
    assert set(job["files"]) == {"video.mp4", "motion.npz", "head.glb", "report.json", "poster.jpg"}
    got = {name: client.get(address) for name, address in job["files"].items()}
    assert all(answer.status_code == 200 for answer in got.values())
    with av.open(io.BytesIO(got["video.mp4"].content)) as video:
        frames = list(video.decode(video=0))
    assert len(frames) == 10 == job["facts"]["frames"] and (frames[0].width, frames[0].height) == (128, 128)
    (server[1] / "check.npz").write_bytes(got["motion.npz"].content)
    assert len(FlameSequence.load(server[1] / "check.npz")) == 10
    assert got["head.glb"].content[:4] == b"glTF"
    report = got["report.json"].text
    assert json.loads(report)["photo"] == "me.png" and str(server[1]) not in report
    part = client.get(job["files"]["video.mp4"], headers={"Range": "bytes=4-7"})
    assert part.status_code == 206 and part.content == got["video.mp4"].content[4:8] == b"ftyp"
    assert client.get(job["files"]["video.mp4"] + "?download=true").headers["content-disposition"].startswith("attach")


def test_the_ten_lines_of_the_docs_make_a_video(server, tmp_path, monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "embedding.md").read_text(encoding="utf-8")
    block = page.split("```py\n")[1].split("```")[0]
    assert len([line for line in block.splitlines() if line.strip()]) <= 11
    (tmp_path / "photo.jpg").write_bytes(photo_bytes("JPEG"))
    monkeypatch.chdir(tmp_path)
    exec(compile(block.replace("http://127.0.0.1:7860", server[0]), "embedding.md", "exec"), {})
    with av.open(str(tmp_path / "out.mp4")) as video:
        assert len(list(video.decode(video=0))) == 50


def test_a_removed_job_and_its_files_are_gone(client, server):
    job = finished(client, post_job(client, demo=True, text="nods", seconds=0.2, size=64))
    assert client.delete(f"/api/jobs/{job['id']}").status_code == 200
    assert client.get(job["files"]["video.mp4"]).status_code == 404
    assert not list(server[1].glob(f"*/jobs/{job['id']}"))


def test_what_cannot_be_used_is_said_as_the_command_line_says_it(client):
    text = post_job(client, {"photo": ("notes.png", b"no picture at all")}, text="nods")
    assert (text.status_code, text.json()["detail"]) == (422, "the photo notes.png is not a picture: it holds text")
    memory = io.BytesIO()
    Image.fromarray(np.full((200, 200, 3), 90, np.uint8)).save(memory, format="PNG")
    empty = post_job(client, {"photo": ("wall.png", memory.getvalue())}, text="nods", size=64)
    assert empty.status_code == 422 and empty.json()["detail"].startswith("no face was found in the photo")
    cut = post_job(client, {"photo": ("cut.png", photo_bytes()[:20_000])}, text="nods", size=64)
    assert cut.status_code == 422 and cut.json()["detail"].startswith("the photo cut.png is damaged")
    other = post_job(client, {"photo": ("me.png", photo_bytes())}, text="nods", size=64, face=3)
    assert other.status_code == 422 and other.json()["detail"].startswith("face 3 was asked for and the photo shows 1")


@pytest.mark.parametrize(
    "name, content, sentence",
    [
        ("list.mp4", b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/etc/passwd\n\0", "is a list of other files"),
        ("list.mp4", b"ffconcat version 1.0\nfile /etc/passwd\n\0", "is a list of other files"),
        ("list.mp4", b'\xef\xbb\xbf<?xml version="1.0"?><MPD/>', "is a list of other files"),
        ("text.mp4", b"just text", "holds text"),
        ("none.mp4", b"", "is empty"),
    ],
)
def test_a_video_that_would_open_other_files_is_refused_unopened(client, name, content, sentence):
    answer = post_job(client, {"video": (name, content)}, demo=True)
    assert answer.status_code == 422 and sentence in answer.json()["detail"]


def test_a_damaged_video_fails_alone(client):
    broken = b"\0\0\0\x18ftypisom" + bytes(range(256)) * 40
    job = finished(client, post_job(client, {"video": ("v.mp4", broken)}, demo=True, size=64))
    assert job["state"] == "failed" and "v.mp4" in job["error"] and "/" not in job["error"]


def test_a_picture_of_too_many_pixels_is_refused_unread(client):
    memory = io.BytesIO()
    Image.new("1", (20000, 20000)).save(memory, format="PNG")
    answer = post_job(client, {"photo": ("bomb.png", memory.getvalue())}, text="nods")
    assert answer.status_code == 422 and "scale it down" in answer.json()["detail"]


def test_more_than_is_taken_is_refused_early_and_while_it_comes(client, server):
    before = set(server[1].rglob("*"))
    length = {"Content-Length": "200000000", "Content-Type": "multipart/form-data; boundary=x"}
    host, port = server[0].removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as line:  # announced, and not sent
        head = f"POST /api/jobs HTTP/1.1\r\nHost: {host}:{port}\r\n"
        line.sendall((head + "".join(f"{name}: {value}\r\n" for name, value in length.items()) + "\r\n").encode())
        assert line.recv(4096).startswith(b"HTTP/1.1 413")

    def endless():
        yield b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a.png"\r\n\r\n'
        for _ in range(40):
            yield bytes(100_000)

    answer = client.post("/api/jobs", content=endless(), headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert answer.status_code == 413 and "2 MB" in answer.json()["detail"]
    assert set(server[1].rglob("*")) == before


@pytest.mark.parametrize(
    "fields, sentence",
    [
        ({"text": "nods", "edit": "keys.json"}, "edit: send keyframes as a file"),
        ({"text": "nods", "camera": "../rig.json"}, "camera: expected a move"),
        ({"text": "nods", "mix": "head=/srv/x.npz"}, "mix"),
        ({"text": "nods", "size": 4096}, "at most 512"),
        ({"text": "nods", "seconds": 100}, "at most 3"),
        ({"text": "nods", "strength": "much"}, "strength"),
        (
            {"text": "nods", "seconds": 3, "edit": "speed=0.02"},
            "edit: it makes 150 s of 3 s, at most 3 s are made here",
        ),
        ({"text": "nods", "edit": "smile=1; speed=0.5; speed=0.1"}, "edit: it makes 60 s of 3 s"),
        ({}, "nothing says what to do"),
    ],
)
def test_options_that_name_the_servers_files_or_exceed_its_bounds_are_refused(client, fields, sentence):
    answer = post_job(client, demo=True, **fields)
    assert answer.status_code == 422 and sentence in answer.json()["detail"]


@pytest.mark.parametrize(
    "fields, sentence",
    [
        ({"demo": True, "sedonds": 2}, "there is no field sedonds; known are: photo, video, "),
        ({"demo": True, "head": "/etc/passwd", "output": "/tmp/x.mp4"}, "there is no field head, output; known are"),
        ({"photo": "demo"}, "photo: expected a file that is sent, or demo=true, got the text 'demo'"),
        ({"demo": True, "seed": 1e30}, "seed must be 0 to"),
        ({"demo": True, "edit": "nope=1"}, "edit 'nope'"),
        ({"demo": True, "camera": "foo"}, "camera 'foo'"),
        ({"demo": True, "demo_motion": True, "say": "hello"}, "a motion and words to say cannot drive at once"),
    ],
)
def test_what_can_be_refused_at_once_is_refused_at_once(client, fields, sentence):
    answer = post_job(client, text="nods", **fields)
    assert answer.status_code == 422 and sentence in answer.json()["detail"], answer.text


@pytest.mark.parametrize("field, file", [("demo", "photo"), ("demo_motion", "motion")])
def test_a_file_beside_the_demo_is_refused(client, field, file):
    answer = post_job(client, {file: ("sent", photo_bytes())}, text="nods", **{"demo": True, field: True})
    assert answer.status_code == 422 and answer.json()["detail"].startswith(f"{file}: expected a file that is sent or")


def test_what_is_no_form_is_no_fault(client):
    answer = client.post("/api/jobs", content=b"?", headers={"Content-Type": "multipart/form-data"})
    assert answer.status_code == 400 and answer.json()["detail"]
    for sent in ({"json": {"demo": True, "text": "nods"}}, {"content": b"demo=true"}):
        answer = client.post("/api/jobs", **sent)
        assert answer.status_code == 415 and answer.json()["detail"].startswith("expected a form (multipart/form-data)")
    assert "got application/json" in client.post("/api/jobs", json={}).json()["detail"]


def test_a_clip_of_unknown_length_is_no_longer_than_the_bound_after_its_edits(client):
    """The demo motion lasts as long as it lasts; a hundred times as slow it would be an hour's work."""
    job = finished(client, post_job(client, demo=True, demo_motion=True, edit="speed=0.02", size=64, fps=2))
    assert job["state"] == "done" and job["facts"]["seconds"] == LIMITS.seconds, job
    assert any("only the first 3 s were made" in problem for problem in job["problems"])


@pytest.mark.parametrize(
    "path",
    [
        "/api/jobs/../../../etc/passwd",
        "/api/jobs/%2e%2e%2f%2e%2e/files/video.mp4",
        "/api/jobs/none/files/video.mp4",
        "/api/jobs/none/files/..%2f..%2fin%2fphoto",
        "/app/..%2fserver.py",
        "/app/server.py",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=../../etc/passwd",
        "/gradio_api/file=http://127.0.0.1:1/",
        "/gradio_api/file=%2Fetc%2Fpasswd",
        "/gradio_api/file//etc/passwd",
        "/gradio_api/proxy=http://127.0.0.1:1/",
        "/gradio_api/custom_component/a/client/component/x.js",
        "/gradio_api/component_server",
        "/monitoring",
        "/gradio_api/info/../file=/etc/passwd",
    ],
)
def test_paths_lead_nowhere(server, path):
    """By hand, because clients tidy paths up."""
    host, port = server[0].removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as line:
        line.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while block := line.recv(65536):
            answer += block
    assert answer.split(b" ", 2)[1] == b"404", answer[:300]
    assert b"root:" not in answer and b"import" not in answer


def test_a_job_gives_no_file_but_its_results(client):
    job = finished(client, post_job(client, {"photo": ("p.png", photo_bytes())}, text="nods", seconds=0.2, size=64))
    base = f"/api/jobs/{job['id']}/files/"
    for name in ("portrait.npz", "photo", "in%2Fphoto", "..%2F..%2Fin%2Fphoto", "%2Fetc%2Fpasswd", "video.mp4%00.txt"):
        assert client.get(base + name).status_code == 404, name


def test_other_sites_and_other_names_are_refused(client, server):
    port = server[0].rpartition(":")[2]
    form = {"demo": (None, "true"), "text": (None, "nods")}
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://localhost:{port}"},  # another name is another site
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        assert client.post("/api/jobs", files=form, headers=headers).status_code == 403, headers
    for host in ("evil.example", f"evil.example:{port}", "169.254.169.254", ""):
        assert client.get("/api/limits", headers={"Host": host}).status_code == 421, host
    assert client.get("/api/limits", headers={"Host": f"localhost:{port}"}).status_code == 200


def test_one_machine_may_have_only_so_many_jobs(client):
    jobs = [post_job(client, demo=True, text="nods", seconds=2, size=256) for _ in range(LIMITS.waiting_each + 1)]
    try:
        assert [answer.status_code for answer in jobs] == [202] * LIMITS.waiting_each + [429]
        assert "wait for one, or cancel it" in jobs[-1].json()["detail"]
        assert 1 <= int(jobs[-1].headers["retry-after"]) <= 60
    finally:
        for answer in jobs[:-1]:
            client.delete(f"/api/jobs/{answer.json()['id']}")
    until = time.monotonic() + 30
    while any(client.get(f"/api/jobs/{answer.json()['id']}").json().get("state") == "running" for answer in jobs[:-1]):
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_running_job_is_cancelled(client):
    job = post_job(client, demo=True, text="nods", seconds=3, size=512).json()
    until = time.monotonic() + 60
    while client.get(f"/api/jobs/{job['id']}").json()["state"] != "running":
        assert time.monotonic() < until
        time.sleep(0.05)
    client.delete(f"/api/jobs/{job['id']}")
    begun = time.monotonic()
    while (answer := client.get(f"/api/jobs/{job['id']}")).status_code == 200 and answer.json()["state"] == "running":
        assert time.monotonic() - begun < 15
        time.sleep(0.1)
    assert answer.status_code == 404 or answer.json()["state"] == "cancelled"


def test_the_api_says_what_it_is(client):
    described = client.get("/openapi.json").json()
    assert set(described["paths"]) == {"/api/jobs", "/api/jobs/{id}", "/api/jobs/{id}/files/{name}", "/api/limits"}
    form = described["components"]["schemas"]["Body_animate_api_jobs_post"]["properties"]
    assert {"photo", "video", "speech", "text", "preview"} <= set(form)
    assert not {"head", "generator", "config", "driver", "signal", "output", "views"} & set(form)
    assert client.get("/api/limits").json() == vars(LIMITS)
    page = client.get("/docs")
    assert page.status_code == 200 and "http" not in page.text.replace("https://", "http://").split("<body>")[1]


def test_every_answer_forbids_the_browser_what_the_page_does_not_need(client):
    for path in ("/", "/docs", "/api/limits", "/nowhere"):
        headers = client.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY"
    cookie = client.get("/").request.headers.get("cookie") or httpx.get(str(client.base_url)).headers["set-cookie"]
    assert "flamecast_visitor=" in cookie
    assert all(word in httpx.get(str(client.base_url)).headers["set-cookie"] for word in ("HttpOnly", "SameSite=Lax"))


def test_visitors_do_not_reach_each_others_files(server):
    """What one browser sent or made is nothing to another, even where its address is known."""
    with httpx.Client(base_url=server[0]) as one, httpx.Client(base_url=server[0]) as two:
        one.get("/"), two.get("/")
        (path,) = one.post("/gradio_api/upload", files={"files": ("../../me.png", photo_bytes())}).json()
        assert Path(path).name == "me.png" and Path(path).is_relative_to(server[1])
        assert one.get(f"/gradio_api/file={path}").content == photo_bytes()
        assert two.get(f"/gradio_api/file={path}").status_code == 404
        assert httpx.get(f"{server[0]}/gradio_api/file={path}").status_code == 404
        call = {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}], "fn_index": 0, "session_hash": "x"}
        assert two.post("/gradio_api/queue/join", json=call).status_code == 403
        outside = call | {"data": [[{"nested": {"path": "/etc/passwd"}}]]}
        assert one.post("/gradio_api/queue/join", json=outside).status_code == 403
        up = call | {"data": [{"path": str(Path(path).parent / ".." / ".." / ".." / "visitor-x" / "a")}]}
        assert one.post("/gradio_api/queue/join", json=up).status_code == 403


def test_an_upload_beyond_the_limit_is_refused(server):
    with httpx.Client(base_url=server[0], timeout=60) as one:
        one.get("/")
        answer = one.post("/gradio_api/upload", files={"files": ("big.mp4", bytes(3_000_000))})
        assert answer.status_code == 413 and "2 MB" in answer.text


def test_without_the_extra_one_sentence_says_what_to_install(tmp_path):
    """As on a machine where Gradio is not installed."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, importlib.abc\n"
        "class Hide(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('gradio', 'fastapi', 'uvicorn'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Hide())\n"
    )
    code = "import sys; sys.argv=['flamecast','app','--port','0']; from flamecast.pipelines.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env={"PYTHONPATH": str(tmp_path)}
    )
    assert done.returncode == 2
    assert done.stderr == f"flamecast: the page needs further packages: {how_to_install('app')}\n"


@pytest.mark.parametrize("end", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_the_command_listens_on_this_machine_alone_and_leaves_nothing(tmp_path, end):
    """The command as it is started: only 127.0.0.1, and no file is left, also of what was still warming."""
    environment = {"TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    code = "from flamecast.pipelines.cli import main; import sys; sys.argv=['flamecast','app','--port','0']; main()"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            line = process.stdout.readline()
            port = int(line.split("http://127.0.0.1:")[1].split(",")[0])
            until = time.monotonic() + 60
            while True:
                try:
                    assert httpx.get(f"http://127.0.0.1:{port}/api/limits").status_code == 200
                    break
                except httpx.TransportError:
                    assert time.monotonic() < until
                    time.sleep(0.1)
            if Path("/proc/net/tcp").exists():
                rows = [row.split()[1] for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
                rows += [row.split()[1] for row in Path("/proc/net/tcp6").read_text().splitlines()[1:]]
                assert {row for row in rows if row.endswith(f":{port:04X}")} == {f"0100007F:{port:04X}"}
        finally:
            until = time.monotonic() + 30
            while not any(tmp_path.rglob("out")) and time.monotonic() < until:  # it warms
                time.sleep(0.02)
            process.send_signal(end)
            process.wait(30)
    assert not list(tmp_path.glob("flamecast-*"))
