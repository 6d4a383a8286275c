"""One call for many items: one after the other here, in several processes, or on a Ray cluster."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from .errors import BadInput
from .extras import how_to_install
from .memory import give_memory_back

TRIES = 3  # processes that an item may lose before it is taken to be what kills them


def spread(
    call: Callable[[Any], dict[str, Any]], items: Sequence[Any], *, workers: int = 1, ray: str | None = None
) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Yields each item's number and answer, in the order they finish; None for one whose process died TRIES times.

    Calls and items are pickled, answers are JSON, where they go between processes. ray: a cluster's address, or `local`
    for one on this machine; Ray Data distributes the items and repeats those of a lost worker. Raises BadInput where
    Ray is not installed or no cluster answers.
    """
    if ray is not None:
        yield from _by_ray(call, items, ray)
    elif workers > 1 and len(items) > 1:
        yield from _by_processes(call, items, workers)
    else:
        yield from ((number, call(item)) for number, item in enumerate(items))


def _by_processes(
    call: Callable[[Any], dict[str, Any]], items: Sequence[Any], workers: int
) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Each worker is a pool of its own: when its process dies, its item alone is tried again, at the end."""
    context = multiprocessing.get_context("spawn")
    pools: list[ProcessPoolExecutor | None] = [None] * min(workers, len(items))
    waiting, deaths = deque(range(len(items))), [0] * len(items)
    running: dict[Future[dict[str, Any]], tuple[int, int]] = {}  # number and worker
    free = list(range(len(pools)))
    try:
        while waiting or running:
            while waiting and free:
                number, worker = waiting.popleft(), free.pop()
                pool = pools[worker] or ProcessPoolExecutor(1, mp_context=context, initializer=_begin)
                pools[worker] = pool
                running[pool.submit(call, items[number])] = number, worker
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                number, worker = running.pop(future)
                free.append(worker)
                try:
                    yield number, future.result()
                except BrokenProcessPool:
                    pools[worker] = None
                    deaths[number] += 1
                    if deaths[number] < TRIES:
                        waiting.append(number)
                    else:
                        yield number, None
    finally:
        for each in pools:
            if each is not None:
                each.shutdown(cancel_futures=True)


def _begin() -> None:
    """Gives memory back, and ends this process as soon as its parent is gone, killed perhaps: nothing would take its
    answer."""
    give_memory_back()
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait_for_it() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait_for_it, name="parent", daemon=True).start()


def _by_ray(
    call: Callable[[Any], dict[str, Any]], items: Sequence[Any], address: str
) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        import ray
    except ImportError:
        raise BadInput(f"--ray needs more: {how_to_install('scale')}") from None
    if not items:
        return
    if not ray.is_initialized():
        try:
            ray.init(None if address == "local" else address, log_to_driver=False, include_dashboard=False)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise BadInput(f"--ray {address}: no cluster answers there ({str(error)[:80]})") from None

    here = os.getcwd()

    def answer(row: dict[str, Any]) -> dict[str, Any]:
        if os.path.isdir(here):  # a cluster's machines stand elsewhere, and names of files count from here
            os.chdir(here)
        return {"item": row["item"], "answer": json.dumps(call(items[row["item"]]))}

    done = ray.data.from_items(list(range(len(items))), override_num_blocks=len(items)).map(answer)
    yield from ((row["item"], json.loads(row["answer"])) for row in done.iter_rows())
