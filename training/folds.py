"""`flamecast prepare folds`: what the light on skin does as each axis of expression moves it.

The built-in head is too coarse for folds. ICT-FaceKit's face shows them: for each expression that both know, how its
surface is lit is taken as a number a vertex, the change from its neutral face is kept (the logarithm of the light,
without what spreads wider than folds), and taken over to the head, which is laid over it. Nothing is random.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

from ..core.easing import smoothstep
from ..core.files import PathLike, atomic_path, existing_file
from ..core.npz import save_arrays
from ..core.report import Done
from ..core.threads import one_torch_thread
from ..flame_motion import BadInput, Head, Progress, load_head
from ..flame_motion.heads.flame.register import BALLS, part_faces, register
from ..flame_motion.heads.flame.surface import Mesh
from ..generator.warp.folds import STEP

NEUTRAL = "generic_neutral_mesh"
SKIN, SOCKETS = range(11248), range(13294, 14062)  # ICT-FaceKit's vertices: face, head and neck; behind the eyeballs
EYES = range(21451, 22221), range(23021, 23791)  # of its scleras
AJAR = 0.03  # of jawOpen, by which its lips are open at rest: one would look through them at the back of the skull
FOLDING = (  # axes of ours by which skin folds; those of speech made drawn clips less like the real ones
    "browDown", "browInnerUp", "browOuterUp", "cheekSquint", "eyeSquint", "noseSneer", "mouthSmile", "mouthDimple",
    "mouthFrown",
)  # fmt: skip
ALSO = {"cheekSquint": "cheekRaiser"}  # what a cheek does that ours has no axis for
CM, SAME = 0.01, 1e-5  # m; and what lies nearer is one place

LIGHTS = np.array([[0, 0.55, 0.85], [0.5, 0.45, 0.75], [-0.5, 0.45, 0.75], [0, 0.8, 0.6]])  # soft ones, from there
AMBIENT = 0.35
HOLLOWS = ((0.003, 120.0), (0.007, 60.0))  # m a hollow is wide, and log light lost there, a meter of its depth
BUMP = 0.0004  # m: what stands out farther gains no more
WIDE, KEPT = 0.013, 0.2  # m: what spreads wider than that is no fold, and as much of it is kept
MOVED = 0.0005  # m that skin moves, at which all of its change shows
GAP = 0.006  # m that the two heads are apart at most where one is taken for the other
CLEAR = 0.006  # m from lips and lids, at which all shows
LEAST, MOST = -0.5, 0.06  # log of the light: a fold is dark, and nothing shines
STRENGTH = 0.75  # of the model's shades: stronger ones look painted, and made drawn clips less like the real ones


@dataclass(frozen=True, eq=False)
class Surface:
    """A surface at rest, whose shades are compared with those when it is moved."""

    mesh: Mesh
    around: sparse.csr_matrix  # [N, N] the mean of a vertex's neighbours, nearer ones counting more
    edge: float  # m, of the usual triangle

    @classmethod
    def of(cls, mesh: Mesh) -> Surface:
        """Of a mesh without seams."""
        f = mesh.faces
        edges = np.unique(np.sort(np.concatenate([f[:, [0, 1]], f[:, [1, 2]], f[:, [2, 0]]]), 1), axis=0)
        length = np.linalg.norm(mesh.vertices[edges[:, 0]] - mesh.vertices[edges[:, 1]], axis=1)
        rows, columns = np.concatenate([edges, edges[:, ::-1]]).T
        weight = np.tile(1 / length.clip(1e-5), 2)
        count = len(mesh.vertices)
        near = sparse.csr_matrix((weight, (rows, columns)), (count, count))
        total = np.asarray(near.sum(1)).ravel()
        return cls(mesh, sparse.diags(1 / total.clip(1e-9)) @ near, float(np.median(length)))

    def smooth(self, values: np.ndarray, wide: float) -> np.ndarray:
        """Values [N, ...] of the vertices spread over about `wide` m of the surface."""
        for _ in range(max(1, round((wide / self.edge) ** 2))):
            values = (values + self.around @ values) / 2
        return values

    def shade(self, vertices: np.ndarray) -> np.ndarray:
        """The log of the light [N] on it when its vertices are there [N, 3] m: by how it is turned, less in hollows."""
        normals = Mesh(vertices, self.mesh.faces).normals()
        lights = LIGHTS / np.linalg.norm(LIGHTS, axis=1, keepdims=True)
        light = np.log(AMBIENT + (1 - AMBIENT) * (normals @ lights.T).clip(0)).mean(1)
        for wide, lost in HOLLOWS:
            height = ((vertices - self.smooth(vertices, wide)) * normals).sum(1)
            light += lost * np.minimum(height, BUMP)
        return light

    def change(self, offsets: np.ndarray) -> np.ndarray:
        """How the log of the light [N] changes when its vertices move by offsets [N, 3] m; 0 where none does."""
        changed = self.shade(self.mesh.vertices + offsets) - self.shade(self.mesh.vertices)
        changed -= (1 - KEPT) * self.smooth(changed, WIDE)
        return changed * smoothstep(np.linalg.norm(offsets, axis=1) / MOVED)


@one_torch_thread()
def prepare_folds(faces: PathLike, output: PathLike, progress: Progress | None = None) -> Done:
    """Writes OUTPUT.npz and its card OUTPUT.json from a folder of ICT-FaceKit's .obj files, in centimetres.

    The arrays: head (the built-in head's id), names [K] of axes, shade [K, N] int8 steps of STEP. BadInput.
    """
    folder, head = Path(faces), load_head()
    face = _Face.read(folder / f"{NEUTRAL}.obj")
    folding = [name for name in head.expression_names if without_side(name) in FOLDING]
    shapes = {name: files for name in folding if (files := shape_files(folder, name))}
    if not shapes:
        raise BadInput(f"{folder}: expected ICT-FaceKit's expressions, browDown_L.obj …, got none")
    places, shares, gap = face.below(head, folder)
    seen = _open_skin(head) * (gap < GAP)
    surface, found = Surface.of(face.skin), {}
    for done, (name, files) in enumerate(shapes.items(), 1):
        offsets = np.sum([face.offsets(file) for file in files], 0)
        found[name] = (surface.change(offsets)[places] * shares).sum(1) * seen
        if progress is not None:
            progress("prepare", done, len(shapes))
    return Done(_save(Path(output), head, mirrored(head, found)))


def read_obj(path: PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Vertices [N, 3] m and triangles [F, 3] of an .obj in centimetres, its polygons fanned. BadInput."""
    file = existing_file(path, "the face's shape")
    lines = [line.split() for line in file.read_text("utf-8", errors="replace").splitlines()]
    try:
        points = np.array([line[1:4] for line in lines if line[:1] == ["v"]], np.float64)
        polygons = [[int(corner.split("/")[0]) - 1 for corner in line[1:]] for line in lines if line[:1] == ["f"]]
        triangles = [(p[0], p[k], p[k + 1]) for p in polygons for k in range(1, len(p) - 1)]
        return CM * points.reshape(-1, 3), np.array(triangles, np.int64).reshape(-1, 3)
    except ValueError as error:
        raise BadInput(f"{file} is no .obj of a face ({error})") from None


def without_side(name: str) -> str:
    """An axis's name without Left or Right at its end."""
    return re.sub("(Left|Right)$", "", name)


def shape_files(folder: Path, name: str) -> list[Path]:
    """ICT-FaceKit's files of an axis of ours: browDown_L.obj for browDownLeft, both sides' for browInnerUp, or none."""
    sided = re.sub("(Left|Right)$", lambda side: f"_{side[0][0]}", name)
    for names in ([name], [sided], [f"{name}_L", f"{name}_R"]):
        files = [folder / f"{each}.obj" for each in names]
        if all(file.is_file() for file in files):
            more = [folder / f"{ALSO[stem]}{sided[len(stem) :]}.obj" for stem in ALSO if sided.startswith(stem)]
            return files + [file for file in more if file.is_file()]
    return []


@dataclass(frozen=True, eq=False)
class _Face:
    """ICT-FaceKit's face, one vertex a place: its file has seams, which are no borders of the skin."""

    mesh: Mesh  # of skin, sockets and scleras
    skin: Mesh  # of the same places
    first: np.ndarray  # [M] the file's vertex of each place
    eyes: tuple[np.ndarray, ...]  # places of the left and the right sclera

    @classmethod
    def read(cls, file: Path) -> _Face:
        """Of the neutral face. BadInput."""
        vertices, triangles = read_obj(file)
        if len(vertices) < EYES[1].stop:
            raise BadInput(f"{file}: expected ICT-FaceKit's face of 26,719 vertices, got {len(vertices):,}")
        kept = np.concatenate([SKIN, SOCKETS, *EYES])
        _, first, place = np.unique(
            (vertices[kept] / SAME).round().astype(np.int64), axis=0, return_index=True, return_inverse=True
        )  # fmt: skip
        of = np.full(len(vertices), -1)
        of[kept] = place.ravel()
        corners = of[triangles]
        whole = (corners >= 0).all(1) & (corners != np.roll(corners, 1, 1)).all(1)
        points, skin = vertices[kept[first]], (triangles < SKIN.stop).all(1)
        eyes = sorted((np.unique(of[list(eye)]) for eye in EYES), key=lambda eye: -points[eye, 0].mean())
        return cls(Mesh(points, corners[whole]), Mesh(points, corners[whole & skin]), kept[first], tuple(eyes))

    def offsets(self, file: Path) -> np.ndarray:
        """How its places are moved [M, 3] m in another file. BadInput."""
        points, _ = read_obj(file)
        if len(points) <= self.first.max():
            raise BadInput(f"{file}: expected as many vertices as {NEUTRAL}.obj has, got {len(points):,}")
        return points[self.first] - self.mesh.vertices

    def below(self, head: Head, folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where each vertex of the head is on it: places [N, 3] and their shares [N, 3]; and how far from it, [N] m."""
        shut = self.mesh.vertices - AJAR * self.offsets(folder / "jawOpen.obj")
        placed = register(head, shut, self.mesh.faces, dict(zip(BALLS, self.eyes)))
        gap = np.linalg.norm(placed.target.at(*placed.on_target) - placed.source.vertices, axis=1)
        return placed.target.faces[placed.on_target[0]], placed.on_target[1], gap


def _open_skin(head: Head) -> np.ndarray:
    """[N] 1 on the skin of the face, 0 on all else, less near lips and lids."""
    points = head.template.double().numpy()
    vertices = lambda *parts: np.unique(head.faces.numpy()[part_faces(head, parts)])  # noqa: E731
    away = cKDTree(points[vertices("lips", "lids")]).query(points)[0]
    face = np.isin(np.arange(len(points)), vertices("face"))
    return face * smoothstep(away / CLEAR)


def mirrored(head: Head, maps: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Maps [N] by axis as they ship: the same on both sides, and no more than real ones."""
    points = head.template.double().numpy()
    twin = cKDTree(points).query(points * [-1, 1, 1])[1]
    swapped = {"Left": "Right", "Right": "Left"}
    out = {}
    for name, shade in maps.items():
        other = re.sub("(Left|Right)$", lambda side: swapped[side[0]], name)
        out[name] = STRENGTH * ((shade + maps.get(other, shade)[twin]) / 2).clip(LEAST, MOST)
    return out


def _save(output: Path, head: Head, maps: dict[str, np.ndarray]) -> list[Path]:
    """The files of `prepare_folds`."""
    steps = np.stack([(shade / STEP).round() for shade in maps.values()]).astype(np.int8)
    arrays, card = output.with_suffix(".npz"), output.with_suffix(".json")
    save_arrays(arrays, {"head": np.array(head.id), "names": np.array(list(maps)), "shade": steps})
    text = {
        "what": "log of the light on the face's skin, for each axis of expression at 1, one number a vertex",
        "data": "ICT-VGL/ICT-FaceKit (2020 USC Institute for Creative Technologies), MIT: its neutral face and the "
        "expressions whose names the built-in head has",
        "command": "flamecast prepare folds ICT-FaceKit/FaceXModel -o folds",
        "seed": "none: nothing is random",
        "head": head.id,
        "axes": len(maps),
        "step": STEP,
        "darkest and brightest, by axis": {
            name: [round(float(s.min()) * STEP, 2), round(float(s.max()) * STEP, 2)] for name, s in zip(maps, steps)
        },
    }  # fmt: skip
    with atomic_path(card) as hidden:
        Path(hidden).write_text(json.dumps(text, indent=1) + "\n", encoding="utf-8")
    return [arrays, card]
