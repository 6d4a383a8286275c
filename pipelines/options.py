"""The options of `animate` and their defaults: the one place where both the command line and Python take them from.

Light to import: the command line does so before it knows whether it is only asked for help.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Any

HEAD, GENERATOR, RASTERIZER = "open", "warp", "auto"
MAPS = "depth,normal,flow"  # what `flamecast render` draws
MODES, FRAMINGS = ("relative", "absolute"), ("photo", "face")
SPEAKING = ("lips", "head_motion", "blinks", "style_strength")  # strengths of the speech driver
SMALLEST, LARGEST = 64, 4096  # px
LARGEST_SEED = 2**53 - 1  # which a number of JavaScript holds exactly, too
SLOWEST, FASTEST = 1, 240  # Hz, of a video
HOST, APP_PORT, LIVE_PORT = "127.0.0.1", 7860, 7862  # where the servers listen: on this machine alone


@dataclass(frozen=True)
class AnimateOptions:
    """What `animate` may be told besides photo, driver and output. Raises BadInput for values out of range."""

    edit: str | None = None  # "smile=0.5,yaw=15deg", "gain=1.3,only=mouth", or a keyframe file (.json); several: `;`
    mix: str | None = None  # "mouth=b.npz,head=c.npz": regions of the driver taken from other clips
    camera: str | None = None  # "orbit:40": camera movement; or a file of keyframes or cameras
    views: str | None = None  # "-30,0,30": yaws in degrees, one video each
    mode: str = "relative"  # the driver's changes; absolute: its pose and expression as they are
    strength: float = 1.0  # 0 to 2: how far the portrait goes with the driver, all in all
    size: int = 512  # px, longest side of the output
    framing: str = "photo"  # the whole photo; face: a square around the head
    seconds: float | None = None  # s, at most; the whole driver when None
    fps: float | None = None  # Hz; the driver's when None
    seed: int = 0  # of everything random
    face: int = 0  # which face of the photo, counted from the largest
    motion_fps: float | None = None  # Hz, of a motion file that does not say its own
    lips: float = 1.0  # of speech, 0 to 2: how far the mouth opens
    head_motion: float = 1.0  # how far the head moves
    blinks: float = 1.0  # how far blinks shut the lids
    style_strength: float = 1.0  # brows, cheeks and gaze

    def __post_init__(self) -> None:
        from ..core.errors import BadInput

        _check_kinds(self)
        for name, known in (("mode", MODES), ("framing", FRAMINGS)):
            if getattr(self, name) not in known:
                raise BadInput(f"{name} must be {' or '.join(known)}, got {getattr(self, name)!r}")
        if not SMALLEST <= self.size <= LARGEST:
            raise BadInput(f"size must be {SMALLEST} to {LARGEST} px, got {self.size}")
        if self.face < 0:
            raise BadInput(f"face must be 0 (the largest) or more, got {self.face}")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise BadInput(f"seed must be 0 to {LARGEST_SEED}, got {self.seed}")
        for name, value in (self.speaking | {"strength": self.strength}).items():
            if not 0 <= value <= 2:
                raise BadInput(f"{name} must be 0 to 2, got {value:g}")
        _check_length(self.seconds, self.fps)
        _check_length(None, self.motion_fps, "motion_fps")

    @property
    def speaking(self) -> dict[str, float]:
        """What is asked of the speech driver, by name."""
        return {name: getattr(self, name) for name in SPEAKING}

    @classmethod
    def of(cls, given: dict[str, Any]) -> AnimateOptions:
        """Options by name; BadInput with the known names for one that is not among them."""
        from ..core.errors import BadInput

        known = [field.name for field in fields(cls)]
        if unknown := sorted(set(given) - set(known)):
            raise BadInput(f"there is no option {', '.join(unknown)}; known are: {', '.join(known)}")
        return cls(**given)


def _check_kinds(options: Any) -> None:
    """BadInput for a value that is no text or no number where one is expected; the command line checks this itself."""
    from ..core.errors import BadInput

    kinds: dict[str, type] = {"str": str, "int": Integral, "float": Real, "bool": bool}  # numpy's numbers too
    for field in fields(options):
        value = getattr(options, field.name)
        kind, _, optional = str(field.type).partition(" | ")
        right = isinstance(value, kinds[kind]) and (kind == "bool" or not isinstance(value, bool))
        if right or (value is None and optional):
            continue
        raise BadInput(f"{field.name} must be {field.type}, got {value!r}")


def _check_length(seconds: float | None, fps: float | None, name: str = "fps") -> None:
    """BadInput for a length or a rate that no video can have."""
    from ..core.errors import BadInput

    if seconds is not None and not 0 < seconds < float("inf"):
        raise BadInput(f"seconds must be a number above 0, got {seconds:g}")
    if fps is not None and not SLOWEST <= fps <= FASTEST:
        raise BadInput(f"{name} must be {SLOWEST} to {FASTEST}, got {fps:g}")
