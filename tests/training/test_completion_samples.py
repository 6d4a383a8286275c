"""Samples of the completion network: the truth appears where the photo shows it, wigs close around the head."""

import numpy as np
import pytest

from flamecast.generator.completion.atlas import COLUMNS, ROWS, outermost
from flamecast.generator.completion.frame import AtlasView
from flamecast.generator.completion.seen import Seen
from flamecast.training.completion.heads import Part, TexturedHead, blend, posed, rotation
from flamecast.training.completion.light import Light, lit
from flamecast.training.completion.people import wig_part
from flamecast.training.completion.photos import SIZE, Scene
from flamecast.training.completion.samples import _compact, in_fitted_space, seen_of
from flamecast.training.completion.wig_textures import SHAPE
from flamecast.training.completion.wigs import Wig, make_wig

JOINTS = ("neck", "head", "left_eye", "right_eye", "left_shoulder", "right_shoulder", "left_arm", "right_arm")


def some_head(seed: int = 0) -> TexturedHead:
    rng = np.random.default_rng(seed)
    vertices = rng.normal(size=(30, 3)) * 0.1
    weights = np.zeros((30, len(JOINTS)))
    weights[:, 1] = 1
    picture = np.zeros((8, 8, 3), np.uint8)
    faces = np.arange(30).reshape(10, 3)
    morphs = {"Smile": (np.array([2]), np.array([[0.0, 0.01, 0.0]]))}
    part = Part("skin", vertices, faces, rng.random((30, 2)), picture, weights, np.arange(30), morphs)
    joints = {name: np.array([0.0, -0.1, -0.05]) + 0.01 * k for k, name in enumerate(JOINTS)}
    return TexturedHead(f"head{seed}", (part,), joints)


def test_the_truth_lies_behind_the_pixels_that_show_it():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(60, 3)) * 0.08 + [0.01, 0.02, 0.9]
    none = np.zeros(0)
    scene = Scene(points, none, none, none, none, (), (), np.array([0.01, 0.02, 0.9]), 600.0)
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = np.diag([1.0, -1.0, -1.0]), [0.02, 0.01, 1.3]
    view = AtlasView(np.array([[900.0, 0, SIZE / 2], [0, 900.0, SIZE / 2], [0, 0, 1]]), matrix)
    found = in_fitted_space(scene, view)
    assert np.allclose(view.to_pixels(found)[0], scene.view().to_pixels(points)[0])
    depth, true = view.to_camera(found)[:, 2], points[:, 2]
    scale = (1.3 / 900) / (0.9 / 600)
    assert np.allclose(depth - 1.3, scale * (true - 0.9))


def test_a_wig_is_met_at_its_own_distance_all_around():
    radius = 0.12 + 0.01 * np.cos(np.linspace(0, 4 * np.pi, SHAPE[1], endpoint=False))[None].repeat(SHAPE[0], 0)
    wig = Wig("test", radius, np.ones(SHAPE, bool), np.zeros((4, 4, 3), np.uint8))
    part = wig_part(wig, some_head())
    corner = part.uv[part.faces]
    assert (np.ptp(corner[..., 0], axis=1)[part.faces.max(1) < len(part.vertices) - 1] < 2 / SHAPE[1]).all()  # no seam
    distance, triangle, _ = outermost(part.vertices, part.faces)
    assert (triangle >= 0).mean() > 0.99
    middle = radius[::2, ::2][:ROWS]
    assert np.abs(distance - middle)[10:-2].max() < 1.5e-3
    assert np.allclose(part.vertices[:-1], part.vertices[part.weld[:-1]])  # what is welded lies at one place


def test_wigs_are_drawn_by_number():
    skull = np.full((ROWS, COLUMNS), 0.1)
    draw = lambda seed: make_wig(skull, skull, np.full(3, 80.0), np.random.default_rng(seed))  # noqa: E731
    first, again = draw(4), draw(4)
    assert first.kind == again.kind and np.array_equal(first.radius, again.radius)
    assert np.array_equal(first.texture, again.texture)
    for seed in range(12):
        wig = draw(seed)
        assert (wig.radius[wig.there] > 0.1).all()
        assert not wig.there[110:130, SHAPE[1] // 2 - 4 : SHAPE[1] // 2 + 4].any()  # the face stays free


def test_heads_blend_and_turn():
    a, b = some_head(0), some_head(1)
    half = blend([a, b], np.array([0.5, 0.5]))
    assert np.allclose(half.parts[0].vertices, (a.parts[0].vertices + b.parts[0].vertices) / 2)
    assert np.allclose(posed(a, {}, arms=0.0)[0], a.parts[0].vertices)
    moved = posed(a, {"Smile": 0.5}, arms=0.0)[0] - a.parts[0].vertices
    assert moved[2, 1] == pytest.approx(0.005) and np.allclose(np.delete(moved, 2, 0), 0)
    turned = posed(a, {}, (0.4, 0.1, 0.0), arms=0.0, neck_share=0.0)[0]
    center = a.joints["head"]
    assert np.allclose(turned, (a.parts[0].vertices - center) @ rotation(0.4, 0.1, 0.0).T + center)


def test_a_roof_throws_shade_and_light_from_the_side_goes_under_it():
    square = np.array([[-1, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1.0]])
    vertices = np.concatenate([square * 0.02, square * 0.1 + [0, 0.05, 0]])
    faces = np.array([[0, 2, 1], [0, 3, 2], [4, 6, 5], [4, 7, 6]])
    normals = np.tile([0.0, 1.0, 0.0], (8, 1))
    above = Light(np.array([[0.0, 1.0, 0.0]]), np.ones((1, 3)), 1.0)
    beside = Light(np.array([[0.995, 0.1, 0.0]]), np.ones((1, 3)), 1.0)
    assert lit(vertices, normals, faces, above)[:4].max() < 0.05 < lit(vertices, normals, faces, above)[4:].min()
    assert lit(vertices, normals, faces, beside)[:4].min() > 0.2


def test_what_is_kept_of_a_photo_is_what_was_seen():
    rng = np.random.default_rng(0)
    shape = ROWS, COLUMNS
    color = rng.integers(0, 256, (*shape, 3)).astype(np.uint8)
    bound, mask = rng.uniform(0.05, 0.25, shape), rng.random(shape) > 0.5
    cosine = rng.uniform(-1, 1, shape)
    seen = Seen(bound, mask, cosine, color, np.abs(cosine), mask, bound, mask, color, cosine)
    again = seen_of({f"seen.{name}": _compact(name, value) for name, value in vars(seen).items()})
    assert np.array_equal(again.color, color) and np.array_equal(again.visible, mask)
    assert np.abs(again.fitted - bound).max() < 1e-4
    assert np.abs(again.facing - cosine).max() < 0.005
