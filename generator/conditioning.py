"""What a network is conditioned on: the same maps and numbers for preparing footage, for training and for sampling."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ..flame_motion import FlameSequence, Head
from ..flame_motion.heads.head import PARTS
from ..renderer import Cameras, flow_encoding, render_maps, surface_field
from ..renderer.cameras import to_pixels
from ..renderer.flow.flow import SurfaceField
from .portrait import Portrait
from .warp import WarpGenerator

CHUNK = 8  # frames rendered together
COARSE = 4  # px of the picture to one px of the geometry's maps
FLOW_SAMPLES = 20  # points on a pixel's ray at which the 3D flow is sampled (FG-Portrait, section 3.2)
SURFACE_DELTA = 0.01  # m around the rendered depth within which they lie on the head
FAR_DELTA = 0.25  # m in front of and behind the head's middle, between which they lie off it
LANDMARK_SIGMA = 0.7  # px of the geometry's maps, of a landmark's dot
UNIT = {"depth": 0.1, "flow": 0.05}  # m that count as one
MAPS = ("depth", "normal", "mask", "part", "visible", "rays")
FINE_WEIGHT = 3.0  # added to the loss weight of `FINE_PARTS`: they are small, and looked at
FINE_PARTS = ("lips", "lids", "eye_left", "eye_right", "teeth_upper", "teeth_lower", "tongue", "mouth")


@dataclass(frozen=True, eq=False)
class Conditioning:
    """What conditions T frames of a square picture of S px; geometry has G = S / 4 px."""

    source: Tensor  # [3, S, S] the photo, 0..1
    warped: Tensor  # [T, 3, S, S] the photo as the warp generator moves it, 0..1
    visible: Tensor  # [T, 1, G, G] whether the photo shows the surface seen here
    depth: Tensor  # [T, 1, G, G] in `UNIT`, from the head's middle, 0 off the head
    normal: Tensor  # [T, 3, G, G] unit, camera axes, 0 off the head
    flow: Tensor  # [T, 60, G, G] in `UNIT`: 3D flow at points of each pixel's ray
    rays: Tensor  # [T, 6, G, G] Plücker coordinates of the pixel's ray, world
    landmarks: Tensor  # [T, 1, G, G] dots at the head's 68 landmarks, 0..1; none on a head without landmarks
    motion: Tensor  # [T, M] expression, jaw, gaze and lids, and how far they are from the photo's
    weight: Tensor  # [T, 1, G, G] loss weight: higher on mouth and eyes and where the photo shows nothing

    @classmethod
    def concatenate(cls, parts: list[Conditioning]) -> Conditioning:
        """The frames of several parts of one source, one after the other."""
        joined = {f.name: torch.cat([getattr(p, f.name) for p in parts]) for f in fields(cls) if f.name != "source"}
        return cls(source=parts[0].source, **joined)

    def frames(self, start: int, stop: int) -> Conditioning:
        """The frames from start to stop - 1."""
        return replace(self, **{f.name: getattr(self, f.name)[start:stop] for f in fields(self) if f.name != "source"})

    def __len__(self) -> int:
        """The number of frames."""
        return len(self.warped)

    def batch(self) -> dict[str, Tensor]:
        """A network's inputs by name, one row a frame."""
        rows = {f.name: getattr(self, f.name) for f in fields(self)}
        return rows | {"source": self.source.expand(len(self), *self.source.shape)}


def motion_size(expression_axes: int) -> int:
    """Numbers in `Conditioning.motion` for a head of so many expression axes."""
    return 2 * (expression_axes + 3 + 6 + 2)


def render_conditioning(
    portrait: Portrait,
    motion: FlameSequence,
    cameras: Cameras | None = None,
    *,
    depth_guided: bool = True,
    warp: WarpGenerator | None = None,
) -> Iterator[Conditioning]:
    """Yields the conditioning of each `CHUNK` frames of a motion on the portrait's head, seen by one camera.

    portrait: square, its side a multiple of `COARSE` (ValueError otherwise). cameras: one view of that size, still or
    moving; the photo's own when None. depth_guided: whether the flow's samples keep to the head's surface (FG-Portrait,
    section 3.3) or cover the whole depth everywhere, which is for comparing. warp: draws the warped photo; a generator
    that has drawn this portrait before does not prepare it again.
    """
    size = portrait.image.shape[0]
    if portrait.image.shape[:2] != (size, size) or size % COARSE:
        shape = list(portrait.image.shape[:2])
        raise ValueError(f"portrait must be square, its side a multiple of {COARSE}, got {shape}")
    seen_by = (portrait.camera if cameras is None else cameras).resized(size // COARSE, size // COARSE)
    frames = (warp or WarpGenerator(mouth=False))(portrait, motion, cameras)
    geometry, source = _Geometry(portrait, depth_guided), _picture(portrait.image[None])[0]
    photo_pose = _face_pose(portrait.pose)
    for start in range(0, len(motion), CHUNK):
        part = motion[start : start + CHUNK]
        face_pose = _face_pose(part)
        yield Conditioning(
            source=source,
            warped=_picture(np.stack([next(frames)[0] for _ in range(len(part))])),
            motion=torch.cat([face_pose, face_pose - photo_pose], 1),
            **geometry.render(part, seen_by.frame_range(start, start + CHUNK)),
        )


class _Geometry:
    """Renders a portrait's head in motion, compared with its place in the photo."""

    def __init__(self, portrait: Portrait, depth_guided: bool) -> None:
        size = portrait.image.shape[0] // COARSE
        self.portrait, self.depth_guided = portrait, depth_guided
        self.photo = portrait.camera.resized(size, size)
        self.before = portrait.vertices()[0]  # [N, 3] m
        self.field: SurfaceField | None = None  # of the last frame: the search for the next begins there

    @cached_property
    def middle(self) -> float:
        """Mean depth of the head in the photo, m."""
        matrix = self.photo.camera_from_world[0]
        return float((self.before @ matrix[2, :3] + matrix[2, 3]).mean())

    def render(self, motion: FlameSequence, camera: Cameras) -> dict[str, Tensor]:
        """The maps of `Conditioning` by name, for T frames."""
        head, vertices = self.portrait.head, self.portrait.vertices(motion)
        maps = render_maps(
            vertices, head, camera, source_vertices=self.before, source_cameras=self.photo, maps=MAPS
        )  # fmt: skip
        depth, normal, mask, part, visible, rays = (getattr(maps, name)[0] for name in MAPS)  # [T, G, G, ...]
        fine = torch.isin(part, torch.tensor([PARTS.index(name) for name in FINE_PARTS]))
        weight = 1.0 + FINE_WEIGHT * fine + 1.0 * (mask & ~visible) + 1.0 * mask
        return {
            "visible": visible[:, None].float(),
            "depth": torch.where(mask, (depth - self.middle) / UNIT["depth"], 0.0)[:, None],
            "normal": normal.permute(0, 3, 1, 2),
            "flow": self._flow(vertices, depth, camera),
            "rays": rays.permute(0, 3, 1, 2).expand(len(motion), -1, -1, -1),
            "landmarks": _dots(head, vertices, camera),
            "weight": weight[:, None],
        }

    def _flow(self, vertices: Tensor, depth: Tensor, camera: Cameras) -> Tensor:
        """3D flow [T, 60, G, G] in `UNIT` of heads [T, N, 3] m that are seen at depths [T, G, G] m."""
        moved: list[SurfaceField] = []
        for posed in vertices:
            self.field = surface_field(posed, self.before, self.portrait.head.faces, like=self.field)
            moved.append(self.field)
        surface = depth if self.depth_guided else torch.zeros_like(depth)
        near, far = self.middle - FAR_DELTA, self.middle + FAR_DELTA
        flow = flow_encoding(
            surface[None], moved, camera, near=near, far=far, samples=FLOW_SAMPLES, delta=SURFACE_DELTA
        )  # fmt: skip
        return flow[0] / UNIT["flow"]


def _dots(head: Head, vertices: Tensor, camera: Cameras) -> Tensor:
    """The landmarks of heads [T, N, 3] m as Gaussian dots [T, 1, G, G]."""
    if head.landmark_bary.isnan().any():
        return vertices.new_zeros(len(vertices), 1, camera.height, camera.width)
    points = (vertices[:, head.faces[head.landmark_faces]] * head.landmark_bary[..., None]).sum(-2)  # [T, 68, 3]
    xy = to_pixels(camera, points)[0]
    y, x = torch.meshgrid(torch.arange(camera.height) + 0.5, torch.arange(camera.width) + 0.5, indexing="ij")
    squared = (xy[..., 0, None, None] - x).square() + (xy[..., 1, None, None] - y).square()  # [T, 68, G, G]
    return torch.exp(-squared / (2 * LANDMARK_SIGMA**2)).amax(1, keepdim=True)


def _face_pose(motion: FlameSequence) -> Tensor:
    """Expression, jaw, gaze and lids of each frame, [T, E + 11]."""
    return torch.cat([motion.expression, motion.jaw, motion.eyes.flatten(1), motion.eyelids], 1)


def _picture(images: np.ndarray) -> Tensor:
    """uint8 [T, H, W, 3] as [T, 3, H, W] 0..1."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255
