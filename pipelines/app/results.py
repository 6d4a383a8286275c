"""The files that a job leaves, and how texts about them read to their owner."""

from __future__ import annotations

from collections.abc import Mapping

VIDEO, MOTION, HEAD, REPORT, POSTER = "video.mp4", "motion.npz", "head.glb", "report.json", "poster.jpg"
RESULTS = {  # what can be fetched, with its media type
    VIDEO: "video/mp4",
    MOTION: "application/octet-stream",
    HEAD: "model/gltf-binary",
    REPORT: "application/json",
    POSTER: "image/jpeg",
}
OUT, PORTRAIT = "out", "portrait.npz"  # the folder in the job's own; the fitted photo, for drawing it again
UNEDITED, SOUNDING = "unedited.npz", "sounding.mp4"  # what was made before any edit: the motion, and a video's sound
REST = "rest.npz"  # one frame: the portrait's own face, from which curves are counted


def with_shown_names(text: str, names: Mapping[str, str]) -> str:
    """A text with paths of the server replaced by what their owner calls them. names: by path."""
    for path, name in sorted(names.items(), key=lambda item: -len(item[0])):
        text = text.replace(path, name)
    return text
