"""Files beside an output, under names that nobody typed: they take the place of none but our own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from flamecast.flame_motion import BadInput
from flamecast.pipelines import AnimatePipeline
from flamecast.pipelines.exports.export import write_export
from flamecast.pipelines.fit import write_fit
from flamecast.pipelines.sheets.head_sheet import write_head_sheet


def _views(folder: Path) -> None:
    AnimatePipeline()("demo", motion="demo", seconds=0.08, size=64, views="0,5", output=folder / "v.mp4")


MADE: dict[str, Callable[[Path], object]] = {
    "p_overlay.png": lambda folder: write_fit("demo", folder / "p.npz"),
    "m_0001.obj": lambda folder: write_export("demo", folder / "m.obj", seconds=0.08),
    "m.mtl": lambda folder: write_export("demo", folder / "m.obj", seconds=0.08),
    "y_0001.ply": lambda folder: write_export("demo", folder / "y.ply", seconds=0.08),
    "v_view5.mp4": _views,
    "h_2.png": lambda folder: write_head_sheet("open", folder / "h.png", axes=",".join(["jawOpen"] * 6)),
}


@pytest.mark.parametrize("name", MADE)
def test_a_file_beside_an_output_takes_the_place_of_our_own_alone(name, tmp_path):
    beside = tmp_path / name
    Image.new("RGB", (9, 9)).save(beside, format="PNG")
    theirs = beside.read_bytes()
    with pytest.raises(BadInput, match=f"{name} would be replaced, and it is none of flamecast's"):
        MADE[name](tmp_path)
    assert list(tmp_path.iterdir()) == [beside] and beside.read_bytes() == theirs
    beside.unlink()
    MADE[name](tmp_path)
    first = beside.stat()
    MADE[name](tmp_path)
    assert beside.stat().st_ino != first.st_ino
