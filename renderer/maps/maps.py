"""`GeometryMaps`: what the generators see of the geometry, per view and frame."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...core.compiled import empty
from ...core.mesh_normals import vertex_normals
from ..cameras.cameras import Cameras, clip
from ..geometry import Topology, needs_torch, plucker
from ..rasterizers.rasterize import DEFAULT_RASTERIZER, rasterize
from .interpolate import cover
from .source import Source, prepare_source

PLAIN_MAPS = ("depth", "normal", "mask", "part", "uv", "rays")
SOURCE_MAPS = ("flow", "source_xy", "visible")
# What a pixel of each map is, in the order in which the kernel takes them; `rays` have no surface.
KINDS: dict[str, tuple[tuple[int, ...], type]] = {
    "depth": ((), np.float32),
    "normal": ((3,), np.float32),
    "mask": ((), np.bool_),
    "part": ((), np.uint8),
    "uv": ((2,), np.float32),
    "flow": ((3,), np.float32),
    "source_xy": ((2,), np.float32),
    "visible": ((), np.bool_),
}


@dataclass(frozen=True, eq=False)
class GeometryMaps:
    """V views of T frames; None where a map was not asked for.  Everything is 0 (False) where no surface is seen,
    except `rays`, which every pixel has."""

    depth: Tensor | None = None  # [V, T, H, W] m along the optical axis, 0 = empty
    normal: Tensor | None = None  # [V, T, H, W, 3] unit, camera axes: a surface facing the camera has (0, 0, -1)
    mask: Tensor | None = None  # [V, T, H, W] bool
    part: Tensor | None = None  # [V, T, H, W] uint8, 0 = empty
    uv: Tensor | None = None  # [V, T, H, W, 2] in 0..1
    flow: Tensor | None = None  # [V, T, H, W, 3] m, world: from the surface point seen to where it was in the source
    source_xy: Tensor | None = None  # [V, T, H, W, 2] px: where that surface point lies in the source photo
    visible: Tensor | None = None  # [V, T, H, W] bool: whether the photo shows it there
    rays: Tensor | None = None  # [V, T, H, W, 6] Plücker, world: unit direction, moment (m)

    def names(self) -> tuple[str, ...]:
        """The maps that are there."""
        return tuple(field.name for field in dataclasses.fields(self) if getattr(self, field.name) is not None)


def render_maps(
    vertices: Tensor,
    topology: Topology,
    cameras: Cameras,
    *,
    source_vertices: Tensor | None = None,
    source_cameras: Cameras | None = None,
    maps: Iterable[str] | None = None,
    rasterizer: str = DEFAULT_RASTERIZER,
) -> GeometryMaps:
    """Maps of the mesh with vertices [T, N, 3] m, seen by V cameras.

    `maps` names the fields of `GeometryMaps` to fill; None fills all that can be.  The source maps need the mesh as it
    stood in the photo, `source_vertices` [N, 3] m, and the photo's camera.  Differentiable with respect to vertices,
    source vertices and cameras; where no gradient is asked for on the CPU, fast kernels give the same values.
    Raises ValueError for wrong shapes, unknown maps and vertices that are not finite (naming the frame).
    """
    source = _source(source_vertices, source_cameras, topology, rasterizer)
    return _render(vertices, topology, cameras, source, _wanted(maps, source), rasterizer, 0)


def stream_maps(
    chunks: Iterable[Tensor],
    topology: Topology,
    cameras: Cameras,
    *,
    source_vertices: Tensor | None = None,
    source_cameras: Cameras | None = None,
    maps: Iterable[str] | None = None,
    rasterizer: str = DEFAULT_RASTERIZER,
) -> Iterator[GeometryMaps]:
    """`render_maps` chunk by chunk in constant memory: vertices [t, N, 3] in, maps [V, t, ...] out.

    Where the cameras move, the chunks together have as many frames as they.
    """
    source = _source(source_vertices, source_cameras, topology, rasterizer)
    wanted = _wanted(maps, source)
    rays = plucker(cameras) if "rays" in wanted and cameras.frames is None else None
    start = 0
    for chunk in chunks:
        stop = start + chunk.shape[0]
        if cameras.frames is not None and stop > cameras.frames:
            raise ValueError(f"vertices must have no more frames than the cameras ({cameras.frames}), got {stop}")
        yield _render(chunk, topology, cameras.frame_range(start, stop), source, wanted, rasterizer, start, rays)
        start = stop


def _source(vertices: Tensor | None, cameras: Cameras | None, topology: Topology, rasterizer: str) -> Source | None:
    if (vertices is None) != (cameras is None):
        raise ValueError("source_vertices and source_cameras must be given together, got one of them")
    if vertices is None or cameras is None:
        return None
    return prepare_source(vertices, topology.faces, cameras, rasterizer)


def _wanted(maps: Iterable[str] | None, source: Source | None) -> frozenset[str]:
    known = PLAIN_MAPS + SOURCE_MAPS
    if maps is None:
        return frozenset(known if source is not None else PLAIN_MAPS)
    wanted = frozenset([maps] if isinstance(maps, str) else maps)
    unknown = sorted(wanted.difference(known))
    if unknown:
        raise ValueError(f"maps must be some of {', '.join(known)}, got {', '.join(unknown)}")
    if source is None and wanted.intersection(SOURCE_MAPS):
        names = ", ".join(sorted(wanted.intersection(SOURCE_MAPS)))
        raise ValueError(f"the maps {names} need source_vertices and source_cameras, got neither")
    return wanted


def _render(
    vertices: Tensor,
    topology: Topology,
    cameras: Cameras,
    source: Source | None,
    wanted: frozenset[str],
    rasterizer: str,
    first_frame: int,
    rays: Tensor | None = None,
) -> GeometryMaps:
    points = clip(cameras, vertices)  # [V, T, N, 4]; checks the shapes
    finite = torch.isfinite(vertices.detach()).flatten(1).all(dim=1)
    if not bool(finite.all()):
        frame = first_frame + int((~finite).nonzero()[0, 0])
        raise ValueError(f"vertices must be finite, got NaN or infinity in frame {frame}")
    views, frames = points.shape[:2]
    points = points.flatten(0, 1)
    flat: dict[str, Tensor] = {}
    if wanted != {"rays"}:
        triangles = rasterize(points, topology.faces, cameras.height, cameras.width, rasterizer)
        attributes = _vertex_values(vertices, topology, cameras, source, wanted)
        fill = _fill_torch if needs_torch(points, *attributes.values()) else _fill_fast
        flat = fill(triangles, points, topology, attributes, source, wanted)
    shaped = {name: value.unflatten(0, (views, frames)) for name, value in flat.items()}
    if "rays" in wanted:
        rays = plucker(cameras) if rays is None else rays
        shaped["rays"] = rays.expand(views, frames, *rays.shape[2:])
    return GeometryMaps(**shaped)


def _vertex_values(
    vertices: Tensor, topology: Topology, cameras: Cameras, source: Source | None, wanted: frozenset[str]
) -> dict[str, Tensor]:
    """What is interpolated over the faces, each [V T or 1, N, C] ("flow": [T, N, 3], the same in all views).

    "landing" is (x, y, w) in the source clip space.
    """
    values: dict[str, Tensor] = {}
    shape = vertices.shape
    if "normal" in wanted:
        slow = needs_torch(vertices)
        normals = vertex_normals(vertices, topology.faces) if slow else _fast_normals(vertices, topology.faces)
        values["normal"] = (normals @ cameras.extrinsics_vt[..., :3, :3].transpose(-1, -2)).flatten(0, 1)
    if source is not None and source.vertices.shape != shape[1:]:
        raise ValueError(
            f"source_vertices must have as many points as vertices ({shape[1]}), got {source.vertices.shape[0]}"
        )
    if source is not None and "flow" in wanted:
        values["flow"] = source.vertices - vertices
    if source is not None and wanted.intersection(("source_xy", "visible")):
        values["landing"] = source.clip[None][..., [0, 1, 3]]
    return values


def _fast_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """`vertex_normals` by a kernel: CPU, float32, no gradients."""
    from ...core.parallel import split
    from .map_kernels import normal_frames

    normals = torch.empty(vertices.shape)
    arrays = (vertices.detach().contiguous(), faces.int().contiguous(), normals)
    split(normal_frames, vertices.shape[0], *(array.numpy() for array in arrays))
    return normals


def _fill_torch(
    triangles: Tensor,
    points: Tensor,
    topology: Topology,
    attributes: dict[str, Tensor],
    source: Source | None,
    wanted: frozenset[str],
) -> dict[str, Tensor]:
    """The maps [B, H, W, ...] of `wanted` by shared differentiable code."""
    faces = topology.faces
    covered = cover(triangles, points, faces)
    if "flow" in attributes:
        flow = attributes["flow"]
        attributes["flow"] = flow.repeat(len(points) // max(len(flow), 1), 1, 1)
    values = {name: covered.values(value, faces) for name, value in attributes.items()}
    if "depth" in wanted:
        values["depth"] = covered.values(points[..., 3:], faces)[:, 0]
    if "uv" in wanted:
        values["uv"] = covered.values(topology.uv[None].to(points), topology.uv_faces)
    if "normal" in wanted:
        values["normal"] = torch.nn.functional.normalize(values["normal"], dim=-1)
    landing = values.pop("landing", None)
    if landing is not None and source is not None:
        if "source_xy" in wanted:
            values["source_xy"] = source.landing(landing)
        if "visible" in wanted:
            values["visible"] = source.seen(landing, covered.triangle)
    maps = {name: covered.spread(value) for name, value in values.items()}
    if "mask" in wanted:
        maps["mask"] = triangles >= 0
    if "part" in wanted:
        part = torch.cat([topology.part.new_zeros(1), topology.part]).to(torch.uint8)
        maps["part"] = part.to(triangles.device)[triangles.long() + 1]
    return maps


def _fill_fast(
    triangles: Tensor,
    points: Tensor,
    topology: Topology,
    attributes: dict[str, Tensor],
    source: Source | None,
    wanted: frozenset[str],
) -> dict[str, Tensor]:
    """`_fill_torch`, and mask and part, by one pass of a kernel: CPU, float32, no gradients."""
    from ...core.parallel import cores, split
    from .map_kernels import map_rows

    def given(tensor: Tensor | None, ndim: int, dtype: torch.dtype = torch.float32) -> np.ndarray:
        tensor = torch.zeros([0] * ndim) if tensor is None else tensor
        return tensor.detach().to(dtype).contiguous().numpy()

    maps = {name: empty((*triangles.shape, *KINDS[name][0]), KINDS[name][1]) for name in KINDS if name in wanted}
    none: dict[str, np.ndarray] = {
        name: np.empty([0] * (3 + len(shape)), dtype) for name, (shape, dtype) in KINDS.items()
    }
    split(
        map_rows, triangles.shape[0] * triangles.shape[1], triangles.numpy(), given(points, 3),
        given(topology.faces, 2, torch.int32), given(topology.uv_faces, 2, torch.int32), given(topology.uv, 2),
        given(topology.part, 1, torch.uint8), given(attributes.get("normal"), 3), given(attributes.get("flow"), 3),
        *(given(value, n) for value, n in _source_arrays(source)),
        *(maps.get(name, none[name]) for name in KINDS), pieces=4 * cores(),
    )  # fmt: skip
    return {name: torch.from_numpy(value) for name, value in maps.items()}


def _source_arrays(source: Source | None) -> list[tuple[Tensor | None, int]]:
    """Clip points, slack and depth of the source, each with its number of axes; None without one."""
    if source is None:
        return [(None, 2), (None, 1), (None, 2)]
    return [(source.clip, 2), (source.slack, 1), (source.depth, 2)]
