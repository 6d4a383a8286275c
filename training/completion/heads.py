"""Textured heads: their parts and joints, blended and posed; `head_files` reads them.

Space: metres, y up, z out of the face, +x to the subject's left, the origin midway between the eyeballs. Angles: rad.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...core.mesh_normals import area_vectors, unit

SKIN = ("skin", "mouth", "eye_left", "eye_right", "glands")  # what the atlas calls skin
OWN = ("clothes", "hair")  # the parts whose topology is each head's own
# Textures are scaled to these sides, px, so that they may be blended.
TEXTURE_SIDE = {"skin": 672, "mouth": 256, "eyes": 128, "clothes": 512, "hair": 512}


@dataclass(frozen=True)
class Part:
    """A mesh with one texture: N vertices, F triangles."""

    name: str
    vertices: np.ndarray  # [N, 3] m
    faces: np.ndarray  # [F, 3] int32
    uv: np.ndarray  # [N, 2] u right, v down, 0..1
    texture: np.ndarray  # [S, S, 3] uint8
    weights: np.ndarray  # [N, J] how much each joint carries a vertex
    weld: np.ndarray  # [N] equal for vertices that a texture seam splits, across parts
    morphs: dict[str, tuple[np.ndarray, np.ndarray]]  # name: vertices [M], offsets [M, 3] m


@dataclass(frozen=True)
class TexturedHead:
    """A person: their parts and the joints [3] m they turn about."""

    name: str
    parts: tuple[Part, ...]
    joints: dict[str, np.ndarray]

    def part(self, name: str) -> Part | None:
        """The part of that name, or None."""
        return next((p for p in self.parts if p.name == name), None)

    def topology(self) -> tuple[tuple[str, int, bytes], ...]:
        """What heads share that may be blended: names, vertices and triangles of the common parts."""
        common = (part for part in self.parts if part.name not in OWN)
        return tuple((part.name, len(part.vertices), part.faces.tobytes()) for part in common)


def scaled_texture(picture: np.ndarray, kind: str) -> np.ndarray:
    """A picture [H, W, 3] uint8 at the side that `TEXTURE_SIDE` says."""
    import cv2

    side = TEXTURE_SIDE[kind]
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)


def morph_names(head: TexturedHead) -> list[str]:
    """Every morph, sorted; one name may move several parts."""
    return sorted({name for part in head.parts for name in part.morphs})


def blend(heads: Sequence[TexturedHead], shares: np.ndarray) -> TexturedHead:
    """A new person: mean shape of heads of one topology by shares [K] that sum to 1; the rest is the first one's."""
    parts = []
    for part in heads[0].parts:
        if part.name in OWN:
            parts.append(part)
            continue
        same = [head.part(part.name) for head in heads]
        mean = sum(share * other.vertices for share, other in zip(shares, same) if other is not None)
        parts.append(replace(part, vertices=mean))
    joints = {name: sum(share * head.joints[name] for share, head in zip(shares, heads)) for name in heads[0].joints}
    return TexturedHead("+".join(head.name for head in heads), tuple(parts), joints)


def posed(
    head: TexturedHead, morphs: dict[str, float], turn: tuple[float, float, float] = (0.0, 0.0, 0.0),
    gaze: tuple[float, float] = (0.0, 0.0), arms: float = 1.2, neck_share: float = 0.4,
) -> list[np.ndarray]:  # fmt: skip
    """Vertices [N, 3] m of each part: morphs by weight, then skinning.

    turn: yaw to the subject's left, pitch up, roll to the right shoulder of the head against the torso, of which the
    neck takes `neck_share`; gaze: yaw, pitch of the eyes; arms: how far they hang from straight out.
    """
    joint = _joint_maps(head, np.array(turn), gaze, arms, neck_share)
    stack = np.stack([joint.get(name, np.eye(3, 4)) for name in head.joints])  # [J, 3, 4]
    out = []
    for part in head.parts:
        vertices = part.vertices.copy()
        for name, weight in morphs.items():
            if name in part.morphs:
                index, offset = part.morphs[name]
                vertices[index] += weight * offset
        maps = np.einsum("nj,jab->nab", part.weights, stack)
        out.append(np.einsum("nab,nb->na", maps[:, :, :3], vertices) + maps[:, :, 3])
    return out


def _joint_maps(
    head: TexturedHead, turn: np.ndarray, gaze: tuple[float, float], arms: float, neck_share: float
) -> dict[str, np.ndarray]:
    """Affine maps [3, 4] of the joints that move."""
    at = head.joints
    neck = _about(rotation(*(neck_share * turn)), at["neck"])
    skull = _after(neck, _about(neck[:, :3].T @ rotation(*turn), at["head"]))
    aim = rotation(*gaze, 0.0)
    maps = {
        "neck": neck,
        "head": skull,
        **{eye: _after(skull, _about(aim, at[eye])) for eye in ("left_eye", "right_eye")},
    }
    for side, down in (("left", -arms), ("right", arms)):  # the collar bone takes a tenth
        shoulder = maps[f"{side}_shoulder"] = _about(rotation(0, 0, 0.1 * down), at[f"{side}_shoulder"])
        maps[f"{side}_arm"] = _after(shoulder, _about(rotation(0, 0, 0.9 * down), at[f"{side}_arm"]))
    return maps


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """[3, 3]: first roll, then pitch, then yaw, in the senses that `posed` says."""
    (cy, cx, cz), (sy, sx, sz) = np.cos([yaw, pitch, roll]), np.sin([yaw, pitch, roll])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cx, sx], [0, -sx, cx]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_y @ about_x @ about_z


def _about(turn: np.ndarray, center: np.ndarray) -> np.ndarray:
    """[3, 4] affine map that turns about a point."""
    return np.c_[turn, center - turn @ center]


def _after(second: np.ndarray, first: np.ndarray) -> np.ndarray:
    """[3, 4] affine map: first, then second."""
    return np.c_[second[:, :3] @ first[:, :3], second[:, :3] @ first[:, 3] + second[:, 3]]


def welded_normals(vertices: np.ndarray, faces: np.ndarray, weld: np.ndarray) -> np.ndarray:
    """Unit normals [N, 3] of a mesh, by area, the same for vertices of equal weld [N]."""
    corner, area = weld[faces].ravel(), area_vectors(vertices, faces)
    total = np.stack([np.bincount(corner, np.repeat(area[:, k], 3), weld.max() + 1) for k in range(3)], -1)
    return unit(total)[weld]
