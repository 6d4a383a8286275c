"""A second process that compiles some kernels while this one compiles others: the first start of an installation takes
two thirds of the time. Both keep what they compile in numba's cache, where this one finds it.
"""

from __future__ import annotations

import atexit
import subprocess
import sys
import threading

from .parallel import cores

_COMPILE = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name); print(name, flush=True)"


class _SecondCompiler:
    """Compiles the kernels of some modules, in order, once it is started."""

    def __init__(self, modules: tuple[str, ...]) -> None:
        self.waiting = list(modules)
        self.process: subprocess.Popen[str] | None = None
        self.lock = threading.Lock()

    def start(self) -> None:
        if self.process is None and cores() > 1 and sys.executable:
            command = [sys.executable, "-c", _COMPILE, *self.waiting]
            null = subprocess.DEVNULL
            self.process = subprocess.Popen(command, stdin=null, stdout=subprocess.PIPE, stderr=null, text=True)
            atexit.register(self.end)

    def wait_for(self, module: str) -> None:
        with self.lock:
            while self.process is not None and module in self.waiting:
                assert self.process.stdout is not None
                done = self.process.stdout.readline().strip()
                if done in self.waiting:
                    self.waiting.remove(done)
                elif not done:  # it has ended
                    self.waiting.clear()

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()


_second: _SecondCompiler | None = None


def compile_beside(*modules: str) -> None:
    """From the first kernel on that is not in the cache, a second process compiles those of `modules`, in this order.

    For a command's own process, at whose end what it did not need is given up.
    """
    global _second
    _second = _SecondCompiler(modules)


def start() -> None:
    """Starts the process, if one is wanted, and there is a core for it."""
    if _second is not None:
        _second.start()


def wait_for(module: str) -> None:
    """Returns when the kernels of a module are in the cache, or that process will not put them there."""
    if _second is not None:
        _second.wait_for(module)
