"""What `flamecast live` can be asked for. Light to import: the command line is made from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.errors import BadInput
from ...core.options import check_options, option, options_of, same
from ..request import HOST, LIVE_PORT, AnimateRequest, Components, Transfer, View

_STRENGTH = options_of(Transfer)["strength"]
STRENGTH_RANGE = (float(_STRENGTH.minimum or 0), float(_STRENGTH.maximum or 1))  # of the page's slider


@dataclass(frozen=True)
class LiveOptions:
    """One live session: a portrait, one driver, and the server that shows it.

    Driven by one of video, speech and motion (files, at their own pace), a camera or the microphone of this machine, a
    phone, or else by what the page sends. Raises BadInput for a value out of range, and for more than one driver.
    """

    photo: Any = same(AnimateRequest, "photo")
    video: Any = option(None, "A driving video, played at its own pace.", type=Path)
    speech: Any = option(None, "A recording of speech, played at its own pace.", type=Path)
    motion: Any = option(
        None, "A motion file (.npz, a phone's ARKit .csv), played at its own pace; its first second is its rest.",
        type=Path,
    )  # fmt: skip
    camera_device: int | None = option(
        None, "A camera of this machine by number; the page's own when nothing is given."
    )
    microphone: bool = option(False, "This machine's microphone drives.")
    livelink: int | None = option(
        None, "A phone's Live Link Face drives, over this UDP port (the app's own is 11111).", minimum=1, maximum=65535
    )
    loop: bool = option(False, "A file begins again when it ends.")
    size: int | None = same(
        View, "size", default=None, type=int | None,
        help="Longest side; as large as this machine draws 25 times a second, 512 at most.",
    )  # fmt: skip
    framing: str = same(View, "framing")
    strength: float = same(Transfer, "strength")
    face: int = same(AnimateRequest, "face")
    head: str = same(Components, "head")
    generator: str = same(Components, "generator")
    folder: Any = option(Path(), "Where recordings are written.", type=Path)
    virtual_camera: bool = option(False, "Be a camera for other programs, too (extra `camera`).")
    host: str = option(HOST, "The address to listen on.")
    port: int = option(LIVE_PORT, "The port; 0 for any free one.", minimum=0, maximum=65535)
    name: str | None = option(None, "A further name that this machine is reached by.", repeated=",")
    seconds: float | None = option(None, "Begin at once and end after so long.", unit="s", minimum=0)

    def __post_init__(self) -> None:
        check_options(self)
        drivers = {
            "a video": self.video, "a recording": self.speech, "a motion": self.motion, "a camera": self.camera_device,
            "the microphone": self.microphone or None, "Live Link Face": self.livelink,
        }  # fmt: skip
        given = [name for name, value in drivers.items() if value is not None]
        if len(given) > 1:
            raise BadInput(f"{' and '.join(given)} cannot drive at once: leave one")
        if self.loop and not {"a video", "a recording", "a motion"} & set(given):
            raise BadInput("loop goes with a file that ends: a video, a recording or a motion")

    @property
    def source(self) -> str:
        """What drives, in words; `page` where the page does."""
        if self.video is not None:
            return Path(self.video).name
        if self.motion is not None:
            return Path(self.motion).name
        if self.speech is not None:
            return f"voice: {Path(self.speech).name}"
        if self.microphone:
            return "voice: the microphone"
        if self.livelink is not None:
            return "Live Link Face"
        return "page" if self.camera_device is None else f"camera {self.camera_device}"
