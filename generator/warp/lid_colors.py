"""What a shut lid shows: skin where the open eye's lashes stood over it, and a line of lashes along its edge."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...core.easing import smoothstep
from ...flame_motion import Head
from ...flame_motion.heads.head import PARTS
from ..eyelids import EDGES, LASHES, unposed, upper_edge
from ..portrait import Portrait
from .fill import fill
from .uv_map import on_uv_map

FINER = 2  # times the texture's texels: a line of lashes is no wider than one of those
SOFT = np.ones((9, 9), np.uint8)  # texels over which the patch of a lid ends
LINE = (0.0003, 0.0006)  # m above a lid's edge: the middle of its line of lashes, and how far that spreads
FADE = 0.004  # m above the lashes over which the photo's lid takes over
DARKER = (0.04, 0.14)  # than the skin around, from which on, and from which on surely, something is lashes
MAX_BRIGHTNESS = 0.6  # of the skin's color: lashes are no brighter
CLOSING = (0.2, 0.8)  # shares of an eye's opening that its lids have closed: from when on, and when all of it shows


def lid_colors(portrait: Portrait, texture: np.ndarray) -> np.ndarray:
    """sRGB of shut upper lids on the uv map, and in alpha how far they cover what is there, [2 R, 2 R, 4] uint8.

    texture [R, R, 4] uint8: the open eyes', as baked. All 0 where the head's eyes are not known.
    """
    import cv2

    head, size = portrait.head, FINER * len(texture)
    out = np.zeros((size, size, 4), np.uint8)
    if any(bool((head.mediapipe[torch.tensor(points)] < 0).any()) for edges in EDGES for points in edges):
        return out
    color = cv2.resize(texture[..., :3], (size, size), interpolation=cv2.INTER_LINEAR)
    seen = unposed(head, portrait.pose, portrait.offsets)
    above = torch.stack([seen[:, 1] - upper_edge(head, seen, edges) for edges in EDGES], 1)
    part, at = on_uv_map(head, torch.cat([above, seen[:, :1]], 1), size)
    lids = cv2.morphologyEx((part == PARTS.index("lids")).astype(np.float32), cv2.MORPH_CLOSE, SOFT)  # with the slit
    lids = cv2.blur(cv2.erode(lids, SOFT), SOFT.shape)
    for side, (upper, lower, _) in enumerate(EDGES):
        marks = [seen[head.mediapipe[torch.tensor(points)]] for points in (upper, lower)]
        opening = float((marks[0][:, 1] - marks[1][:, 1]).max())
        inside = np.minimum(at[..., 2] - float(marks[1][:, 0].min()), float(marks[1][:, 0].max()) - at[..., 2])
        _paint(out, color, lids * np.clip(inside / FADE, 0, 1), at[..., side], LASHES * opening)
    return out


def _paint(out: np.ndarray, color: np.ndarray, here: np.ndarray, above: np.ndarray, lashes: float) -> None:
    """Paints one lid into out, as far as it is `here` [R, R] 0..1, up to `lashes` m `above` [R, R] its edge."""
    band = (here > 0) & (above > -lashes / 2) & (above < lashes + FADE)
    if not band.any():
        return
    window = tuple(slice(max(x.min() - 24, 0), x.max() + 25) for x in np.nonzero(band))
    color, above, band, here = color[window].astype(np.float32) / 255, above[window], band[window], here[window]
    around = (here > 0) & (above >= lashes + FADE / 2)
    if not around.any():
        return
    skin = fill(color, around.astype(np.float32))
    darker = smoothstep(((skin - color).mean(2) - DARKER[0]) / (DARKER[1] - DARKER[0]))
    clean = color + darker[..., None] * (skin - color)
    in_line = band & (above > 0) & (above < lashes)
    dark = np.quantile(color[in_line].mean(1), 0.1) if in_line.any() else 1.0
    shade = min(float(dark / max(float(skin[band].mean()), 1e-3)), MAX_BRIGHTNESS)
    line = np.exp(-(((above - LINE[0]) / LINE[1]) ** 2))
    painted = clean * (1 - line * (1 - shade))[..., None]
    cover = np.clip((lashes + FADE - above) / FADE, 0, 1) * band * here
    out[window] = (np.dstack([painted, cover]).clip(0, 1) * 255 + 0.5).astype(np.uint8)


def lids_shut(head: Head, before: Tensor, vertices: Tensor) -> Tensor:
    """How far [T, 2] the lids of the left and the right eye cover them as shut lids do, 0..1.

    before [1, N, 3], vertices [T, N, 3] m: the head in the photo, and as it is posed.
    """
    shares = []
    for upper, lower, _ in EDGES:
        marks = head.mediapipe[torch.tensor(upper)], head.mediapipe[torch.tensor(lower)]
        if bool((torch.cat(marks) < 0).any()):
            shares.append(vertices.new_zeros(len(vertices)))
            continue
        opening = [(v[:, marks[0]] - v[:, marks[1]]).norm(dim=-1).mean(1) for v in (vertices, before)]
        closed = 1 - opening[0] / opening[1].clamp_min(1e-4)
        shares.append(smoothstep((closed - CLOSING[0]) / (CLOSING[1] - CLOSING[0])))
    return torch.stack(shares, 1)
