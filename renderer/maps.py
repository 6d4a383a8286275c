"""`GeometryMaps`: what the generators see of the geometry, per view and frame."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .cameras import Cameras, clip
from .geometry import Topology, needs_torch, plucker, vertex_normals
from .interpolate import cover, interpolate_fast
from .rasterize import rasterize
from .source import Source, prepare_source

PLAIN_MAPS = ("depth", "normal", "mask", "part", "uv", "rays")
SOURCE_MAPS = ("flow", "source_xy", "visible")


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
    rasterizer: str = "auto",
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
    rasterizer: str = "auto",
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
        if "mask" in wanted:
            flat["mask"] = triangles >= 0
        if "part" in wanted:
            part = torch.cat([topology.part.new_zeros(1), topology.part]).to(torch.uint8)
            flat["part"] = part[triangles.long() + 1]
    shaped = {name: value.unflatten(0, (views, frames)) for name, value in flat.items()}
    if "rays" in wanted:
        rays = plucker(cameras) if rays is None else rays
        shaped["rays"] = rays.expand(views, frames, *rays.shape[2:])
    return GeometryMaps(**shaped)


def _vertex_values(
    vertices: Tensor, topology: Topology, cameras: Cameras, source: Source | None, wanted: frozenset[str]
) -> dict[str, Tensor]:
    """What is interpolated over the faces, each [V T or 1, N, C]; "landing" is (x, y, w) in the source clip space."""
    values: dict[str, Tensor] = {}
    views, shape = cameras.views, vertices.shape
    if "normal" in wanted:
        slow = needs_torch(vertices)
        normals = vertex_normals(vertices, topology.faces) if slow else _fast_normals(vertices, topology.faces)
        values["normal"] = (normals @ cameras.extrinsics_vt[..., :3, :3].transpose(-1, -2)).flatten(0, 1)
    if source is not None and source.vertices.shape != shape[1:]:
        raise ValueError(
            f"source_vertices must have as many points as vertices ({shape[1]}), got {source.vertices.shape[0]}"
        )
    if source is not None and "flow" in wanted:
        values["flow"] = (source.vertices - vertices).expand(views, *shape).flatten(0, 1)
    if source is not None and wanted.intersection(("source_xy", "visible")):
        values["landing"] = source.clip[None][..., [0, 1, 3]]
    return values


def _fast_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """`vertex_normals` by a kernel: CPU, float32, no gradients."""
    from .kernels import normal_frames
    from .parallel import split

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
    """The interpolated maps [B, H, W, ...] by shared differentiable code."""
    faces = topology.faces
    covered = cover(triangles, points, faces)
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
    return {name: covered.spread(value) for name, value in values.items()}


def _fill_fast(
    triangles: Tensor,
    points: Tensor,
    topology: Topology,
    attributes: dict[str, Tensor],
    source: Source | None,
    wanted: frozenset[str],
) -> dict[str, Tensor]:
    """`_fill_torch` by kernels: CPU, float32, no gradients."""
    from .kernels import land_rows
    from .parallel import split

    faces = topology.faces.int()
    maps = {
        name: torch.from_numpy(interpolate_fast(triangles, points, faces, value, unit=name == "normal"))
        for name, value in attributes.items()
    }
    if "depth" in wanted:
        maps["depth"] = torch.from_numpy(interpolate_fast(triangles, points, faces, points[..., 3:]))[..., 0]
    if "uv" in wanted:
        uv, uv_faces = topology.uv[None].float(), topology.uv_faces
        maps["uv"] = torch.from_numpy(interpolate_fast(triangles, points, faces, uv, uv_faces))
    landing = maps.pop("landing", None)
    if landing is not None and source is not None:
        xy = torch.empty(*triangles.shape, 2)
        visible = torch.empty(triangles.shape, dtype=torch.bool)
        arrays = (triangles, landing, source.slack, source.depth, xy, visible)
        split(land_rows, triangles.shape[0] * triangles.shape[1], *(array.numpy() for array in arrays))
        landed = {"source_xy": xy, "visible": visible}
        maps.update({name: landed[name] for name in landed if name in wanted})
    return maps
