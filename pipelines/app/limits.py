"""What one server takes: sizes, lengths, and how long it keeps things."""

from __future__ import annotations

from dataclasses import dataclass

MB = 1 << 20  # bytes, as browsers count them


@dataclass(frozen=True)
class Limits:
    """The bounds of a server. BadInput for such as no job could keep to."""

    upload_mb: float = 100.0  # of one request, all its files together
    seconds: float = 60.0  # s of a made video
    size: int = 1024  # px, longest side of a made video
    fps: float = 60.0  # Hz of a made video
    words: int = 2000  # characters of any one text
    waiting: int = 20  # jobs in the queue, all users together
    waiting_each: int = 3  # jobs of one user that are waiting or running
    job_minutes: float = 20.0  # min of one job
    keep_minutes: float = 60.0  # min that files stay after their job has ended
    user_mb: float = 1000.0  # of one user: what was sent and what was made of it, all together

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
