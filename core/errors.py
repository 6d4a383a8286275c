"""The two errors a user can cause. Each is one clear sentence: the thing, what was expected, what came, what to do."""

from __future__ import annotations


class BadInput(ValueError):
    """Something the user gave cannot be used (the command line exits 2)."""


class MissingAsset(FileNotFoundError):
    """A file that only the user can fetch, or an optional package, is absent (the command line exits 3)."""

    def __str__(self) -> str:
        """The sentence alone: OSError would print it as an errno pair when given two arguments."""
        return str(self.args[0]) if self.args else ""
