"""The completed head as a mesh to be drawn: what a turned head shows beside and behind the face of the photo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...core.easing import smoothstep
from ...flame_motion import FlameSequence
from ...flame_motion.rotations import matrix_from_axis_angle
from ...renderer import Cameras, clip, rasterize
from ..completion.atlas import CENTER, COLUMNS, ROWS, around, blurred, grid_faces, surface_points
from ..completion.ears import Ears
from ..completion.frame import AtlasView, atlas_view, in_atlas
from ..completion.merge import enlarged
from ..completion.seen import in_photo
from ..completion.whole_head import FINE, WholeHead
from ..portrait import Portrait
from .carried import Carried, Surface, nearest_carriers
from .ears import Ear, drawn_ears
from .parts import EYES, MOUTH, faces_of
from .shell import Shell

MESH_ROWS, MESH_COLUMNS = ROWS // 2, COLUMNS // 2  # of the mesh; the texture is finer
MAX_CARRIERS = 1400
NEAR = 0.009  # m: how far a point on the surface follows its neighbours there
FINER = 2  # times the whole head's texels a side
PAD = 2  # texels of the other end that the texture has beyond either of its ends
TURNED = (0.1, 0.46)  # rad between the views of the head: up to which only what the photo shows is drawn, and no more
BODY = (0.1, 0.4)  # how much of a point is the torso's, from which on the photo's own is kept
TORSO = (0.4, 0.75)  # how much of a point is the torso's, over which skin ends under the clothes
FADE_ROWS = 6  # of the mesh, at its lower end


@dataclass(frozen=True, eq=False)
class CompletedHead:
    """A mesh of G points around the head. U points of the texture, F triangles."""

    carried: Carried
    faces: Tensor  # [F, 3] int32, of the points
    uv_faces: np.ndarray  # [F, 3] int32, of the texture's points
    vertex: Tensor  # [U] the point of each of the texture's points
    attributes: np.ndarray  # [U, 3] u, v, opacity
    texture: np.ndarray  # [h, w, 4] uint8 sRGB, and in alpha how much of it is hair
    own: np.ndarray  # [H, W] float32 0..1, how much of what the photo shows there this mesh stands for
    face: np.ndarray  # [G] 0..1, how opaque the fitted head's face is drawn over each point
    centre: Tensor  # [3] m, of the head in the photo

    def pose(self, motion: FlameSequence) -> Tensor:
        """World positions [T, G, 3] m of the points under a motion."""
        return self.carried.pose(motion)

    def turned(self, portrait: Portrait, motion: FlameSequence, cameras: Cameras) -> np.ndarray:
        """How far [V, T] the cameras see the head from another side than the photo does: 0..1, between `TURNED`."""
        before, now = _turn(portrait.pose), _turn(motion)
        first = _unit(portrait.camera.centers[0, 0] - self.centre) @ before[0]
        offset = cameras.centers - self.centre - motion.translation  # [V, T, 3]
        cosine = (torch.einsum("vti,tij->vtj", _unit(offset), now) * first).sum(-1)
        angle = torch.acos(cosine.clamp(-1, 1))
        return ((angle - TURNED[0]) / (TURNED[1] - TURNED[0])).clamp(0, 1).numpy()


def _turn(motion: FlameSequence) -> Tensor:
    """The skull's rotation [T, 3, 3]."""
    return matrix_from_axis_angle(motion.rotation) @ matrix_from_axis_angle(motion.neck)


def _unit(vectors: Tensor) -> Tensor:
    return vectors / vectors.norm(dim=-1, keepdim=True).clamp_min(1e-9)


def completed_head(portrait: Portrait, shell: Shell, over: Tensor, found: Ears) -> CompletedHead:
    """The mesh of a portrait's whole head. over [N]: how opaque the fitted head is drawn over all else."""
    whole = portrait.whole
    if whole is None:
        raise ValueError("the portrait's head must be completed first: see completion.with_whole_head")
    radius, there, fitted, hair = (
        x.reshape(MESH_ROWS, len(x) // MESH_ROWS, MESH_COLUMNS, -1).mean((1, 3))
        for x in (whole.radius, whole.there, whole.fitted, whole.hair)
    )
    ears = drawn_ears(found, whole)
    for ear in ears:
        radius = _without(radius, ear.place.reshape(MESH_ROWS, -1, MESH_COLUMNS, ear.place.shape[1] // MESH_COLUMNS))
    face = _share_of_face(portrait, fitted, over)
    radius += face * (fitted - radius)
    points = np.concatenate([surface_points(radius).reshape(-1, 3), _crown(radius, there > 0.5)])
    place = in_world(portrait, atlas_view(portrait), np.concatenate([points, *(ear.points for ear in ears)]))
    surface = Surface.of(portrait, _carriers(portrait))
    carried = Carried.by(surface, nearest_carriers(surface.points.numpy(), place.numpy(), NEAR), place)
    faces, uv_faces, point, uv = _texture_grid()
    kept = np.append(there > 0.5, True)[faces].all(1)
    kept &= ~np.append(face.ravel() >= 1, False)[faces].all(1)  # the face is drawn there, with its eyes and mouth
    opacity = _opacity(carried.body[: len(points)], hair)[point]
    texture = _texture(portrait, whole)
    attributes = np.concatenate([uv, opacity[:, None]], 1).astype(np.float32)
    layout = _Layout(faces[kept].astype(np.int32), uv_faces[kept], point, attributes, texture)
    for ear in ears:
        layout = _with_ear(layout, ear)
    share = np.zeros(len(place), np.float32)
    share[: face.size] = face.ravel()
    return CompletedHead(
        carried, torch.from_numpy(layout.faces), layout.uv_faces, torch.from_numpy(layout.vertex), layout.attributes,
        layout.texture, _own(portrait, whole, shell), share, portrait.vertices()[0].mean(0),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Layout:
    """The triangles and the texture of a mesh that grows; see `CompletedHead`."""

    faces: np.ndarray
    uv_faces: np.ndarray
    vertex: np.ndarray
    attributes: np.ndarray
    texture: np.ndarray


def _with_ear(layout: _Layout, ear: Ear) -> _Layout:
    """With the ear's points behind all others, and its picture under the texture."""
    first, first_uv = int(layout.vertex.max()) + 1, len(layout.vertex)
    side, height = len(ear.picture), len(layout.texture)
    under = np.zeros((side, *layout.texture.shape[1:]), np.uint8)
    under[:, :side, :3] = ear.picture + 0.5
    whole = height + side
    uv = np.stack([(ear.uv[:, 0] * (side - 1) + 0.5) / layout.texture.shape[1],
                   1 - (height + ear.uv[:, 1] * (side - 1) + 0.5) / whole, np.ones(len(ear.uv))], 1)  # fmt: skip
    above = layout.attributes * [1, height / whole, 1] + [0, side / whole, 0]
    return _Layout(
        np.concatenate([layout.faces, ear.faces + first]).astype(np.int32),
        np.concatenate([layout.uv_faces, ear.faces + first_uv]).astype(np.int32),
        np.concatenate([layout.vertex, first + np.arange(len(ear.uv))]),
        np.concatenate([above, uv]).astype(np.float32), np.concatenate([layout.texture, under]),
    )  # fmt: skip


def _without(radius: np.ndarray, ear: np.ndarray) -> np.ndarray:
    """Distances [h, w] m with what lies around an ear's place [h, a, w, b] drawn through under it."""
    place = ear.any((1, 3)).astype(np.float32)
    for sigma in (1.0, 2.0, 4.0):  # of what is outside: the nearest counts
        free = blurred(1 - place, sigma)
        filled = blurred(radius * (1 - place), sigma) / np.maximum(free, 1e-3)
        radius = np.where((place > 0) & (free > 0.05), np.minimum(filled, radius), radius)
        place = place * (free <= 0.05)
    return radius


def _opacity(body: Tensor, hair: np.ndarray) -> np.ndarray:
    """How opaque [G] the mesh's points are: skin ends where the torso begins, hair at the atlas's end.

    body [G]: how much each is the torso's; hair [h, w] 0..255.
    """
    end = ((MESH_ROWS - 1 - np.arange(MESH_ROWS)) / FADE_ROWS).clip(0, 1)
    torso = smoothstep((body.numpy() - TORSO[0]) / (TORSO[1] - TORSO[0]))
    bare = 1 - np.append(hair.ravel() / 255, 0)
    return (1 - torso * bare) * np.append(np.repeat(end, MESH_COLUMNS), 1)


def _crown(radius: np.ndarray, there: np.ndarray) -> np.ndarray:
    """The point [1, 3] m that closes the top."""
    return CENTER + [[0, float(radius[0][there[0]].mean()) if there[0].any() else 0.0, 0]]


def in_world(portrait: Portrait, view: AtlasView, points: np.ndarray) -> Tensor:
    """World points [N, 3] m of points of the atlas's space."""
    matrix = portrait.camera.camera_from_world[0]
    return ((torch.from_numpy(view.to_camera(points)).float() - matrix[:3, 3]) @ matrix[:3, :3]).contiguous()


def _carriers(portrait: Portrait) -> Tensor:
    """Vertices [M] of the outer skin, thinned out evenly."""
    head = portrait.head
    index = head.faces[~faces_of(head, (*EYES, *MOUTH))].unique()
    return index[:: max(1, len(index) // MAX_CARRIERS)]


def _texture_grid() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Triangles [F, 3] of the mesh's points, and of the texture's; the point [U] and uv [U, 2] of each of those.

    The texture's last column of points is the first one again, and the crown is one of each column.
    """
    rows, columns, faces = MESH_ROWS, MESH_COLUMNS, grid_faces(MESH_ROWS / ROWS)
    row, column = np.mgrid[0:rows, 0 : columns + 1]
    point = np.append(row * columns + column % columns, np.full(columns, rows * columns))
    at_row = np.append(row + 0.5, np.zeros(columns))
    at_column = np.append(column + 0.5, np.arange(columns) + 1.0)
    texels = COLUMNS * FINE * FINER
    uv = np.stack([(at_column * texels / columns + PAD) / (texels + 2 * PAD), 1 - at_row / rows], 1)
    at = faces % columns
    over_the_end = (at == 0) & (at.max(1, keepdims=True) == columns - 1)
    grid = faces // columns * (columns + 1) + np.where(over_the_end, columns, at)
    beside = rows * (columns + 1) + at[:, 1:2]  # of the crown, with which its triangles begin
    grid = np.where(faces == rows * columns, beside, grid)
    return faces, grid.astype(np.int32), point, uv


def _share_of_face(portrait: Portrait, fitted: np.ndarray, over: Tensor) -> np.ndarray:
    """How opaque [h, w] the face is drawn in each direction, whose fitted surface is that far out [h, w] m."""
    from scipy.spatial import cKDTree

    vertices = in_atlas(portrait, portrait.vertices()[0])
    distance, vertex = cKDTree(vertices).query(surface_points(fitted).reshape(-1, 3), k=3)
    weight = 1 / (distance + 1e-4)
    return ((over.numpy()[vertex] * weight).sum(1) / weight.sum(1)).reshape(fitted.shape).round(4)


def _texture(portrait: Portrait, whole: WholeHead) -> np.ndarray:
    """[h, w, 4] uint8, with `PAD` columns of the other end on either side; `FINER` times as fine as the whole head.

    Where the photo shows the head its pixels are taken again, as sharp as they are.
    """
    larger = lambda x: enlarged(x.astype(np.float32), FINER)  # noqa: E731
    color, shown = larger(whole.color), larger(whole.shown)[..., None] / 255
    pixels, _ = atlas_view(portrait).to_pixels(surface_points(larger(whole.radius)))
    color += shown * (in_photo(portrait.image, pixels) - color)
    texture = np.dstack([color, larger(whole.hair)])
    return np.ascontiguousarray((around(texture, PAD) + 0.5).clip(0, 255).astype(np.uint8))


def _own(portrait: Portrait, whole: WholeHead, shell: Shell) -> np.ndarray:
    """See `CompletedHead.own`: the head, and hair except where clothes are behind it."""
    import cv2

    height, width = portrait.matte.shape
    body = shell.in_photo(shell.carried.body, height, width)
    head = 1 - smoothstep((body - BODY[0]) / (BODY[1] - BODY[0]))
    pixels, _ = atlas_view(portrait).to_pixels(surface_points(whole.radius))
    shown = np.zeros((height, width), np.float32)
    inside = (pixels >= 0).all(-1) & (pixels < [width, height]).all(-1) & (whole.hair > 127) & (whole.shown > 127)
    x, y = pixels[inside].astype(int).T
    shown[y, x] = 1
    size = max(3, round(0.03 * float(np.ptp(portrait.landmarks[:, 1])))) | 1
    shown = cv2.blur(cv2.morphologyEx(shown, cv2.MORPH_CLOSE, np.ones((2 * size + 1,) * 2, np.uint8)), (size, size))
    clothes = _over_torso(portrait)
    return np.ascontiguousarray(np.maximum(head, shown * (1 - clothes)).astype(np.float32))


def _over_torso(portrait: Portrait) -> np.ndarray:
    """Where [H, W] float32 the torso is behind."""
    import cv2

    head, (height, width) = portrait.head, portrait.matte.shape
    torso = head.faces[faces_of(head, ("torso",))]
    if not len(torso):
        return np.zeros((height, width), np.float32)
    seen = rasterize(clip(portrait.camera, portrait.vertices())[0], torso.int(), height, width)[0].numpy() >= 0
    return cv2.dilate(seen.astype(np.float32), np.ones((9, 9), np.uint8))
