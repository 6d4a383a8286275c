"""The built-in head in motion: nothing turns inside out or goes through itself, and the neck stays smooth."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from flamecast.flame_motion import FlameSequence, load_head
from flamecast.flame_motion.heads import PARTS, Head
from flamecast.flame_motion.open_head.checks import flipped, intersecting
from flamecast.flame_motion.open_head.mesh import edges

CONTACT = 2e-4  # m that surfaces which rest on each other (shut lips, lids on eyeballs) may overlap
JAW_WITH = {"mouthClose": 25.0, "tongueOut": 15.0}  # degrees the jaw is open in the shapes these two axes complete
FORTY = float(np.radians(40))
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


BROWS = ("browDown", "browInnerUp", "browOuterUp")
EYES = ("eyeSquint", "eyeWide", "cheekSquint", "noseSneer")
MOUTH = ("mouthSmile", "mouthFrown", "mouthPucker", "mouthFunnel", "mouthStretch", "mouthDimple", "mouthUpperUp")
MOUTH += ("mouthLowerDown", "mouthPress", "mouthShrugUpper", "mouthLeft", "mouthRight", "jawForward", "cheekPuff")


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
    turn = np.radians(25) * rng.uniform(-1, 1, (count, 3))
    jaw = np.radians(15) * rng.uniform(0, 1, (count, 1)) * np.array([1.0, 0, 0])
    return expressions(head, rows, neck=turn, jaw=jaw, eyelids=np.repeat(rng.uniform(0, 1, (count, 1)), 2, 1))


def test_no_face_flips_or_crosses_in_plausible_faces(head: Head) -> None:
    frames = pose(head, plausible(head, 200, np.random.default_rng(3)))
    found = {k: f for k, p in enumerate(frames) if (f := faults(head, *p))}
    assert found == {}


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
