"""The page of one file: a portrait with its player, which asks no network for anything.

Its own policy says so to the browser: only the script whose hash it names runs, and nothing is loaded from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from importlib.resources import files

from .container import Container

PLAYER = ("player.js", "player.d.ts")
SCRIPTS = ("player.js", "view.js", "page.js")  # of the page: one module


def player_text(name: str) -> str:
    """One of the player's files."""
    return (files(__package__) / name).read_text(encoding="utf-8")


def page(made: Container, title: str) -> str:
    """The HTML of a portrait's file. title: of the page; it may hold anything, as names of clips may."""
    script = "".join(f"\n{player_text(name)}" for name in SCRIPTS) + "\n"
    parts = {
        "SCRIPT": script,
        "HASH": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "STYLE": player_text("page.css"),
        "TITLE": html.escape(title),
        "NAME": json.dumps(title).replace("<", "\\u003c").replace("&", "\\u0026"),
        "PORTRAIT": base64.b64encode(made.packed()).decode(),
    }
    pieces = player_text("page.html").split("%%")  # text, a part's name, text, …: what is put in is not looked at again
    return "".join(parts[piece] if odd % 2 else piece for odd, piece in enumerate(pieces))
