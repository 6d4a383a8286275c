"""The face's building blocks: sculpted detail, lids that pass over the eyeball, the rules that settle displacements."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from open_head import eyes, nostrils, sculpt
from open_head.expressions import JAW_WITH, names
from open_head.mesh import gathered, umbrella

from flamecast.flame_motion import FlameSequence, load_head
from flamecast.flame_motion.heads.head import PARTS

# axis -> (landmark, coordinate, sign, least motion in mm); coordinates 0 = left, 1 = up, 2 = forward
DIRECTIONS = {
    "browDownLeft": [(334, 1, -1, 3)],
    "browInnerUp": [(107, 1, 1, 4), (336, 1, 1, 4)],
    "browOuterUpLeft": [(300, 1, 1, 4)],
    "cheekPuff": [(411, 0, 1, 4), (187, 0, -1, 4)],
    "cheekSquintLeft": [(330, 1, 1, 2)],
    "eyeSquintLeft": [(374, 1, 1, 1)],
    "eyeWideLeft": [(386, 1, 1, 1.5)],
    "jawForward": [(152, 2, 1, 4)],
    "mouthClose": [(14, 1, 1, 20), (13, 1, -1, 5)],
    "mouthDimpleLeft": [(291, 2, -1, 2)],
    "mouthFrownLeft": [(291, 1, -1, 3)],
    "mouthFunnel": [(13, 2, 1, 3), (13, 1, 1, 2), (14, 1, -1, 2)],
    "mouthLeft": [(13, 0, 1, 4), (14, 0, 1, 4)],
    "mouthLowerDownLeft": [(405, 1, -1, 2)],
    "mouthPressLeft": [(269, 2, -1, 0.4), (405, 2, -1, 0.4)],
    "mouthPucker": [(13, 2, 1, 3), (291, 0, -1, 4), (61, 0, 1, 4)],
    "mouthRollLower": [(14, 2, -1, 1.5)],
    "mouthRollUpper": [(13, 2, -1, 1.5)],
    "mouthShrugLower": [(17, 1, 1, 2)],
    "mouthShrugUpper": [(0, 1, 1, 2)],
    "mouthSmileLeft": [(291, 1, 1, 4), (291, 0, 1, 4)],
    "mouthStretchLeft": [(291, 0, 1, 4)],
    "mouthUpperUpLeft": [(269, 1, 1, 2)],
    "noseSneerLeft": [(429, 1, 1, 2), (358, 1, 1, 2)],
}


def test_every_named_axis_has_a_direction() -> None:
    sided = {name.replace("Right", "Left") for name in names()}
    assert sided - {"tongueOut"} == set(DIRECTIONS)


@pytest.mark.parametrize("name", DIRECTIONS)
def test_named_axis_moves_the_right_way(name: str) -> None:
    head = load_head("open")
    axis = head.expression[..., head.expression_names.index(name)].double().numpy() * 1000
    for landmark, coordinate, sign, least in DIRECTIONS[name]:
        assert sign * axis[landmark, coordinate] > least, (landmark, axis[landmark])


def test_a_lid_cleared_passes_over_the_eyeball() -> None:
    start, end = np.array([[0.0, 0.006, 0.0115]]), np.array([[0.0, -0.005, 0.0120]])
    shift = eyes.cleared(start, end - start, 0.0126)
    for share in eyes.SHARES:
        assert np.linalg.norm(start + share * shift) > 0.0126 - 1e-6
    assert np.linalg.norm(start + shift) > np.linalg.norm(end)
    np.testing.assert_array_equal(eyes.cleared(end, 0 * end, 0.5), 0 * end)  # what is at rest may stay as low


def test_nostrils_are_cut_out_and_tubes_narrow() -> None:
    twin = np.arange(468)
    inside = np.array([nostrils.RIGHT[:3], [0, 1, 2]])
    np.testing.assert_array_equal(nostrils.without(inside, twin), [[0, 1, 2]])
    turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    rim = 0.004 * np.stack([np.cos(turn), 0 * turn, np.sin(turn)], 1)
    size = np.linalg.norm(nostrils.tube(rim) - nostrils.tube(rim).mean(1, keepdims=True), axis=-1)
    assert (np.diff(size, axis=0) < 0).all()
    assert (np.diff(nostrils.tube(rim)[..., 1], axis=0) > 0).all()


def test_gathered_makes_a_place_move_as_one_and_keeps_the_rest() -> None:
    points = np.stack([np.linspace(0, 0.01, 11), np.zeros(11), np.zeros(11)], 1)
    values = points**2
    result = gathered(values, points, points[0], 0.0025, 0.006)
    np.testing.assert_allclose(result[:3], np.tile(values[:3].mean(0), (3, 1)))
    np.testing.assert_array_equal(result[6:], values[6:])


def test_weighted_laplacian_is_zero_on_constants_and_prefers_near_neighbours() -> None:
    points = np.array([[0.0, 0, 0], [0.001, 0, 0], [0, 0.01, 0]])
    laplacian = umbrella(np.array([[0, 1, 2]]), 3, points)
    np.testing.assert_allclose(laplacian @ np.ones(3), 0, atol=1e-12)
    assert laplacian[0, 1] == pytest.approx(10 * laplacian[0, 2])


def test_distance_to_a_chain() -> None:
    line = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0]])
    np.testing.assert_allclose(sculpt._distance(np.array([[0.5, 0.25, 0], [2, 2, 0]]), line), [0.25, np.sqrt(2)])


def test_axes_that_need_an_open_jaw_are_named_ones() -> None:
    assert set(JAW_WITH) <= set(names())


def test_lips_parted_show_the_upper_incisors_and_cover_the_lower() -> None:
    """As in people: straight from the front some millimetres of the upper row and next to nothing of the lower."""
    head = load_head("open")
    jaw = torch.tensor([[np.radians(10.0), 0.0, 0.0]])
    points = head(replace(FlameSequence.neutral(frames=1, fps=25, head=head), jaw=jaw))[0].numpy() * 1000

    def incisors(part: str) -> np.ndarray:  # heights mm
        row = points[head.faces[head.part == PARTS.index(part)].unique()]
        return row[np.abs(row[:, 0]) < 4, 1]

    assert head.mediapipe is not None
    upper_lip, lower_lip = (points[head.mediapipe[k], 1] for k in (13, 14))
    upper = upper_lip - incisors("teeth_upper").min()
    lower = incisors("teeth_lower").max() - lower_lip
    assert 2.5 < upper < 6 and lower < 0.5, (upper, lower)
