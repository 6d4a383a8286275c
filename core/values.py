"""Values as an annotated type wants them, whether they come from Python, YAML, JSON, a form or a command line."""

from __future__ import annotations

import inspect
import os
import types
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_UNIONS = (Union, types.UnionType)


def coerce(value: Any, kind: Any) -> Any:
    """A value of Python, YAML or JSON as one of type `kind`: whole numbers are floats where floats are wanted, lists
    tuples, numpy's numbers plain ones. Raises TypeError for a value of another type."""
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Any or (value is None and kind in (None, type(None))):
        return value
    if origin in _UNIONS:
        return _first_coerced(value, parts)
    if origin is Literal and any(value == part and type(value) is type(part) for part in parts):
        return value
    if kind in (bool, str) and type(value) is kind:
        return value
    if kind in (int, float) and type(value) is not bool and isinstance(value, Integral if kind is int else Real):
        return kind(value)
    if inspect.isclass(origin or kind) and issubclass(origin or kind, os.PathLike):
        if isinstance(value, (str, os.PathLike)):
            return value
    elif isinstance(value, (list, tuple)) and (origin or kind) is tuple:
        kinds = parts if parts and parts[-1] is not ... else (parts[:1] or (Any,)) * len(value)
        if len(kinds) == len(value):
            return tuple(coerce(part, each) for part, each in zip(value, kinds))
    elif isinstance(value, list) and (origin or kind) in (list, Sequence):
        return [coerce(part, *(parts or (Any,))) for part in value]
    elif isinstance(value, dict) and (origin or kind) in (dict, Mapping):
        return {coerce(k, (parts or (Any, Any))[0]): coerce(v, (parts or (Any, Any))[1]) for k, v in value.items()}
    raise TypeError


def _first_coerced(value: Any, kinds: tuple[Any, ...]) -> Any:
    """A value as the first of several types that takes it; an exact one first, so that 1 stays whole in int | float."""
    for kind in sorted(kinds, key=lambda kind: type(value) is not kind):
        try:
            return coerce(value, kind)
        except TypeError:
            continue
    raise TypeError


def parse_text(text: str, kind: Any) -> Any:
    """A text of a command line or a form as a value of type `kind`; of a union, the first type that it can be.

    Raises ValueError for a text that is no such value, and for types that no text can be (lists, say).
    """
    if get_origin(kind) is Literal:
        same = [choice for choice in get_args(kind) if str(choice) == text]
        return same[0] if same else _refuse()
    if get_origin(kind) in _UNIONS:
        choices = [choice for choice in get_args(kind) if choice is not type(None)]
        if len(choices) < len(get_args(kind)) and text.lower() in ("none", "null"):
            return None
        for choice in sorted(choices, key=lambda choice: choice is str):
            try:
                return parse_text(text, choice)
            except ValueError:
                continue
        _refuse()
    if kind is bool:
        return _WORDS[text.lower()] if text.lower() in _WORDS else _refuse()
    if kind is int and not text.strip().lstrip("+-").isdigit():  # "2.0" of a form is whole, "2.5" is not
        number = float(text)
        return int(number) if number == number // 1 else _refuse()
    if kind in (int, float):
        return kind(text)
    return text if kind in (str, Any) or (inspect.isclass(kind) and issubclass(kind, os.PathLike)) else _refuse()


def _refuse() -> Any:
    raise ValueError


def type_name(kind: Any) -> str:
    """A type as a signature spells it."""
    if get_origin(kind) in _UNIONS:
        return " | ".join(type_name(part) for part in get_args(kind))
    if kind is type(None):
        return "None"
    if get_origin(kind) is Literal:
        return " or ".join(map(repr, get_args(kind)))
    return kind.__name__ if inspect.isclass(kind) and not get_args(kind) else str(kind)


def parameter_types(function: Callable[..., Any]) -> dict[str, Any]:
    """The type of each parameter that can be given by name to a function or class.

    Any where the signature says none, or one that only a type checker knows.
    """
    plain: Any = function.__init__ if inspect.isclass(function) else function  # type: ignore[misc]
    hints = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            one = types.SimpleNamespace(__annotations__={name: parameter.annotation})
            try:
                hints[name] = get_type_hints(one, getattr(inspect.unwrap(plain), "__globals__", {}))[name]
            except NameError:
                hints[name] = Any
            if parameter.annotation is parameter.empty:
                hints[name] = Any
    return hints
