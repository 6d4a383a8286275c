"""`prepare folds`: hollows are dark, both sides alike, and nothing shows where nothing moves."""

from __future__ import annotations

import json

import numpy as np
import pytest

from flamecast.core.npz import load_arrays
from flamecast.flame_motion import BadInput, load_head
from flamecast.flame_motion.heads.flame.surface import Mesh
from flamecast.generator.warp import folds as shipped
from flamecast.training.folds import LEAST, MOST, Surface, mirrored, prepare_folds, read_obj, shape_files

SIDE = 41  # points along a side of a patch of skin, 2 mm apart


@pytest.fixture(scope="module")
def patch() -> Surface:
    """Flat skin of 8 cm that faces the viewer."""
    x, y = np.meshgrid(*[0.002 * (np.arange(SIDE) - SIDE // 2)] * 2)
    k = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    a, b, c, d = (z.ravel() for z in (k[:-1, :-1], k[:-1, 1:], k[1:, 1:], k[1:, :-1]))
    rising = (x[:-1, :-1].ravel() < -1e-9)[:, None]  # diagonals mirror each other, too
    first, second = np.where(rising, np.stack([[a, b, c], [a, c, d]]).transpose(0, 2, 1),
                             np.stack([[a, b, d], [b, c, d]]).transpose(0, 2, 1))  # fmt: skip
    faces = np.concatenate([first, second])
    return Surface.of(Mesh(np.stack([x, y, 0 * x], -1).reshape(-1, 3), faces))


def groove(patch: Surface, depth: float) -> np.ndarray:
    """Offsets [N, 3] m of a groove along y, of 3 mm, that ends 12 mm from the middle."""
    x, y, _ = patch.mesh.vertices.T
    shape = np.exp(-((x / 0.003) ** 2)) * (np.abs(y) < 0.0201) * (np.abs(x) < 0.0121)
    return np.stack([0 * x, 0 * x, -depth * shape], 1)


def test_a_hollow_that_appears_is_darker_and_deeper_ones_more(patch):
    x, y, _ = patch.mesh.vertices.T
    bottom = (x == 0) & (np.abs(y) < 0.01)
    shallow, deep = (patch.change(groove(patch, depth)) for depth in (0.001, 0.002))
    assert shallow[bottom].max() < -0.03 and (deep[bottom] < shallow[bottom]).all()
    assert patch.change(groove(patch, -0.001))[bottom].min() > shallow[bottom].max()  # a ridge is not


def test_what_lies_alike_on_both_sides_is_shaded_alike(patch):
    picture = patch.change(groove(patch, 0.001)).reshape(SIDE, SIDE)
    middle = picture[8:-8, 8:-8]
    assert np.abs(middle - middle[:, ::-1]).max() < 1e-9


def test_nothing_shows_where_nothing_moves(patch):
    offsets = groove(patch, 0.002)
    assert not patch.change(offsets)[~offsets.any(1)].any()
    assert not patch.change(np.zeros_like(offsets)).any()


def test_maps_of_two_sides_become_mirror_images_within_bounds():
    head = load_head()
    drawn = {f"browDown{side}": np.random.default_rng(k).normal(size=len(head.template)) for k, side in
             enumerate(("Left", "Right"))}  # fmt: skip
    made = mirrored(head, drawn)
    points = head.template.double().numpy().round(6).tolist()
    place = {tuple(point): k for k, point in enumerate(points)}
    twin = [place[-x + 0.0, y, z] for x, y, z in points]
    assert np.array_equal(made["browDownLeft"][twin], made["browDownRight"])
    assert LEAST <= made["browDownLeft"].min() and made["browDownLeft"].max() <= MOST


def test_an_obj_is_read_in_metres_with_its_polygons_as_triangles(tmp_path):
    file = tmp_path / "face.obj"
    file.write_text("# a square\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nf 1/1 2/1 3/1 4/1\n")
    vertices, triangles = read_obj(file)
    assert np.allclose(vertices, [[0, 0, 0], [0.01, 0, 0], [0.01, 0.01, 0], [0, 0.01, 0]])
    assert triangles.tolist() == [[0, 1, 2], [0, 2, 3]]


def test_files_of_an_axis_are_its_own_its_sides_or_both_sides(tmp_path):
    for name in ("browDown_L", "browInnerUp_L", "browInnerUp_R", "mouthLeft", "cheekSquint_R", "cheekRaiser_R"):
        (tmp_path / f"{name}.obj").touch()
    found = lambda name: [file.stem for file in shape_files(tmp_path, name)]  # noqa: E731
    assert found("browDownLeft") == ["browDown_L"] and found("mouthLeft") == ["mouthLeft"]
    assert found("browInnerUp") == ["browInnerUp_L", "browInnerUp_R"]
    assert found("cheekSquintRight") == ["cheekSquint_R", "cheekRaiser_R"] and not found("residual_00")


def test_what_is_no_face_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(BadInput, match="generic_neutral_mesh.obj"):
        prepare_folds(tmp_path, tmp_path / "out")
    file = tmp_path / "generic_neutral_mesh.obj"
    for text, what in (("v 0 0 0\n", "expected ICT-FaceKit's face"), ("v 0 zero 0\n", "is no .obj of a face")):
        file.write_text(text)
        with pytest.raises(BadInput, match=what):
            prepare_folds(tmp_path, tmp_path / "out")


def test_the_shipped_maps_and_their_card_belong_together():
    card, arrays = json.loads(shipped.FILE.with_suffix(".json").read_text()), load_arrays(shipped.FILE)
    assert card["head"] == str(arrays["head"]) == load_head().id and card["step"] == shipped.STEP
    assert arrays["shade"].shape == (card["axes"], len(load_head().template)) and arrays["shade"].dtype == np.int8
    assert shipped.FILE.stat().st_size < 200_000
