"""A pipeline as a folder: `model_index.json`, and a folder a component, as diffusers lays it out."""

from __future__ import annotations

import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..core.files import atomic_path
from ..flame_motion import BadInput

INDEX, CONFIG = "model_index.json", "config.json"
CLASS = "AnimatePipeline"


def write_pipeline(folder: Path, head: str, generator: tuple[str, dict], drivers: dict[str, dict], parts: dict) -> None:
    """Writes what `read_pipeline` reads.

    generator: name and options; drivers: options by name. parts: what is loaded, by component; one that has a
    `save_pretrained(folder)` of its own (a trained network) writes itself into its folder, too. BadInput where nothing
    can be written.
    """
    components: dict[str, dict[str, Any]] = {
        "head": {"name": head},
        "generator": {"name": generator[0], "options": generator[1]},
        **{f"driver_{name}": {"name": name, "options": options} for name, options in drivers.items()},
    }
    for component, config in components.items():
        _write(folder / component / CONFIG, config)
        save = getattr(parts.get(component), "save_pretrained", None)
        if save is not None:
            save(folder / component)
    _write(
        folder / INDEX, {"_class_name": CLASS, "_flamecast_version": version("flamecast"), **{c: c for c in components}}
    )


def read_pipeline(folder: Path) -> dict[str, Any]:
    """What `AnimatePipeline` is made with: head, generator, generator_options, driver_options. BadInput."""
    index = _read(folder / INDEX, f"{folder} holds no pipeline")
    components = [name for name in index if not name.startswith("_")]
    if index.get("_class_name") != CLASS or not {"head", "generator"} <= set(components):
        raise BadInput(f"{folder / INDEX} must name a {CLASS} with a head and a generator, got {index}")
    if any(Path(name).name != name for name in components):
        raise BadInput(f"{folder / INDEX}: components are folders beside it, got {components}")
    configs = {name: _read(folder / name / CONFIG, f"{folder} is not whole") for name in components}
    for name, config in configs.items():
        known = {"name"} if name == "head" else {"name", "options"}
        if (
            set(config) != known
            or not isinstance(config["name"], str)
            or not isinstance(config.get("options", {}), dict)
        ):
            raise BadInput(f"{folder / name / CONFIG} must hold {sorted(known)}, got {config}")
    return {
        "head": configs["head"]["name"],
        "generator": configs["generator"]["name"],
        "generator_options": configs["generator"]["options"],
        "driver_options": {c["name"]: c["options"] for name, c in configs.items() if name.startswith("driver_")},
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(content, indent=2, default=_plain)
    except (OSError, TypeError) as error:
        raise BadInput(f"the pipeline cannot be written to {path}: {error}") from error
    with atomic_path(path) as hidden:
        Path(hidden).write_text(text + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(
        f"an option of a saved pipeline must be text, a number, a list or a path, got {type(value).__name__}"
    )


def _read(path: Path, sentence: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{sentence}: {path.name} was expected there ({error})") from error
    if not isinstance(content, dict):
        raise BadInput(f"{path} must hold one JSON object, got {type(content).__name__}")
    return content
