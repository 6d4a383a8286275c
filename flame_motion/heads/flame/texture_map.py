"""Texture coordinates of a FLAME head: the skin as a face-centred ellipse, each eyeball as a disc, all mirrored."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from ..head import Head
from .flatten import flattened
from .register import Registration, part_faces
from .surface import Mesh, adjacency, areas, ball_of, border_loops
from .topology import EYEBALLS, SKIN

CENTRE, HALF = np.array([0.5, 0.575]), np.array([0.49, 0.42])  # of the ellipse that the skin fills on the texture
FACE_SHARE = 4.0  # area of the face on the texture, of what its surface would get
SYMMETRY_ROUNDS = 8
EYE_SPOT, EYE_SIZE = np.array([0.435, 0.07]), 0.06  # of the discs the eyeballs fill: beside u = 0.5, half across


def texture_map(head: Head, found: Registration) -> tuple[np.ndarray, np.ndarray]:
    """uv [U, 2] and uv_faces [F, 3]: the skin as a face-centred ellipse, each eyeball as a disc; u -> 1 - u mirrors.

    No two faces of the skin overlap: a mean-value map onto a convex outline (Tutte 1963, Floater 2003), whose weights
    are taken where the built-in head's own map puts the same skin.
    """
    mesh = found.target
    skin = mesh.faces[(mesh.faces < SKIN).all(1)]
    uv = np.zeros((len(mesh.vertices), 2))
    uv[:SKIN] = _skin_map(head, found, skin)
    uv_faces = mesh.faces.copy()
    for name, index in EYEBALLS.items():
        centre, _ = ball_of(mesh.vertices[index])
        x, y, z = (mesh.vertices[index] - centre).T / np.linalg.norm(mesh.vertices[index] - centre, axis=1)
        spot = EYE_SPOT * [1 if name == "eye_left" else -1, 1] + [0.5, 0]
        equal_area = np.sqrt((1 - z) / 2) / np.hypot(x, y).clip(1e-9)
        uv[index] = spot + EYE_SIZE * equal_area[:, None] * np.stack([x, y], 1)
        # Behind an eyeball the disc's edge is one point: faces there, which are never seen, shrink to the edge.
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
    wanted = areas(points, faces) * np.append(_importance(head, found, count), np.ones(len(holes)))[faces].mean(1)
    away = (points[neck] - points[neck].mean(0)) * [1, 0, -1]  # chin below, back of the neck above
    outline = away[:, [0, 2]] / np.linalg.norm(away, axis=1, keepdims=True)
    uv = flattened(points, faces, wanted, neck, CENTRE + HALF * outline)[:count]
    return symmetric(uv, mirror_rows(head, found, skin), skin)


def _importance(head: Head, found: Registration, count: int) -> np.ndarray:
    """How much larger than its surface [count] a part of the skin is drawn: the face largest."""
    face = np.isin(found.on_source[0][:count], part_faces(head, ("face", "lips", "lids")))
    return np.where(face, FACE_SHARE, 1.0)


def symmetric(uv: np.ndarray, twin: sparse.csr_matrix, faces: np.ndarray) -> np.ndarray:
    """uv [M, 2] averaged with its mirror image, except around faces that would turn over (they stay as they are)."""
    mirrored = (uv + [1, 0] + (twin @ uv) * [-1, 1]) / 2
    near = adjacency(faces, len(uv)) + sparse.identity(len(uv))
    share = np.ones(len(uv))
    for _ in range(SYMMETRY_ROUNDS):
        result = uv + share[:, None] * (mirrored - uv)
        turned = faces[areas(result, faces, signed=True) * np.sign(areas(uv, faces, signed=True)) <= 0]
        if not len(turned):
            return result
        bad = np.zeros(len(uv))
        bad[turned] = 1
        share = np.minimum(share, 1 - np.minimum(near @ (near @ bad), 1)) * np.where(near @ bad > 0, 0, 1)
    return uv


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
