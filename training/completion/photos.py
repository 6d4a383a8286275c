"""Photos of made up people: pose, expression, light, lens and background by number, and what the photo's truth is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ...core.errors import BadInput
from ...generator.completion.frame import AtlasView
from ...generator.completion.seen import view_clip
from ...renderer import interpolate_fast, rasterize
from .hair_masks import SIDE
from .heads import TexturedHead, posed, rotation, welded_normals
from .light import draw_light, lit
from .people import Person

SIZE = 320  # px of a photo; it is drawn twice as large
TURN = np.radians(40)  # the farthest that a face looks aside
PICTURES = (".jpg", ".jpeg", ".png", ".webp")  # what photos for backgrounds end in
SHADING = ("teeth_upper", "teeth_lower", "tongue")  # too small to throw shade
# What faces do in photos; the left and the right side together.
EXPRESSIONS = (
    ("RsmileOpen", "LsmileOpen"), ("RsmileClose", "LsmileClose"), ("MouthOpen",), ("ReyeClose", "LeyeClose"),
    ("RbrowUp", "LbrowUp"), ("RbrowDown", "LbrowDown"), ("AE_AA",), ("AO_a",), ("S",), ("FV",), ("UW_U",), ("Kiss",),
    ("RmouthSad", "LmouthSad"), ("Rsquint", "Lsquint"),
)  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """A person before the camera, as one mesh: N vertices, F triangles."""

    vertices: np.ndarray  # [N, 3] m, in the camera's axes: x right, y down, z forward
    faces: np.ndarray  # [F, 3] int32
    uv: np.ndarray  # [N, 2]
    light: np.ndarray  # [N, 3] what a texture's color is multiplied by
    part: np.ndarray  # [F] index into `names`
    names: tuple[str, ...]
    textures: tuple[np.ndarray, ...]  # [S, S, 3] uint8
    eyes: np.ndarray  # [3] m, midway between the eyeballs
    focal: float  # px of a photo of SIZE px

    def view(self) -> AtlasView:
        """The camera, as one that looks at points of its own axes."""
        middle = SIZE / 2
        return AtlasView(np.array([[self.focal, 0, middle], [0, self.focal, middle], [0, 0, 1]]), np.eye(4))

    def faces_of(self, names: Sequence[str]) -> np.ndarray:
        """Which triangles [F] belong to these parts."""
        return np.isin(self.part, [k for k, name in enumerate(self.names) if name in names])


def draw_scene(person: Person, rng: np.random.Generator) -> Scene:
    """The person in a pose, light and lens by number."""
    head = person.head
    turn = np.clip(rng.normal(size=3) * [0.16, 0.09, 0.06], -0.5, 0.5)
    meshes = posed(head, _expression(rng), tuple(turn), tuple(rng.normal(size=2) * 0.1))
    normals = [welded_normals(v, p.faces, p.weld) for v, p in zip(meshes, head.parts)]
    skull = rotation(*turn)
    eye_parts = [v.mean(0) for v, p in zip(meshes, head.parts) if p.name.startswith("eye")]
    eyes = sum(eye_parts) / len(eye_parts)
    first = np.cumsum([0, *(len(v) for v in meshes)])
    vertices, normal = np.concatenate(meshes), np.concatenate(normals)
    faces = np.concatenate([p.faces + k for p, k in zip(head.parts, first)])
    part = np.repeat(np.arange(len(head.parts)), [len(p.faces) for p in head.parts])
    if head.parts[-1].name == "hair":  # ribbons are seen from both sides
        own = slice(first[-2], first[-1])
        inwards = (normal[own] * (vertices[own] - eyes + [0, 0, 0.085])).sum(1) < 0
        normal[own][inwards] *= -1
    throws = ~np.isin(part, [k for k, p in enumerate(head.parts) if p.name in SHADING])
    linear = lit(vertices - eyes, normal, faces[throws], draw_light(rng))
    linear /= max(float(linear[_face_vertices(head, first)].mean()), 1e-3)
    light = np.clip(linear * np.exp(rng.normal() * 0.2), 0.01, 4) ** (1 / 2.2)
    matrix, focal = _camera(eyes, skull, rng)
    in_camera = vertices @ matrix[:, :3].T + matrix[:, 3]
    return Scene(
        in_camera, faces.astype(np.int32), np.concatenate([p.uv for p in head.parts]), light, part,
        tuple(p.name for p in head.parts), tuple(p.texture for p in head.parts),
        matrix[:, :3] @ eyes + matrix[:, 3], focal,
    )  # fmt: skip


def _face_vertices(head: TexturedHead, first: np.ndarray) -> np.ndarray:
    """Indices of the skin's vertices at the front of the face, by which the exposure is set."""
    k = next(k for k, p in enumerate(head.parts) if p.name == "skin")
    place = head.parts[k].vertices
    return first[k] + np.flatnonzero((place[:, 2] > 0) & (place[:, 1] > -0.1) & (place[:, 1] < 0.06))


def _expression(rng: np.random.Generator) -> dict[str, float]:
    """Weights of morphs: none in half of the photos, else one to three of `EXPRESSIONS`."""
    if rng.random() < 0.5:
        return {}
    chosen = rng.choice(len(EXPRESSIONS), rng.integers(1, 4), replace=False)
    return {name: weight for k in chosen for weight in [rng.uniform(0.1, 0.9)] for name in EXPRESSIONS[k]}


def _camera(eyes: np.ndarray, skull: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Camera axes from world [3, 4], and the focal length, px of a photo of SIZE px."""
    facing = np.arctan2(skull[0, 2], skull[2, 2])
    away = rng.normal() * 0.22 if rng.random() < 0.75 else rng.uniform(-TURN, TURN)
    yaw, pitch, roll = facing + np.clip(away, -TURN, TURN), rng.normal() * 0.1, rng.normal() * 0.05
    at = eyes + rng.normal(size=3) * 0.015 + [0, -0.035, -0.07]
    distance = np.exp(rng.uniform(np.log(0.55), np.log(2.2)))
    out = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    z = -out
    x = np.cross(z, [0, 1, 0])
    x /= np.linalg.norm(x)
    axes = np.stack([x, np.cross(z, x), z])
    tilt = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    axes = tilt @ axes
    shows = rng.uniform(0.38, 0.62)  # m of the person that the photo is high
    return np.c_[axes, -axes @ (at + distance * out)], SIZE * distance / shows


def photograph(scene: Scene, background: np.ndarray) -> np.ndarray:
    """The photo [SIZE, SIZE, 3] 0..255, before any grading."""
    import cv2

    large = 2 * SIZE
    corner = view_clip(scene.view(), scene.vertices, (SIZE, SIZE))
    faces = torch.from_numpy(scene.faces)
    triangle = rasterize(corner, faces, large, large)
    values = torch.from_numpy(np.concatenate([scene.uv, scene.light], 1).astype(np.float32))[None]
    at = interpolate_fast(triangle, corner, faces, values)[0]
    shown = triangle[0].numpy()
    color = textured(scene.textures, scene.part, shown, at[..., :2]) * at[..., 2:]
    color = np.where((shown >= 0)[..., None], color, cv2.resize(background, (large, large)))
    return cv2.resize(np.clip(color, 0, 255).astype(np.float32), (SIZE, SIZE), interpolation=cv2.INTER_AREA)


def textured(textures: Sequence[np.ndarray], part: np.ndarray, triangle: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Texture colors [H, W, 3] where triangles [H, W] (-1: none) are seen at uv [H, W, 2]; part [F]: whose each is."""
    import cv2

    out = np.zeros((*triangle.shape, 3), np.float32)
    seen = np.where(triangle >= 0, part[triangle], -1)
    for k, texture in enumerate(textures):
        rows, columns = np.nonzero(seen == k)
        if not len(rows):
            continue
        box = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        size = np.array(texture.shape[1::-1], np.float32)
        x, y = np.moveaxis((uv[box] % 1.0001).astype(np.float32) * size - 0.5, -1, 0)
        found = cv2.remap(texture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        own = seen[box] == k
        out[box][own] = found[own]
    return out


def on_skin(scene: Scene, mask: np.ndarray, triangle: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """A mask of the skin's texture [SIDE, SIDE] where triangles [H, W] are seen at uv [H, W, 2]; 0 elsewhere."""
    import cv2

    skin = (triangle >= 0) & (scene.part[triangle] == scene.names.index("skin"))
    x, y = np.moveaxis(uv.astype(np.float32) * SIDE - 0.5, -1, 0)
    return np.where(skin, cv2.remap(mask, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), 0)


class Backgrounds:
    """Walls, gradients, blots, and corners of real photos, blurred or not."""

    def __init__(self, photos: Path | None) -> None:
        """photos: a folder of them; None: no corners. BadInput where there are none in it."""
        self.photos = [] if photos is None else sorted(f for f in photos.glob("*") if f.suffix.lower() in PICTURES)
        if photos is not None and not self.photos:
            raise BadInput(f"{photos}: expected a folder of photos ({', '.join(PICTURES)}); found none")

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """A background [SIZE, SIZE, 3] float32."""
        import cv2

        if self.photos and rng.random() < 0.6:
            photo = cv2.imread(str(self.photos[rng.integers(len(self.photos))]))[..., ::-1]
            side = int(photo.shape[1] * rng.uniform(0.15, 0.28))
            left = 0 if rng.random() < 0.5 else photo.shape[1] - side
            corner = photo[: int(side * rng.uniform(1, 1.6)), left : left + side]
            out = cv2.resize(corner, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC).astype(np.float32)
        else:
            cells = rng.integers(2, 7)
            soft = rng.normal(size=(cells, cells, 3)) * rng.uniform(5, 50) * rng.uniform(0.2, 1, 3)
            out = cv2.resize(
                soft.astype(np.float32) + rng.uniform(20, 235), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC
            )
        if rng.random() < 0.5:
            out = cv2.GaussianBlur(out, (0, 0), rng.uniform(1, 12))
        return np.clip(out * np.exp(rng.normal() * 0.2), 0, 255)


@dataclass(frozen=True)
class Grade:
    """How a camera and its owner change colors 0..255: white balance, contrast, gamma, saturation."""

    gain: np.ndarray  # [3]
    gamma: float
    saturation: float

    def __call__(self, color: np.ndarray) -> np.ndarray:
        """Colors [..., 3]."""
        out = np.clip(color * self.gain / 255, 0, 1) ** self.gamma * 255
        gray = out.mean(-1, keepdims=True)
        return np.clip(gray + self.saturation * (out - gray), 0, 255)


def draw_grade(rng: np.random.Generator) -> Grade:
    """Most are mild; one in fifteen is black and white."""
    saturation = 0.0 if rng.random() < 0.066 else float(np.exp(rng.normal() * 0.2))
    return Grade(np.exp(rng.normal() * 0.1 + rng.normal(size=3) * 0.05), float(np.exp(rng.normal() * 0.15)), saturation)


def developed(photo: np.ndarray, grade: Grade, rng: np.random.Generator) -> np.ndarray:
    """The photo as a file [H, W, 3] uint8: graded, a little soft, with noise and JPEG's blocks."""
    import cv2

    out = grade(photo)
    if rng.random() < 0.4:
        out = cv2.GaussianBlur(out, (0, 0), rng.uniform(0.3, 1.0))
    out = np.clip(out + rng.normal(size=out.shape) * rng.uniform(0, 4), 0, 255).astype(np.uint8)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 98))]
    coded = cv2.imencode(".jpg", np.ascontiguousarray(out[..., ::-1]), quality)[1]
    return np.ascontiguousarray(cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1])
