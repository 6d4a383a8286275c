"""Optional packages: the command that adds an extra to the flamecast that is installed here."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.metadata import distributions
from urllib.parse import urlsplit
from urllib.request import url2pathname


def how_to_install(extra: str) -> str:
    """`pip install -e "FOLDER[extra]"` where flamecast is a checkout, as the README installs it; else by its name."""
    folder = _checkout()
    return f'pip install "flamecast[{extra}]"' if folder is None else f'pip install -e "{folder}[{extra}]"'


@lru_cache(maxsize=1)
def _checkout() -> str | None:
    """The folder that flamecast runs from, where pip was given one to run it from."""
    for installed in distributions(name="flamecast"):  # a checkout's own folder holds one more, which says nothing
        try:
            found = json.loads(installed.read_text("direct_url.json") or "{}")
        except ValueError:
            continue
        if found.get("dir_info", {}).get("editable"):
            return url2pathname(urlsplit(found["url"]).path)
    return None
