"""What a user calls. Everything is imported at first use, so that `flamecast --help` answers at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..flame_motion.media.photos import load_photo
    from ..flame_motion.media.video_writer import VideoWriter
    from .animate import AnimatePipeline, Animation
    from .exports.export import write_export
    from .render import write_render

__all__ = ["AnimatePipeline", "Animation", "VideoWriter", "load_photo", "write_export", "write_render"]

_HOME = {
    "AnimatePipeline": ".animate",
    "Animation": ".animate",
    "VideoWriter": "..flame_motion.media.video_writer",
    "load_photo": "..flame_motion.media.photos",
    "write_export": ".exports.export",
    "write_render": ".render",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name], __name__), name)
