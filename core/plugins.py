"""Plug-ins by name: entry points, the built-in ones among them; and options read from text by signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from .errors import BadInput
from .options import build
from .values import parameter_types, parse_text, type_name

# Groups of entry points; the options are those of a call, declared as fields (`core.options`).
DRIVERS, DRIVER_OPTIONS = "flamecast.drivers", "flamecast.driver_options"
GENERATORS, GENERATOR_OPTIONS = "flamecast.generators", "flamecast.generator_options"


def registered(group: str) -> dict[str, EntryPoint]:
    """The entry points of a group by name, sorted."""
    return {entry.name: entry for entry in sorted(entry_points(group=group), key=lambda entry: entry.name)}


def kind_of(group: str) -> str:
    """What a group's plug-ins are: `driver` for "flamecast.drivers" and for "flamecast.driver_options"."""
    return group.rpartition(".")[2].removesuffix("s").removesuffix("_option")


def load_plugin(group: str, name: str) -> Callable[..., Any]:
    """What a plug-in's entry point names: a class or function. Raises BadInput where there is none, or a broken one."""
    kind, known = kind_of(group), registered(group)
    if name not in known:
        raise BadInput(f"there is no {kind} {name!r}; known are: {', '.join(known)}")
    try:
        return known[name].load()
    except Exception as error:  # another project's code may fail in any way
        raise BadInput(f"the {kind} {name!r} ({known[name].value}) cannot be loaded: {error}") from error


def make_plugin(group: str, name: str, options: dict[str, Any], saved: Path | None = None) -> Any:
    """The plug-in made with its own options. BadInput with the known names for one that it does not take.

    saved: a folder that its `save_pretrained` wrote weights to: they are loaded by its `from_pretrained(folder,
    **options)`, where it has that.
    """
    factory = load_plugin(group, name)
    known = option_names(factory)
    if known is not None and (unknown := [key for key in options if key not in known]):
        listed = ", ".join(known) or "none"
        raise BadInput(f"the {kind_of(group)} {name!r} has no option {unknown[0]!r}; known are: {listed}")
    load = getattr(factory, "from_pretrained", None)
    weights = [] if saved is None else [file for file in saved.glob("*") if file.name != "config.json"]
    return load(saved, **options) if load is not None and weights else factory(**options)


def call_options(group: str, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """`{"options": …}` for a call of the plug-in `name`, where it declares options of a call under `group`
    ("flamecast.driver_options"); nothing for any other. BadInput for a value that is none of an option's."""
    return {"options": build(load_plugin(group, name), given)} if name in registered(group) else {}


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
    known, hints = option_names(factory), parameter_types(factory)
    options: dict[str, Any] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not name:
            raise BadInput(f"{what}: expected an option as name=value, got {text!r}")
        if known is not None and name not in known:
            raise BadInput(f"{what}: there is no option {name!r}; known are: {', '.join(known) or 'none'}")
        if name in options:
            raise BadInput(f"{what}: the option {name!r} is given twice")
        kind = hints.get(name, str)
        try:
            options[name] = parse_text(value, kind)
        except ValueError:
            raise BadInput(f"{what}: {name} must be {type_name(kind)}, got {value!r}") from None
    return options
