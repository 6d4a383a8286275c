"""3D flow off the surface and its encoding along rays (FG-Portrait)."""
