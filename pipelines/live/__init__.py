"""Live: a portrait that follows a camera, a video or a voice as it comes."""
