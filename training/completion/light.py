"""Light from all around, with the shade that surfaces throw on each other: how much of it reaches each vertex."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.compiled import compiled

DIRECTIONS = 14
MAP_SIDE = 128  # px of a map of what the light from one direction reaches
BEHIND = 0.006  # m behind the nearest surface, from which on a point is in the shade
REACH = 0.45  # m around the head that throw shade


@dataclass(frozen=True)
class Light:
    """How much light comes from each direction."""

    direction: np.ndarray  # [D, 3] unit vectors towards the light
    color: np.ndarray  # [D, 3] linear
    shade: float  # 0..1: how deep shadows are


def draw_light(rng: np.random.Generator) -> Light:
    """An overcast sky, a window, a studio with two lamps, a low sun …: a sky and up to three lamps, warm or cold."""
    direction = _evenly(DIRECTIONS, rng)
    up = direction[:, 1:2]
    sky, ground = (_tint(rng, 0.08) for _ in range(2))
    color = (sky * (1 + up) / 2 + ground * (1 - up) / 2 * rng.uniform(0.3, 1)) * rng.uniform(0.25, 1.0)
    for _ in range(rng.integers(0, 4)):
        side, height = rng.normal() * 0.9, rng.uniform(-0.2, 1.0)
        lamp = np.array([np.sin(side) * np.cos(height), np.sin(height), np.cos(side) * np.cos(height)])
        lobe = np.exp((direction @ lamp - 1) * rng.uniform(3, 14))
        color = color + lobe[:, None] * _tint(rng, 0.13) * rng.uniform(0.5, 2.5)
    return Light(direction, color, rng.uniform(0.4, 1.0))


def _tint(rng: np.random.Generator, strength: float) -> np.ndarray:
    warm = rng.normal() * strength
    return np.exp(np.array([warm, 0.15 * rng.normal() * strength, -warm]))


def _evenly(count: int, rng: np.random.Generator) -> np.ndarray:
    """Directions [D, 3] spread evenly over the sphere (a Fibonacci spiral), turned at random about the vertical."""
    k = np.arange(count) + 0.5
    y = 1 - 2 * k / count
    turn = np.pi * (1 + 5**0.5) * k + rng.uniform(0, 2 * np.pi)
    level = np.sqrt(1 - y * y)
    return np.stack([level * np.sin(turn), y, level * np.cos(turn)], -1)


def lit(vertices: np.ndarray, normals: np.ndarray, faces: np.ndarray, light: Light) -> np.ndarray:
    """Light that reaches each vertex [N, 3], linear; vertices [N, 3] m, unit normals [N, 3], faces [F, 3] that throw
    shade."""
    total = np.zeros((len(vertices), 3))
    near = (np.abs(vertices[faces[:, 0]]) < REACH).all(1)
    faces = np.ascontiguousarray(faces[near], np.int64)
    for direction, color in zip(light.direction, light.color):
        toward = np.maximum(normals @ direction, 0)
        reached = 1 - light.shade * in_shade(vertices, faces, direction)
        total += (toward * reached)[:, None] * color
    return total * 4 / len(light.direction)


def in_shade(vertices: np.ndarray, faces: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """How far each vertex [N] lies in the shade of others against light from a direction [3], 0..1."""
    import cv2

    side = np.cross(direction, [0.0, 0.0, 1.0] if abs(direction[1]) > 0.9 else [0.0, 1.0, 0.0])
    side /= np.linalg.norm(side)
    axes = np.stack([side, np.cross(direction, side), -direction])  # z grows away from the light
    place = vertices @ axes.T
    place[:, :2] = (place[:, :2] / (2 * REACH) + 0.5) * MAP_SIDE
    depth = np.full((MAP_SIDE, MAP_SIDE), 9.0, np.float32)
    _nearest_depth(np.ascontiguousarray(place), faces, depth)
    at = (np.clip(place[:, :2], -9, MAP_SIDE + 9) - 0.5).astype(np.float32)
    at = np.pad(at, ((0, -len(at) % 4096), (0, 0))).reshape(-1, 4096, 2)  # remap takes pictures of few rows alone
    front = cv2.remap(depth, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderValue=9.0).ravel()[: len(place)]
    return np.clip((place[:, 2] - front - BEHIND) / BEHIND, 0, 1)


@compiled("void(f8[:,::1], i8[:,::1], f4[:,::1])", counted=False)
def _nearest_depth(place, faces, depth):
    """Rasterizes triangles in parallel projection; place [N, 3] px, px, m."""
    height, width = depth.shape
    for k in range(faces.shape[0]):
        a, b, c = faces[k, 0], faces[k, 1], faces[k, 2]
        ax, ay, bx, by, cx, cy = place[a, 0], place[a, 1], place[b, 0], place[b, 1], place[c, 0], place[c, 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) < 1e-9:
            continue
        for i in range(max(0, int(min(ay, by, cy) - 0.5)), min(height - 1, int(max(ay, by, cy) + 0.5)) + 1):
            for j in range(max(0, int(min(ax, bx, cx) - 0.5)), min(width - 1, int(max(ax, bx, cx) + 0.5)) + 1):
                x, y = j + 0.5, i + 0.5
                v = ((x - ax) * (cy - ay) - (y - ay) * (cx - ax)) / area
                w = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / area
                u = 1 - v - w
                if u < -1e-6 or v < -1e-6 or w < -1e-6:
                    continue
                z = u * place[a, 2] + v * place[b, 2] + w * place[c, 2]
                if z < depth[i, j]:
                    depth[i, j] = z
