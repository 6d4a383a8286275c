"""Inside of the mouth: the bag welded to the inner lips, two rows of teeth, the tongue. Millimetres in the tables."""

from __future__ import annotations

import numpy as np

from .facemesh import LIPS_INNER_LOWER, LIPS_INNER_UPPER

ARCH_WIDTH, ARCH_DEPTH, ARCH_BACK = (
    0.027,
    0.036,
    -0.0435,
)  # m: the dental arch; its back end lies this far behind the lips
# Rings of the bag behind the lips: how far the ring has come from the lips' curve to the arch's (0..1), arch scale,
# height above and below the lip line, and the shift backwards.
BAG = [
    (0.0, 1.00, 1.0, 1.0, 2.2),
    (0.15, 1.04, 4.0, 4.0, 4.6),
    (0.6, 1.05, 9.0, 8.5, 6.0),
    (1.0, 1.05, 13.0, 12.5, 3.0),
    (1.0, 0.92, 14.5, 14.0, 7.0),
    (1.0, 0.75, 15.0, 13.5, 16.0),
    (1.0, 0.62, 13.0, 13.0, 28.0),
    (1.0, 0.45, 8.0, 10.0, 40.0),
]
TEETH, SAMPLES = 12, 3
# A tooth row's profile: height from the biting edge towards the gum, distance out of the arch; the first two are gum.
PROFILE = [(12.5, -2.0), (9.3, 0.2), (5.0, 0.7), (0.0, -0.3), (0.6, -2.2), (6.5, -3.8), (10.5, -4.8)]


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
    middle = lip_middle(vertices)
    rows = []
    for share, scale, above, below, back in BAG:
        arch = _arch(np.cos(turn), scale) + middle
        lips = vertices[loop] * np.array([scale, 1, 1])
        ring = (1 - share) * lips + share * arch
        height = np.where(np.sin(turn) > 0, above, -below) * np.abs(np.sin(turn)) ** 0.6 / 1000
        ring[:, 1] = (1 - share) * vertices[loop, 1] + share * (middle[1] - 0.001) + height
        ring[:, 2] -= back / 1000
        rows.append(ring)
    rings = np.array(rows)
    return rings, rings[-1].mean(0) - np.array([0, 0, 0.004])


def _arch(across: np.ndarray, scale: float) -> np.ndarray:
    """Points of the dental arch at `across` (-1..1, the subject's right to left), from the lips' middle, [M, 3] m."""
    depth = ARCH_BACK + ARCH_DEPTH * np.sqrt(np.maximum(1 - across**2, 0))
    return np.stack([scale * ARCH_WIDTH * across, 0 * across, depth], 1)


def teeth(middle: np.ndarray, upper: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """One row of teeth: vertices [N, 3] m, faces, is_gum [F] bool, uv [N, 2] in 0..1."""
    columns = TEETH * SAMPLES + 1
    beta = np.radians(np.linspace(-78, 78, columns))
    sign, scale = (1.0, 1.0) if upper else (-1.0, 0.93)
    edge = -0.0018 if upper else -0.0010
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
    points, flat = [[0, -0.0118, -0.0125]], [[0.0, 0.0]]
    for r in range(1, rings):
        t = r / rings
        width = 0.0158 * np.sin(np.pi * min(t, 0.55)) ** 0.85
        thick = 0.0048 + 0.0035 * t
        for k in range(segments):
            a = 2 * np.pi * (k + 0.5) / segments
            groove = 0.0012 * np.exp(-((np.cos(a) * width / 0.003) ** 2)) * (np.sin(a) > 0) * np.sin(np.pi * t)
            size = min(1.0, np.sqrt(t * 4))
            points.append(
                [width * np.cos(a), -0.0118 + size * thick * np.sin(a) - groove + 0.001 * t, -0.0125 - 0.045 * t**1.4]
            )
            flat.append([t * np.cos(a), t * np.sin(a)])
    faces = [(0, 1 + k, 1 + (k + 1) % segments) for k in range(segments)]
    for r in range(rings - 2):
        for k in range(segments):
            a, b = 1 + r * segments + k, 1 + r * segments + (k + 1) % segments
            faces += [(a, a + segments, b), (b, a + segments, b + segments)]
    return np.array(points) + middle, np.array(faces, np.int64), np.array(flat)
