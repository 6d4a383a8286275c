"""Small real files, and what a disk, a network or somebody unfriendly makes of them; for `test_fuzz.py`."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any

import numpy as np

NUMBERS = [0, -1, 1, 2**31 - 1, 2**31, 2**63, -(2**70), 1e308, -0.0, float("nan"), float("inf")]
LETTERS = ["", ";", "=", "-", "1e9", "nan", "é\U0001f600", "\0", ",,"]
VALUES = [None, True, "", "x" * 5000, "\0", "../../etc/passwd", [], {}, [[[[]]]], {"a": {"b": {}}}, [None] * 40]


# -- damage ------------------------------------------------------------------------------------------------------------


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Bytes as a disk, a network or somebody unfriendly leaves them."""
    made = bytearray(content)
    for _ in range(chance.choice([1, 1, 1, 2, 5, 30])):
        at = chance.randrange(max(1, len(made)))
        if chance.random() < 0.4:
            at = min(at, chance.randrange(1, 300))  # heads say the most
        size = chance.choice([1, 1, 2, 4, 8, 64, 1000])
        kind = chance.randrange(7)
        if kind == 0:
            made = made[:at]
        elif kind == 1:
            made[at : at + size] = chance.randbytes(size)
        elif kind == 2:
            made[at : at + size] = bytes([chance.choice([0, 255, 127, 128])]) * size
        elif kind == 3:
            made[at:at] = made[at : at + size] * chance.choice([1, 3])
        elif kind == 4:
            del made[at : at + size]
        elif kind == 5 and made:
            made[at % len(made)] ^= 1 << chance.randrange(8)
        else:
            number = chance.choice([0, 1, 2**16 - 1, 2**31 - 1, 2**32 - 1])
            made[at : at + 4] = number.to_bytes(4, chance.choice(["little", "big"]))  # type: ignore[arg-type]
    return bytes(made)


def odd(value: Any, chance: random.Random) -> Any:
    """What JSON may hold, with one or some of its values exchanged."""
    if chance.random() < 0.08:
        return chance.choice([*NUMBERS, *VALUES])
    if isinstance(value, dict):
        made = {name: odd(each, chance) for name, each in value.items() if chance.random() > 0.03}
        return made | ({"more": 1} if chance.random() < 0.03 else {})
    return [odd(each, chance) for each in value] if isinstance(value, list) else value


def odd_json(content: bytes, chance: random.Random) -> bytes:
    """JSON, some of it damaged as bytes."""
    text = content.decode()
    try:
        values = [json.loads(text)]
    except ValueError:  # one a line
        values = [json.loads(line) for line in text.splitlines()]
    lines = [json.dumps(odd(value, chance)) for value in values]
    made = "\n".join(lines).encode(chance.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16"]))
    return damaged(made, chance) if chance.random() < 0.3 else made


def odd_arrays(content: bytes, chance: random.Random) -> bytes:
    """An .npz, of which an array has another shape, kind or content."""
    if chance.random() < 0.4:
        return damaged(content, chance)
    with np.load(io.BytesIO(content)) as file:
        arrays: dict[str, Any] = dict(file)
    for name in chance.sample(sorted(arrays), min(len(arrays), chance.choice([1, 1, 2, 4]))):
        value = arrays[name]
        made = [
            lambda v: v[:0], lambda v: v[..., None], lambda v: v.ravel(), lambda v: np.array("text"),
            lambda v: np.full(v.shape, np.nan), lambda v: np.full(v.shape, 1e38), lambda v: v.astype("S9"),
            lambda v: np.zeros((3, 10**7), np.uint8), lambda v: np.array(-1), lambda v: v.astype(np.float16),
            lambda v: np.concatenate([v.ravel()] * 2), lambda v: v > 0, lambda v: np.full(v.shape, 2**31),
        ]  # fmt: skip
        if chance.random() < 0.2:
            del arrays[name]
        else:
            try:
                arrays[name] = chance.choice(made)(value)
            except (ValueError, TypeError, IndexError, OverflowError):  # it has no such form
                arrays[name] = np.zeros(2)
    memory = io.BytesIO()
    with np.errstate(all="ignore"):
        np.savez_compressed(memory, **arrays)
    return memory.getvalue()


def odd_form(content: bytes, chance: random.Random) -> bytes:
    """Fields of a form, with other values, or letters of them exchanged."""
    fields = odd(json.loads(content), chance)
    if isinstance(fields, dict):
        for name, value in fields.items():
            if isinstance(value, str) and value and chance.random() < 0.2:
                at = chance.randrange(len(value))
                fields[name] = value[:at] + chance.choice(LETTERS) + value[at + 1 :]
    return json.dumps(fields).encode()


# -- small real files --------------------------------------------------------------------------------------------------


def pictures(folder: Path) -> None:
    """One photo in every format that is read."""
    from PIL import Image, ImageCms
    from skimage.data import astronaut

    photo = Image.fromarray(astronaut()).resize((96, 96))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for ending in ("jpg", "png", "webp", "avif", "tif", "bmp", "gif", "jp2", "ppm", "tga", "ico"):
        photo.save(folder / f"a.{ending}", **({"icc_profile": profile} if ending in ("jpg", "png", "tif") else {}))
    photo.quantize(16).save(folder / "b.png", transparency=3)
    Image.fromarray(np.arange(9216, dtype=np.uint16).reshape(96, 96)).save(folder / "c.png")
    photo.convert("CMYK").save(folder / "d.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0")


def media(folder: Path) -> None:
    """A film with sound in several containers, and sound alone."""
    import av
    from skimage.data import astronaut

    for ending in ("mp4", "mkv", "avi", "ts", "mov", "wav", "mp3", "ogg", "flac"):
        with av.open(str(folder / f"a.{ending}"), "w") as out:
            pictured = ending in ("mp4", "mkv", "avi", "ts", "mov")
            video = out.add_stream("mpeg4", rate=25) if pictured else None
            if video is not None:
                video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
            codec = {"wav": "pcm_s16le", "mp3": "mp3", "ogg": "libopus", "flac": "flac"}.get(ending, "aac")
            sound = out.add_stream(codec, rate=48000, layout="mono")
            for k in range(10):
                wave = 9000 * np.sin(np.arange(k * 1920, (k + 1) * 1920) * 0.05)
                block = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None], format="s16", layout="mono")
                block.sample_rate, block.pts = 48000, k * 1920
                for each in av.AudioResampler(format=sound.format, layout="mono", rate=48000).resample(block):
                    each.pts = k * 1920
                    out.mux(sound.encode(each))
                if video is not None:
                    picture = np.ascontiguousarray(astronaut()[k : k + 64, 200:264])
                    out.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            for stream in filter(None, (video, sound)):
                out.mux(stream.encode(None))


def films(folder: Path) -> None:
    """Those with pictures."""
    media(folder)
    for name in ("a.wav", "a.mp3", "a.ogg", "a.flac"):
        (folder / name).unlink()


def motions(folder: Path) -> None:
    """A motion as .npz and as ARKit's CSV."""
    from flamecast.flame_motion.edit import demo_motion
    from flamecast.pipelines.exports.export import write_export

    demo_motion("open")[:6].save(folder / "a.npz")
    write_export(demo_motion("open")[:6], folder / "a.csv")


def portraits(folder: Path) -> None:
    """A fitted portrait."""
    from flamecast.pipelines.fit import open_portrait

    open_portrait("demo").portrait.resized(64, 64).save(folder / "a.npz")


def heads(folder: Path) -> None:
    """A textured head."""
    from .training.test_completion_heads import Writer

    Writer().head(folder / "a.glb")


def texts(folder: Path) -> None:
    """Keyframes, cameras, a batch, a preset."""
    from flamecast.renderer import pinhole
    from flamecast.renderer.cameras.file import save_cameras

    keys = [{"time": 0, "edits": {"yaw": 0}}, {"time": 1, "ease": "in", "edits": {"yaw": "15deg", "smile": 0.5}}]
    (folder / "keys.json").write_text(json.dumps(keys))
    (folder / "keys2.json").write_text(
        json.dumps({"keyframes": keys, "warp": [{"time": 0, "source": 0}, {"time": 1, "source": 0.1}]})
    )
    (folder / "path.json").write_text(json.dumps([{"time": 0}, {"time": 1, "yaw": 10, "zoom": 1.2, "ease": "out"}]))
    save_cameras(pinhole(64, 64, fov=0.5, distance=1.0), folder / "cameras.json")
    jobs = [{"photo": "a.jpg", "text": "nods", "output": "a.mp4"}, {"motion": "demo", "output": "b.npz", "seconds": 1}]
    (folder / "jobs.jsonl").write_text("\n".join(map(json.dumps, jobs)))


def forms(folder: Path) -> None:
    """What a form may ask for."""
    fields = {
        "photo": "demo", "text": "nods; 2s: looks left", "emotion": "amused", "seconds": "2", "size": "256",
        "edit": "yaw=+10deg; smile=0.4; speed=1.5; only=mouth", "camera": "orbit:20", "seed": "3", "preview": "1",
        "mix": "upper=text", "fps": "25", "mode": "relative", "strength": "0.8", "framing": "photo", "face": "0",
    }  # fmt: skip
    (folder / "a.json").write_text(json.dumps(fields))
    spoken = {"photo": "demo", "say": "Hello there.", "edit": "smile=0.2", "camera": "zoom:1.2+arc:-15,15"}
    (folder / "b.json").write_text(json.dumps(spoken))


def weights(folder: Path) -> None:
    """A small network and its card."""
    import torch

    from flamecast.core.networks import save_network
    from flamecast.flame_motion.diffusion import DenoiserConfig, MotionDenoiser
    from flamecast.flame_motion.diffusion.weights import TrainedDenoiser

    torch.manual_seed(0)
    denoiser = MotionDenoiser(DenoiserConfig(8, 8, 24, 1, 2, 4))
    save_network(folder / "a", TrainedDenoiser(denoiser, torch.zeros(8), torch.ones(8)), {"training": "none"})
