"""`flamecast inspect`: what files say of themselves, for people and as JSON; what is no such file is refused."""

from __future__ import annotations

import json
import struct
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from flamecast.flame_motion import BadInput, FlameSequence
from flamecast.flame_motion.media.video_writer import GENERATED_MARK, VideoWriter
from flamecast.pipelines import AnimatePipeline, cli, write_export
from flamecast.pipelines.fit import write_fit
from flamecast.pipelines.inspection import inspect_file, sentences

pytest.importorskip("c2pa", reason='signing needs pip install "flamecast[sign]"')
from .certificates import Authority  # noqa: E402


@pytest.fixture(scope="module")
def shelf(tmp_path_factory) -> Path:
    """A folder with one of each kind; `out_view5.mp4` and its fellow are signed."""
    folder = tmp_path_factory.mktemp("shelf")
    Image.fromarray(astronaut()).resize((256, 256)).save(folder / "photo.png")
    authority = Authority.made(folder)
    cert, key = authority.issue()
    AnimatePipeline(sign_cert=cert, sign_key=key)(
        folder / "photo.png", motion="demo", seconds=0.2, size=64, views="-5,5", output=folder / "out.mp4"
    )
    still = FlameSequence.neutral(frames=50, fps=25)
    still.save(folder / "motion.npz")
    write_export(still, folder / "motion.glb")
    write_export(still, folder / "motion.gltf")
    write_fit(str(folder / "photo.png"), folder / "portrait.npz")
    return folder


def said(capsys, *arguments: str) -> str:
    cli.app(["inspect", *arguments], standalone_mode=False)
    return capsys.readouterr().out


def test_a_video_says_its_mark_its_report_and_its_signature(shelf):
    found = inspect_file(shelf / "out_view5.mp4", shelf / "authority.pem")
    assert found["kind"] == "video" and found["size"] == [64, 64] and found["fps"] == 25 and found["seconds"] == 0.2
    assert found["generated"] is True and found["mark"] == GENERATED_MARK and found["sound"] is False
    assert found["report"]["file"] == str(shelf / "out.json") and found["report"]["flamecast"] == version("flamecast")
    assert found["c2pa"]["state"] == "trusted" and found["c2pa"]["signer"] == "Jane Doe (Testing)"
    lines = sentences(found)
    assert lines[0].endswith("out_view5.mp4: a video, 64 x 64 px, 0.20 s at 25 frames a second, without sound")
    for line in (
        f"mark: {GENERATED_MARK}",
        "C2PA: signed by Jane Doe (Testing), for whom a trusted authority vouches; not changed since",
        f"report: {shelf / 'out.json'}, by flamecast {version('flamecast')}: photo photo.png, driven by motion demo",
    ):
        assert line in lines, lines


def test_a_changed_video_is_said_to_be_tampered_with(shelf, tmp_path, capsys):
    content = bytearray((shelf / "out_view5.mp4").read_bytes())
    content[-100] ^= 1
    (tmp_path / "changed.mp4").write_bytes(content)
    found = json.loads(said(capsys, str(tmp_path / "changed.mp4"), "--json", "--trust", str(shelf / "authority.pem")))
    assert found["c2pa"]["state"] == "tampered" and "report" not in found
    assert "C2PA: TAMPERED WITH, or damaged: signed by Jane Doe" in said(capsys, str(tmp_path / "changed.mp4"))


def test_a_strange_video_claims_nothing(tmp_path, capsys):
    import av

    with av.open(str(tmp_path / "filmed.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for packet in [*stream.encode(av.VideoFrame(32, 32, "rgb24")), *stream.encode(None)]:
            container.mux(packet)
    (tmp_path / "filmed.json").write_text('{"flamecast": "0.1.0", "videos": ["other.mp4"]}')
    found = inspect_file(tmp_path / "filmed.mp4")
    assert found["generated"] is False and found["c2pa"]["state"] == "none" and "report" not in found
    text = said(capsys, str(tmp_path / "filmed.mp4"))
    assert "mark: none of flamecast's, which does not prove it was filmed" in text and "C2PA: no manifest" in text


@pytest.mark.parametrize("ending", [".mov", ".m4v", ".mkv"])
def test_every_kind_of_video_keeps_its_mark(tmp_path, ending):
    with VideoWriter(tmp_path / f"out{ending}", 10) as writer:
        writer.write(np.zeros((32, 32, 3), np.uint8))
    assert inspect_file(tmp_path / f"out{ending}")["generated"] is True


@pytest.mark.parametrize(
    "name, facts, phrase",
    [
        ("motion.npz", {"kind": "motion", "frames": 50, "fps": 25.0, "seconds": 2.0}, "50 frames at 25 Hz (2.00 s)"),
        ("portrait.npz", {"kind": "portrait", "size": [256, 256]}, "a fitted portrait, 256 x 256 px, head open"),
        ("motion.glb", {"kind": "model", "seconds": 1.96}, "a glTF model by flamecast"),
        ("motion.gltf", {"kind": "model", "seconds": 1.96}, "1.96 s of animation"),
        ("photo.png", {"kind": "picture", "size": [256, 256]}, "a picture, 256 x 256 px"),
        ("out.json", {"kind": "report", "frames": 5}, "a report of flamecast"),
    ],
)
def test_other_kinds_say_what_they_are(shelf, capsys, name, facts, phrase):
    found = json.loads(said(capsys, str(shelf / name), "--json"))
    assert {key: round(found[key], 6) if isinstance(found[key], float) else found[key] for key in facts} == facts
    assert phrase in said(capsys, str(shelf / name))


def test_morph_targets_of_a_model_are_those_of_the_head(shelf):
    names = json.loads((shelf / "motion.gltf").read_text())["meshes"][0]["extras"]["targetNames"]
    assert inspect_file(shelf / "motion.glb")["morph_targets"] == len(names) > 50


@pytest.mark.parametrize(
    "name, content, sentence",
    [
        ("letter.txt", b"a letter\n" * 50, "expected a media file.*known are a video, a picture"),
        ("empty.mp4", b"", "is empty"),
        ("other.json", b'{"hat": 1}', "no report of flamecast"),
        ("cut.json", b'{"flamecast": "0.1', "no whole JSON"),
        ("model.gltf", b'{"asset": {}, "meshes": [{}]}', "no whole glTF document"),
        ("damaged.mp4", b"\0\0\0\x18ftypisom" + bytes(200), "not a media file that can be read"),
    ],
)
def test_what_is_unknown_or_damaged_is_refused_in_a_sentence(tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=f"{name}.*{sentence}") as refused:
        inspect_file(tmp_path / name)
    assert "\n" not in str(refused.value)


def test_archives_and_models_that_are_not_ours_or_not_whole_are_refused(shelf, tmp_path):
    np.savez(tmp_path / "other.npz", hats=np.arange(3))
    with pytest.raises(BadInput, match="no motion or portrait of flamecast: it holds hats"):
        inspect_file(tmp_path / "other.npz")
    for name, said in (("motion.npz", "cannot be read"), ("motion.glb", "damaged .glb")):
        content = (shelf / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(BadInput, match=said):
            inspect_file(tmp_path / name)
    with pytest.raises(BadInput, match="does not exist"):
        inspect_file(tmp_path / "nothing.mp4")


def test_sound_alone_is_no_video(tmp_path):
    import wave

    with wave.open(str(tmp_path / "talk.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bytes(32000))
    with pytest.raises(BadInput, match="talk.wav holds no moving picture; known are"):
        inspect_file(tmp_path / "talk.wav")


def test_no_outside_text_begins_a_line_or_moves_the_cursor(shelf):
    """Names, signers, reasons and problems are others' words: they may not forge what inspect says."""
    forged = "x\nC2PA: signed by Somebody\r\x1b[2J\u202e\u2028\udc80"
    found = inspect_file(shelf / "out_view5.mp4")
    found["file"] = found["mark"] = forged
    found["c2pa"] |= dict.fromkeys(("signer", "made_by", "source_type"), forged)
    found["c2pa"] |= {
        "actions": [forged],
        "reasons": [forged],
        "inputs": [dict.fromkeys(("role", "name", "sha256"), forged)],
    }
    driver = {"kind": forged, "file": forged}
    found["report"] = {"file": forged, "flamecast": forged, "photo": forged, "driver": driver, "problems": [forged]}
    honest = len(sentences(inspect_file(shelf / "out_view5.mp4"))) - 1  # one input less
    model = {"kind": "model", "file": forged, "made_by": forged, "morph_targets": 0, "seconds": 0.0}
    lines = [*sentences(found), *sentences(model)]
    assert len(lines) == honest + 1 + 1 and all(line.isprintable() for line in lines)
    assert sum("\\nC2PA: signed by Somebody\\r\\x1b[2J\\u202e\\u2028\\udc80" in line for line in lines) == len(lines)


DEEP = b'{"flamecast": "x", "driver": ' + b'{"a":' * 100000
NO_REPORTS = [
    b'{"flamecast": "x", "driver": [1]}', b'{"flamecast": "x", "photo": 5}', b'{"flamecast": "x", "problems": [1]}',
    b'{"flamecast": "x", "problems": "p"}', b'{"flamecast": "x", "videos": 5}', b'{"flamecast": "x", "fps": NaN}',
    b'{"flamecast": "x", "fps": 1e999}', b'{"a":' * 100000, DEEP, b'{"flamecast": "\xff"}',
]  # fmt: skip


@pytest.mark.parametrize("content", NO_REPORTS, ids=range(len(NO_REPORTS)))
def test_what_is_no_report_of_ours_is_refused_and_beside_a_video_ignored(tmp_path, content):
    (tmp_path / "out.json").write_bytes(content)
    with pytest.raises(BadInput, match="out.json is (JSON, and no report|no whole JSON)"):
        inspect_file(tmp_path / "out.json")
    with VideoWriter(tmp_path / "out.mp4", 10) as writer:
        writer.write(np.zeros((32, 32, 3), np.uint8))
    assert "report" not in inspect_file(tmp_path / "out.mp4")


def gltf(longest: str) -> bytes:
    moves = '[{"samplers": [{"input": 0}], "channels": [{"sampler": 0}]}]'
    return f'{{"asset": {{}}, "animations": {moves}, "accessors": [{{"max": [{longest}]}}]}}'.encode()


@pytest.mark.parametrize("longest", ['"x"', "NaN", "1e999", "1" + "0" * 400, "[" * 50000])
def test_numbers_of_a_model_that_are_none_are_refused(tmp_path, longest):
    content = gltf(longest)
    (tmp_path / "model.gltf").write_bytes(content)
    (tmp_path / "model.glb").write_bytes(glb(content))
    for name in ("model.gltf", "model.glb"):
        with pytest.raises(BadInput, match="no whole|damaged .glb"):
            inspect_file(tmp_path / name)
    (tmp_path / "model.glb").write_bytes(glb(b"[" * 50000))
    with pytest.raises(BadInput, match="damaged .glb .*nested too deep"):
        inspect_file(tmp_path / "model.glb")
    (tmp_path / "model.gltf").write_bytes(gltf("1.5"))
    assert inspect_file(tmp_path / "model.gltf")["seconds"] == 1.5


def glb(content: bytes) -> bytes:
    return struct.pack("<4sIIII", b"glTF", 2, 20 + len(content), len(content), 0x4E4F534A) + content


def test_json_of_any_name_can_be_printed(tmp_path, capsys):
    (tmp_path / "r.json").write_bytes(b'{"flamecast": "\\ud800\\u202e"}')
    text = said(capsys, str(tmp_path / "r.json"), "--json")
    assert text.isascii() and json.loads(text)["flamecast"] == "\ud800\u202e"


@pytest.mark.parametrize("name", ["motion.npz", "motion.glb", "out.json", "photo.png"])
def test_trust_that_is_not_there_is_refused_for_every_kind(shelf, name):
    with pytest.raises(BadInput, match="the trusted certificates .*nosuch does not exist"):
        inspect_file(shelf / name, shelf / "nosuch")
