"""Labelled panels of a head, drawn without a photo: plain colours, one camera and one light for all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ...flame_motion import FlameSequence
from ...flame_motion.heads.head import PARTS
from ...flame_motion.heads.materials import MATERIALS, face_materials
from ...renderer import Cameras, around, clip, interpolate_fast, pinhole, rasterize, still, vertex_normals

if TYPE_CHECKING:
    from PIL.Image import Image

    from ...flame_motion.heads.head import Head

ROWS = 5  # of panels on a page
LABEL = 18  # px, below each panel
FINER = 2  # each pixel is the mean of so many squared
KEY = (0.80, 0.30, 0.52)  # toward the main light, camera axes x right, y up, z to the camera: from the side
FILL = (-0.70, 0.10, 0.70)
AMBIENT, KEY_SHARE, FILL_SHARE, SHINE = 0.17, 0.80, 0.27, 0.12
PAPER, INK, INSIDE_OUT = (0.20, 0.21, 0.23), (235, 235, 235), (0.85, 0.0, 0.75)
FACE = ("face", "lips", "lids")


@dataclass(frozen=True)
class Panel:
    """One picture: a pose of the head, seen from an angle."""

    label: str
    pose: FlameSequence  # one frame
    yaw: float = 0.0  # degrees the camera goes round, to the subject's left
    elevation: float = 0.0  # degrees up
    near: bool = True  # the face fills it; otherwise the whole head


@dataclass(frozen=True)
class Section:
    """Panels under one title."""

    title: str
    panels: list[Panel]


class Artist:
    """Draws poses of one head, all to the same scale and in the same light."""

    def __init__(self, head: Head, size: int) -> None:
        self.head, self.size = head, size
        materials = face_materials(head)
        self.color = torch.tensor([material.color for material in MATERIALS])[materials].numpy()  # [F, 3] sRGB
        shiny = torch.tensor([1.0 - material.roughness for material in MATERIALS])[materials]
        self.shine = SHINE * shiny.numpy() / 0.4
        on_face = torch.isin(head.part, torch.tensor([PARTS.index(part) for part in FACE]))
        self.cameras = {
            True: self._framing(head.template[head.faces[on_face if bool(on_face.any()) else slice(None)].unique()]),
            False: self._framing(head.template),
        }

    def _framing(self, points: Tensor) -> tuple[Cameras, Tensor]:
        """A camera from the front that holds all `points` [M, 3] m however it goes round them, and its pivot [3]."""
        middle = (points.amin(0) + points.amax(0)) / 2
        reach = float((points - middle).norm(dim=1).max())
        distance, pixels = 6 * reach, self.size * FINER
        pose = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
        pose[:3, 3] = torch.tensor([0.0, 0.0, distance]) - pose[:3, :3] @ middle
        focal = 0.48 * pixels * distance / reach
        return pinhole(pixels, pixels, focal=focal, camera_from_world=pose), middle

    def draw(self, panel: Panel) -> np.ndarray:
        """One panel, uint8 [size, size, 3]. What is seen from behind is pink: a flipped face, or a view inside."""
        base, pivot = self.cameras[panel.near]
        camera = around(base, pivot, still(float(panel.yaw), float(panel.elevation)))
        vertices, faces = self.head(panel.pose), self.head.faces
        corners = clip(camera, vertices)[0]  # [1, N, 4]
        seen = rasterize(corners, faces, camera.height, camera.width)  # [1, H, W]
        turn = camera.camera_from_world[0, :3, :3] * torch.tensor([[1.0], [-1.0], [-1.0]])
        normals = vertex_normals(vertices[0], faces) @ turn.T
        normal = interpolate_fast(seen, corners, faces, normals[None], unit=True)[0]
        index = seen[0].numpy().clip(0)
        # The light stays on the side that the face looks away from, so that it always grazes.
        light = self._lit(normal * np.array([1 if panel.yaw >= 0 else -1, 1, 1], np.float32), index)
        light[_from_behind(corners[0], faces).numpy()[index]] = INSIDE_OUT
        light[seen[0].numpy() < 0] = PAPER
        fine = light.reshape(self.size, FINER, self.size, FINER, 3).mean((1, 3))
        return (fine.clip(0, 1) * 255 + 0.5).astype(np.uint8)

    def _lit(self, normal: np.ndarray, index: np.ndarray) -> np.ndarray:
        """Colours [H, W, 3] of unit normals [H, W, 3] (x right, y up, z to the camera) on the faces `index` [H, W]."""
        key, fill = (np.array(d, np.float32) / np.linalg.norm(d) for d in (KEY, FILL))
        halfway = (key + (0, 0, 1)) / np.linalg.norm(key + (0, 0, 1))
        diffuse = AMBIENT + KEY_SHARE * (normal @ key).clip(0) + FILL_SHARE * (normal @ fill).clip(0)
        gloss = self.shine[index] * (normal @ halfway).clip(0) ** 40
        return self.color[index] * diffuse[..., None] + gloss[..., None]


def _from_behind(corners: Tensor, faces: Tensor) -> Tensor:
    """Which faces [F] turn their back to the camera, from clip space [N, 4] (y down: outside is anticlockwise)."""
    place = corners[:, :2] / corners[:, 3:]
    a, b, c = place[faces].unbind(1)
    return (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0] > 0


def pages_of(sections: Sequence[Section], columns: int) -> Iterable[list[tuple[str | None, list[Panel]]]]:
    """Rows of panels, `ROWS` a page; the title stands above a section's first row, and above each page's."""
    page: list[tuple[str | None, list[Panel]]] = []
    for section in sections:
        rows = [section.panels[start : start + columns] for start in range(0, len(section.panels), columns)]
        for number, row in enumerate(rows):
            if len(page) == ROWS:
                yield page
                page = []
            page.append((section.title if number == 0 or not page else None, row))
    yield page


def draw_page(artist: Artist, rows: list[tuple[str | None, list[Panel]]], columns: int, heading: str) -> Image:
    """Rows of labelled panels as one picture, with a heading in its corner."""
    from PIL import Image, ImageDraw, ImageFont

    small, large = ImageFont.load_default(13), ImageFont.load_default(20)
    title_height = 30
    height = sum(artist.size + LABEL + (title_height if title else 0) for title, _ in rows)
    paper = tuple(round(255 * share) for share in PAPER)
    page = Image.new("RGB", (columns * artist.size, height), paper)
    pen = ImageDraw.Draw(page)
    top = 0
    for number, (title, panels) in enumerate(rows):
        if title:
            pen.text((8, top + 4), title, INK, large)
            if number == 0:
                pen.text((page.width - 8, top + 8), heading, INK, small, anchor="ra")
            top += title_height
        for column, panel in enumerate(panels):
            left = column * artist.size
            page.paste(Image.fromarray(artist.draw(panel)), (left, top))
            pen.text((left + artist.size / 2, top + artist.size + 1), panel.label, INK, small, anchor="ma")
        top += artist.size + LABEL
    return page
