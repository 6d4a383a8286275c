"""What a made-up person looks like: colors, hair, light and background, drawn by number."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...core.mesh_normals import vertex_normals
from ...flame_motion import FlameSequence, Head, load_head
from ...flame_motion.heads.flame import with_mouth_closed
from ...flame_motion.heads.head import DEFAULT_HEAD
from ...generator import Portrait
from ...generator.warp.parts import EYES, TEETH, vertices_of
from ...renderer import Cameras, rasterize
from ...renderer.cameras import to_pixels
from ...renderer.cameras.cameras import clip
from ...renderer.geometry import world_rays
from ...renderer.maps.interpolate import interpolate

BALD = 0.1  # of all people
SMOOTHER = 2  # pictures are drawn so many times larger
BROWS = slice(17, 27)  # of the 68 landmarks
SKIN = [(0.92, 0.75, 0.65), (0.85, 0.64, 0.50), (0.70, 0.49, 0.36), (0.52, 0.34, 0.24), (0.35, 0.22, 0.16)]
HAIR = [(0.08, 0.06, 0.05), (0.25, 0.15, 0.09), (0.45, 0.30, 0.15), (0.75, 0.60, 0.38), (0.55, 0.54, 0.52)]
IRIS = [(0.30, 0.18, 0.10), (0.25, 0.40, 0.55), (0.30, 0.42, 0.25)]
MOUTH = {
    TEETH: (0.85, 0.82, 0.75), ("tongue",): (0.6, 0.25, 0.25), ("mouth",): (0.25, 0.08, 0.08)
}  # fmt: skip


@dataclass(frozen=True)
class Appearance:
    """Colors of a head's vertices, a shell of hair over it, light and background."""

    head: Head
    shape: Tensor  # [S]
    colors: Tensor  # [N, 3] linear
    hair: Tensor  # [N] m, how far hair stands off; below 0: none
    hair_colors: Tensor  # [N, 3]
    lights: Tensor  # [L, 6] direction and color
    ambient: Tensor  # [3]
    waves: Tensor  # [W, 7] frequency (3), phase, color (3) of the background

    @classmethod
    def of(cls, number: int) -> Appearance:
        """The appearance of a number; the same number always looks the same."""
        rng = np.random.default_rng([number, 0])
        head = with_mouth_closed(load_head(DEFAULT_HEAD))
        one = lambda colors: _tensor(colors[rng.integers(len(colors))]) * float(rng.uniform(0.9, 1.1))  # noqa: E731
        shape = _tensor(rng.normal(0, 0.8, head.identity.shape[-1]))
        skin, hair, iris = one(SKIN), one(HAIR), one(IRIS)
        colors = _colors(head, skin, hair, iris, rng)
        grown = (_smoothed(head, vertices_of(head, ("scalp",)).float()) - 0.35) * rng.uniform(0.006, 0.035)
        grown = grown * (1.2 + 0.3 * _noise(head.template, rng, 60))
        if rng.random() < BALD:
            grown = torch.full_like(grown, -1.0)
        strands = hair * (1 + 0.35 * _noise(head.template * _tensor([1.0, 0.2, 1.0]), rng, 900)[:, None])
        lights = [np.concatenate([_direction(rng), rng.uniform(0.2, 0.7) * rng.uniform(0.8, 1.0, 3)]) for _ in range(2)]
        waves = _background(rng)
        ambient = _tensor(rng.uniform(0.35, 0.6, 3) * rng.uniform(0.8, 1.1))
        return cls(head, shape, colors, grown, strands.clamp(0, 1), _tensor(lights), ambient, _tensor(waves))

    def portrait(self, pose: FlameSequence, camera: Cameras) -> Portrait:
        """The photo of a pose (one frame) with the head that it was drawn from: nothing is fitted."""
        image, matte = self.picture(pose, camera)
        posed = self.head(pose)[0]
        faces, bary = self.head.mediapipe_places()
        on_head = (posed[self.head.faces[faces.clamp_min(0)]] * bary[..., None]).sum(-2)
        pixels = to_pixels(camera, on_head[None])[0, 0].numpy()
        landmarks = np.concatenate([pixels, np.zeros((len(pixels), 1))], 1)
        unknown = (faces < 0).numpy()
        landmarks[unknown] = landmarks[~unknown].mean(0)
        return Portrait(image, matte, pose, torch.zeros_like(self.head.template), camera, landmarks, 0.0)

    def picture(self, pose: FlameSequence, camera: Cameras) -> tuple[np.ndarray, np.ndarray]:
        """A pose (one frame) seen by a camera: uint8 [H, W, 3], and where the person is, float32 [H, W]."""
        import cv2

        large = camera.resized(SMOOTHER * camera.height, SMOOTHER * camera.width)
        points, faces, colors = self._surface(self.head(pose)[0])
        seen = clip(large, points[None])[0]  # [1, N, 4]
        triangles = rasterize(seen, faces, large.height, large.width)
        drawn = interpolate(triangles, seen, faces, colors[None])[0]
        person = triangles[0] >= 0
        rays = world_rays(large)[0].reshape(large.height, large.width, 3)
        behind = (torch.sin(rays @ self.waves[:, :3].T + self.waves[:, 3]) @ self.waves[:, 4:]).clamp(0, 1)
        linear = torch.where(person[..., None], drawn, behind).clamp(0, 1)
        srgb = (255 * linear ** (1 / 2.2)).numpy()
        small = lambda x: cv2.resize(x, (camera.width, camera.height), interpolation=cv2.INTER_AREA)  # noqa: E731
        return small(srgb).round().astype(np.uint8), small(person.float().numpy())

    def _surface(self, posed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Points, faces and lit colors of a posed head [N, 3] m with its hair."""
        normals = vertex_normals(posed[None], self.head.faces)[0]
        shell = posed + normals * self.hair.clamp_min(-0.002)[:, None]
        count, hairy = len(posed), (self.hair > 0)[self.head.faces].any(1)
        faces = torch.cat([self.head.faces, self.head.faces[hairy] + count])
        shading = self.ambient + sum(
            (normals @ light[:3]).clamp_min(0)[:, None] * light[3:] for light in self.lights
        )  # [N, 3]
        colors = torch.cat([self.colors * shading, self.hair_colors * shading])
        return torch.cat([posed, shell]), faces, colors


def _colors(head: Head, skin: Tensor, hair: Tensor, iris: Tensor, rng: np.random.Generator) -> Tensor:
    """Colors [N, 3] of the head without hair."""
    at = head.template
    colors = skin * (1 + 0.10 * _noise(at, rng, 40)[:, None] + 0.08 * _noise(at, rng, 250)[:, None])
    colors[vertices_of(head, ("lips",))] = skin * _tensor([0.95, 0.62, 0.60])
    for parts, color in MOUTH.items():
        colors[vertices_of(head, parts)] = _tensor(color)
    white, dark = _tensor([0.88, 0.86, 0.84]), _tensor([0.02, 0.02, 0.02])
    for eye in EYES:
        own = vertices_of(head, (eye,))
        from_middle = at[own] - at[own].mean(0)
        front = (from_middle / from_middle.norm(dim=1, keepdim=True))[:, 2]
        colors[own] = torch.where(front[:, None] > 0.97, dark, torch.where(front[:, None] > 0.86, iris, white))
    marks = (at[head.faces[head.landmark_faces]] * head.landmark_bary[..., None]).sum(-2)
    brow = torch.cdist(at, marks[BROWS]).amin(1) < 0.005
    colors[brow & vertices_of(head, ("face",))] = 0.5 * hair + 0.2 * skin
    return colors.clamp(0, 1)


def _background(rng: np.random.Generator) -> np.ndarray:
    """Waves [6, 7] over the directions of rays: frequency (3), phase and color (3); the first is the mean color."""
    waves = np.hstack([
        rng.normal(0, 1, (6, 3)) * rng.choice([2, 8, 25], (6, 1)), rng.uniform(0, 6.3, (6, 1)),
        rng.normal(0, 0.05, (6, 3)),
    ])  # fmt: skip
    waves[0, :4] = 0, 0, 0, math.pi / 2
    waves[0, 4:] = rng.uniform(0.05, 0.7) * rng.uniform(0.8, 1.2, 3)
    return waves


def _tensor(values: object) -> Tensor:
    """Numbers as float32."""
    return torch.from_numpy(np.asarray(values, np.float32))


def _noise(at: Tensor, rng: np.random.Generator, waves: float) -> Tensor:
    """Smooth noise of about -1..1 at points [N, 3] m, of so many radians a metre."""
    along = torch.from_numpy(rng.normal(0, waves, (12, 3)).astype(np.float32))
    phase = torch.from_numpy(rng.uniform(0, 6.3, 12).astype(np.float32))
    return torch.sin(at @ along.T + phase).mean(1) * 2


def _direction(rng: np.random.Generator) -> np.ndarray:
    """From where light comes: above or beside, and from the front."""
    way = rng.normal(0, 1, 3) + [0, 0.6, 1.0]
    return way / np.linalg.norm(way)


def _smoothed(head: Head, values: Tensor, times: int = 8) -> Tensor:
    """Values of vertices, averaged with their neighbours so many times."""
    edges = head.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    for _ in range(times):
        total, count = values.clone(), torch.ones_like(values)
        for a, b in ((0, 1), (1, 0)):
            total.index_add_(0, edges[:, a], values[edges[:, b]])
            count.index_add_(0, edges[:, a], torch.ones(len(edges)))
        values = total / count
    return values
