"""The strict loader of presets: a YAML file's keys and values are held against the signature that they feed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.files import decoded
from ..core.values import coerce, parameter_types, type_name

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
        content = OmegaConf.create(decoded(path.read_bytes()))
        if not OmegaConf.is_dict(content):
            raise ValueError("expected keys and values")
        whole = OmegaConf.merge(content, OmegaConf.from_dotlist(list(overrides)))
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
    hints = parameter_types(function)
    errors, result = _unknown(values, list(hints), prefix), {}
    for key, value in values.items():
        if key in hints:
            try:
                result[key] = coerce(value, hints[key])
            except TypeError:
                errors.append(f"{prefix}{key}: expected {type_name(hints[key])}, got {value!r}")
    return result, errors


def _unknown(values: dict[str, Any], known: list[str], prefix: str) -> list[str]:
    """A sentence for the keys that nothing takes."""
    strange = [f"{prefix}{key}" for key in values if key not in known]
    return [f"unknown {', '.join(strange)}, known are {', '.join(known)}"] if strange else []
