"""Ears: a block of the skin's ring grid is cut out and a polar sweep is welded in, root -> helix -> concha."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CloughTocher2DInterpolator, CubicSpline, PchipInterpolator

from flamecast.core.easing import smoothstep

from .loft import EAR_COLUMNS as COLUMNS
from .loft import EAR_ROWS as ROWS
from .loft import Grid
from .mesh import fair, umbrella

ORIGIN = np.array([74.8, -7.0, -42.0])  # mm, front of the left ear at half height, a little off the cheek
PROTRUSION, TILT, LEAN = np.radians(24), np.radians(10), np.radians(10)  # back edge out, top back, lobe in
ATTACHED = (0.4, 1.0, 1.6, 2.4)  # mm off the cheek of the first rings, where the ear grows out of it in front
CENTRE = np.array([11.0, -3.0])  # mm in the ear's plane (u backwards, v up): the bowl everything turns around
OUTLINE = [(-1, 13), (3, 24), (12, 31), (23, 30), (31.5, 22), (34, 10), (32, -3), (26, -14), (19, -25), (12, -31)]
OUTLINE += [(4, -29), (-1, -20), (-3, -10), (-3, 2)]  # mm, from the helix' root over the top and the lobe to the tragus
ROOT_CENTRE, ROOT_SIZE = np.array([6.0, -3.0]), np.array([9.0, 21.0])  # mm, the ellipse on which the ear stands
CLING = 0.6  # how much of a root's shift the skin next to it makes
CORNERS = (128.0, 62.0, -62.0, -118.0, -232.0)  # degrees, where the block's corners go: front top over the back
# The relief, as directions from CENTRE (degrees, 0 backwards, 90 up) and, for each ring of vertices from the rim's back
# inwards, its size relative to the outline and its height above the ear's plane in mm, in those directions.
#            back  back/top top  front  crus  tragus notch lobe antitragus low back
DIRECTIONS = [0,    50,    90,    125,   158,   188,   222,   262,   295,   328]  # fmt: skip
BEHIND = [-6.5, -6.3, -5.0, -2.8, -2.2, -2.2, -2.4, -4.2, -4.8, -6.0]  # mm, a third of the way from the root to the rim
RELIEF = [
    ("rim, behind", [.97, .97, .97, .97, 1.0, 1.0, 1.0, .98, .97, .97],
                    [-2.2, -2.2, -2.2, -2.0, -0.9, -0.9, -1.2, -2.2, -2.2, -2.2]),
    ("rim", [1.0, 1.0, 1.0, 1.0, .96, .95, .97, 1.0, 1.0, 1.0], [0.4, 0.4, 0.4, 0.3, 0, 0, -0.4, -0.6, -0.5, 0.1]),
    ("helix", [.95, .95, .955, .94, .85, .84, .90, .92, .93, .95], [2.6, 2.8, 2.8, 2.5, 1.3, 0.9, 0.4, 0.8, 1.0, 2.0]),
    ("fold", [.86, .86, .87, .82, .67, .64, .74, .79, .81, .86], [1.0, 0.8, 0.6, 1.4, 2.2, 3.2, 0.5, 1.4, 1.3, 0.9]),
    ("scapha", [.78, .78, .79, .70, .55, .52, .60, .66, .70, .77],
               [-1.2, -1.6, -1.8, -0.6, 2.2, 4.3, -0.2, 1.5, 1.0, -0.7]),
    ("antihelix", [.68, .68, .67, .58, .46, .45, .49, .52, .59, .67],
                  [1.2, 0.8, -0.5, -0.6, 1.0, 4.0, -1.4, 1.2, 1.9, 1.3]),
    ("its crest", [.58, .58, .56, .48, .38, .38, .40, .42, .50, .57],
                  [2.4, 2.5, 0.9, -1.0, -0.8, 1.8, -2.8, 0.8, 2.9, 2.6]),
    ("wall", [.45, .45, .43, .38, .30, .29, .31, .33, .40, .45],
             [-1.2, -1.8, -2.2, -2.8, -2.8, -2.4, -4.0, -2.2, -0.6, -1.2]),
    ("bowl", [.25, .25, .24, .22, .19, .18, .20, .21, .24, .25],
             [-4.4, -4.3, -4.2, -4.2, -4.0, -4.8, -5.2, -4.9, -4.5, -4.4]),
]  # fmt: skip


@dataclass(frozen=True)
class Ear:
    """Where an ear's vertices are: `rings` [R, M], the first on the head (even places: grid vertices); last point."""

    rings: np.ndarray
    centre: int


def weld_ears(
    vertices: np.ndarray, faces: np.ndarray, part: np.ndarray, grid: Grid, label: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[Ear]]:
    """Skin with both ears: vertices [N, 3] m, faces, their parts [F] (ears: label), the ears (left, right)."""
    welded, pulled = [], []
    head = _surface(vertices)
    for left in (True, False):
        side = np.array([1.0 if left else -1.0, 1, 1])
        loop, faces, part, vertices = _cut(vertices, faces, part, _block(grid, left))
        rings = _rings(head)
        pulled.append((loop, rings[0] * side - vertices[loop]))
        count = len(vertices)
        rest = [*rings[1:].reshape(-1, 3), rings[-1].mean(0) - [0.0015, 0, 0]]
        vertices = np.concatenate([vertices, np.array(rest) * side])
        table = np.concatenate([loop[None], count + np.arange(len(rest) - 1).reshape(-1, len(loop))])
        added = _strip(table, len(vertices) - 1)
        faces = np.concatenate([faces, added if left else added[:, ::-1]])
        part = np.concatenate([part, np.full(len(added), label)])
        welded.append(Ear(table, len(vertices) - 1))
    return _relax(vertices, faces, grid, head, pulled), faces, part, welded


def _block(grid: Grid, left: bool) -> np.ndarray:
    rows = slice(ROWS[0], ROWS[1] + 1)
    columns = np.arange(COLUMNS[0], COLUMNS[1] + 1)
    return grid.index[rows][:, columns if left else (72 - columns) % 72]  # [rows, columns], front row first


def _cut(
    vertices: np.ndarray, faces: np.ndarray, marks: np.ndarray, block: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Remove the block's faces and split its border edges: border loop (twice the points, from the front top corner
    backwards over the top), faces, their marks, vertices."""
    corner = [*block[:, 0], *block[-1, 1:], *block[-2::-1, -1], *block[0, -2:0:-1]]  # top edge, back, bottom, front
    inside = set(block.ravel().tolist())
    border = {frozenset(e) for e in zip(corner, np.roll(corner, -1))}
    keep = ~np.array([set(f) <= inside for f in faces.tolist()])
    faces, marks = faces[keep], marks[keep]
    middle: dict[frozenset[int], int] = {}
    loop = []
    for a, b in zip(corner, np.roll(corner, -1)):
        middle[frozenset((a, b))] = len(vertices) + len(middle)
        loop += [a, middle[frozenset((a, b))]]
    vertices = np.concatenate([vertices, [vertices[list(e)].mean(0) for e in middle]])
    result, flags = [], []
    for face, mark in zip(faces.tolist(), marks):
        split = [k for k in range(3) if frozenset((face[k], face[k - 2])) in border]
        if not split:
            result.append(face)
            flags.append(mark)
            continue
        k = split[0]
        a, b, c = face[k], face[k - 2], face[k - 1]
        m = middle[frozenset((a, b))]
        result += [[a, m, c], [m, b, c]]
        flags += [mark, mark]
    return np.array(loop), np.array(result, np.int64), np.array(flags), vertices


def _surface(vertices: np.ndarray) -> CloughTocher2DInterpolator:
    """Head surface x [mm] at (y, z) mm on the left side, smooth: what the ear and the skin around it are laid on."""
    near = (vertices[:, 0] > 0.035) & (np.abs(vertices[:, 1]) < 0.08) & (vertices[:, 2] < 0.02)
    points = vertices[near] * 1000
    return CloughTocher2DInterpolator(points[:, 1:], points[:, 0])


def _around(values: list[float], angles: np.ndarray) -> np.ndarray:
    """Values [K] at DIRECTIONS, at other angles [M] rad: a smooth closed curve."""
    knots = np.radians([*DIRECTIONS, 360])
    return CubicSpline(knots, [*values, values[0]], bc_type="periodic")(np.mod(angles, 2 * np.pi))


def _outline(angles: np.ndarray) -> np.ndarray:
    """Outline points (u, v) mm in the directions `angles` (0 = backwards, 90 degrees = up) from CENTRE, [M, 2]."""
    points = np.array(OUTLINE, float) - CENTRE
    turn = np.unwrap(np.arctan2(points[:, 1], points[:, 0]))[::-1]
    radius = np.linalg.norm(points, axis=1)[::-1]
    curve = CubicSpline([*turn, turn[0] + 2 * np.pi], [*radius, radius[0]], bc_type="periodic")
    return CENTRE + curve(angles)[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)


def _directions() -> np.ndarray:
    """Angles [M] rad of an ear's columns, from the front top backwards; the block's corners point to the root's."""
    sides = 2 * np.array([0, *np.diff(ROWS), *np.diff(COLUMNS), *np.diff(ROWS), *np.diff(COLUMNS)])
    corners = np.cumsum(sides)
    return np.radians(PchipInterpolator(corners, CORNERS)(np.arange(corners[-1])))


def _rings(head: CloughTocher2DInterpolator) -> np.ndarray:
    """Rings [R, M, 3] m of the left ear, root to bowl, running backwards over the top."""
    angles = _directions()
    rim = _outline(angles)
    root = ROOT_CENTRE + ROOT_SIZE * np.stack([np.cos(angles), np.sin(angles)], 1)
    flat = _in_space(root, np.zeros(len(root)))
    flat[:, 0] = head(flat[:, 1:])
    plane = [CENTRE + _around(size, angles)[:, None] * (rim - CENTRE) for _, size, _ in RELIEF]
    plane.insert(0, 0.7 * root + 0.3 * plane[0])
    heights = [BEHIND, *(height for _, _, height in RELIEF)]
    rings = [flat, *(_in_space(p, _around(h, angles)) for p, h in zip(plane, heights))]
    front = smoothstep((6 - rim[:, 0]) / 9)
    for ring, off in zip(rings[1:], ATTACHED):
        cheek = head(ring[:, 1:]) + off
        ring[:, 0] = np.maximum(ring[:, 0] + front * (cheek - ring[:, 0]), cheek)
    return np.array(rings) / 1000


def _in_space(plane: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Points (u, v) mm of the ear's plane lifted by `height` mm, in the head's axes, mm."""
    up = np.array([0, np.cos(TILT), -np.sin(TILT)])
    back = np.array([np.sin(PROTRUSION), -np.sin(TILT) * np.cos(PROTRUSION), -np.cos(TILT) * np.cos(PROTRUSION)])
    out = np.cross(back, up)
    leaning = np.cos(LEAN) * up + np.sin(LEAN) * out
    return ORIGIN + plane[:, :1] * back + plane[:, 1:] * leaning + height[:, None] * np.cross(back, leaning)


def _strip(table: np.ndarray, centre: int) -> np.ndarray:
    """Triangles of closed rings [R, M] and a fan to `centre`, outward for the left ear."""
    faces = []
    for inner, outer in zip(table[1:], table[:-1]):
        for a, b, c, d in zip(outer, np.roll(outer, -1), inner, np.roll(inner, -1)):
            faces += [(b, a, c), (b, c, d)]
    faces += [(b, a, centre) for a, b in zip(table[-1], np.roll(table[-1], -1))]
    return np.array(faces, np.int64)


def _relax(
    vertices: np.ndarray,
    faces: np.ndarray,
    grid: Grid,
    head: CloughTocher2DInterpolator,
    pulled: list[tuple[np.ndarray, np.ndarray]],
) -> np.ndarray:
    """The ears' roots pulled into place (vertices, shift m), the skin around following along the head's surface."""
    free = np.zeros(len(vertices), bool)
    rows = np.arange(max(ROWS[0] - 2, 1), ROWS[1] + 6)
    columns = np.arange(COLUMNS[0] - 4, COLUMNS[1] + 6)
    for side in (columns, 72 - columns):
        free[grid.index[rows][:, side]] = True
    shift = np.zeros_like(vertices)
    for loop, by in pulled:
        shift[loop], free[loop] = by, False
    free &= np.isin(np.arange(len(vertices)), faces)
    laplacian = umbrella(faces, len(vertices))
    root = np.isin(np.arange(len(vertices)), [loop for loop, _ in pulled]).astype(float)
    share = laplacian @ root + root  # of each vertex's neighbours that lie on a root
    near = free & (share > 0)
    shift[near] = CLING * (laplacian @ shift + shift)[near] / share[near, None]
    result = vertices + fair(shift, laplacian, free & ~near, order=1)
    result[free, 0] = np.sign(result[free, 0]) * head(1000 * result[free, 1:]) / 1000
    return result
