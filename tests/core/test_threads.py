"""Thread counts: one inside, what they were outside, in whatever order calls overlap."""

from __future__ import annotations

import threading

import pytest
import torch

from flamecast.core.threads import one_torch_thread


class Caller:
    """A thread that enters, leaves and looks when told."""

    def __init__(self, first_meets_torch_inside: bool) -> None:
        self.todo, self.done = threading.Semaphore(0), threading.Semaphore(0)
        self.counts: list[int] = []
        self.fresh = first_meets_torch_inside
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        if not self.fresh:
            self.step()

    def _run(self) -> None:
        if not self.fresh:
            self._look()
        self.todo.acquire()
        try:
            with one_torch_thread():
                self._look()
                raise KeyError
        except KeyError:
            self._look()

    def _look(self) -> None:
        self.counts.append(torch.get_num_threads())
        self.done.release()
        self.todo.acquire()

    def step(self) -> None:
        self.done.acquire()

    def go(self) -> None:
        self.todo.release()
        self.done.acquire()


def process_count() -> int:
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return seen[0]


@pytest.fixture(autouse=True)
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("order", ["ABAB", "ABBA", "AABB"])
def test_overlapping_calls_restore_every_count(order, fresh):
    """Each letter is a caller's next step: in, then out (by an exception)."""
    callers = {name: Caller(fresh) for name in "AB"}
    for name in callers:
        if not fresh:
            callers[name].todo.release()
    for name in order:
        callers[name].go()
    inside = [caller.counts[-2] for caller in callers.values()]
    outside = [caller.counts[-1] for caller in callers.values()]
    for caller in callers.values():
        caller.todo.release()
        caller.thread.join()
    assert inside == [1, 1] and outside == [3, 3]
    assert torch.get_num_threads() == 3 and process_count() == 3


def test_new_threads_are_capped_as_long_as_one_call_is_inside():
    first, second = Caller(True), Caller(True)
    first.go()
    second.go()
    first.go()  # out
    assert process_count() == 1
    second.go()
    assert process_count() == 3
    for caller in (first, second):
        caller.todo.release()
        caller.thread.join()


def test_nested_calls_and_decorated_functions_and_failures():
    @one_torch_thread()
    def inner() -> int:
        return torch.get_num_threads()

    with pytest.raises(KeyError), one_torch_thread():
        assert inner() == 1 and torch.get_num_threads() == 1 and process_count() == 1
        raise KeyError
    assert torch.get_num_threads() == 3 and process_count() == 3


def test_a_thread_with_a_count_of_its_own_keeps_it():
    seen: list[int] = []

    def work() -> None:
        torch.set_num_threads(2)
        with one_torch_thread():
            pass
        seen.append(torch.get_num_threads())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [2] and process_count() == 2  # what that thread set before it entered
