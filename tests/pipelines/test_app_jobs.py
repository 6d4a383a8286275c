"""The queue: order, bounds, cancelling, crashes, and what is removed when. Jobs here do what their text says."""

from __future__ import annotations

import os
import time

import pytest

from flamecast.flame_motion import BadInput
from flamecast.pipelines.app.job import CANCELLED, DONE, ENDED, FAILED, OUR_FAULT, RUNNING, WAITING, Full
from flamecast.pipelines.app.job_queue import CRASHED, JobQueue
from flamecast.pipelines.app.job_request import JobRequest, read_request
from flamecast.pipelines.app.limits import Limits
from flamecast.pipelines.app.reach import Reach
from flamecast.pipelines.app.uploads import bytes_of
from flamecast.pipelines.request import AnimateRequest

PLAYER = """
import os, time
from pathlib import Path

def work(channel, warming):
    channel.send(("ready", None))
    while True:
        try:
            job = channel.recv()
        except EOFError:
            return
        if job in ("cancel", "stop"):
            if job == "stop":
                return
            continue
        request, folder = job
        word = request.animate.drive.text
        if word == "crash":
            os._exit(9)
        if word == "hangs":
            time.sleep(600)
        stopped = False
        for step in range(200 if word == "slow" else 1):
            channel.send(("progress", ("generate", step + 1, 200)))
            if channel.poll(0.05) and channel.recv() == "cancel":
                stopped = True
                break
        if stopped:
            channel.send(("cancelled", None))
        elif word == "bad":
            channel.send(("failed", f"the photo {request.animate.photo} is not a picture"))
        elif word == "fault":
            channel.send(("fault", "Traceback: secret/path"))
        else:
            (Path(folder) / "out").mkdir()
            (Path(folder) / "out" / "video.mp4").write_bytes(word.encode())
            channel.send(("done", {"files": ["video.mp4"], "problems": [], "facts": {"process": os.getpid()}}))


def look(channel, warming):
    channel.send(("ready", None))
    while True:
        photo, face, _ = channel.recv()
        word = photo.read_text()
        if word == "dies":
            os._exit(9)
        if word == "hangs":
            time.sleep(600)
        channel.send(("looked", f"no face in {photo}" if word == "blank" else None))
"""


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Makes started queues; closes them."""
    (tmp_path / "player.py").write_text(PLAYER)
    monkeypatch.syspath_prepend(str(tmp_path))
    import player

    made = []

    def start(limits: Limits | None = None, workers: int = 1, go: bool = True) -> JobQueue:
        queue = JobQueue(tmp_path / "root", limits or Limits(), workers=workers, warm=False, target=player.work)
        if go:
            queue.start()
        made.append(queue)
        return queue

    yield start
    for queue in made:
        queue.close()


def die(channel, warming):
    """A process that ends before it is ready."""


def idle(channel, warming):
    """A process that does not get ready."""
    time.sleep(60)


def put(queue: JobQueue, text: str, user: str = "a", tab: str | None = None):
    id, folder = queue.new_folder(user)
    return queue.submit(id, user, folder, JobRequest(AnimateRequest.of(text=text)), tab)


def ended(*jobs, within: float = 20.0):
    until = time.monotonic() + within
    while any(job.state not in ENDED for job in jobs):
        assert time.monotonic() < until, [job.state for job in jobs]
        time.sleep(0.02)
    return jobs


def running(job, within: float = 20.0):
    until = time.monotonic() + within
    while job.state != RUNNING or job.done == 0:
        assert time.monotonic() < until, job.state
        time.sleep(0.02)


def test_jobs_are_done_in_order_by_one_warm_process(make):
    queue = make(go=False)
    jobs = [put(queue, f"job {number}", user=f"user {number}") for number in range(4)]
    assert [queue.position(job) for job in jobs] == [0, 1, 2, 3]
    queue.start()
    ended(*jobs)
    assert [job.state for job in jobs] == [DONE] * 4
    assert [job.ended for job in jobs] == sorted(job.ended for job in jobs)
    assert len({job.facts["process"] for job in jobs}) == 1
    assert [job.file("video.mp4").read_bytes() for job in jobs] == [b"job 0", b"job 1", b"job 2", b"job 3"]
    assert jobs[0].file("../in/photo") is None and jobs[0].file("motion.npz") is None


def test_ids_are_unguessable_and_others_do_not_find_them(make):
    queue = make()
    first, second = put(queue, "one"), put(queue, "two", user="b")
    assert len(first.id) >= 32 and first.id != second.id
    assert queue.get(first.id, "a") is first and queue.get(first.id, "b") is None
    assert queue.jobs_of("b") == [second]


def test_a_process_that_dies_takes_its_job_and_no_other(make):
    queue = make()
    crash, fine = put(queue, "crash"), put(queue, "fine")
    ended(crash, fine)
    assert (crash.state, crash.error) == (FAILED, CRASHED)
    assert fine.state == DONE


def test_a_process_that_dies_at_its_start_is_not_started_again_at_once(tmp_path, capfd):
    queue = JobQueue(tmp_path, Limits(), warm=False, target=die)
    queue.start()
    (job,) = ended(put(queue, "one"))
    assert job.state == FAILED and "the models could not be loaded" in job.error
    until = time.monotonic() + 30
    said = ""
    while "begins in 2 s" not in said:
        assert time.monotonic() < until, said
        time.sleep(0.1)
        said += capfd.readouterr().err
    assert said.count("a worker died before it was ready") == 2 and "begins in 1 s" in said
    queue.close()
    assert not any(thread.is_alive() for thread in queue._threads)


def test_a_process_that_does_not_get_ready_is_not_the_jobs_fault(tmp_path, monkeypatch):
    monkeypatch.setattr("flamecast.pipelines.app.job_queue.LOADING", 0.2)
    queue = JobQueue(tmp_path, Limits(), warm=False, target=idle)
    queue.start()
    (job,) = ended(put(queue, "one"))
    queue.close()
    assert job.state == FAILED and "the models could not be loaded" in job.error


@pytest.mark.parametrize("step", ["note", "end"])
def test_a_process_whose_jobs_bookkeeping_failed_is_replaced(make, monkeypatch, capfd, step):
    """Otherwise it would do that job to its end, and the next user's job would end with the first one's facts."""
    queue = make()
    failing = put(queue, "slow")
    whole = getattr(queue._rates, step)

    def fail(job, *given):
        if job is failing:
            raise RuntimeError("no such bookkeeping")
        whole(job, *given)

    monkeypatch.setattr(queue._rates, step, fail)
    if step == "end":
        running(failing)
        queue.cancel(failing)
    (after,) = ended(put(queue, "after", user="b"))
    assert (after.state, after.file("video.mp4").read_bytes()) == (DONE, b"after")
    assert failing.state == (FAILED if step == "note" else CANCELLED) and not failing.folder.exists()
    assert failing.error == (OUR_FAULT if step == "note" else None) and "no such bookkeeping" in capfd.readouterr().err
    (third,) = ended(put(queue, "third", user="c"))
    assert third.facts["process"] == after.facts["process"]


def test_a_sweep_that_fails_is_not_the_last(make, monkeypatch, capfd):
    monkeypatch.setattr("flamecast.pipelines.app.job_queue.SWEEP", 0.01)
    swept = []

    def sweep() -> None:
        swept.append(True)
        raise OSError("the folder is gone")

    queue = make(go=False)
    monkeypatch.setattr(queue, "sweep", sweep)
    queue.start()
    until = time.monotonic() + 20
    while len(swept) < 2:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_running_job_is_cancelled_and_its_files_go(make):
    queue = make()
    job, after = put(queue, "slow"), put(queue, "after")
    running(job)
    begun = time.monotonic()
    queue.cancel(job)
    ended(job, after)
    assert job.state == CANCELLED and not job.folder.exists() and after.state == DONE
    assert time.monotonic() - begun < 5


def test_a_job_that_does_not_listen_is_ended_with_its_process(make, monkeypatch):
    monkeypatch.setattr("flamecast.pipelines.app.job_queue.PATIENCE", 0.3)
    queue = make()
    job, after = put(queue, "hangs"), put(queue, "after")
    until = time.monotonic() + 20
    while job.state != RUNNING:
        assert time.monotonic() < until
        time.sleep(0.02)
    time.sleep(0.5)
    queue.cancel(job)
    ended(job, after)
    assert job.state == CANCELLED and after.state == DONE


def test_a_job_beyond_its_time_is_ended(make):
    queue = make(Limits(job_minutes=4 / 60))
    job, after = put(queue, "hangs"), put(queue, "after", user="b")
    ended(job, after)
    assert job.state == FAILED and "was ended" in job.error and after.state == DONE


def test_a_waiting_job_goes_at_once_when_its_tab_closes_and_a_running_one_stays(make):
    queue = make()
    current, own, other = put(queue, "slow", tab="x"), put(queue, "own", tab="x"), put(queue, "other", tab="y")
    running(current)
    queue.leave("a", "x")
    assert own.state == CANCELLED and current.state == RUNNING and other.state == WAITING
    queue.cancel(current)
    ended(other)
    assert other.state == DONE


def test_there_is_no_room_for_more_than_the_limits_say(make):
    queue = make(Limits(waiting=3, waiting_each=2), go=False)
    put(queue, "one"), put(queue, "two")
    with pytest.raises(Full, match="2 of your jobs"):
        put(queue, "three")
    put(queue, "one", user="b")
    with pytest.raises(Full, match="3 jobs wait"):
        put(queue, "one", user="c")


def test_of_a_failed_job_nothing_but_the_sentence_stays(make):
    queue = make()
    id, folder = queue.new_folder("a")
    (folder / "in").mkdir()
    (folder / "in" / "photo").write_bytes(b"no picture")
    (job,) = ended(
        queue.submit(id, "a", folder, JobRequest(AnimateRequest.of(text="bad", photo=folder / "in" / "photo")))
    )
    assert job.error and queue.get(id) is job and not folder.exists()


def test_one_user_holds_so_much_and_no_more(make):
    queue = make(Limits(upload_mb=0.01, user_mb=0.06))
    (job,) = ended(put(queue, "x" * 70_000))
    with pytest.raises(Full, match="your files take more than 0.06 MB"):
        put(queue, "another")
    assert ended(put(queue, "another", user="b"))[0].state == DONE
    queue.remove(job)
    assert ended(put(queue, "another"))[0].state == DONE


def test_a_file_of_two_names_counts_once(tmp_path):
    (tmp_path / "one").write_bytes(bytes(1000))
    (tmp_path / "two").hardlink_to(tmp_path / "one")
    assert bytes_of(tmp_path) == 1000 and bytes_of(tmp_path / "none") == 0


@pytest.mark.parametrize("minutes", [float("inf"), float("nan"), 0])
def test_limits_are_finite(minutes):
    with pytest.raises(BadInput, match="keep minutes must be a finite number of at least 0.05, got"):
        Limits(keep_minutes=minutes)


def test_names_are_those_of_hosts():
    Reach(names=("faces.example.org", "box_1", "10.0.0.7", "fe80::1"))
    for name in ("http://foo", "foo:8080", "foo/", ""):
        with pytest.raises(BadInput, match="expected a host name"):
            Reach(names=(name,))


def test_sentences_name_files_as_their_owner_does_and_faults_tell_nothing(make, capfd):
    queue = make()
    id, folder = queue.new_folder("a")
    request = JobRequest(AnimateRequest.of(text="bad", photo=folder / "photo"), {str(folder / "photo"): "me.png"})
    bad, fault = queue.submit(id, "a", folder, request), put(queue, "fault")
    ended(bad, fault)
    assert bad.error == "the photo me.png is not a picture"
    assert fault.state == FAILED and "secret" not in fault.error and "secret/path" in capfd.readouterr().err


def test_what_ended_long_ago_is_removed_with_its_files(make):
    queue = make(Limits(keep_minutes=0.05))
    job = put(queue, "old")
    stray = queue.root / "visitor-x" / "uploads" / "abc"
    stray.mkdir(parents=True)
    (stray / "photo.png").write_bytes(b"1")
    ended(job)
    queue.sweep()
    assert job.folder.exists() and stray.exists()
    time.sleep(3.2)
    queue.sweep()
    assert queue.get(job.id) is None and not job.folder.exists() and not stray.exists()


def test_a_photo_is_looked_at_before_it_waits_and_within_a_bound(make, tmp_path):
    """What was found out by then is said; a process that dies or takes too long is replaced, and the job accepted."""
    import player

    from flamecast.pipelines.app.looking import PhotoLooker

    queue = make(go=False)
    queue.looker = looker = PhotoLooker(player.look, within=3.0)
    queue.start()

    def post(word: str):
        def prepare(folder):
            (folder / "photo").write_text(word)
            return JobRequest(AnimateRequest.of(photo=folder / "photo", text="x"), {str(folder / "photo"): "me.png"})

        return queue.add("a", prepare)

    with pytest.raises(BadInput, match="^no face in me.png$"):
        post("blank")
    assert list((queue.root / "a" / "jobs").iterdir()) == []
    for word in ("dies", "hangs"):
        started, first = time.monotonic(), looker._process
        job = post(word)
        assert time.monotonic() - started < 6 and looker._process is not first and not first.process.is_alive()
        ended(job)
        with pytest.raises(BadInput, match="^no face in me.png$"):
            post("blank")
    assert looker._process.process.is_alive()
    queue.close()
    assert not looker._process.process.is_alive()


def test_what_is_being_prepared_is_not_swept_however_long_it_takes(make):
    queue = make(Limits(keep_minutes=0.05), go=False)

    def prepare(folder):
        (folder / "photo").write_text("x")
        os.utime(folder, (0, 0))
        queue.sweep()
        assert (folder / "photo").exists()
        return JobRequest(AnimateRequest.of(photo="demo", text="x"))

    assert queue.add("a", prepare).state == WAITING
    assert not queue._preparing


def test_closing_ends_the_processes_and_removes_the_files(make):
    queue = make()
    done, slow = put(queue, "done"), put(queue, "slow")
    ended(done)
    running(slow)
    queue.close()
    assert not done.folder.exists() and not slow.folder.exists()
    assert not any(thread.is_alive() for thread in queue._threads)


PHOTO = {"photo": "demo"}


@pytest.mark.parametrize(
    "given, sentence",
    [
        ({"text": "nods"}, "a photo is missing"),
        (PHOTO, "nothing says what to do"),
        (PHOTO | {"text": "nods", "edit": "/etc/passwd.json"}, "edit: send keyframes as a file"),
        (PHOTO | {"text": "nods", "edit": "smile=1; x.JSON"}, "edit: send keyframes as a file"),
        (PHOTO | {"text": "nods", "mix": "mouth=/srv/b.npz"}, "mix 'mouth=/srv/b.npz'"),
        (PHOTO | {"text": "nods", "camera": "/srv/rig.json"}, "camera: expected a move"),
        (PHOTO | {"motion": "/srv/motion.npz"}, "motion: expected a file that is sent, or demo"),
        ({"photo": "/etc/hostname", "text": "nods"}, "photo: expected a file that is sent, or demo"),
        (PHOTO | {"text": "nods", "head": "x.pkl"}, "there is no option head"),
        (PHOTO | {"text": "nods", "generator_options": "{}"}, "there is no option generator_options"),
        (PHOTO | {"text": "nods", "driver": "video", "signal": "/srv/a.mp4"}, "there is no option driver, signal"),
        (PHOTO | {"text": "nods", "config": "x.yaml"}, "there is no option config"),
        (PHOTO | {"text": "nods", "size": 100000}, "size: 100000 px were asked for"),
        (PHOTO | {"text": "nods", "size": "big"}, "size must be a whole number"),
        (PHOTO | {"text": "nods", "seconds": 1e9}, "seconds: 1e\\+09 were asked for"),
        (PHOTO | {"text": "nods", "seconds": "nan"}, "seconds"),
        (PHOTO | {"text": "nods", "seed": "inf"}, "seed must be a whole number"),
        (PHOTO | {"text": "nods", "seed": 1e30}, "seed must be 0 to 9007199254740991"),
        (PHOTO | {"text": "nods", "edit": "nope=1"}, "edit 'nope'"),
        (PHOTO | {"text": "nods", "camera": "foo"}, "^camera 'foo'"),
        (PHOTO | {"motion": "demo", "say": "hello"}, "a motion and words to say cannot drive at once: leave one"),
        (PHOTO | {"text": "nods", "fps": 240}, "fps: 240 were asked for"),
        (PHOTO | {"text": "a" * 5000}, "text has 5000 characters"),
        (PHOTO | {"text": "nods", "strength": 9}, "strength must be 0 to 2"),
    ],
)
def test_what_a_job_may_not_request_is_refused_in_a_sentence(given, sentence):
    with pytest.raises(BadInput, match=sentence):
        read_request(given, {}, {}, Limits())


def test_a_preview_is_small_and_short():
    nods = PHOTO | {"text": "nods"}
    request = read_request(nods | {"size": "768", "seconds": "30", "preview": "true"}, {}, {}, Limits())
    assert (request.animate.view.size, request.max_seconds, request.preview) == (256, 2.0, True)
    assert read_request(nods, {}, {}, Limits()).animate == AnimateRequest.of(photo="demo", text="nods", size=512)
