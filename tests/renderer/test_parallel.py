"""Kernels in a pool: every range once, nothing waits for itself, callers do not disturb each other."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from skimage.data import astronaut

from flamecast.core.parallel import read_ahead, split
from flamecast.flame_motion.edit import apply_edit
from flamecast.generator import Portrait
from flamecast.generator.warp import WarpGenerator
from flamecast.renderer import flow_encoding, pinhole, render_maps, surface_field


@pytest.mark.parametrize("count", [0, 1, 7, 8])
@pytest.mark.parametrize("pieces", [None, 1, 3, 100])
def test_every_item_is_in_one_range(count: int, pieces: int | None) -> None:
    done: list[int] = []
    split(lambda start, stop: done.extend(range(start, stop)), count, pieces=pieces)
    assert sorted(done) == list(range(count))


def test_split_within_split_does_not_wait_for_itself(with_cores) -> None:
    """More jobs than workers, all of which split again; before, they waited for workers that were themselves."""
    with_cores(2)
    done: list[tuple[int, int]] = []

    def inner(start: int, stop: int, outer: int) -> None:
        done.extend((outer, n) for n in range(start, stop))

    def outer(start: int, stop: int) -> None:
        for n in range(start, stop):
            split(inner, 4, n, pieces=4)

    asking = threading.Thread(target=split, args=(outer, 8), kwargs={"pieces": 8}, daemon=True)
    asking.start()
    asking.join(timeout=20)
    assert not asking.is_alive() and sorted(done) == [(a, b) for a in range(8) for b in range(4)]


def test_an_error_of_a_worker_reaches_the_caller() -> None:
    def fails(start: int, stop: int) -> None:
        if start > 0:
            raise OverflowError(start)

    with pytest.raises(OverflowError):
        split(fails, 4, pieces=4)


def test_two_callers_at_once_get_what_each_gets_alone(sphere, rotation) -> None:
    """Two motions in two threads, rendered and encoded through the one pool, to the last bit."""
    mesh, camera = sphere(3), pinhole(64, 64, focal=130.0, distance=0.6)

    def render(degrees: float) -> list[torch.Tensor]:
        frames = []
        for frame in range(6):
            target = mesh.moved(rotation((0.0, 0.6, 0.8), degrees * frame), torch.zeros(3)).vertices
            maps = render_maps(target[None], mesh, camera, source_vertices=mesh.vertices, source_cameras=camera)
            field = surface_field(target, mesh.vertices, mesh.faces)
            assert maps.depth is not None and maps.normal is not None and maps.flow is not None
            encoding = flow_encoding(maps.depth, [field], camera, near=0.4, far=0.9, samples=6)
            frames += [maps.depth, maps.normal, maps.flow, encoding]
        return frames

    alone = [render(degrees) for degrees in (4.0, -7.0)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(render, (4.0, -7.0)))
    for one, other in zip(alone, together, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_warp_does_not_depend_on_the_number_of_cores(with_cores) -> None:
    portrait = Portrait.fit(astronaut()).resized(96, 96)
    motion = apply_edit(portrait.pose, "yaw=20deg,pitch=8deg,jawOpen=0.5")
    found = []
    for count in (1, 2, 16):
        with_cores(count)
        found.append(list(WarpGenerator()(portrait, motion)))
    assert all((a == b).all() for other in found[1:] for a, b in zip(found[0], other, strict=True))


def test_what_is_read_ahead_comes_in_order_bounded_and_with_its_error() -> None:
    begun = []

    def items():
        for number in range(100):
            begun.append(number)
            if number == 50:
                raise ValueError("item 50")
            yield number

    reading = read_ahead(items(), count=3)
    for expected in range(50):
        assert next(reading) == expected
        assert len(begun) <= expected + 1 + 3
    with pytest.raises(ValueError, match="item 50"):
        next(reading)
    assert list(read_ahead([])) == [] and list(read_ahead(range(2), count=5)) == [0, 1]


def test_what_is_not_taken_to_its_end_is_not_read_to_its_end() -> None:
    closed = []

    def items():
        try:
            while True:
                yield threading.get_ident()
        finally:
            closed.append(True)

    reading = read_ahead(items())
    assert next(reading) != threading.get_ident()
    reading.close()
    del reading
    gc.collect()
    assert closed and not any(thread.name.startswith("flamecast-reading") for thread in threading.enumerate())
