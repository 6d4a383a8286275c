"""Maps on disk: bit for bit there and back, in windows, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from flamecast.renderer import (
    PLAIN_MAPS,
    SOURCE_MAPS,
    GeometryMaps,
    load_maps,
    pinhole,
    place_cameras,
    render_maps,
    save_maps,
    stream_maps,
)


@pytest.fixture
def clip(sphere):
    """Seven frames of a ball that moves, two cameras that move, all maps in one piece."""
    mesh = sphere(2)
    vertices = torch.stack([mesh.vertices * (1 + 0.02 * t) + torch.tensor([0.0, 0.004 * t, 0.0]) for t in range(7)])
    photo = pinhole(20, 26, focal=60.0, distance=0.8)
    cameras = place_cameras(photo, [0.0, 0.0, 0.0], 7, camera="orbit:20", views="-10,15")
    options = {"source_vertices": mesh.vertices, "source_cameras": photo}
    return vertices, mesh, cameras, options, render_maps(vertices, mesh, cameras, **options)


def same(one: GeometryMaps, other: GeometryMaps, frames: slice = slice(None)) -> None:
    assert one.names() == other.names()
    for name in one.names():
        first, second = getattr(one, name), getattr(other, name)[:, frames]
        assert first.dtype == second.dtype and torch.equal(first, second), name


def test_all_maps_come_back_bit_for_bit(clip, tmp_path) -> None:
    vertices, mesh, cameras, options, whole = clip
    written = save_maps(stream_maps(vertices.split(3), mesh, cameras, **options), cameras, 24.0, tmp_path)
    found = load_maps(tmp_path)
    assert len(found) == len(written) == 7 and found.fps == 24.0 and found.starts == (0, 3, 6)
    assert set(found.maps) == {*PLAIN_MAPS, *SOURCE_MAPS}
    assert torch.equal(found.cameras.camera_from_world, cameras.camera_from_world)
    assert torch.equal(found.cameras.intrinsics, cameras.intrinsics)
    for chunk, start in zip(found, (0, 3, 6)):
        same(chunk, whole, slice(start, start + 3))
    same(found.read(0, 7), whole)
    same(found.read(2, 5), whole, slice(2, 5))
    same(found.read(6, 7), whole, slice(6, 7))


def test_numpy_opens_a_chunk_without_us(clip, tmp_path) -> None:
    vertices, mesh, cameras, options, whole = clip
    save_maps([whole], cameras, 25, tmp_path)
    with np.load(tmp_path / "000000.npz", allow_pickle=False) as arrays:
        assert "rays" not in arrays  # they follow from the cameras
        assert np.array_equal(arrays["depth"], whole.depth.numpy()) and arrays["visible"].dtype == np.bool_


def test_what_is_refused(clip, tmp_path) -> None:
    vertices, mesh, cameras, options, whole = clip
    (tmp_path / "there").mkdir()
    folder = tmp_path / "maps"
    folder.mkdir()
    with pytest.raises(ValueError, match="no frames cannot be saved"):
        save_maps([], cameras, 25, folder)
    for chunks, of in (([whole, GeometryMaps(mask=whole.mask)], cameras), ([whole], cameras.resized(10, 13))):
        with pytest.raises(ValueError, match="must hold the same maps|must have shape"):
            save_maps(chunks, of, 25, folder)
        for file in folder.iterdir():
            file.unlink()
    found = save_maps([whole], cameras, 25, folder)
    with pytest.raises(ValueError, match="must be empty to take maps"):
        save_maps([whole], cameras, 25, folder)
    with pytest.raises(ValueError, match=r"holds the frames 0\.\.6, asked for 5\.\.7"):
        found.read(5, 8)
    with pytest.raises(ValueError, match="there holds no maps"):
        load_maps(tmp_path / "there")
    about = json.loads((folder / "maps.json").read_text())
    for change in (
        {"format": 9},
        {"maps": ["smell"]},
        {"chunks": [3]},
        {"chunks": []},
        {"frames": 0},
        {"fps": None},
        {"maps": [["depth"]]},
        {"frames": 1e400},
    ):
        (folder / "maps.json").write_text(json.dumps({**about, **change}))
        with pytest.raises(ValueError, match="holds no maps"):
            load_maps(folder)
    (folder / "maps.json").write_text(json.dumps(about))
    np.savez(folder / "000000.npz", **{name: np.zeros((2, 3)) for name in found.maps})
    with pytest.raises(ValueError, match=r"must have shape \[2, 7, 20, 26"):
        load_maps(folder).read(0, 1)
    (folder / "000000.npz").write_bytes(b"PK not a zip")
    with pytest.raises(ValueError, match="holds no chunk of maps"):
        load_maps(folder).read(0, 1)
