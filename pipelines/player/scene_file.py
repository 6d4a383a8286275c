"""A prepared portrait as the player's file: three meshes on five joints, their textures, and what shades a frame.

The meshes are those that `warp` draws: the sheet over the photo, the completed head, and the face with its eyes and
mouth. All points move by one formula, x = sum_j w_j T_j (rest + basis c), with c the expression, the lids and the
entries of the joints' rotations (the pose correctives). What is carried by the surface (`warp/carried.py`) takes the
means of its carriers' weights and bases, and a rest by which it is exactly in place in the photo's pose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...flame_motion import FlameSequence
from ...flame_motion.edit.controls import ANGLES, BLENDS, JOINTS, LIDS
from ...flame_motion.heads.head import PARTS, Skin
from ...flame_motion.heads.skinning import PARENTS, joint_transforms
from ...flame_motion.rotations import matrix_from_axis_angle
from ...generator import Portrait
from ...generator.eyelids import EDGES
from ...generator.warp.carried import TORSO_LAG, Carried
from ...generator.warp.completed_head import TURNED
from ...generator.warp.generator import WALL, WIDE_OPEN
from ...generator.warp.lid_colors import CLOSING
from ...generator.warp.parts import MOUTH, TEETH
from ...generator.warp.scene import Scene
from ...generator.warp.teeth import INNER_LIPS
from ..views import middle_of_head
from .container import Container

RANK = 48  # axes that carried points move along: of 101, within a tenth of a millimetre
SIZES = (2.0, 1.0, 0.5)  # of an expression coefficient, a lid, an entry of a rotation: what the axes are fitted for


@dataclass(frozen=True, eq=False)
class Points:
    """N points on the joints. C coefficients: expression, two lids, entries of the turns of all joints but the root."""

    rest: np.ndarray  # [N, 3] m
    weights: np.ndarray  # [N, 5]
    basis: np.ndarray  # [C, N, 3] m


def scene_file(scene: Scene, quick: bool = False) -> Container:
    """The file of a prepared portrait, without clips. quick: see `Container`."""
    portrait, made = scene.portrait, Container(quick)
    _meshes(made, scene)
    _pictures(made, scene)
    _marks(made, scene)
    head = portrait.head
    rest, joints = head.skin.shaped(portrait.shape)
    made.array("joints", joints.numpy().astype("f4"))
    made.array("joints_expression", head.skin.joints_expression.numpy().astype("f4"))  # [5, 3, E]
    camera = portrait.camera
    made.header |= {
        "size": [camera.width, camera.height],
        "camera": {"intrinsics": camera.intrinsics[0].flatten().tolist(),
                   "from_world": camera.camera_from_world[0].flatten().tolist()},
        "parents": list(PARENTS),
        "expression": list(head.expression_names),
        "pose": pose_of(portrait.pose),
        "controls": _controls(),
        "middle": middle_of_head(portrait).tolist(),
        "head_centre": scene.completed.centre.tolist(),
        "turned": list(TURNED), "torso_lag": TORSO_LAG, "wall": WALL, "wide_open": WIDE_OPEN, "closing": list(CLOSING),
        "parts": {"lids": PARTS.index("lids"), "mouth": PARTS.index(MOUTH[0]), "teeth": len(TEETH)},
    }  # fmt: skip
    return made


def pose_of(motion: FlameSequence) -> dict[str, Any]:
    """One frame by channel."""
    names = ("expression", "rotation", "neck", "jaw", "eyes", "eyelids", "translation")
    return {name: [round(float(x), 6) for x in getattr(motion, name)[0].flatten()] for name in names}


def _controls() -> dict[str, Any]:
    """The tables of `edit/controls.py`."""
    return {"angles": ANGLES, "joints": JOINTS, "lids": LIDS, "blends": BLENDS}


# -- points ------------------------------------------------------------------------------------------------------------


def _basis(skin: Skin) -> Tensor:
    """[C, M, 3] m."""
    bent = skin.template.new_zeros(*skin.template.shape, 36) if skin.pose_correctives is None else skin.pose_correctives
    return torch.cat([skin.expression, skin.eyelids, bent], -1).permute(2, 0, 1)


def coefficients(motion: FlameSequence) -> Tensor:
    """C numbers [T, C] of a motion."""
    turns = matrix_from_axis_angle(torch.stack([motion.neck, motion.jaw, *motion.eyes.unbind(1)], 1))
    return torch.cat([motion.expression, motion.eyelids, (turns - torch.eye(3)).flatten(1)], 1)


def _transforms(portrait: Portrait) -> Tensor:
    """The joints' transforms [5, 3, 4] in the photo."""
    pose, skin = portrait.pose, portrait.head.skin
    _, joints = skin.shaped(portrait.shape)
    turns = torch.stack([pose.rotation, pose.neck, pose.jaw, *pose.eyes.unbind(1)], 1)
    shifted = joints + torch.einsum("jke,te->tjk", skin.joints_expression, pose.expression)
    return joint_transforms(matrix_from_axis_angle(turns), shifted, pose.translation)[0]


def _of_head(portrait: Portrait) -> Points:
    head = portrait.head
    rest, _ = head.skin.shaped(portrait.shape, portrait.offsets)
    return Points(rest.numpy(), head.weights.numpy(), _basis(head.skin).numpy())


def _of_carried(portrait: Portrait, carried: Carried) -> Points:
    """Points carried by the surface, as points on the joints of their own."""
    skin = carried.surface.skin
    weights = torch.from_numpy(carried.carriers @ skin.weights.numpy())
    basis = _basis(skin)
    moved = torch.from_numpy(carried.carriers @ basis.permute(1, 0, 2).flatten(1).numpy())
    moved = moved.unflatten(1, (len(basis), 3)).transpose(0, 1)
    blend = torch.einsum("gj,jab->gab", weights, _transforms(portrait))
    still = torch.linalg.solve(blend[..., :3], (carried.place - blend[..., 3])[..., None]).squeeze(-1)
    rest = still - torch.einsum("c,cgk->gk", coefficients(portrait.pose)[0], moved)
    return Points(rest.numpy(), weights.numpy(), moved.numpy())


def fewer_axes(basis: np.ndarray, expression: int) -> tuple[np.ndarray, np.ndarray]:
    """A basis [C, N, 3] as R axes [R, N, 3] and how the C coefficients mix them [R, C]."""
    counts = (expression, 2, basis.shape[0] - expression - 2)
    scale = np.concatenate([np.full(n, size) for n, size in zip(counts, SIZES)])
    flat = basis.reshape(len(basis), -1) * scale[:, None]
    size, vectors = np.linalg.eigh(flat @ flat.T)
    top = vectors[:, np.argsort(-size)[:RANK]]
    return (top.T @ flat).reshape(-1, *basis.shape[1:]), top.T / scale


# -- meshes ------------------------------------------------------------------------------------------------------------


def _meshes(made: Container, scene: Scene) -> None:
    """Per point: rest and body's share, weights, place and freedom, photo's place and teeth's share, uv and more."""
    portrait, shell, completed = scene.portrait, scene.shell, scene.completed
    carried = [_of_carried(portrait, x.carried) for x in (shell, completed)]
    axes, mixing = fewer_axes(np.concatenate([x.basis for x in carried], 1), portrait.head.expression.shape[-1])
    made.array("carried_mixing", mixing.astype("f4"))
    count = len(shell.photo_at)
    sheet = np.zeros((count, 4), "f4")
    _mesh(made, "shell", carried[0], np.arange(count), shell.faces.numpy(), sheet, shell.photo_at.numpy(),
          body=shell.carried.body.numpy(), place=_place(shell.carried))  # fmt: skip
    made.array("shell_basis", _texture_rows(axes[:, :count]))
    own = completed.vertex.numpy()
    kept, triangles = np.unique(completed.uv_faces, return_inverse=True)
    fields = np.concatenate([completed.attributes[kept], np.zeros((len(kept), 1), "f4")], 1)
    _mesh(made, "around", carried[1], own[kept], triangles.reshape(-1, 3), fields, None,
          body=completed.carried.body.numpy(), place=_place(completed.carried))  # fmt: skip
    made.array("around_basis", _texture_rows(axes[:, count:]))
    _face(made, scene)


def _place(carried: Carried) -> np.ndarray:
    """[N, 4] m and how free."""
    return np.concatenate([carried.place.numpy(), carried.free.numpy()[:, None]], 1)


def _face(made: Container, scene: Scene) -> None:
    """The face's points: one for each vertex, uv and part that occur together."""
    portrait = scene.portrait
    points = _of_head(portrait)
    part = np.repeat(scene.part[:, None].astype(np.int64), 3, 1)
    corners = np.stack([scene.uv_faces.astype(np.int64).ravel(), part.ravel()], 1)
    unique, triangles = np.unique(corners, axis=0, return_inverse=True)
    uv_point = unique[:, 0]
    vertex = scene.vertex.numpy()[uv_point]
    used, column = np.unique(vertex, return_inverse=True)
    teeth = np.zeros(len(points.rest), "f4")
    if portrait.teeth is not None:
        for row, share, sign in zip(portrait.teeth.moving, portrait.teeth.share, (1, -1)):
            teeth[row.numpy()] = sign * share.numpy()
    fields = np.concatenate([scene.attributes[uv_point, 3:], unique[:, 1:]], 1)  # u, v, opacity, part
    rows = np.flatnonzero(np.abs(points.basis).max((1, 2)) > 0)
    made.header["face_rows"] = rows.tolist()
    some = Points(points.rest[used], points.weights[used], points.basis[rows][:, used])
    order = np.argsort(scene.part, kind="stable")  # skin first, what lies behind it after: less is drawn twice
    folds = _folds(scene, len(points.basis))[rows][:, used]
    own = coefficients(portrait.pose).clamp(0, 1).numpy()[:, rows] @ folds.astype("f4")  # as the photo has them
    place = np.concatenate([own.T, np.zeros((len(used), 2)), np.ones((len(used), 1))], 1)
    _mesh(made, "face", some, column, triangles.reshape(-1, 3)[order], fields, scene.attributes[uv_point, :3],
          body=teeth[used], place=place)  # fmt: skip
    made.array("face_basis", np.concatenate([_texture_rows(some.basis), folds[..., None]], 2))


def _folds(scene: Scene, axes: int) -> np.ndarray:
    """The folds' maps [C, N] by coefficient, as half floats; see `folds.fold_shade`."""
    out = np.zeros((axes, len(scene.portrait.head.template)), "f2")
    if scene.folds is not None:
        out[: len(scene.folds)] = scene.folds.numpy()
    return out


def _mesh(
    made: Container, name: str, points: Points, column: np.ndarray, triangles: np.ndarray, fields: np.ndarray,
    photo_at: np.ndarray | None, *, body: np.ndarray, place: np.ndarray,
) -> None:  # fmt: skip
    """A mesh whose corners are `column` [U] of the points; body [N]: the torso's share, or the teeth's.

    place [N, 4]: see `_place`; of the face, which nothing carries, the photo's own folds in the first.
    """
    count = len(column)
    where = np.zeros((count, 3), "f4") if photo_at is None else photo_at
    weights = points.weights[column] / points.weights[column].sum(1, keepdims=True)
    rows = [
        points.rest[column], column[:, None], weights[:, 1:], place[column], where, body[column, None], fields
    ]  # fmt: skip
    made.array(f"{name}_points", np.concatenate(rows, 1).astype("f4"))  # [U, 20]
    made.array(f"{name}_triangles", triangles.astype("u4"))


def _texture_rows(basis: np.ndarray) -> np.ndarray:
    """A basis [C, N, 3] m as half floats, mm: small metres would be half floats of little precision."""
    return (1000 * basis).astype("f2")


# -- pictures ----------------------------------------------------------------------------------------------------------


def _pictures(made: Container, scene: Scene) -> None:
    masks = (scene.photo[..., 3:] + 0.5).clip(0, 255).astype(np.uint8)
    made.picture("photo", scene.portrait.image)
    made.picture("masks", masks, exact=True)  # matte, what the completed head stands for, how far outside
    made.picture("backdrop", scene.backdrop)
    made.picture("texture", scene.texture)
    made.picture("lids", scene.lids)
    made.picture("completed", scene.completed.texture)
    made.array("photo_part", scene.photo_part)


# -- marks -------------------------------------------------------------------------------------------------------------


def _marks(made: Container, scene: Scene) -> None:
    """Single points that are followed on the CPU: lips, lids, and the means of the front teeth's edges."""
    portrait = scene.portrait
    head, points = portrait.head, _of_head(portrait)
    named = {"lips": head.mediapipe[[13, 14]], "inner_lips": head.mediapipe[list(INNER_LIPS)]}
    for side, (upper, lower, _) in zip(("left", "right"), EDGES):
        named |= {f"{side}_upper": head.mediapipe[list(upper)], f"{side}_lower": head.mediapipe[list(lower)]}
    groups = [[int(v)] for index in named.values() for v in index]
    teeth = portrait.teeth
    if teeth is not None:
        groups += [teeth.top.tolist(), teeth.tips[1].tolist()]
    made.array("mark_points", np.stack([
        np.concatenate([points.rest[group].mean(0), points.weights[group].mean(0)]) for group in groups
    ]).astype("f4"))  # fmt: skip
    made.array("mark_basis", np.stack([points.basis[:, group].mean(1) for group in groups], 1).astype("f4"))
    made.array("lips_at", scene.lips_at.astype("f4"))
    sizes = {name: len(index) for name, index in named.items()}
    made.header["marks"] = sizes | ({} if teeth is None else {"teeth": 2})
    made.header["lids_known"] = [
        bool((torch.cat([head.mediapipe[list(points)] for points in edges[:2]]) >= 0).all()) for edges in EDGES
    ]
    if teeth is not None:
        rest = torch.from_numpy(points.rest[teeth.moving[0].numpy()])
        up = torch.nn.functional.normalize((teeth.up[:, None] * rest).sum(0), dim=0)
        made.header["teeth_up"] = up.tolist()
