"""What a network sees of a portrait in motion: one code for preparing footage, for training and for sampling."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from ..flame_motion import FlameSequence, Head
from ..flame_motion.heads.head import PARTS
from ..renderer import Cameras, flow_encoding, render_maps, surface_field
from ..renderer.cameras import to_pixels
from .portrait import Portrait
from .warp import WarpGenerator

CHUNK = 8  # frames at once
COARSE = 4  # px of the picture to one of the geometry's
SAMPLES = 20  # points on a pixel's ray at which the 3D flow is asked for (FG-Portrait, section 3.2)
DELTA = 0.01  # m around the rendered depth within which they lie on the head
AROUND = 0.25  # m in front of and behind the head's middle, between which they lie off it
DOT = 0.7  # px of the geometry, how wide a landmark's dot is
UNIT = {"depth": 0.1, "flow": 0.05}  # m that count as one
WANTED = ("depth", "normal", "mask", "part", "visible", "rays")
FINE_WEIGHT = 3.0  # by which those outweigh what else there is of a head
FINE = ("lips", "lids", "eye_left", "eye_right", "teeth_upper", "teeth_lower", "tongue", "mouth")  # small and looked at


@dataclass(frozen=True, eq=False)
class Guidance:
    """What conditions T frames of a square picture of S px; geometry comes at G = S / 4."""

    source: Tensor  # [3, S, S] the photo, 0..1
    warped: Tensor  # [T, 3, S, S] the photo as the warp generator moves it, 0..1
    visible: Tensor  # [T, 1, G, G] whether the photo shows the surface seen here
    depth: Tensor  # [T, 1, G, G] in `UNIT`, from the head's middle, 0 off the head
    normal: Tensor  # [T, 3, G, G] unit, camera axes, 0 off the head
    flow: Tensor  # [T, 60, G, G] in `UNIT`: 3D flow at points of each pixel's ray
    rays: Tensor  # [T, 6, G, G] Plücker coordinates of the pixel's ray, world
    landmarks: Tensor  # [T, 1, G, G] dots at the head's 68 landmarks, 0..1; none on a head that does not know them
    motion: Tensor  # [T, M] expression, jaw, gaze and lids, and how far they are from the photo's
    weight: Tensor  # [T, 1, G, G] how much a pixel matters: mouth, eyes and what the photo does not show count more

    @classmethod
    def concatenate(cls, parts: list[Guidance]) -> Guidance:
        """Frames of one source one after the other."""
        joined = {f.name: torch.cat([getattr(p, f.name) for p in parts]) for f in fields(cls) if f.name != "source"}
        return cls(source=parts[0].source, **joined)

    def frames(self, start: int, stop: int) -> Guidance:
        """Some of the frames."""
        return replace(self, **{f.name: getattr(self, f.name)[start:stop] for f in fields(self) if f.name != "source"})

    def __len__(self) -> int:
        """The number of frames."""
        return len(self.warped)

    def batch(self) -> dict[str, Tensor]:
        """As a network's inputs: one row a frame."""
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        return given | {"source": self.source.expand(len(self), *self.source.shape)}


def motion_size(head_axes: int) -> int:
    """Numbers in `Guidance.motion` for a head of so many expression axes."""
    return 2 * (head_axes + 3 + 6 + 2)


def guide(
    portrait: Portrait,
    motion: FlameSequence,
    cameras: Cameras | None = None,
    *,
    depth_guided: bool = True,
    warp: WarpGenerator | None = None,
) -> Iterator[Guidance]:
    """The guidance of each `CHUNK` frames of a motion on the portrait's head, seen by one camera.

    portrait: square, its side a multiple of `COARSE` (ValueError otherwise). cameras: one view of that size, still or
    moving; the photo's own when None. depth_guided: whether the flow's samples keep to the head's surface (FG-Portrait,
    section 3.3) or cover the whole depth everywhere, which is for comparing. warp: what draws the warped photo; one
    that has drawn this portrait before does not prepare it again.
    """
    size = portrait.image.shape[0]
    if portrait.image.shape[:2] != (size, size) or size % COARSE:
        raise ValueError(
            f"portrait must be square, its side a multiple of {COARSE}, got {list(portrait.image.shape[:2])}"
        )
    coarse = size // COARSE
    photo, head = portrait.camera.resized(coarse, coarse), portrait.head
    seen_by = photo if cameras is None else cameras.resized(coarse, coarse)
    before = portrait.vertices()[0]
    middle = float((before @ photo.camera_from_world[0, 2, :3] + photo.camera_from_world[0, 2, 3]).mean())
    frames = (warp or WarpGenerator())(portrait, motion, cameras)
    own, field = _numbers(portrait.pose), None
    for start in range(0, len(motion), CHUNK):
        part, camera = motion[start : start + CHUNK], seen_by.frame_range(start, start + CHUNK)
        vertices = portrait.vertices(part)
        maps = render_maps(vertices, head, camera, source_vertices=before, source_cameras=photo, maps=WANTED)
        depth, normal, mask, seen_part, visible, rays = (getattr(maps, name)[0] for name in WANTED)  # [T, G, G, ...]
        moved = []
        for at in vertices:
            field = surface_field(at, before, head.faces, like=field)
            moved.append(field)
        near, far = middle - AROUND, middle + AROUND
        near_surface = depth if depth_guided else torch.zeros_like(depth)
        flow = flow_encoding(near_surface[None], moved, camera, near=near, far=far, samples=SAMPLES, delta=DELTA)[0]
        fine = torch.isin(seen_part, torch.tensor([PARTS.index(name) for name in FINE]))
        weight = 1.0 + FINE_WEIGHT * fine + 1.0 * (mask & ~visible) + 1.0 * mask
        numbers = _numbers(part)
        yield Guidance(
            source=_picture(portrait.image[None])[0],
            warped=_picture(np.stack([next(frames)[0] for _ in range(len(part))])),
            visible=visible[:, None].float(),
            depth=torch.where(mask, (depth - middle) / UNIT["depth"], 0.0)[:, None],
            normal=normal.permute(0, 3, 1, 2),
            flow=flow / UNIT["flow"],
            rays=rays.permute(0, 3, 1, 2).expand(len(part), -1, -1, -1),
            landmarks=_dots(head, vertices, camera),
            motion=torch.cat([numbers, numbers - own], 1),
            weight=weight[:, None],
        )


def _dots(head: Head, vertices: Tensor, camera: Cameras) -> Tensor:
    """The landmarks of heads [T, N, 3] as Gaussian dots [T, 1, G, G]."""
    if head.landmark_bary.isnan().any():
        return vertices.new_zeros(len(vertices), 1, camera.height, camera.width)
    points = (vertices[:, head.faces[head.landmark_faces]] * head.landmark_bary[..., None]).sum(-2)  # [T, 68, 3]
    xy = to_pixels(camera, points)[0]
    y, x = torch.meshgrid(torch.arange(camera.height) + 0.5, torch.arange(camera.width) + 0.5, indexing="ij")
    apart = (xy[..., 0, None, None] - x).square() + (xy[..., 1, None, None] - y).square()  # [T, 68, G, G]
    return torch.exp(-apart / (2 * DOT**2)).amax(1, keepdim=True)


def _numbers(motion: FlameSequence) -> Tensor:
    """Expression, jaw, gaze and lids of each frame, [T, E + 11]."""
    return torch.cat([motion.expression, motion.jaw, motion.eyes.flatten(1), motion.eyelids], 1)


def _picture(images: np.ndarray) -> Tensor:
    """uint8 [T, H, W, 3] as [T, 3, H, W] 0..1."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255
