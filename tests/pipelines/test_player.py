"""The player's file and the page of one file; in Chromium, that it draws what `warp` draws and does as asked."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import struct
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from flamecast.flame_motion import BadInput, Driven, FlameSequence, Waveform
from flamecast.flame_motion.edit import apply_edit, demo_motion
from flamecast.flame_motion.heads.skinning import joint_transforms
from flamecast.flame_motion.retargeting.transfer import drive
from flamecast.flame_motion.rotations import matrix_from_axis_angle
from flamecast.generator.warp import WarpGenerator
from flamecast.generator.warp.folds import BRIGHTEST, DARKEST, fold_shade
from flamecast.generator.warp.scene import Scene, prepare
from flamecast.pipelines import write_export
from flamecast.pipelines.fit import open_portrait
from flamecast.pipelines.framing import framed
from flamecast.pipelines.player.clips import add_clip
from flamecast.pipelines.player.container import Container
from flamecast.pipelines.player.page import page, player_text
from flamecast.pipelines.player.scene_file import coefficients, pose_of, scene_file
from flamecast.pipelines.views import place

HOSTILE = "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>&%%SCRIPT%%"
SOUND = Waveform(0.3 * np.sin(np.arange(24000) * 0.05).astype(np.float32), 24000)


def read(data: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header and the blocks (arrays, bytes of files) of a player's file, by a reader of the tests' own."""
    assert data[:4] == b"FLMC"
    version, length = struct.unpack("<II", data[4:12])
    assert version == 1
    header, body = json.loads(data[12 : 12 + length]), data[12 + length :]
    blocks = {}
    for name, entry in header["blocks"].items():
        block = body[entry["offset"] : entry["offset"] + entry["bytes"]]
        plain = "shape" in entry
        blocks[name] = (
            np.frombuffer(zlib.decompress(block), f"<{entry['type']}").reshape(entry["shape"]) if plain else block
        )
    return header, blocks


@pytest.fixture(scope="module")
def scene() -> Scene:
    return prepare(framed(open_portrait("demo")[0], "photo", 256))


@pytest.fixture(scope="module")
def made(scene) -> Container:
    """The demo's file with two clips, one with a sound and a hostile name."""
    file = scene_file(scene)
    motion = drive(scene.portrait.pose, demo_motion("open")[:25])
    add_clip(file, "nods", motion, Driven(motion))
    add_clip(file, HOSTILE, motion, Driven(motion, sound=SOUND))
    return file


def posed(scene: Scene, motion: FlameSequence, points: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Points [N, 20] of a mesh with their rest moved by [T, N, 3] m, on the joints: what the vertex shader does."""
    head, shape = scene.portrait.head, scene.portrait.shape
    turns = torch.stack([motion.rotation, motion.neck, motion.jaw, *motion.eyes.unbind(1)], 1)
    shifted = head.skin.shaped(shape)[1] + torch.einsum("jke,te->tjk", head.skin.joints_expression, motion.expression)
    joints = joint_transforms(matrix_from_axis_angle(turns), shifted, motion.translation).numpy()
    weights = np.concatenate([1 - points[:, 4:8].sum(1, keepdims=True), points[:, 4:8]], 1)
    blend = np.einsum("nj,tjab->tnab", weights, joints)
    return np.einsum("tnab,tnb->tna", blend[..., :3], points[:, :3] + moved) + blend[..., 3]


def test_its_points_stand_where_the_portrait_s_do(scene, made):
    """The face to a hundredth of a millimetre, what is carried to a tenth on average, in a clip that turns."""
    header, blocks = read(made.packed())
    motion = apply_edit(drive(scene.portrait.pose, demo_motion("open")[:50]), "yaw=20deg")
    by = coefficients(motion).numpy()
    basis = blocks["face_basis"][..., :3].astype(np.float64) / 1000
    points = blocks["face_points"]
    own = np.einsum("tk,knc->tnc", by[:, header["face_rows"]], basis)[:, points[:, 3].astype(int)]
    face = posed(scene, motion, points, own)
    truth = scene.portrait.head(motion, scene.portrait.offsets).numpy()
    vertex = scene.vertex.numpy()[scene.uv_faces]
    order = np.argsort(scene.part, kind="stable")
    assert np.abs(face[:, blocks["face_triangles"]] - truth[:, vertex[order]]).max() < 2e-5
    mixed = by @ blocks["carried_mixing"].T
    for name, carried in (("shell", scene.shell.carried), ("around", scene.completed.carried)):
        points = blocks[f"{name}_points"]
        moved = np.einsum("tr,rnc->tnc", mixed, blocks[f"{name}_basis"].astype(np.float64) / 1000)
        world = posed(scene, motion, points, moved[:, points[:, 3].astype(int)])
        stays = motion.translation.numpy()[:, None] * points[None, :, 15:16]
        world = points[:, 8:11] + points[:, 11:12] * (world - stays - points[:, 8:11])
        truth = carried.pose(motion).numpy()[:, points[:, 3].astype(int)]
        away = np.linalg.norm(world - truth, axis=-1)
        assert away.mean() < 2e-4 and np.quantile(away, 0.99) < 1.5e-3, name


def test_its_folds_are_those_of_warp(scene, made):
    header, blocks = read(made.packed())
    motion = apply_edit(scene.portrait.pose, "smile=0.8,browDownLeft=1,browInnerUp=0.4")
    points, maps = blocks["face_points"], blocks["face_basis"][..., 3].astype(np.float64)
    by = coefficients(motion).clamp(0, 1).numpy()[0, header["face_rows"]]
    folds = np.exp((by @ maps)[points[:, 3].astype(int)] - points[:, 8]).clip(DARKEST, BRIGHTEST) - 1
    truth = fold_shade(scene.folds, motion.expression, scene.portrait.pose.expression)[0].numpy()
    vertex, order = scene.vertex.numpy()[scene.uv_faces], np.argsort(scene.part, kind="stable")
    assert np.abs(folds[blocks["face_triangles"]] - truth[vertex[order]]).max() < 1e-3 and truth.min() < -0.05


def test_the_photo_s_own_pose_is_in_it_and_clips_come_back(scene, made):
    header, blocks = read(made.packed())
    motion = drive(scene.portrait.pose, demo_motion("open")[:25])
    assert header["pose"] == pose_of(scene.portrait.pose)
    assert [clip["name"] for clip in header["clips"]] == ["nods", HOSTILE]
    frames = blocks["clip0_motion"]
    e = motion.expression.shape[1]
    assert np.array_equal(frames[:, :e], motion.expression.numpy())
    assert np.array_equal(frames[:, e + 3 : e + 6], motion.neck.numpy()) and frames.shape == (25, e + 20)
    import av

    with av.open(io.BytesIO(blocks["clip1_sound"])) as sound:
        samples = np.concatenate([frame.to_ndarray()[0] for frame in sound.decode(audio=0)])
    assert len(samples) == 48000 and np.abs(samples / 32768).max() == pytest.approx(0.3, abs=0.02)
    photo = np.asarray(Image.open(io.BytesIO(blocks["photo"])))
    assert np.array_equal(photo, scene.portrait.image)
    texture = np.asarray(Image.open(io.BytesIO(blocks["texture"])).convert("RGB")).astype(int)
    size = len(scene.texture)
    assert np.abs(texture[:size] - scene.texture[..., :3]).mean() < 2
    assert np.abs(texture[size:, :, 0] - scene.texture[..., 3]).mean() < 2


class Page(HTMLParser):
    """The tags of a page, and what stands in its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[str | None, str]] = []
        self._inside: str | None = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = dict(attrs).get("type") or "" if tag == "script" else None

    def handle_data(self, data):
        if self._inside is not None:
            self.scripts.append((self._inside, data))

    def handle_endtag(self, tag):
        self._inside = None


def test_the_page_asks_for_nothing_and_hostile_names_are_text(made):
    text = page(made, HOSTILE)
    assert len(text) < 9e6
    read_page = Page(text)
    kinds = [kind for kind, _ in read_page.scripts]
    assert kinds == ["application/json", "application/octet-stream", "module"]
    assert json.loads(read_page.scripts[0][1]) == HOSTILE
    assert not any(tag == "img" or "src" in attributes or "onerror" in attributes for tag, attributes in read_page.tags)
    policy = next(a["content"] for t, a in read_page.tags if t == "meta" and "http-equiv" in a)
    script = read_page.scripts[2][1]
    assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in policy
    assert (
        "default-src 'none'" in policy
        and "unsafe-eval" not in policy
        and "'unsafe-inline'" not in policy.split("style-src")[0]
    )
    assert not re.search(r"https?://", text.replace("http-equiv", ""))
    assert read(base64.b64decode(read_page.scripts[1][1]))[0]["clips"][1]["name"] == HOSTILE


def test_the_types_name_what_the_module_has():
    """Every member of the declared Player is in the module."""
    module, types = player_text("player.js"), player_text("player.d.ts")
    declared = re.findall(r"^  (?:readonly )?(\w+)[(:<]", types[types.index("class Player") :], re.M)
    assert len(declared) > 12
    assert all(re.search(rf"\b{name}\b", module) for name in declared)
    assert "export async function createPlayer" in module and "import " not in module.replace("important ", "")


def test_the_command_writes_a_page_and_the_player_s_file(scene, tmp_path):
    whole = open_portrait("demo")[0]
    whole.save(tmp_path / "<b>&me.npz")
    options = {"clips": [{"motion": "demo"}, {"motion": "demo"}], "seconds": 0.4}
    done = write_export(tmp_path / "<b>&me.npz", tmp_path / "me.html", size=128, **options)
    text = (tmp_path / "me.html").read_text()
    assert done.files == [tmp_path / "me.html"] and "<title>&lt;b&gt;&amp;me</title>" in text
    done = write_export(whole, tmp_path / "me.portrait", size=128)
    assert [file.name for file in done.files] == ["me.portrait", "player.js", "player.d.ts"]
    assert read((tmp_path / "me.portrait").read_bytes())[0]["size"] == [128, 128]
    for source, options, message in (
        ("demo", {"size": 5000}, "size must be 64 to 2048 px"),
        ("demo", {"material": "pbr"}, "material goes with"),
        (demo_motion("open"), {}, "made of a photo or a portrait.npz"),
    ):
        with pytest.raises(BadInput, match=message):
            write_export(source, tmp_path / "no.html", **options)


# -- in a browser ------------------------------------------------------------------------------------------------------

POSES = (
    "", "yaw=20deg", "yaw=-45deg", "pitch=15deg", "jawOpen=0.8", "blink=1", "gazeYaw=20deg,browInnerUp=1",
    "smile=0.8,yaw=30deg",
)  # fmt: skip
ARGUMENTS = [
    "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    "--autoplay-policy=no-user-gesture-required", "--disable-background-networking",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    from .test_page import chromium, playwright

    if (executable := chromium()) is None:
        pytest.skip("no Chromium is here: apt install chromium, or playwright install chromium")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield started
        started.close()


class Shown:
    """The page opened from disk without a network; every request and error is noted."""

    def __init__(self, browser: Any, file: Path, query: str = "", **options: Any) -> None:
        context = browser.new_context(viewport={"width": 300, "height": 480}, **options)
        context.set_offline(True)
        self.page, self.asked, self.errors = context.new_page(), [], []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(f"{file.as_uri()}{query}")
        self.page.wait_for_function("() => window.flamecast && window.flamecast.facts", timeout=60_000)

    def drawn(self, frame: dict[str, Any], camera: dict[str, Any] | None = None) -> np.ndarray:
        """The canvas [H, W, 4] of one frame, at the photo's size."""
        encoded = self.page.evaluate(
            """([frame, camera]) => { const p = window.flamecast, [w, h] = p.header.size; p.running = false;
            p.canvas.width = w; p.canvas.height = h; p.renderer.draw(frame, camera ?? undefined);
            return p.canvas.toDataURL("image/png"); }""",
            [frame, camera],
        )
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded.split(",")[1]))).convert("RGBA"))


@pytest.fixture(scope="module")
def file(made, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("page") / "me.html"
    path.write_text(page(made, HOSTILE), encoding="utf-8")
    return path


@pytest.mark.slow
def test_it_draws_what_warp_draws(scene, file, browser):
    from skimage.metrics import structural_similarity

    shown, portrait, generator = Shown(browser, file), scene.portrait, WarpGenerator()
    left, top, side = portrait.face_window()
    box = np.s_[max(top, 0) : top + side, max(left, 0) : left + side]
    cameras = [(pose, None) for pose in POSES] + [("", place(portrait, 1, None, "30", 25.0))]
    for pose, camera in cameras:
        motion = apply_edit(portrait.pose, pose) if pose else portrait.pose
        (truth,) = generator(portrait, motion, camera)
        seen = None
        if camera is not None:
            seen = {"k": camera.intrinsics[0].flatten().tolist(), "m": camera.extrinsics_vt[0, 0].flatten().tolist()}
        picture = shown.drawn(pose_of(motion), seen)
        alike = structural_similarity(truth[0][box], picture[box][..., :3], channel_axis=2)
        assert alike > 0.95 and (picture[..., 3] == 255).all(), (pose, alike)
    frowning = apply_edit(portrait.pose, "browDownLeft=1,browDownRight=1,noseSneerLeft=1,noseSneerRight=1")
    picture = shown.drawn(pose_of(frowning))[..., :3].astype(int)
    folded, plain = (next(WarpGenerator(folds=folds)(portrait, frowning))[0].astype(int) for folds in (1.0, 0.0))
    there = np.abs(folded - plain).max(2) > 4
    assert there.sum() > 100 and np.abs(picture - folded)[there].mean() < 0.5 * np.abs(picture - plain)[there].mean()
    facts = shown.page.evaluate("() => window.flamecast.facts")
    assert facts["draws"] <= 10 and facts["triangles"] <= 40_000 and facts["bytes"] <= 3000
    assert shown.errors == []


@pytest.mark.slow
def test_it_plays_records_and_obeys_without_a_request(file, browser):
    shown = Shown(browser, file, reduced_motion="reduce")
    p = shown.page
    assert p.evaluate("() => window.hacked") is None and p.locator("img").count() == 0
    assert p.locator("#clips button").nth(1).inner_text() == f"▶ {HOSTILE}"
    assert p.title() == HOSTILE
    played = p.evaluate(
        """async () => { const p = window.flamecast, frames = []; const off = p.on("frame", (f) => frames.push(f));
        const video = p.record(); const whole = await p.play(1); off(); p.stopRecording();
        const bytes = new Uint8Array(await (await video).arrayBuffer());
        return [whole, frames.map((f) => [f.time, f.frame]), Array.from(bytes)]; }"""
    )
    whole, frames, video = played
    assert whole and len(frames) > 2
    assert all(abs(number / 25 - time) <= 1 / 25 + 1e-6 for time, number in frames)  # by the sound's own clock
    assert [time for time, _ in frames] == sorted(time for time, _ in frames)
    import av

    with av.open(io.BytesIO(bytes(video))) as recorded:
        assert sum(1 for _ in recorded.decode(video=0)) > 0
    p.evaluate("() => window.flamecast.setParameters({ jawOpen: 0.7, yaw: 0.2 })")
    assert p.evaluate("() => window.flamecast.controls") == {"jawOpen": 0.7, "yaw": 0.2}
    for wrong in ({"nose": 1}, {"jawOpen": "x"}):
        with pytest.raises(Exception, match="RangeError"):
            p.evaluate("(values) => window.flamecast.setParameters(values)", wrong)
    p.focus("#portrait")
    p.keyboard.press("ArrowLeft")
    assert p.evaluate("() => window.flamecast.orbit.yaw") == pytest.approx(0.1)
    answer = p.evaluate(
        """() => new Promise((done) => {
        addEventListener("message", ({ data }) => data.flamecast.error && done(data.flamecast));
        postMessage({ flamecast: { id: 7, call: "constructor", arguments: [] } }, "*"); })"""
    )
    assert answer == {"id": 7, "error": "there is no such call"}
    assert [url for url in shown.asked if not url.startswith(("data:", "blob:"))] == [file.as_uri()]
    assert shown.errors == []


@pytest.mark.slow
def test_the_person_alone_stands_on_nothing(scene, file, browser):
    shown = Shown(browser, file, "?background=none")
    alpha = shown.drawn(pose_of(apply_edit(scene.portrait.pose, "yaw=20deg")))[..., 3]
    assert alpha[:8, :8].max() == 0 and alpha[100:140, 100:140].min() > 250
    assert shown.page.locator("#bar").is_hidden()
