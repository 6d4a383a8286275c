"""What `flamecast app` can be asked for. Light to import: the command line is made from it."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.options import check_options, option
from ..request import APP_PORT, HOST
from ..web import listed
from .limits import Limits
from .reach import Reach


@dataclass(frozen=True)
class AppOptions:
    """Where the page and the HTTP API listen, and what they take. Raises BadInput for a value out of range."""

    host: str = option(HOST, "The address to listen on; 0.0.0.0 lets other machines in.")
    port: int = option(APP_PORT, "The port; 0 for any free one.", minimum=0, maximum=65535)
    name: str | None = option(None, "A further name that this machine is reached by.", repeated=",")
    root_path: str | None = option(None, "The path that a proxy serves this under, such as /fc.")
    allow_origin: str | None = option(
        None, "A site whose pages may call the API from their visitors' browsers: https://example.org.", repeated=","
    )
    allow_frame: str | None = option(None, "A site whose pages may show the page in a frame.", repeated=",")
    workers: int = option(1, "Jobs done at a time, each by a process of its own.", minimum=1)
    max_upload_mb: float = option(Limits.upload_mb, "Most that may be sent at once.", unit="MB")
    max_seconds: float = option(Limits.seconds, "Longest video made.", unit="s")
    max_size: int = option(Limits.size, "Largest video made: its longest side.", unit="px")
    waiting_each: int = option(
        Limits.waiting_each, "Unfinished jobs of one user, who for the API is one address: a backend's users together.",
        minimum=1,
    )  # fmt: skip
    keep_minutes: float = option(Limits.keep_minutes, "Minutes until what was made is removed.")

    def __post_init__(self) -> None:
        check_options(self)

    @property
    def limits(self) -> Limits:
        """What a request may hold. BadInput."""
        return Limits(
            upload_mb=self.max_upload_mb,
            seconds=self.max_seconds,
            size=self.max_size,
            keep_minutes=self.keep_minutes,
            waiting=max(Limits.waiting, self.waiting_each),
            waiting_each=self.waiting_each,
            user_mb=Limits.user_mb * max(1.0, self.waiting_each / Limits.waiting_each),
        )

    @property
    def reach(self) -> Reach:
        """How the server is reached. BadInput."""
        root = (self.root_path or "").rstrip("/")
        return Reach(self.host, listed(self.name), root, listed(self.allow_origin), listed(self.allow_frame))
