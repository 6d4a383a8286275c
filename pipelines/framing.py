"""What of the photo is shown, and how large."""

from __future__ import annotations

from ..generator import Portrait


def framed(portrait: Portrait, framing: str, size: int) -> Portrait:
    """The portrait whose photo is the output's picture.

    photo: the whole photo, its longest side `size`; face: a square of side `size` around the head. Sides are even, as
    video needs them. The fit was made on the full photo, so a small face is worked on at all the resolution there is.
    """
    height, width = portrait.image.shape[:2]
    if framing == "face":
        left, top, wanted = portrait.face_window()
        side = min(wanted, height, width)  # the window stays inside the photo: nothing is made up around it
        centred = ((start + (wanted - side) // 2, full) for start, full in ((left, width), (top, height)))
        left, top = (min(max(0, start), full - side) for start, full in centred)
        return portrait.cropped(left, top, side, side).resized(_even(size), _even(size))
    scale = size / max(height, width)
    return portrait.resized(_even(height * scale), _even(width * scale))


def _even(side: float) -> int:
    return max(2, 2 * round(side / 2))
