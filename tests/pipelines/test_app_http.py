"""The server as HTTP sees it: methods, paths, ranges, proxies and other sites. A stand-in does the jobs."""

from __future__ import annotations

import io
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
from PIL import Image

from flamecast.flame_motion import BadInput
from flamecast.pipelines.app.limits import Limits
from flamecast.pipelines.app.options import AppOptions
from flamecast.pipelines.app.reach import Reach

uvicorn = pytest.importorskip("uvicorn", reason='needs pip install "flamecast[app]"')
pytest.importorskip("gradio", reason='needs pip install "flamecast[app]"')

VIDEO = bytes(range(256)) * 4
with io.BytesIO() as _file:
    Image.new("RGB", (256, 256), "tan").save(_file, "PNG")
    PHOTO = _file.getvalue()
STAND_IN = """
from pathlib import Path

def work(channel, warming):
    channel.send(("ready", None))
    while (job := channel.recv()) != "stop":
        if job != "cancel":
            out = Path(job[1]) / "out"
            out.mkdir()
            (out / "video.mp4").write_bytes(bytes(range(256)) * 4)
            channel.send(("done", {"files": ["video.mp4"], "problems": [], "facts": {}}))
"""
SITE = "https://example.org"


@contextmanager
def answering(app) -> Iterator[str]:
    """The address at which an ASGI app answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        running = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not running.started:
            assert thread.is_alive()
            time.sleep(0.02)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        running.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def serve(tmp_path_factory):
    """serve(reach, limits): a server that is reached so; its address."""
    from flamecast.pipelines.app.job_queue import JobQueue
    from flamecast.pipelines.app.server import build

    folder = tmp_path_factory.mktemp("stand_in")
    (folder / "stand_in.py").write_text(STAND_IN)
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(str(folder))
    import stand_in

    @contextmanager
    def start(reach: Reach, limits: Limits | None = None) -> Iterator[str]:
        root = tmp_path_factory.mktemp("queue")
        patch.setenv("GRADIO_TEMP_DIR", str(root))
        queue = JobQueue(root, limits or Limits(), warm=False, target=stand_in.work)
        queue.start()
        try:
            with answering(build(queue, queue.limits, reach)) as address:
                yield address
        finally:
            queue.close()

    yield start
    patch.undo()


@pytest.fixture(scope="module")
def plain(serve):
    """The address of a server without any options."""
    with serve(Reach()) as address:
        yield address


def made(client: httpx.Client, path: str = "/api/jobs") -> dict:
    """A job of a demo portrait, done."""
    answer = client.post(path, files={"demo": (None, "true"), "text": (None, "nods")})
    assert answer.status_code == 202, answer.text
    until = time.monotonic() + 60
    while (job := client.get(f"{path}/{answer.json()['id']}").json())["state"] != "done":
        assert time.monotonic() < until, job
        time.sleep(0.05)
    return job


def test_methods_paths_and_ranges_are_as_http_has_them(plain):
    """HEAD answers as GET without a body; another method is 405 with what is taken; errors are JSON with a sentence."""
    client = httpx.Client(base_url=plain, timeout=60)
    job = made(client)
    video = job["files"]["video.mp4"]
    for path in ("/", "/docs", "/openapi.json", "/app/icon.svg", "/api/limits", f"/api/jobs/{job['id']}", video):
        head, got = client.head(path), client.get(path)
        assert (head.status_code, head.content) == (200, b"") and head.headers["content-length"], path
        assert head.headers["content-type"] == got.headers["content-type"]
    assert client.get("/api/limits/").json() == client.get("/api/limits").json()
    assert client.get(video + "/").content == client.get(video).content
    for method, path, taken in (
        ("GET", "/api/jobs", "POST"),
        ("PUT", "/api/jobs", "POST"),
        ("POST", "/api/limits", "GET, HEAD"),
        ("PATCH", f"/api/jobs/{job['id']}", "GET, HEAD, DELETE"),
        ("POST", "/docs", "GET, HEAD"),
    ):
        answer = client.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, taken), path
        assert answer.json()["detail"] == f"{method} is not taken here, {taken} is"
    assert client.get("/api/nothing").json() == {"detail": "there is nothing here"}
    unknown = client.get(video, headers={"Range": "frames=1-2"})
    assert (unknown.status_code, unknown.content) == (200, VIDEO)
    beyond = client.get(video, headers={"Range": f"bytes={len(VIDEO)}-"})
    assert beyond.status_code == 416 and beyond.headers["content-range"] == f"bytes */{len(VIDEO)}"
    assert beyond.json()["detail"] == f"there is no such part: the file has {len(VIDEO)} bytes"
    assert client.get(video, headers={"Range": "bytes=9-4"}).json()["detail"]


def test_a_fault_of_ours_is_json_and_tells_nothing(plain, monkeypatch):
    monkeypatch.setattr("flamecast.pipelines.app.api.answer_of", lambda *_: 1 / 0)
    answer = httpx.post(f"{plain}/api/jobs", files={"demo": (None, "true"), "text": (None, "nods")})
    assert answer.status_code == 500 and "something went wrong in flamecast itself" in answer.json()["detail"]


def test_the_examples_of_the_docs_are_taken_and_everything_there_is_described(plain):
    with httpx.Client(base_url=plain, timeout=60) as client:
        api = client.get("/openapi.json").json()
        create = api["paths"]["/api/jobs"]["post"]
        for name, example in create["requestBody"]["content"]["multipart/form-data"]["examples"].items():
            fields = {
                field: (value[1:], PHOTO if field == "photo" else VIDEO)
                if str(value).startswith("@")
                else (None, str(value))
                for field, value in example["value"].items()
            }
            sent = client.post("/api/jobs", files=fields)
            assert sent.status_code == 202, (name, sent.text)
            assert client.delete(f"/api/jobs/{sent.json()['id']}").status_code == 200
        answer = create["responses"]["202"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        for schema in ("Body_animate_api_jobs_post", answer, "Limits"):
            for field, facts in api["components"]["schemas"][schema]["properties"].items():
                assert facts.get("description"), (schema, field)
        for path in api["paths"].values():
            for operation in path.values():
                assert all(one.get("description") for one in operation.get("parameters", [])), operation["summary"]


# -- behind a proxy ----------------------------------------------------------------------------------------------------


def proxy(target: str, prefix: str, strips: bool):
    """An ASGI app that passes what is below a prefix on to a server, as nginx does: `Host` is kept."""

    async def app(scope, receive, send):
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        path = scope["path"]
        inside = path.startswith(prefix + "/")
        answer = httpx.Response(404)
        if inside:
            url = target + (path.removeprefix(prefix) if strips else path)
            async with httpx.AsyncClient(timeout=60) as client:
                answer = await client.request(scope["method"], url, headers=scope["headers"], content=body)
        dropped = ("content-length", "content-encoding", "transfer-encoding")
        headers = [(name, value) for name, value in answer.headers.raw if name.lower().decode() not in dropped]
        await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": answer.content})

    return app


@pytest.mark.parametrize("strips", [True, False], ids=["the proxy takes the path off", "it does not"])
def test_everything_that_page_and_api_name_is_there_behind_a_proxys_path(serve, strips):
    with serve(Reach(root_path="/fc")) as inner, answering(proxy(inner, "/fc", strips)) as outer:
        with httpx.Client(base_url=outer, timeout=60) as browser:
            page = browser.get("/fc/")
            assert page.status_code == 200 and "; Path=/fc/;" in page.headers["set-cookie"]
            named = re.findall(r'(?:src|href)=\\?"([^"#\\]+)', page.text)
            named.remove("/manifest.json")  # Gradio's, of an app to install, which this is not
            assert {"app/page.js", "app/icon.svg"} <= set(named)
            own = [urljoin(f"{outer}/fc/", name) for name in named]
            own = [address for address in own if address.startswith(outer)]
            assert {browser.get(address).status_code for address in own} == {200}
            assert f'"root":"{outer}/fc"' in page.text.replace(" ", "")  # where Gradio's script looks for all else
            assert browser.get("/fc/gradio_api/info").status_code == 200
            docs = browser.get("/fc/docs")
            for name in re.findall(r'(?:src|href)="([^"]+)"', docs.text):
                assert browser.get(urljoin(f"{outer}/fc/docs", name)).status_code == 200, name
            assert browser.get("/fc/docs/").headers["location"] == "/fc/docs"
            assert browser.get("/fc/openapi.json").json()["servers"] == [{"url": "/fc"}]
            job = made(browser, "/fc/api/jobs")
            assert job["files"]["video.mp4"].startswith("/fc/api/jobs/")
            assert browser.get(job["files"]["video.mp4"]).content == VIDEO
            sent = browser.post("/fc/gradio_api/upload", files={"files": ("me.png", PHOTO)})
            assert browser.get(f"/fc/gradio_api/file={sent.json()[0]}").content == PHOTO


def test_addresses_in_what_the_page_shows_are_relative(tmp_path):
    from flamecast.pipelines.app.job import DONE, Job
    from flamecast.pipelines.app.job_html import about_html, result_html
    from flamecast.pipelines.app.job_request import JobRequest
    from flamecast.pipelines.app.page import HEADER
    from flamecast.pipelines.request import AnimateRequest

    job = Job("x", "a", tmp_path, JobRequest(AnimateRequest.of(text="nods")), state=DONE)
    job.files, job.facts = ["video.mp4", "poster.jpg"], {"size": (64, 64), "seconds": 1.0, "fps": 25}
    for html in (HEADER, about_html(job), result_html(job)):
        named = re.findall(r'(?:src|href|poster)="([^"]+)"', html)
        assert named and not [address for address in named if address.startswith("/")]


@pytest.mark.parametrize("path", ["fc", "/fc//x", "/a b", "http://x/fc", "/api", "/docs/x", "/gradio_api"])
def test_a_path_that_no_proxy_has_is_refused(path):
    with pytest.raises(BadInput, match="--root-path"):
        _ = AppOptions(root_path=path).reach


# -- other sites -------------------------------------------------------------------------------------------------------


def test_a_site_that_is_allowed_calls_the_api_and_no_other_does(serve):
    form = {"demo": (None, "true"), "text": (None, "nods")}
    asks = {"Origin": SITE, "Access-Control-Request-Method": "DELETE", "Sec-Fetch-Site": "cross-site"}
    with serve(Reach(origins=(SITE, "http://localhost:3000"))) as address:
        with httpx.Client(base_url=address, timeout=60, headers={"Sec-Fetch-Site": "cross-site"}) as page:
            may = page.options("/api/jobs/x", headers=asks)
            assert may.status_code == 200 and may.headers["access-control-allow-origin"] == SITE
            assert "DELETE" in may.headers["access-control-allow-methods"]
            sent = page.post("/api/jobs", files=form, headers={"Origin": SITE})
            assert sent.status_code == 202 and sent.headers["access-control-allow-origin"] == SITE
            assert "Retry-After" in sent.headers["access-control-expose-headers"]
            assert sent.headers["cross-origin-resource-policy"] == "cross-origin"
            refused = page.post("/api/jobs", json={}, headers={"Origin": SITE})  # and it may read why
            assert refused.status_code == 415 and refused.headers["access-control-allow-origin"] == SITE
            for other in ("https://evil.example", "https://example.org.evil.example", "null", "http://example.org"):
                assert page.post("/api/jobs", files=form, headers={"Origin": other}).status_code == 403, other
                assert "access-control-allow-origin" not in page.get("/api/limits", headers={"Origin": other}).headers
            upload = page.post("/gradio_api/upload", files={"files": ("a", b"1")}, headers={"Origin": SITE})
            assert upload.status_code == 403  # of the API alone


def test_without_a_word_no_site_is_allowed(plain):
    asks = {"Origin": SITE, "Access-Control-Request-Method": "POST"}
    answer = httpx.options(f"{plain}/api/jobs", headers=asks)
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_a_site_that_is_allowed_shows_the_page_in_a_frame_and_its_visitors_keep_their_cookie(serve):
    with serve(Reach(frames=(SITE,))) as address:
        page = httpx.get(address)
        assert page.headers["content-security-policy"].endswith(f"frame-ancestors {SITE}")
        assert "x-frame-options" not in page.headers and "SameSite=Lax" in page.headers["set-cookie"]
        secure = httpx.get(address, headers={"X-Forwarded-Proto": "https"})  # as a TLS proxy of this machine says
        assert secure.headers["set-cookie"].endswith("HttpOnly; SameSite=None; Secure; Partitioned")


@pytest.mark.parametrize("origin", ["*", "null", "example.org", "https://example.org/", "https://a.b https://c.d"])
def test_what_is_no_site_is_refused(origin):
    for option in ("allow_origin", "allow_frame"):
        with pytest.raises(BadInput, match=f"--{option.replace('_', '-')} .*expected a site such as"):
            _ = AppOptions(**{option: origin}).reach


def test_a_backend_may_have_as_many_jobs_as_its_operator_says(serve):
    limits = AppOptions(waiting_each=30).limits
    assert (limits.waiting_each, limits.waiting) == (30, 30) and limits.user_mb == 10 * Limits.user_mb
    assert AppOptions().limits == Limits()


def test_the_backend_of_the_docs_passes_photo_and_video_on(plain):
    from starlette.testclient import TestClient

    page = (Path(__file__).parents[2] / "docs" / "embedding.md").read_text(encoding="utf-8")
    block = page.split("## In a website")[1].split("```py\n")[1].split("```")[0]
    space: dict = {}
    exec(compile(block.replace("http://127.0.0.1:7860", plain), "embedding.md", "exec"), space)
    with TestClient(space["site"]) as visitor:
        no = visitor.post("/portraits?text=", files={"photo": ("me.png", PHOTO)})
        assert no.status_code == 422 and no.json()["detail"].startswith("nothing says what to do")
        sent = visitor.post("/portraits?text=nods", files={"photo": ("me.png", PHOTO)})
        assert sent.status_code == 200, sent.text
        until = time.monotonic() + 60
        while (video := visitor.get(f"/portraits/{sent.json()['id']}.mp4")).status_code == 404:
            assert time.monotonic() < until
            time.sleep(0.05)
        assert video.content == VIDEO and video.headers["content-type"] == "video/mp4"
