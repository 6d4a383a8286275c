"""How long a job still takes, estimated from its progress and from the jobs before it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from .job import Job

DRAWING = "generate"
START_SECONDS = {"video": 6.0, "speech": 2.0, "text": 1.5, "again": 0.3}  # before drawing, until one was measured
START_FRAME = 0.045  # s a frame of 512 px
EXPORT = 1.0  # s
USUAL_FRAMES = 100


@dataclass
class _Run:
    began: float
    stage: str = ""
    since: float = 0.0  # s, when the stage began
    drawing: float | None = None


@dataclass
class Rates:
    """What recent jobs took: seconds before drawing, by kind of signal, and seconds to draw a frame of 512 px."""

    before: dict[str, float] = field(default_factory=lambda: dict(START_SECONDS))
    frame: float = START_FRAME
    _runs: dict[str, _Run] = field(default_factory=dict)

    def note(self, job: Job, stage: str, done: int, of: int) -> None:
        """Takes the progress of a job."""
        now = time.monotonic()
        run = self._runs.setdefault(job.id, _Run(now))
        if stage != run.stage:
            run.stage, run.since = stage, now
        if stage == DRAWING and run.drawing is None:
            run.drawing = now
            kind = kind_of(job)
            self.before[kind] = 0.5 * self.before[kind] + 0.5 * (now - run.began)
        if stage == DRAWING and of and done == of and run.drawing is not None:
            self.frame = 0.5 * self.frame + 0.5 * (now - run.drawing) / (of * _weight(job))

    def run(self, job: Job) -> _Run:
        """When the job's stages began."""
        return self._runs.setdefault(job.id, _Run(time.monotonic()))

    def end(self, job: Job) -> None:
        """Forgets a job that has ended."""
        self._runs.pop(job.id, None)


def kind_of(job: Job) -> str:
    """The kind of signal, which decides how long it takes before drawing begins."""
    if job.request.redraw is not None:
        return "again"
    drive = job.request.animate.drive
    if drive.video is not None:
        return "video"
    return "speech" if drive.speech is not None or drive.say is not None else "text"


def _weight(job: Job) -> float:
    """The cost of a frame of the job's size relative to one of 512 px: half of the work does not depend on size."""
    return 0.5 + 0.5 * (job.request.animate.view.size / 512) ** 2


def seconds_left(rates: Rates, job: Job) -> float:
    """An estimate in s, never below 0."""
    now, run = time.monotonic(), rates.run(job)
    share = job.done / job.of if job.of else 0.0
    spent = now - run.since
    if job.stage == DRAWING:
        frame = rates.frame * _weight(job)
        guess = frame * (job.of - job.done)
        here = spent * (1 - share) / share if share > 0 else guess
        return max(0.0, (1 - share) * guess + share * here) + EXPORT
    frames = job.of if job.stage in ("track", "speech") and job.of else _frames(job)
    drawing = frames * rates.frame * _weight(job)
    if job.stage == "export":
        return EXPORT * (1 - share)
    if share > 0:
        return spent * (1 - share) / share + drawing + EXPORT
    return max(0.5, rates.before[kind_of(job)] - (now - run.began)) + drawing + EXPORT


def _frames(job: Job) -> float:
    seconds = job.request.animate.clip.seconds
    if job.request.preview and job.request.max_seconds is not None:
        seconds = job.request.max_seconds
    return USUAL_FRAMES if seconds is None else seconds * 25
