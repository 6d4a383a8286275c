"""Keyframe files: what --camera path.json makes of its entries, and what it refuses."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from flamecast.flame_motion.edit.keyframes import EASES as EDIT_EASES
from flamecast.renderer import Cameras, camera_path, pinhole, place_cameras
from flamecast.renderer.cameras.keyframes import EASES, LARGEST, RANGES


@pytest.fixture
def written(tmp_path: Path):
    """Writes content as JSON, text and bytes as they are; gives back the file's name."""

    def write(content: Any, name: str = "path.json") -> str:
        path = tmp_path / name
        data = content if isinstance(content, bytes) else (content if isinstance(content, str) else json.dumps(content))
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return str(path)

    return write


def test_values_run_through_the_keyframes_and_hold_outside(written) -> None:
    entries = [
        {"frame": 2, "yaw": -20, "elevation": 4, "ease": "linear"},
        {"frame": 6, "yaw": 20, "ease": "linear"},
        {"frame": 10, "elevation": -4},
    ]
    path = camera_path(written(entries), 13)
    expected = [-20.0, -20, -20, -10, 0, 10, 20, 20, 20, 20, 20, 20, 20]
    assert path.yaw.tolist() == expected
    # Not named at frame 6: there it is still what it was.
    assert path.elevation.tolist() == [4.0, 4, 4, 4, 4, 4, 4, 2, 0, -2, -4, -4, -4]
    assert path.distance.tolist() == path.zoom.tolist() == [1.0] * 13
    assert all(value.dtype == torch.float64 for value in (path.yaw, path.elevation, path.distance, path.zoom))


def test_seconds_are_frames_over_fps(written) -> None:
    in_seconds = written([{"time": 0.4, "yaw": 5}, {"time": 1.2, "yaw": 30, "zoom": 2}], "seconds.json")
    in_frames = written([{"frame": 10, "yaw": 5}, {"frame": 30, "yaw": 30, "zoom": 2}], "frames.json")
    first, second = camera_path(in_seconds, 40, 25.0), camera_path(in_frames, 40)
    torch.testing.assert_close(first.yaw, second.yaw, atol=1e-12, rtol=0)
    torch.testing.assert_close(first.zoom, second.zoom, atol=1e-12, rtol=0)
    # At twice the rate every second frame is the same.
    assert torch.equal(camera_path(in_seconds, 80, 50.0).yaw[::2], first.yaw)


def test_factors_go_by_equal_ratios(written) -> None:
    entries = [{"frame": 0, "distance": 0.5, "zoom": 4, "ease": "linear"}, {"frame": 4, "distance": 2, "zoom": 1}]
    path = camera_path(written(entries), 5)
    torch.testing.assert_close(path.distance, 2.0 ** torch.tensor([-1.0, -0.5, 0, 0.5, 1]).double())
    torch.testing.assert_close(path.zoom, 2.0 ** torch.tensor([2.0, 1.5, 1, 0.5, 0]).double())


@pytest.mark.parametrize("ease", EASES)
def test_eases_are_those_of_edit_keyframes_and_lead_on_from_their_entry(ease: str, written) -> None:
    share = torch.linspace(0, 1, 11, dtype=torch.float64)
    assert list(EASES) and set(EASES) == set(EDIT_EASES) and torch.equal(EASES[ease](share), EDIT_EASES[ease](share))
    entries = [{"frame": 0, "ease": ease}, {"frame": 10, "yaw": 1.0, "ease": "out"}]
    torch.testing.assert_close(camera_path(written(entries), 11).yaw, EASES[ease](share), atol=1e-12, rtol=0)


def test_the_default_ease_is_smooth_with_rest_at_both_ends(written) -> None:
    yaw = camera_path(written([{"frame": 0}, {"frame": 1000, "yaw": 1}]), 1001).yaw
    assert torch.equal(yaw, camera_path(written([{"frame": 0, "ease": "smooth"}, {"frame": 1000, "yaw": 1}]), 1001).yaw)
    assert float(yaw[1]) < 1e-8 and float(yaw[-1] - yaw[-2]) < 1e-8 and float(yaw[500]) == pytest.approx(0.5)
    torch.testing.assert_close(yaw + yaw.flip(0), torch.ones_like(yaw))


def test_hold_jumps_at_the_next_frame(written) -> None:
    path = camera_path(written([{"time": 0, "yaw": 7, "ease": "hold"}, {"time": 0.12, "yaw": 9}]), 5, 25.0)
    assert path.yaw.tolist() == [7.0, 7.0, 7.0, 9.0, 9.0]


def test_an_object_of_keyframes_one_entry_a_byte_order_mark_and_no_frames(written) -> None:
    path = camera_path(written(b"\xef\xbb\xbf" + json.dumps({"keyframes": [{"frame": 3, "yaw": 8}]}).encode()), 5)
    assert path.yaw.tolist() == [8.0] * 5
    assert camera_path(written([{"frame": 3}]), 0).yaw.shape == (0,)


def test_keyframes_compose_with_views_and_start_at_the_base_camera(written) -> None:
    base = pinhole(60, 80, focal=90.0, distance=0.7)
    spec = written([{"time": 0}, {"time": 0.4, "yaw": 20, "zoom": 2}], "PATH.JSON")
    cameras = place_cameras(base, [0.0, 0.0, 0.0], 11, camera=spec, views="-10,0", fps=25.0)
    assert cameras.camera_from_world.shape == (2, 11, 4, 4)
    assert torch.equal(cameras.camera_from_world[1, 0], base.camera_from_world[0])
    assert torch.equal(cameras.intrinsics[1, 0], base.intrinsics[0])
    for view, yaw in enumerate((10.0, 20.0)):
        there = place_cameras(base, [0.0, 0.0, 0.0], 1, views=f"{yaw}")
        torch.testing.assert_close(cameras.camera_from_world[view, -1], there.camera_from_world[0])
    assert float(cameras.intrinsics[0, -1, 0, 0]) == pytest.approx(180.0)
    with pytest.raises(ValueError, match=r'PATH.JSON: keyframe 0: "time" needs fps'):
        place_cameras(base, [0.0, 0.0, 0.0], 11, camera=spec)


def test_views_may_not_take_a_keyframed_camera_out_of_reach(written) -> None:
    base: Cameras = pinhole(60, 80, focal=90.0)
    with pytest.raises(ValueError, match=r"elevation must stay within -89..89"):
        spec = written([{"frame": 0, "elevation": 80}])
        place_cameras(base, [0.0, 0.0, 0.0], 2, camera=spec, views="0:20", fps=25.0)


ONE = {"frame": 0}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "keyframe file .*path.json must be JSON, and it cannot be read as such"),
        ("[" * 100_000, "must be JSON, and it cannot be read as such"),
        (b"\xff\xfe[", "must be JSON, and it is no text in UTF-8"),
        ("", "path.json is empty"),
        ("3", r"path.json: expected a list of keyframes such as \["),
        ([], "expected a list of keyframes"),
        ({}, "expected a list of keyframes"),
        ({"keyframes": [ONE], "more": 1}, "expected a list of keyframes"),
        ([3], "path.json: keyframe 0: expected an object such as .*, got 3"),
        (["frame"], "keyframe 0: expected an object such as .*, got 'frame'"),
        ([ONE, {"frame": 1, "roll": 3}], "keyframe 1: there is no 'roll'; known are time, frame, yaw, elevation, dist"),
        ([{"yaw": 3}], "keyframe 0: expected either time or frame, .*, got neither"),
        ([{"frame": 1, "time": 1}], "keyframe 0: expected either time or frame, .*, got time and frame"),
        ([ONE, {"time": 1}], r"keyframe 1: expected either time or frame, .*\(frame\), got time"),
        ([{"time": -1}], "keyframe 0: time: expected seconds of at least 0, got -1"),
        ([{"frame": 1.5}], "keyframe 0: frame: expected a whole number of at least 0, got 1.5"),
        ([{"frame": True}], "keyframe 0: frame: expected a whole number of at least 0, got True"),
        ([{"time": "1"}], "keyframe 0: time: expected seconds of at least 0, got '1'"),
        ('[{"time": Infinity}]', "keyframe 0: time: expected seconds of at least 0, got inf"),
        ([ONE, {"frame": 5}, {"frame": 5}], "keyframe 2: expected a frame after 5, got 5"),
        ([{"time": 2}, {"time": 1.5}], "keyframe 1: expected a time after 2, got 1.5"),
        ('[{"frame": 0, "yaw": NaN}]', "keyframe 0: yaw: expected a number from -360 to 360, got nan"),
        ([{"frame": 0, "yaw": True}], "keyframe 0: yaw: expected a number from -360 to 360, got True"),
        ([{"frame": 0, "yaw": "30deg"}], "keyframe 0: yaw: expected a number from -360 to 360, got '30deg'"),
        ([{"frame": 0, "yaw": None}], "keyframe 0: yaw: expected a number from -360 to 360, got None"),
        ([{"frame": 0, "yaw": 10**400}], r"keyframe 0: yaw: expected a number from -360 to 360, got 1000.*\.\.\.$"),
        ([{"frame": 0, "elevation": 90}], "keyframe 0: elevation: expected a number from -89 to 89, got 90"),
        ([{"frame": 0, "distance": 0}], "keyframe 0: distance: expected a number from 0.1 to 10, got 0"),
        ([{"frame": 0, "zoom": -1}], "keyframe 0: zoom: expected a number from 0.1 to 10, got -1"),
        (
            [{"frame": 0, "ease": "bouncy"}],
            "keyframe 0: ease: expected one of linear, smooth, in, out, hold, got 'boun",
        ),
        ([{"frame": 0, "ease": ["in"]}], "keyframe 0: ease: expected one of linear, smooth"),
    ],
)
def test_what_is_wrong_is_named_in_one_sentence(content: Any, message: str, written) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        camera_path(written(content), 5, 25.0)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_files_that_are_absent_a_folder_or_too_large(tmp_path: Path, written) -> None:
    with pytest.raises(ValueError, match=r"the keyframe file none.json does not exist"):
        camera_path("none.json", 5)
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(ValueError, match=r"folder.json is a folder"):
        camera_path(str(tmp_path / "folder.json"), 5)
    with pytest.raises(ValueError, match=rf"too large: expected at most {LARGEST} bytes, got {LARGEST + 1}"):
        camera_path(written(b" " * (LARGEST + 1)), 5)


@pytest.mark.parametrize("fps", [0.0, -1.0, math.nan, math.inf])
def test_fps_must_be_a_rate(fps: float, written) -> None:
    with pytest.raises(ValueError, match="fps must be a positive number"):
        camera_path(written([{"time": 0}]), 5, fps)


def test_ranges_reach_as_far_as_moves_do() -> None:
    low, high = RANGES["zoom"]
    assert float(camera_path(f"zoom:{high}", 2).zoom[-1]) == pytest.approx(high)
    assert float(camera_path(f"dolly:{low}", 2).distance[-1]) == pytest.approx(low)
