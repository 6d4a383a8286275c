"""The `warp` generator: the fitted head re-posed, everything around it carried along, no training, on a CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ...core.compiled import empty
from ...core.easing import smoothstep
from ...core.parallel import ahead, cores, split
from ...flame_motion import FlameSequence, Head, Progress
from ...flame_motion.heads.head import PARTS
from ...flame_motion.tracking.landmarks import FACE_OUTLINE
from ...renderer import NEAR, Cameras, clip, interpolate_fast, rasterize, to_pixels
from ...renderer.rasterizers.rasterize import DEFAULT_RASTERIZER
from ..portrait import Portrait
from ..registry import check_rasterizer
from .fill import backdrop
from .hair import part_of, with_hair
from .hair_colors import SKULL, covered_ears, shown_parts
from .lid_colors import lid_colors, lids_shut
from .shell import Shell, build_shell, homogeneous_pixels
from .teeth import INNER_LIPS, lips_parted, with_teeth
from .texture import bake_texture, facing, uv_vertices

# Drawn over the shell, and under it, where they fill what the shell leaves open beside a turned jaw.
MOUTH = ("teeth_upper", "teeth_lower", "tongue", "mouth")
OVER = ("face", "lips", "lids", "eye_left", "eye_right", *MOUTH)
UNDER = ("neck", "scalp", "ears")
SEAM = 0.012  # m inside the face's outline over which the head fades in over the shell
BESIDE = 0.025  # m outside the face's outline over which what is drawn under the shell fades out
NAPE = 0.12  # m below the skull over which it does too
SEEN = 0.3  # cosine between a surface and the view of it, from which on the photo surely shows it
WALL = 0.35  # m behind the head: where the backdrop hangs when the camera moves
CHUNK = 16  # frames posed together
WIDE_OPEN = 0.008  # m between the inner lips from which on the mouth's inside is fully lit


_Openings = tuple[float, float, float]  # how lit the mouth is, and how far the left and the right lids are shut


@dataclass(frozen=True, eq=False)
class _Scene:
    """A portrait, made ready for drawing."""

    portrait: Portrait
    shell: Shell
    drawn: Tensor  # indices of the vertices of `faces`
    photo: np.ndarray  # [H, W, 4] float32 0..255, matte in alpha
    backdrop: np.ndarray  # [H, W, 3] uint8
    texture: np.ndarray  # [R, R, 4] uint8
    lids: np.ndarray  # [2 R, 2 R, 4] uint8, what shut lids show, on the same uv map
    faces: Tensor  # [F, 3] int32
    uv_faces: np.ndarray  # [F, 3] int32
    attributes: np.ndarray  # [1, U, 6] homogeneous photo px, u, v, opacity
    part: np.ndarray  # [F] uint8, 0 for what is drawn under the shell
    photo_part: np.ndarray  # [2 H, 2 W] uint8, which of them the photo shows
    lips: Tensor  # indices of vertices along the inner lips
    lips_at: np.ndarray  # [L, 2] px, where they are in the photo
    before: Tensor  # [1, N, 3] m, the head in the photo


class WarpGenerator:
    """Animates a portrait by geometry alone."""

    def __init__(self, rasterizer: str = DEFAULT_RASTERIZER) -> None:
        check_rasterizer(rasterizer)
        self.rasterizer = rasterizer
        self._prepared: tuple[Portrait, _Scene] | None = None  # the portrait drawn last

    def __call__(
        self,
        portrait: Portrait,
        motion: FlameSequence,
        cameras: Cameras | None = None,
        *,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Iterator[np.ndarray]:
        """One uint8 [V, H, W, 3] a frame of motion, seen by cameras (the photo's own when None), as it is drawn.

        Each core draws a frame of its own, a few ahead of the one that is handed out. The same portrait is prepared
        once. seed is there for all
        generators' sake: nothing here is random.
        """
        if self._prepared is None or self._prepared[0] is not portrait:
            self._prepared = portrait, prepare(portrait)
        scene = self._prepared[1]
        seen_by = portrait.camera if cameras is None else cameras
        drawn = ahead(self._frames(scene, motion, seen_by), cores())
        for done, frame in enumerate(drawn, 1):
            yield frame
            if progress is not None:
                progress("generate", done, len(motion))

    def to(self, device: str | torch.device) -> WarpGenerator:
        """Itself, where it is: its kernels are compiled for the CPU, and it has no network to move."""
        return self

    def _frames(self, scene: _Scene, motion: FlameSequence, cameras: Cameras) -> Iterator[Callable[[], np.ndarray]]:
        """For each frame a call that draws it, [V, H, W, 3] uint8; all of them may run at once."""
        for start in range(0, len(motion), CHUNK):
            part = motion[start : start + CHUNK]
            vertices, sheet = scene.portrait.vertices(part), scene.shell.pose(part)
            moving = cameras.frame_range(start, start + len(part))
            face_clip, shell_clip = clip(moving, vertices), clip(moving, sheet)  # [V, t, N, 4]
            light = mouth_light(scene.portrait.head, vertices)
            shut = lids_shut(scene.portrait.head, scene.before, vertices)
            for t in range(len(part)):
                views = [_one(moving, v, t) for v in range(cameras.views)]
                openings = float(light[t]), float(shut[t, 0]), float(shut[t, 1])
                yield partial(self._views, scene, face_clip[:, t], shell_clip[:, t], openings, views)

    def _views(
        self, scene: _Scene, face_clip: Tensor, shell_clip: Tensor, openings: _Openings, views: list[Cameras]
    ) -> np.ndarray:
        frame = np.empty((len(views), views[0].height, views[0].width, 3), np.uint8)
        for face, sheet, view, out in zip(face_clip, shell_clip, views, frame):
            self._draw(scene, face, sheet, openings, view, out)
        return frame

    def _draw(
        self, scene: _Scene, face_clip: Tensor, shell_clip: Tensor, openings: _Openings, camera: Cameras,
        out: np.ndarray,
    ) -> None:  # fmt: skip
        """One frame of one view, into out [H, W, 3] uint8. The head is drawn with four samples a pixel."""
        from .composite_kernel import composite_rows, triangle_homographies

        height, width = camera.height, camera.width
        light, *shut = openings
        sheet, shell = shell_clip[None].contiguous(), scene.shell
        shell_seen = rasterize(sheet, shell.faces, height, width, self.rasterizer)
        shell_from = empty((len(shell.faces), 3, 3), np.float64)
        corners = sheet[0].numpy(), shell.faces.numpy(), shell.photo_at.numpy()
        triangle_homographies(*corners, height, width, shell_from)
        top, left, rows, columns = _window(face_clip[scene.drawn], height, width)
        face = _windowed(face_clip, top, left, rows, columns, height, width)[None]
        kept = (scene.part > 0) | _facing(face[0], scene.faces)
        faces = scene.faces[torch.from_numpy(kept)]
        face_seen = rasterize(face, faces, 2 * rows, 2 * columns, self.rasterizer)
        face_at = interpolate_fast(face_seen, face, faces, scene.attributes, scene.uv_faces[kept])
        still = _same(camera, scene.portrait.camera)
        wall = np.eye(3) if still else wall_homography(scene.portrait.camera, camera)
        split(
            composite_rows, height, scene.photo, scene.backdrop, scene.texture, scene.lids, shell_seen[0].numpy(),
            shell_from, face_seen[0].numpy(), face_at[0], top, left, scene.part[kept], scene.photo_part,
            PARTS.index("lids"), *shut, PARTS.index(MOUTH[0]), light, _lips_moved(scene, face_clip, height, width),
            wall, still, out, pieces=8 * cores(),
        )  # fmt: skip


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
    front = (x[b] - x[a]) * (y[c] - y[a]) - (y[b] - y[a]) * (x[c] - x[a]) > 0
    return front | ~(ahead[a] & ahead[b] & ahead[c])


def _windowed(clip_points: Tensor, top: int, left: int, rows: int, columns: int, height: int, width: int) -> Tensor:
    """Clip coordinates [N, 4] of the whole picture as those of a window of it."""
    scale = clip_points.new_tensor([width / columns, height / rows, 1.0, 1.0])
    shift = clip_points.new_tensor([(width - 2 * left) / columns - 1, (height - 2 * top) / rows - 1, 0.0, 0.0])
    return clip_points * scale + clip_points[:, 3:] * shift


def prepare(portrait: Portrait) -> _Scene:
    """All that does not change from frame to frame."""
    covered = covered_ears(portrait, shown_parts(portrait))
    portrait = with_teeth(with_hair(portrait, covered))
    head = portrait.head
    vertex = uv_vertices(head)
    photo_at = homogeneous_pixels(portrait.camera, portrait.vertices()[0])
    attributes = torch.cat([photo_at[vertex], head.uv, _opacity(portrait, photo_at)[vertex, None]], 1)[None]
    matte = (portrait.matte * 255 + 0.5).astype(np.uint8)
    drawn = torch.isin(head.part, torch.tensor([PARTS.index(p) for p in OVER + UNDER]))
    under = torch.isin(head.part[drawn], torch.tensor([PARTS.index(p) for p in UNDER]))
    faces, part = head.faces[drawn].int(), head.part[drawn].masked_fill(under, 0).numpy().astype(np.uint8)
    height, width = portrait.matte.shape
    lips = head.mediapipe[torch.tensor(INNER_LIPS)]
    seen = rasterize(clip(portrait.camera, portrait.vertices())[0], faces, 2 * height, 2 * width)[0].numpy()
    texture = bake_texture(portrait, covered=covered)
    return _Scene(
        portrait,
        build_shell(portrait),
        head.faces[drawn].unique(),
        np.dstack([portrait.image, matte]).astype(np.float32),
        backdrop(portrait.image, portrait.matte),
        texture,
        lid_colors(portrait, texture),
        faces,
        head.uv_faces[drawn].int().numpy(),
        attributes.contiguous().numpy(),
        part,
        _photo_part(portrait, np.where(seen >= 0, part[seen], 0).astype(np.uint8)),
        lips,
        to_pixels(portrait.camera, portrait.vertices()[:, lips])[0, 0, :, :2].numpy(),
        portrait.vertices(),
    )


def _photo_part(portrait: Portrait, part: np.ndarray) -> np.ndarray:
    """Which part [2 H, 2 W] the photo shows, of those the model has there: SLIT between lips that it shows shut."""
    from .composite_kernel import SLIT

    if lips_parted(portrait):
        return part
    return np.where(part >= PARTS.index(MOUTH[0]), np.uint8(SLIT), part)


def _lips_moved(scene: _Scene, face_clip: Tensor, height: int, width: int) -> float:
    """How far, in px, the lips have moved from where the photo has them. face_clip [N, 4]: the head's vertices."""
    points = face_clip[scene.lips].numpy()
    at = (points[:, :2] / np.maximum(points[:, 3:], NEAR) + 1) / 2 * [width, height]
    return float(np.abs(at - scene.lips_at).max())


def _opacity(portrait: Portrait, photo_at: Tensor) -> Tensor:
    """Opacity [N] of the head. Over the shell: 1, falling to 0 at the face's outline, where the shell takes over.

    Under it: of what the photo sees, the matte at its place there, since what falls beside the person is no part of
    them; all of the skull behind; of the neck what is near either.
    """
    import cv2

    head = portrait.head
    outline = head.mediapipe_skin(torch.tensor(FACE_OUTLINE)).template
    between = torch.cat([outline, (outline + outline.roll(-1, 0)) / 2])
    distance = torch.cdist(head.template, between).min(1).values
    inside = smoothstep(distance / SEAM)
    beside = (1.8 - distance / BESIDE).clamp(0, 1)
    x, y = (photo_at[:, :2] / photo_at[:, 2:]).numpy().T.astype(np.float32)
    matte = cv2.remap(portrait.matte, x - 0.5, y - 0.5, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    over = part_of(head, OVER)
    matte, skull = torch.from_numpy(matte.ravel()), part_of(head, SKULL)
    below = torch.cdist(head.template, head.template[skull]).min(1).values if bool(skull.any()) else beside + NAPE
    nape = 1 - smoothstep(below / NAPE)
    seen = smoothstep(facing(portrait) / SEEN)
    matte = torch.where(part_of(head, ("ears",)), (2 * matte).clamp_max(1), matte)
    return torch.where(over, inside, torch.where(skull, 1 - seen * (1 - matte), nape.maximum(beside) * matte))


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
