"""MediaPipe Face Mesh as a mesh: its triangles, its mirror map and its named rows of landmarks.

MediaPipe publishes the connections of its 468 landmarks; the triangles are the 3-cycles of that graph.
"Left" is the subject's left (+x) throughout.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

COUNT = 468
IRIS = 10  # landmarks 468..472: the subject's right iris (centre, then 4 on the rim), 473..477: the left

# The loops below run along the right half first; `mirrored` gives their left twins.
OVAL = [10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152]
OVAL += [148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109]
RIGHT_UPPER_LID = [33, 246, 161, 160, 159, 158, 157, 173, 133]  # outer corner -> inner corner
RIGHT_LOWER_LID = [33, 7, 163, 144, 145, 153, 154, 155, 133]
LIPS_OUTER_UPPER = [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291]  # right corner -> left corner
LIPS_OUTER_LOWER = [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291]
LIPS_MIDDLE = [76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306, 62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292]
LIPS_MIDDLE += [77, 90, 180, 85, 16, 315, 404, 320, 307, 96, 89, 179, 86, 15, 316, 403, 319, 325]  # rows inside the red
LIPS_INNER_UPPER = [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308]
LIPS_INNER_LOWER = [78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308]

# iBUG-68 order (subject's right jaw first), each point a Face Mesh landmark.
IBUG68 = [162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389]
IBUG68 += [70, 63, 105, 66, 107, 336, 296, 334, 293, 300, 168, 197, 5, 4, 98, 97, 2, 326, 327]
IBUG68 += [33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380]
IBUG68 += [61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87]

# Points that barely move with expression: used to align faces with each other.
RIGID = [10, 151, 9, 8, 168, 6, 197, 195, 5, 4, 1, 2, 109, 67, 103, 54, 21, 162, 127, 234, 33, 133, 98, 129, 48]
RIGID += [338, 297, 332, 284, 251, 389, 356, 454, 263, 362, 327, 358, 278]


def triangles(points: np.ndarray) -> np.ndarray:
    """The 852 triangles, [852, 3] int64, counter-clockwise seen from +z on `points` [468, 3]."""
    from mediapipe.python.solutions.face_mesh_connections import FACEMESH_TESSELATION

    neighbours: dict[int, set[int]] = {}
    for a, b in FACEMESH_TESSELATION:
        neighbours.setdefault(a, set()).add(b)
        neighbours.setdefault(b, set()).add(a)
    found = {tuple(sorted((a, b, c))) for a, b in FACEMESH_TESSELATION for c in neighbours[a] & neighbours[b]}
    uses: dict[tuple[int, int], int] = {}
    for face in found:
        for edge in combinations(face, 2):
            uses[edge] = uses.get(edge, 0) + 1
    # A 3-cycle around a nostril is no face: all of its edges already have two others.
    faces = sorted(face for face in found if not all(uses[edge] > 2 for edge in combinations(face, 2)))
    return _outward(np.array(faces, np.int64), points)


def _outward(faces: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Turn all faces the same way round, walking over shared edges from a face that looks along +z."""
    by_edge: dict[frozenset[int], list[int]] = {}
    for index, face in enumerate(faces):
        for edge in combinations(face.tolist(), 2):
            by_edge.setdefault(frozenset(edge), []).append(index)
    corners = points[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    start = int(np.argmax(np.abs(normals[:, 2])))
    turned = faces.copy()
    if normals[start, 2] < 0:
        turned[start] = turned[start][::-1]
    done, queue = {start}, [start]
    while queue:
        face = turned[queue.pop()]
        for a, b in zip(face, np.roll(face, -1)):
            for other in by_edge[frozenset((int(a), int(b)))]:
                if other in done:
                    continue
                row = turned[other].tolist()
                if row[(row.index(a) + 1) % 3] == b:  # same direction on a shared edge: opposite orientation
                    turned[other] = turned[other][::-1]
                done.add(other)
                queue.append(other)
    return turned


# The mirror image of iBUG point k is point IBUG68_TWIN[k].
IBUG68_TWIN = [*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1)]
IBUG68_TWIN += [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40, *range(54, 47, -1), *range(59, 54, -1)]
IBUG68_TWIN += [64, 63, 62, 61, 60, 67, 66, 65]


def mirror_map(points: np.ndarray) -> np.ndarray:
    """For each landmark its left-right twin, [468] int64: a mean face [468, 3] matched with its mirror image.

    The iBUG points, whose twins are known, say where the mirror stands.
    """
    from scipy.optimize import linear_sum_assignment

    image = points * [-1, 1, 1]
    ours, theirs = image[IBUG68], points[np.array(IBUG68)[IBUG68_TWIN]]
    u, _, vt = np.linalg.svd((ours - ours.mean(0)).T @ (theirs - theirs.mean(0)))
    image = (image - ours.mean(0)) @ (u @ vt) + theirs.mean(0)
    twin = linear_sum_assignment(((image[:, None] - points[None]) ** 2).sum(-1))[1]
    if not np.array_equal(twin[twin], np.arange(len(twin))):
        raise ValueError("the mean face is not symmetric enough to pair its left and right landmarks")
    return twin


def symmetric(faces: np.ndarray, points: np.ndarray, twin: np.ndarray) -> np.ndarray:
    """The right half's triangles and their mirror images, [852, 3]: Face Mesh splits 85 quads otherwise on the left."""
    centre = twin == np.arange(len(twin))
    side = np.where(centre, 0, np.sign(points[:, 0] - points[twin, 0])).astype(int)
    right = faces[(side[faces] <= 0).all(1)]
    return np.concatenate([right, twin[right][:, ::-1]])


def mirrored(row: list[int], twin: np.ndarray) -> list[int]:
    """The same row of landmarks on the other side."""
    return [int(twin[i]) for i in row]
