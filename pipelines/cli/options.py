"""The fields of a request as options of commands; and the few options that belong to commands alone."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, Optional

import typer

from ...core.options import Option, options_of
from ...core.plugins import DRIVERS
from ..request import Batch, Components, all_options, driver_of

Photo = Annotated[str, typer.Argument(help="A photo of a face, or `demo`.", show_default=False)]
Rasterizer = Annotated[str, typer.Option(help="What finds the seen triangles; `flamecast doctor` lists them.")]
DriverOption = Annotated[
    list[str] | None, typer.Option(help="An option of the driver, name=value. Give it again for one more.")
]
GeneratorOption = Annotated[
    list[str] | None, typer.Option(help="An option of the generator, name=value. Give it again for one more.")
]
NoCache = Annotated[
    bool, typer.Option("--no-cache", help="Fit the photo anew and keep no fitted portrait of it on this machine.")
]


def with_options(
    *names: str, fields: dict[str, Option] | None = None, **changed: Any
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command whose function ends in `**options` these options of requests and pipelines, with their help.

    fields: the options that the names are of, where it is no request. changed: a default, or an Option, of this
    command's own by name.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        known = options_of(Components) | options_of(Batch) | all_options() if fields is None else fields
        own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.kind != p.VAR_KEYWORD]
        made = [_parameter(name, known[name], changed) for name in names]
        first = [p for p in own if p.name in ("context", "photo", "source", "output") or p.default is p.empty]
        last = [p for p in own if p not in first]
        order = [p.replace(kind=p.KEYWORD_ONLY) for p in (*first, *made, *last)]
        command.__signature__ = inspect.Signature(order)  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in order}
        return command

    return decorate


def _parameter(name: str, field: Option, changed: dict[str, Any]) -> inspect.Parameter:
    """An option as typer takes it; a default of None may be left out."""
    default, help = field.default, field.help_text
    if isinstance(changed.get(name), Option):
        default, help = changed[name].default, changed[name].help_text
    elif name in changed:
        default = changed[name]
    kind: Any = field.plain_type
    if field.is_file and name not in ("video", "speech", "listen", "keyframes", "sign_cert", "sign_key"):
        kind = str  # a file, or `demo`
    if field.repeated is not None:
        kind, help = list[str], f"{help} Give it again for one more."
    typed: Any = Optional[kind] if default is None else kind  # noqa: UP045
    flag = [f"--{name.replace('_', '-')}"] if kind is bool else []  # and no --no-…
    annotation: Any = Annotated[typed, typer.Option(*flag, help=help)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def joined(options: dict[str, Any], fields: dict[str, Option] | None = None) -> dict[str, Any]:
    """Options as Python takes them: those that may be given again, joined; those that were not given, left out."""
    fields = all_options() if fields is None else fields
    for name, value in options.items():
        if isinstance(value, list):
            repeated = fields[name].repeated
            options[name] = repeated.join(value) if value and repeated is not None else None
    return {name: value for name, value in options.items() if value is not None}


def use_config(context: typer.Context, given: str | None) -> None:
    """A preset's values become the defaults of this call: what is given on the command line wins."""
    if given is None:
        return
    from ...configs.load import load_config
    from ...core.errors import BadInput

    fields = all_options()
    try:
        found = load_config(given, preset_target())
    except ValueError as error:
        raise BadInput(str(error)) from error
    listed = {name: [value] if fields[name].repeated is not None else value for name, value in found.items()}
    context.default_map = {**(context.default_map or {}), **listed}


def preset_target() -> Callable[..., Any]:
    """What a preset's keys and values are held against: every option but photo and output."""

    def target(**options: Any) -> None: ...

    fields = {name: field for name, field in all_options().items() if name not in ("photo", "output")}
    target.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type)
            for name, field in fields.items()
        ]
    )
    return target


Config = Annotated[
    str | None,
    typer.Option(
        callback=use_config, is_eager=True, help="A preset by name (portrait_closeup), or a YAML file of options."
    ),
]


def run_batch(context: typer.Context, command: str, options: dict[str, Any]) -> bool:
    """Takes the batch's own options out of a command's, and does the file of jobs, if there is one: whether it did.

    Exit code 2 where some failed, 1 where one did by a fault of ours.
    """
    jobs = Batch(**{name: options.pop(name) for name in options_of(Batch)})
    if jobs.batch is None:
        return False
    beside = [
        name
        for name in context.params
        if name not in (*options_of(Batch), "no_cache") and context.get_parameter_source(name).name == "COMMANDLINE"  # type: ignore[union-attr]
    ]
    if beside:
        raise typer.BadParameter(f"with --batch, {', '.join(beside)} stands in the lines of the file")
    from ..batch import run_batch as run
    from ..console import show, watched

    with watched() as progress:
        done = run(jobs.batch, command, workers=jobs.workers, ray=jobs.ray, progress=progress)
    show(done)
    if done.problems:
        raise typer.Exit(1 if done.faults else 2)
    return True


def constructor_options(group: str, name: str, texts: list[str] | None) -> dict[str, Any]:
    """`name=value` texts as options of the plug-in `name`. BadInput, with those it has, for one that it has not."""
    if not texts:
        return {}
    from ...core.plugins import kind_of, load_plugin, options_from_text

    return options_from_text(load_plugin(group, name), texts, f"{kind_of(group)} {name}")


def options_of_driver(options: dict[str, Any], texts: list[str] | None) -> dict[str, dict[str, Any]]:
    """What the driver that these options use is made with, by its name."""
    if not texts:
        return {}
    name = driver_of(options)
    if name is None:
        raise typer.BadParameter("--driver-option goes with --driver, --video, --speech, --say or --text")
    return {name: constructor_options(DRIVERS, name, texts)}
