"""Many jobs from one file: each line the options of a command as JSON; what is done is not done again."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..core.files import PathLike, check_writable, decoded, existing_file, lines_of
from ..core.report import Done
from ..core.spread import spread
from ..core.values import coerce, parameter_types, type_name
from ..flame_motion import BadInput, MissingAsset, Progress
from .request import Components

COMMANDS = ("animate", "motion", "evaluate")


@dataclass(frozen=True)
class BatchDone(Done):
    """What a batch made."""

    faults: int = 0  # how many jobs failed by a fault of ours; their tracebacks went to the error stream


def run_batch(
    file: PathLike, command: str = "animate", *, workers: int = 1, ray: str | None = None,
    progress: Progress | None = None,
) -> BatchDone:  # fmt: skip
    """Does every job of FILE, a JSON object a line: a command's options by their Python names, `output` among them.

    A job may name another `command` than the others. A job that fails does so alone: its line and sentence are in
    `problems`. FILE.done lists what is done by content (options, and the bytes of the files that they name); started
    again, those jobs are skipped while their outputs are there. A job whose files were saved while it ran is said to
    be doubtful, and is done again then. workers: processes, each with models of its own, loaded once; ray: a cluster
    instead (`spread`). Raises BadInput for a file that is none, and for two jobs with one output.
    """
    path = existing_file(file, "the batch")
    ledger = path.with_name(path.name + ".done")
    jobs, problems = _read(path, command)
    check_writable(ledger)
    done = _read_ledger(ledger)
    waiting = {line: job for line, job in jobs.items() if not _is_done(job, done.get(_key(job)))}
    lines = list(waiting)
    made = [done[_key(job)] for line, job in jobs.items() if line not in waiting]
    faults = 0
    answers = spread(_do, list(waiting.values()), workers=workers, ray=ray)
    for count, (number, answer) in enumerate(answers, len(jobs) - len(waiting) + 1):
        if answer is None:
            answer = {"error": "its process died, again and again"}
        if "fault" in answer:
            faults += 1
            print(answer["fault"], end="", file=sys.stderr)
        if "error" in answer:
            problems[lines[number]] = answer["error"]
        if "files" in answer:
            made.append(answer["files"])
        if "key" in answer:
            _note(ledger, {"key": answer["key"], "files": answer["files"]})
        if progress is not None:
            progress("batch", count, len(jobs))
    notes = [f"line {line}: {sentence}" for line, sentence in sorted(problems.items())]
    return BatchDone([Path(name) for names in made for name in names], notes, faults)


def _note(ledger: Path, entry: dict[str, Any]) -> None:
    """Adds a job to those that are done; once it is written there it stays, whatever dies."""
    with ledger.open("ab+") as log:
        if log.tell():
            log.seek(-1, os.SEEK_END)
            if log.read() != b"\n":  # a crash cut the last line off
                log.write(b"\n")
        log.write(json.dumps(entry).encode() + b"\n")
        log.flush()
        os.fsync(log.fileno())


def _read(path: Path, command: str) -> tuple[dict[int, dict[str, Any]], dict[int, str]]:
    """Jobs, and what is wrong with others, by line."""
    jobs: dict[int, dict[str, Any]] = {}
    problems: dict[int, str] = {}
    writers: dict[str, int] = {}
    try:
        content = decoded(path.read_bytes())
    except UnicodeDecodeError as error:
        raise BadInput(f"the batch {path} is no text (UTF-8): expected a JSON object of options a line") from error
    for line, text in enumerate(lines_of(content), 1):
        if not text.strip():
            continue
        try:
            given = json.loads(text)
            if not isinstance(given, dict):
                raise ValueError("not an object")
        except (ValueError, RecursionError) as error:
            problems[line] = f"expected a JSON object of options ({error})"
            continue
        job = {"command": command, **given}
        output = job.get("output")
        if job["command"] not in COMMANDS:
            problems[line] = f"command {job['command']!r}: known are {', '.join(COMMANDS)}"
        elif not isinstance(output, str) or not output:
            problems[line] = "expected an output: the file to write"
        else:
            try:
                files = _written(job)
            except ValueError as error:  # BadInput among them, or a name that no file can have
                problems[line] = str(error)
                continue
            for file in files:
                place = str(file.absolute())
                if place in writers:
                    raise BadInput(f"{path}: lines {writers[place]} and {line} both write {file}; name one otherwise")
                writers[place] = line
            jobs[line] = job
    return jobs, problems


def _written(job: dict[str, Any]) -> list[Path]:
    """What a job writes: a video a view, and the report. ValueError for views that cannot be understood."""
    from .views import view_targets

    output, views, camera = Path(job["output"]), job.get("views"), job.get("camera")
    by_view = job["command"] == "animate" and all(isinstance(each, (str, type(None))) for each in (views, camera))
    videos = view_targets(output, views, camera) if by_view else [output]
    return list(dict.fromkeys((*videos, output.with_suffix(".json"))))


def _key(job: dict[str, Any]) -> str:
    """A job by its content: its options, and the files that they name."""
    digest = hashlib.sha256(json.dumps(job, sort_keys=True).encode())
    for name in sorted(_files_of(job)):
        digest.update(_content(name, os.stat(name).st_mtime_ns, os.stat(name).st_size))
    return digest.hexdigest()[:24]


def _files_of(job: dict[str, Any]) -> Iterable[str]:
    """What the options of a job name and is a file, in lists of files, edits and mixes too."""
    for name, value in job.items():
        for text in value if isinstance(value, list) else [value]:
            if name != "output" and isinstance(text, str):
                pieces = [text, *(piece.rpartition("=")[2].strip() for piece in text.replace(";", ",").split(","))]
                yield from {piece for piece in pieces if piece and len(piece) < 4096 and os.path.isfile(piece)}


@lru_cache(maxsize=4096)
def _content(path: str, changed: int, size: int) -> bytes:
    return hashlib.sha256(Path(path).read_bytes()).digest()


def _read_ledger(path: Path) -> dict[str, list[str]]:
    """Files by the key of the job that made them; a line that a crash cut off is none."""
    found = {}
    for text in lines_of(path.read_text(encoding="utf-8")) if path.is_file() else ():
        try:
            entry = json.loads(text)
            found[entry["key"]] = [str(name) for name in entry["files"]]
        except (ValueError, KeyError, TypeError):
            continue
    return found


def _is_done(job: dict[str, Any], files: list[str] | None) -> bool:
    return files is not None and all(os.path.isfile(name) for name in files)


def _do(job: dict[str, Any]) -> dict[str, Any]:
    """Does a job: its `files` and the `key` of what it read, an `error` in a sentence, the traceback of a `fault`."""
    options = dict(job)
    command = options.pop("command")
    try:
        before = _key(job)
        made = {"animate": _animate, "motion": _motion, "evaluate": _evaluate}[command](options)
        files = [str(file) for file in made]
        if _key(job) != before:
            sentence = "a file that it reads was saved while it ran, so its output is doubtful: start the batch again"
            return {"files": files, "error": sentence}
    except (BadInput, MissingAsset) as error:
        return {"error": str(error)}
    except Exception as error:  # the others shall be done all the same
        message = " ".join(str(error).split())[:200]
        sentence = f"a fault of flamecast's, please report it ({type(error).__name__}: {message})"
        return {"error": sentence, "fault": traceback.format_exc()}
    return {"files": files, "key": before}


def _animate(options: dict[str, Any]) -> list[Path]:
    photo = options.pop("photo", None)
    if photo is None:
        raise BadInput("expected a photo: a file, or demo")
    if "progress" in options:
        raise BadInput("there is no option progress")
    parts = {each.name: options.pop(each.name) for each in fields(Components) if each.name in options}
    return _pipeline(json.dumps(parts, sort_keys=True))(photo, **options).files


@lru_cache(maxsize=4)
def _pipeline(parts: str) -> Any:
    """A pipeline by its parts, loaded once in each process."""
    from .animate import AnimatePipeline

    return AnimatePipeline(**json.loads(parts))


def _motion(options: dict[str, Any]) -> list[Path]:
    from .motion import write_motion

    return _called(write_motion, options).files


def _evaluate(options: dict[str, Any]) -> list[Path]:
    """An evaluation by its name, `what`, its JSON written to the output."""
    from ..core.report import write_report
    from . import evaluate

    output, what = Path(options.pop("output")), options.pop("what", None)
    known = [name.removeprefix("evaluate_") for name in evaluate.__all__]
    if what not in known:
        raise BadInput(f"evaluate {what!r}: known are {', '.join(known)}")
    for name in ("photos", "heads", "clips"):
        if isinstance(options.get(name), str):
            options[name] = [options[name]]
    write_report(output, _called(getattr(evaluate, f"evaluate_{what}"), options))
    return [output]


def _called(function: Any, options: dict[str, Any]) -> Any:
    """A function with options that it has, as its signature wants them. BadInput names others."""
    parameters = inspect.signature(function).parameters
    known = [name for name, each in parameters.items() if name != "progress" and each.kind is not each.VAR_KEYWORD]
    takes_more = any(each.kind is each.VAR_KEYWORD for each in parameters.values())  # and looks at them itself
    if unknown := sorted(name for name in options if name == "progress" or not (takes_more or name in known)):
        raise BadInput(f"there is no option {', '.join(unknown)}; known are: {', '.join(known)}")
    needed = [name for name in known if parameters[name].default is inspect.Parameter.empty]
    if missing := [name for name in needed if name not in options]:
        raise BadInput(f"expected {' and '.join(missing)}, too; known are: {', '.join(known)}")
    given = dict(options)
    for name, kind in parameter_types(function).items():
        if name in given:
            try:
                given[name] = coerce(given[name], kind)
            except TypeError:
                raise BadInput(f"{name} must be {type_name(kind)}, got {given[name]!r}") from None
    return function(**given)
