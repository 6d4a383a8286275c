"""Inside of the mouth: the bag welded to the inner lips, two rows of teeth, the tongue. Millimetres in the tables."""

from __future__ import annotations

import numpy as np

from .facemesh import LIPS_INNER_LOWER, LIPS_INNER_UPPER
from .mesh import ring_faces

ARCH_WIDTH, ARCH_DEPTH = 0.0258, 0.036  # m: the dental arch
ARCH_BACK = -0.0445  # m: its back end lies this far behind the lips
# Rings of the bag, each (half width, depth of its curve, back of its curve behind the lips, height above and below the
# lip line). The first two follow the lips instead; every ring but those is an arch that stands clear of the teeth.
SLIT = ((0.0018, -0.00045, -0.00075), (0.0037, 0.0021, -0.0028))  # m behind the lips, up of the upper and lower row
BAG = [
    (29.6, 38.6, -44.5, 6.0, 6.8),
    (29.8, 38.6, -46.0, 11.8, 13.9),
    (21.5, 27.5, -46.5, 13.0, 15.5),
    (19.0, 18.0, -47.5, 14.0, 16.5),
    (17.5, 8.0, -52.0, 12.0, 16.5),
    (14.0, 3.0, -57.0, 6.0, 15.0),
]
BAG_FOLLOW = (1.0, 0.5, 0.15, 0.0, 0.0, 0.0, 0.0, 0.0)  # how much of the lips' own motion each ring of the bag makes
BAG_BACK = (0.0, 0.0, 0.0, 0.0, 0.0, 0.15, 0.6, 1.0)  # how much it goes with the throat
BAG_PARTED = (0.0, 0.35, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)  # how much its halves go with skull and jaw, not with the lips
TEETH, SAMPLES = 12, 3
# A tooth row's profile: height from the biting edge towards the gum, distance out of the arch; the first two are gum.
PROFILE = [(11.0, -1.2), (8.8, 0.2), (5.0, 0.7), (0.0, -0.3), (0.6, -2.2), (6.5, -3.8), (10.5, -4.8)]


def lip_loop(loops: list[list[int]]) -> np.ndarray:
    """The inner lips' border, [40]: right corner, upper lip, left corner, lower lip."""
    loop = next(row for row in loops if LIPS_INNER_UPPER[0] in row)
    for row in (loop, loop[::-1]):
        k = row.index(LIPS_INNER_UPPER[0])
        turned = row[k:] + row[:k]
        if turned[2] == LIPS_INNER_UPPER[1]:
            return np.array(turned)
    raise ValueError("the inner lip border does not run through MediaPipe's inner upper lip")


def lip_middle(vertices: np.ndarray) -> np.ndarray:
    """Where the lips meet in the middle, [3] m."""
    return vertices[[LIPS_INNER_UPPER[5], LIPS_INNER_LOWER[5]]].mean(0)


def bag(vertices: np.ndarray, loop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rings [R, 40, 3] m behind the lips and the end point [3] m."""
    half = len(loop) // 2
    turn = np.pi * (1 - np.arange(len(loop)) / half)  # right corner pi, left corner 0, lower lip negative
    middle, shut = lip_middle(vertices), vertices[loop]
    side = np.sign(np.round(np.sin(turn), 6))  # 1 upper, -1 lower, 0 corner
    rows = []
    wide = np.abs(np.cos(turn)) ** 6  # beside the corners the lips part behind, and the cheek bends round the teeth
    for back, above, below in SLIT:
        height = np.where(side > 0, above, below) * np.minimum(np.abs(np.sin(turn)) / 0.3, 1)
        height = (1 - wide) * height + wide * 0.3 * back * side
        aside = wide * np.sign(np.cos(turn)) * (back - SLIT[0][0])
        rows.append(shut + np.stack([aside, height, -back - 0.7 * np.abs(aside)], 1))
    for width, depth, back, above, below in np.array(BAG) / 1000:
        height = np.where(side > 0, above, -below) * np.abs(side)
        rows.append(middle + np.stack([width * np.cos(turn), height, back + depth * np.abs(np.sin(turn))], 1))
    rings = np.array(rows)
    return rings, rings[-1].mean(0) - np.array([0, 0, 0.002])


def teeth(middle: np.ndarray, upper: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """One row of teeth: vertices [N, 3] m, faces, is_gum [F] bool, uv [N, 2] in 0..1."""
    columns = TEETH * SAMPLES + 1
    beta = np.radians(np.linspace(-78, 78, columns))
    sign, scale = (1.0, 1.0) if upper else (-1.0, 0.93)
    edge = -0.0042 if upper else -0.0040  # behind shut lips the upper incisors reach below the lip line
    gap = np.arange(columns) % SAMPLES == 0
    points = np.zeros((columns, len(PROFILE), 3))
    centre = np.stack([scale * ARCH_WIDTH * np.sin(beta), 0 * beta, ARCH_BACK + scale * ARCH_DEPTH * np.cos(beta)], 1)
    out = np.stack([np.sin(beta) / ARCH_WIDTH, 0 * beta, np.cos(beta) / ARCH_DEPTH], 1)
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    for k, (height, forward) in enumerate(PROFILE):
        proud = forward - np.where(gap & (k in (1, 2, 3)), 0.6, 0.0)
        tall = height + np.where(gap & (k == 3), 0.5, 0.0) - np.where(gap & (k == 1), 1.2, 0.0)
        points[:, k] = centre + out * (proud / 1000)[:, None]
        points[:, k, 1] += edge + sign * (0.00085 * tall + 0.0012 * (1 - np.cos(beta)))
    faces, gum = [], []
    rows = len(PROFILE)
    for c in range(columns - 1):
        for k in range(rows - 1):
            a, b, d, e = c * rows + k, (c + 1) * rows + k, c * rows + k + 1, (c + 1) * rows + k + 1
            faces += [(a, d, b), (b, d, e)] if c >= columns // 2 else [(a, d, e), (a, e, b)]
            gum += [k == 0 or k == rows - 2] * 2
    turned = np.array(faces, np.int64)
    grid = np.stack(
        np.meshgrid(
            np.linspace(0, 1, columns), np.linspace(1, 0, rows) if upper else np.linspace(0, 1, rows), indexing="ij"
        ),
        -1,
    ).reshape(-1, 2)
    return points.reshape(-1, 3) + middle, turned if upper else turned[:, ::-1], np.array(gum), grid


def tongue(middle: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The tongue: vertices [N, 3] m, faces, uv [N, 2] in the unit disc (tip in the middle). Its root is open."""
    segments, rings = 14, 9
    points, flat = [[0, -0.0088, -0.0185]], [[0.0, 0.0]]
    for r in range(1, rings):
        t = r / rings
        width = 0.0136 * np.sin(np.pi * min(0.04 + t, 0.5)) ** 0.7
        thick = 0.0052 * np.sin(np.pi * min(0.08 + t, 0.5)) ** 0.6
        for k in range(segments):
            a = 2 * np.pi * (k + 0.5) / segments
            groove = 0.0011 * np.exp(-((np.cos(a) * width / 0.003) ** 2)) * (np.sin(a) > 0) * np.sin(np.pi * t)
            hump = 0.0028 * np.sin(np.pi * min(t, 0.75)) * max(np.sin(a), 0)
            points.append([width * np.cos(a), -0.0088 + thick * np.sin(a) - groove + hump, -0.0185 - 0.033 * t**1.5])
            flat.append([t * np.cos(a), t * np.sin(a)])
    faces = [(0, 1 + k, 1 + (k + 1) % segments) for k in range(segments)]
    faces += ring_faces(1, rings - 1, segments, 2 * np.pi * (np.arange(segments) + 0.5) / segments)
    return np.array(points) + middle, np.array(faces, np.int64), np.array(flat)
