"""What both servers share: one address, the names they answer to, and the refusal of other sites' pages."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..core.errors import BadInput

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection


def listed(text: str | None) -> tuple[str, ...]:
    """The texts of an option that may be given several times, which joins them by commas."""
    return () if text is None else tuple(text.split(","))


@dataclass(frozen=True)
class Names:
    """The names under which a server may be called: another site's name that leads here (DNS rebinding) is none."""

    known: frozenset[str]
    any_address: bool  # it listens on all addresses, so each of them may be meant

    @staticmethod
    def of(host: str, extra: tuple[str, ...] = ()) -> Names:
        """Those of a server that listens on `host`; extra: what else this machine is reached by."""
        names = {"localhost", "127.0.0.1", "::1", host.lower(), *(name.lower() for name in extra)}
        everywhere = host in ("0.0.0.0", "::", "")
        if everywhere:
            names |= {socket.gethostname().lower(), socket.getfqdn().lower()}
        return Names(frozenset(names - {"0.0.0.0", "::", ""}), everywhere)

    def answer(self, request: HTTPConnection) -> bool:
        """Whether a request calls the server by one of its names."""
        try:
            host = (urlsplit(f"//{request.headers.get('host', '')}").hostname or "").lower()
        except ValueError:
            return False
        return host in self.known or (self.any_address and _is_address(host))


def from_other_site(request: HTTPConnection) -> bool:
    """Whether a page of another site sent this request: browsers let any page send to any address."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower()


def listening(host: str, port: int) -> socket.socket:
    """A socket bound to one address; port 0: any that is free. BadInput where it cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)  # from here on nobody else gets the port, however long what serves it takes to load
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadInput(f"cannot listen on {host}, port {port}: {reason}; choose another with --port") from error
    return listener


def address_of(host: str, listener: socket.socket) -> str:
    """`http://127.0.0.1:7860`, to be shown."""
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
