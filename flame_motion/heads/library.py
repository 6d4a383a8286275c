"""Heads by name, id or file, each loaded once."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from ...core.errors import MissingAsset
from ...core.files import PathLike
from ...core.plugins import load_plugin, registered
from .head import DEFAULT_HEAD, Head
from .head_file import load_open_head

GROUP = "flamecast.heads"


def load_head(name: PathLike | Head = DEFAULT_HEAD) -> Head:
    """A head by name ("open", a plug-in), by the id in a motion ("open@1a2b3c4d") or by file (FLAME .pkl or .npz).

    A `Head` is given back as it is. Raises MissingAsset when it is not here, or the id is of another version; BadInput
    when the file is no head.
    """
    return name if isinstance(name, Head) else _load_head(str(name))


@lru_cache(maxsize=8)
def _load_head(name: str) -> Head:
    base, _, wanted = name.partition("@")
    head = _find_head(base)
    if wanted and head.id != name:
        raise MissingAsset(
            f"Head {name} is not here: the {base!r} head installed is {head.id}. "
            "Install the flamecast version that made this motion, or make the motion again."
        )
    return head


def _find_head(base: str) -> Head:
    if base == DEFAULT_HEAD:
        return load_open_head()
    if base.endswith((".pkl", ".npz")) or "/" in base:
        from .flame import load_flame

        return load_flame(Path(base))
    if base in registered(GROUP):
        return load_plugin(GROUP, base)()
    from .flame import find_converted

    return find_converted(base)
