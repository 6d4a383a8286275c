"""Photos of every odd format come out upright, 8-bit and RGB; what is no photo is refused in one sentence."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageCms

from flamecast.core.errors import BadInput
from flamecast.flame_motion.media.photos import WORKING_SIDE, load_photo
from flamecast.flame_motion.media.video_writer import VideoWriter


@pytest.fixture(scope="module")
def picture() -> np.ndarray:  # [48, 64, 3] uint8, smooth, different in every corner
    y, x = np.mgrid[0:48, 0:64].astype(float)
    return np.stack([40 + 3 * x, 30 + 4 * y, 230 - 2 * x - y], axis=-1).clip(0, 255).astype(np.uint8)


def test_demo_is_the_portrait_of_scikit_image():
    image, alpha = load_photo("demo")
    assert image.shape == (512, 512, 3) and image.dtype == np.uint8 and alpha is None


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "webp"])
def test_lossless_formats_are_exact_whatever_the_name_says(picture, tmp_path, ending):
    path = tmp_path / f"photo.{ending}"
    Image.fromarray(picture).save(path, lossless=True)
    for name in (path, path.rename(tmp_path / "photo.jpg")):
        if name.exists():
            image, alpha = load_photo(name)
            assert np.array_equal(image, picture) and alpha is None


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(picture, tmp_path, orientation):
    undo = {
        2: 0,
        3: 3,
        4: 1,
        5: 5,
        6: 2,
        7: 6,
        8: 4,
    }  # how a camera held that way stores the upright picture (PIL transposes)
    stored = Image.fromarray(picture)
    if orientation > 1:
        stored = stored.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(load_photo(tmp_path / "a.png")[0], picture)


@pytest.mark.parametrize("dtype, scale", [(np.uint8, 1), (np.uint16, 257)])
def test_grey_of_8_and_16_bits(picture, tmp_path, dtype, scale):
    grey = picture[..., 0]
    Image.fromarray(grey.astype(dtype) * scale).save(tmp_path / "a.png")
    image, _ = load_photo(tmp_path / "a.png")
    assert np.array_equal(image, np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize("ending", ["png", "tif"])
@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_grey_of_a_sensors_bits_in_a_16_bit_file(picture, tmp_path, bits, ending):
    """A camera's 12 bits, kept as they are, were shown at a sixteenth of their brightness: black."""
    full = 2**bits - 1
    stored = np.rint(picture[..., 0] / 255.0 * full).astype(np.uint16)
    assert stored.max() > full / 2
    Image.fromarray(stored).save(tmp_path / f"a.{ending}")
    assert np.array_equal(load_photo(tmp_path / f"a.{ending}")[0][..., 0], picture[..., 0])


def test_a_black_16_bit_picture_is_not_made_bright(tmp_path):
    noise = np.random.default_rng(0).integers(0, 60, (32, 32)).astype(np.uint16)
    Image.fromarray(noise).save(tmp_path / "a.png")
    assert load_photo(tmp_path / "a.png")[0].max() <= 15


def test_16_bit_colour_tiff(picture, tmp_path):
    import tifffile

    tifffile.imwrite(tmp_path / "a.tif", picture.astype(np.uint16) * 257, photometric="rgb")
    assert np.array_equal(load_photo(tmp_path / "a.tif")[0], picture)


def test_float_grey(tmp_path):
    Image.fromarray(np.full((32, 32), 0.5, np.float32)).save(tmp_path / "a.tif")
    assert (load_photo(tmp_path / "a.tif")[0] == 128).all()


def test_palette_with_and_without_transparency(picture, tmp_path):
    palette = Image.fromarray(picture).quantize(256)
    palette.save(tmp_path / "a.png")
    image, alpha = load_photo(tmp_path / "a.png")
    assert np.array_equal(image, np.array(palette.convert("RGB"))) and alpha is None
    palette.save(tmp_path / "b.gif", transparency=int(np.array(palette)[0, 0]))
    image, alpha = load_photo(tmp_path / "b.gif")
    assert alpha is not None and alpha[0, 0] == 0 and (image[0, 0] == 255).all()


def test_alpha_is_composited_on_white_and_returned(picture, tmp_path):
    alpha = np.full(picture.shape[:2], 255, np.uint8)
    alpha[:10], alpha[10:20] = 0, 128
    Image.fromarray(np.dstack([picture, alpha])).save(tmp_path / "a.png")
    image, got = load_photo(tmp_path / "a.png")
    assert np.array_equal(got, alpha)
    assert (image[:10] == 255).all() and np.array_equal(image[20:], picture[20:])
    blend = picture[10:20] * (128 / 255) + 255 * (127 / 255)
    assert np.abs(image[10:20] - blend).max() <= 1


def test_opaque_alpha_is_no_alpha(picture, tmp_path):
    Image.fromarray(np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])).save(tmp_path / "a.png")
    image, alpha = load_photo(tmp_path / "a.png")
    assert np.array_equal(image, picture) and alpha is None


def test_cmyk(picture, tmp_path):
    Image.fromarray(picture).convert("CMYK").save(tmp_path / "a.jpg", quality=98)
    assert np.abs(load_photo(tmp_path / "a.jpg")[0].astype(int) - picture).mean() < 3


def test_srgb_profile_changes_nothing(picture, tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(picture).save(tmp_path / "a.png", icc_profile=profile)
    assert np.abs(load_photo(tmp_path / "a.png")[0].astype(int) - picture).max() <= 1


def test_broken_profile_is_ignored(picture, tmp_path):
    Image.fromarray(picture).save(tmp_path / "a.png", icc_profile=b"no profile")
    assert np.array_equal(load_photo(tmp_path / "a.png")[0], picture)


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_huge_pictures_are_scaled_to_the_working_size(tmp_path, ending):
    Image.new("RGB", (WORKING_SIDE * 2 + 100, 64), (200, 100, 50)).save(tmp_path / f"a.{ending}")
    image, _ = load_photo(tmp_path / f"a.{ending}")
    assert image.shape == (round(64 * WORKING_SIDE / (WORKING_SIDE * 2 + 100)), WORKING_SIDE, 3)
    assert np.abs(image.astype(int) - (200, 100, 50)).max() <= 3


def _refusal(path) -> str:
    with pytest.raises(BadInput) as caught:
        load_photo(path)
    sentence = str(caught.value)
    assert str(path) in sentence and "\n" not in sentence
    return sentence


def test_what_is_no_photo_is_refused_in_one_sentence(picture, tmp_path):
    assert "does not exist" in _refusal(tmp_path / "none.jpg")
    assert "folder" in _refusal(tmp_path)
    (tmp_path / "empty.png").touch()
    assert "empty" in _refusal(tmp_path / "empty.png")
    (tmp_path / "text.jpg").write_text("this is a letter, not a face\n" * 40)
    assert "text" in _refusal(tmp_path / "text.jpg")
    (tmp_path / "noise.png").write_bytes(bytes(range(256)) * 8)
    assert "no picture format" in _refusal(tmp_path / "noise.png")
    Image.fromarray(picture).save(tmp_path / "cut.png")
    whole = (tmp_path / "cut.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    assert "damaged" in _refusal(tmp_path / "cut.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "dot.png")
    assert "8 x 8" in _refusal(tmp_path / "dot.png")


def test_a_video_and_a_heic_are_named_as_such(picture, tmp_path):
    with VideoWriter(tmp_path / "film.mp4", fps=25) as writer:
        for _ in range(3):
            writer.write(picture)
    assert "video" in _refusal((tmp_path / "film.mp4").rename(tmp_path / "film.jpg"))
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    assert "HEIC" in _refusal(tmp_path / "a.heic")


def test_a_decompression_bomb_is_refused_unread(tmp_path):
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(bomb)
    assert "million" in _refusal(tmp_path / "bomb.png")
