"""What a FLAME file lacks, computed from its own surface: landmarks, part labels, texture coordinates, eyelids.

The built-in head is registered to the file's template (`register`), and what it knows is carried over; see there.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from .errors import BadInput
from .heads import PARTS, Head
from .register import INSIDE, Mesh, Registration, adjacency, ball_of, border_loops, eye_opening, project, register

EYEBALLS = {"eye_left": np.arange(3931, 4477), "eye_right": np.arange(4477, 5023)}  # FLAME's vertices
CLOSING = 0.78  # where lids meet: this share of the way from the upper to the lower one
OVERLAP = np.radians(1.0)  # by which shut lids overlap
LID_REACH = 1.6  # radii of the eyeball around its centre within which a lid pulls at the skin
CLEAR = 0.0004  # m between a moving lid and the eyeball
CENTRE, HALF = np.array([0.5, 0.575]), np.array([0.49, 0.42])  # of the ellipse that the skin fills on the texture
FACE_SHARE = 4.0  # area of the face on the texture, of what its surface would get
AREA_ROUNDS, SYMMETRY_ROUNDS = 12, 8
EYE_SPOT, EYE_SIZE = np.array([0.435, 0.07]), 0.06  # of the discs the eyeballs fill: beside u = 0.5, half across


def completed(head: Head, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """`arrays` of a FLAME head with all that `Head` wants; `head`: the built-in one.

    On a template that is no head (a test's noise) landmarks are NaN and the lids move nothing.
    """
    vertices, faces = arrays["template"].astype(np.float64), arrays["faces"]
    try:
        found = register(head, vertices, faces, EYEBALLS)
    except BadInput:
        return {**arrays, **unknown(vertices, faces, arrays["weights"])}
    uv, uv_faces = texture_map(head, found)
    landmark = _places(head.landmark_faces.numpy(), head.landmark_bary.numpy(), found)
    places = [x.numpy() for x in head.mediapipe_places()]
    mediapipe = _places(places[0], places[1], found)
    return {
        **arrays,
        "uv": uv.astype(np.float32),
        "uv_faces": uv_faces,
        "part": part_labels(head, found),
        "eyelids": eyelid_shapes(found.target).astype(np.float32),
        "landmark_faces": landmark[0],
        "landmark_bary": landmark[1].astype(np.float32),
        "mediapipe_faces": np.where(places[0] < 0, -1, mediapipe[0]),
        "mediapipe_bary": mediapipe[1].astype(np.float32),
    }


def unknown(vertices: np.ndarray, faces: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """The same for vertices [N, 3] that are no head: eyeballs by their number, a cylinder for a texture map."""
    label = np.where(weights.argmax(1) == 0, PARTS.index("torso"), PARTS.index("face"))
    for name, index in EYEBALLS.items():
        label[index] = PARTS.index(name)
    angle = np.arctan2(vertices[:, 0], vertices[:, 2] - vertices[:, 2].mean()) / (2 * np.pi) + 0.5
    height = (vertices[:, 1] - vertices[:, 1].min()) / np.ptp(vertices[:, 1])
    return {
        "uv": np.stack([angle, height], 1).astype(np.float32),
        "uv_faces": faces,
        "part": label[faces[:, 0]],
        "eyelids": np.zeros((*vertices.shape, 2), np.float32),
        "landmark_faces": np.zeros(68, np.int64),
        "landmark_bary": np.full((68, 3), np.nan, np.float32),
    }


def _places(face: np.ndarray, bary: np.ndarray, found: Registration) -> tuple[np.ndarray, np.ndarray]:
    """Places on our mesh (face [K], bary [K, 3]) as places on the other."""
    corner = found.source.faces[face.clip(0), bary.argmax(1)]
    if not np.isin(bary, (0.0, 1.0)).all():
        raise ValueError("the built-in head's landmarks must be vertices")
    return found.on_target[0][corner], found.on_target[1][corner]


def part_labels(head: Head, found: Registration) -> np.ndarray:
    """Part [F] of each of their faces: that of ours where its middle lies."""
    part, mesh = head.part.numpy(), found.target
    allowed = np.nonzero(~np.isin(part, [PARTS.index(name) for name in INSIDE if name != "mouth"]))[0]
    ours = Mesh(found.source.vertices, found.source.faces[allowed])
    face, _ = ours.closest(mesh.vertices[mesh.faces].mean(1), mesh.face_normals)
    label = _smoothed(part[allowed[face]], mesh.faces)
    for name, index in EYEBALLS.items():
        label[np.isin(mesh.faces, index).all(1)] = PARTS.index(name)
    return label


def _smoothed(label: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Labels [F] after a few rounds in which each face joins the majority of itself and its neighbours."""
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1)
    _, edge = np.unique(edges, axis=0, return_inverse=True)
    touches = sparse.csr_matrix((np.ones(len(edge)), (np.tile(np.arange(len(faces)), 3), edge.ravel())))
    beside = (touches @ touches.T).tocsr()
    beside.setdiag(1.2)
    for _ in range(4):
        label = np.asarray(beside @ np.eye(len(PARTS))[label]).argmax(1)
    return label


def with_mouth_closed(head: Head) -> Head:
    """The head with a sheet of "mouth" across the hole behind its lips, over the same vertices.

    FLAME has neither teeth nor a throat, and through the hole one would see the inside of the skull. A head with teeth
    is returned as it is.
    """
    label, faces = head.part.numpy(), head.faces.numpy()
    if np.isin(label, [PARTS.index("teeth_upper"), PARTS.index("teeth_lower")]).any():
        return head
    inner = np.unique(faces[label == PARTS.index("mouth")])
    loops = [row for row in border_loops(faces) if np.isin(row, inner).all()]
    if not loops:
        return head
    sheet = np.concatenate([_strip(row, head.template.numpy()) for row in loops])
    uv_of = np.zeros(len(head.template), np.int64)
    uv_of[faces.ravel()] = head.uv_faces.numpy().ravel()
    part = torch.full((len(sheet),), PARTS.index("mouth"))
    return replace(
        head,
        faces=torch.cat([head.faces, torch.from_numpy(sheet)]),
        uv_faces=torch.cat([head.uv_faces, torch.from_numpy(uv_of[sheet])]),
        part=torch.cat([head.part, part]),
    )


def _strip(loop: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """Triangles [K - 2, 3] across a closed row [K], from one corner of the mouth to the other, turned as its mesh."""
    row = np.roll(loop, -int(vertices[loop, 0].argmin()))[::-1]
    fan = [(row[k], row[k + 1], row[-1 - k]) for k in range((len(row) - 1) // 2)]
    fan += [(row[k + 1], row[-2 - k], row[-1 - k]) for k in range((len(row) - 2) // 2)]
    return np.array([face for face in fan if len(set(face)) == 3], np.int64)


# -- eyelids -----------------------------------------------------------------------------------------------------------


def eyelid_shapes(mesh: Mesh) -> np.ndarray:
    """[N, 3, 2] m: what moves the left and the right lids until they meet, sliding over the eyeball."""
    skin = np.nonzero((mesh.faces < EYEBALLS["eye_left"][0]).all(1))[0]
    shapes = np.zeros((*mesh.vertices.shape, 2))
    for k, index in enumerate(EYEBALLS.values()):
        ball = np.nonzero(np.isin(mesh.faces, index).all(1))[0]
        shapes[..., k] = _lid_shape(mesh, skin, ball)
    return shapes


def _lid_shape(mesh: Mesh, skin: np.ndarray, ball: np.ndarray) -> np.ndarray:
    """One eye's lid shape [N, 3] m: the margins' way to where they meet, spread smoothly over the skin around."""
    centre, radius = ball_of(mesh.vertices[np.unique(mesh.faces[ball])])
    margin = eye_opening(mesh, skin, ball)
    wanted = shut_margin(margin - centre, radius) + centre - margin  # [2, C, 3]
    rows = point_rows(mesh, skin, margin.reshape(-1, 3))
    local = mesh.vertices - centre
    away = np.linalg.norm(local, axis=1)
    free = np.zeros(len(local), bool)
    free[np.unique(mesh.faces[skin])] = True
    free &= (away < LID_REACH * radius) & (local[:, 2] > -0.2 * radius)
    near = adjacency(mesh.faces, len(local))
    laplacian = (sparse.identity(len(local)) - sparse.diags(1 / np.asarray(near.sum(1)).ravel()) @ near).tocsr()
    bend = laplacian[:, free]
    pick = rows[:, free]
    system = bend.T @ bend + 100.0 * pick.T @ pick + 1e-6 * sparse.identity(int(free.sum()))
    shift = np.zeros_like(local)
    shift[free] = splu(system.tocsc()).solve(100.0 * pick.T @ wanted.reshape(-1, 3))
    floor = np.minimum(radius + CLEAR, away)  # what lies deeper at rest may stay there
    for _round in range(3):
        for share in (0.25, 0.5, 0.75, 1.0):
            moved = local + share * shift
            now = np.linalg.norm(moved, axis=1)
            low = free & (now < floor)
            shift[low] += (floor[low] / now[low] - 1)[:, None] * moved[low] / share
    return shift


def shut_margin(margin: np.ndarray, radius: float) -> np.ndarray:
    """Where both lid margins [2, C, 3] m, seen from the eyeball's centre, lie when they meet: turned about x.

    Each point keeps its distance from the eyeball, unless that is less than CLEAR.
    """
    angle = np.arctan2(margin[..., 1], margin[..., 2])
    close = CLOSING * angle[1] + (1 - CLOSING) * angle[0] + np.array([[-OVERLAP], [OVERLAP]]) / 2
    reach = np.hypot(margin[..., 1], margin[..., 2])
    reach = np.maximum(reach, np.sqrt(np.maximum((radius + CLEAR) ** 2 - margin[..., 0] ** 2, 0)))
    return np.stack([margin[..., 0], reach * np.sin(close), reach * np.cos(close)], -1)


def point_rows(mesh: Mesh, chosen: np.ndarray, points: np.ndarray) -> sparse.csr_matrix:
    """[K, N]: points [K, 3] m on the chosen faces as means of vertices."""
    middles = mesh.vertices[mesh.faces[chosen]].mean(1)
    near = chosen[np.asarray(cKDTree(middles).query(points, k=12)[1])]
    triangles = mesh.vertices[mesh.faces[near]]
    bary = project(points[:, None], triangles)
    best = np.linalg.norm((bary[..., None] * triangles).sum(2) - points[:, None], axis=-1).argmin(1)
    row = np.arange(len(points))
    place = (np.repeat(row, 3), mesh.faces[near[row, best]].ravel())
    return sparse.csr_matrix((bary[row, best].ravel(), place), (len(points), len(mesh.vertices)))


# -- texture coordinates -----------------------------------------------------------------------------------------------


def texture_map(head: Head, found: Registration) -> tuple[np.ndarray, np.ndarray]:
    """uv [U, 2] and uv_faces [F, 3]: the skin as a face-centred ellipse, each eyeball as a disc; u -> 1 - u mirrors.

    No two faces of the skin overlap: a mean-value map onto a convex outline (Tutte 1963, Floater 2003), whose weights
    are taken where the built-in head's own map puts the same skin.
    """
    mesh = found.target
    skin = mesh.faces[(mesh.faces < EYEBALLS["eye_left"][0]).all(1)]
    uv = np.zeros((len(mesh.vertices), 2))
    uv[: EYEBALLS["eye_left"][0]] = _skin_map(head, found, skin)
    uv_faces = mesh.faces.copy()
    for name, index in EYEBALLS.items():
        centre, _ = ball_of(mesh.vertices[index])
        x, y, z = (mesh.vertices[index] - centre).T / np.linalg.norm(mesh.vertices[index] - centre, axis=1)
        spot = EYE_SPOT * [1 if name == "eye_left" else -1, 1] + [0.5, 0]
        equal_area = np.sqrt((1 - z) / 2) / np.hypot(x, y).clip(1e-9)
        uv[index] = spot + EYE_SIZE * equal_area[:, None] * np.stack([x, y], 1)
        # Behind an eyeball the disc's edge is one point: faces there, which nobody sees, shrink to the edge.
        behind = np.isin(mesh.faces, index[z < -0.9]).any(1)
        uv_faces[behind] = index[z.argmin()]
    return uv, uv_faces


def _skin_map(head: Head, found: Registration, skin: np.ndarray) -> np.ndarray:
    """uv [M, 2] of the skin's vertices: mapped without overlap, then made as symmetric as that allows."""
    mesh, count = found.target, int(skin.max()) + 1
    loops = border_loops(skin)
    neck = min(loops, key=lambda row: float(mesh.vertices[row, 1].mean()))
    holes = [row for row in loops if row is not neck]
    fans = [np.stack([np.roll(row, -1), row, np.full(len(row), count + k)], 1) for k, row in enumerate(holes)]
    faces = np.concatenate([skin, *fans])
    points = np.concatenate([mesh.vertices[:count], *(mesh.vertices[row].mean(0)[None] for row in holes)])
    wanted = _areas(points, faces) * np.append(_importance(head, found, count), np.ones(len(holes)))[faces].mean(1)
    away = (points[neck] - points[neck].mean(0)) * [1, 0, -1]  # chin below, back of the neck above
    outline = away[:, [0, 2]] / np.linalg.norm(away, axis=1, keepdims=True)
    uv = tutte(points, faces, wanted, neck, CENTRE + HALF * outline)[:count]
    return symmetric(uv, mirror_rows(head, found, skin), skin)


def _importance(head: Head, found: Registration, count: int) -> np.ndarray:
    """How much larger than its surface [count] a part of the skin is drawn: the face largest."""
    part = head.part.numpy()[found.on_source[0][:count]]
    return np.where(np.isin(part, [PARTS.index(name) for name in ("face", "lips", "lids")]), FACE_SHARE, 1.0)


def symmetric(uv: np.ndarray, twin: sparse.csr_matrix, faces: np.ndarray) -> np.ndarray:
    """uv [M, 2] averaged with its mirror image, except around faces that would turn over (they stay as they are)."""
    mirrored = (uv + [1, 0] + (twin @ uv) * [-1, 1]) / 2
    near = adjacency(faces, len(uv)) + sparse.identity(len(uv))
    share = np.ones(len(uv))
    for _ in range(SYMMETRY_ROUNDS):
        result = uv + share[:, None] * (mirrored - uv)
        turned = faces[_areas(result, faces, signed=True) * np.sign(_areas(uv, faces, signed=True)) <= 0]
        if not len(turned):
            return result
        bad = np.zeros(len(uv))
        bad[turned] = 1
        share = np.minimum(share, 1 - np.minimum(near @ (near @ bad), 1)) * np.where(near @ bad > 0, 0, 1)
    return uv


def _areas(points: np.ndarray, faces: np.ndarray, signed: bool = False) -> np.ndarray:
    """Area [F] of triangles in space or, with a sign where that is asked for, in the plane."""
    a, b, c = (points[faces[:, k]] for k in range(3))
    turned = np.cross(b - a, c - a)
    return turned / 2 if signed else np.linalg.norm(turned.reshape(len(faces), -1), axis=1) / 2


def mirror_rows(head: Head, found: Registration, skin: np.ndarray) -> sparse.csr_matrix:
    """[M, M]: the mirror image of each vertex of the skin as a mean of others, found through our symmetric head."""
    count = int(skin.max()) + 1
    place, bary = (x[:count] for x in found.on_source)
    ours = Mesh(head.template.double().numpy(), head.faces.numpy())
    other, share = ours.closest(ours.at(place, bary) * [-1, 1, 1], ours.face_normals[place] * [-1, 1, 1])
    surface = Mesh(found.target.vertices, skin)
    face, bary = surface.closest(found.source.at(other, share), found.source.face_normals[other])
    row = np.repeat(np.arange(count), 3)
    return sparse.csr_matrix((bary.ravel(), (row, skin[face].ravel())), (count, count))


def _carried_map(head: Head, found: Registration, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Our uv [count, 2] and where it is to be kept [count]: on the face. Zero beyond the skin's vertices."""
    skin = EYEBALLS["eye_left"][0]
    place, bary = (x[:skin] for x in found.on_source)
    uv, known = np.zeros((count, 2)), np.zeros(count, bool)
    uv[:skin] = (head.uv.numpy()[head.uv_faces.numpy()[place]] * bary[..., None]).sum(1)
    known[:skin] = np.isin(head.part.numpy()[place], [PARTS.index(name) for name in ("face", "lips", "lids")])
    return uv, known


def tutte(
    points: np.ndarray, faces: np.ndarray, wanted: np.ndarray, border: np.ndarray, places: np.ndarray
) -> np.ndarray:
    """A map [M, 2] without overlap, triangles nearly of the wanted areas [F], the border at places on a convex curve.

    Every round is a mean-value map and so without overlap; between rounds, edges of vertices that came out too small
    are loosened (Yoshizawa, Belyaev and Seidel 2004).
    """
    weights = mean_value_weights(points, faces)
    inside = np.setdiff1d(np.arange(len(points)), border)
    result = np.zeros((len(points), 2))
    result[border] = places
    around = sparse.csr_matrix(
        (np.ones(faces.size), (faces.ravel(), np.repeat(np.arange(len(faces)), 3))), (len(points), len(faces))
    )
    for _ in range(AREA_ROUNDS):
        weights = sparse.diags(1 / np.asarray(weights.sum(1)).ravel()) @ weights
        system = (sparse.identity(len(points)) - weights).tocsr()[inside]
        result[inside] = splu(system[:, inside].tocsc()).solve(-(system[:, border] @ places))
        small = (around @ wanted) / (around @ _areas(result, faces)).clip(1e-12)
        weights = weights @ sparse.diags((small / np.median(small)).clip(1e-3, 1e3) ** -0.25)
    return result


def mean_value_weights(points: np.ndarray, faces: np.ndarray) -> sparse.csr_matrix:
    """Rows [M, M] of positive weights that sum to 1: each point as a mean of its neighbours (Floater 2003)."""
    rows, columns, weights = [], [], []
    for k in range(3):
        i, j, m = faces[:, k], faces[:, k - 2], faces[:, k - 1]
        to_j, to_m = points[j] - points[i], points[m] - points[i]
        long_j, long_m = (np.linalg.norm(x, axis=1).clip(1e-6) for x in (to_j, to_m))
        half = np.tan(0.5 * np.arccos(np.clip((to_j * to_m).sum(1) / (long_j * long_m), -0.999, 0.999)))
        rows += [i, i]
        columns += [j, m]
        weights += [half / long_j, half / long_m]
    matrix = sparse.csr_matrix(
        (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))), (len(points), len(points))
    )
    return (sparse.diags(1 / np.asarray(matrix.sum(1)).ravel().clip(1e-12)) @ matrix).tocsr()
