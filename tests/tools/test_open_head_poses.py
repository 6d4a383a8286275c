"""The built-in head in motion: nothing turns inside out or goes through itself, and the neck stays smooth."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from open_head.checks import flipped, intersecting
from open_head.mesh import edges

from flamecast.flame_motion import FlameSequence, load_head
from flamecast.flame_motion.heads.head import PARTS, Head

CONTACT = 2e-4  # m that surfaces which rest on each other (shut lips, lids on eyeballs) may overlap
JAW_WITH = {"mouthClose": 25.0, "tongueOut": 15.0}  # degrees the jaw is open in the shapes these two axes complete
FORTY = float(np.radians(40))
GAZE = {"ahead": (0.0, 0.0), "left": (0.0, 25.0), "right": (0.0, -25.0), "down": (25.0, 0.0), "up": (-25.0, 0.0)}
POSES: dict[str, dict[str, tuple[float, ...]]] = {
    "neutral": {},
    "jaw open 25 degrees": {"jaw": (float(np.radians(25)), 0, 0)},
    "turned left": {"neck": (0, FORTY, 0)},
    "turned right": {"neck": (0, -FORTY, 0)},
    "nodded": {"neck": (FORTY, 0, 0)},
    "head back": {"neck": (-FORTY, 0, 0)},
    "tilted right": {"neck": (0, 0, FORTY)},
    "tilted left": {"neck": (0, 0, -FORTY)},
    "eyes shut": {"eyelids": (1, 1)},
}


@pytest.fixture(scope="module")
def head() -> Head:
    return load_head("open")


def pose(head: Head, motion: FlameSequence) -> list[tuple[np.ndarray, np.ndarray]]:
    """Vertices [N, 3] m and blended rotations [N, 3, 3] of every frame."""
    posed, frames = head.skin.pose(*head.skin.shaped(motion.shape), motion, with_frames=True)
    return list(zip(posed.double().numpy(), frames.double().numpy()))


def one(head: Head, **channels: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    fields = {k: torch.tensor([v], dtype=torch.float32) for k, v in channels.items()}
    return pose(head, dataclasses.replace(FlameSequence.neutral(frames=1, fps=25, head=head), **fields))[0]


def expressions(head: Head, rows: np.ndarray, **channels: np.ndarray) -> FlameSequence:
    """One frame for each row of expression coefficients [T, E]."""
    still = FlameSequence.neutral(frames=len(rows), fps=25, head=head)
    fields = {k: torch.from_numpy(v).float() for k, v in {"expression": rows, **channels}.items()}
    return dataclasses.replace(still, **fields)


def faults(head: Head, vertices: np.ndarray, frames: np.ndarray) -> dict[str, int]:
    """How many faces are inside out and how many pairs cross deeper than CONTACT, by part."""
    faces, part = head.faces.numpy(), head.part.numpy()
    turned = flipped(head.template.double().numpy(), vertices, frames, faces)
    pairs, depth = intersecting(vertices, faces)
    found: dict[str, int] = {}
    names = [f"flipped {PARTS[p]}" for p in part[turned]]
    names += [f"{PARTS[part[a]]} through {PARTS[part[b]]}" for a, b in pairs[depth > CONTACT]]
    for name in names:
        found[name] = found.get(name, 0) + 1
    return found


@pytest.mark.parametrize("name", POSES)
def test_no_face_flips_or_crosses_in_a_pose(head: Head, name: str) -> None:
    assert faults(head, *one(head, **POSES[name])) == {}


def test_no_face_flips_or_crosses_at_any_expression_axis(head: Head) -> None:
    names = head.expression_names
    jaw = np.radians([[JAW_WITH.get(name, 0.0), 0, 0] for name in names])
    frames = pose(head, expressions(head, np.eye(len(names)), jaw=jaw))
    assert {name: f for name, p in zip(names, frames) if (f := faults(head, *p))} == {}


@pytest.mark.parametrize("deviations", [-2.0, 2.0])
def test_no_face_flips_or_crosses_at_any_identity_axis(head: Head, deviations: float) -> None:
    rest, still = head.template.double().numpy(), np.tile(np.eye(3), (len(head.template), 1, 1))
    axes = head.identity.double().numpy()
    found = {k: faults(head, rest + deviations * axes[..., k], still) for k in range(axes.shape[-1])}
    assert {k: f for k, f in found.items() if f} == {}


BROWS = ("browDown", "browInnerUp", "browOuterUp")
EYES = ("eyeSquint", "eyeWide", "cheekSquint", "noseSneer")
MOUTH = ("mouthSmile", "mouthFrown", "mouthPucker", "mouthFunnel", "mouthStretch", "mouthDimple", "mouthUpperUp")
MOUTH += ("mouthLowerDown", "mouthPress", "mouthShrugUpper", "mouthLeft", "mouthRight", "jawForward", "cheekPuff")


UPPER, LOWER = [466, 388, 387, 386, 385, 384, 398], [249, 390, 373, 374, 380, 381, 382]  # left lids, corners left out
UPPER_RIGHT, LOWER_RIGHT = [246, 161, 160, 159, 158, 157, 173], [7, 163, 144, 145, 153, 154, 155]


def lids_meet(head: Head, rows: np.ndarray) -> np.ndarray:
    """How far each lid can shut, [T, 2], before the margins meet: less than 1 in a squint, which is part of the way.

    Shapes add up, so only a person who squints and shuts the lids all the way as well would push one through the other.
    """
    result = []
    for k, (upper, lower) in enumerate(((UPPER, LOWER), (UPPER_RIGHT, LOWER_RIGHT))):
        rest, axes, lid = (x.double().numpy() for x in (head.template, head.expression, head.eyelids[..., k]))
        gap = (rest[upper] - rest[lower])[:, 1] + rows @ (axes[upper] - axes[lower])[:, 1].T
        result.append((gap / (lid[lower] - lid[upper])[:, 1]).min(1))
    return np.stack(result, 1)


def plausible(head: Head, count: int, rng: np.random.Generator) -> FlameSequence:
    """Random faces that people make: one shape each of brows, eyes and mouth, a little of the learned rest, a pose."""
    names = list(head.expression_names)
    rows = np.zeros((count, len(names)))
    for row in rows:
        for group, most in ((BROWS, 1.0), (EYES, 0.8), (MOUTH, 0.8)):
            chosen, amount = rng.choice(group), rng.uniform(0, most)
            for k, name in enumerate(names):
                if name in (chosen, f"{chosen}Left", f"{chosen}Right"):
                    row[k] = amount * rng.uniform(0.7, 1)
    residual = [k for k, name in enumerate(names) if name.startswith("residual")]
    rest = rng.normal(size=(count, len(residual)))
    rows[:, residual] = 0.5 * rest / np.linalg.norm(rest, axis=1, keepdims=True)
    turn, gaze = np.radians(25) * rng.uniform(-1, 1, (2, count, 3))
    eyes = np.repeat((gaze * [1, 1, 0])[:, None], 2, 1)
    lids = np.minimum(rng.uniform(0, 1, (count, 2)), lids_meet(head, rows))
    jaw = np.radians(15) * rng.uniform(0, 1, (count, 1)) * np.array([1.0, 0, 0])
    return expressions(head, rows, neck=turn, jaw=jaw, eyes=eyes, eyelids=lids)


def test_no_face_flips_or_crosses_in_plausible_faces(head: Head) -> None:
    frames = pose(head, plausible(head, 200, np.random.default_rng(3)))
    found = {k: f for k, p in enumerate(frames) if (f := faults(head, *p))}
    assert found == {}


@pytest.mark.parametrize("shut", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_the_cornea_passes_below_the_lids_in_any_gaze(head: Head, shut: float) -> None:
    for direction, (pitch, yaw) in GAZE.items():
        still = FlameSequence.neutral(frames=1, fps=25, head=head)
        eyes = torch.deg2rad(torch.tensor([pitch, yaw, 0.0])).repeat(1, 2, 1)
        motion = dataclasses.replace(still, eyes=eyes, eyelids=torch.full((1, 2), shut))
        assert faults(head, *pose(head, motion)[0]) == {}, direction


def neck_edges(head: Head) -> tuple[np.ndarray, np.ndarray]:
    """Edges [E, 2] inside neck and torso, and the two faces [E, 2] on each."""
    faces = head.faces.numpy()
    chosen = np.flatnonzero(np.isin(head.part.numpy(), [PARTS.index("neck"), PARTS.index("torso")]))
    owner: dict[tuple[int, int], list[int]] = {tuple(e): [] for e in edges(faces[chosen]).tolist()}
    for f in chosen:
        for a, b in zip(faces[f], np.roll(faces[f], -1)):
            owner[min(a, b), max(a, b)].append(f)
    inner = {e: f for e, f in owner.items() if len(f) == 2}
    return np.array(list(inner)), np.array(list(inner.values()))


@pytest.mark.parametrize("name", POSES)
def test_neck_stays_smooth(head: Head, name: str) -> None:
    """Neighbouring faces never meet at a sharp edge, and no edge is crushed or torn."""
    edge, sides = neck_edges(head)
    faces = head.faces.numpy()
    rest, posed = head.template.double().numpy(), one(head, **POSES[name])[0]
    a, b, c = (posed[faces[sides, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    bend = np.degrees(np.arccos(np.clip((normal[:, 0] * normal[:, 1]).sum(1), -1, 1)))
    length = [np.linalg.norm(p[edge[:, 0]] - p[edge[:, 1]], axis=1) for p in (rest, posed)]
    stretch = length[1] / length[0]
    assert bend.max() < 70 and np.quantile(bend, 0.99) < 40
    assert stretch.min() > 0.3 and stretch.max() < 2.2
