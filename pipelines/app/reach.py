"""How a server is reached: its address and names, its path behind a proxy, and other sites' pages that may use it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...core.errors import BadInput
from ..request import HOST

_NAME = re.compile(r"[A-Za-z0-9_.-]+|[0-9A-Fa-f.]*(:[0-9A-Fa-f.]*){2,7}")  # of a host, or an IPv6 address
_PATH = re.compile(r"(/[A-Za-z0-9_.~-]+)+")
_ORIGIN = re.compile(r"https?://([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?")
OWN_PATHS = ("api", "app", "docs", "gradio_api", "openapi.json")


@dataclass(frozen=True)
class Reach:
    """Raises BadInput for a name, path or origin that no request could have."""

    host: str = HOST  # the address to listen on
    names: tuple[str, ...] = ()  # others that this machine is reached by
    root_path: str = ""  # what a proxy serves it under: /fc
    origins: tuple[str, ...] = ()  # sites whose pages may call the API: https://example.org
    frames: tuple[str, ...] = ()  # sites whose pages may show the page in a frame

    def __post_init__(self) -> None:
        for name in self.names:
            if not _NAME.fullmatch(name):
                raise BadInput(
                    f"--name {name}: expected a host name such as faces.example.org, without http:// and port"
                )
        if self.root_path and not _PATH.fullmatch(self.root_path):
            raise BadInput(f"--root-path {self.root_path}: expected a path such as /fc, as the proxy has it")
        if (first := self.root_path[1:].partition("/")[0]) in OWN_PATHS:
            raise BadInput(f"--root-path {self.root_path}: this server has paths under /{first} itself, choose another")
        for option, given in (("--allow-origin", self.origins), ("--allow-frame", self.frames)):
            for origin in given:
                if not _ORIGIN.fullmatch(origin):
                    raise BadInput(f"{option} {origin}: expected a site such as https://example.org, without a path")

    def below(self, path: str) -> str:
        """A request's path as this server has it, whether or not the proxy took the root path off."""
        inner = path.removeprefix(self.root_path)
        return inner if self.root_path and path != inner and inner.startswith("/") else path


THIS_MACHINE = Reach()
