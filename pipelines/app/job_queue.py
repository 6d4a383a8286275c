"""The queue: jobs wait in order, warm worker processes do them, and what they made is removed after a while."""

from __future__ import annotations

import secrets
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import worker
from .job import CANCELLED, DONE, ENDED, FAILED, OUR_FAULT, RUNNING, WAITING, Full, Job
from .job_request import JobRequest
from .limits import MB, Limits
from .looking import PhotoLooker
from .results import with_shown_names
from .timing import Rates, seconds_left
from .uploads import bytes_of, remove_stale
from .worker_process import Target, WorkerProcess

LONGEST_PAUSE = 30.0  # s before another process is started in place of those that died at their start
PATIENCE = 5.0  # s between cancelling a job and killing a process that does not react
LOADING = 300.0  # s that a process may take until it is ready
SWEEP = 5.0  # s between two searches for files to remove
CRASHED = "the job's process died: a file in it may be damaged, or too large for this machine; the others go on"
UNLOADED = "the models could not be loaded; the operator of this server finds out more with `flamecast doctor`"
SOON, LATER = 5.0, 60.0  # s to wait for room where nothing tells better: for a job to end, for a disk to be emptied


class JobQueue:
    """Jobs of all users, done by `workers` processes."""

    def __init__(
        self,
        root: Path,
        limits: Limits,
        *,
        workers: int = 1,
        warm: bool = True,
        target: Target = worker.work,
        looker: PhotoLooker | None = None,
    ):
        """root: the folder for all files; warm: new processes do a small job first; target: what a process runs;
        looker: looks at the photo of a request before it becomes a job.
        """
        self.root, self.limits, self._target, self.looker = root, limits, target, looker
        self._warming = root / "warm" if warm else None  # where new processes do their first job
        root.mkdir(parents=True, exist_ok=True)
        self._jobs: dict[str, Job] = {}
        self._preparing: set[Path] = set()  # folders of jobs to be
        self._changed = threading.Condition()
        self._closed = False
        self._rates = Rates()
        self._threads = [
            threading.Thread(target=self._run_worker, name=f"worker {n}", daemon=True) for n in range(workers)
        ]
        self._threads.append(threading.Thread(target=self._sweep, name="sweeper", daemon=True))

    def start(self) -> None:
        """Starts the processes; `close` ends them."""
        if self.looker is not None:
            self.looker.start()
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Ends every process and removes every file."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self.looker is not None:
            self.looker.close()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(PATIENCE + 5)
        for job in list(self._jobs.values()):
            shutil.rmtree(job.folder, ignore_errors=True)

    # -- jobs come and go ------------------------------------------------------------------------------------------

    def new_folder(self, user: str) -> tuple[str, Path]:
        """An unguessable id, and the folder of a job to be; what it needs is put there before `submit`."""
        name = secrets.token_urlsafe(24)
        folder = self.root / user / "jobs" / name
        folder.mkdir(parents=True)
        return name, folder

    def check_room(self, user: str) -> None:
        """Full where this user, or everybody, has enough jobs or files."""
        if shutil.disk_usage(self.root).free < 3 * self.limits.upload_bytes:
            raise Full("this server's disk is full: try again later", LATER)
        if bytes_of(self.root / user) > self.limits.user_bytes:
            max_mb, keep = self.limits.user_bytes / MB, self.limits.keep_minutes
            raise Full(
                f"your files take more than {max_mb:.4g} MB here, which is all that may: "
                f"delete a job, or wait: each goes {keep:g} minutes after its end",
                self._next_removal(user),
            )
        with self._changed:
            unfinished = [job for job in self._jobs.values() if job.state not in ENDED]
            soon = min((job.left for job in unfinished if job.left is not None), default=SOON)
            if sum(job.user == user for job in unfinished) >= self.limits.waiting_each:
                sentence = f"{self.limits.waiting_each} of your jobs are not done yet: wait for one, or cancel it"
                raise Full(sentence, soon)
            if len(unfinished) >= self.limits.waiting:
                raise Full(f"{len(unfinished)} jobs wait here, which is all that may: try again in a minute", soon)

    def _next_removal(self, user: str) -> float:
        """s until the next of a user's jobs is removed; LATER where none has ended."""
        keep = self.limits.keep_minutes * 60
        return min((job.ended + keep - time.time() for job in self.jobs_of(user) if job.ended), default=LATER)

    def add(self, user: str, prepare: Callable[[Path], JobRequest], tab: str | None = None) -> Job:
        """Queues what `prepare` makes of the folder of a new job. Full, or BadInput, which leaves nothing."""
        self.check_room(user)
        id, folder = self.new_folder(user)
        self._preparing.add(folder)
        try:
            request = prepare(folder)
            if self.looker is not None:
                self.looker.check(request)
            return self.submit(id, user, folder, request, tab)
        except BaseException:  # whatever it is, it goes on: only the folder is of no use any more
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            self._preparing.discard(folder)

    def submit(self, id: str, user: str, folder: Path, request: JobRequest, tab: str | None = None) -> Job:
        """Queues a job. Full where there is no room for it."""
        with self._changed:
            self.check_room(user)
            job = Job(id, user, folder, request, tab)
            self._jobs[id] = job
            self._changed.notify_all()
            return job

    def get(self, id: str, user: str | None = None) -> Job | None:
        """The job of that id, where it is this user's."""
        job = self._jobs.get(id)
        return job if job is not None and (user is None or job.user == user) else None

    def jobs_of(self, user: str) -> list[Job]:
        """A user's jobs, the newest first."""
        with self._changed:
            return sorted((job for job in self._jobs.values() if job.user == user), key=lambda job: -job.created)

    def position(self, job: Job) -> int:
        """How many wait before a waiting job."""
        with self._changed:
            waiting = [one for one in self._jobs.values() if one.state == WAITING]
            return waiting.index(job) if job in waiting else 0

    def cancel(self, job: Job) -> None:
        """Ends a job that waits at once, one that runs within seconds."""
        with self._changed:
            if job.state == WAITING:
                self._end(job, CANCELLED)
            elif job.state == RUNNING:
                job.unwanted = True

    def leave(self, user: str, tab: str) -> None:
        """A tab was closed: what it waits for is not wanted; what runs already may be found again."""
        for job in self.jobs_of(user):
            if job.tab == tab and job.state == WAITING:
                self.cancel(job)

    def remove(self, job: Job) -> None:
        """Cancels a job and deletes all that is of it."""
        self.cancel(job)
        with self._changed:
            if job.state in ENDED:
                self._jobs.pop(job.id, None)
                shutil.rmtree(job.folder, ignore_errors=True)
            else:
                job.ended = 0.0  # the sweeper takes it as soon as it stands still

    # -- the worker processes --------------------------------------------------------------------------------------

    def _run_worker(self) -> None:
        """Starts a worker process, gives it jobs, and starts another when it dies; until the queue is closed."""
        process: WorkerProcess | None = None
        deaths = 0  # in a row, each before the process was ready
        while not self._closed:
            if process is None or not process.process.is_alive():
                deaths = deaths + 1 if process is not None and not process.was_ready() else 0
                if process is not None and deaths and self._pause(deaths, process.process.exitcode):
                    break
                process = WorkerProcess.start(self._target, self._warming)
            job = self._next()
            if job is None:
                continue
            try:
                usable = self._do(job, process)
            except Exception:  # a fault of ours, logged there: this thread must go on for the others
                self._fail(job, traceback.format_exc())
                usable = False  # it may still be at that job, and what it sends then would be taken for the next one's
            if not usable:
                process.kill()
        if process is not None:
            process.quit()

    def _pause(self, deaths: int, code: int | None) -> bool:
        """Waits before the next process, longer each time; True where the queue was closed meanwhile."""
        pause = min(2.0 ** (deaths - 1), LONGEST_PAUSE)
        print(
            f"flamecast: a worker died before it was ready (exit code {code}), the next begins in {pause:g} s; "
            "FLAMECAST_NATIVE_LOGS=1 shows what it says",
            file=sys.stderr,
            flush=True,
        )
        with self._changed:
            return self._changed.wait_for(lambda: self._closed, pause)

    def _next(self) -> Job | None:
        """The job that has waited longest, now running; None after a second without one."""
        with self._changed:
            waiting = [job for job in self._jobs.values() if job.state == WAITING]
            if not waiting:
                self._changed.wait(1.0)
                return None
            job = min(waiting, key=lambda one: one.created)
            job.state, job.started, job.stage = RUNNING, time.time(), "load"
            return job

    def _do(self, job: Job, process: WorkerProcess) -> bool:
        """Has a process do a job; False where the process must not be used any more."""
        sent = unwanted_since = None
        waiting_since = time.monotonic()
        while True:
            if job.unwanted and sent is None:
                self._finish(job, CANCELLED)
                return True
            try:
                if process.ready and sent is None:
                    job.stage = "start"
                    process.channel.send((job.request, job.folder))
                    sent = time.monotonic()
                if process.channel.poll(0.1) and self._receive(job, process, *process.channel.recv()):
                    return True
            except (EOFError, OSError):
                self._finish(job, CANCELLED if job.unwanted else FAILED, UNLOADED if sent is None else CRASHED)
                return False
            now = time.monotonic()
            if (job.unwanted or self._closed) and unwanted_since is None:
                unwanted_since = now
                process.send(worker.CANCEL)
            if unwanted_since is not None and now - unwanted_since > PATIENCE:
                self._finish(job, CANCELLED)
                return False
            # What it takes to load the models is not the job's, but has an end, too.
            if sent is None and now - waiting_since > LOADING:
                self._finish(job, FAILED, UNLOADED)
                return False
            if sent is not None and now - sent > self.limits.job_minutes * 60:
                self._finish(job, FAILED, f"the job took more than {self.limits.job_minutes:g} minutes and was ended")
                return False

    def _receive(self, job: Job, process: WorkerProcess, kind: str, content: Any) -> bool:
        """Takes a message of a process; True where it was the last about the job."""
        if kind == "ready":
            process.ready = True
        elif kind == "progress":
            self._note(job, *content)
        elif kind == "done":
            job.files, job.problems, job.facts = content["files"], content["problems"], content["facts"]
            self._finish(job, DONE)
        elif kind == "cancelled":
            self._finish(job, CANCELLED)
        elif kind == "failed":
            self._finish(job, FAILED, content)
        else:
            self._finish(job, FAILED, OUR_FAULT, content)
        return kind not in ("ready", "progress")

    def _note(self, job: Job, stage: str, done: int, of: int) -> None:
        with self._changed:
            self._rates.note(job, stage, done, of)
            job.stage, job.done, job.of = stage, done, of
            job.left = seconds_left(self._rates, job)

    def _finish(self, job: Job, state: str, sentence: str | None = None, log: str | None = None) -> None:
        if log is not None:
            print(log, file=sys.stderr, flush=True)
        with self._changed:
            self._end(job, state, sentence)

    def _fail(self, job: Job, log: str) -> None:
        """Ends a job whose bookkeeping failed, without any of that, unless it has ended."""
        print(log, file=sys.stderr, flush=True)
        with self._changed:
            if job.state not in ENDED:
                shutil.rmtree(job.folder, ignore_errors=True)
                job.error, job.files, job.problems, job.facts = OUR_FAULT, [], [], {}
                job.state, job.left, job.ended = FAILED, None, time.time()
            self._changed.notify_all()

    def _end(self, job: Job, state: str, sentence: str | None = None) -> None:
        names = job.request.names
        job.error = None if state != FAILED or sentence is None else with_shown_names(sentence, names)
        job.problems = [with_shown_names(one, names) for one in job.problems]
        if state != DONE:
            shutil.rmtree(job.folder, ignore_errors=True)
        job.state, job.left = state, None
        job.ended = 0.0 if job.ended == 0.0 else time.time()
        self._rates.end(job)
        self._changed.notify_all()

    # -- tidying ---------------------------------------------------------------------------------------------------

    def _sweep(self) -> None:
        while not self._closed:
            with self._changed:
                self._changed.wait_for(lambda: self._closed, SWEEP)
            try:
                self.sweep()
            except Exception:  # logged: files that cannot be removed now may be the next time
                print(traceback.format_exc(), file=sys.stderr, flush=True)

    def sweep(self) -> None:
        """Removes jobs that ended long ago, with their files, and uploads that nobody has used since."""
        keep = self.limits.keep_minutes * 60
        with self._changed:
            old = [job for job in self._jobs.values() if job.state in ENDED and time.time() - (job.ended or 0) > keep]
            for job in old:
                self._jobs.pop(job.id)
            known = {self._warming, *self._preparing, *(job.folder for job in self._jobs.values())}
        for job in old:
            shutil.rmtree(job.folder, ignore_errors=True)
        for entry in [*self.root.glob("*/uploads/*"), *self.root.glob("*/jobs/*"), *self.root.glob("*")]:
            remove_stale(entry, known, time.time() - keep)
