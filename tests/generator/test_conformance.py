"""What every generator promises, for each one that is registered."""

from __future__ import annotations

from importlib.metadata import entry_points

import numpy as np
import pytest

from flamecast.flame_motion import BadInput
from flamecast.flame_motion.edit import demo_motion
from flamecast.flame_motion.retargeting.transfer import drive
from flamecast.generator import Portrait, load_generator
from flamecast.renderer.cameras.paths import place_cameras

GENERATORS = sorted(point.name for point in entry_points(group="flamecast.generators"))


@pytest.fixture(scope="module")
def small(portrait) -> Portrait:
    return portrait.resized(64, 64)


def test_there_is_a_generator():
    assert "warp" in GENERATORS


@pytest.mark.parametrize("name", GENERATORS)
def test_one_picture_a_frame_and_view_the_same_for_the_same_seed_and_progress_told(name, small):
    motion = drive(small.pose, demo_motion(small.pose.head)[:5])
    cameras = place_cameras(small.camera, small.vertices()[0].mean(0), 5, camera=None, views="-10,10", fps=25.0)
    told: list[tuple[str, int, int]] = []
    generate = load_generator(name)
    frames = list(generate(small, motion, cameras, seed=3, progress=lambda *step: told.append(step)))
    assert len(frames) == 5 and all(f.shape == (2, 64, 64, 3) and f.dtype == np.uint8 for f in frames)
    assert [step for step in told if step[0] == "generate"][-1] == ("generate", 5, 5)
    again = list(load_generator(name)(small, motion, cameras, seed=3))
    assert all(np.array_equal(a, b) for a, b in zip(frames, again, strict=True))


@pytest.mark.parametrize("name", GENERATORS)
def test_what_is_not_taken_is_not_made_and_leaves_no_thread(name, small):
    import threading

    before = threading.active_count()
    stream = load_generator(name)(small, drive(small.pose, demo_motion(small.pose.head)[:40]))
    next(iter(stream))
    stream.close()
    alive = [thread.name for thread in threading.enumerate() if "ahead" in thread.name]
    assert not alive, (before, alive)


def test_a_rasterizer_that_is_none_is_refused_when_the_generator_is_made():
    with pytest.raises(BadInput, match="rasterizer 'bad' is unknown; known are auto, numba"):
        load_generator("warp", rasterizer="bad")


@pytest.mark.parametrize("name", GENERATORS)
def test_a_generator_moved_to_a_device_is_the_same_generator(name, small):
    generate = load_generator(name)
    assert generate.to("cpu") is generate
    assert next(iter(generate.to("cpu")(small, small.pose))).shape == (1, 64, 64, 3)
