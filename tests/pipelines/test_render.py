"""`flamecast render`: exact folders, coloured videos, what the maps lead back to, and bounded memory."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from PIL import Image

from flamecast.flame_motion import BadInput, FlameSequence, MissingAsset, VideoClip, load_head
from flamecast.flame_motion.edit import demo_motion
from flamecast.pipelines.render import write_render
from flamecast.renderer import load_maps, render_maps


@pytest.fixture(scope="module")
def motion() -> FlameSequence:
    return demo_motion("open")[20:31]


def test_a_folder_holds_the_exact_maps(motion, tmp_path):
    done = write_render(motion, tmp_path / "maps", maps="all", views="-20,25", size=64)
    found = load_maps(tmp_path / "maps")
    head = load_head(motion.head)
    # Posed in the pieces that it was rendered in: how a matrix product rounds depends on its rows and on the threads.
    vertices = torch.cat([head(motion[:8]), head(motion[8:])])
    torch.testing.assert_close(vertices, head(motion), atol=1e-7, rtol=0)
    whole = render_maps(vertices, head, found.cameras, maps=["depth", "normal", "part", "uv", "rays"])
    got = found.read(0, len(motion))
    assert len(found) == 11 and found.fps == motion.fps and found.starts == (0, 8) and found.cameras.width == 64
    for name in whole.names():
        assert torch.equal(getattr(got, name), getattr(whole, name)), name
    assert got.flow[:, 0].abs().max() < 1e-6 and got.flow[:, -1].abs().max() > 1e-3  # back to the first frame
    report = json.loads((tmp_path / "maps.json").read_text())
    assert done.files == [tmp_path / "maps", tmp_path / "maps.json"] and report["frames"] == 11 and report["views"] == 2


def test_a_video_has_a_row_a_map_and_a_column_a_view(motion, tmp_path):
    write_render(motion, tmp_path / "maps.mp4", maps="normal,mask,visible", views="0,30,-30", size=64)
    clip = VideoClip.open(tmp_path / "maps.mp4")
    frames = list(clip)
    assert len(frames) == 11 and frames[0].shape == (3 * 64, 3 * 64, 3) and clip.fps == motion.fps
    middle = frames[0][20:50, 20:44].astype(int)  # the face, seen from the front: toward the camera is blue
    assert (middle[..., 2] > middle[..., 0] + 30).mean() > 0.5
    assert (frames[0][64 + 30, 30] > 230).all() and (frames[0][64 + 2, 60] < 30).all()  # mask


def test_with_a_photo_the_maps_lead_back_to_it(motion, tmp_path):
    write_render(motion, tmp_path / "maps", maps="mask,source_xy,visible,flow", photo="demo", size=96)
    maps = load_maps(tmp_path / "maps").read(0, 11)
    inside = maps.mask & maps.visible
    xy = maps.source_xy[inside]
    assert inside.float().mean() > 0.05 and (xy >= 0).all() and (xy[:, 0] < 96).all() and (xy[:, 1] < 96).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"maps": "depth,smell"}, "maps: 'smell' is not one; known are depth"),
        ({"output": "x.txt"}, "must end in one of .mp4"),
        ({"rasterizer": "opengl"}, "rasterizer 'opengl' is unknown"),
        ({"camera": "wobble:3"}, "wobble"),
        ({"size": 4}, "size"),
        ({"size": 4096, "maps": "all", "output": "x.mp4"}, "make a video of 4096 x 36864 px"),
        ({"views": ",".join(map(str, range(40)))}, "at most 32 views at once, got 40"),
        ({"mode": "absolute"}, "give a photo with them"),
        ({"edit": "smyle=1"}, "smyle"),
    ],
)
def test_bad_input_leaves_nothing(motion, options, message, tmp_path):
    output = tmp_path / options.pop("output", "maps")
    with pytest.raises(BadInput, match=message):
        write_render(motion, output, **options)
    assert list(tmp_path.iterdir()) == []


def test_the_photo_is_looked_at_before_any_weights_are_loaded(motion, tmp_path, monkeypatch):
    def load(*_, **__):
        raise AssertionError("something was loaded before the photo was looked at")

    monkeypatch.setattr("flamecast.pipelines.render.open_signal", load)
    Image.new("RGB", (200, 200), "tan").save(tmp_path / "wall.png")
    with pytest.raises(BadInput, match="no face was found"):
        write_render(motion, tmp_path / "maps", photo=tmp_path / "wall.png")


@pytest.mark.skipif(find_spec("nvdiffrast") is not None, reason="nvdiffrast is installed here")
def test_a_rasterizer_that_is_not_installed_says_how_to_get_it(motion, tmp_path):
    with pytest.raises(MissingAsset, match="needs the package nvdiffrast: it has no wheel on PyPI"):
        write_render(motion, tmp_path / "maps", rasterizer="nvdiffrast")


def test_the_renderer_bench_prints_one_object(capsys, monkeypatch):
    import flamecast.pipelines.bench.bench_renderer as module

    monkeypatch.setattr(module, "SIZE", 64)
    monkeypatch.setattr(module, "ROUNDS", 1)
    module.print_renderer_bench("open", "auto", as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert {"rasterize_fps", "maps_fps", "encoding_fps", "skinning_ratio_smplx"} <= set(found)
    assert all(found[name] > 0 for name in ("rasterize_fps", "maps_fps", "encoding_fps"))
    module.print_renderer_bench("open", "auto", as_json=False)
    assert "all maps" in capsys.readouterr().out


@pytest.mark.parametrize("output", ["", "."])
def test_an_output_without_a_name_is_refused(motion, output):
    with pytest.raises(BadInput, match="has no name"):
        write_render(motion, output)


def test_large_pictures_come_in_smaller_chunks(motion, tmp_path):
    write_render(motion[:4], tmp_path / "maps", maps="mask", size=1024, views="0,90")
    assert load_maps(tmp_path / "maps").starts == (0, 1, 2, 3)


def test_a_folder_that_is_there_stays(motion, tmp_path):
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "precious").write_text("x")
    with pytest.raises(BadInput, match="is there already"):
        write_render(motion, tmp_path / "maps")
    assert (tmp_path / "maps" / "precious").read_text() == "x"


def test_a_run_that_fails_leaves_no_folder(motion, tmp_path, monkeypatch):
    import flamecast.pipelines.render as module

    def broken(*arguments: object) -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr(module, "save_maps", broken)
    with pytest.raises(RuntimeError, match="on purpose"):
        write_render(motion, tmp_path / "maps", size=64)
    assert list(tmp_path.iterdir()) == []


def _peak(tmp_path, seconds: float) -> int:
    """Largest resident size, KiB, of `flamecast render` on a motion of that length."""
    motion = demo_motion("open").resample(25)
    many = FlameSequence.concatenate([motion] * round(seconds / motion.duration)) if seconds > 6 else motion
    many.save(tmp_path / f"{seconds}.npz")
    code = (
        "import resource, sys\nfrom flamecast.pipelines.cli import main\n"
        "try: main()\nexcept SystemExit as end: assert not end.code, end.code\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    arguments = ["render", str(tmp_path / f"{seconds}.npz"), "--maps", "depth,normal,flow", "--size", "128"]
    command = [sys.executable, "-c", code, *arguments, "-o", str(tmp_path / f"{seconds}.mp4")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_ten_minutes_take_no_more_memory_than_ten_seconds(tmp_path):
    short, long = _peak(tmp_path, 10), _peak(tmp_path, 600)
    assert long < 1.1 * short, (short, long)


def test_colors_are_constant_over_the_clip_and_bounded(motion):
    from flamecast.pipelines.sheets.map_colors import color
    from flamecast.renderer import pinhole

    head = load_head(motion.head)
    vertices = head(motion)
    camera = pinhole(40, 40, fov=0.5, distance=0.9)
    maps = render_maps(vertices, head, camera, source_vertices=vertices[0], source_cameras=camera)
    for name in maps.names():
        picture = color(name, maps, (0.7, 1.2), (40, 40))
        assert picture.dtype == np.uint8 and picture.shape == (1, 11, 40, 40, 3), name
        if name != "rays":
            assert (picture[~maps.mask.numpy()] == 0).all(), name
    depth = color("depth", maps, (0.7, 1.2), (40, 40))[..., 0][maps.mask.numpy()].astype(int)
    order = np.argsort(maps.depth[maps.mask].numpy())
    assert (np.diff(depth[order]) <= 0).all()  # farther is never brighter, in whatever frame
