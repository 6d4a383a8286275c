"""The strict loader of presets: a YAML file's keys and values are held against the signature that they feed."""

from __future__ import annotations

import inspect
import os
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

FOLDER = Path(__file__).parent
LARGEST = 1 << 20  # bytes of a preset
Target = Callable[..., Any] | Mapping[str, Callable[..., Any]]


def load_config(name_or_path: str | os.PathLike[str], target: Target, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The options of a preset, by its name here or as a file, changed by `key=value` overrides.

    target: what the options are for, a function or a class whose parameters are the keys; or several by name, and then
    the file has a section each (`section.key=value` in overrides). Lists become tuples, whole numbers floats, where the
    signature says so; what the file leaves out is not in the result. The file is only data: no tags that make objects,
    no `${resolver:...}`; `${key}` stands for another value.
    Raises ValueError, one sentence with everything that is wrong: unknown keys with the known ones, values of a wrong
    type with what was expected and what came.
    """
    path = _preset(name_or_path)
    given = _merged(path, overrides)
    sections = {"": target} if callable(target) else dict(target)
    content = {"": given} if callable(target) else given
    errors = [] if callable(target) else _unknown(given, list(sections), "")
    result: dict[str, dict[str, Any]] = {}
    for name, function in sections.items():
        values, prefix = content.get(name, {}), f"{name}." if name else ""
        if isinstance(values, dict):
            result[name], wrong = _checked(values, function, prefix)
            errors += wrong
        else:
            errors.append(f"{name}: expected a section of keys, got {values!r}")
    if errors:
        raise ValueError(f"{path}: {'; '.join(errors)}")
    return result[""] if callable(target) else result


def presets() -> list[str]:
    """The names of the presets that come with flamecast."""
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


def _preset(name_or_path: str | os.PathLike[str]) -> Path:
    """The file of a preset; a word without an ending or a folder is one that comes with flamecast."""
    text = os.fspath(name_or_path)
    path = FOLDER / f"{text}.yaml" if text in presets() else Path(text)
    if not path.is_file():
        raise ValueError(f"config {text!r}: there is no such file or preset; the presets are {', '.join(presets())}")
    if path.stat().st_size > LARGEST:
        raise ValueError(f"config {path}: expected at most {LARGEST >> 10} KiB, got {path.stat().st_size >> 10}")
    return path


def _merged(path: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """What the file and then the overrides say, as plain values. ValueError where either cannot be read."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError  # type: ignore[import-untyped]

    if plain := [text for text in overrides if "=" not in text]:
        raise ValueError(f"override {plain[0]!r}: expected key=value")
    try:
        said = OmegaConf.create(path.read_text(encoding="utf-8"))
        if not OmegaConf.is_dict(said):
            raise ValueError("expected keys and values")
        whole = OmegaConf.merge(said, OmegaConf.from_dotlist(list(overrides)))
        _refuse_resolvers(OmegaConf.to_container(whole, resolve=False))
        return OmegaConf.to_container(whole, resolve=True)  # type: ignore[return-value]
    except (OSError, ValueError, YAMLError, OmegaConfBaseException) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path}: expected a YAML file of keys and values, and it is none ({reason})") from error


def _refuse_resolvers(value: Any) -> None:
    """ValueError where a text would be computed from more than the file: `${oc.env:HOME}`."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        for part in value:
            _refuse_resolvers(part)
    elif isinstance(value, str) and any(":" in part for part in value.split("${")[1:]):
        raise ValueError(f"{value!r}: only ${{key}} is allowed")


def _checked(values: dict[str, Any], function: Callable[..., Any], prefix: str) -> tuple[dict[str, Any], list[str]]:
    """The values as the function's parameters want them, and a sentence for each that does not fit."""
    hints = _parameters(function)
    errors, result = _unknown(values, list(hints), prefix), {}
    for key, value in values.items():
        if key in hints:
            try:
                result[key] = _fitted(value, hints[key])
            except TypeError:
                errors.append(f"{prefix}{key}: expected {_spelled(hints[key])}, got {value!r}")
    return result, errors


def _unknown(values: dict[str, Any], known: list[str], prefix: str) -> list[str]:
    """A sentence for the keys that nothing takes."""
    strange = [f"{prefix}{key}" for key in values if key not in known]
    return [f"unknown {', '.join(strange)}, known are {', '.join(known)}"] if strange else []


def _parameters(function: Callable[..., Any]) -> dict[str, Any]:
    """The type of each named parameter; Any where the signature says none, or one that only a type checker knows."""
    plain: Any = function.__init__ if inspect.isclass(function) else function  # type: ignore[misc]
    hints = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            one = types.SimpleNamespace(__annotations__={name: parameter.annotation})
            try:
                hints[name] = get_type_hints(one, plain.__globals__)[name]
            except NameError:
                hints[name] = Any
            if parameter.annotation is parameter.empty:
                hints[name] = Any
    return hints


def _fitted(value: Any, kind: Any) -> Any:
    """A value of YAML as one of that type. TypeError where it is none."""
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Any or (value is None and kind in (None, type(None))):
        return value
    if origin in (Union, types.UnionType):
        return _first_fitted(value, parts)
    if origin is Literal and any(value == part and type(value) is type(part) for part in parts):
        return value
    if kind in (bool, str, int) and type(value) is kind:
        return value
    if kind is float and type(value) in (int, float):
        return float(value)
    if inspect.isclass(origin or kind) and issubclass(origin or kind, os.PathLike) and isinstance(value, str):
        return value
    if isinstance(value, list) and (origin or kind) is tuple:
        kinds = parts if parts and parts[-1] is not ... else (parts[:1] or (Any,)) * len(value)
        if len(kinds) == len(value):
            return tuple(_fitted(part, each) for part, each in zip(value, kinds))
    elif isinstance(value, list) and (origin or kind) in (list, Sequence):
        return [_fitted(part, *(parts or (Any,))) for part in value]
    elif isinstance(value, dict) and (origin or kind) in (dict, Mapping):
        return {_fitted(k, (parts or (Any, Any))[0]): _fitted(v, (parts or (Any, Any))[1]) for k, v in value.items()}
    raise TypeError


def _first_fitted(value: Any, kinds: tuple[Any, ...]) -> Any:
    """A value as the first of several types that takes it; an exact one first, so that 1 stays whole in int | float."""
    for kind in sorted(kinds, key=lambda kind: type(value) is not kind):
        try:
            return _fitted(value, kind)
        except TypeError:
            continue
    raise TypeError


def _spelled(kind: Any) -> str:
    """A type as a signature spells it."""
    if get_origin(kind) in (Union, types.UnionType):
        return " | ".join(_spelled(part) for part in get_args(kind))
    if kind is type(None):
        return "None"
    if get_origin(kind) is Literal:
        return " or ".join(map(repr, get_args(kind)))
    return kind.__name__ if inspect.isclass(kind) and not get_args(kind) else str(kind)
