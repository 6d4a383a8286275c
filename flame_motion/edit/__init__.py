"""Editing motion by hand: `smile=0.5,yaw=15deg`, `gain=1.3,only=mouth`, keyframe files, mixing by regions."""

from ..retargeting.regions import mix
from .demo import demo_motion
from .keyframe_file import apply_keyframes
from .steps import apply_edit, changes_time, edit_files, edited_seconds
from .values import EFFECTS

__all__ = [
    "EFFECTS",
    "apply_edit",
    "apply_keyframes",
    "changes_time",
    "demo_motion",
    "edit_files",
    "edited_seconds",
    "mix",
]
