"""The person's colors on the head's uv map: from the photo where it shows them, completed where it does not.

Skin is completed from the other side of the face, eyeballs from what is seen of them around the iris, and the inside of
a mouth that was shut is given the colors that mouths have, as bright as the face is.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ...core.mesh_normals import area_weighted_normals
from ...flame_motion import Head
from ...flame_motion.heads.head import PARTS
from ...renderer import clip, interpolate_fast, rasterize, to_pixels
from ..eyelids import EYES
from ..portrait import Portrait
from .fill import fill, foreground
from .hair_colors import SKULL, hair_alone
from .teeth import lips_parted, teeth_shown

SIZE = 768  # texels a side
STEP = 0.010  # m in depth between neighbouring pixels that is an edge between two surfaces
OCCLUSION = 0.003  # m that a point may lie behind the seen surface and still be seen itself
GUMS = (0.64, 0.36, 0.35)
TOOTHLESS = 0.45  # how bright a mouth is that nothing but its lips is known of (FLAME's)
TEETH = 12  # in a row of the built-in head
LEAST_WHITE = 0.85  # of the usual white, that an eye's has at least
SKIN = ("face", "lips", "lids", "scalp", "ears", "neck", "torso")
# sRGB in the light that shows fair skin as FAIR_SKIN.
FAIR_SKIN = (0.78, 0.62, 0.54)
MOUTH_COLORS = {
    "teeth_upper": (0.98, 0.92, 0.85),
    "teeth_lower": (0.90, 0.84, 0.77),
    "tongue": (0.66, 0.36, 0.35),
    "mouth": (0.36, 0.13, 0.12),
}
DEFAULT_EYE = ((0, (0.05, 0.04, 0.04)), (9, (0.05, 0.04, 0.04)), (11, (0.30, 0.20, 0.13)), (26, (0.22, 0.15, 0.11)),
               (30, (0.80, 0.77, 0.75)), (90, (0.74, 0.68, 0.66)))  # fmt: skip


def bake_texture(portrait: Portrait, size: int = SIZE, covered: tuple[bool, bool] = (False, False)) -> np.ndarray:
    """Texture [size, size, 4] uint8: sRGB, and in alpha how surely the photo shows that texel. Row 0 is v = 1.

    covered: whether hair covers the left and the right ear, which is colored like it then.
    """
    import cv2

    texel_part, at = _texels(portrait, size)
    sx, sy, depth, towards = (np.ascontiguousarray(at[..., k]) for k in range(4))
    # Around the face the outline mixes with what is behind: there the person's own colors go on.
    around = np.isin(texel_part, [PARTS.index(p) for p in (*SKULL, "neck")])
    clean = replace(portrait, image=foreground(portrait.image, portrait.matte))
    edge = cv2.BORDER_REPLICATE
    seen_in = lambda x: cv2.remap(x, sx - 0.5, sy - 0.5, cv2.INTER_LINEAR, borderMode=edge)  # noqa: E731
    color = np.where(around[..., None], seen_in(clean.image), seen_in(portrait.image)).astype(np.float32) / 255
    nearest, shown, angle = _seen_surface(portrait)
    seen = cv2.remap(nearest, sx - 0.5, sy - 0.5, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    # Beside something nearer (a nose against the cheek behind it) a pixel is a mixture of both.
    beside = cv2.erode(np.where(nearest > 0, nearest, np.inf).astype(np.float32), np.ones((5, 5), np.uint8))
    beside = cv2.remap(beside, sx - 0.5, sy - 0.5, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    visible = (depth <= seen + OCCLUSION) & (depth <= beside + STEP) & (texel_part > 0)
    visible = visible.astype(np.float32)
    visible = cv2.erode(visible, np.ones((3, 3), np.uint8))
    sure = cv2.blur(visible, (5, 5)) * visible * np.clip((towards - 0.12) / 0.25, 0, 1)
    sure = np.where(around, sure * seen_in(np.clip(4 * portrait.matte - 3, 0, 1)), sure)
    teeth_at = teeth_shown(portrait).astype(np.float32)
    tooth = cv2.remap(teeth_at, sx - 0.5, sy - 0.5, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    # What the photo shows between lids is kept; between lips, its teeth on the upper row and all else on the rest.
    for opening in (tuple(MOUTH_COLORS), EYES):
        inside = np.isin(shown, [PARTS.index(p) for p in opening]).astype(np.float32)
        inside = cv2.blur(cv2.erode(inside, np.ones((3, 3), np.uint8)), (3, 3))
        inside = cv2.remap(inside, sx - 0.5, sy - 0.5, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        sure = np.where(np.isin(texel_part, [PARTS.index(p) for p in opening]), inside, sure)
    upper = texel_part == PARTS.index("teeth_upper")
    mouth = np.isin(texel_part, [PARTS.index(p) for p in MOUTH_COLORS])
    sure = np.where(mouth, sure * lips_parted(portrait) * np.where(upper, tooth, 1 - tooth), sure)
    hair = texel_part == PARTS.index("scalp")
    for side, under_hair in zip((1, -1), covered, strict=True):
        if under_hair:
            hair |= (texel_part == PARTS.index("ears")) & (at[..., 7] * side > 0)
    skin = np.isin(texel_part, [PARTS.index(p) for p in SKIN]) & ~hair
    out = _complete_skin(color, np.where(skin, sure, 0).astype(np.float32))
    through = seen_in(hair_alone(clean, shown).astype(np.float32) / 255)
    out[hair] = (sure[..., None] * color + (1 - sure[..., None]) * through)[hair]
    light, vivid = _light((color[skin] * sure[skin, None]).sum(0) / max(float(sure[skin].sum()), 1e-6))
    eyes = np.isin(texel_part, [PARTS.index(p) for p in EYES])
    table = _eye_colors(
        portrait.image.astype(np.float32) / 255, np.isin(shown, [PARTS.index(p) for p in EYES]), angle, light, vivid
    )
    usual = np.stack([np.interp(at[..., 4][eyes], np.arange(len(table)), table[:, c]) for c in range(3)], 1)
    out[eyes] = sure[eyes, None] * color[eyes] + (1 - sure[eyes, None]) * usual
    _paint_mouth(portrait, out, texel_part, at, teeth_at, color, sure, light, vivid)
    return (np.dstack([out, sure]).clip(0, 1) * 255 + 0.5).astype(np.uint8)


def _paint_mouth(
    portrait: Portrait,
    out: np.ndarray,
    texel_part: np.ndarray,
    at: np.ndarray,
    teeth_at: np.ndarray,
    color: np.ndarray,
    sure: np.ndarray,
    light: np.ndarray,
    vivid: float,
) -> None:
    """Fills the texels inside the mouth, into out [R, R, 3]: what the photo surely shows, else the usual colors."""
    head = portrait.head
    teeth = bool(np.isin(head.part.numpy(), [PARTS.index(name) for name in ("teeth_upper", "teeth_lower")]).any())
    for name, tint in MOUTH_COLORS.items():
        inside = texel_part == PARTS.index(name)
        if not inside.any():  # FLAME has neither teeth nor tongue
            continue
        shade = np.clip(1.5 - at[..., 5] / 0.035, 0.3, 1.0)[inside, None]
        if name.startswith("teeth"):
            shade = shade * _tooth_shade(head, name, inside, at[..., 6])[:, None]
        own = name.startswith("teeth") and bool(teeth_at.any())
        plain = np.broadcast_to(np.array(tint), (int(inside.sum()), 3))
        if name == "mouth" and not teeth:
            shade = shade * TOOTHLESS
        elif name == "mouth":  # its front is gums, and the backs of the lips
            front = np.clip((0.032 - at[..., 5][inside, None]) / 0.012, 0, 1)
            plain = plain + front * (np.array(GUMS) - plain)
        plain = (_own_teeth(portrait, teeth_at) if own else _as_vivid(plain, vivid) * light) * shade
        out[inside] = sure[inside, None] * color[inside] + (1 - sure[inside, None]) * plain


def _own_teeth(portrait: Portrait, shown: np.ndarray) -> np.ndarray:
    """The color [3] of the teeth that the photo shows at `shown` [H, W]."""
    return np.quantile(portrait.image[shown > 0] / 255, 0.7, axis=0)


def _light(skin: np.ndarray) -> tuple[np.ndarray, float]:
    """From the mean color of skin [3]: the light [3] on it, and how vivid the photo is, 0 (black and white) to 1.

    Black where no skin is seen: then the light is taken to be white. No photo is lit bluer than white: what looks so is
    pale skin, or a photo without color.
    """
    if not skin.any():
        return np.ones(3), 1.0
    light = (skin / np.array(FAIR_SKIN)).clip(0.35, 1.25)
    saturation = 1 - float(skin.min() / skin.max())
    return np.minimum(light, light[0]), min(saturation / (1 - FAIR_SKIN[2] / FAIR_SKIN[0]), 1.0)


def _as_vivid(color: np.ndarray, vivid: float) -> np.ndarray:
    """Colors [..., 3] as a photo that vivid shows them."""
    gray = color.mean(-1, keepdims=True)
    return gray + vivid * (color - gray)


def uv_vertices(head: Head) -> Tensor:
    """The vertex [U] of each uv point."""
    vertex = torch.zeros(head.uv.shape[0], dtype=torch.int64)
    vertex[head.uv_faces.reshape(-1)] = head.faces.reshape(-1)
    return vertex


def _texels(portrait: Portrait, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Part of each texel, and where it lies: photo x, y px, camera depth m, cos to the viewer, eye angle, depth in
    the mouth, height and x at rest m."""
    head = portrait.head
    vertices = portrait.vertices()[0]
    pixels = to_pixels(portrait.camera, vertices[None])[0, 0]
    camera = portrait.camera.camera_from_world[0]
    seen_from = vertices @ camera[:3, :3].T + camera[:3, 3]
    across, height = head.template[:, 0], head.template[:, 1]
    values = torch.stack(
        [
            pixels[:, 0],
            pixels[:, 1],
            seen_from[:, 2],
            facing(portrait),
            _eye_angle(head),
            _mouth_depth(head),
            height,
            across,
        ],
        1,
    )
    return on_uv_map(head, values, size)


def on_uv_map(head: Head, values: Tensor, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Part of each texel [size, size], 0 off the head, and values of the vertices [N, K] there, [size, size, K]."""
    uv = head.uv
    corner = torch.stack([2 * uv[:, 0] - 1, 1 - 2 * uv[:, 1], torch.zeros(len(uv)), torch.ones(len(uv))], 1)[None]
    triangles = rasterize(corner, head.uv_faces, size, size)
    at = interpolate_fast(triangles, corner, head.uv_faces, values[uv_vertices(head)][None])[0]
    part = np.where(triangles[0].numpy() >= 0, head.part.numpy()[triangles[0].numpy()], 0)
    return part, at


def _seen_surface(portrait: Portrait) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of what the photo shows of the head: camera depth m (0 off it), part, and degrees from the iris, each [H, W]."""
    head = portrait.head
    corner = clip(portrait.camera, portrait.vertices())[0]
    height, width = portrait.matte.shape
    triangles = rasterize(corner, head.faces, height, width)
    values = torch.cat([corner[..., 3:], _eye_angle(head)[None, :, None]], -1)
    at = interpolate_fast(triangles, corner, head.faces, values.contiguous())[0]
    part = np.where(triangles[0].numpy() >= 0, head.part.numpy()[triangles[0].numpy()], 0)
    return np.ascontiguousarray(at[..., 0]), part, at[..., 1]


def facing(portrait: Portrait) -> Tensor:
    """Cosine [N] between each vertex's normal and the direction the photo sees it from; below 0 it looks away."""
    matrix = portrait.camera.camera_from_world[0]
    seen_from = portrait.vertices()[0] @ matrix[:3, :3].T + matrix[:3, 3]
    normal = area_weighted_normals(seen_from, portrait.head.faces)
    return -(normal * torch.nn.functional.normalize(seen_from, dim=1)).sum(1)


def _eye_angle(head: Head) -> Tensor:
    """Degrees [N] between an eyeball's vertex and its iris, seen from the eyeball's centre."""
    angle = torch.zeros(head.template.shape[0])
    joints = head.skin.joints
    for part, joint, iris in (("eye_left", 3, 473), ("eye_right", 4, 468)):
        index = head.faces[head.part == PARTS.index(part)].unique()
        unit = torch.nn.functional.normalize(head.template[index] - joints[joint], dim=1)
        middle = head.mediapipe_skin(torch.tensor([iris])).template[0]
        axis = torch.nn.functional.normalize(middle - joints[joint], dim=0)
        angle[index] = torch.rad2deg(torch.acos((unit @ axis).clamp(-1, 1)))
    return angle


def _mouth_depth(head: Head) -> Tensor:
    """How far [N] m each vertex lies behind the front of the lips."""
    lips = head.faces[head.part == PARTS.index("lips")]
    front = head.template[lips.reshape(-1), 2].max() if len(lips) else head.template[:, 2].max()
    return (front - head.template[:, 2]).clamp_min(0)


def _tooth_shade(head: Head, name: str, inside: np.ndarray, height: np.ndarray) -> np.ndarray:
    """What makes a row of teeth [texels] look like one: dark between teeth, darker to the gums. height [R, R] m."""
    u = head.uv[head.uv_faces[head.part == PARTS.index(name)].unique(), 0]
    across = (np.nonzero(inside)[1] + 0.5) / inside.shape[1]
    tooth = (across - float(u.min())) / float(u.max() - u.min()) * TEETH
    between = np.abs(tooth - np.round(tooth))  # 0 between two teeth, 0.5 in the middle of one
    tall = height[inside]
    from_gum = (tall - tall.min()) / max(float(np.ptp(tall)), 1e-6)
    if name == "teeth_upper":
        from_gum = 1 - from_gum
    return (0.72 + 0.28 * np.clip(from_gum * 1.6, 0, 1)) * (1 - 0.25 * np.exp(-((between / 0.09) ** 2)))


def _complete_skin(color: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """Skin [R, R, 3]: the other side's colors where this side is not seen, in this side's light, then around."""
    mirrored, mirrored_sure = color[:, ::-1], sure[:, ::-1]
    light = fill(color - mirrored, sure * mirrored_sure)  # the sides differ by the light; known where both are seen
    have = sure + (1 - sure) * mirrored_sure
    mixed = sure[..., None] * color + ((1 - sure) * mirrored_sure)[..., None] * (mirrored + light)
    return fill(mixed / np.maximum(have, 1e-6)[..., None], have)


def _eye_colors(image: np.ndarray, eye: np.ndarray, angle: np.ndarray, light: np.ndarray, vivid: float) -> np.ndarray:
    """Usual eye color [91, 3] at 0..90 degrees from the iris's centre, from the photo's eye pixels [H, W].

    The median at each angle, so that lids and highlights do not count; white from the brighter half of what is seen
    beyond the iris. Where the photo shows too little (shut or tiny eyes): the colors most eyes have.
    """
    known, colors = [], []
    for low in range(0, 30, 3):
        ring = image[eye & (angle >= low) & (angle < low + 3)]
        if len(ring) >= 5:
            known.append(low + 1.5)
            colors.append(np.median(ring, 0))
    usual = np.stack(
        [np.interp(np.arange(91), [a for a, _ in DEFAULT_EYE], [c[k] for _, c in DEFAULT_EYE]) for k in range(3)], 1
    )
    usual = _as_vivid(usual, vivid) * light
    if not known or known[0] > 15:
        return usual
    white = image[eye & (angle >= 32)]
    bright = white[white.sum(1) >= np.median(white.sum(1))].mean(0) if len(white) >= 8 else usual[45]
    bright = np.maximum(bright, LEAST_WHITE * usual[45])  # what is seen of it may be lids and lashes
    known += [34.0, 60.0, 90.0]
    colors += [bright, bright * 0.96, bright * 0.85]
    return np.stack([np.interp(np.arange(91), known, np.stack(colors)[:, c]) for c in range(3)], 1)
