"""Photos of any format as upright 8-bit sRGB."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...core.errors import BadInput
from ...core.files import existing_file
from .colors import in_srgb
from .container import opened, video_stream

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

WORKING_SIDE = 4096  # px: a face needs no more, and every later stage's memory grows with it
_LARGEST = 178_000_000  # px: larger is refused unread, as a decompression bomb; Pillow's own limit lies just above
_SMALLEST = 16  # px
_FULL_SCALES = [2.0**bits - 1 for bits in (10, 12, 14, 16)]  # fewer would make noise of a black picture
# What Pillow may open: no format that starts another program (EPS) or reads other files. PSD: its composite picture.
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF", "BMP", "DIB", "GIF", "JPEG2000", "PPM", "TGA", "ICO", "PSD")
_KINDS = (  # what files of other formats begin with
    (b"v/1\x01", "OpenEXR"),
    (b"SDPX", "DPX"),
    (b"XPDS", "DPX"),
    (b"PF\n", "PFM"),
    (b"Pf\n", "PFM"),
    (b"#?R", "Radiance HDR"),
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript"),
    (b"%PDF", "PDF"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"II*\0", "a TIFF of floating-point numbers or of another rare kind"),
    (b"MM\0*", "a TIFF of floating-point numbers or of another rare kind"),
    (b"<svg", "SVG"),
)
_RAW = (b"FUJIFILMCCD-RAW", b"IIU\0", b"IIRO", b"IIRS", b"MMOR", b"FOVb", b"\0MRM")
_NEW_SUBFILE, _SUB_IFDS, _DNG_VERSION = 254, 330, 50706  # tags of TIFF and DNG
_BACKDROP = 255  # transparent pixels are shown on white


@dataclass(frozen=True, eq=False)
class Photo:
    """A picture as it is worked on, and what to know of it."""

    image: np.ndarray  # [H, W, 3] uint8 sRGB, upright, at most WORKING_SIDE px long; what is transparent is on white
    alpha: np.ndarray | None = None  # [H, W] uint8, where it is transparent anywhere
    notes: list[str] = field(default_factory=list)


def load_photo(path: str | Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns uint8 RGB [H, W, 3] and, where the picture has one, its alpha uint8 [H, W]; see `read_photo`."""
    photo = read_photo(path)
    return photo.image, photo.alpha


def read_photo(path: str | Path) -> Photo:
    """Reads a picture; `demo` is the portrait inside scikit-image.

    Upright by EXIF, converted to sRGB, at most WORKING_SIDE px long; transparency is composited on white. The format is
    recognised by content, not by name. Raises BadInput.
    """
    if str(path) == "demo":
        from skimage.data import astronaut

        return Photo(astronaut())
    from PIL import ImageOps

    path = Path(path)
    picture, notes = in_srgb(_eight_bits(ImageOps.exif_transpose(_open(path))), path)
    picture = _working_size(picture)
    alpha = _alpha(picture)
    return Photo(_rgb(path, picture) if alpha is None else _on_white(picture), alpha, notes)


def check_photo(path: Path) -> None:
    """BadInput where a file is no photo, by what it begins with: no pixel is decoded."""
    with _opened(path):
        pass


def _open(path: Path) -> Image:
    with _opened(path) as picture:
        picture.draft("RGB", (WORKING_SIDE, WORKING_SIDE))  # a large JPEG is decoded at 1/2, 1/4 or 1/8
        picture.load()
        return picture


@contextmanager
def _opened(path: Path) -> Iterator[ImageFile]:
    """A picture whose size and kind are read; what goes wrong until it is let go is a BadInput."""
    from PIL import Image, UnidentifiedImageError

    existing_file(path, "the photo")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(path, formats=FORMATS)
            _refuse_raw(path, picture)
            _refuse_floats(path, picture)
            _seek_largest(picture)
            _refuse_huge(path, *picture.size)
            yield picture
    except UnidentifiedImageError:
        raise BadInput(f"the photo {path} is not a picture{_what_instead(path)}") from None
    except Image.DecompressionBombError:
        raise BadInput(f"the photo {path} has more than {_LARGEST // 10**6} million pixels: scale it down") from None
    except BadInput:
        raise
    except Exception as error:  # a damaged picture can fail anywhere in Pillow's readers
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise BadInput(f"the photo {path} is damaged or cannot be read: {reason}") from error


def _refuse_huge(path: Path, width: int, height: int) -> None:
    if width * height > _LARGEST:
        raise BadInput(
            f"the photo {path} has {width} x {height} pixels, over {_LARGEST // 10**6} million: scale it down"
        )
    if min(width, height) < _SMALLEST:
        raise BadInput(f"the photo {path} has only {width} x {height} pixels: a face needs more")


def _refuse_raw(path: Path, picture: Image) -> None:
    """BadInput for a camera's RAW file, which is a TIFF that begins with a thumbnail."""
    tags = getattr(picture, "tag_v2", {})
    thumbnail = tags.get(_NEW_SUBFILE, 0) & 1 and _SUB_IFDS in tags
    with path.open("rb") as file:
        canon = picture.format == "TIFF" and file.read(10)[8:] == b"CR"
    if _DNG_VERSION in tags or thumbnail or canon:
        raise BadInput(f"the photo {path} is a camera's RAW file: export it as JPEG, PNG or TIFF")


def _refuse_floats(path: Path, picture: Image) -> None:
    """BadInput for grey of floating-point numbers: nothing says what is white in it, or whether it is light."""
    if picture.mode == "F":
        kind = "PFM" if picture.format == "PPM" else "a TIFF of floating-point numbers"
        raise BadInput(
            f"the photo {path} is not a picture this reads: it is {kind}; save it as JPEG, PNG or TIFF of 8 or 16 bits"
        )


def _seek_largest(picture: Image) -> None:
    """Goes to the largest page of a TIFF whose first is a thumbnail."""
    if picture.format != "TIFF" or not getattr(picture, "tag_v2", {}).get(_NEW_SUBFILE, 0) & 1:
        return
    sizes = []
    for page in range(min(getattr(picture, "n_frames", 1), 16)):
        picture.seek(page)
        sizes.append((picture.size[0] * picture.size[1], -page))
    picture.seek(-max(sizes)[1])


def _what_instead(path: Path) -> str:
    """The rest of "is not a picture": what the file seems to be, and what to do about it."""
    with path.open("rb") as file:
        head = file.read(512)
    brand = head[8:12] if head[4:8] == b"ftyp" else b""
    if brand in (b"heic", b"heix", b"mif1", b"msf1"):
        return ": it is HEIC, which Pillow cannot read; convert it to JPEG or PNG"
    if brand == b"crx " or head.startswith(_RAW):
        return " this reads: it is a camera's RAW file: export it as JPEG, PNG or TIFF"
    if kind := next((name for start, name in _KINDS if head.startswith(start)), None):
        return f" this reads: it is {kind}; save it as JPEG, PNG or TIFF of 8 or 16 bits"
    if _is_video(path):
        return ": it is a video; drive with it by --video, or give one of its frames as a picture"
    if b"\0" not in head:
        return ": it holds text"
    return ": its content is of no picture format known here (JPEG, PNG, WebP, TIFF, BMP, GIF …)"


def _is_video(path: Path) -> bool:
    try:
        with opened(path) as container:
            return video_stream(container) is not None
    except BadInput:
        return False


def _working_size(picture: Image) -> Image:
    """Scaled down to the working size where it is larger."""
    from PIL import Image

    if max(picture.size) > WORKING_SIDE:
        if picture.mode == "P" or picture.mode == "1":
            picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
        scale = WORKING_SIDE / max(picture.size)
        size = tuple(max(1, round(side * scale)) for side in picture.size)
        picture = picture.resize((size[0], size[1]), Image.Resampling.LANCZOS)
    return picture


def _eight_bits(picture: Image) -> Image:
    """Grey of 16 or 32 bits, scaled to 8; other modes as they are.

    A 16-bit file often holds a sensor's 10, 12 or 14 bits: the fewest that its brightest value fits into are its scale.
    """
    from PIL import Image

    if picture.mode.startswith("I;16") or picture.mode == "I":
        values = np.asarray(picture).astype(np.float64)
        top = float(values.max(initial=0.0))
        full = next((value for value in _FULL_SCALES if top <= value), top)
        return Image.fromarray(np.clip(values / full * 255.0 + 0.5, 0, 255).astype(np.uint8))
    return picture


def _alpha(picture: Image) -> np.ndarray | None:  # [H, W] uint8
    """The transparency of the picture; None when it has none or is opaque everywhere."""
    if picture.mode not in ("RGBA", "LA", "PA", "RGBa", "La") and "transparency" not in picture.info:
        return None
    alpha = np.array(picture.convert("RGBA").getchannel("A"))
    return None if bool((alpha == 255).all()) else alpha


def _rgb(path: Path, picture: Image) -> np.ndarray:  # [H, W, 3] uint8
    try:
        return np.array(picture.convert("RGB"))
    except ValueError as error:
        raise BadInput(f"the photo {path} has colours of mode {picture.mode}: save it as RGB ({error})") from error


def _on_white(picture: Image) -> np.ndarray:  # [H, W, 3] uint8
    from PIL import Image

    layer = picture.convert("RGBA")
    backdrop = Image.new("RGBA", layer.size, (_BACKDROP,) * 3 + (255,))
    return np.array(Image.alpha_composite(backdrop, layer).convert("RGB"))
