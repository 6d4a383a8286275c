"""Where cameras stand and where their videos go: moves, keyframe files, camera files, lists of views."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from flamecast.flame_motion import BadInput, FlameSequence
from flamecast.generator import Portrait
from flamecast.pipelines import AnimatePipeline
from flamecast.pipelines.fit import open_portrait
from flamecast.pipelines.views import MAX_VIEWS, check_camera, place, view_targets
from flamecast.renderer import pinhole, place_cameras
from flamecast.renderer.cameras.file import save_cameras


@pytest.fixture(scope="module")
def portrait() -> Portrait:
    return open_portrait("demo")[0]


def rig_file(path: Path, views: int, camera: str | None = None, frames: int = 4) -> str:
    base = pinhole(60, 80, focal=90.0)
    yaws = ",".join(str(5 * index) for index in range(views))
    save_cameras(place_cameras(base, [0.0, 0.0, 0.0], frames, views=yaws, camera=camera), path)
    return str(path)


def names(*arguments: str | None) -> list[str]:
    return [target.name for target in view_targets(Path("there/out.mp4"), *arguments)]


def test_each_view_has_a_file(tmp_path):
    assert view_targets(Path("there/out.mp4"), None) == [Path("there/out.mp4")]
    assert names(None, "orbit:20") == ["out.mp4"]
    assert names("-30,0,15:10") == ["out_view-30.mp4", "out_view0.mp4", "out_view15_10.mp4"]
    assert names("0", "orbit:20") == ["out_view0.mp4"]
    assert names(None, rig_file(tmp_path / "one.json", 1)) == ["out.mp4"]
    assert names(None, rig_file(tmp_path / "three.json", 3)) == ["out_view0.mp4", "out_view1.mp4", "out_view2.mp4"]
    (tmp_path / "path.json").write_text('[{"time": 0, "yaw": 3}]')
    assert names(None, str(tmp_path / "path.json")) == ["out.mp4"]
    assert names("0,5", str(tmp_path / "path.json")) == ["out_view0.mp4", "out_view5.mp4"]


def test_views_that_cannot_be(tmp_path):
    with pytest.raises(BadInput, match=f"at most {MAX_VIEWS} views at once, got {MAX_VIEWS + 1}"):
        names(None, rig_file(tmp_path / "many.json", MAX_VIEWS + 1))
    with pytest.raises(BadInput, match="views must differ"):
        names("0,0")
    with pytest.raises(BadInput, match="choose either it or --views 0,5"):
        names("0,5", rig_file(tmp_path / "two.json", 2))
    with pytest.raises(BadInput, match="--views must be yaw degrees"):
        names("left")


def test_files_are_checked_before_any_work(tmp_path):
    check_camera(rig_file(tmp_path / "rig.json", 2), None)
    check_camera(None, "0,5")
    path = tmp_path / "path.json"
    path.write_text('[{"time": 0}, {"time": 1, "yaw": 30}]')
    check_camera(str(path), "0,5")
    path.write_text('[{"time": 0}, {"time": 1, "yaw": 300, "roll": 1}]')
    with pytest.raises(BadInput, match="path.json: keyframe 1: there is no 'roll'"):
        check_camera(str(path), None)
    with pytest.raises(BadInput, match="choose either it or --views 0,5"):
        check_camera(str(tmp_path / "rig.json"), "0,5")
    with pytest.raises(BadInput, match="none.json does not exist"):
        check_camera("none.json", None)
    (tmp_path / "rig.json").write_text(json.dumps({"camera_from_world": []}))
    with pytest.raises(BadInput, match="rig.json: expected version, "):
        check_camera(str(tmp_path / "rig.json"), None)


def test_keyframes_count_seconds_of_the_video(portrait, tmp_path):
    path = tmp_path / "path.json"
    path.write_text('[{"time": 0, "ease": "hold"}, {"time": 0.4, "yaw": 30}]')
    for fps, frame in ((25.0, 10), (50.0, 20)):
        cameras = place(portrait, 30, str(path), None, fps)
        still, turned = (place(portrait, 1, None, yaw, fps).camera_from_world[0] for yaw in ("0", "30"))
        assert torch.equal(cameras.camera_from_world[0, :frame], still.expand(frame, 4, 4))
        assert torch.equal(cameras.camera_from_world[0, frame:], turned.expand(30 - frame, 4, 4))


def test_a_camera_file_of_the_same_cameras_gives_the_same_videos(portrait, tmp_path):
    small = portrait.resized(96, 96)
    options = {"motion": FlameSequence.neutral(frames=3, fps=25, head=portrait.pose.head), "size": 96}
    expected = AnimatePipeline()(portrait, **options, camera="arc:-10,20", views="-20,0").frames
    save_cameras(place(small, 3, "arc:-10,20", "-20,0", 25.0), tmp_path / "rig.json")
    file = str(tmp_path / "rig.json")
    assert np.array_equal(AnimatePipeline()(portrait, **options, camera=file).frames, expected)
    done = AnimatePipeline()(portrait, **options, camera=file, output=tmp_path / "out" / "a.mp4")
    written = ["a_view0.mp4", "a_view1.mp4", "a.json"]
    assert [path.name for path in done.files] == written and sorted(os.listdir(tmp_path / "out")) == sorted(written)
    with pytest.raises(BadInput, match="its cameras move over 3 frames, and 4 are asked for"):
        AnimatePipeline()(portrait, camera=file, motion="demo", seconds=0.16)
