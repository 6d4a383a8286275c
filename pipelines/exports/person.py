"""A portrait's person as textured surfaces on FLAME's five joints: what a rig in another program needs.

The face with its eyes and mouth is the fitted head; what is beside and behind it, hair and shoulders, is the completed
head, skinned by the joints' shares of the surface that carries it. Shapes of a face are found by posing the person in
each and comparing with the face at rest, so that own lids, correctives and teeth are in them. World axes, metres.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ...flame_motion import FlameSequence, Head
from ...flame_motion.edit.controls import LIDS, apply_controls, is_numbered
from ...flame_motion.formats.arkit import SHAPES
from ...generator import Portrait
from ...generator.completion.atlas import directions_of
from ...generator.completion.frame import in_atlas
from ...generator.completion.whole_head import FINE
from ...generator.warp.parts import EYES, FACE, MOUTH, TEETH, faces_of, is_part
from ...generator.warp.scene import Scene
from ...generator.warp.texture import bake_texture, completed_colors
from ...generator.warp.uv_map import on_uv_map, uv_vertices
from ...renderer import vertex_normals

UNDER_FACE = 0.003  # m by which the completed head lies behind the face where both are
HAIR_LIFT = 0.0008  # m by which hair lies over the skin beside it
UNDER_AROUND = 0.004  # m by which scalp and neck lie under hair and the completed head, at least
TEXTURE = 1024  # texels a side of the face's


@dataclass(frozen=True, eq=False)
class Carrier:
    """M points that move with the joints: at rest, and in each of K shapes."""

    of: str  # head: the fitted one's vertices; around: the completed head's points
    rest: Tensor  # [M, 3] m
    weights: Tensor  # [M, 5] of the joints
    shapes: Tensor  # [K, M, 3] m, added at 1


@dataclass(frozen=True, eq=False)
class Surface:
    """Triangles of one material."""

    name: str
    texture: str  # of `Person.textures`
    cut_out: bool  # whether the texture's alpha cuts it out
    points: Tensor  # [N] of the carrier, one for each pair of place and uv
    uv: np.ndarray  # [N, 2], v from the top
    triangles: np.ndarray  # [F, 3] of `points`
    carrier: Carrier


@dataclass(frozen=True, eq=False)
class Person:
    """Surfaces, their textures ([h, w, 3 or 4] uint8 sRGB), and the joints [5, 3] m at rest."""

    surfaces: list[Surface]
    textures: dict[str, np.ndarray]
    joints: Tensor
    names: list[str]  # of the K shapes
    rest: FlameSequence  # one frame: the face that all shapes are counted from
    shown: np.ndarray  # [K] how much of each shape the photo shows, beside the turns of its joints


def rest_face(portrait: Portrait) -> FlameSequence:
    """The person looking straight ahead (one frame): of the photo's expression only what has no name is kept."""
    head = portrait.head
    still = replace(FlameSequence.neutral(1, 25.0, head), shape=portrait.shape)
    unnamed = torch.tensor([is_numbered(name) for name in head.expression_names])
    return replace(still, expression=torch.where(unnamed, portrait.pose.expression, 0.0))


def arkit_faces(rest: FlameSequence, portrait: Portrait) -> FlameSequence:
    """The face [52] of each of ARKit's blend shapes at 1, in the order of `SHAPES`."""
    each = rest.frames(torch.zeros(len(SHAPES), dtype=torch.int64))
    return apply_controls(each, dict(zip(SHAPES, torch.eye(len(SHAPES)))), portrait.head)


def named_weights(motion: FlameSequence, head: Head) -> np.ndarray:
    """How much of ARKit's shapes [T, 52] a motion's expression and lids are; what joints do is not among them."""
    axes = {name: motion.expression[:, k] for k, name in enumerate(head.expression_names)}
    axes |= {name: motion.eyelids[:, LIDS[name][0]] for name in ("eyeBlinkLeft", "eyeBlinkRight")}
    zero = torch.zeros(len(motion))
    return torch.stack([axes.get(name, zero) for name in SHAPES], 1).numpy()


def person_of(scene: Scene) -> Person:
    """The person of a prepared portrait, with ARKit's 52 blend shapes."""
    portrait = scene.portrait
    rest = rest_face(portrait)
    faces = arkit_faces(rest, portrait)
    moved = portrait.head(faces, portrait.offsets) - portrait.head(rest, portrait.offsets)
    head = Carrier("head", portrait.vertices(rest)[0], portrait.head.weights, moved)
    around = _around(scene, rest, faces)
    hair = _hair_of(scene)
    surfaces = [*_head_surfaces(scene, head), *_around_surfaces(scene, around, hair)]
    textures = {"face": _face_texture(scene), "around": scene.completed.texture}
    shown = named_weights(portrait.pose, portrait.head)[0]
    joints = portrait.head.skin.shaped(portrait.shape)[1]
    return Person([s for s in surfaces if len(s.triangles)], textures, joints, list(SHAPES), rest, shown)


# -- the fitted head ---------------------------------------------------------------------------------------------------


def _head_surfaces(scene: Scene, head: Carrier) -> list[Surface]:
    """The face with eyes and mouth; and what lies under the completed head: scalp under hair, neck and shoulders."""
    model = scene.portrait.head
    kinds = {
        "skin": tuple(name for name in FACE if name not in EYES), "eyes": EYES, "teeth": TEETH,
        "mouth": tuple(name for name in MOUTH if name not in TEETH),
    }  # fmt: skip
    made = [_of_head(scene, name, faces_of(model, parts), head) for name, parts in kinds.items()]
    depth, hair = _under_around(scene)
    sunk = replace(head, rest=head.rest - depth[:, None] * vertex_normals(head.rest, model.faces))
    scalp = faces_of(model, ("scalp",)) & hair[model.faces].all(1)
    shoulders = faces_of(model, ("neck", "torso"))
    return [*made, _of_head(scene, "scalp", scalp, sunk), _of_head(scene, "shoulders", shoulders, sunk)]


def _of_head(scene: Scene, name: str, chosen: Tensor, carrier: Carrier) -> Surface:
    """Some of the head's triangles [F] bool, with a point for each pair of place and uv that occurs."""
    head = scene.portrait.head
    pairs = torch.stack([head.faces[chosen].reshape(-1), head.uv_faces[chosen].reshape(-1)], 1)
    unique, corners = pairs.unique(dim=0, return_inverse=True)
    uv = head.uv[unique[:, 1]].numpy() * np.array([1, -1], np.float32) + np.array([0, 1], np.float32)
    return Surface(name, "face", False, unique[:, 0], uv, corners.numpy().reshape(-1, 3), carrier)


def _under_around(scene: Scene) -> tuple[Tensor, Tensor]:
    """How far [N] m each of the head's vertices sinks to lie under the completed head, and whether [N] under hair."""
    portrait = scene.portrait
    whole = portrait.whole
    assert whole is not None
    row, column = directions_of(in_atlas(portrait, portrait.vertices()[0]))
    rows, columns = whole.radius.shape
    i, j = (row * FINE).astype(int).clip(0, rows - 1), (column * FINE).astype(int) % columns
    fitted, there = whole.fitted[i // FINE, j // FINE], whole.there[i, j] & (row * FINE < rows)
    sunk = np.maximum(fitted - whole.radius[i, j], 0) + UNDER_AROUND
    return torch.from_numpy(np.where(there, sunk, 0)).float(), torch.from_numpy(there & (whole.hair[i, j] > 127))


def _face_texture(scene: Scene) -> np.ndarray:
    """The face's colors [R, R, 3] uint8, which end in those of the completed head at its outline."""
    portrait = scene.portrait
    baked = bake_texture(portrait, TEXTURE)[..., :3].astype(np.float32)
    opacity = torch.zeros(len(portrait.head.template))
    opacity[uv_vertices(portrait.head)] = torch.from_numpy(scene.attributes[:, 5])
    part, share = on_uv_map(portrait.head, opacity[:, None], TEXTURE)
    rest = np.where(is_part(part, ("face",))[..., None], 1 - share.clip(0, 1), 0)
    completed, bare = completed_colors(portrait, TEXTURE)
    return (baked + rest * bare[..., None] * (255 * completed - baked) + 0.5).clip(0, 255).astype(np.uint8)


# -- the completed head ------------------------------------------------------------------------------------------------


def _around(scene: Scene, rest: FlameSequence, faces: FlameSequence) -> Carrier:
    """The completed head at rest and in each face; behind the fitted face where that covers it."""
    completed = scene.completed
    carried = completed.carried
    weights = torch.from_numpy(carried.carriers @ carried.surface.skin.weights.numpy())
    (still,) = carried.pose(rest)
    inwards = UNDER_FACE * torch.from_numpy(completed.face)[:, None]
    return Carrier(
        "around", still - inwards * vertex_normals(still, completed.faces), weights, carried.pose(faces) - still
    )


def _hair_of(scene: Scene) -> np.ndarray:
    """How much [U] of each of the completed texture's points is hair, 0..1."""
    texture = scene.completed.texture
    u, v = scene.completed.attributes[:, 0], 1 - scene.completed.attributes[:, 1]
    at = (v * texture.shape[0]).astype(int).clip(0, len(texture) - 1), (u * texture.shape[1]).astype(int)
    return texture[at[0], at[1].clip(0, texture.shape[1] - 1), 3] / 255


def _around_surfaces(scene: Scene, around: Carrier, hair: np.ndarray) -> list[Surface]:
    """Skin beside and behind the face with the shoulders, and hair a little over it."""
    completed = scene.completed
    corner = hair[completed.uv_faces]
    lifted = replace(around, rest=around.rest + HAIR_LIFT * vertex_normals(around.rest, completed.faces))
    chosen = {"body": (corner.min(1) < 0.98, False, around), "hair": (corner.max(1) > 0.02, True, lifted)}
    made = []
    for name, (which, cut_out, carrier) in chosen.items():
        used, triangles = np.unique(completed.uv_faces[which], return_inverse=True)
        uv = completed.attributes[used, :2] * np.array([1, -1], np.float32) + np.array([0, 1], np.float32)
        points = completed.vertex[torch.from_numpy(used).long()]
        made.append(Surface(name, "around", cut_out, points, uv, triangles.reshape(-1, 3), carrier))
    return made
