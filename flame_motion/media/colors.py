"""Colours of pictures as viewers show them: ICC profiles in every mode, PNG's gAMA, cHRM and cICP, AVIF's nclx."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

WHITE_NITS = 203.0  # of an absolute signal that stands for paper white (ITU-R BT.2408)
_ROWS = 256  # converted at once
_KNEE = 0.7  # of light, 1 = white: from here on an HDR picture's highlights are pressed together
_BRIGHT = 0.999  # of an HDR picture's pixels are no brighter than what becomes white
_HEAD = 1 << 16  # bytes in which a file says what its colours are
_D65 = (0.3127, 0.3290)
_SRGB = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06)  # x, y of red, green, blue
# By the codes of ITU-T H.273: chromaticities with white D65; codes that are not here are taken for sRGB's.
_PRIMARIES = {
    5: (0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    7: (0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    12: (0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
}
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
_PQ, _HLG = 16, 18


@dataclass(frozen=True)
class ColorSpace:
    """What a picture's numbers mean: chromaticities x, y of red, green, blue and white, and the curve to light."""

    primaries: tuple[float, ...] = _SRGB
    white: tuple[float, float] = _D65
    curve: float | int = 0  # the exponent of a power; _PQ, _HLG; 0: sRGB's own

    @property
    def is_srgb(self) -> bool:
        """Whether there is nothing to convert."""
        return self.curve == 0 and np.allclose([*self.primaries, *self.white], [*_SRGB, *_D65], atol=0.005)

    @property
    def is_hdr(self) -> bool:
        """Whether it holds more light than white."""
        return self.curve in (_PQ, _HLG)

    def light(self, values: np.ndarray) -> np.ndarray:
        """Signals 0..1 as light, 1 = white."""
        if self.curve == _PQ:  # SMPTE ST 2084, then relative to white
            power = np.power(values, 1 / 78.84375)
            return (
                10_000
                / WHITE_NITS
                * np.power(np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power), 1 / 0.1593017578125)
            )
        if self.curve == _HLG:  # ITU-R BT.2100, for a screen of 1000 cd/m^2, without the gamma of its system
            a, b, c = 0.17883277, 0.28466892, 0.55991073
            return np.where(values <= 0.5, values**2 / 3, (np.exp((values - c) / a) + b) / 12) / 0.265
        if self.curve:
            return np.power(values, self.curve)
        return np.where(values <= 0.04045, values / 12.92, np.power((values + 0.055) / 1.055, 2.4))

    def peak(self, pixels: np.ndarray) -> float:  # [H, W, 3] uint8
        """The light, 1 = white, that hardly anything of a picture exceeds."""
        few = pixels[:: max(1, len(pixels) // 512), :: max(1, pixels.shape[1] // 512)]
        return float(np.quantile(self.light(few.max(2) / 255.0), _BRIGHT))

    def to_srgb(self, pixels: np.ndarray) -> np.ndarray:
        """[H, W, 3] uint8 of this space as uint8 of sRGB; colours beyond sRGB's are clipped, and so is light beyond
        white, of an HDR picture after its highlights were pressed together.
        """
        table = self.light(np.arange(256) / 255.0).astype(np.float32)
        matrix = (np.linalg.inv(_xyz(_SRGB, _D65)) @ _adapted(self.white) @ _xyz(self.primaries, self.white)).T
        made = np.empty_like(pixels)
        peak = self.peak(pixels) if self.is_hdr else 1.0
        for row in range(0, len(pixels), _ROWS):
            light = table[pixels[row : row + _ROWS]] @ matrix.astype(np.float32)
            light = np.clip(_pressed(light, peak) if peak > 1 else light, 0, 1)
            encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.power(light, 1 / 2.4) - 0.055)
            made[row : row + _ROWS] = np.rint(255 * encoded)
        return made


def _pressed(light: np.ndarray, peak: float) -> np.ndarray:  # [..., 3]
    """Light whose brightest colour was `peak` so that it is 1: as it is below the knee, above it along a rational curve
    without a corner there; all three colours by one factor, so that hues stay.
    """
    brightest = light.max(-1, keepdims=True)
    slope, along = (peak - _KNEE) / (1 - _KNEE), np.clip((brightest - _KNEE) / (peak - _KNEE), 0, 1)
    wanted = _KNEE + (1 - _KNEE) * slope * along / (1 + (slope - 1) * along)
    return np.where(brightest > _KNEE, light * wanted / np.maximum(brightest, _KNEE), light)


def _xyz(primaries: tuple[float, ...], white: tuple[float, float]) -> np.ndarray:  # [3, 3]
    """XYZ of red, green and blue, so that together they are white."""
    columns = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in zip(primaries[::2], primaries[1::2], strict=True)]).T
    target = np.array([white[0] / white[1], 1.0, (1 - white[0] - white[1]) / white[1]])
    return columns * np.linalg.solve(columns, target)


def _adapted(white: tuple[float, float]) -> np.ndarray:  # [3, 3]
    """From what looks right under a white to what does under D65 (Bradford)."""
    cone = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    seen = [cone @ np.array([x / y, 1.0, (1 - x - y) / y]) for x, y in (white, _D65)]
    return np.linalg.inv(cone) @ np.diag(seen[1] / seen[0]) @ cone


def in_srgb(picture: Image, path: Path) -> tuple[Image, list[str]]:
    """A picture's colours as sRGB, by what its file says of them; notes on what could not be kept or read of that."""
    space = _named_space(path)
    profile = picture.info.get("icc_profile")
    if space is None and profile:
        converted = _by_profile(picture, profile)
        if converted is None:
            kind = "cannot be read or is for another kind of picture: its colours are taken for sRGB's"
            return picture, [f"the photo's colour profile {kind}"]
        return converted, []
    space = space or _png_space(picture)
    if space is None or space.is_srgb:
        return picture, []
    mode = "RGBA" if _has_alpha(picture) else "RGB"
    whole = np.array(picture.convert(mode))
    beyond = space.is_hdr and space.peak(whole[..., :3]) > 1
    whole[..., :3] = space.to_srgb(whole[..., :3])
    notes = ["the photo is HDR: what is brighter than white paper in it is pressed together to white"]
    return _like(picture, whole), notes if beyond else []


def _like(picture: Image, pixels: np.ndarray) -> Image:
    from PIL import Image as images

    made = images.fromarray(pixels)
    made.info = {key: value for key, value in picture.info.items() if key != "transparency"}
    return made


def _has_alpha(picture: Image) -> bool:
    return picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info


def _by_profile(picture: Image, data: bytes) -> Image | None:
    """Converted by an ICC profile, of grey, RGB or CMYK; None where it cannot be read or does not fit the picture."""
    from PIL import ImageCms

    alpha = picture.convert("RGBA").getchannel("A") if _has_alpha(picture) else None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(data))
        kind = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}.get(source.profile.xcolor_space.strip())
        if kind is None or (kind == "CMYK") != (picture.mode == "CMYK"):
            return None
        if kind == "L" and picture.mode not in ("1", "L", "LA", "La"):  # grey kept as a palette or as colours
            return None
        # Transparency is apart: a palette's own must not be blended in.
        flat = picture.convert("RGBA").convert("RGB") if kind == "RGB" else picture.convert(kind)
        converted = ImageCms.profileToProfile(flat, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    if converted is not None and alpha is not None:
        converted.putalpha(alpha)
        converted.info.pop("transparency", None)
    return converted


def _png_space(picture: Image) -> ColorSpace | None:
    """What gAMA and cHRM say; None without them, and where the picture says that it is sRGB."""
    if "srgb" in picture.info:
        return None
    gamma, places = picture.info.get("gamma"), picture.info.get("chromaticity")
    if not gamma and not places:
        return None
    space = ColorSpace() if not gamma or abs(gamma * 2.2 - 1) < 0.03 else ColorSpace(curve=1 / gamma)
    if not places or len(places) != 8 or min(places[1::2]) <= 0:
        return space
    found = ColorSpace(tuple(places[2:]), (places[0], places[1]), space.curve)
    return found if _is_usable(found) else space


def _is_usable(space: ColorSpace) -> bool:
    """Whether three primaries span colours at all."""
    x, y = np.array(space.primaries[::2]), np.array(space.primaries[1::2])
    area = abs((x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0]))
    return bool(area > 1e-3 and 0 < space.white[0] < 1 and 0 < space.white[1] < 1)


def _named_space(path: Path) -> ColorSpace | None:
    """The space that a PNG (cICP) or an AVIF (nclx) names by its codes; None where it names none."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    codes = None
    if head.startswith(b"\x89PNG"):
        at = 8
        while at + 12 <= len(head) and head[at + 4 : at + 8] not in (b"IDAT", b"IEND"):
            if head[at + 4 : at + 8] == b"cICP":
                codes = (head[at + 8], head[at + 9])
            at += 12 + int.from_bytes(head[at : at + 4], "big")
    elif head[4:8] == b"ftyp" and (place := head.find(b"colrnclx")) >= 0:
        codes = (
            int.from_bytes(head[place + 8 : place + 10], "big"),
            int.from_bytes(head[place + 10 : place + 12], "big"),
        )
    if codes is None:
        return None
    primaries, transfer = codes
    curve = transfer if transfer in (_PQ, _HLG) else _GAMMAS.get(transfer, 0)
    return ColorSpace(_PRIMARIES.get(primaries, _SRGB), _D65, curve)
