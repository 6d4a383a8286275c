"""Skinning against smplx, exact identities, and refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from flamecast.flame_motion import BadInput, FlameSequence, Head, MissingAsset, load_head
from flamecast.flame_motion.heads.head import PARENTS
from flamecast.flame_motion.rotations import matrix_from_axis_angle


def random_head(vertices: int = 60, shape: int = 7, expression: int = 5, seed: int = 0) -> Head:
    """A head of noise: skinning is linear algebra and needs no anatomy."""
    g = torch.Generator().manual_seed(seed)
    r = lambda *size: torch.randn(*size, generator=g)  # noqa: E731
    return Head(
        id="noise@0", template=r(vertices, 3), identity=r(vertices, 3, shape), expression=r(vertices, 3, expression),
        expression_names=tuple(map(str, range(expression))), pose_correctives=r(vertices, 3, 36),
        joint_regressor=r(5, vertices).softmax(1), weights=r(vertices, 5).softmax(1), eyelids=r(vertices, 3, 2),
        faces=torch.randint(0, vertices, (40, 3), generator=g), uv=torch.rand(9, 2, generator=g),
        uv_faces=torch.randint(0, 9, (40, 3), generator=g), part=torch.ones(40, dtype=torch.int64),
        landmark_faces=torch.randint(0, 40, (68,), generator=g), landmark_bary=r(68, 3).softmax(1),
    )  # fmt: skip


def random_motion(head: Head, frames: int = 4, seed: int = 1, eyelids: float = 1.0) -> FlameSequence:
    g = torch.Generator().manual_seed(seed)
    r = lambda *size: torch.randn(*size, generator=g)  # noqa: E731
    return FlameSequence(
        shape=r(head.identity.shape[-1]), expression=r(frames, head.expression.shape[-1]), rotation=r(frames, 3),
        neck=r(frames, 3), jaw=r(frames, 3), eyes=r(frames, 2, 3), eyelids=eyelids * torch.rand(frames, 2, generator=g),
        translation=r(frames, 3), fps=25.0, head=head.id,
    )  # fmt: skip


def test_skinning_equals_smplx():
    lbs = pytest.importorskip("smplx.lbs", reason="smplx, the oracle, is not installed (extra `flame`)").lbs
    head = random_head()
    motion = random_motion(head, eyelids=0.0)
    frames = len(motion)
    betas = torch.cat([motion.shape.expand(frames, -1), motion.expression], 1)
    pose = torch.cat([motion.rotation, motion.neck, motion.jaw, motion.eyes.flatten(1)], 1)
    theirs, _ = lbs(
        betas, pose, head.template, torch.cat([head.identity, head.expression], -1),
        head.pose_correctives.reshape(-1, 36).T, head.joint_regressor, torch.tensor(PARENTS), head.weights,
    )  # fmt: skip
    assert torch.allclose(head(motion), theirs + motion.translation[:, None], atol=2e-5)


def test_root_pose_is_a_rigid_motion_about_joint_0():
    head = random_head()
    motion = random_motion(head, frames=1)
    still = replace(motion, rotation=torch.zeros(1, 3), translation=torch.zeros(1, 3))
    pivot = head.skin.shaped(motion.shape)[1][0] + head.skin.joints_expression[0] @ motion.expression[0]
    turn = matrix_from_axis_angle(motion.rotation[0])
    assert torch.allclose(head(motion)[0], (head(still)[0] - pivot) @ turn.T + pivot + motion.translation[0], atol=1e-4)


def test_subset_is_the_same_head():
    head = random_head()
    motion = random_motion(head)
    index = torch.tensor([5, 2, 40])
    skin = head.subset(index)
    assert torch.allclose(skin.pose(*skin.shaped(motion.shape), motion), head(motion)[:, index], atol=1e-5)


def test_landmarks_are_points_of_the_surface():
    head = load_head()
    motion = FlameSequence.neutral(frames=1, fps=25, head=head)
    corners = head(motion)[0][head.faces[head.landmark_faces]]
    assert torch.allclose(head.landmarks(motion)[0], (corners * head.landmark_bary[..., None]).sum(1), atol=1e-6)


@pytest.mark.parametrize(
    ("field", "axis"), [("pitch", (0, -1, 0)), ("yaw", (1, 0, 0)), ("roll", (-1, 0, 0))], ids=["down", "left", "tilt"]
)
def test_convention_of_head_angles(field, axis):
    """Pitch about +x looks down, yaw about +y turns to the subject's left, roll tilts toward the right shoulder."""
    head = load_head()
    still = FlameSequence.neutral(frames=1, fps=25, head=head)
    turn = torch.zeros(1, 3)
    turn[0, ("pitch", "yaw", "roll").index(field)] = 0.3
    before, after = head.landmarks(still)[0], head.landmarks(replace(still, neck=turn))[0]
    point = 27 if field == "roll" else 30  # the top of the nose tilts sideways; its tip moves where the face looks
    assert (after[point] - before[point]) @ torch.tensor(axis).float() > 0.005


def test_a_motion_of_another_head_is_refused():
    head = load_head()
    other = replace(FlameSequence.neutral(frames=1, fps=25, head=head), head="flame2023@12345678")
    with pytest.raises(BadInput, match="flame2023@12345678.*not interchangeable"):
        head(other)


def test_an_id_of_another_version_is_missing_not_replaced():
    with pytest.raises(MissingAsset, match="open@00000000 is not here"):
        load_head("open@00000000")


def test_wrong_shapes_are_named():
    with pytest.raises(BadInput, match=r"weights must have shape \(60, 5\), got \(60, 4\)"):
        replace(random_head(), weights=torch.ones(60, 4))


def test_positive_jaw_opens_the_mouth():
    head = load_head()
    still = FlameSequence.neutral(frames=1, fps=25, head=head)
    opened = replace(still, jaw=torch.tensor([[np.radians(20), 0.0, 0.0]]).float())
    gap = lambda m: float(head.landmarks(m)[0, 62, 1] - head.landmarks(m)[0, 66, 1])  # noqa: E731
    assert gap(opened) > gap(still) + 0.015


@pytest.mark.parametrize(("expression", "shape"), [(4, 7), (6, 7), (5, 8)])
def test_a_motion_with_other_sizes_than_its_head_is_refused(expression, shape):
    head = random_head()
    motion = random_motion(head)
    broken = replace(motion, expression=torch.zeros(len(motion), expression), shape=torch.zeros(shape))
    for use in (head, head.landmarks, head.check):
        with pytest.raises(BadInput, match=f"{expression} expression and {shape} identity coefficients"):
            use(broken)
