"""`flamecast doctor`: what is installed, what is missing, and what to do about it."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version

from ..core.extras import how_to_install
from ..core.plugins import DRIVER_OPTIONS, DRIVERS, GENERATOR_OPTIONS, GENERATORS, registered

_SHARED = {"libGL.so.1": "libgl1", "libgthread-2.0.so.0": "libglib2.0-0"}  # library: Debian's package
FOR_DEVELOPERS = ("dev", "test")  # extras
_GROUPS = (
    DRIVERS, DRIVER_OPTIONS, GENERATORS, GENERATOR_OPTIONS,
    "flamecast.rasterizers", "flamecast.heads",
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One line: fine, or what to do."""

    subject: str
    state: str
    advice: str = ""  # what to do; empty when all is well
    fatal: bool = False


def examine() -> Iterator[Finding]:
    """Every finding, in the order a reader wants them."""
    yield _python()
    yield Finding("machine", f"{platform.system()} {platform.machine()}, {cpu_count()} cores")
    yield from _packages()
    yield from _system_libraries()
    yield _codecs()
    yield _accelerator()
    yield _kernel_cache()
    yield from _kept_portraits()
    yield from _plug_ins()


def print_report() -> int:
    """Prints all findings; returns 1 when something is missing that the commands need, else 0."""
    from rich.console import Console
    from rich.markup import escape

    console, broken = Console(highlight=False), False
    for finding in examine():
        mark = "[red]✗[/]" if finding.fatal else "[yellow]![/]" if finding.advice else "[green]✓[/]"
        advice = f"  → {escape(finding.advice)}" if finding.advice else ""
        console.print(f"{mark} {finding.subject:<24} {escape(finding.state)}{advice}", soft_wrap=True)
        broken |= finding.fatal
    return int(broken)


def cpu_count() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _python() -> Finding:
    here = platform.python_version()
    if (3, 10) <= sys.version_info[:2] <= (3, 12):
        return Finding("python", here)
    return Finding("python", here, "use Python 3.10, 3.11 or 3.12", fatal=True)


def _packages() -> Iterator[Finding]:
    yield Finding("flamecast", version("flamecast"))
    for need in requires("flamecast") or ():
        if "extra ==" in need:
            continue
        yield _package(re.split(r"[^\w.-]", need)[0])
    yield from _extras()
    if _installed("torchvision"):
        yield Finding("torchvision", version("torchvision"), "uninstall it: its builds break against the CPU torch")


def _extras() -> Iterator[Finding]:
    """Every extra that a user may want: there, or what it lacks and how to add it; nothing needs one."""
    needs = [need for need in requires("flamecast") or () if "extra ==" in need]
    for extra in metadata("flamecast").get_all("Provides-Extra") or ():
        own = [need for need in needs if re.search(rf"""extra == ["']{extra}["']""", need)]
        names = [re.split(r"[^\w.-]", need)[0] for need in own]
        if extra in FOR_DEVELOPERS or not names:
            continue
        lacks = [name for name in names if not _installed(name)]
        state = f"not installed ({', '.join(lacks)}), and not needed" if lacks else "installed"
        yield Finding(f"extra {extra}", state, how_to_install(extra) if lacks else "")


def _package(name: str) -> Finding:
    if not _installed(name):
        return Finding(name, "missing", f"pip install -c constraints.txt {name}", fatal=True)
    found = version(name)
    if name == "mediapipe" and found != "0.10.21":
        return Finding(name, found, "pip install mediapipe==0.10.21: other wheels hold no face models", fatal=True)
    if name == "numpy" and int(found.split(".")[0]) >= 2:
        return Finding(name, found, "pip install 'numpy<2': mediapipe needs it", fatal=True)
    return Finding(name, found)


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def _system_libraries() -> Iterator[Finding]:
    """The libraries that OpenCV takes from the system, on Linux."""
    if not sys.platform.startswith("linux"):
        return
    for library, package in _SHARED.items():
        try:
            ctypes.CDLL(library)
        except OSError:
            yield Finding(library, "missing", f"apt install {package}", fatal=True)
        else:
            yield Finding(library, "found")


def _codecs() -> Finding:
    try:
        import av
    except ImportError as error:
        return Finding("codecs", f"PyAV does not load: {error}", "pip install -c constraints.txt av", fatal=True)
    missing = [name for name in ("libx264", "aac") if not _can_encode(av, name)]
    if missing:
        return Finding("codecs", f"no {' and '.join(missing)}", "install PyAV's own wheel: pip install av", fatal=True)
    return Finding("codecs", "H.264 and AAC")


def _can_encode(av: object, name: str) -> bool:
    try:
        av.Codec(name, "w")  # type: ignore[attr-defined]
    except ValueError:  # PyAV's "unknown codec" is one
        return False
    return True


def _accelerator() -> Finding:
    try:
        import torch
    except (ImportError, OSError) as error:
        return Finding("torch", f"does not load: {error}", "pip install -c constraints.txt torch", fatal=True)
    if torch.cuda.is_available():
        return Finding("accelerator", torch.cuda.get_device_name(0))
    return Finding("accelerator", "none, and none is needed")


def _kernel_cache() -> Finding:
    """Whether compiled kernels are kept, so that only the first start compiles."""
    try:
        from ..renderer.rasterizers.numba_rasterizer import _rasterize
    except (ImportError, OSError) as error:
        return Finding("compiled kernels", f"do not load: {error}", "pip install -c constraints.txt numba", fatal=True)
    place = _rasterize.stats.cache_path
    if place is None:
        return Finding("compiled kernels", "not kept: every start compiles", "set NUMBA_CACHE_DIR to a folder of yours")
    return Finding("compiled kernels", f"kept in {place}")


def _kept_portraits() -> Iterator[Finding]:
    """How many fitted portraits lie on this disk, and where."""
    try:
        from .portrait_cache import kept_portraits

        folder, count, size = kept_portraits()
    except (ImportError, OSError, RuntimeError):  # what does not load is told of above; without a home there are none
        return
    some = f"{count} ({size / 1e6:.1f} MB) in {folder}; remove the folder to be rid of them"
    yield Finding("fitted portraits kept", some if count else f"none in {folder}")


def _plug_ins() -> Iterator[Finding]:
    """Every registered driver, generator, rasterizer and head, loaded."""
    for group in _GROUPS:
        for point in registered(group).values():
            subject = f"{group.split('.')[1].removesuffix('s').replace('_', ' ')} {point.name}"
            try:
                point.load()
                lack = _lack(group, point.name)
            except Exception as error:  # a plug-in may fail in any way, and is only reported
                yield Finding(subject, f"does not load: {error}", f"reinstall or remove {point.value.split('.')[0]}")
            else:
                yield Finding(subject, "lacks its package, and is not needed" if lack else "loads", lack)


def _lack(group: str, name: str) -> str:
    """How to get what an optional rasterizer lacks; they import their packages only when they are used."""
    if group != "flamecast.rasterizers":
        return ""
    from ..renderer.rasterizers.rasterize import missing

    return missing(name)
