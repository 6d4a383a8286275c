"""What one server takes: sizes, lengths, and how long it keeps things."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MB = 1 << 20  # bytes, as browsers count them


def _bound(default: float, what: str) -> Any:
    """A field of the limits, which `/docs` describes by these words."""
    return field(default=default, metadata={"description": what})


@dataclass(frozen=True)
class Limits:
    """The bounds of a server. BadInput for such as no job could keep to."""

    upload_mb: float = _bound(100.0, "What one request may hold, all its files together, MB")
    seconds: float = _bound(60.0, "The longest video made, s")
    size: int = _bound(1024, "The largest video made: its longest side, px")
    fps: float = _bound(60.0, "The highest frame rate made, Hz")
    words: int = _bound(2000, "The longest of any one text, characters")
    waiting: int = _bound(20, "Jobs in the queue, all users together")
    waiting_each: int = _bound(3, "Jobs of one user that are waiting or running")
    job_minutes: float = _bound(20.0, "What one job may take, minutes")
    keep_minutes: float = _bound(60.0, "How long files stay after their job has ended, minutes")
    user_mb: float = _bound(1000.0, "What one user may have here, sent and made of it together, MB")

    def __post_init__(self) -> None:
        from ...core.errors import BadInput  # here: the command line reads the defaults, and is light

        for name, lowest in (("upload_mb", 0.01), ("seconds", 0.1), ("size", 64), ("keep_minutes", 0.05)):
            if not lowest <= getattr(self, name) < float("inf"):
                what = f"{name.replace('_', ' ')} must be a finite number of at least {lowest:g}"
                raise BadInput(f"{what}, got {getattr(self, name):g}")

    @property
    def upload_bytes(self) -> int:
        """Bytes of one request."""
        return round(self.upload_mb * MB)

    @property
    def user_bytes(self) -> int:
        """Bytes that one user may have here; some requests of the largest size fit in any case."""
        return round(max(self.user_mb, 5 * self.upload_mb) * MB)
