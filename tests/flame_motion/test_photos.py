"""Photos of every odd format come out upright, 8-bit and RGB; what is no photo is refused in one sentence."""

from __future__ import annotations

import struct
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from flamecast.core.errors import BadInput
from flamecast.flame_motion import VideoClip
from flamecast.flame_motion.media.colors import ColorSpace
from flamecast.flame_motion.media.photos import WORKING_SIDE, load_photo, read_photo
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


@pytest.mark.parametrize("ending", ["tif", "pfm"])
def test_grey_of_floats_is_refused(tmp_path, ending):
    """Nothing says what is white in it: it came out almost black, or burnt."""
    Image.fromarray(np.full((32, 32), 0.5, np.float32)).save(tmp_path / f"a.{ending}")
    sentence = _refusal(tmp_path / f"a.{ending}")
    assert "is not a picture this reads: it is " in sentence
    assert sentence.endswith("save it as JPEG, PNG or TIFF of 8 or 16 bits")


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


def test_a_profile_that_cannot_be_used_is_ignored_and_said(picture, tmp_path):
    cut = profile_of(P3_D50, 2.2)[:200]
    for name, profile in {"a": b"no profile", "b": cut, "c": profile_of(None, 1.0, grey=True)}.items():
        Image.fromarray(picture).save(tmp_path / f"{name}.png", icc_profile=profile)
        photo = read_photo(tmp_path / f"{name}.png")
        assert np.array_equal(photo.image, picture)
        (note,) = photo.notes
        assert note.startswith("the photo's colour profile cannot be read")
    Image.fromarray(picture).save(tmp_path / "d.png", icc_profile=profile_of(P3_D50, 2.2))
    assert read_photo(tmp_path / "d.png").notes == []


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_huge_pictures_are_scaled_to_the_working_size(tmp_path, ending):
    Image.new("RGB", (WORKING_SIDE * 2 + 100, 64), (200, 100, 50)).save(tmp_path / f"a.{ending}")
    image, _ = load_photo(tmp_path / f"a.{ending}")
    assert image.shape == (round(64 * WORKING_SIDE / (WORKING_SIDE * 2 + 100)), WORKING_SIDE, 3)
    assert np.abs(image.astype(int) - (200, 100, 50)).max() <= 3


# -- colours -----------------------------------------------------------------------------------------------------------


def chunk(kind: bytes, data: bytes) -> bytes:
    """A piece of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunk(path, kind: bytes, data: bytes):
    """Puts a piece after the head of a PNG."""
    content = path.read_bytes()
    path.write_bytes(content[:33] + chunk(kind, data) + content[33:])
    return path


def linear(picture: np.ndarray) -> np.ndarray:
    """sRGB 0..255 as light 0..1."""
    values = picture / 255.0
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def pq(light: np.ndarray) -> np.ndarray:
    """Light, where 1 is 203 cd/m^2, as a PQ signal 0..1 (SMPTE ST 2084)."""
    power = (light * 203 / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


TO_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])  # BT.2087
TO_P3 = np.array([[0.8225, 0.1774, 0.0], [0.0332, 0.9669, 0.0], [0.0171, 0.0724, 0.9108]])


def profile_of(primaries, gamma, grey=False) -> bytes:
    """An ICC profile (version 2) of a power curve; `primaries` [3, 3]: XYZ under D50 of red, green and blue."""

    def xyz(values):
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *[round(value * 65536) for value in values])

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    tags = {b"wtpt": xyz((0.9642, 1.0, 0.8249))}
    if grey:
        tags[b"kTRC"] = curve
    else:
        tags |= {name + b"XYZ": xyz(values) for name, values in zip((b"r", b"g", b"b"), primaries, strict=True)}
        tags |= {name + b"TRC": curve for name in (b"r", b"g", b"b")}
    tags[b"desc"] = b"desc\0\0\0\0" + struct.pack(">I", 2) + b"x\0" + bytes(78)
    tags[b"cprt"] = b"text\0\0\0\0x\0\0\0"
    table, body, at = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += struct.pack(">4sII", name, at + len(body), len(data))
        body += data
    head = struct.pack(
        ">I4sI4s4s4s", at + len(body), b"lcms", 0x02100000, b"mntr", b"GRAY" if grey else b"RGB ", b"XYZ "
    )
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + table + body


P3_D50 = ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))


def test_light_is_stored_as_such_by_gama(picture, tmp_path):
    Image.fromarray(np.rint(255 * linear(picture)).astype(np.uint8)).save(tmp_path / "a.png")
    image, _ = load_photo(with_chunk(tmp_path / "a.png", b"gAMA", struct.pack(">I", 100_000)))
    assert np.abs(image.astype(int) - picture).max() <= 4  # 8 bits of light are coarse in the dark
    with_chunk(tmp_path / "a.png", b"sRGB", b"\0")  # which counts for more
    assert np.abs(load_photo(tmp_path / "a.png")[0] - 255 * linear(picture)).max() <= 1


def test_the_usual_gama_and_chrm_change_nothing(picture, tmp_path):
    Image.fromarray(picture).save(tmp_path / "a.png")
    with_chunk(tmp_path / "a.png", b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000))
    assert np.array_equal(load_photo(with_chunk(tmp_path / "a.png", b"gAMA", struct.pack(">I", 45455)))[0], picture)


def test_primaries_by_chrm(picture, tmp_path):
    light = np.einsum("ij,hwj->hwi", TO_P3, linear(picture)) ** (1 / 2.2)
    Image.fromarray(np.rint(255 * light).astype(np.uint8)).save(tmp_path / "a.png")
    with_chunk(tmp_path / "a.png", b"gAMA", struct.pack(">I", 50_000))
    with_chunk(tmp_path / "a.png", b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))
    wide = load_photo(tmp_path / "a.png")[0].astype(int)
    exact = ColorSpace((0.68, 0.32, 0.265, 0.69, 0.15, 0.06), (0.3127, 0.329), 2.0).to_srgb(
        np.rint(255 * light).astype(np.uint8)
    )
    assert np.abs(wide - exact).max() <= 1
    space = ColorSpace((0.68, 0.32, 0.265, 0.69, 0.15, 0.06), curve=2.2)
    assert np.abs(space.to_srgb(np.rint(255 * light).astype(np.uint8)).astype(int) - picture).max() <= 2


@pytest.mark.parametrize("kind", ["png", "avif"])
def test_pq_and_its_primaries_by_code(picture, tmp_path, kind):
    light = np.einsum("ij,hwj->hwi", TO_2020, linear(picture))
    stored = Image.fromarray(np.rint(255 * pq(light)).astype(np.uint8))
    path = tmp_path / f"a.{kind}"
    if kind == "png":
        stored.save(path)
        with_chunk(path, b"cICP", bytes([9, 16, 0, 1]))
    else:
        stored.save(path, quality=100, subsampling="4:4:4")
        content = path.read_bytes()
        place = content.index(b"colrnclx") + 8
        path.write_bytes(content[:place] + struct.pack(">HH", 9, 16) + content[place + 4 :])
    assert np.abs(load_photo(path)[0].astype(int) - picture).mean() < 5  # 8 bits of PQ are coarse


def test_hdr_highlights_are_tone_mapped_with_a_note(picture, tmp_path):
    """Light of up to five times white: it was clipped to one white."""
    light = np.repeat(np.repeat(np.linspace(0, 5, 256)[None, :, None], 32, 0), 3, 2)
    Image.fromarray(np.rint(255 * pq(light)).astype(np.uint8)).save(tmp_path / "a.png")
    photo = read_photo(with_chunk(tmp_path / "a.png", b"cICP", bytes([1, 16, 0, 1])))
    row = photo.image[0, :, 0].astype(int)
    assert (np.diff(row) >= 0).all() and row[-1] >= 253 and len(set(row[52:].tolist())) > 12  # from white on
    below = light[0, :, 0] < 0.65
    shown = np.rint(255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055))[0, :, 0]
    assert np.abs(row[below] - shown[below]).max() <= 6  # a face is as bright as it was
    assert [("HDR" in note) for note in photo.notes] == [True]
    Image.fromarray(np.rint(255 * pq(linear(picture))).astype(np.uint8)).save(tmp_path / "b.png")
    assert read_photo(with_chunk(tmp_path / "b.png", b"cICP", bytes([1, 16, 0, 1]))).notes == []


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_a_profile_of_grey(picture, tmp_path, mode):
    grey = Image.fromarray(np.rint(255 * linear(picture[..., 0])).astype(np.uint8)).convert(mode)
    grey.save(tmp_path / "a.png", icc_profile=profile_of(None, 1.0, grey=True))
    assert np.abs(load_photo(tmp_path / "a.png")[0][..., 1].astype(int) - picture[..., 0]).mean() < 1


def test_a_wide_profile_in_every_mode(picture, tmp_path):
    light = np.einsum("ij,hwj->hwi", TO_P3, linear(picture)) ** (1 / 2.2)
    stored = Image.fromarray(np.rint(255 * light).astype(np.uint8))
    profile, palette = profile_of(P3_D50, 2.2), stored.quantize(256)
    stored.save(tmp_path / "a.png", icc_profile=profile)
    wide = load_photo(tmp_path / "a.png")[0].astype(int)
    assert np.abs(wide - picture).max() <= 3
    palette.save(tmp_path / "b.png", icc_profile=profile)
    palette.convert("RGB").save(tmp_path / "c.png", icc_profile=profile)
    assert np.array_equal(load_photo(tmp_path / "b.png")[0], load_photo(tmp_path / "c.png")[0])
    palette.save(tmp_path / "d.png", icc_profile=profile, transparency=int(np.array(palette)[0, 0]))
    image, alpha = load_photo(tmp_path / "d.png")
    seen = alpha == 255
    assert alpha[0, 0] == 0 and np.abs(image[seen] - wide[seen]).mean() < 5


INPUTS = Path(__file__).resolve().parents[3] / "shared" / "data" / "inputs"


@pytest.mark.skipif(not INPUTS.is_dir(), reason="no real media: ../shared/data/inputs is not here")
def test_one_face_in_two_color_spaces_is_one_picture():
    light, bright, grey = (
        load_photo(INPUTS / f"{name}.png")[0].astype(int) for name in ("gama1", "pq_cicp", "gray_linear")
    )
    assert np.abs(light - bright).mean() < 2 and np.abs(light.mean(2) - grey[..., 0]).mean() < 6


# -- what is no photo --------------------------------------------------------------------------------------------------


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
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(bomb)
    assert "million" in _refusal(tmp_path / "bomb.png")


def test_pictures_that_are_not_read_are_named(picture, tmp_path):
    import tifffile

    light = picture.astype(np.float32) / 255
    tifffile.imwrite(tmp_path / "a.tif", light, photometric="rgb")
    for name, content in {
        "a.exr": b"v/1\x01\x02\0\0\0" + bytes(100),
        "a.dpx": b"SDPX" + bytes(2048),
        "a.pfm": b"PF\n64 48\n-1.0\n" + light.tobytes(),
    }.items():
        (tmp_path / name).write_bytes(content)
    for name, kind in {"a.tif": "floating-point", "a.exr": "OpenEXR", "a.dpx": "DPX", "a.pfm": "PFM"}.items():
        sentence = _refusal(tmp_path / name)
        assert "is not a picture this reads" in sentence and kind in sentence and "video" not in sentence


def test_a_cameras_raw_file_is_named(picture, tmp_path):
    import tifffile

    with tifffile.TiffWriter(tmp_path / "a.dng") as file:  # a thumbnail first
        file.write(picture[::3, ::3], subfiletype=1, extratags=[(50706, "B", 4, (1, 4, 0, 0), True)])
    assert "a camera's RAW file: export it" in _refusal(tmp_path / "a.dng")
    (tmp_path / "a.raf").write_bytes(b"FUJIFILMCCD-RAW 0201" + bytes(600))
    assert "a camera's RAW file: export it" in _refusal(tmp_path / "a.raf")


def test_of_a_tiff_that_begins_with_a_thumbnail_the_picture_is_taken(picture, tmp_path):
    import tifffile

    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(picture[::3, ::3].copy(), photometric="rgb", subfiletype=1)
        file.write(picture, photometric="rgb")
    assert np.array_equal(load_photo(tmp_path / "a.tif")[0], picture)


def test_no_program_is_started_and_no_other_file_opened(picture, tmp_path, monkeypatch):
    def start(*_, **__):
        raise AssertionError("a program was started")

    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr(subprocess, "check_call", start)
    (tmp_path / "a.jpg").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 48\n%%EndComments\nshowpage\n")
    assert "PostScript" in _refusal(tmp_path / "a.jpg")
    with VideoWriter(tmp_path / "film.mp4", fps=25) as writer:
        writer.write(picture)
    lists = {
        "b.jpg": "ffconcat version 1.0\nfile film.mp4\n",
        "c.jpg": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfilm.mp4\n#EXT-X-ENDLIST\n",
    }
    for name, text in lists.items():
        (tmp_path / name).write_text(text)
        assert "it holds text" in _refusal(tmp_path / name)
        with pytest.raises(BadInput, match="media file"):
            VideoClip.open(tmp_path / name)
