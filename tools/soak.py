"""Hours of the page, the API and `live` under eight clients: what grows, and whether anybody gets another's answer.

    python tools/soak.py --minutes 60 --seed 0 --pause 2

Starts both servers, sends them a seeded mix of good, bad and aborted requests, and prints what their processes hold at
the start and every ten minutes, each time at rest: after every job was removed. Exit code 1 where an answer was
another client's or a server died. Linux only (/proc); needs the extras app and test.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image, ImageDraw
from skimage.data import astronaut
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

CLIENTS = 8
KEEP = 0.5  # minutes that the server keeps what was made
REST_EVERY = 10.0  # minutes
REST = 20.0  # s after the last job was removed, so that everything comes to rest
ASKING = threading.Lock()
PATIENCE = 300.0  # s for a job, behind those of the others
NONSENSE = ("", "{}", "[1]", '{"type": "strength"}', '{"type": "calibrate"}')
PACKET = struct.Struct("<Bd")  # of live: kind, clock; then a picture (1) or sound (2)


class Client:
    """One of those who ask. Its photos have a tint of their own, by which its results are told from others'."""

    def __init__(self, number: int, seed: int, app: str, live: str) -> None:
        self.number, self.random = number, random.Random(f"{seed}-{number}")
        self.app, self.live, self.made = app, live, 0
        self.http = httpx.Client(base_url=app, timeout=PATIENCE)
        light = np.array([number & 1, number >> 1 & 1, number >> 2 & 1]) * 0.5 + 0.5
        self.picture = (astronaut()[:320, 80:400] * light).astype(np.uint8)

    def photo(self) -> bytes:
        """The client's photo; no two are the same file."""
        self.made += 1
        picture = Image.fromarray(self.picture)
        ImageDraw.Draw(picture).point((self.made % 64, self.made // 64), (1, 2, 3))
        memory = io.BytesIO()
        picture.save(memory, "PNG")
        return memory.getvalue()

    def name(self) -> str:
        """What the client calls its latest photo."""
        return f"client{self.number}-{self.made}.png"

    def post(self, photo: bytes, **fields: object) -> httpx.Response:
        """Asks for a job."""
        parts = {name: (None, str(value)) for name, value in fields.items()}
        return self.http.post("/api/jobs", files={"photo": (self.name(), photo), **parts})

    # -- good ----------------------------------------------------------------------------------------------------------

    def job(self) -> str:
        """A video, and everything that belongs to it."""
        word = f"nods {'once' if self.random.random() < 0.5 else 'twice'}"
        answer = self.post(self.photo(), text=word, size=64, seconds=0.2)
        if answer.status_code == 429:
            time.sleep(min(5.0, float(answer.headers["Retry-After"])))
            return "job: full"
        must(answer.status_code == 202, answer.text)
        job, end = answer.json(), time.monotonic() + PATIENCE
        while job["state"] in ("waiting", "running"):
            must(time.monotonic() < end, "a job took too long")
            time.sleep(0.3)
            job = self.http.get(f"/api/jobs/{answer.json()['id']}").json()
        must(job["state"] == "done", str(job))
        report = self.http.get(job["files"]["report.json"]).json()
        must(report["photo"] == self.name() and report["driver"].get("signal", word) is not None, str(report))
        poster = self.http.get(job["files"]["poster.jpg"]).content
        with Image.open(io.BytesIO(poster)) as seen:
            light = np.asarray(seen.convert("RGB")).mean((0, 1)) / self.picture.mean((0, 1))
        must(bool((np.abs(light / light.mean() - 1) < 0.2).all()), f"{self.name()}: another's colours, {light}")
        if self.random.random() < 0.5:
            self.http.delete(f"/api/jobs/{job['id']}")
        return "job: done"

    def page(self) -> str:
        """A visit: the page, an upload of one's own, and a look for somebody else's."""
        with httpx.Client(base_url=self.app, timeout=PATIENCE) as visit:
            must(visit.get("/").status_code == 200, "no page")
            sent = visit.post("/gradio_api/upload", files={"files": ("me.png", self.photo())})
            must(sent.status_code == 200, sent.text)
            (path,) = sent.json()
            must(visit.get(f"/gradio_api/file={path}").status_code == 200, "one's own upload is gone")
        with httpx.Client(base_url=self.app, timeout=PATIENCE) as stranger:
            must(stranger.get(f"/gradio_api/file={path}").status_code == 404, "a stranger read an upload")
        return "page"

    # -- bad -----------------------------------------------------------------------------------------------------------

    def refused(self) -> str:
        """What cannot be used: 4xx with one sentence."""
        grey = io.BytesIO()
        Image.new("RGB", (200, 200), "grey").save(grey, "PNG")
        cut, video = self.photo()[: self.random.randrange(1, 9000)], b"\0\0\0\x18ftypisom" + self.random.randbytes(9000)
        kind = self.random.randrange(9)
        if kind == 0:
            answer = self.post(b"no picture", text="nods")
        elif kind == 1:
            answer = self.post(grey.getvalue(), text="nods")
        elif kind == 2:
            answer = self.post(cut, text="nods")
        elif kind == 3:
            answer = self.post(self.photo(), text="nods", size=9999)
        elif kind == 4:
            answer = self.post(self.photo(), text="nods", smile=1)
        elif kind == 5:
            answer = self.http.post("/api/jobs", content=self.random.randbytes(5000))
        elif kind == 6:
            answer = self.http.get(f"/api/jobs/{self.random.randbytes(8).hex()}/files/video.mp4")
        elif kind == 7:
            answer = self.http.request("PUT", "/api/jobs", content=video)
        else:
            answer = self.http.post("/gradio_api/queue/join", json={"data": [{"path": "/etc/passwd"}], "fn_index": 1})
        must(400 <= answer.status_code < 500 and bool(answer.json()["detail"]), f"{kind}: {answer.status_code}")
        return "refused"

    def failing(self) -> str:
        """A job of a video that is none."""
        video = b"\0\0\0\x18ftypisom" + self.random.randbytes(5000)
        answer = self.http.post("/api/jobs", files={"demo": (None, "true"), "video": ("v.mp4", video)})
        must(answer.status_code in (202, 422, 429), answer.text)
        return "failing"

    # -- aborted -------------------------------------------------------------------------------------------------------

    def half_sent(self) -> str:
        """An upload that ends midway."""
        host, port = self.app.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), 20) as line:
            head = f"POST /api/jobs HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 90000\r\n"
            line.sendall(f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n".encode())
            line.sendall(b'Content-Disposition: form-data; name="photo"; filename="a.png"\r\n\r\n')
            line.sendall(self.photo()[: self.random.randrange(1, 60000)])
        return "aborted"

    def cancelled(self) -> str:
        """A job that is not wanted any more, somewhere on its way; its file is let go of midway."""
        answer = self.post(self.photo(), text="nods", size=64, seconds=1)
        if answer.status_code != 202:
            return "job: full"
        time.sleep(self.random.random() * 3)
        if self.random.random() < 0.7:
            self.http.delete(f"/api/jobs/{answer.json()['id']}")
        return "cancelled"

    def left(self) -> str:
        """A page that is closed while its stream is open."""
        with httpx.Client(base_url=self.app, timeout=5) as visit:
            visit.get("/")
            try:
                with visit.stream("GET", f"/gradio_api/heartbeat/{self.random.randbytes(5).hex()}") as stream:
                    next(stream.iter_bytes(), None)
            except httpx.TimeoutException:
                pass
        return "page left"

    def watch(self) -> str:
        """A page of live: camera, records, nonsense; closed well or not at all. Only the newest page is served."""
        jpeg = io.BytesIO()
        Image.fromarray(self.picture).resize((256, 256)).save(jpeg, "JPEG")
        try:
            with connect(self.live.replace("http", "ws") + "/ws", max_size=None, open_timeout=30) as page:
                if self.random.random() < 0.3:
                    page.send(json.dumps({"type": "record"}))
                for _ in range(self.random.randrange(1, 40)):
                    page.send(PACKET.pack(1, 1.0) + jpeg.getvalue())
                    if self.random.random() < 0.1:
                        page.send(self.random.randbytes(self.random.randrange(200)))
                        page.send(self.random.choice(NONSENSE))
                    page.recv(timeout=20)
                    time.sleep(0.02)
                if self.random.random() < 0.3:
                    page.socket.shutdown(socket.SHUT_RDWR)
        except (WebSocketException, TimeoutError, OSError):
            return "live: taken over, or closed"
        return "live"

    def go(
        self, resting: threading.Event, ended: threading.Event, seen: Counter[str], wrong: list[str], pause: float
    ) -> None:
        """Asks one thing after the other, up to twice `pause` s apart, except while the servers rest."""
        actions: list[tuple[Callable[[], str], int]] = [
            (self.job, 6), (self.page, 3), (self.refused, 6), (self.failing, 2), (self.half_sent, 2),
            (self.cancelled, 2), (self.left, 1), (self.watch, 3),
        ]  # fmt: skip
        while not ended.is_set():
            if resting.is_set():
                time.sleep(0.5)
                continue
            time.sleep(2 * pause * self.random.random())
            (action,) = self.random.choices([each for each, _ in actions], [weight for _, weight in actions])
            try:
                with ASKING:
                    seen["going on"] += 1
                what = action()
                with ASKING:
                    seen[what] += 1
            except (AssertionError, httpx.HTTPError, KeyError, ValueError) as error:
                wrong.append(f"client {self.number}, {action.__name__}: {type(error).__name__} {error}"[:300])
            finally:
                with ASKING:
                    seen["going on"] -= 1


def must(true: bool, sentence: str) -> None:
    """AssertionError with a sentence, also under -O."""
    if not true:
        raise AssertionError(sentence)


class Server:
    """One of our servers in a process, its temporary files in a folder of their own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        folder.mkdir()
        program = [sys.executable, "-c", "from flamecast.pipelines.cli import main; main()", *arguments]
        self.log = (folder.parent / f"{folder.name}.log").open("wb")
        self.process = subprocess.Popen(
            program, stdout=subprocess.PIPE, stderr=self.log, env={**os.environ, "TMPDIR": str(folder)}, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        must("http://" in line, f"{arguments[0]} did not start: {line}")
        self.address = next(word.rstrip(".,") for word in line.split() if word.startswith("http://"))

    def holds(self) -> dict[str, Any]:
        """Memory (MB, together and of each process), open files, threads and processes of the server and its children;
        files and jobs on the disk."""
        parents = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):  # it has just ended
                continue
        own = {self.process.pid}
        while more := {child for child, parent in parents.items() if parent in own} - own:
            own |= more
        total: Counter[str] = Counter(processes=len(own))
        each = []
        for number in sorted(own):
            try:
                rows = Path(f"/proc/{number}/smaps_rollup").read_text().splitlines()
                each.append(next(int(row.split()[1]) for row in rows if row.startswith("Pss:")) // 1024)
                total["open files"] += len(os.listdir(f"/proc/{number}/fd"))
                total["threads"] += len(os.listdir(f"/proc/{number}/task"))
            except OSError:
                continue
        total["files"] = sum(1 for path in self.folder.rglob("*") if path.is_file())
        total["jobs"] = sum(1 for _ in self.folder.glob("*/*/jobs/*"))
        return {"MB": sum(each), "of each": each, **total}

    def end(self) -> None:
        """Ends it as Ctrl-C does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)


def soak(minutes: float, seed: int, pause: float, folder: Path) -> tuple[int, list[str]]:
    """Runs it; how many requests were made, and what was wrong."""
    keep = ("--keep-minutes", str(KEEP), "--waiting-each", "16", "--max-seconds", "2", "--max-size", "128")
    records = folder / "records"
    records.mkdir()
    servers: dict[str, Server] = {}
    try:
        servers["app"] = Server(folder / "app", "app", "--port", "0", *keep)
        live = ("live", "demo", "--port", "0", "--size", "128", "--folder", str(records))
        servers["live"] = Server(folder / "live", *live)
        count, wrong = ask(minutes, seed, pause, servers)
    finally:
        for server in servers.values():
            server.end()
    left = (path.name for name in servers for path in (folder / name).iterdir())
    wrong += [f"left behind: {name}" for name in left if not name.startswith("torchinductor_")]  # empty, torch's own
    return count, wrong


def ask(minutes: float, seed: int, pause: float, servers: dict[str, Server]) -> tuple[int, list[str]]:
    """Has the clients ask; how many requests were made, and what was wrong."""
    resting, seen, wrong = threading.Event(), Counter[str](), list[str]()

    def rest(when: float) -> None:
        resting.set()
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and (servers["app"].holds()["jobs"] or seen["going on"]):
            time.sleep(1)
        time.sleep(REST)
        for name, server in servers.items():
            print(f"minute {when:4.0f} {name:5}", json.dumps(server.holds()), flush=True)
        if when < minutes:
            resting.clear()

    clients = [Client(k, seed, servers["app"].address, servers["live"].address) for k in range(CLIENTS)]
    must(clients[0].job() == "job: done", "the first job is not done")
    must(clients[0].watch() == "live", "live does not answer")
    rest(0)
    ended = threading.Event()
    given = (resting, ended, seen, wrong, pause)
    threads = [threading.Thread(target=client.go, args=given, daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    rests = max(1, round(minutes / REST_EVERY))
    begun = time.monotonic()
    for number in range(1, rests + 1):  # the rests are part of the time
        time.sleep(max(0.0, begun + 60 * minutes * number / rests - time.monotonic()))
        rest(minutes * number / rests)
    ended.set()
    for name, server in servers.items():
        if server.process.poll() is not None:
            wrong.append(f"{name} died: {server.process.returncode}")
    del seen["going on"]
    print(json.dumps(seen, sort_keys=True))
    return sum(seen.values()), wrong


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pause", type=float, default=0.0, help="s between a client's requests")
    given = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background, by servers too then
    with tempfile.TemporaryDirectory(prefix="flamecast-soak-") as folder:
        count, wrong = soak(given.minutes, given.seed, given.pause, Path(folder))
        logs = "".join(path.read_text(errors="replace") for path in Path(folder).glob("*.log"))
    print(f"{count} requests, {len(wrong)} wrong", *wrong, logs[-3000:], sep="\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
