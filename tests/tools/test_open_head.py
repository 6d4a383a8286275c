"""The built-in head's file: what it holds, and closed-form truths about its mesh, skinning and axes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from open_head.expressions import names
from open_head.eyes import RADIUS, RIM
from open_head.mesh import boundary
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

import flamecast.flame_motion.heads.head as heads
from flamecast.flame_motion import FlameSequence, load_head

FILE = Path(heads.__file__).parent / "open.npz"
FLIP = np.array([-1.0, 1.0, 1.0])
LIPS_UPPER, LIPS_LOWER = 13, 14  # MediaPipe's inner lip middles
CORNER_RIGHT, CORNER_LEFT = 61, 291
EYES = {
    0: (473, (386, 385, 387), (374, 380, 373)),
    1: (468, (159, 158, 160), (145, 153, 144)),
}  # iris, upper, lower lid


# Version 1 of the axes. Motions and trained weights are written in them: another file is another head, and needs
# another name. Do not change this line to make a test pass.
FROZEN = "ad4fe3323159a9dec47d75cd15f14fdaea625aa8ba08a3d7d178980309dc1395"


def test_version_1_of_the_axes_is_frozen() -> None:
    assert hashlib.sha256(FILE.read_bytes()).hexdigest() == FROZEN


@pytest.fixture(scope="module")
def data() -> dict[str, np.ndarray]:
    with np.load(FILE, allow_pickle=False) as file:
        return {k: file[k].astype(np.float64) if file[k].dtype.kind == "f" else file[k] for k in file.files}


@pytest.fixture(scope="module")
def head() -> heads.Head:
    return load_head("open")


def posed(head: heads.Head, **channels: object) -> np.ndarray:
    """Vertices [N, 3] m of one frame: axes by name, or jaw=(x, y, z), neck=..., eyelids=(left, right)."""
    motion = FlameSequence.neutral(frames=1, fps=25, head=head.id)
    expression = motion.expression.clone()
    fields: dict[str, torch.Tensor] = {}
    for name, value in channels.items():
        if name in head.expression_names:
            expression[0, head.expression_names.index(name)] = float(value)
        else:
            fields[name] = torch.tensor([value], dtype=torch.float32)
    return head(dataclasses.replace(motion, expression=expression, **fields))[0].double().numpy()


def cross(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    a, b, c = (points[faces[:, k]] for k in range(3))
    return np.cross(b - a, c - a)


def test_file_is_small_and_holds_plain_arrays(data: dict[str, np.ndarray]) -> None:
    assert FILE.stat().st_size <= 8e6
    assert all(value.dtype.kind in "fiuU" for value in data.values())
    assert all(np.isfinite(value).all() for value in data.values() if value.dtype.kind == "f")


def test_card_describes_the_file(data: dict[str, np.ndarray]) -> None:
    card = json.loads(FILE.with_suffix(".json").read_text())
    assert card["sizes"] == {k: list(v.shape) for k, v in data.items()}
    assert card["bytes"] == FILE.stat().st_size
    assert card["expression axes"] == data["expression_names"].tolist()
    assert card["metrics"]["landmark error, % of outer eye distance, all axes"] < 1.0


def test_shapes(data: dict[str, np.ndarray]) -> None:
    n, f, e = len(data["template"]), len(data["faces"]), len(data["expression_names"])
    assert 8_000 <= f <= 12_000
    assert data["identity"].shape == (n, 3, len(data["identity_names"]))
    assert data["expression"].shape == (n, 3, e)
    assert data["weights"].shape == (n, 5) and data["joint_regressor"].shape == (5, n)
    assert data["eyelids"].shape == (n, 3, 2) and data["mirror"].shape == (n,)
    assert data["uv_faces"].shape == (f, 3) and data["uv_faces"].max() == len(data["uv"]) - 1
    assert np.array_equal(np.unique(data["faces"]), np.arange(n))


def test_expression_axes_are_the_arkit_names_that_joints_and_lids_leave(data: dict[str, np.ndarray]) -> None:
    axes = data["expression_names"].tolist()
    assert len(names()) == 39 and axes[:39] == names()
    carried = ("eyeBlink", "eyeLook", "jawOpen", "jawLeft", "jawRight")
    assert not any(axis.startswith(carried) for axis in axes)
    assert all(axis.startswith("residual_") for axis in axes[39:])
    assert all(np.abs(data["expression"][..., k]).max() > 1e-3 for k in range(39))


def test_every_landmark_is_a_vertex(data: dict[str, np.ndarray]) -> None:
    assert np.array_equal(data["mediapipe"][:468], np.arange(468))
    assert len(np.unique(data["mediapipe"])) == 478
    assert np.array_equal(np.sort(data["landmark_bary"], 1), np.tile([0.0, 0.0, 1.0], (68, 1)))
    corner = data["faces"][data["landmark_faces"], data["landmark_bary"].argmax(1)]
    assert len(np.unique(corner)) == 68
    width = np.linalg.norm(data["template"][33] - data["template"][263])
    assert 0.080 < width < 0.095


def test_irises_are_rings_of_human_size(data: dict[str, np.ndarray]) -> None:
    for start in (468, 473):
        centre, *rim = data["template"][data["mediapipe"][start : start + 5]]
        radius = np.linalg.norm(np.array(rim)[:, :2] - centre[:2], axis=1)
        np.testing.assert_allclose(radius, 0.00585, atol=1e-4)
        right, top, left, bottom = rim
        assert right[0] > left[0] and top[1] > bottom[1]


def test_mirror_symmetry(data: dict[str, np.ndarray]) -> None:
    twin = data["mirror"]
    assert np.array_equal(twin[twin], np.arange(len(twin)))
    np.testing.assert_allclose(data["template"][twin] * FLIP, data["template"], atol=2e-5)
    side = data["weights"][twin][:, [0, 1, 2, 4, 3]]
    np.testing.assert_allclose(side, data["weights"], atol=1e-4)
    np.testing.assert_allclose(data["eyelids"][twin][:, :, ::-1] * FLIP[:, None], data["eyelids"], atol=3e-5)
    axes = data["expression_names"].tolist()
    for k, name in enumerate(axes[:39]):
        other = name.replace("Left", "\0").replace("Right", "Left").replace("\0", "Right")
        np.testing.assert_allclose(
            data["expression"][twin][..., axes.index(other)] * FLIP, data["expression"][..., k], atol=1e-4, err_msg=name
        )


def test_mesh_is_a_clean_oriented_manifold(data: dict[str, np.ndarray]) -> None:
    faces = data["faces"].astype(np.int64)
    area = 0.5 * np.linalg.norm(cross(data["template"], faces), axis=1)
    assert area.min() > 1e-8  # 0.01 mm^2
    directed = faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    assert len(np.unique(directed, axis=0)) == len(directed)  # two faces on an edge run opposite ways


def test_skin_lids_and_mouth_bag_are_one_surface_open_at_the_neck(data: dict[str, np.ndarray]) -> None:
    faces, count = data["faces"].astype(np.int64), len(data["template"])
    links = coo_matrix((np.ones(3 * len(faces)), (faces.ravel(), np.roll(faces, 1, 1).ravel())), (count, count))
    label = connected_components(links, directed=False)[1]
    loops = boundary(faces[label[faces[:, 0]] == label[0]])
    assert sorted(len(loop) for loop in loops) == [32, 32, 72]
    neck = max(loops, key=len)
    assert data["template"][neck, 1].max() < -0.13
    behind = data["template"][[v for loop in loops if loop is not neck for v in loop]]  # lids end on the eyeballs
    centre = (data["joint_regressor"] @ data["template"])[3:]
    assert np.linalg.norm(behind[:, None] - centre, axis=-1).min(1).max() < RADIUS + RIM[-1][0] + 1e-4


def test_weights_and_joints(data: dict[str, np.ndarray]) -> None:
    weights = data["weights"]
    assert weights.min() >= 0
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(data["joint_regressor"].sum(1), 1, atol=1e-5)
    root, neck, jaw, left, right = data["joint_regressor"] @ data["template"]
    np.testing.assert_allclose([root[0], neck[0], jaw[0]], 0, atol=1e-4)
    np.testing.assert_allclose(left, right * FLIP, atol=1e-5)
    assert root[1] < neck[1] < jaw[1] < left[1]
    ball = np.unique(data["faces"][data["part"] == heads.PARTS.index("eye_left")])
    assert np.array_equal(weights[ball], np.tile([0, 0, 0, 1.0, 0], (len(ball), 1)))
    reach = np.linalg.norm(data["template"][ball] - left, axis=1)
    assert reach.min() > 0.0119 and reach.max() < 0.0126


def test_uv_has_no_overlap(data: dict[str, np.ndarray]) -> None:
    """No texel centre lies in two faces, and every face keeps its sense."""
    uv, size = data["uv"], 1024
    assert uv.min() >= 0 and uv.max() <= 1
    corners = uv[data["uv_faces"]] * size
    assert (np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) > 0).all()
    count = np.zeros((size, size), np.int64)
    for a, b, c in corners:
        low = np.maximum(np.floor(np.min([a, b, c], 0) - 0.5), 0).astype(int)
        high = np.ceil(np.max([a, b, c], 0) + 0.5).astype(int)
        x, y = np.meshgrid(np.arange(low[0], high[0]) + 0.5, np.arange(low[1], high[1]) + 0.5)
        inside = np.ones(x.shape, bool)
        for p, q in ((a, b), (b, c), (c, a)):
            inside &= (q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0]) > 1e-6
        count[low[1] : high[1], low[0] : high[0]][inside[: size - low[1], : size - low[0]]] += 1
    assert count.max() == 1


def test_uv_of_the_skin_mirrors(data: dict[str, np.ndarray]) -> None:
    twin, uv = data["mirror"], data["uv"]
    place = np.full((len(twin), 2), np.nan)
    skin = np.isin(data["part"], [heads.PARTS.index(p) for p in ("face", "scalp", "neck", "torso")])
    place[data["faces"][skin]] = uv[data["uv_faces"][skin]]
    known = np.isfinite(place[:, 0])
    np.testing.assert_allclose(place[twin][known] * [-1, 1] + [1, 0], place[known], atol=2e-3)


@pytest.mark.parametrize("side", [0, 1])
def test_eyelids_close_over_the_eyeball(data: dict[str, np.ndarray], side: int) -> None:
    _, upper, lower = EYES[side]
    centre = (data["joint_regressor"] @ data["template"])[3 + side]
    skin = np.unique(data["faces"][np.isin(data["part"], [1, 3])])
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        moved = data["template"] + share * data["eyelids"][..., side]
        assert np.linalg.norm(moved[skin] - centre, axis=1).min() > 0.0120, share
    np.testing.assert_allclose(moved[list(upper)], moved[list(lower)], atol=1e-4)
    assert np.abs(data["eyelids"][list(EYES[1 - side][1]), :, side]).max() == 0


def test_jaw_opens_the_mouth_and_keeps_the_upper_face(head: heads.Head) -> None:
    rest, opened = posed(head), posed(head, jaw=(0.3, 0.0, 0.0))
    gap = np.linalg.norm(opened[LIPS_UPPER] - opened[LIPS_LOWER])
    assert np.linalg.norm(rest[LIPS_UPPER] - rest[LIPS_LOWER]) < 0.001 and gap > 0.018
    assert opened[152, 1] < rest[152, 1] - 0.015
    still = [LIPS_UPPER, 0, 4, 33, 263, 10, 168]
    np.testing.assert_allclose(opened[still], rest[still], atol=2e-5)


def test_neck_turns_the_head_and_not_the_shoulders(head: heads.Head) -> None:
    rest, turned = posed(head), posed(head, neck=(0.0, 0.5, 0.0))
    assert turned[4, 0] > rest[4, 0] + 0.04  # +yaw: nose to the subject's left
    low = np.argsort(rest[:, 1])[:60]
    np.testing.assert_allclose(turned[low], rest[low], atol=1e-4)


# axis -> (landmark, coordinate, sign, least motion in mm); coordinates 0 = left, 1 = up, 2 = forward
DIRECTIONS = {
    "mouthSmileLeft": [(291, 1, 1, 4), (291, 0, 1, 4)],
    "mouthFrownLeft": [(291, 1, -1, 3)],
    "mouthStretchLeft": [(291, 0, 1, 4)],
    "mouthDimpleLeft": [(291, 2, -1, 2)],
    "mouthUpperUpLeft": [(269, 1, 1, 2)],
    "mouthLowerDownLeft": [(405, 1, -1, 2)],
    "mouthLeft": [(13, 0, 1, 4), (14, 0, 1, 4)],
    "mouthPucker": [(13, 2, 1, 3), (291, 0, -1, 5), (61, 0, 1, 5)],
    "mouthFunnel": [(13, 2, 1, 3), (13, 1, 1, 2), (14, 1, -1, 2)],
    "mouthRollLower": [(14, 2, -1, 1.5)],
    "mouthRollUpper": [(13, 2, -1, 1.5)],
    "mouthClose": [(14, 1, 1, 4)],
    "mouthShrugLower": [(17, 1, 1, 2)],
    "browInnerUp": [(107, 1, 1, 4), (336, 1, 1, 4)],
    "browDownLeft": [(334, 1, -1, 3)],
    "browOuterUpLeft": [(300, 1, 1, 4)],
    "cheekPuff": [(411, 0, 1, 4), (187, 0, -1, 4)],
    "cheekSquintLeft": [(330, 1, 1, 2)],
    "eyeSquintLeft": [(374, 1, 1, 1)],
    "eyeWideLeft": [(386, 1, 1, 1.5)],
    "noseSneerLeft": [(429, 1, 1, 2)],
    "jawForward": [(152, 2, 1, 4)],
}


@pytest.mark.parametrize("name", DIRECTIONS)
def test_named_axis_moves_the_right_way(data: dict[str, np.ndarray], name: str) -> None:
    axis = data["expression"][..., data["expression_names"].tolist().index(name)] * 1000
    for landmark, coordinate, sign, least in DIRECTIONS[name]:
        assert sign * axis[landmark, coordinate] > least, (landmark, axis[landmark])
    assert np.abs(axis).max() < 35
    if name.endswith("Left") and name != "mouthLeft":
        left, right = (np.abs(axis[data["template"][:, 0] * s > 0.004]).max() for s in (1, -1))
        assert left > 3 * right


def test_tongue_comes_out(data: dict[str, np.ndarray]) -> None:
    axis = data["expression"][..., data["expression_names"].tolist().index("tongueOut")]
    tongue = np.unique(data["faces"][data["part"] == heads.PARTS.index("tongue")])
    tip = tongue[np.argmax(data["template"][tongue, 2])]
    assert data["template"][tip, 2] < data["template"][14, 2] < (data["template"] + axis)[tip, 2]


@pytest.mark.parametrize("name", ["person_00", "person_05", "skull_height", "neck_width", "ear_size"])
def test_identity_moves_whole_people(data: dict[str, np.ndarray], name: str) -> None:
    """Two standard deviations keep the skin's faces the right way round; eyeballs move as rigid bodies."""
    axis = data["identity"][..., data["identity_names"].tolist().index(name)]
    skin = data["faces"][np.isin(data["part"], [1, 4, 5, 6, 7])]
    rest = cross(data["template"], skin)
    for amount in (-2, 2):
        moved = cross(data["template"] + amount * axis, skin)
        assert ((rest * moved).sum(1) > 0).mean() > 0.999
    ball = np.unique(data["faces"][data["part"] == heads.PARTS.index("eye_left")])
    np.testing.assert_allclose(axis[ball], np.tile(axis[ball].mean(0), (len(ball), 1)), atol=1e-5)
