"""The head's uv map as a picture of texels, and where the photo shows them. Row 0 is v = 1."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from ...core.mesh_normals import area_weighted_normals
from ...flame_motion import Head
from ...flame_motion.heads.head import PARTS
from ...renderer import interpolate_fast, rasterize, to_pixels
from ..portrait import Portrait


@dataclass(frozen=True, eq=False)
class Texels:
    """Every texel of a portrait's texture, [R, R] each."""

    part: np.ndarray  # index into PARTS, 0 off the head
    x: np.ndarray  # px in the photo
    y: np.ndarray  # px in the photo
    depth: np.ndarray  # m from the photo's camera
    facing: np.ndarray  # cosine to the viewer, see `facing`
    eye_angle: np.ndarray  # degrees, see `eye_angle`
    mouth_depth: np.ndarray  # m, see `mouth_depth`
    height: np.ndarray  # m, y of the head at rest

    @classmethod
    def of(cls, portrait: Portrait, size: int) -> Texels:
        """As size x size texels."""
        head, vertices = portrait.head, portrait.vertices()[0]
        pixels = to_pixels(portrait.camera, vertices[None])[0, 0]
        matrix = portrait.camera.camera_from_world[0]
        seen_from = vertices @ matrix[:3, :3].T + matrix[:3, 3]
        values = (
            pixels[:, 0], pixels[:, 1], seen_from[:, 2], facing(portrait), eye_angle(head), mouth_depth(head),
            head.template[:, 1],
        )  # fmt: skip
        part, at = on_uv_map(head, torch.stack(values, 1), size)
        return cls(part, *(np.ascontiguousarray(at[..., k]) for k in range(len(values))))

    def sample(self, picture: np.ndarray) -> np.ndarray:
        """What a picture [H, W, ...] of the photo's size shows at each texel, its edge continued."""
        return cv2.remap(picture, self.x - 0.5, self.y - 0.5, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def sample_inside(self, picture: np.ndarray, interpolation: int = cv2.INTER_LINEAR) -> np.ndarray:
        """The same of a float32 picture [H, W], 0 outside."""
        return cv2.remap(
            picture, self.x - 0.5, self.y - 0.5, interpolation, borderMode=cv2.BORDER_CONSTANT, borderValue=0
        )  # fmt: skip


def on_uv_map(head: Head, values: Tensor, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Part of each texel [size, size], 0 off the head, and values of the vertices [N, K] there, [size, size, K]."""
    uv = head.uv
    corner = torch.stack([2 * uv[:, 0] - 1, 1 - 2 * uv[:, 1], torch.zeros(len(uv)), torch.ones(len(uv))], 1)[None]
    triangles = rasterize(corner, head.uv_faces, size, size)
    at = interpolate_fast(triangles, corner, head.uv_faces, values[uv_vertices(head)][None])[0]
    part = np.where(triangles[0].numpy() >= 0, head.part.numpy()[triangles[0].numpy()], 0)
    return part, at


def uv_vertices(head: Head) -> Tensor:
    """The vertex [U] of each uv point."""
    vertex = torch.zeros(head.uv.shape[0], dtype=torch.int64)
    vertex[head.uv_faces.reshape(-1)] = head.faces.reshape(-1)
    return vertex


def facing(portrait: Portrait) -> Tensor:
    """Cosine [N] between each vertex's normal and the direction the photo sees it from; below 0 it faces away."""
    matrix = portrait.camera.camera_from_world[0]
    seen_from = portrait.vertices()[0] @ matrix[:3, :3].T + matrix[:3, 3]
    normal = area_weighted_normals(seen_from, portrait.head.faces)
    return -(normal * torch.nn.functional.normalize(seen_from, dim=1)).sum(1)


def eye_angle(head: Head) -> Tensor:
    """Degrees [N] between an eyeball's vertex and its iris, seen from the eyeball's centre; 0 elsewhere."""
    angle = torch.zeros(head.template.shape[0])
    joints = head.skin.joints
    for part, joint, iris in (("eye_left", 3, 473), ("eye_right", 4, 468)):
        index = head.faces[head.part == PARTS.index(part)].unique()
        unit = torch.nn.functional.normalize(head.template[index] - joints[joint], dim=1)
        middle = head.mediapipe_skin(torch.tensor([iris])).template[0]
        axis = torch.nn.functional.normalize(middle - joints[joint], dim=0)
        angle[index] = torch.rad2deg(torch.acos((unit @ axis).clamp(-1, 1)))
    return angle


def mouth_depth(head: Head) -> Tensor:
    """How far [N] m each vertex lies behind the front of the lips."""
    lips = head.faces[head.part == PARTS.index("lips")]
    front = head.template[lips.reshape(-1), 2].max() if len(lips) else head.template[:, 2].max()
    return (front - head.template[:, 2]).clamp_min(0)
