"""The atlas's geometry against what can be worked out, and the network's conventions."""

import numpy as np
import pytest
import torch

from flamecast.generator.completion.atlas import (
    CENTER,
    COLUMNS,
    ROWS,
    grid_faces,
    grid_mesh,
    longitudes,
    outermost,
    rays,
    surface_normals,
    surface_points,
)  # fmt: skip
from flamecast.generator.completion.frame import AtlasView
from flamecast.generator.completion.network import CompletionConfig, CompletionNetwork
from flamecast.generator.completion.seen import CHANNELS, outline_distance
from flamecast.generator.completion.strands import MOST, _strands, continued_detail


def test_the_face_is_in_the_middle_and_the_subjects_left_on_the_right():
    start, direction = rays()
    assert np.allclose(np.linalg.norm(direction, axis=-1), 1)
    assert (direction[100, COLUMNS // 2 - 1 : COLUMNS // 2 + 1, 2] > 0.99).all()
    assert direction[100, 3 * COLUMNS // 4, 0] > 0.99
    assert np.allclose(start[..., [0, 2]], CENTER[[0, 2]])


def test_a_surface_that_is_cast_back_is_met_where_it_was():
    angle = longitudes()[None]
    radius = 0.1 + 0.01 * np.cos(2 * angle) + 0.01 * np.sin(np.arange(ROWS) / 9)[:, None]
    vertices, faces = grid_mesh(radius, np.ones(radius.shape, bool))
    distance, triangle, _ = outermost(vertices, faces)
    assert (triangle >= 0).mean() > 0.99
    assert np.abs(distance - radius)[triangle >= 0].max() < 1e-6


def test_the_outermost_of_two_surfaces_is_met():
    there = np.ones((ROWS, COLUMNS), bool)
    inner, faces = grid_mesh(np.full(there.shape, 0.08), there)
    outer, _ = grid_mesh(np.full(there.shape, 0.11), there)
    both = np.concatenate([faces, faces + len(inner)])
    distance, triangle, _ = outermost(np.concatenate([outer, inner]), both)
    assert (triangle[10:-1] < len(faces)).all()
    assert np.abs(distance[10:-1] - 0.11).max() < 1e-3  # the sphere is flat between its corners


def test_triangles_and_normals_point_outwards():
    radius = np.full((ROWS, COLUMNS), 0.1)
    vertices, faces = grid_mesh(radius, radius > 0)
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    axis = np.where(a[:, 1:2] > CENTER[1], CENTER, CENTER * [1, 0, 1] + a * [0, 1, 0])
    assert ((np.cross(b - a, c - a) * (a - axis)).sum(1) > 0).all()
    assert len(faces) == len(grid_faces())
    out = surface_points(radius) - rays()[0]
    assert ((surface_normals(radius) * out).sum(-1) > 0.09).mean() > 0.98


def test_pixels_and_depth_lead_back_to_the_point():
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = np.diag([1.0, -1.0, -1.0]), [0.01, 0.02, 0.9]
    view = AtlasView(np.array([[800.0, 0, 200], [0, 800, 150], [0, 0, 1]]), matrix)
    points = np.random.default_rng(0).normal(size=(50, 3)) * 0.1
    assert np.allclose(view.unproject(*view.to_pixels(points)), points)
    assert np.allclose(view.to_camera(view.eye), 0)


def test_the_outline_of_a_disc_bounds_the_sphere_that_made_it():
    radius, distance, focal = 0.1, 5.0, 4000.0
    matrix = np.eye(4)
    matrix[:3, :3] = np.diag([1.0, -1.0, -1.0])
    matrix[:3, 3] = -matrix[:3, :3] @ CENTER + [0, 0, distance]
    view = AtlasView(np.array([[focal, 0, 200], [0, focal, 200], [0, 0, 1]]), matrix)
    y, x = np.mgrid[0:400, 0:400] + 0.5
    disc = np.hypot(x - 200, y - 200) < focal * radius / np.sqrt(distance**2 - radius**2)
    bound, cut = outline_distance(disc.astype(np.float32), view)
    assert (bound[:40] > radius - 0.004).all()  # nothing of the sphere is cut off
    side = np.abs(longitudes()) - np.pi / 2
    assert np.abs(bound[50, np.abs(side) < 0.05] - radius).max() < 0.004  # and at the outline it is known
    assert not cut[:40].any()


@pytest.fixture
def network() -> CompletionNetwork:
    torch.manual_seed(0)
    made = CompletionNetwork(CompletionConfig(widths=(8, 8, 16, 16), fine=8)).eval()
    torch.nn.init.normal_(made.answer.conv.weight, std=0.1)
    return made


def test_turning_the_head_turns_the_answer(network):
    seen = torch.randn(1, CHANNELS, 32, 64)
    with torch.no_grad():
        plain, turned = network(seen).color(), network(seen.roll(16, 3)).color()
    assert torch.allclose(plain.roll(16, 3), turned, atol=1e-4)


def test_strands_run_downwards_and_join_at_the_back_of_the_head():
    strands = _strands((96, 192))
    step = lambda x: np.abs(x).mean()  # noqa: E731
    across, along = step(np.diff(strands, axis=1)), step(np.diff(strands, axis=0))
    assert strands.std() == pytest.approx(1, rel=1e-4) and across > 3 * along
    assert step(strands[:, 0] - strands[:, -1]) == pytest.approx(across, rel=0.5)
    assert (strands == _strands((96, 192))).all()


def test_detail_is_added_to_hidden_hair_alone():
    rng = np.random.default_rng(0)
    color = 100 + rng.normal(size=(40, 96, 1)) * [20, 10, 5]
    hair, shown = np.ones((40, 96)), np.zeros((40, 96))
    hair[:, :20], shown[:, 30:60] = 0, 1
    detail = continued_detail(color, hair, shown)
    assert (detail[:, 30:60] == 0).all() and (detail[:, :20] == 0).all()
    spread = detail[:, 65:].std((0, 1))
    assert 5 < spread[0] < 1.2 * MOST * 112 and spread[0] > 1.5 * spread[1] > 2 * spread[2]  # colored as the hair is
    assert (continued_detail(color, hair, 0 * shown) == 0).all()
