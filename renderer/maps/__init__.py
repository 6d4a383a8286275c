"""Geometry maps: from seen triangles to depth, normals, flow and what else a generator looks at."""
