"""Multi-view geometry maps of a mesh: cameras, rasterizers, interpolation, depth, normals and 3D flow."""

from ..core.mesh_normals import vertex_normals
from .cameras.cameras import NEAR, Cameras, clip, facing, look_at, pinhole, to_pixels
from .cameras.conventions import from_opencv, from_opengl, from_pytorch3d, to_opencv, to_opengl, to_pytorch3d
from .cameras.file import load_cameras, save_cameras
from .cameras.paths import Path, around, camera_path, place_cameras, still, view_list
from .flow.flow import SurfaceField, flow_encoding, sample_depths, surface_field
from .geometry import Topology, pixel_rays, plucker, unproject, world_rays
from .maps.interpolate import Covered, cover, interpolate, interpolate_fast
from .maps.map_files import MapFolder, load_maps, save_maps
from .maps.maps import PLAIN_MAPS, SOURCE_MAPS, GeometryMaps, render_maps, stream_maps
from .maps.source import Source, prepare_source
from .rasterizers.rasterize import Rasterizer, load_rasterizer, rasterize, rasterizer_names

__all__ = [
    "NEAR",
    "PLAIN_MAPS",
    "SOURCE_MAPS",
    "Cameras",
    "Covered",
    "GeometryMaps",
    "MapFolder",
    "Path",
    "Rasterizer",
    "Source",
    "SurfaceField",
    "Topology",
    "around",
    "camera_path",
    "clip",
    "cover",
    "facing",
    "flow_encoding",
    "from_opencv",
    "from_opengl",
    "from_pytorch3d",
    "interpolate",
    "interpolate_fast",
    "load_cameras",
    "load_maps",
    "load_rasterizer",
    "look_at",
    "pinhole",
    "pixel_rays",
    "place_cameras",
    "plucker",
    "prepare_source",
    "rasterize",
    "rasterizer_names",
    "render_maps",
    "sample_depths",
    "save_cameras",
    "save_maps",
    "still",
    "stream_maps",
    "surface_field",
    "to_opencv",
    "to_opengl",
    "to_pixels",
    "to_pytorch3d",
    "unproject",
    "vertex_normals",
    "view_list",
    "world_rays",
]
