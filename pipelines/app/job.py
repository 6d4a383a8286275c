"""One job: what was requested, and how far it is."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .job_request import JobRequest
from .results import OUT

WAITING, RUNNING, DONE, FAILED, CANCELLED = "waiting", "running", "done", "failed", "cancelled"
ENDED = (DONE, FAILED, CANCELLED)
OUR_FAULT = "something went wrong in flamecast itself; the operator of this server finds the details in its log"


class Full(Exception):
    """No room for another job; the sentence says why."""

    def __init__(self, sentence: str, again: float):
        """again: s after which there may be room."""
        super().__init__(sentence)
        self.again = max(1, round(again))


@dataclass
class Job:
    """A user's job. Only the queue changes it."""

    id: str
    user: str
    folder: Path
    request: JobRequest
    tab: str | None = None  # the browser tab that it was requested from
    state: str = WAITING
    stage: str = ""
    done: int = 0
    of: int = 0
    left: float | None = None  # s
    error: str | None = None
    files: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    created: float = field(default_factory=time.time)  # s since 1970, as the next two
    started: float | None = None
    ended: float | None = None
    unwanted: bool = False  # it was cancelled while it ran

    def file(self, name: str) -> Path | None:
        """A result by its name; None for any other name."""
        return self.folder / OUT / name if self.state == DONE and name in self.files else None
