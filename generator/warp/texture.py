"""The person's colors on the head's uv map: from the photo where it shows them, completed where it does not.

Skin is completed from the other side of the face, eyeballs from what is seen of them around the iris, and the inside of
a mouth that was shut is given the colors that mouths have, as bright as the face is.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from ...flame_motion import Head
from ...flame_motion.heads.head import PARTS
from ...renderer import clip, interpolate_fast, rasterize
from ..completion.atlas import around, directions_of
from ..completion.frame import in_atlas
from ..completion.whole_head import FINE
from ..covers import behind
from ..portrait import Portrait
from .fill import fill
from .light import GUMS, MOUTH_COLORS, Light, eye_colors
from .parts import EYES, MOUTH, TEETH, faces_of, is_part
from .teeth import lips_parted, teeth_shown
from .uv_map import Texels, eye_angle, on_uv_map

SIZE = 768  # texels a side
STEP = 0.010  # m in depth between neighbouring pixels that is an edge between two surfaces
OCCLUSION = 0.003  # m that a point may lie behind the seen surface and still be seen itself
TOOTHLESS = 0.45  # how bright a mouth is that nothing but its lips is known of (FLAME's)
EDGE = 0.012  # of the face's height: so far in from the person's outline the photo is not sure
BESIDE = (0.03, 0.08)  # of the map's side: so far off what the photo shows, its skin goes on until the completed head's
RIM = (0.45, 0.65)  # cosines between which skin is at the face's rim
UNLIKE = (0.12, 0.25)  # of white: by which colors differ that are not of the same skin
TEETH_IN_ROW = 12  # of the built-in head
SKIN = ("face", "lips", "lids", "scalp", "ears", "neck", "torso")


def bake_texture(portrait: Portrait, size: int = SIZE) -> np.ndarray:
    """Texture [size, size, 4] uint8: sRGB, and in alpha how surely the photo shows that texel. Row 0 is v = 1.

    Where the photo shows no skin, its colors are the completed head's, and under hair those of the skin beside it.
    """
    texels, photo = Texels.of(portrait, size), _Photo.of(portrait)
    color = texels.sample(portrait.image).astype(np.float32) / 255
    teeth = teeth_shown(portrait).astype(np.float32)
    skin = is_part(texels.part, SKIN)
    sure = _sure_outside(portrait, texels, photo)
    sure *= 1 - _other_than_skin(color, texels, skin, sure)
    sure = _sure_inside(portrait, texels, photo, sure, teeth)
    sure[is_part(texels.part, behind(portrait.covers))] = 1
    completed, bare = completed_colors(portrait, size)
    # Beside what the photo shows the skin goes on, and under hair, of which alone the completed head tells there: where
    # cheeks seen aslant end a pixel is already of the dark behind them.
    off = cv2.distanceTransform((~(skin & (sure > 0.5))).astype(np.uint8), cv2.DIST_L2, 5) / size
    share = (1 - sure) * bare * np.clip((off - BESIDE[0]) / (BESIDE[1] - BESIDE[0]), 0, 1)
    known = np.where(skin, sure + share, 0).astype(np.float32)
    mixed = (sure[..., None] * color + share[..., None] * completed) / np.maximum(sure + share, 1e-6)[..., None]
    out = fill(mixed.astype(np.float32), known)
    light = Light.on_skin((color[skin] * sure[skin, None]).sum(0) / max(float(sure[skin].sum()), 1e-6))
    eyes = is_part(texels.part, EYES)
    table = eye_colors(portrait.image.astype(np.float32) / 255, is_part(photo.part, EYES), photo.eye_angle, light)
    usual = np.stack([np.interp(texels.eye_angle[eyes], np.arange(len(table)), table[:, c]) for c in range(3)], 1)
    out[eyes] = sure[eyes, None] * color[eyes] + (1 - sure[eyes, None]) * usual
    own_teeth = np.quantile(portrait.image[teeth > 0] / 255, 0.7, axis=0) if teeth.any() else None
    for name in MOUTH:
        inside = texels.part == PARTS.index(name)
        if inside.any():  # FLAME has neither teeth nor tongue
            usual = _mouth_colors(portrait.head, name, texels, inside, light, own_teeth)
            out[inside] = sure[inside, None] * color[inside] + (1 - sure[inside, None]) * usual
    return (np.dstack([out, sure]).clip(0, 1) * 255 + 0.5).astype(np.uint8)


def completed_colors(portrait: Portrait, size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """The completed head's color 0..1 at each texel [R, R, 3], and how much of it is skin [R, R]."""
    whole = portrait.whole
    assert whole is not None
    points = torch.from_numpy(in_atlas(portrait, portrait.vertices()[0])).float()
    part, at = on_uv_map(portrait.head, points, size)
    row, column = directions_of(at.astype(np.float64))
    wide = around(np.dstack([whole.color, whole.hair]).astype(np.float32) / 255, 2)
    maps = [(x * FINE).astype(np.float32) for x in (column, row)]
    at_texel = cv2.remap(wide, maps[0] + 1.5, maps[1] - 0.5, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return at_texel[..., :3], 1 - at_texel[..., 3]


@dataclass(frozen=True, eq=False)
class _Photo:
    """What the photo shows of the head, [H, W] each."""

    depth: np.ndarray  # m from the camera, 0 off the head
    part: np.ndarray  # index into PARTS, 0 off the head
    eye_angle: np.ndarray  # degrees from the iris

    @classmethod
    def of(cls, portrait: Portrait) -> _Photo:
        """By rasterizing the head in the photo's pose."""
        head, (height, width) = portrait.head, portrait.matte.shape
        corner = clip(portrait.camera, portrait.vertices())[0]
        triangles = rasterize(corner, head.faces, height, width)
        values = torch.cat([corner[..., 3:], eye_angle(head)[None, :, None]], -1)
        at = interpolate_fast(triangles, corner, head.faces, values.contiguous())[0]
        part = np.where(triangles[0].numpy() >= 0, head.part.numpy()[triangles[0].numpy()], 0)
        return cls(np.ascontiguousarray(at[..., 0]), part, at[..., 1])


def _sure_outside(portrait: Portrait, texels: Texels, photo: _Photo) -> np.ndarray:
    """How surely [R, R] the photo shows each texel of the outside of the head, 0..1."""
    seen = texels.sample_inside(photo.depth, cv2.INTER_NEAREST)
    # Beside something nearer (a nose against the cheek behind it) a pixel is a mixture of both.
    beside = cv2.erode(np.where(photo.depth > 0, photo.depth, np.inf).astype(np.float32), np.ones((5, 5), np.uint8))
    beside = texels.sample_inside(beside, cv2.INTER_NEAREST)
    visible = (texels.depth <= seen + OCCLUSION) & (texels.depth <= beside + STEP) & (texels.part > 0)
    visible = cv2.erode(visible.astype(np.float32), np.ones((3, 3), np.uint8))
    sure = cv2.blur(visible, (5, 5)) * visible * np.clip((texels.facing - 0.12) / 0.25, 0, 1)
    return sure * texels.sample(_inner(portrait))


def _other_than_skin(color: np.ndarray, texels: Texels, skin: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """How surely [R, R] a texel of the face's rim shows what is beside the face, an ear or hair: 0..1.

    A fit is off by millimetres, and skin seen aslant is narrow: what differs from how the skin seen in full goes on is
    none. color [R, R, 3] 0..1.
    """
    aslant = np.clip((RIM[1] - texels.facing) / (RIM[1] - RIM[0]), 0, 1) * (texels.part == PARTS.index("face"))
    goes_on = fill(color, np.where(skin & (aslant == 0), sure, 0).astype(np.float32))
    return aslant * np.clip((np.abs(color - goes_on).mean(-1) - UNLIKE[0]) / (UNLIKE[1] - UNLIKE[0]), 0, 1)


def _inner(portrait: Portrait) -> np.ndarray:
    """Where [H, W] float32 the photo shows the person alone: beside that it mixes with what is behind."""
    size = max(1, round(EDGE * float(np.ptp(portrait.landmarks[:, 1]))))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * size + 1, 2 * size + 1))
    inner = cv2.erode(np.clip(4 * portrait.matte - 3, 0, 1).astype(np.float32), kernel)
    return cv2.blur(inner, (2 * size + 1, 2 * size + 1))


def _sure_inside(portrait: Portrait, texels: Texels, photo: _Photo, sure: np.ndarray, teeth: np.ndarray) -> np.ndarray:
    """The certainty [R, R] with that of eyes and mouth, of which the photo shows what lies between lids and lips.

    teeth [H, W] float32: where the photo shows some. They are the upper row; all else between the lips is the rest.
    """
    for opening in (MOUTH, EYES):
        inside = is_part(photo.part, opening).astype(np.float32)
        inside = texels.sample_inside(cv2.blur(cv2.erode(inside, np.ones((3, 3), np.uint8)), (3, 3)))
        sure = np.where(is_part(texels.part, opening), inside, sure)
    tooth = texels.sample_inside(teeth)
    upper = texels.part == PARTS.index("teeth_upper")
    own = sure * lips_parted(portrait) * np.where(upper, tooth, 1 - tooth)
    return np.where(is_part(texels.part, MOUTH), own, sure)


def _mouth_colors(
    head: Head, name: str, texels: Texels, inside: np.ndarray, light: Light, own_teeth: np.ndarray | None
) -> np.ndarray:
    """Colors [K, 3] of the K texels `inside` a part of the mouth's inside, darker the deeper they lie.

    own_teeth [3]: the color of the teeth that the photo shows; None where it shows none.
    """
    shade = np.clip(1.5 - texels.mouth_depth / 0.035, 0.3, 1.0)[inside, None]
    usual = np.broadcast_to(np.array(MOUTH_COLORS[name]), (int(inside.sum()), 3))
    if name in TEETH:
        shade = shade * _tooth_shade(head, name, inside, texels.height)[:, None]
        return (light.on(usual) if own_teeth is None else own_teeth) * shade
    if name == "mouth" and not bool(faces_of(head, TEETH).any()):
        shade = shade * TOOTHLESS
    elif name == "mouth":  # its front is gums, and the backs of the lips
        front = np.clip((0.032 - texels.mouth_depth[inside, None]) / 0.012, 0, 1)
        usual = usual + front * (np.array(GUMS) - usual)
    return light.on(usual) * shade


def _tooth_shade(head: Head, name: str, inside: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Brightness [K] of a row of teeth: dark between teeth, darker to the gums. inside [R, R]; height [R, R] m."""
    u = head.uv[head.uv_faces[head.part == PARTS.index(name)].unique(), 0]
    across = (np.nonzero(inside)[1] + 0.5) / inside.shape[1]
    tooth = (across - float(u.min())) / float(u.max() - u.min()) * TEETH_IN_ROW
    between = np.abs(tooth - np.round(tooth))  # 0 between two teeth, 0.5 in the middle of one
    tall = height[inside]
    from_gum = (tall - tall.min()) / max(float(np.ptp(tall)), 1e-6)
    if name == "teeth_upper":
        from_gum = 1 - from_gum
    return (0.72 + 0.28 * np.clip(from_gum * 1.6, 0, 1)) * (1 - 0.25 * np.exp(-((between / 0.09) ** 2)))
