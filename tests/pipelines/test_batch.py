"""Batches: each job once, bad ones alone, whatever dies in between."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from skimage.data import astronaut

from flamecast.core.spread import TRIES, spread
from flamecast.flame_motion import BadInput
from flamecast.pipelines import batch, cli
from flamecast.pipelines.batch import run_batch


@pytest.fixture
def desk(tmp_path, monkeypatch) -> Path:
    Image.fromarray(astronaut()).resize((256, 256)).save(tmp_path / "photo.png")
    (tmp_path / "fake.png").write_text("no picture")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_jobs(path: Path, jobs: list) -> Path:
    path.write_text("".join((job if isinstance(job, str) else json.dumps(job)) + "\n" for job in jobs))
    return path


def mixed(good: int) -> list:
    """So many good jobs of two commands, and five that are not."""
    short = {"motion": "demo", "seconds": 0.08}
    jobs: list = [
        {"command": "motion", "output": f"m{k}.npz", "edit": f"yaw={k}deg", **short}
        if k % 3
        else {"photo": "photo.png", "output": f"v{k}.mp4", "size": 64, "edit": f"yaw={k}deg", **short}
        for k in range(good)
    ]
    bad = [
        {"photo": "fake.png", "output": "a.mp4", **short}, {"photo": "photo.png", "output": "b.mp4"}, "{not json",
        {"photo": "photo.png", "output": "c.mp4", "hat": 1, **short}, {"command": "dance", "output": "d.mp4"},
    ]  # fmt: skip
    for place, job in enumerate(bad):
        jobs.insert(2 * place, job)
    return jobs


def outputs(jobs: list) -> set[str]:
    return {job["output"] for job in jobs if isinstance(job, dict) and job["output"][0] in "mv"}


def test_bad_jobs_fail_alone_and_done_ones_are_left_alone(desk, monkeypatch):
    jobs = mixed(6)
    file, files = write_jobs(desk / "jobs.jsonl", jobs), outputs(jobs)
    done = run_batch(file)
    assert len(done.problems) == 5 and all(problem.startswith("line ") for problem in done.problems)
    for said in ("fake.png", "expected a JSON object", "no option hat", "known are animate", "line 3: "):
        assert any(said in problem for problem in done.problems), (said, done.problems)
    assert {name for name in os.listdir(desk) if name[0] in "mv" and not name.endswith(".json")} == files
    times = {name: (desk / name).stat().st_mtime_ns for name in files}
    again = run_batch(file)
    assert times == {name: (desk / name).stat().st_mtime_ns for name in files} and again.problems == done.problems
    assert set(again.files) == set(done.files)
    (desk / "m1.npz").unlink()
    Image.fromarray(astronaut()[::-1, ::-1]).resize((256, 256)).save(desk / "photo.png")  # other content, other jobs
    made: list[str] = []
    really = batch._do
    monkeypatch.setattr(batch, "_do", lambda job: made.append(job["output"]) or really(job))
    run_batch(file)
    assert {name for name in made if name[0] in "mv"} == {"m1.npz", "v0.mp4", "v3.mp4"}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_batch_may_be_written_by_any_editor(tmp_path, encoding):
    (tmp_path / "jobs.jsonl").write_bytes(
        '{"output": "a.npz", "text": "she nods,\u2028then smiles"}\r\n\r\n{"output": "b.npz"}\r'.encode(encoding)
    )
    jobs, problems = batch._read(tmp_path / "jobs.jsonl", "motion")
    assert problems == {} and list(jobs) == [1, 3] and jobs[1]["text"] == "she nods,\u2028then smiles"


def test_two_jobs_with_one_output_are_refused(desk):
    job = {"command": "motion", "motion": "demo", "output": "m.npz"}
    with pytest.raises(BadInput, match="lines 1 and 2 both write"):
        run_batch(write_jobs(desk / "jobs.jsonl", [job, job | {"output": "./m.npz"}]))
    assert not (desk / "m.npz").exists()


def test_two_jobs_whose_reports_have_one_name_are_refused(desk):
    jobs = [{"photo": "photo.png", "motion": "demo", "output": "a.mp4"}]
    for other in ("a.npz", "a.json"):
        more = {"command": "motion", "motion": "demo", "output": other}
        with pytest.raises(BadInput, match="lines 1 and 2 both write a.json"):
            run_batch(write_jobs(desk / "jobs.jsonl", [*jobs, more]))


def test_two_jobs_with_one_view_are_refused(desk):
    jobs = [{"photo": "photo.png", "motion": "demo", "output": "bb.mp4", "views": "-20,20"}]
    jobs += [{"photo": "photo.png", "motion": "demo", "output": "bb_view20.mp4"}]
    with pytest.raises(BadInput, match="lines 1 and 2 both write bb_view20.mp4"):
        run_batch(write_jobs(desk / "jobs.jsonl", jobs))
    assert not list(desk.glob("bb*"))


def test_bad_views_fail_alone(desk):
    job = {"photo": "photo.png", "motion": "demo", "seconds": 0.08, "size": 64}
    jobs = [job | {"output": f"v{k}.mp4", "views": views} for k, views in enumerate(["hat", "5,5", 7, "-5,5"])]
    done = run_batch(write_jobs(desk / "jobs.jsonl", [*jobs, job | {"output": "."}, "[" * 100000]))
    assert sorted(os.path.basename(file) for file in done.files) == ["v3.json", "v3_view-5.mp4", "v3_view5.mp4"]
    assert [problem[:7] for problem in done.problems] == ["line 1:", "line 2:", "line 3:", "line 5:", "line 6:"]
    for place, said in enumerate(["hat", "must differ", "views must be str", "empty name", "expected a JSON object"]):
        assert said in done.problems[place], done.problems


def test_a_file_that_is_no_text_is_refused_and_nothing_done_is_told_before_something_is(desk):
    with pytest.raises(BadInput, match="photo.png is no text"):
        run_batch("photo.png")
    job = {"command": "motion", "motion": "demo", "seconds": 0.08, "output": "m.npz"}
    assert run_batch(write_jobs(desk / "jobs.jsonl", ["{not json", job | {"motion": "nosuch.npz"}])).problems
    assert not list(desk.glob("*.done"))
    run_batch(write_jobs(desk / "jobs.jsonl", [job]))
    assert len((desk / "jobs.jsonl.done").read_text().splitlines()) == 1


def test_files_in_lists_count_as_content(desk):
    job = {"command": "evaluate", "what": "factors", "photos": ["photo.png"], "output": "e.json"}
    before = batch._key(job)
    Image.fromarray(astronaut()[::-1]).resize((256, 256)).save(desk / "photo.png")
    assert batch._key(job) != before and set(batch._files_of(job)) == {"photo.png"}


def test_a_fault_of_ours_fails_alone_and_keeps_its_traceback(desk, monkeypatch, capsys):
    really = batch._motion

    def broken(options):
        if options["output"] == "m1.npz":
            raise RuntimeError("out of\ncheese")
        return really(options)

    monkeypatch.setattr(batch, "_motion", broken)
    short = {"command": "motion", "motion": "demo", "seconds": 0.08}
    done = run_batch(write_jobs(desk / "jobs.jsonl", [short | {"output": f"m{k}.npz"} for k in range(3)]))
    assert done.problems == ["line 2: a fault of flamecast's, please report it (RuntimeError: out of cheese)"]
    assert done.faults == 1
    assert (desk / "m0.npz").exists() and (desk / "m2.npz").exists() and "in broken" in capsys.readouterr().err


def test_a_type_error_inside_is_a_fault_of_ours_and_ends_in_1(desk, monkeypatch, capsys):
    monkeypatch.setattr(batch, "_motion", lambda options: len(7))  # type: ignore[arg-type]
    job = {"command": "motion", "motion": "demo", "output": "m.npz"}
    file = write_jobs(desk / "jobs.jsonl", [job, {"output": 7}])
    code = cli.app(["animate", "--batch", str(file)], standalone_mode=False)
    said = capsys.readouterr().err
    assert code == 1 and "please report it (TypeError" in said and "len(7)" in said


@pytest.mark.parametrize(
    "job, said",
    [
        ({"command": "motion", "head": 7}, "head must be str | None, got 7"),
        ({"command": "motion", "driver_options": [1]}, "driver_options must be"),
        ({"command": "motion", "progress": 1}, "no option progress"),
        ({"command": "motion", "size": []}, "size must be"),
        ({"photo": "photo.png", "head": 7}, "head must be"),
        ({"photo": "photo.png", "progress": 1}, "no option progress"),
        ({"photo": "photo.png", "generator_options": 7}, "expected generator_options as values by name"),
        ({"photo": "photo.png", "driver_options": {"text": 7}}, "driver_options as such values by driver"),
        ({"command": "evaluate", "what": "factors", "photos": 7}, "photos must be"),
        ({"command": "evaluate", "what": "video", "video": "a.mp4", "truth": "b.mp4", "pictures": "x"}, "must be int"),
    ],
)
def test_a_value_of_another_type_is_the_users(desk, job, said):
    jobs = [{"motion": "demo"} | job if job.get("command") != "evaluate" else job]
    done = run_batch(write_jobs(desk / "jobs.jsonl", [each | {"output": "m.npz"} for each in jobs]))
    assert len(done.problems) == 1 and said in done.problems[0] and done.faults == 0


def test_an_input_saved_during_its_job_is_not_counted_as_done(desk, monkeypatch):
    (desk / "edit.json").write_text('{"curves": {"yaw": {"keys": [[0, "10deg"]]}}}')
    really, now = batch._motion, ["saved meanwhile"]

    def saves(options):
        files = really(options | {"edit": "yaw=1deg"})
        if now:
            (desk / "edit.json").write_text(now.pop())
        return files

    monkeypatch.setattr(batch, "_motion", saves)
    job = {"command": "motion", "motion": "demo", "seconds": 0.08, "edit": "edit.json", "output": "m.npz"}
    file = write_jobs(desk / "jobs.jsonl", [job])
    first = run_batch(file)
    assert "line 1: a file that it reads was saved" in first.problems[0] and [f.name for f in first.files][:1] == [
        "m.npz"
    ]
    second, made = run_batch(file), (desk / "m.npz").stat().st_mtime_ns
    assert second.problems == []
    assert run_batch(file).problems == [] and (desk / "m.npz").stat().st_mtime_ns == made


@pytest.mark.parametrize("lacking, said", [({"output": 7}, "expected an output"), ({}, "expected photos, too; known")])
def test_what_a_job_lacks_is_said(desk, lacking, said):
    job = {"command": "evaluate", "what": "factors", "output": "e.json"} | lacking
    (problem,) = run_batch(write_jobs(desk / "jobs.jsonl", [job])).problems
    assert said in problem and not (desk / "e.json").exists()


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on(desk):
    jobs = mixed(9)
    file, files = write_jobs(desk / "jobs.jsonl", jobs), outputs(jobs)
    command = [str(Path(sys.executable).with_name("flamecast")), "animate", "--batch", file.name]
    running = subprocess.Popen(command, cwd=desk, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    ledger = desk / "jobs.jsonl.done"
    until = time.monotonic() + 100
    while time.monotonic() < until and (not ledger.is_file() or len(ledger.read_text().splitlines()) < 3):
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    running.wait()
    told = [json.loads(line)["key"] for line in ledger.read_text().splitlines()]
    assert 3 <= len(told) < len(files)
    ledger.write_text(ledger.read_text() + '{"key": "cut o')  # as a crash might leave it
    done = subprocess.run(command, cwd=desk, capture_output=True, text=True, timeout=200)
    assert done.returncode == 2 and done.stderr.count("note: line ") == 5 and "Traceback" not in done.stderr
    assert all((desk / name).stat().st_size > 0 for name in files)
    keys = [
        json.loads(line)["key"]
        for line in ledger.read_text().splitlines()
        if line.startswith('{"key": "') and line.endswith("}")
    ]
    assert len(keys) == len(set(keys)) == len(files)  # none twice, none lost


DEADLY = """import os, signal
def die_or_double(number):
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"twice": 2 * number}
"""


def test_a_process_that_dies_takes_only_its_own_thing_along(tmp_path, monkeypatch):
    (tmp_path / "deadly.py").write_text(DEADLY)
    monkeypatch.syspath_prepend(str(tmp_path))  # other processes look there, too
    call = importlib.import_module("deadly").die_or_double
    answers = dict(spread(call, list(range(6)), workers=2))
    assert answers == {k: None if k == 3 else {"twice": 2 * k} for k in range(6)} and TRIES > 1


MEETING = """import os, pathlib, signal, time
def wait_for(path):
    until = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < until, f"{path} never came"
        time.sleep(0.01)
def meet(job):
    here = pathlib.Path(job["folder"])
    if job["name"] == "dies":
        (here / "dead").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    wait_for(here / "dead")
    (here / job["name"]).touch()
    for other in "abcd":  # all are here at once, or nobody ever is
        wait_for(here / other)
    return {"met": True}
"""


def test_after_a_death_the_others_still_run_at_the_same_time(tmp_path, monkeypatch):
    (tmp_path / "meeting.py").write_text(MEETING)
    monkeypatch.syspath_prepend(str(tmp_path))
    call = importlib.import_module("meeting").meet
    jobs = [{"folder": str(tmp_path), "name": name} for name in ["dies", *"abcd"]]
    answers = dict(spread(call, jobs, workers=4))
    assert answers == {0: None} | {k: {"met": True} for k in range(1, 5)}


def test_options_beside_a_batch_are_refused(desk, capsys):
    file = write_jobs(desk / "jobs.jsonl", [])
    with pytest.raises(Exception, match="size stands in the lines of the file"):
        cli.app(["animate", "--batch", str(file), "--size", "64"], standalone_mode=False)
    with pytest.raises(Exception, match="Missing argument 'PHOTO'"):
        cli.app(["animate", "-o", "out.mp4"], standalone_mode=False)
    with pytest.raises(Exception, match="Missing option '--output'"):
        cli.app(["motion", "--motion", "demo"], standalone_mode=False)
