"""People that nobody is: textured built-in heads under light, hair and backgrounds of their own, seen by many cameras.

For what footage of one camera cannot teach: the same moment from several sides, exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...core.mesh_normals import vertex_normals
from ...flame_motion import FlameSequence, Head, load_head
from ...flame_motion.heads.flame import with_mouth_closed
from ...flame_motion.heads.head import DEFAULT_HEAD, PARTS
from ...generator import Portrait
from ...generator.conditioning import Guidance, guide
from ...renderer import Cameras, rasterize
from ...renderer.cameras import pinhole, to_pixels
from ...renderer.cameras.cameras import clip
from ...renderer.cameras.paths import around, still
from ...renderer.geometry import world_rays
from ...renderer.maps.interpolate import interpolate
from .clip_windows import Windows, guide_options, row_of

VIEWS = 3  # cameras of a person
SIDES = 25.0  # degrees to which they stand around
BALD = 0.1  # of all people
SMOOTHER = 2  # pictures are drawn so many times larger
BROWS = slice(17, 27)  # of the 68 landmarks
SKIN = [(0.92, 0.75, 0.65), (0.85, 0.64, 0.50), (0.70, 0.49, 0.36), (0.52, 0.34, 0.24), (0.35, 0.22, 0.16)]
HAIR = [(0.08, 0.06, 0.05), (0.25, 0.15, 0.09), (0.45, 0.30, 0.15), (0.75, 0.60, 0.38), (0.55, 0.54, 0.52)]
IRIS = [(0.30, 0.18, 0.10), (0.25, 0.40, 0.55), (0.30, 0.42, 0.25)]


@dataclass(frozen=True)
class Person:
    """Somebody made up, by a number: who they look like, what stands behind them, and what they do."""

    number: int
    views: int = VIEWS

    dropped = 0  # as of footage: nothing here is lost

    @property
    def name(self) -> str:
        """Of the shard."""
        return f"synthetic_{self.number:04d}"

    @property
    def person(self) -> str:
        """Nobody else is."""
        return self.name

    def content(self) -> str:
        """What the shard depends on beside its settings."""
        return f"{self.number} {self.views}"

    def read(self, windows: Windows) -> Person:
        """There is nothing to read."""
        return self

    def windows(self, windows: Windows) -> Iterator[dict[str, np.ndarray]]:
        """Windows of all cameras, one for each thing that they do, as `Clip.windows`."""
        looks = _Looks.of(self.number)
        rng = np.random.default_rng([self.number, 1])
        photo = pinhole(512, 512, fov=0.45, distance=0.85)
        for _ in range(windows.sources):
            rest = _moves(looks.head, looks.shape, rng, 1)
            portrait = looks.portrait(rest, photo)
            left, top, side = portrait.face_window()
            square = portrait.cropped(left, top, side, side).resized(windows.size, windows.size)
            how = guide_options(windows)
            pivot = portrait.vertices()[0].mean(0)
            for _ in range(windows.targets):
                motion = _moves(looks.head, looks.shape, rng, windows.frames)
                yaw = np.concatenate([[0.0], rng.uniform(-SIDES, SIDES, self.views - 1)])
                cameras = around(square.camera, pivot, still(yaw.tolist(), (0.4 * rng.permutation(yaw)).tolist()))
                parts: list[Guidance] = []
                targets = []
                for view in range(self.views):
                    camera = cameras.view(view)
                    parts += guide(square, motion, camera, **how)
                    targets += [looks.picture(motion[k : k + 1], camera)[0] for k in range(len(motion))]
                yield row_of(Guidance.concatenate(parts), targets)


@dataclass(frozen=True)
class _Looks:
    """Colours of a head's vertices, a shell of hair over it, light and background."""

    head: Head
    shape: Tensor  # [S]
    colors: Tensor  # [N, 3] linear
    hair: Tensor  # [N] m, how far hair stands off; below 0: none
    hair_colors: Tensor  # [N, 3]
    lights: Tensor  # [L, 6] direction and colour
    ambient: Tensor  # [3]
    waves: Tensor  # [W, 7] frequency (3), phase, colour (3) of the background

    @classmethod
    def of(cls, number: int) -> _Looks:
        """Somebody by their number."""
        rng = np.random.default_rng([number, 0])
        head = with_mouth_closed(load_head(DEFAULT_HEAD))
        tensor = lambda x: torch.from_numpy(np.asarray(x, np.float32))  # noqa: E731
        one = lambda colors: tensor(colors[rng.integers(len(colors))]) * float(rng.uniform(0.9, 1.1))  # noqa: E731
        shape = tensor(rng.normal(0, 0.8, head.identity.shape[-1]))
        at = head.template
        skin, hair, iris = one(SKIN), one(HAIR), one(IRIS)
        colors = skin * (1 + 0.10 * _noise(at, rng, 40)[:, None] + 0.08 * _noise(at, rng, 250)[:, None])
        of_part = lambda *names: _vertices_of(head, names)  # noqa: E731
        colors[of_part("lips")] = skin * tensor([0.95, 0.62, 0.60])
        colors[of_part("teeth_upper", "teeth_lower")] = tensor([0.85, 0.82, 0.75])
        colors[of_part("tongue")] = tensor([0.6, 0.25, 0.25])
        colors[of_part("mouth")] = tensor([0.25, 0.08, 0.08])
        for eye in ("eye_left", "eye_right"):
            own = of_part(eye)
            front = at[own] - at[own].mean(0)
            out = (front / front.norm(dim=1, keepdim=True))[:, 2]  # towards the front
            white, dark = tensor([0.88, 0.86, 0.84]), tensor([0.02, 0.02, 0.02])
            colors[own] = torch.where(out[:, None] > 0.97, dark, torch.where(out[:, None] > 0.86, iris, white))
        marks = (at[head.faces[head.landmark_faces]] * head.landmark_bary[..., None]).sum(-2)
        brow = torch.cdist(at, marks[BROWS]).amin(1) < 0.005
        colors[brow & of_part("face")] = 0.5 * hair + 0.2 * skin
        scalp = _smoothed(head, of_part("scalp").float())
        grown = (scalp - 0.35) * rng.uniform(0.006, 0.035) * (1.2 + 0.3 * _noise(at, rng, 60))
        if rng.random() < BALD:
            grown = torch.full_like(grown, -1.0)
        strands = hair * (1 + 0.35 * _noise(at * tensor([1.0, 0.2, 1.0]), rng, 900)[:, None])
        lights = [np.concatenate([_direction(rng), rng.uniform(0.2, 0.7) * rng.uniform(0.8, 1.0, 3)]) for _ in range(2)]
        waves = np.hstack([rng.normal(0, 1, (6, 3)) * rng.choice([2, 8, 25], (6, 1)), rng.uniform(0, 6.3, (6, 1)),
                           rng.normal(0, 0.05, (6, 3))])  # fmt: skip
        waves[0, :4] = 0, 0, 0, math.pi / 2  # the mean colour
        waves[0, 4:] = rng.uniform(0.05, 0.7) * rng.uniform(0.8, 1.2, 3)
        return cls(
            head, shape, colors.clamp(0, 1), grown, strands.clamp(0, 1), tensor(lights),
            tensor(rng.uniform(0.35, 0.6, 3) * rng.uniform(0.8, 1.1)), tensor(waves),
        )  # fmt: skip

    def portrait(self, pose: FlameSequence, camera: Cameras) -> Portrait:
        """The photo of a moment with the head that it was made from: nothing is fitted."""
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
        """A moment seen by a camera: uint8 [H, W, 3], and where the person is, float32 [H, W]."""
        import cv2

        height, width = camera.height, camera.width
        large = camera.resized(SMOOTHER * height, SMOOTHER * width)
        posed = self.head(pose)[0]
        normals = vertex_normals(posed[None], self.head.faces)[0]
        shell = posed + normals * self.hair.clamp_min(-0.002)[:, None]
        count, hairy = len(posed), (self.hair > 0)[self.head.faces].any(1)
        points = torch.cat([posed, shell])
        faces = torch.cat([self.head.faces, self.head.faces[hairy] + count])
        shading = self.ambient + sum(
            (normals @ light[:3]).clamp_min(0)[:, None] * light[3:] for light in self.lights
        )  # [N, 3]
        colors = torch.cat([self.colors * shading, self.hair_colors * shading])
        seen = clip(large, points[None])[0]  # [1, N, 4]
        triangles = rasterize(seen, faces, large.height, large.width)
        drawn = interpolate(triangles, seen, faces, colors[None])[0]
        person = triangles[0] >= 0
        rays = world_rays(large)[0].reshape(large.height, large.width, 3)
        behind = (torch.sin(rays @ self.waves[:, :3].T + self.waves[:, 3]) @ self.waves[:, 4:]).clamp(0, 1)
        linear = torch.where(person[..., None], drawn, behind).clamp(0, 1)
        srgb = (255 * linear ** (1 / 2.2)).numpy()
        small = lambda x: cv2.resize(x, (width, height), interpolation=cv2.INTER_AREA)  # noqa: E731
        return small(srgb).round().astype(np.uint8), small(person.float().numpy())


def _moves(head: Head, shape: Tensor, rng: np.random.Generator, frames: int) -> FlameSequence:
    """Something that a face does: from one random pose on to another, in so many frames."""
    draw = lambda size, spread: torch.from_numpy(rng.normal(0, spread, (size,)).astype(np.float32))  # noqa: E731
    ways = torch.linspace(0, 1, frames)[:, None] * min(1.0, frames / 8)

    def track(size: int, spread: float) -> Tensor:
        start, stop = draw(size, spread), draw(size, spread)
        return start + ways * (stop - start)

    jaw = torch.cat([track(1, 0.10).abs(), track(2, 0.01)], 1)
    neck = torch.cat([track(1, 0.12), track(1, 0.28), track(1, 0.08)], 1)
    still_ = torch.zeros(frames, 3)
    return FlameSequence(
        shape=shape, expression=track(head.expression.shape[-1], 0.35), rotation=still_, neck=neck, jaw=jaw,
        eyes=track(2, 0.15).repeat(1, 3)[:, [0, 1, 2, 0, 1, 2]].reshape(frames, 2, 3) * torch.tensor([1.0, 1.0, 0.0]),
        eyelids=(track(2, 0.35).abs()).clamp(0, 1), translation=still_, fps=25.0, head=head.id,
    )  # fmt: skip


def _noise(at: Tensor, rng: np.random.Generator, waves: float) -> Tensor:
    """Smooth noise of about -1..1 at points [N, 3] m, of so many radians a metre."""
    along = torch.from_numpy(rng.normal(0, waves, (12, 3)).astype(np.float32))
    phase = torch.from_numpy(rng.uniform(0, 6.3, 12).astype(np.float32))
    return torch.sin(at @ along.T + phase).mean(1) * 2


def _direction(rng: np.random.Generator) -> np.ndarray:
    """From where light comes: above or beside, and from the front."""
    way = rng.normal(0, 1, 3) + [0, 0.6, 1.0]
    return way / np.linalg.norm(way)


def _vertices_of(head: Head, names: tuple[str, ...]) -> Tensor:
    """Which vertices belong to a face of some parts, bool [N]."""
    wanted = torch.isin(head.part, torch.tensor([PARTS.index(name) for name in names]))
    found = torch.zeros(len(head.template), dtype=torch.bool)
    found[head.faces[wanted].flatten()] = True
    return found


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
