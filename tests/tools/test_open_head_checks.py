"""Flip and intersection tests on shapes whose answer is known."""

from __future__ import annotations

import time

import numpy as np
import pytest
from open_head.checks import flipped, intersecting

STILL = np.tile(np.eye(3), (6, 1, 1))


def sphere(rings: int = 40, columns: int = 60) -> tuple[np.ndarray, np.ndarray]:
    polar, around = np.meshgrid(
        np.pi * (np.arange(rings) + 0.5) / rings, 2 * np.pi * np.arange(columns) / columns, indexing="ij"
    )
    points = 0.1 * np.stack([np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)], -1)
    index = np.arange(rings * columns).reshape(rings, columns)
    a, b = index[:-1], np.roll(index[:-1], -1, 1)
    c, d = index[1:], np.roll(index[1:], -1, 1)
    faces = np.concatenate([np.stack([a, c, b], -1).reshape(-1, 3), np.stack([b, c, d], -1).reshape(-1, 3)])
    return points.reshape(-1, 3), faces


def test_two_crossing_triangles_and_their_depth() -> None:
    """A spike through a large plate; it stands out by `tip` on the other side, so that is the way back."""
    plate = np.array([[-1.0, -1, 0], [1, -1, 0], [0, 1, 0]])
    for tip in (0.3, 0.01, 1e-6):
        spike = np.array([[-0.01, 0, 0.5], [0.01, 0, 0.5], [0, 0, -tip]])
        pairs, depth = intersecting(np.concatenate([plate, spike]), np.array([[0, 1, 2], [3, 4, 5]]))
        assert pairs.tolist() == [[0, 1]]
        np.testing.assert_allclose(depth, [tip], rtol=1e-9)


@pytest.mark.parametrize("height", [0.0, 1e-9, 0.2])
def test_touching_and_separate_triangles_do_not_count(height: float) -> None:
    plate = np.array([[-1.0, -1, 0], [1, -1, 0], [0, 1, 0]])
    spike = np.array([[-0.01, 0, 0.5], [0.01, 0, 0.5], [0, 0, height]])
    pairs, depth = intersecting(np.concatenate([plate, spike]), np.array([[0, 1, 2], [3, 4, 5]]))
    assert pairs.shape == (0, 2) and depth.shape == (0,)


def test_triangles_in_one_plane_do_not_count() -> None:
    plate = np.array([[-1.0, -1, 0], [1, -1, 0], [0, 1, 0]])
    pairs, _ = intersecting(np.concatenate([plate, 0.5 * plate]), np.array([[0, 1, 2], [3, 4, 5]]))
    assert len(pairs) == 0


def test_two_faces_on_one_vertex_can_cross() -> None:
    """A fan of two triangles from vertex 0; bent so that the second goes through the first."""
    points = np.array([[0.0, 0, 0], [1, -1, 0], [1, 1, 0], [1, 0, 0.5], [0.8, 0, -0.5]])
    faces = np.array([[0, 1, 2], [0, 3, 4]])
    assert intersecting(points, faces)[0].tolist() == [[0, 1]]
    points[4, 2] = 0.1
    assert len(intersecting(points, faces)[0]) == 0


def test_sphere_has_none_and_two_spheres_meet_in_a_circle() -> None:
    points, faces = sphere()
    assert len(intersecting(points, faces)[0]) == 0
    both = np.concatenate([points, points + [0.12, 0.0013, 0.0021]])
    pairs, depth = intersecting(both, np.concatenate([faces, faces + len(points)]))
    assert len(pairs) > 20 and ((pairs[:, 0] < len(faces)) & (pairs[:, 1] >= len(faces))).all()
    crossing = both[np.concatenate([faces, faces + len(points)])[pairs[:, 0]]].mean(1)
    np.testing.assert_allclose(np.hypot(crossing[:, 1] - 0.00065, crossing[:, 2] - 0.001), 0.08, atol=0.008)
    assert (depth > 0).all() and depth.max() < 0.02


def test_folded_strip_is_flipped_and_a_turned_one_is_not() -> None:
    rest = np.array([[0.0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0], [2, 0, 0], [2, 1, 0]])
    faces = np.array([[0, 2, 1], [1, 2, 3], [2, 4, 3], [3, 4, 5]])
    assert not flipped(rest, rest, STILL, faces).any()
    folded = rest.copy()
    folded[4:, 0] = 0.3
    assert flipped(rest, folded, STILL, faces).tolist() == [False, False, True, True]
    half_turn = np.diag([-1.0, 1, -1])
    assert not flipped(rest, rest @ half_turn.T, np.tile(half_turn, (6, 1, 1)), faces).any()
    assert flipped(rest, rest @ half_turn.T, STILL, faces).all()


def test_fast_enough_for_a_head() -> None:
    points, faces = sphere(80, 76)  # 12,008 faces
    intersecting(points, faces)
    start = time.process_time()
    intersecting(points, faces)
    assert time.process_time() - start < 0.5
