"""`train`: making the models that come with flamecast, or others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    name: Annotated[str, typer.Argument(help="text-motion, text-emotion or text-evaluator.", show_default=False)],
    changes: Annotated[list[str] | None, typer.Argument(help="Changes of its preset, key=value.")] = None,
    config: Annotated[Path | None, typer.Option(help="A YAML file instead of the preset.")] = None,
) -> None:
    """Train a model by NAME, with key=value changes of its preset. A stopped run goes on from its checkpoint."""
    from ..train import train as run
    from .memory import keep_memory

    keep_memory()
    for file in run(name, changes or [], config):
        typer.echo(file)
