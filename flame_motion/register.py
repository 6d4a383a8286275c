"""Registration: lays the built-in head over a mesh of FLAME's topology, so that what we know of one holds for both.

A FLAME file says nothing about landmarks, parts, texture or eyelids. The built-in head's skin is moved onto the file's
own surface: first by a similarity, then by a smooth displacement that follows features found on both in the same way
(eye openings, the parting of the lips, nose tip) and closest points with like normals (non-rigid ICP, Amberg et al.
2007, with a Laplacian of the displacement for stiffness). All lengths m.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from .errors import BadInput
from .heads import PARTS, Head

NORMAL = 0.012  # m that two surfaces a right angle apart count as being distant, while they still are apart
FITTED_NORMAL = 0.003  # m, when they have been laid over each other
STEP = 0.00025  # m, side of the cells in which the front view of eyes and mouth is looked at
INNER_UPPER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)  # landmarks, right corner to left
INNER_LOWER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
NOSE_TIP = 4
INSIDE = ("mouth", "teeth_upper", "teeth_lower", "tongue", "eye_left", "eye_right")
BALLS = ("eye_left", "eye_right")
FEATURE_WEIGHT = 20.0  # of a feature, in closest points
COLUMNS = 21  # places along each lid and along each lip
MEMBRANE = 0.3  # share of first-order smoothness: without it a displacement runs away where nothing holds it
ROUNDS = ((30.0, 0.03), (30.0, 0.02), (10.0, 0.02), (10.0, 0.015), (3.0, 0.010), (3.0, 0.010), (1.0, 0.006),
          (1.0, 0.006), (0.3, 0.005), (0.3, 0.005))  # stiffness, farthest closest point m  # fmt: skip


@dataclass(frozen=True)
class Mesh:
    """A surface that can be asked for closest points."""

    vertices: np.ndarray  # [N, 3] m
    faces: np.ndarray  # [F, 3]

    @property
    def face_normals(self) -> np.ndarray:
        """Unit normals [F, 3]."""
        a, b, c = (self.vertices[self.faces[:, k]] for k in range(3))
        return _unit(np.cross(b - a, c - a))

    def normals(self) -> np.ndarray:
        """Unit vertex normals [N, 3], weighted by area."""
        a, b, c = (self.vertices[self.faces[:, k]] for k in range(3))
        sums = np.zeros_like(self.vertices)
        for k in range(3):
            np.add.at(sums, self.faces[:, k], np.cross(b - a, c - a))
        return _unit(sums)

    def closest(
        self, points: np.ndarray, normals: np.ndarray, turn: float = NORMAL, candidates: int = 8
    ) -> tuple[np.ndarray, np.ndarray]:
        """Face [M] and barycentric place [M, 3] of the closest point whose normal is alike. points, normals [M, 3].

        turn: m that two surfaces a right angle apart count as being distant.
        """
        tree = cKDTree(np.hstack([self.vertices[self.faces].mean(1), turn * self.face_normals]))
        near = np.asarray(tree.query(np.hstack([points, turn * normals]), k=candidates)[1])
        bary = project(points[:, None], self.vertices[self.faces[near]])  # [M, k, 3]
        found = (bary[..., None] * self.vertices[self.faces[near]]).sum(2)
        unlike = turn * np.linalg.norm(self.face_normals[near] - normals[:, None], axis=-1)
        best = (np.linalg.norm(found - points[:, None], axis=-1) ** 2 + unlike**2).argmin(1)
        rows = np.arange(len(points))
        return near[rows, best], bary[rows, best]

    def at(self, face: np.ndarray, bary: np.ndarray) -> np.ndarray:
        """The points [M, 3] at places on the surface."""
        return (self.vertices[self.faces[face]] * bary[..., None]).sum(1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True).clip(1e-12)


def project(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Barycentric coordinates [..., 3] of the point of each triangle [..., 3, 3] closest to points [..., 3].

    Exact: the foot of the perpendicular where it falls inside, otherwise the best point of the three edges.
    """
    a, b, c = triangles[..., 0, :], triangles[..., 1, :], triangles[..., 2, :]
    p, u, v = points - a, b - a, c - a
    uu, uv, vv = (u * u).sum(-1), (u * v).sum(-1), (v * v).sum(-1)
    pu, pv = (p * u).sum(-1), (p * v).sum(-1)
    area = (uu * vv - uv**2).clip(1e-30)
    second, third = (vv * pu - uv * pv) / area, (uu * pv - uv * pu) / area
    inside = np.stack([1 - second - third, second, third], -1)
    options = [np.where((inside >= 0).all(-1, keepdims=True), inside, np.nan)]
    for i, j in ((0, 1), (1, 2), (2, 0)):
        start, along = triangles[..., i, :], triangles[..., j, :] - triangles[..., i, :]
        share = (((points - start) * along).sum(-1) / (along**2).sum(-1).clip(1e-30)).clip(0, 1)
        edge = np.zeros(inside.shape)
        edge[..., i], edge[..., j] = 1 - share, share
        options.append(edge)
    every = np.stack(options, -2)  # [..., 4, 3]
    found = (every[..., None] * triangles[..., None, :, :]).sum(-2)
    distance = ((found - points[..., None, :]) ** 2).sum(-1)
    best = np.where(np.isnan(distance), np.inf, distance).argmin(-1)
    return np.take_along_axis(every, best[..., None, None], -2)[..., 0, :]


# -- features ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class View:
    """What a look from the front (along -z) at a window shows, cell by cell; x grows with columns, y with rows."""

    face: np.ndarray  # [H, W], -1 where there is nothing
    points: np.ndarray  # [H, W, 3] m


def front_view(mesh: Mesh, chosen: np.ndarray, low: np.ndarray, high: np.ndarray) -> View:
    """The chosen faces seen from the front through a window from `low` [2] to `high` [2] m, in cells of STEP."""
    x, y = (np.arange(a, b, STEP) for a, b in zip(low, high))
    depth, face = np.full((len(y), len(x)), -np.inf), np.full((len(y), len(x)), -1)
    corners = mesh.vertices[mesh.faces]
    least, most = corners[..., :2].min(1), corners[..., :2].max(1)
    for f in chosen[((most[chosen] > low) & (least[chosen] < high)).all(1)]:
        (c0, r0), (c1, r1) = (np.ceil((least[f] - low) / STEP).astype(int).clip(0),
                              np.floor((most[f] - low) / STEP).astype(int) + 1)  # fmt: skip
        px, py = x[None, c0:c1], y[r0:r1, None]
        a, b, c = corners[f]
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if abs(area) < 1e-14 or not px.size or not py.size:
            continue
        w2 = ((b[0] - a[0]) * (py - a[1]) - (b[1] - a[1]) * (px - a[0])) / area
        w1 = ((px - a[0]) * (c[1] - a[1]) - (py - a[1]) * (c[0] - a[0])) / area
        z = a[2] + w1 * (b[2] - a[2]) + w2 * (c[2] - a[2])
        window = depth[r0:r1, c0:c1]
        nearer = (w1 >= 0) & (w2 >= 0) & (w1 + w2 <= 1) & (z > window)
        window[nearer] = z[nearer]
        face[r0:r1, c0:c1][nearer] = f
    grid = np.broadcast_arrays(x[None], y[:, None])
    return View(face, np.stack([*grid, depth], -1))


def eye_opening(mesh: Mesh, skin: np.ndarray, ball: np.ndarray) -> np.ndarray:
    """The edge of the lids around the visible part of an eyeball: [2, COLUMNS, 3] m, upper and lower, by growing x.

    skin and ball: face indices. The first and the last column are the corners.
    """
    eye = mesh.vertices[np.unique(mesh.faces[ball])]
    low, high = eye[:, :2].min(0) - 0.006, eye[:, :2].max(0) + 0.006
    lids, white = front_view(mesh, skin, low, high), front_view(mesh, ball, low, high)
    shown, _ = ndimage.label(white.points[..., 2] > lids.points[..., 2])
    opening = shown == np.bincount(shown[shown > 0]).argmax()
    columns = np.nonzero(opening.any(0))[0]
    rows = np.arange(len(opening))[:, None]
    top = np.where(opening, rows, -1).max(0)[columns] + 1
    bottom = np.where(opening, rows, len(opening)).min(0)[columns] - 1
    return np.stack([_evenly(lids.points[row, columns]) for row in (top, bottom)])


def lip_parting(mesh: Mesh, skin: np.ndarray, mouth: np.ndarray) -> np.ndarray:
    """Where closed lips touch, seen from the front: [2, COLUMNS, 3] m on the upper and the lower lip, by growing x.

    Cells above each other that show skin far apart on the mesh. mouth [K, 3] m: the border of the mouth's opening.
    """
    low = mouth[:, :2].min(0) - [0.008, 0.012]
    high = mouth[:, :2].max(0) + [0.008, 0.012]
    view = front_view(mesh, skin, low, high)
    near = _neighbourhood(mesh.faces, len(mesh.vertices), rings=2)
    upper, lower = view.face[1:], view.face[:-1]
    a, b = mesh.faces[upper][..., 0], mesh.faces[lower][..., 0]
    apart = np.asarray(near[a.ravel(), b.ravel()]).reshape(a.shape) == 0
    apart &= (upper >= 0) & (lower >= 0)
    label, _ = ndimage.label(ndimage.binary_dilation(apart, np.ones((3, 5), bool)))
    line = apart & (label == np.bincount(label[apart]).argmax())
    columns = np.nonzero(line.any(0))[0]
    row = (line * np.arange(len(line))[:, None]).sum(0)[columns] // line.sum(0)[columns]
    return np.stack([_evenly(view.points[r, columns]) for r in (row + 1, row)])


def _neighbourhood(faces: np.ndarray, count: int, rings: int) -> sparse.csr_matrix:
    """Which vertices [N, N] are at most so many edges apart."""
    near = adjacency(faces, count) + sparse.identity(count)
    reach = near
    for _ in range(rings - 1):
        reach = reach @ near
    return reach.tocsr()


def _evenly(row: np.ndarray) -> np.ndarray:
    """COLUMNS points [COLUMNS, 3], evenly spread by x over a row of points [K, 3] sorted by x."""
    return np.stack([np.interp(np.linspace(row[0, 0], row[-1, 0], COLUMNS), row[:, 0], row[:, k]) for k in range(3)], 1)


def adjacency(faces: np.ndarray, count: int) -> sparse.csr_matrix:
    """[N, N], 1 where two vertices share an edge."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    one_way = sparse.coo_matrix((np.ones(len(edges)), edges.T), (count, count))
    return ((one_way + one_way.T) > 0).astype(float).tocsr()


def border_loops(faces: np.ndarray) -> list[np.ndarray]:
    """The mesh's borders as closed rows of vertices."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).tolist()
    known = {(a, b) for a, b in edges}
    following = {a: b for a, b in known if (b, a) not in known}
    loops = []
    while following:
        row = [next(iter(following))]
        while (step := following.pop(row[-1], None)) is not None and step != row[0]:
            row.append(step)
        loops.append(np.array(row))
    return loops


# -- the registration --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Registration:
    """Which places of the built-in head and of another mesh are the same."""

    source: Mesh  # the built-in head, moved onto the other: vertices [N, 3] m
    target: Mesh
    scale: float  # size of the other head, of the built-in one's
    on_target: tuple[np.ndarray, np.ndarray]  # place of each of our vertices: face [N], bary [N, 3]
    on_source: tuple[np.ndarray, np.ndarray]  # place of each of theirs on our mesh: face [M], bary [M, 3]

    def transfer(self, values: np.ndarray) -> np.ndarray:
        """Values [N, ...] at our vertices as values [M, ...] at theirs."""
        face, bary = self.on_source
        return np.einsum("mk,mk...->m...", bary, values[self.source.faces[face]])


def register(head: Head, vertices: np.ndarray, faces: np.ndarray, balls: dict[str, np.ndarray]) -> Registration:
    """Lay `head` over a mesh [M, 3] m, [F, 3]; balls: the vertices of its eyeballs by part name, the rest is skin."""
    ours = Mesh(head.template.double().numpy(), head.faces.numpy())
    part = head.part.numpy()
    theirs = Mesh(vertices.astype(np.float64), faces)
    _check_head(theirs, balls)
    eyes = {name: np.isin(faces, rows).all(1) for name, rows in balls.items()}
    skin = np.nonzero(~np.logical_or.reduce(list(eyes.values())))[0]
    pairs = [(np.nonzero(part == PARTS.index(name))[0], np.nonzero(eyes[name])[0]) for name in BALLS]
    scale, rotation, shift = _similarity(head, ours, theirs, pairs, skin)
    moved = Mesh(scale * ours.vertices @ rotation.T + shift, ours.faces)
    outer = _before_eyes(theirs, skin, pairs)
    fitted = Mesh(_fit(head, moved, theirs, skin, outer, pairs), ours.faces)
    return Registration(
        fitted, theirs, scale, _match(fitted, theirs, outer, pairs), _match_back(fitted, theirs, part, pairs)
    )


def _before_eyes(mesh: Mesh, skin: np.ndarray, pairs: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """The skin's faces without those inside an eyeball: FLAME's sockets run through them, where nobody sees it."""
    middle = mesh.vertices[mesh.faces[skin]].mean(1)
    inside = np.zeros(len(skin), bool)
    for _, other in pairs:
        centre, radius = ball_of(mesh.vertices[np.unique(mesh.faces[other])])
        inside |= np.linalg.norm(middle - centre, axis=1) < radius
    return skin[~inside]


def _check_head(mesh: Mesh, balls: dict[str, np.ndarray]) -> None:
    """BadInput unless the eyeballs are balls, side by side and apart from the skin: all else starts from them."""
    middles = []
    for name, rows in balls.items():
        own = np.isin(mesh.faces, rows)
        middles.append(ball_of(mesh.vertices[rows])[0])
        radius = np.linalg.norm(mesh.vertices[rows] - middles[-1], axis=1)
        if (own.any(1) != own.all(1)).any() or not radius.std() < 0.1 * radius.mean():
            raise BadInput(f"the {len(rows)} vertices of {name} are expected to be a ball of its own, and are none")
    apart = middles[0] - middles[1]
    if not apart[0] > 2 * np.abs(apart[1:]).max() or not 0.02 < apart[0] < 0.2:
        raise BadInput(f"the left eye is expected about 0.06 m along +x from the right one, got {apart.round(3)} m")


def _similarity(
    head: Head, ours: Mesh, theirs: Mesh, pairs: list[tuple[np.ndarray, np.ndarray]], skin: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Scale, rotation [3, 3] and shift [3] that bring our eyes, nose tip, crown and back to theirs (Umeyama 1991)."""
    own_skin = ours.faces[np.isin(head.part.numpy(), [PARTS.index(name) for name in ("face", "scalp")])]
    a = [_middle(ours, own) for own, _ in pairs] + [ours.vertices[_landmark(head, NOSE_TIP)]]
    b = [_middle(theirs, other) for _, other in pairs] + [_nose_tip(theirs, skin, pairs)]
    a += _extremes(ours.vertices[np.unique(own_skin)], a[0][1])
    b += _extremes(theirs.vertices[np.unique(theirs.faces[skin])], b[0][1])
    p, q = np.array(a), np.array(b)
    p0, q0 = p - p.mean(0), q - q.mean(0)
    u, s, vt = np.linalg.svd(q0.T @ p0)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation, scale = (u * sign) @ vt, float((s * sign).sum() / (p0**2).sum())
    return scale, rotation, q.mean(0) - scale * rotation @ p.mean(0)


def _extremes(points: np.ndarray, level: float) -> list[np.ndarray]:
    """Crown and back of a skull [K, 3] in its middle plane: how high it is, and how far back above the eyes' level."""
    above = points[points[:, 1] > level]
    low, high = above.min(0), above.max(0)
    middle = (low + high) / 2
    return [np.array([middle[0], high[1], middle[2]]), np.array([middle[0], middle[1], low[2]])]


def _landmark(head: Head, landmark: int) -> int:
    return int(head.mediapipe[landmark])  # type: ignore[index]


def ball_of(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Centre [3] and radius m of the sphere nearest to points [K, 3] (linear least squares)."""
    solution = np.linalg.lstsq(np.c_[2 * points, np.ones(len(points))], (points**2).sum(1), rcond=None)[0]
    return solution[:3], float(np.sqrt(solution[3] + solution[:3] @ solution[:3]))


def _middle(mesh: Mesh, faces: np.ndarray) -> np.ndarray:
    return ball_of(mesh.vertices[np.unique(mesh.faces[faces])])[0]


def _nose_tip(mesh: Mesh, skin: np.ndarray, pairs: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """The skin's foremost point between the eyes."""
    left, right = (_middle(mesh, other) for _, other in pairs)
    points = mesh.vertices[np.unique(mesh.faces[skin])]
    apart = np.linalg.norm(left - right)
    between = np.abs(points[:, 0] - (left + right)[0] / 2) < 0.3 * apart
    below = np.abs(points[:, 1] - (left + right)[1] / 2 + 0.6 * apart) < 0.6 * apart
    chosen = points[between & below]
    return chosen[chosen[:, 2].argmax()]


def _features(
    head: Head, moved: Mesh, theirs: Mesh, skin: np.ndarray, pairs: list[tuple[np.ndarray, np.ndarray]]
) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Rows [K, N] that pick points of our mesh, and where they belong [K, 3] m on the other."""
    part = head.part.numpy()
    own_skin = np.nonzero(~np.isin(part, [PARTS.index(name) for name in INSIDE]))[0]
    here, there = [], []
    for own, other in pairs:
        here.append(eye_opening(moved, own_skin, own).reshape(-1, 3))
        there.append(eye_opening(theirs, skin, other).reshape(-1, 3))
    loops = border_loops(theirs.faces[skin])
    eyes = np.mean([_middle(theirs, other) for _, other in pairs], 0)
    mouth = min(loops, key=lambda row: float(np.linalg.norm(theirs.vertices[row].mean(0) - eyes)))
    lips = lip_parting(theirs, skin, theirs.vertices[mouth])
    rows = [np.array([_landmark(head, k) for k in row]) for row in (INNER_UPPER, INNER_LOWER)]
    places = [_along(moved.vertices[row], lip) for row, lip in zip(rows, lips)]
    points = np.concatenate(here)
    tree = cKDTree(moved.vertices[moved.faces[own_skin]].mean(1))
    face = own_skin[np.asarray(tree.query(points, k=12)[1])]
    bary = project(points[:, None], moved.vertices[moved.faces[face]])
    off = np.linalg.norm((bary[..., None] * moved.vertices[moved.faces[face]]).sum(2) - points[:, None], axis=-1)
    best = (np.arange(len(points)), off.argmin(1))
    vertex = np.concatenate([moved.faces[face[best]].ravel(), *rows, [_landmark(head, NOSE_TIP)]])
    weight = np.concatenate([bary[best].ravel(), np.ones(sum(map(len, rows)) + 1)])
    row = np.concatenate([np.repeat(np.arange(len(points)), 3), len(points) + np.arange(len(weight) - 3 * len(points))])
    goal = np.concatenate([*there, *places, _nose_tip(theirs, skin, pairs)[None]])
    return sparse.csr_matrix((weight, (row, vertex)), (len(goal), len(moved.vertices))), goal


def _along(row: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Points of a line [C, 3] at the shares of its width at which those of a row [K, 3] stand in theirs."""
    share = (row[:, 0] - row[0, 0]) / (row[-1, 0] - row[0, 0])
    return np.stack([np.interp(share, np.linspace(0, 1, len(line)), line[:, k]) for k in range(3)], 1)


def _fit(
    head: Head,
    moved: Mesh,
    theirs: Mesh,
    skin: np.ndarray,
    outer: np.ndarray,
    pairs: list[tuple[np.ndarray, np.ndarray]],
) -> np.ndarray:
    """Our vertices [N, 3] m moved smoothly onto the other skin; eyeballs go as a whole, what is inside follows.

    skin: their faces that are no eyeball; outer: those of them that ours are drawn to.
    """
    pick, goal = _features(head, moved, theirs, skin, pairs)
    near = adjacency(moved.faces, len(moved.vertices))
    laplacian = sparse.diags(np.asarray(near.sum(1)).ravel()) - near
    stiff = laplacian.T @ laplacian + MEMBRANE * laplacian
    outside = _outside(head)
    surface = Mesh(theirs.vertices, theirs.faces[outer])
    border = np.isin(surface.faces, np.concatenate(border_loops(theirs.faces[skin])))
    features = FEATURE_WEIGHT * pick.T
    result = moved.vertices
    for stiffness, farthest in ROUNDS:
        weight, found = _pulls(Mesh(result, moved.faces), outside, surface, border, farthest)
        system = stiffness * stiff + sparse.diags(weight + 1e-4) + features @ pick
        right = weight[:, None] * (found - moved.vertices) + features @ (goal - pick @ moved.vertices)
        result = moved.vertices + splu(system.tocsc()).solve(right)
    for own, other in pairs:
        rows = np.unique(moved.faces[own])
        result[rows] = moved.vertices[rows] + _middle(theirs, other) - _middle(moved, own)
    return result


def _pulls(
    now: Mesh, outside: np.ndarray, surface: Mesh, border: np.ndarray, farthest: float
) -> tuple[np.ndarray, np.ndarray]:
    """Which of our vertices have a closest point to go to [N] (1 or 0), and which [N, 3] m.

    None when it is too far, faces elsewhere, or lies on the other's border (`border` [F, 3]: corners that do).
    """
    normals = now.normals()[outside]
    face, bary = surface.closest(now.vertices[outside], normals)
    found = now.vertices.copy()
    found[outside] = surface.at(face, bary)
    like = (surface.face_normals[face] * normals).sum(1) > 0.5
    beyond = (border[face] & (bary > 0.0)).any(1)
    near = np.linalg.norm(found[outside] - now.vertices[outside], axis=1) < farthest
    weight = np.zeros(len(now.vertices))
    weight[outside] = like & near & ~beyond
    return weight, found


def _outside(head: Head) -> np.ndarray:
    """Our vertices that belong to the skin one can touch."""
    inside = np.isin(head.part.numpy(), [PARTS.index(name) for name in INSIDE])
    return np.setdiff1d(head.faces[~inside].unique().numpy(), head.faces[inside].unique().numpy())


def _match(
    fitted: Mesh, theirs: Mesh, skin: np.ndarray, pairs: list[tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """Place on the other mesh of each of our vertices: skin on skin, eyeballs by direction from their centres."""
    normals = fitted.normals()
    surface = Mesh(theirs.vertices, theirs.faces[skin])
    face, bary = surface.closest(fitted.vertices, normals, FITTED_NORMAL, candidates=24)
    face = skin[face]
    for own, other in pairs:
        rows = np.unique(fitted.faces[own])
        face[rows], bary[rows] = _on_ball(fitted.vertices[rows] - _middle(fitted, own), theirs, other)
    return face, bary


def _match_back(
    fitted: Mesh, theirs: Mesh, part: np.ndarray, pairs: list[tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """Place on our mesh of each of their vertices: skin on anything but eyes, teeth and tongue; eyeball on eyeball."""
    own_skin = np.nonzero(~np.isin(part, [PARTS.index(name) for name in INSIDE if name != "mouth"]))[0]
    surface = Mesh(fitted.vertices, fitted.faces[own_skin])
    normals = theirs.normals()
    face, bary = surface.closest(theirs.vertices, normals)
    face = own_skin[face]
    for own, other in pairs:
        rows = np.unique(theirs.faces[other])
        face[rows], bary[rows] = _on_ball(theirs.vertices[rows] - _middle(theirs, other), fitted, own)
    return face, bary


def _on_ball(directions: np.ndarray, mesh: Mesh, ball: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places on an eyeball in directions [M, 3] from its middle."""
    centre = _middle(mesh, ball)
    round_ = Mesh(_unit(mesh.vertices - centre), mesh.faces[ball])
    unit = _unit(directions)
    face, bary = round_.closest(unit, unit)
    return ball[face], bary
