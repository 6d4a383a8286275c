"""The `warp` generator: the fitted head re-posed, everything around it carried along, no training, on a CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ...core.compiled import empty, scratch
from ...core.parallel import ahead, cores, split
from ...flame_motion import FlameSequence, Head, Progress
from ...flame_motion.heads.head import PARTS
from ...renderer import NEAR, Cameras, clip, interpolate_fast, rasterize
from ...renderer.rasterizers.rasterize import DEFAULT_RASTERIZER
from ..portrait import Portrait
from ..registry import check_rasterizer
from .folds import fold_shade
from .lid_colors import lids_shut
from .parts import MOUTH
from .scene import Scene, prepare, with_mouth

WALL = 0.35  # m behind the head: where the backdrop hangs when the camera moves
CHUNK = 16  # frames posed together
WIDE_OPEN = 0.008  # m between the inner lips from which on the mouth's inside is fully lit

_Openings = tuple[float, float, float]  # how lit the mouth is, and how far the left and the right lids are shut


class WarpGenerator:
    """Animates a portrait by geometry alone, and its mouth by a network too where that is asked for."""

    def __init__(self, rasterizer: str = DEFAULT_RASTERIZER, mouth: bool = False, folds: float = 1.0) -> None:
        """mouth: whether a network finishes a mouth that moves: softer, better in blurred photos than in sharp ones.

        folds: how strong the shades of an expression are, 0 for none; of the built-in head alone.
        """
        check_rasterizer(rasterizer)
        self.rasterizer, self.mouth, self.folds = rasterizer, mouth, folds
        self._prepared: tuple[Portrait, Scene] | None = None  # the portrait drawn last

    def __call__(
        self, portrait: Portrait, motion: FlameSequence, cameras: Cameras | None = None, *, seed: int = 0,
        progress: Progress | None = None,
    ) -> Iterator[np.ndarray]:  # fmt: skip
        """One uint8 [V, H, W, 3] a frame of motion, seen by cameras (the photo's own when None), as it is drawn.

        Each core draws a frame of its own, a few ahead of the one that is yielded. A portrait that was drawn before is
        not prepared again. seed: unused, nothing here is random.
        """
        if self._prepared is None or self._prepared[0] is not portrait:
            self._prepared = portrait, with_mouth(prepare(portrait)) if self.mouth else prepare(portrait)
        scene = self._prepared[1]
        seen_by = portrait.camera if cameras is None else cameras
        drawn = ahead(self._frames(scene, motion, seen_by), cores())
        for done, frame in enumerate(drawn, 1):
            yield frame
            if progress is not None:
                progress("generate", done, len(motion))

    def to(self, device: str | torch.device) -> WarpGenerator:
        """Returns itself, still on the CPU: its kernels are compiled for that."""
        return self

    def _frames(self, scene: Scene, motion: FlameSequence, cameras: Cameras) -> Iterator[Callable[[], np.ndarray]]:
        """For each frame a call that draws it, [V, H, W, 3] uint8; all of them may run at once."""
        for start in range(0, len(motion), CHUNK):
            part = motion[start : start + CHUNK]
            vertices = scene.portrait.vertices(part)
            moving = cameras.frame_range(start, start + len(part))
            meshes = vertices, scene.completed.pose(part), scene.shell.pose(part)
            clips = [clip(moving, mesh) for mesh in meshes]  # [V, t, N, 4]
            light = mouth_light(scene.portrait.head, vertices)
            shut = lids_shut(scene.portrait.head, scene.before, vertices)
            turned = scene.completed.turned(scene.portrait, part, moving)
            shade = self._shade(scene, part)
            for t in range(len(part)):
                views = [_one(moving, v, t) for v in range(cameras.views)]
                openings = float(light[t]), float(shut[t, 0]), float(shut[t, 1])
                aside = np.broadcast_to(turned[:, min(t, turned.shape[1] - 1)], len(views))
                yield partial(self._views, scene, [points[:, t] for points in clips], shade[t], openings, aside, views)

    def _shade(self, scene: Scene, part: FlameSequence) -> Tensor:
        """The share of light [T, N] that folds add to the vertices of some frames; 0 as in the photo."""
        if scene.folds is None or self.folds == 0:
            return torch.zeros(len(part), len(scene.portrait.head.template))
        return fold_shade(scene.folds, part.expression, scene.portrait.pose.expression, self.folds)

    def _views(
        self, scene: Scene, clips: list[Tensor], shade: Tensor, openings: _Openings, turned: np.ndarray,
        views: list[Cameras],
    ) -> np.ndarray:  # fmt: skip
        """One frame of all views [V, H, W, 3] uint8; clips: coordinates [V, N, 4] of head, completed head and shell."""
        frame = np.empty((len(views), views[0].height, views[0].width, 3), np.uint8)
        for v, view in enumerate(views):
            self._draw(scene, [points[v] for points in clips], shade, openings, np.float32(turned[v]), view, frame[v])
        return frame

    def _draw(
        self, scene: Scene, clips: list[Tensor], shade: Tensor, openings: _Openings, turned: np.float32,
        camera: Cameras, out: np.ndarray,
    ) -> None:  # fmt: skip
        """One frame of one view, into out [H, W, 3] uint8. The head is drawn with four samples a pixel."""
        from .composite_kernel import composite_rows, triangle_homographies

        height, width = camera.height, camera.width
        light, *shut = openings
        face, around, sheet = clips
        shell_seen = rasterize(sheet[None].contiguous(), scene.shell.faces, height, width, self.rasterizer)
        shell_from = empty((len(scene.shell.faces), 3, 3), np.float64)
        corners = sheet.contiguous().numpy(), scene.shell.faces.numpy(), scene.shell.photo_at.numpy()
        triangle_homographies(*corners, height, width, shell_from)
        window = _window(torch.cat([face[scene.drawn], around]), height, width)
        face_seen, face_at = self._layer(
            torch.cat([face, shade[:, None]], 1), scene.faces, scene.uv_faces, scene.vertex, scene.attributes, window,
            camera, samples=2,
        )  # fmt: skip
        completed = scene.completed
        front = _facing(around, completed.faces)
        around_seen, around_at = self._layer(
            around, completed.faces[front], completed.uv_faces[front], completed.vertex, completed.attributes, window,
            camera, samples=1,
        )  # fmt: skip
        still = _same(camera, scene.portrait.camera)
        wall = np.eye(3) if still else wall_homography(scene.portrait.camera, camera)
        split(
            composite_rows, height, scene.photo, scene.backdrop, scene.texture, scene.lids, completed.texture,
            shell_seen[0].numpy(), shell_from, face_seen, face_at, around_seen, around_at, *window[:2],
            scene.part, scene.photo_part, PARTS.index("lids"), *shut, PARTS.index(MOUTH[0]), light,
            _lips_moved(scene, face, height, width), turned, wall, still, out, pieces=8 * cores(),
        )  # fmt: skip
        if scene.mouth is not None:
            scene.mouth.paint(out, face.numpy(), face_seen, scene.part, *window[:2], camera)

    def _layer(
        self, points: Tensor, faces: Tensor, uv_faces: np.ndarray, vertex: Tensor, attributes: np.ndarray,
        window: tuple[int, int, int, int], camera: Cameras, samples: int,
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """Which triangle of a mesh each sample of a window sees [h, w], and what of it [h, w, C + 1 + K].

        points [N, 4 + K] clip coordinates, of which depth in m is kept after C, and K more values; vertex [U] and
        attributes [U, C] of what `uv_faces` [F, 3] index; samples: along the side of a pixel.
        """
        top, left, rows, columns = window
        shown = _windowed(points[:, :4], top, left, rows, columns, camera.height, camera.width)[None]
        seen = rasterize(shown, faces, samples * rows, samples * columns, self.rasterizer)
        values = np.concatenate([attributes, points[vertex, 3:].numpy()], 1)[None]
        at = scratch(f"at {samples}", (*seen.shape, values.shape[-1]))  # read before the next frame of this thread
        return seen[0].numpy(), interpolate_fast(seen, shown, faces, values, uv_faces, at)[0]


def mouth_light(head: Head, vertices: Tensor) -> Tensor:
    """How lit the inside of the mouth is [T], 0.2..1: dark behind lips that hardly part. vertices [T, N, 3] m."""
    upper, lower = head.mediapipe[13], head.mediapipe[14]
    open_ = ((vertices[:, upper] - vertices[:, lower]).norm(dim=1) / WIDE_OPEN).clamp(0, 1)
    return 0.2 + 0.8 * open_ * (2 - open_)


def _window(face_clip: Tensor, height: int, width: int) -> tuple[int, int, int, int]:
    """(top, left, rows, columns) of the picture's pixels that the drawn vertices [M, 4] can touch; at least one."""
    points = face_clip.numpy()
    ahead = points[points[:, 3] > NEAR]
    if not len(ahead):
        return 0, 0, 1, 1
    x, y = ((ahead[:, :2] / ahead[:, 3:] + 1) / 2 * [width, height]).T
    left, right = (int(min(max(v, 0), width - 1)) for v in (x.min(), x.max()))
    top, bottom = (int(min(max(v, 0), height - 1)) for v in (y.min(), y.max()))
    return top, left, bottom - top + 1, right - left + 1


def _facing(clip_points: Tensor, faces: Tensor) -> np.ndarray:
    """Whether each triangle [F] may turn its front to the camera; of a closed surface no other is ever seen."""
    points = clip_points.numpy()
    ahead = points[:, 3] > NEAR
    x, y = np.divide(points[:, :2], points[:, 3:], where=ahead[:, None], out=np.zeros_like(points[:, :2])).T
    a, b, c = faces.numpy().T
    front = (x[b] - x[a]) * (y[c] - y[a]) - (y[b] - y[a]) * (x[c] - x[a]) < 0  # y points down in the picture
    return front | ~(ahead[a] & ahead[b] & ahead[c])


def _windowed(clip_points: Tensor, top: int, left: int, rows: int, columns: int, height: int, width: int) -> Tensor:
    """Clip coordinates [N, 4] of the whole picture as those of a window of it."""
    scale = clip_points.new_tensor([width / columns, height / rows, 1.0, 1.0])
    shift = clip_points.new_tensor([(width - 2 * left) / columns - 1, (height - 2 * top) / rows - 1, 0.0, 0.0])
    return clip_points * scale + clip_points[:, 3:] * shift


def _lips_moved(scene: Scene, face_clip: Tensor, height: int, width: int) -> float:
    """How far, in px, the lips have moved from where the photo has them. face_clip [N, 4]: the head's vertices."""
    points = face_clip[scene.lips].numpy()
    at = (points[:, :2] / np.maximum(points[:, 3:], NEAR) + 1) / 2 * [width, height]
    return float(np.abs(at - scene.lips_at).max())


def _one(cameras: Cameras, view: int, frame: int) -> Cameras:
    """One view at one frame."""
    pick = lambda m: m[view, min(frame, m.shape[1] - 1)][None]  # noqa: E731
    return Cameras(pick(cameras.intrinsics_vt), pick(cameras.extrinsics_vt), cameras.height, cameras.width)


def _same(a: Cameras, b: Cameras) -> bool:
    return (
        (a.height, a.width) == (b.height, b.width)
        and torch.equal(a.intrinsics, b.intrinsics)
        and torch.equal(a.camera_from_world, b.camera_from_world)
    )


def wall_homography(source: Cameras, target: Cameras) -> np.ndarray:
    """Photo px from target px [3, 3] for a wall WALL m behind the head, facing the photo's camera."""
    ks, kt = (c.intrinsics[0].double().numpy() for c in (source, target))
    es, et = (c.camera_from_world[0].double().numpy() for c in (source, target))
    target_from_source = et @ np.linalg.inv(es)
    distance = es[2, 3] + WALL  # of the plane z = distance in the source camera
    plane = np.array([[0.0, 0.0, 1.0 / distance]])
    forth = target_from_source[:3, :3] + target_from_source[:3, 3:] @ plane
    return np.ascontiguousarray(np.linalg.inv(kt @ forth @ np.linalg.inv(ks)))
