"""Fifty jobs of every command, five of them bad: at once, killed in the middle, on a cluster that loses workers.

Run with `-s` to see the times.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from flamecast.flame_motion import FlameSequence, VideoClip

pytestmark = pytest.mark.slow

BAD: dict[int, tuple[Any, str]] = {  # by place: a job, or a line that is none, and what is said of it
    2: ("{not json", "expected a JSON object of options"),
    11: ({"photo": "fake.png", "motion": "demo", "output": "bad1.mp4"}, "fake.png"),
    20: ({"command": "motion", "motion": "demo", "edit": "smyle=1", "output": "bad2.npz"}, "smyle"),
    32: ({"command": "evaluate", "what": "factors", "output": "bad3.json"}, "expected photos, too"),
    46: (
        {"photo": "photo.png", "motion": "demo", "size": 7, "output": "bad4.mp4"},
        "size must be 64 to 4096 px, got 7",
    ),
}
LINES = 50


@pytest.fixture
def desk(tmp_path, monkeypatch) -> Path:
    """A folder with `jobs.jsonl`, 45 good jobs and 5 bad ones, and what they name."""
    Image.fromarray(astronaut()).resize((160, 160)).save(tmp_path / "photo.png")
    (tmp_path / "fake.png").write_text("no picture")
    samples = 0.3 * np.sin(np.arange(8000) * 0.2) * (np.arange(8000) % 2000 < 1200)
    with wave.open(str(tmp_path / "talk.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    jobs: list[Any] = good_jobs()
    for place, (job, _) in BAD.items():
        jobs.insert(place, job)
    assert len(jobs) == LINES
    lines = [job if isinstance(job, str) else json.dumps(job) for job in jobs]
    (tmp_path / "jobs.jsonl").write_text("\n".join(lines) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def good_jobs() -> list[dict[str, Any]]:
    """16 animations, 25 motions and 4 evaluations, mixed."""
    signals = ({"motion": "demo", "seconds": 0.3}, {"text": "she nods", "seconds": 0.4}, {"speech": "talk.wav"})
    videos = [
        {"photo": "photo.png", "size": 128, "output": f"v{k}.mp4", "seed": k, **signals[max(k - 10, 0) % 3]}
        for k in range(16)
    ]
    motions = [
        {"command": "motion", "output": f"m{k}.npz", "edit": f"yaw={k}deg", **signals[max(k - 18, 0) % 3]}
        for k in range(25)
    ]
    judged = {"command": "evaluate", "what": "factors", "photos": ["photo.png"], "generator": "warp"}
    evaluations = [judged | {"seed": k, "output": f"e{k}.json"} for k in range(4)]
    jobs = [*videos, *motions, *evaluations]
    order = np.random.default_rng(0).permutation(len(jobs))
    return [jobs[k] for k in order]


def command(*more: str) -> list[str]:
    return [str(Path(sys.executable).with_name("flamecast")), "animate", "--batch", "jobs.jsonl", *more]


def told_in(ledger: Path) -> list[str]:
    """Keys of the jobs that are told to be done."""
    return [json.loads(line)["key"] for line in ledger.read_text().splitlines()] if ledger.is_file() else []


def stamps_of(ledger: Path) -> dict[str, int]:
    """When each file of a job that is told to be done was written, ns."""
    files = [name for line in ledger.read_text().splitlines() for name in json.loads(line)["files"]]
    return {name: Path(name).stat().st_mtime_ns for name in files}


def wait_for(done: Callable[[], bool], seconds: float = 300) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, "it did not come so far"
        time.sleep(0.05)


def check_all(desk: Path) -> None:
    """Each of the 45 made once and whole, nothing of the bad ones, nothing hidden."""
    keys = told_in(desk / "jobs.jsonl.done")
    assert len(keys) == len(set(keys)) == 45
    for job in good_jobs():
        file = desk / job["output"]
        if file.suffix == ".mp4":
            report = json.loads(file.with_suffix(".json").read_text())
            assert VideoClip.open(file).frame_count == report["frames"] > 6
        elif file.suffix == ".npz":
            assert len(FlameSequence.load(file)) > 6
        else:
            assert json.loads(file.read_text())["mean"]["consistency"] >= 0
    names = os.listdir(desk)
    assert not [name for name in names if name.startswith((".", "bad"))]
    assert len([name for name in names if name.endswith((".mp4", ".npz"))]) == 41


def check_sentences(problems: list[str]) -> None:
    assert len(problems) == 5
    for problem, (place, (_, said)) in zip(problems, BAD.items()):
        assert problem.startswith(f"line {place + 1}: ") and said in problem and "\n" not in problem


def notes(errors: str) -> list[str]:
    return [line.removeprefix("note: ") for line in errors.splitlines() if line.startswith("note: line ")]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_fifty_jobs_give_forty_five_results_and_five_sentences(desk, workers):
    start = time.monotonic()
    done = subprocess.run(command("--workers", workers), capture_output=True, text=True, timeout=900)
    first = time.monotonic() - start
    assert done.returncode == 2 and "Traceback" not in done.stderr
    check_sentences(notes(done.stderr))
    assert len(set(done.stdout.split())) == 4 + 2 * 41
    check_all(desk)
    before, start = stamps_of(desk / "jobs.jsonl.done"), time.monotonic()
    again = subprocess.run(command("--workers", workers), capture_output=True, text=True, timeout=300)
    print(f"\n{workers} processes: {first:.0f} s; again, nothing to do: {time.monotonic() - start:.1f} s")
    assert again.returncode == 2 and notes(again.stderr) == notes(done.stderr)
    assert set(again.stdout.split()) == set(done.stdout.split())
    assert stamps_of(desk / "jobs.jsonl.done") == before and len(told_in(desk / "jobs.jsonl.done")) == 45


@pytest.mark.parametrize("workers", ["1", "2"])
def test_killed_in_the_middle_and_started_again_each_job_is_done_once(desk, workers):
    import psutil

    ledger = desk / "jobs.jsonl.done"
    running = subprocess.Popen(command("--workers", workers), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: len(told_in(ledger)) >= 15)
    helpers = psutil.Process(running.pid).children(recursive=True)
    running.send_signal(signal.SIGKILL)
    running.wait()
    gone, alive = psutil.wait_procs(helpers, timeout=20)
    assert not alive  # nobody goes on in secret
    before, told = stamps_of(ledger), len(told_in(ledger))
    made = {job["output"] for job in good_jobs() if (desk / job["output"]).exists()}
    assert 15 <= told < 45 and not [name for name in os.listdir(desk) if name.startswith(".")]
    done = subprocess.run(command("--workers", workers), capture_output=True, text=True, timeout=900)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    check_sentences(notes(done.stderr))
    check_all(desk)
    after = stamps_of(ledger)
    assert {name: after[name] for name in before} == before
    again = [name for name in made if (desk / name).stat().st_mtime_ns != before.get(name)]
    print(f"\n{workers} processes: killed after {told} jobs; made before they were told, so twice: {len(again)}")
    assert len(made) - told <= int(workers)


def busy_workers(nodes: list[Any]) -> list[Any]:
    """Ray's processes that are doing a job, on these machines."""
    import psutil

    found = []
    for node in nodes:
        for each in psutil.Process(node.all_processes["raylet"][0].process.pid).children(True):
            title = " ".join(each.cmdline())
            found += [each] if title.startswith("ray::") and "Map" in title else []
    return found


def test_a_cluster_that_loses_a_worker_and_then_a_machine_does_each_job_once(desk, monkeypatch):
    """Two machines of one core each, as far as Ray can tell. A worker is killed, then one of the machines."""
    pytest.importorskip("ray", reason='--ray needs pip install "flamecast[scale]"')
    from ray.cluster_utils import Cluster

    ledger, elsewhere = desk / "jobs.jsonl.done", desk / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)  # machines of a cluster stand somewhere else than who gives the jobs
    cluster, start = Cluster(), time.monotonic()
    try:
        cluster.add_node(num_cpus=1)
        with (desk / "errors.txt").open("w") as errors:
            running = subprocess.Popen(
                command("--ray", cluster.address), cwd=desk, stdout=subprocess.DEVNULL, stderr=errors
            )
        wait_for(lambda: len(told_in(ledger)) >= 1 or running.poll() is not None)  # at the head, all there is yet
        other = cluster.add_node(num_cpus=1)
        wait_for(lambda: len(told_in(ledger)) >= 8 and len(busy_workers([other])) > 0 or running.poll() is not None)
        monkeypatch.chdir(desk)
        before = stamps_of(ledger)
        (busy, *_) = busy_workers([other])
        busy.kill()
        wait_for(lambda: len(told_in(ledger)) >= 20 or running.poll() is not None)
        before |= stamps_of(ledger)
        cluster.remove_node(other, allow_graceful=False)
        assert running.wait(600) == 2
    finally:
        cluster.shutdown()
    assert len(before) < 2 * 41 + 4  # there was work left when the machine went
    errors_told = (desk / "errors.txt").read_text()
    check_sentences(notes(errors_told))
    assert not list(elsewhere.iterdir())
    check_all(desk)
    after = stamps_of(ledger)
    assert {name: after[name] for name in before} == before
    print(f"\nRay, two machines of a core, a worker and then a machine lost: {time.monotonic() - start:.0f} s")
