"""Torch's thread count is one while a call wants it, and back afterwards, however calls overlap."""

from __future__ import annotations

import threading

import pytest
import torch

from flamecast.flame_motion.threads import one_torch_thread


@pytest.fixture(autouse=True)
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_nested_calls_and_failures_give_the_count_back():
    with pytest.raises(RuntimeError), one_torch_thread():
        with one_torch_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 1
        raise RuntimeError
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize("first_out", ["first in", "second in"])
def test_calls_that_overlap_give_the_count_back_in_either_order(first_out):
    entered, leave = (threading.Event(), threading.Event()), (threading.Event(), threading.Event())
    counts: dict[str, int] = {}

    def work(k: int) -> None:
        with one_torch_thread():
            entered[k].set()
            leave[k].wait(10)
            counts[f"inside {k}"] = torch.get_num_threads()
        counts[f"after {k}"] = torch.get_num_threads()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(2)]
    for k in range(2):
        threads[k].start()
        assert entered[k].wait(10)
    for k in (0, 1) if first_out == "first in" else (1, 0):
        leave[k].set()
        threads[k].join()
    assert counts == {"inside 0": 1, "inside 1": 1, "after 0": 3, "after 1": 3}
    later = threading.Thread(target=lambda: counts.update(later=torch.get_num_threads()))
    later.start()
    later.join()
    assert counts["later"] == torch.get_num_threads() == 3
