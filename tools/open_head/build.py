"""Builds the built-in head: open.npz (arrays only) and open.json (its card). README.md says from what and how.

    PYTHONPATH=tools python -m open_head.build --footage ../shared/data -o flame_motion/heads/open.npz

Footage is a folder with portraits/ and clips/; it is only measured (468 landmarks a frame), nothing of it is kept.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

from flamecast.flame_motion.heads.head_file import read_head

from . import correctives, eyes, learn, nostrils, skinning
from .assemble import whole_body
from .body import Body
from .expressions import named_axes, names
from .extend import anthropometric, expression_shift, identity_shift
from .facemesh import COUNT, IBUG68, symmetric, triangles
from .footage import common_frame, read_footage
from .mesh import interpolating, loop_subdivision
from .sculpt import sculpted
from .separate import separate
from .settle import Pose, Settler

IDENTITY, RESIDUAL = 20, 24
PASSING = ("mouthSmile", "mouthFrown", "mouthUpperUp", "mouthLowerDown")  # both sides, and the open jaw: not identity
RESIDUAL_POSES = ((1.2, 0.0, 0.0), (-1.2, 0.0, 0.0), (0.6, 0.0, 1.0), (-0.6, 0.0, 1.0))  # see settle.Pose
PER_VERTEX = ("template", "identity", "expression", "weights", "eyelids", "pose_correctives")
COMMAND = "PYTHONPATH=tools python -m open_head.build --footage ../shared/data -o flame_motion/heads/open.npz"
AXES = {
    "ARKit names": "expression, 1 is the full shape of Apple's ARKit; Left and Right are the subject's own",
    "residual_NN": "expression learned by PCA from tracked clips, joints, lids and named axes removed; 1 is full",
    "person_NN": "identity learned over people at rest, in sd: symmetric, without smile, frown and open mouth",
    "skull_height, skull_depth, skull_width": "identity: vault of the skull higher, longer backwards, wider; in sd",
    "neck_width": "identity: neck thicker about its own middle, in sd",
    "ear_size, ear_spread": "identity: ears larger about their root, standing farther off at the back, in sd",
    "eyelids": "left and right lid from open (0) to shut (1), linear",
    "pose_correctives": "skin of neck and throat under turns of neck and jaw: FLAME's 36 features R_j - I",
    "prior": "for fits: covariance, in a frame, of jaw (2), eyelids, expression and wobble of the identity",
    "joints": "root, neck, jaw, left eye, right eye: joint_regressor times the shaped vertices",
}


def build(footage: Path, cache: Path | None = None) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """The head's arrays, by Head's field names, and the card's figures."""
    faces, mean, twin = common_frame(read_footage(footage, cache))
    rest, template = learn.neutral_face(faces, twin)
    coarse = nostrils.without(symmetric(triangles(mean), mean, twin), twin)
    fine, subdivision = loop_subdivision(coarse, COUNT)
    refine = interpolating(subdivision)
    body = whole_body(sculpted(refine @ template, fine, twin), coarse, twin)
    mirror = mirror_pairs(body.vertices)
    follow, express = (sparse.vstack(rows).tocsr() for rows in (body.follow, body.express))
    settle = Settler(body, mirror)
    settle.jaw(list(np.radians([10, 15, 20, 25])))
    eyelids = lid_shapes(body, settle)
    settle.shut = eyelids.sum(-1)
    named = [shift for _, shift in sorted(named_axes(body, mirror, settle, express).items())]
    lids = [eyelids[:COUNT, :, k] for k in (0, 1)]
    axes = learn.Axes(np.array([k[:COUNT] for k in named] + lids), body.weights[:COUNT, 2], skinning.JAW)
    rest, identity, card = people(faces, rest, template, twin, axes)
    residual = residual_axes(faces, rest, template, twin, axes, held_landmarks(refine, settle))

    own = anthropometric(body)
    shapes = [identity_shift(body, refine, d) for d in identity] + list(own.values())
    wrinkles = [
        settle(express @ expression_shift(body, refine, d), [Pose(*pose) for pose in RESIDUAL_POSES], "hold")
        for d in residual
    ]
    shown, whole = learn.landmark_errors(faces, rest, template, axes, np.array([k[:COUNT] for k in wrinkles]))
    card["landmark error, % of outer eye distance, named axes"] = round(shown, 3)
    card["landmark error, % of outer eye distance, all axes"] = round(whole, 3)
    arrays = {
        "template": body.vertices.astype(np.float32),
        "identity": np.stack([follow @ d for d in shapes], -1).astype(np.float16),
        "expression": np.stack([*named, *wrinkles], -1).astype(np.float16),
        "expression_names": np.array([*names(), *(f"residual_{k:02d}" for k in range(RESIDUAL))]),
        "identity_names": np.array([*(f"person_{k:02d}" for k in range(IDENTITY)), *own]),
        "joint_regressor": joint_regressor(body).astype(np.float32),
        "weights": body.weights.astype(np.float32),
        "eyelids": eyelids.astype(np.float16),
        "pose_correctives": correctives.pose_correctives(body).astype(np.float16),
        "mirror": mirror.astype(np.int32),
        **topology(body),
    }
    return compact(arrays), card


def people(
    faces: list[np.ndarray], rest: np.ndarray, template: np.ndarray, twin: np.ndarray, axes: learn.Axes
) -> tuple[np.ndarray, np.ndarray, dict[str, float]]:
    """Everybody at rest [P, 468, 3] m, identity axes of the landmarks [K, 468, 3] m, and figures about them."""
    rest = learn.people_at_rest(faces, rest, template, axes)
    never = np.array([sum(axes.named[k] for k, name in enumerate(names()) if name.startswith(n)) for n in PASSING])
    jaw = learn.jaw_shift(template, axes, np.array([0.1]))
    identity, kept = learn.identity_axes(rest, template, twin, IDENTITY, np.concatenate([never, jaw]))
    card = {"people": len(faces), "frames": sum(map(len, faces)), "identity variance kept": round(kept, 4)}
    return rest, identity, card


def residual_axes(
    faces: list[np.ndarray],
    rest: np.ndarray,
    template: np.ndarray,
    twin: np.ndarray,
    axes: learn.Axes,
    held: np.ndarray,
) -> np.ndarray:
    """Residual axes of the landmarks, [K, 468, 3] m; held [468, 468] makes of a motion what residual axes may do."""
    clips = [learn.remove_named(f - r, template, axes) for f, r in zip(faces, rest) if len(f) > 1]
    return learn.residual_axes(held @ np.concatenate(clips), template, twin, RESIDUAL)[0]


def held_landmarks(refine: np.ndarray, settle: Settler) -> np.ndarray:
    """[468, 468]: a landmark displacement without what moves lips or lids apart, before anything is learned of it."""
    fine = np.zeros((len(settle.rest), COUNT))
    fine[: len(refine)] = refine
    return settle.held(fine)[:COUNT]


def compact(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays without the vertices no face uses (those the ears replaced)."""
    used = np.unique(arrays["faces"])
    place = np.full(len(arrays["template"]), -1)
    place[used] = np.arange(len(used))
    renamed = {k: place[arrays[k]].astype(np.int32) for k in ("faces", "mediapipe")}
    fewer = {k: arrays[k][used] for k in PER_VERTEX}
    mirror = place[arrays["mirror"][used]].astype(np.int32)
    return {**arrays, **renamed, **fewer, "mirror": mirror, "joint_regressor": arrays["joint_regressor"][:, used]}


def mirror_pairs(vertices: np.ndarray) -> np.ndarray:
    """The left-right twin of every vertex, [N]. Raises ValueError when the mesh is not symmetric."""
    found = cKDTree(vertices).query(vertices * [-1, 1, 1])
    distance, twin = np.asarray(found[0]), np.asarray(found[1])
    if distance.max() > 2e-5 or not np.array_equal(twin[twin], np.arange(len(twin))):
        worst = int(np.argmax(distance))
        raise ValueError(f"vertex {worst} at {vertices[worst]} has no mirror image: {distance.max() * 1000:.3f} mm off")
    return twin


def lid_shapes(body: Body, settle: Settler) -> np.ndarray:
    """[N, 3, 2] m: left and right eyelid shut."""
    left = np.zeros((len(body.vertices), 3))
    faces = body.faces[(body.faces < body.skin).all(1)]
    left[: body.skin] = eyes.lid_shape(body.eyes[True], body.vertices[: body.skin], faces)
    for index, shift in body.lid_shift[True]:
        left[index] = shift
    left = settle(
        left, [Pose(share) for share in (1.0, 0.75, 0.5, 0.25)], "free", margin=0.0, held=body.eyes[True].loop
    )
    return np.stack([left, left[settle.mirror] * [-1, 1, 1]], -1)


def joint_regressor(body: Body) -> np.ndarray:
    """[5, N]: joints as weighted means of vertices that expressions hardly move."""
    grid, points = body.grid, body.vertices
    loft = np.intersect1d(grid.index, body.faces)
    across, height, depth = np.abs(points[loft, 0]), points[loft, 1], points[loft, 2]
    sets = [
        (skinning.ROOT, loft[np.abs(height - skinning.ROOT[1]) < 0.02]),
        (skinning.NECK, loft[np.abs(height - skinning.NECK[1]) < 0.015]),
        (skinning.JAW, loft[(across > 0.055) & (np.abs(height + 0.006) < 0.03) & (np.abs(depth + 0.035) < 0.03)]),
    ]
    result = [skinning.joint_row(joint, points, index).toarray()[0] for joint, index in sets]
    for left in (True, False):
        row = np.zeros(len(points))
        eye = body.eyes[left].centre
        row[body.ball[left]] = skinning.joint_row(eye, points, body.ball[left]).toarray()[0, body.ball[left]]
        result.append(row)
    return np.array(result)


def topology(body: Body) -> dict[str, np.ndarray]:
    """Faces, uv, part labels and landmark tables."""
    corners = [np.argwhere(body.faces == v)[0] for v in IBUG68]
    iris = [body.ball[left][eyes.iris_vertices()] for left in (False, True)]
    return {
        "faces": body.faces.astype(np.int32),
        "uv": body.uv.astype(np.float32),
        "uv_faces": body.uv_faces.astype(np.int32),
        "part": body.part.astype(np.int8),
        "landmark_faces": np.array([c[0] for c in corners], np.int32),
        "landmark_bary": np.eye(3, dtype=np.float32)[[c[1] for c in corners]],
        "mediapipe": np.concatenate([np.arange(COUNT), *iris]).astype(np.int32),
    }


def _restart_with_one_thread() -> None:
    """Runs the program anew with one thread: sums in another order round otherwise, and settling steps on from that."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    if not one.items() <= os.environ.items():
        command = [sys.executable, "-m", "open_head.build", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, **one})


def main() -> None:
    """The command line; see the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--footage", type=Path, required=True, help="folder with portraits/ and clips/")
    parser.add_argument("--cache", type=Path, help="folder to keep tracked landmarks in (default: track every time)")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the .npz to write; its card goes beside it")
    options = parser.parse_args()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    _restart_with_one_thread()
    arrays, card = build(options.footage, options.cache)
    part = options.output.with_suffix(".part.npz")
    np.savez_compressed(part, **arrays)
    head = separate(read_head(part, "open"), read_footage(options.footage, options.cache), IDENTITY)
    arrays |= {"identity": head.identity.numpy().astype(np.float16), "prior": np.asarray(head.prior)}
    np.savez_compressed(part, **arrays)
    os.replace(part, options.output)
    about = {
        "axes version": 1,
        "what": "flamecast's built-in head: template, identity and expression axes, skinning, uv",
        "command": COMMAND,
        "data": "landmarks of the portraits and clips in the footage folder (see its README for their licences)",
        "sizes": {k: list(v.shape) for k, v in arrays.items()},
        "bytes": options.output.stat().st_size,
        "identity axes": arrays["identity_names"].tolist(),
        "expression axes": arrays["expression_names"].tolist(),
        "what the axes are": AXES,
        "metrics": card,
    }
    options.output.with_suffix(".json").write_text(json.dumps(about, indent=1) + "\n")
    print(json.dumps(card, indent=1))


if __name__ == "__main__":
    main()
