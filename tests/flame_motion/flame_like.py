"""A head of FLAME's topology that is not ours: FLAME 2023 Open's template and identity axes, made-up other bases.

The expression axes are the built-in head's, carried over by the registration and mixed by a random rotation; weights
and joints are carried over as well. A real FLAME file differs in numbers only.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from flamecast.flame_motion import Head, load_head
from flamecast.flame_motion.heads.flame.complete import carried_over
from flamecast.flame_motion.heads.flame.register import Registration, register
from flamecast.flame_motion.heads.flame.topology import EYEBALLS
from flamecast.flame_motion.heads.head import PARENTS

CORE = Path(__file__).resolve().parents[3] / "shared" / "data" / "flame" / "flame2023_open_core60.npz"


def registration(template: dict[str, np.ndarray]) -> Registration:
    """The built-in head laid over FLAME's template, a dict as the file `CORE` holds it."""
    return register(load_head(), template["v_template"], template["faces"].astype(np.int64), EYEBALLS)


def carried(found: Registration, values: np.ndarray) -> np.ndarray:
    """Values [N, ...] at our vertices as values [M, ...] at theirs."""
    face, bary = found.on_source
    return np.einsum("mk,mk...->m...", bary, values[found.source.faces[face]])


def mixed_expressions(found: Registration, axes: int, seed: int = 0) -> np.ndarray:
    """Expression axes [5023, 3, axes] m that span ours, none of which is one of ours."""
    ours = found.scale * carried(found, load_head().expression.numpy())
    g = np.random.default_rng(seed)
    wide = np.zeros((*ours.shape[:2], axes), np.float32)
    wide[..., : ours.shape[-1]] = ours
    return (wide @ np.linalg.qr(g.normal(size=(axes, axes)))[0]).astype(np.float32)


def joint_rows(found: Registration, weights: np.ndarray) -> np.ndarray:
    """A joint regressor [5, 5023]: least-norm weights, of vertices on a joint, that give our joints' places."""
    joints = load_head().skin.joints.double().numpy()
    ours, moved = load_head().template.double().numpy(), found.source.vertices
    rows = np.zeros((5, len(weights)))
    for k, joint in enumerate(joints):
        near = np.argsort(np.linalg.norm(ours - joint, axis=1))[:200]
        place = joint * found.scale + (moved[near] - found.scale * ours[near]).mean(0)
        chosen = list(EYEBALLS.values())[k - 3] if k > 2 else np.nonzero(weights[:, min(k, 2)] > 0.05)[0]
        points = np.vstack([found.target.vertices[chosen].T, np.ones(len(chosen))])
        place = found.target.vertices[chosen].mean(0) if k > 2 else place
        rows[k, chosen] = np.linalg.pinv(points) @ [*place, 1.0]
    return rows


def flame_like_file(
    template: dict[str, np.ndarray], found: Registration, axes: int, seed: int = 0
) -> dict[str, np.ndarray]:
    """What a FLAME pickle of this head holds: 300 identity axes (60 real ones, then none) and `axes` expressions."""
    identity = np.zeros((5023, 3, 300), np.float32)
    identity[..., : template["shapedirs"].shape[-1]] = template["shapedirs"]
    weights = carried(found, load_head().weights.double().numpy())
    for k, index in enumerate(EYEBALLS.values()):
        weights[index] = np.eye(5)[3 + k]
    weights = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    g = np.random.default_rng(seed + 1)
    bend = identity[..., :36] @ g.normal(0, 0.3, (36, 36)).astype(np.float32) * (1 - weights[:, None, :1])
    return {
        "v_template": template["v_template"],
        "f": template["faces"].astype(np.uint32),
        "shapedirs": np.concatenate([identity, mixed_expressions(found, axes, seed)], -1),
        "posedirs": bend.astype(np.float32),
        "J_regressor": joint_rows(found, weights),
        "weights": weights,
        "kintree_table": np.array([[4294967295, *PARENTS[1:]], range(5)], np.uint32),
        "bs_style": "lbs",
        "bs_type": "lrotmin",
    }


def flame_like_head(template: dict[str, np.ndarray], found: Registration, axes: int, seed: int = 0) -> Head:
    """The same as a Head of 60 identity and `axes` expression axes. Landmarks, parts, lids: computed as for a file."""
    file = flame_like_file(template, found, axes, seed)
    arrays = {
        "template": file["v_template"],
        "identity": template["shapedirs"],
        "expression": file["shapedirs"][..., 300:],
        "pose_correctives": file["posedirs"],
        "joint_regressor": file["J_regressor"],
        "weights": file["weights"],
        "faces": template["faces"].astype(np.int64),
    }
    whole = {**arrays, **carried_over(load_head(), found)}
    tensors = {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in whole.items()}
    tensors = {k: v.float() if v.is_floating_point() else v.long() for k, v in tensors.items()}
    names = tuple(f"expression_{k:03d}" for k in range(axes))
    return Head(id=f"flame_like@{seed:08x}", expression_names=names, **tensors)
