"""The command line. Exit codes: 0 done, 2 bad input, 3 a missing asset, 130 ended by Ctrl-C, 1 our fault (with a
traceback).

Only typer is imported here: every command imports what it runs.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import warnings
from typing import Annotated, Any, NoReturn

import typer

from ...core.memory import give_memory_back
from .drive import animate, motion
from .evaluate import evaluate
from .learn import prepare, train
from .measure import bench, doctor
from .serve import app as serve_app
from .serve import live
from .show import export, fit, head_sheet, inspect, render

app = typer.Typer(
    name="flamecast",
    help="Animate a portrait photo by words, a video or a parameter sequence.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for _command in (animate, motion, fit, export, render, inspect, live, train, bench, doctor):
    app.command()(_command)
app.add_typer(prepare, name="prepare")
app.add_typer(evaluate, name="evaluate")
app.command(name="head")(head_sheet)
app.command(name="app")(serve_app)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("flamecast"))
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    pass


def main() -> NoReturn:
    """The `flamecast` command."""
    # An exception instead of sudden death lets every open output be dropped.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    _quiet_native_logs()
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # transformers' bars for weights that lie here already
    warnings.filterwarnings("ignore", message="SymbolDatabase.GetPrototype")  # of MediaPipe's, and nobody's to mend
    give_memory_back()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file name may be no text, a terminal no UTF-8
    try:
        code = app(standalone_mode=False)
    except KeyboardInterrupt:
        code = 130
    except Exception as error:  # what the user got wrong is explained, anything else is raised again there
        code = _explain(error)
    sys.exit(code if isinstance(code, int) else 0)


def _quiet_native_logs() -> None:
    """Python keeps the error stream; what C++ libraries report about themselves there is dropped.

    MediaPipe has no other switch for it. FLAMECAST_NATIVE_LOGS=1 lets it through.
    """
    if os.environ.get("FLAMECAST_NATIVE_LOGS"):
        return
    sys.stderr.flush()
    # Line by line, as the error stream is: a progress bar or a traceback must not wait in a buffer.
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 2)
    os.close(silence)


def _explain(error: Exception) -> int:
    """Prints what went wrong and returns the exit code; a fault of ours goes on as a traceback."""
    usage = getattr(error, "format_message", None)  # typer's own errors, whichever parser it carries
    if usage is not None:
        return _say(usage(), 2)
    library = error.__cause__ or error  # a plug-in that lacks one, our own drawing too, cannot be loaded
    if isinstance(library, ImportError) and "shared object file" in str(library):
        install = "on Debian and Ubuntu: apt install libgl1 libglib2.0-0; `flamecast doctor` says more"
        return _say(f"a library of the system is missing ({library}); {install}", 3)
    # Not imported before now: an error of ours exists only when its module is loaded.
    errors: Any = sys.modules.get("flamecast.core.errors")
    if errors is not None and isinstance(error, errors.BadInput):
        return _say(str(error), 2)
    if errors is not None and isinstance(error, errors.MissingAsset):
        return _say(str(error), 3)
    raise error


def _say(sentence: str, code: int) -> int:
    if sentence:
        print(f"flamecast: {sentence}", file=sys.stderr)
    return code
