"""The built-in head laid over FLAME's template: places that stay when the face changes, lids, texture map, symmetry."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from flamecast.flame_motion import BadInput, FlameSequence, load_head
from flamecast.flame_motion.heads.flame import with_mouth_closed
from flamecast.flame_motion.heads.flame.features import eye_opening, front_view
from flamecast.flame_motion.heads.flame.register import _built_in_head, register
from flamecast.flame_motion.heads.flame.surface import Mesh, ball_of, border_loops, project
from flamecast.flame_motion.heads.flame.topology import EYEBALLS, SKIN
from flamecast.flame_motion.heads.head import PARTS
from flamecast.flame_motion.tracking.landmark_fit import LandmarkFit
from flamecast.flame_motion.tracking.landmarks import EYES_OUTLINE, FACE_OUTLINE, LIPS

TWINS = {33: 263, 133: 362, 61: 291, 159: 386, 145: 374, 70: 300, 107: 336, 234: 454, 172: 397, 98: 327, 78: 308}


@pytest.fixture(scope="module")
def head(flame_head):
    return flame_head


@pytest.fixture(scope="module")
def marks(head):
    """MediaPipe's landmarks on the template [478, 3] m."""
    return head.mediapipe_skin(torch.arange(478)).template.numpy().astype(np.float64)


def test_closest_point_of_a_triangle_against_a_fine_grid():
    g = np.random.default_rng(0)
    points, triangles = g.normal(size=(200, 3)), g.normal(size=(200, 3, 3))
    bary = project(points, triangles)
    assert bary.min() >= 0 and np.allclose(bary.sum(1), 1)
    found = np.linalg.norm((bary[..., None] * triangles).sum(1) - points, axis=1)
    u, v = (x.ravel() / 60 for x in np.mgrid[:61, :61])
    grid = np.stack([u, v, 1 - u - v], 1)[u + v <= 1 + 1e-9]
    tried = np.linalg.norm(np.einsum("gk,tkc->tgc", grid, triangles) - points[:, None], axis=-1).min(1)
    assert (found <= tried + 1e-9).all() and np.abs(found - tried).max() < 0.06


def test_ball_of_points_on_a_part_of_a_ball():
    g = np.random.default_rng(1)
    direction = g.normal(size=(50, 3)) + [0, 0, 3]
    points = 0.013 * direction / np.linalg.norm(direction, axis=1, keepdims=True) + [0.03, 0.02, 0.01]
    centre, radius = ball_of(points)
    assert np.allclose(centre, [0.03, 0.02, 0.01], atol=1e-9) and abs(radius - 0.013) < 1e-9


def test_the_edges_of_our_lids_lie_along_the_eyeball():
    """Also at the inner corner, which reaches past the eyeball: what one sees there inside the head is no lid."""
    ours = _built_in_head(load_head())
    for ball, centre in zip(ours.balls, ours.centres):
        radius = ball_of(ours.mesh.vertices[ours.ball_vertices(ball)])[1]
        away = np.linalg.norm(eye_opening(ours.mesh, ours.skin, ball) - centre, axis=-1) - radius
        assert 0 < away.min() and away.max() < 4e-3


def test_our_skin_comes_to_lie_on_theirs(flame_registration):
    found, head = flame_registration, load_head()
    away = np.linalg.norm(found.target.at(*found.on_target) - found.source.vertices, axis=1)
    for name, limit in (("face", 0.4e-3), ("lips", 0.7e-3), ("scalp", 1e-3)):
        rows = head.faces[head.part == PARTS.index(name)].unique().numpy()
        assert away[rows].mean() < limit, name


def test_places_stay_the_same_skin_on_another_person(flame_template, flame_registration):
    """FLAME's own identity axes say which skin is the same; a turn and another size must not matter either."""
    template, found = flame_template, flame_registration
    g = np.random.default_rng(2)
    person = template["v_template"] + template["shapedirs"][..., :10] @ g.normal(0, 1.0, 10)
    c, s = np.cos(0.1), np.sin(0.1)
    person = 1.08 * person @ np.array([[1, 0, 0], [0, c, s], [0, -s, c]]) + [0.01, 0.02, -0.03]
    again = register(load_head(), person, template["faces"].astype(np.int64), EYEBALLS)
    assert abs(again.scale / found.scale - 1.08) < 0.08
    rows = load_head().mediapipe[:468].numpy()
    here, there = (Mesh(person, found.target.faces).at(*(x[rows] for x in r.on_target)) for r in (found, again))
    apart = np.linalg.norm(here - there, axis=1) * 1000
    assert apart.mean() < 2.0, apart.mean()
    for region, limit in ((LIPS, 2.0), (EYES_OUTLINE, 2.0)):
        assert apart[region].mean() < limit


def test_landmarks_are_where_their_names_say(head, marks):
    eyes = {name: ball_of(head.template[EYEBALLS[name]].double().numpy()) for name in EYEBALLS}
    for name, iris, lids in (("eye_right", 468, EYES_OUTLINE[:16]), ("eye_left", 473, EYES_OUTLINE[16:])):
        centre, radius = eyes[name]
        assert np.abs(marks[iris] - centre - [0, 0, radius]).max() < 0.5e-3
        off = np.linalg.norm(marks[lids] - centre, axis=1) - radius  # the inner corner stands off farthest
        assert 0 < off.min() and np.median(off) < 2.5e-3 and off.max() < 5e-3
        rim = marks[iris + 1 : iris + 5] - centre
        assert np.allclose(np.linalg.norm(rim, axis=1), radius, atol=0.3e-3)
    assert marks[4, 2] == pytest.approx(float(head.template[:SKIN, 2].max()), abs=1e-3)
    assert np.abs(marks[[82, 13, 312]] - marks[[87, 14, 317]])[:, 1].max() < 0.6e-3  # FLAME's mouth is shut
    assert np.abs(marks[13] - marks[14]).max() < 2e-3 and marks[0, 1] > marks[13, 1] > marks[17, 1] > marks[152, 1]
    still = FlameSequence.neutral(1, 25, head)
    points = head.landmarks(still)[0].numpy()
    assert (np.diff(points[3:14, 0]) > 0).all() and (np.diff(points[17:27, 0]) > 0).all()  # jaw line, brows
    assert points[:17, 1].argmin() == 8 and (np.diff(points[27:31, 1]) < 0).all()  # chin, bridge of the nose


def test_upper_and_lower_lip_are_different_skin(head):
    """The lips touch; what opens with the jaw must be the lower one."""
    opened = FlameSequence.neutral(1, 25, head)
    object.__setattr__(opened, "jaw", torch.tensor([[0.3, 0.0, 0.0]]))
    skin = head.mediapipe_skin(torch.tensor([82, 13, 312, 87, 14, 317]))
    posed = skin.pose(*skin.shaped(opened.shape), opened)[0]
    assert (posed[:3, 1] - posed[3:, 1]).min() > 0.010
    assert torch.allclose(posed[:3], skin.template[:3], atol=2e-3)


def test_landmarks_are_as_symmetric_as_the_template(head, marks):
    """FLAME's template itself is 1.0 mm off its mirror image on average."""
    right, left = marks[list(TWINS)], marks[list(TWINS.values())]
    off = np.linalg.norm(right * [-1, 1, 1] - left, axis=1)
    assert off.mean() < 1.5e-3 and off.max() < 4e-3


def test_parts_of_a_flame_head(head):
    centre = head.template[head.faces].mean(1).numpy()
    part = head.part.numpy()
    for name, index in EYEBALLS.items():
        assert (np.isin(head.faces.numpy(), index).all(1) == (part == PARTS.index(name))).all()
    for name in ("face", "lips", "lids", "scalp", "ears", "neck", "torso"):
        middle = centre[part == PARTS.index(name)]
        left, right = (middle[:, 0] > 0).sum(), (middle[:, 0] < 0).sum()
        assert min(left, right) > 0.75 * max(left, right), name
    mean = {name: centre[part == PARTS.index(name)].mean(0) for name in ("scalp", "lips", "neck", "torso")}
    assert mean["scalp"][1] > mean["lips"][1] > mean["neck"][1] > mean["torso"][1]
    assert mean["lips"][2] > 0.04 and np.abs(centre[part == PARTS.index("ears"), 0]).min() > 0.05


@pytest.mark.parametrize("name", list(EYEBALLS))
def test_lids_shut_and_never_pass_through_the_eyeball(head, name):
    template, shape = head.template.double().numpy(), head.eyelids[..., list(EYEBALLS).index(name)].double().numpy()
    faces, index = head.faces.numpy(), EYEBALLS[name]
    skin, ball = np.nonzero((faces < SKIN).all(1))[0], np.nonzero(np.isin(faces, index).all(1))[0]
    centre, radius = ball_of(template[index])
    rest = np.linalg.norm(template[:SKIN] - centre, axis=1)
    low, high = centre[:2] - 0.017, centre[:2] + 0.017
    seen = []
    for share in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        mesh = Mesh(template + share * shape, faces)
        away = np.linalg.norm(mesh.vertices[:SKIN] - centre, axis=1)
        assert away[rest >= radius].min() > radius - 1e-5  # FLAME's sockets lie inside the eyeball: nobody sees them
        white, lids = (front_view(mesh, part, low, high).points[..., 2] for part in (ball, skin))
        seen.append(white > lids)
    assert all((~before & after).sum() <= 4 for before, after in zip(seen, seen[1:]))  # cells of 0.06 mm2
    assert seen[0].sum() > 1500 and seen[-1].sum() == 0
    other = EYEBALLS[next(x for x in EYEBALLS if x != name)]
    assert not shape[np.r_[index, other]].any() and not shape[:SKIN][rest > 2 * radius].any()


def test_the_texture_map_does_not_overlap_and_is_mirrored(head):
    uv, faces = head.uv.double().numpy(), head.uv_faces.numpy()
    assert uv.min() >= 0 and uv.max() <= 1
    a, b, c = uv[faces].transpose(1, 0, 2)
    area = np.cross(b - a, c - a) / 2
    skin = (head.faces.numpy() < SKIN).all(1)
    assert (area[skin] > 0).all() and (area >= 0).all()
    assert area[head.part.numpy() == PARTS.index("face")].sum() > 0.12
    assert area[skin].sum() == pytest.approx(np.pi * 0.49 * 0.42, rel=0.03)  # the ellipse, filled once
    place, bary = (x[list(TWINS) + list(TWINS.values())].numpy() for x in head.mediapipe_places())
    at = (uv[faces[place]] * bary[..., None]).sum(1)
    assert np.abs(at[: len(TWINS)] * [-1, 1] + [1, 0] - at[len(TWINS) :]).max() < 0.012


def test_a_landmark_fit_sees_the_places_on_a_flame_head(head, marks):
    problem = LandmarkFit(head)
    assert len(problem.seen) == 478 and np.allclose(problem.skin.template.numpy(), marks, atol=1e-7)
    assert len(set(FACE_OUTLINE) & set(problem.seen.tolist())) == len(FACE_OUTLINE)


def test_what_is_no_head_is_said(flame_template):
    template = flame_template
    faces = template["faces"].astype(np.int64)
    noise = np.random.default_rng(0).normal(size=(5023, 3))
    with pytest.raises(BadInput, match="expected to be a ball"):
        register(load_head(), noise, faces, EYEBALLS)
    with pytest.raises(BadInput, match="left eye is expected"):
        register(load_head(), template["v_template"] * [-1, 1, 1], faces, EYEBALLS)


def test_the_hole_behind_the_lips_is_closed_for_drawing(head):
    """Every edge of the skin but those of the neck has two faces then, which run along it in opposite directions."""
    closed = with_mouth_closed(head)
    added = closed.faces[len(head.faces) :]
    assert len(added) == 30 and closed.id == head.id and torch.equal(closed.faces[: len(head.faces)], head.faces)
    assert (closed.part[len(head.faces) :] == PARTS.index("mouth")).all()
    before, after = (border_loops(h.faces.numpy()) for h in (head, closed))
    assert len(before) == 2 and len(after) == 1 and after[0].size == 30
    assert head.template[after[0], 1].max() < -0.1
    a, b, c = closed.uv.double()[closed.uv_faces[len(head.faces) :]].unbind(1)
    turned = torch.linalg.det(torch.stack([b - a, c - a], 1))
    assert turned[turned > 0].sum() > 100 * -turned[turned < 0].sum()
    assert with_mouth_closed(load_head()) is load_head()
