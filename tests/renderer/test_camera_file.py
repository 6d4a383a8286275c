"""Camera files: bit-equal round trips, what --camera makes of them, and what is refused."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from flamecast.renderer import Cameras, pinhole, place_cameras, to_pixels
from flamecast.renderer.cameras.file import LARGEST, load_cameras, save_cameras

PIVOT = [0.01, -0.02, 0.03]


def rig(camera: str | None = None, views: str | None = "-30,0,17:5", frames: int = 7) -> Cameras:
    base = pinhole(120, 160, fov=0.7, distance=0.83, principal=(70.3, 66.1))
    return place_cameras(base, PIVOT, frames, camera=camera, views=views)


def same(first: Cameras, second: Cameras) -> bool:
    return (
        torch.equal(first.intrinsics, second.intrinsics)
        and torch.equal(first.camera_from_world, second.camera_from_world)
        and (first.height, first.width) == (second.height, second.width)
    )


def changed(path: Path, **changes: Any) -> str:
    """A sound camera file with fields replaced, or taken out where the new value is ...; its name."""
    save_cameras(rig(views=None), path)
    content = {name: value for name, value in (json.loads(path.read_text()) | changes).items() if value is not ...}
    path.write_text(json.dumps(content))
    return str(path)


@pytest.mark.parametrize("camera", [None, "orbit:33,7", "orbit:20+zoom:1.7"])
def test_round_trip_is_bit_equal(camera: str | None, tmp_path: Path) -> None:
    cameras = rig(camera)
    save_cameras(cameras, tmp_path / "new" / "rig.json", fps=25)
    assert same(load_cameras(tmp_path / "new" / "rig.json"), cameras)
    assert os.listdir(tmp_path / "new") == ["rig.json"]


def test_every_float32_survives(tmp_path: Path) -> None:
    bits = torch.randint(-(2**31), 2**31 - 1, (5_000,), generator=torch.Generator().manual_seed(0))
    numbers = bits.to(torch.int32).view(torch.float32)
    numbers = torch.cat([numbers[numbers.isfinite()], torch.tensor([-0.0, 1e-45, 3.4028235e38, 16777216.0])])
    matrix = torch.eye(4).repeat(len(numbers), 1, 1)
    matrix[:, 0, 3] = numbers
    cameras = Cameras(torch.eye(3).repeat(len(numbers), 1, 1), matrix, 5, 6)
    save_cameras(cameras, tmp_path / "a.json")
    read = load_cameras(tmp_path / "a.json").camera_from_world
    assert torch.equal(read.view(torch.int32), matrix.view(torch.int32))


def test_mixed_still_and_moving_and_float64(tmp_path: Path) -> None:
    moving, still = rig("orbit:10"), rig()
    mixed = Cameras(still.intrinsics, moving.camera_from_world, 120, 160)
    save_cameras(mixed.to(torch.float64), tmp_path / "a.json")
    assert same(load_cameras(tmp_path / "a.json"), mixed)


def test_numbers_are_written_short_and_the_file_says_what_it_is(tmp_path: Path) -> None:
    save_cameras(pinhole(30, 40, focal=50.1, distance=0.7), tmp_path / "a.json", fps=30)
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text) == {
        "version": 1,
        "convention": "opencv",
        "fps": 30,
        "height": 30,
        "width": 40,
        "intrinsics": [[[50.1, 0.0, 20.0], [0.0, 50.1, 15.0], [0.0, 0.0, 1.0]]],
        "camera_from_world": [[[1, 0, 0, 0], [0, -1, 0, 0], [0, 0, -1, 0.7], [0, 0, 0, 1]]],
    }
    assert len(text.splitlines()) == 9  # one line a field: a person can find their way


def test_a_failed_write_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_cameras(rig(), tmp_path / "a.json")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ValueError, match=r"a.json cannot be written: No space left on device"):
        save_cameras(rig("orbit:5"), tmp_path / "a.json")
    assert same(load_cameras(tmp_path / "a.json"), rig()) and os.listdir(tmp_path) == ["a.json"]


def test_place_cameras_takes_the_file_as_it_is(tmp_path: Path) -> None:
    cameras, base = rig("orbit:33,7"), pinhole(60, 80, focal=1.0, distance=9.0)
    save_cameras(cameras, tmp_path / "a.json")
    placed = place_cameras(base, PIVOT, 7, camera=str(tmp_path / "a.json"))
    assert (placed.height, placed.width) == (60, 80)
    assert torch.equal(placed.camera_from_world, cameras.camera_from_world)
    points = 0.1 * torch.rand(7, 5, 3)
    torch.testing.assert_close(to_pixels(placed, points), to_pixels(cameras, points) / 2)
    with pytest.raises(ValueError, match=r"a.json: its cameras move over 7 frames, and 8 are asked for"):
        place_cameras(base, PIVOT, 8, camera=str(tmp_path / "a.json"))
    with pytest.raises(ValueError, match=r"a.json is a camera file .*: choose either it or --views 0,10"):
        place_cameras(base, PIVOT, 7, camera=str(tmp_path / "a.json"), views="0,10")


def test_standing_cameras_fit_any_number_of_frames_and_take_the_type_of_the_base(tmp_path: Path) -> None:
    save_cameras(rig(), tmp_path / "a.json")
    base = pinhole(120, 160, focal=1.0).to(torch.float64)
    for frames in (0, 1, 99):
        placed = place_cameras(base, PIVOT, frames, camera=str(tmp_path / "a.json"))
        assert same(placed, rig().to(torch.float64)) and placed.frames is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"roll": 1}, "there is no 'roll' in a camera file; known are version, convention, height, width, intr"),
        ({"height": ...}, "expected version, .*, and height is missing"),
        ({"version": 2}, "version: expected 1, got 2"),
        ({"version": True}, "version: expected 1, got True"),
        ({"convention": "opengl"}, "convention: expected 'opencv', got 'opengl'"),
        ({"height": 3.5}, "Cameras.height must be a positive whole number of pixels, got 3.5"),
        ({"width": "a"}, "Cameras.width must be a positive whole number of pixels, got 'a'"),
        ({"fps": 0}, "fps: expected a positive number of frames a second, got 0"),
        ({"fps": True}, "fps: expected a positive number"),
        ({"fps": None}, "fps: expected a positive number"),
        ({"intrinsics": 3}, r"Cameras.intrinsics must have shape \[V, 3, 3\].*got \[\]"),
        ({"intrinsics": []}, "Cameras.intrinsics must have shape"),
        ({"intrinsics": [[[1, 0], [0, 1]]]}, r"Cameras.intrinsics must have shape .*got \[1, 2, 2\]"),
        ({"intrinsics": [[[1, 0, 0], [0, 1], [0, 0, 1]]]}, "intrinsics: expected matrices of numbers, as nested lists"),
        ({"intrinsics": [[[1, 0, "0"], [0, 1, 0], [0, 0, 1]]]}, "intrinsics: expected matrices of numbers"),
        ({"intrinsics": [[[True, 0, 0], [0, 1, 0], [0, 0, 1]]]}, "intrinsics: expected matrices of numbers"),
        ({"intrinsics": [[[10**400, 0, 0], [0, 1, 0], [0, 0, 1]]]}, "intrinsics: expected matrices of numbers"),
        ({"intrinsics": [[[1e39, 0, 0], [0, 1, 0], [0, 0, 1]]]}, "intrinsics: expected finite numbers"),
        ({"intrinsics": [[[math.nan, 0, 0], [0, 1, 0], [0, 0, 1]]]}, "intrinsics: expected finite numbers"),
        (
            {"intrinsics": 2 * [[[1, 0, 0], [0, 1, 0], [0, 0, 1]]]},
            "Cameras.camera_from_world must hold as many views as intrinsics",
        ),
        ({"camera_from_world": None}, "camera_from_world: expected matrices of numbers"),
        (
            {"camera_from_world": [torch.diag(torch.tensor([2.0, 1, 1, 1])).tolist()]},
            "Cameras.camera_from_world must hold rotations",
        ),
    ],
)
def test_what_is_wrong_is_named_in_one_sentence(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    name = changed(tmp_path / "a.json", **changes)
    for read in (load_cameras, lambda spec: place_cameras(pinhole(9, 9, focal=9.0), PIVOT, 3, camera=spec)):
        with pytest.raises(ValueError, match=f"a.json: {message}") as caught:
            read(name)
        assert "\n" not in str(caught.value)


def test_files_that_are_absent_no_json_no_object_or_too_large(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(ValueError, match=r"the camera file .*a.json does not exist"):
        load_cameras(path)
    for text, message in (("{", "must be JSON"), ("[1]", r"expected an object with version.*got a list")):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            load_cameras(path)
    with path.open("wb") as file:
        file.truncate(LARGEST + 1)
    with pytest.raises(ValueError, match=rf"too large: expected at most {LARGEST} bytes"):
        load_cameras(path)


def test_what_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        save_cameras(rig("orbit:10", frames=0), tmp_path / "a.json")
    with pytest.raises(ValueError, match="fps must be a positive number"):
        save_cameras(rig(), tmp_path / "a.json", fps=math.nan)
    with pytest.raises(ValueError, match="is a folder"):
        save_cameras(rig(), tmp_path)
    assert os.listdir(tmp_path) == []
