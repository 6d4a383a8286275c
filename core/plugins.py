"""Plug-ins by name: entry points, the built-in ones by the same door; and options read from text by signature."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from .errors import BadInput

_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def registered(group: str) -> dict[str, EntryPoint]:
    """The entry points of a group by name, sorted."""
    return {entry.name: entry for entry in sorted(entry_points(group=group), key=lambda entry: entry.name)}


def load_plugin(group: str, name: str) -> Callable[..., Any]:
    """What the plug-in `name` of `group` ("flamecast.drivers") names. BadInput where there is none, or it is broken."""
    kind, known = group.rpartition(".")[2].removesuffix("s"), registered(group)
    if name not in known:
        raise BadInput(f"there is no {kind} {name!r}; known are: {', '.join(known)}")
    try:
        return known[name].load()
    except Exception as error:  # another project's code may fail in any way
        raise BadInput(f"the {kind} {name!r} ({known[name].value}) cannot be loaded: {error}") from error


def make_plugin(group: str, name: str, options: dict[str, Any]) -> Any:
    """The plug-in made with its own options. BadInput with the known names for one that it does not take."""
    factory = load_plugin(group, name)
    known = option_names(factory)
    if known is not None and (unknown := [key for key in options if key not in known]):
        kind = group.rpartition(".")[2].removesuffix("s")
        listed = ", ".join(known) or "none"
        raise BadInput(f"the {kind} {name!r} has no option {unknown[0]!r}; known are: {listed}")
    return factory(**options)


def option_names(factory: Callable[..., Any]) -> list[str] | None:
    """What `factory` can be given by name; None where it takes anything."""
    parameters = inspect.signature(factory).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]


def options_from_text(factory: Callable[..., Any], texts: Iterable[str], what: str) -> dict[str, Any]:
    """Options for `factory` from `name=value` texts, each value read as its annotation says (text where it has none).

    `what` ("generator warp") begins the sentences. BadInput for an unknown name or a value of another kind.
    """
    known, hints = option_names(factory), _hints(factory)
    options: dict[str, Any] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not name:
            raise BadInput(f"{what}: expected an option as name=value, got {text!r}")
        if known is not None and name not in known:
            raise BadInput(f"{what}: there is no option {name!r}; known are: {', '.join(known) or 'none'}")
        if name in options:
            raise BadInput(f"{what}: the option {name!r} is given twice")
        options[name] = _read(value, hints.get(name, str), f"{what}: {name}")
    return options


def _hints(factory: Callable[..., Any]) -> dict[str, Any]:
    target = factory.__init__ if inspect.isclass(factory) else factory
    try:
        return get_type_hints(target)
    except (NameError, TypeError):  # annotations of names that exist for type checkers only
        return {}


def _read(text: str, kind: Any, what: str) -> Any:
    """A text as a value of an annotated kind; of several, the first that it can be."""
    if get_origin(kind) is Literal:
        for choice in get_args(kind):
            if str(choice) == text:
                return choice
        raise BadInput(f"{what} must be {' or '.join(map(str, get_args(kind)))}, got {text!r}")
    if get_origin(kind) in (Union, types.UnionType):
        if type(None) in get_args(kind) and text.lower() in ("none", "null"):
            return None
        for choice in sorted((c for c in get_args(kind) if c is not type(None)), key=lambda c: c is str):
            try:
                return _read(text, choice, what)
            except BadInput:
                continue
        raise BadInput(f"{what} must be {kind}, got {text!r}")
    try:
        if kind is bool:
            return _WORDS[text.lower()]
        return kind(text) if kind in (int, float) else text
    except (KeyError, ValueError):
        raise BadInput(f"{what} must be {kind.__name__}, got {text!r}") from None
