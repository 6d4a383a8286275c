"""Hair that the photo hides: as long as the outline leaves room for, and of the color that the photo shows of it."""

from __future__ import annotations

import numpy as np

from ...core.easing import smoothstep
from .atlas import CAP_ROWS, ROWS, blurred, carried, heights, longitudes
from .seen import ASIDE, Seen

BESIDE_NECK = (-0.072, -0.048)  # m: heights, below the ears, at which hair that hangs beside the neck is looked for
SHORT = (0.023, 0.029)  # m from neck to outline, on the side with less, up to which hair is short and from which long
ENDS = (-0.015, -0.085)  # m: heights from which on short hair ends behind, and where it has
BEHIND = (1.2, 1.7)  # rad from the face where that begins
FACE = (0.6, 0.05)  # rad and m around the eyes where the skin's color is taken from
SKIN_LIKE = (0.45, 0.75)  # of the way from the hair's color to the skin's: from when on, and when surely not hair
UNLIKE = 20.0  # levels by which the two differ at least, if they are to be told apart
SURE = 0.9  # share of hair, or of skin, from which on a texel of the photo is that
LEAST = 400  # texels of hair from which on its color is known
SOME = 100  # texels from which on a median tells a color
PATTERNED = (18.0, 28.0)  # levels that color spreads by from which on, and from which on surely, it is cloth
REACHES = (48.0, 24.0, 12.0)  # texels over which hair has the color of what is seen of it there
SMOOTH = 6.0  # texels below which the network's light and shade are noise
LIGHT = (0.7, 1.08)  # of the seen hair's brightness, the least and most that light and shade make of it


def cut_short(radius: np.ndarray, hair: np.ndarray, skin: np.ndarray, seen: Seen) -> tuple[np.ndarray, np.ndarray]:
    """Distances [h, w] m and the hair's share [h, w] of a head whose nape is bare where hair is short.

    skin: the distances [h, w] m of the skin below. Short is hair that does not hang beside the neck in the photo.
    """
    scale = radius.shape[0] / ROWS
    below = smoothstep((ENDS[0] - heights(scale)) / (ENDS[0] - ENDS[1]))[:, None]
    behind = smoothstep((np.abs(longitudes(scale)) - BEHIND[0]) / (BEHIND[1] - BEHIND[0]))
    bare = _shortness(seen) * below * behind
    return radius - bare * np.maximum(radius - skin, 0), hair * (1 - bare)


def _shortness(seen: Seen) -> np.ndarray:
    """How surely the hair is short, 0..1, by how near the outline is to the neck, on the side where it is nearer."""
    height = heights()
    here = (np.abs(seen.toward) < ASIDE) & ~seen.cut & seen.has_fit
    here &= ((height > BESIDE_NECK[0]) & (height < BESIDE_NECK[1]))[:, None]
    sides = (here & (side * longitudes() > 0) for side in (-1, 1))
    room = [float(np.median((seen.outline - seen.fitted)[side])) for side in sides if side.any()]
    nearest = min(room, default=SHORT[1])
    return smoothstep(np.array((SHORT[1] - nearest) / (SHORT[1] - SHORT[0])))


def hair_seen(photo: np.ndarray, hair: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """How surely the photo shows hair [h, w] 0..1, and no skin of ears and temples that the network takes for hair.

    photo [h, w, 3] 0..255; hair, shown [h, w] 0..1: how much is hair, and the photo's pixels.
    """
    scale = len(photo) / ROWS
    face = (np.abs(longitudes(scale)) < FACE[0]) & (np.abs(heights(scale)) < FACE[1])[:, None]
    crown = (np.arange(len(photo)) < CAP_ROWS * scale)[:, None]
    skin, own = _median(photo, face & (shown * (1 - hair) > SURE)), _median(photo, crown & (shown * hair > SURE))
    surely = shown * hair * (hair > 0.5)
    if skin is None or own is None or np.linalg.norm(skin - own) < UNLIKE:
        return surely
    toward_skin = (photo - own) @ (skin - own) / ((skin - own) @ (skin - own))
    return surely * (1 - smoothstep((toward_skin - SKIN_LIKE[0]) / (SKIN_LIKE[1] - SKIN_LIKE[0])))


def _median(photo: np.ndarray, where: np.ndarray) -> np.ndarray | None:
    """The median color [3] of some texels; None: there are too few."""
    return np.median(photo[where], 0) if where.sum() >= SOME else None


def own_color(layer: np.ndarray, photo: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The network's hair [h, w, 3] in the color of the person's, with the network's light and shade.

    known [h, w] 0..1: how surely the photo [h, w, 3] shows hair. What the network makes of hair that nothing is seen of
    mixes it with ears, collar and backdrop. Patterned cloth, and hair that is hardly seen, stay as they are.
    """
    total = float(known.sum())
    if total < LEAST:
        return layer
    weight = known.astype(np.float32)[..., None]
    mean = (photo * weight).sum((0, 1)) / total
    tint = photo - photo.mean(-1, keepdims=True)
    spread = float((((tint - (tint * weight).sum((0, 1)) / total) ** 2).sum(-1) * weight[..., 0]).sum() / total) ** 0.5
    color = carried(photo, known, REACHES, np.broadcast_to(mean.astype(np.float32), photo.shape))
    light = blurred(layer.mean(-1).astype(np.float32), SMOOTH)
    usual = max(float((light * weight[..., 0]).sum() / total), 1.0)
    color *= np.sqrt(np.maximum(light, 0) / usual).clip(*LIGHT)[..., None]  # half of it, in stops: it is vague
    cloth = smoothstep(np.array((spread - PATTERNED[0]) / (PATTERNED[1] - PATTERNED[0])))
    return color + cloth * (layer - color)
