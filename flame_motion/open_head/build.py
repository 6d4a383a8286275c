"""Builds the built-in head: open.npz (arrays only) and open.json (its card). Deterministic: same footage, same file.

    python -m flamecast.flame_motion.open_head.build --footage ../shared/data -o flame_motion/open_head/open.npz

Footage is a folder with portraits/ and clips/; it is only measured (468 landmarks a frame), nothing of it is kept.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

from . import eyes, learn, skinning
from .body import Body, whole_body
from .expressions import JAW_FORWARD, named_axes, names, tongue_out
from .extend import anthropometric, expression_shift, identity_shift
from .facemesh import COUNT, IBUG68, symmetric, triangles
from .footage import common_frame, read_footage
from .mesh import interpolating, loop_subdivision

IDENTITY, RESIDUAL = 20, 24
COMMAND = "python -m flamecast.flame_motion.open_head.build --footage ../shared/data -o flame_motion/open_head/open.npz"


def build(footage: Path, cache: Path) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """The head's arrays, by Head's field names, and the card's entries."""
    faces, mean, twin = common_frame(read_footage(footage, cache))
    rest, template = learn.neutral_face(faces, twin)
    coarse = symmetric(triangles(mean), mean, twin)
    refine = interpolating(loop_subdivision(coarse, COUNT)[1])
    body = whole_body(refine @ template, coarse, twin)
    mirror = mirror_pairs(body.vertices)
    carry = {"follow": sparse.vstack(body.follow).tocsr(), "express": sparse.vstack(body.express).tocsr()}
    eyelids = lid_shapes(body)
    sculpted = {k: spread_named(k, v, body, carry["express"]) for k, v in named_axes(body, mirror[: body.skin]).items()}

    named = np.array([sculpted[k][:COUNT] for k in names()] + [eyelids[:COUNT, :, k] for k in (0, 1)])
    jaw = body.weights[:COUNT, 2]
    rest = learn.people_at_rest(faces, rest, template, named, jaw, skinning.JAW)
    identity, kept_identity = learn.identity_axes(rest, template, twin, IDENTITY)
    left = np.concatenate(
        [learn.remove_named(f - r, template, named, jaw, skinning.JAW)[0] for f, r in zip(faces, rest) if len(f) > 1]
    )
    residual, kept_residual = learn.residual_axes(left, template, twin, RESIDUAL)

    own = anthropometric(body)
    shapes = [identity_shift(body, refine, d) for d in identity] + list(own.values())
    wrinkles = [carry["express"] @ expression_shift(body, refine, d) for d in residual]
    labels = [*names(), *(f"residual_{k:02d}" for k in range(RESIDUAL))]
    arrays = {
        "template": body.vertices.astype(np.float32),
        "identity": np.stack([carry["follow"] @ d for d in shapes], -1).astype(np.float16),
        "expression": np.stack([*(sculpted[k] for k in names()), *wrinkles], -1).astype(np.float16),
        "expression_names": np.array(labels),
        "identity_names": np.array([*(f"person_{k:02d}" for k in range(IDENTITY)), *own]),
        "joint_regressor": joint_regressor(body).astype(np.float32),
        "weights": body.weights.astype(np.float32),
        "eyelids": eyelids.astype(np.float16),
        "mirror": mirror.astype(np.int32),
        **topology(body),
    }
    errors = landmark_errors(faces, rest, template, named, jaw, residual)
    card = {
        "people": len(faces),
        "frames": int(sum(map(len, faces))),
        "identity variance kept": round(kept_identity, 4),
        "residual variance kept": round(kept_residual, 4),
        "landmark error, % of outer eye distance, named axes": round(errors[0], 3),
        "landmark error, % of outer eye distance, all axes": round(errors[1], 3),
    }
    return arrays, card


def mirror_pairs(vertices: np.ndarray) -> np.ndarray:
    """The left-right twin of every vertex, [N]. Raises ValueError when the mesh is not symmetric."""
    distance, twin = cKDTree(vertices).query(vertices * [-1, 1, 1])
    if distance.max() > 2e-5 or not np.array_equal(twin[twin], np.arange(len(twin))):
        worst = int(np.argmax(distance))
        raise ValueError(f"vertex {worst} at {vertices[worst]} has no mirror image: {distance.max() * 1000:.3f} mm off")
    return twin


def lid_shapes(body: Body) -> np.ndarray:
    """[N, 3, 2] m: left and right eyelid shut."""
    shapes = np.zeros((len(body.vertices), 3, 2))
    faces = body.faces[(body.faces < body.skin).all(1)]
    for k, left in enumerate((True, False)):
        shapes[: body.skin, :, k] = eyes.lid_shape(body.eyes[left], body.vertices[: body.skin], faces)
        for index, shift in body.lid_shift[left]:
            shapes[index, :, k] = shift
    return shapes


def spread_named(name: str, shift: np.ndarray, body: Body, express: sparse.csr_matrix) -> np.ndarray:
    """A named axis for all vertices [N, 3] m."""
    if name == "jawForward":  # lower teeth and tongue go along
        return body.weights[:, 2:3] * JAW_FORWARD
    whole = express @ shift
    return whole + tongue_out(body) if name == "tongueOut" else whole


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


def landmark_errors(
    faces: list[np.ndarray], rest: np.ndarray, template: np.ndarray, named: np.ndarray, jaw: np.ndarray, residual: np.ndarray
) -> tuple[float, float]:
    """Mean 2D landmark error over all frames of the clips, % of the outer eye distance: named axes alone, with residuals."""
    sums = []
    for face, start in zip(faces, rest):
        if len(face) < 2:
            continue
        left = learn.remove_named(face - start, template, named, jaw, skinning.JAW)[0]
        modes = learn.rigid_modes(template)
        rough = left - np.tensordot(learn.solve(modes, left, 1e-9), modes, 1)
        basis = np.concatenate([modes, residual])
        fine = left - np.tensordot(learn.solve(basis, left, [1e-9] * 7 + [0.01] * len(residual)), basis, 1)
        scale = 100 / np.linalg.norm(start[33] - start[263])
        sums.append([scale * np.linalg.norm(e[..., :2], axis=-1).mean() for e in (rough, fine)])
    return tuple(float(v) for v in np.mean(sums, 0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--footage", type=Path, required=True, help="folder with portraits/ and clips/")
    parser.add_argument("--cache", type=Path, default=Path(".landmarks"), help="where tracked landmarks are kept")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the .npz to write; its card goes beside it")
    options = parser.parse_args()
    arrays, card = build(options.footage, options.cache)
    part = options.output.with_suffix(".part.npz")
    np.savez_compressed(part, **arrays)
    os.replace(part, options.output)
    card = {
        "what": "flamecast's built-in head: template, identity and expression axes, skinning, uv",
        "command": COMMAND,
        "data": "landmarks of the portraits and clips in the footage folder (see its README for their licences)",
        "sizes": {k: list(v.shape) for k, v in arrays.items()},
        "bytes": options.output.stat().st_size,
        "identity axes": arrays["identity_names"].tolist(),
        "expression axes": arrays["expression_names"].tolist(),
        "metrics": card,
    }
    options.output.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n")
    print(json.dumps(card["metrics"], indent=1))


if __name__ == "__main__":
    main()
