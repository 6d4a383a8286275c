"""Videos signed with a key of one's own, read back; what was changed since is said to be changed."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import zlib
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from flamecast.core.extras import how_to_install
from flamecast.flame_motion import BadInput, FlameSequence, MissingAsset, VideoClip
from flamecast.flame_motion.media.video_writer import VideoWriter
from flamecast.pipelines import AnimatePipeline, cli
from flamecast.pipelines.batch import run_batch
from flamecast.pipelines.credentials import read_credentials
from flamecast.pipelines.inspection import inspect_file, sentences
from flamecast.pipelines.provenance import Input, Signature, open_signature

c2pa = pytest.importorskip("c2pa", reason='signing needs pip install "flamecast[sign]"')
from cryptography.hazmat.primitives.serialization import PrivateFormat  # noqa: E402

from .certificates import SERVER, Authority  # noqa: E402

SHORT = {"motion": "demo", "seconds": 0.12, "size": 64}


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority.made(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def keys(authority) -> tuple[Path, Path]:
    return authority.issue()


@pytest.fixture(scope="module")
def signed(keys, tmp_path_factory) -> Path:
    """A folder with `photo.png`, its animation `out.mp4`, signed, and the same unsigned, `plain.mp4`."""
    folder = tmp_path_factory.mktemp("signed")
    Image.fromarray(astronaut()).resize((256, 256)).save(folder / "photo.png")
    cert, key = keys
    AnimatePipeline(sign_cert=cert, sign_key=key)(folder / "photo.png", output=folder / "out.mp4", **SHORT)
    AnimatePipeline()(folder / "photo.png", output=folder / "plain.mp4", **SHORT)
    return folder


def pictures(path: Path) -> np.ndarray:
    return np.stack(list(VideoClip.open(path)))


def noise(path: Path, **options) -> Path:
    """A video of six random frames, with sound."""
    generator = np.random.default_rng(0)
    with VideoWriter(path, 25, **options) as writer:
        for _ in range(6):
            writer.write(generator.integers(0, 255, (32, 32, 3), np.uint8))
    return path


def test_a_signed_video_says_who_made_it_and_out_of_what(signed, authority):
    found = read_credentials(signed / "out.mp4")
    assert found.state == "unchanged" and found.signer == "Jane Doe (Testing)" and not found.reasons
    assert found.made_by == f"flamecast {version('flamecast')}" and found.actions == ("c2pa.created", "c2pa.placed")
    assert found.source_type == "compositeWithTrainedAlgorithmicMedia"
    digest = hashlib.sha256((signed / "photo.png").read_bytes()).hexdigest()
    photo = {"role": "photo", "name": "photo.png", "sha256": digest}
    assert list(found.inputs) == [photo, {"role": "motion", "name": "demo"}]
    assert read_credentials(signed / "out.mp4", authority.folder / "authority.pem").state == "trusted"
    assert read_credentials(signed / "plain.mp4").state == "none"


def test_files_that_options_name_are_inputs_too(keys, signed, tmp_path):
    FlameSequence.neutral(frames=3, fps=25).save(tmp_path / "hum.npz")
    (tmp_path / "nod.json").write_text('{"keyframes": [{"time": 0, "edits": {"yaw": "3deg"}}]}')
    (tmp_path / "path.json").write_text('[{"time": 0}, {"time": 0.1, "yaw": 5}]')
    cert, key = keys
    options = {"mix": f"mouth={tmp_path / 'hum.npz'}", "camera": str(tmp_path / "path.json")}
    options["edit"] = f"{tmp_path / 'nod.json'}; roll=2deg"
    pipeline = AnimatePipeline(sign_cert=cert, sign_key=key)
    pipeline(signed / "photo.png", output=tmp_path / "out.mp4", **options, **SHORT)
    found = read_credentials(tmp_path / "out.mp4")
    listed = {each["role"]: (each["name"], each.get("sha256")) for each in found.inputs[2:]}
    files = {"mix": "hum.npz", "edit": "nod.json", "camera": "path.json"}
    digest = {name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in files.values()}
    assert found.state == "unchanged" and listed == {role: (name, digest[name]) for role, name in files.items()}
    pipeline(signed / "photo.png", output=tmp_path / "orbit.mp4", camera="orbit:5", edit="roll=2deg", **SHORT)
    assert [each["role"] for each in read_credentials(tmp_path / "orbit.mp4").inputs] == ["photo", "motion"]


def test_a_photo_whose_own_manifest_is_broken_is_said_to_be(authority, keys, signed, tmp_path):
    signature, plain, made = Signature.open(*keys), io.BytesIO((signed / "photo.png").read_bytes()), io.BytesIO()
    with signature._signer() as signer, signature._builder("photo.png", "image/png", ()) as builder:
        builder.sign(signer, "image/png", plain, made)
    whole, broken = bytearray(made.getvalue()), bytearray(made.getvalue())
    text = b"tEXtComment\0changed"
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    broken[-12:-12] = chunk  # before the end: the same picture, and other bytes than were signed
    cert, key = keys
    for name, content, problems in (("whole.png", whole, 0), ("broken.png", broken, 1)):
        (tmp_path / name).write_bytes(content)
        video = tmp_path / f"{name}.mp4"
        done = AnimatePipeline(sign_cert=cert, sign_key=key)(tmp_path / name, output=video, **SHORT)
        told = [
            problem
            for problem in done.problems
            if f"photo {tmp_path / name} was changed after it was signed" in problem
        ]
        assert len(told) == problems and all(problem in done.report["problems"] for problem in told)
        plain = AnimatePipeline()(tmp_path / name, output=tmp_path / "plain.mp4", **SHORT)  # unsigned, it is said, too
        assert sum("its own C2PA manifest is broken" in problem for problem in plain.problems) == problems
        found = inspect_file(video, authority.folder / "authority.pem")
        assert found["c2pa"]["state"] == "trusted" and found["c2pa"]["broken"] == ((name,) if problems else ())
        assert sum(f"BROKEN INPUT: {name}" in line for line in sentences(found)) == problems


def test_only_the_authority_that_vouched_is_believed(signed, tmp_path):
    other = Authority.made(tmp_path, "Somebody Else")
    assert read_credentials(signed / "out.mp4", other.folder / "authority.pem").state == "unchanged"
    with pytest.raises(BadInput, match="photo.png holds no certificate"):
        read_credentials(signed / "out.mp4", signed / "photo.png")


def test_signing_changes_no_picture_and_leaves_the_mark_and_the_name_of_no_folder(signed):
    assert np.array_equal(pictures(signed / "out.mp4"), pictures(signed / "plain.mp4"))
    content = (signed / "out.mp4").read_bytes()
    assert b"AI-generated" in content and str(signed).encode() not in content
    assert not [name for name in os.listdir(signed) if name.startswith(".")]


def test_a_byte_changed_anywhere_is_noticed(signed, tmp_path):
    """In picture and index always; in the manifest what is believed is never another thing than what was signed."""
    content, changed = (signed / "out.mp4").read_bytes(), tmp_path / "changed.mp4"
    whole = read_credentials(signed / "out.mp4")
    start, seen = 0, set()
    while start < len(content):
        length, kind = struct.unpack_from(">I4s", content, start)
        for place in range(start, start + length, max(1, length // 40)):
            if kind in (b"ftyp", b"free"):  # the standard leaves these out
                continue
            changed.write_bytes(content[:place] + bytes([content[place] ^ 0x40]) + content[place + 1 :])
            found = read_credentials(changed)
            assert found.state == "tampered" or (kind == b"uuid" and (found == whole or found.state == "none")), place
            seen.add((kind, found.state))
        start += length
    assert {(kind, "tampered") for kind in (b"uuid", b"moov", b"mdat")} <= seen
    for other in (content[:-20], content + b"more", content[: len(content) // 2]):
        changed.write_bytes(other)
        assert read_credentials(changed).state == "tampered"


def test_a_manifest_of_another_video_is_noticed(signed, tmp_path):
    other = noise(tmp_path / "other.mp4").read_bytes()
    content = (signed / "out.mp4").read_bytes()
    at = content.index(b"uuid") - 4
    (length,) = struct.unpack_from(">I", content, at)
    head = other.index(b"moov") - 4
    (tmp_path / "mixed.mp4").write_bytes(other[:head] + content[at : at + length] + other[head:])
    assert read_credentials(tmp_path / "mixed.mp4").state == "tampered"


def test_what_the_inputs_say_of_themselves_goes_along(signed, keys, tmp_path, monkeypatch):
    signature, target = Signature.open(*keys), tmp_path / "again.mov"
    (tmp_path / "take.npz").write_bytes(b"PK")
    given = {"photo": signed / "photo.png", "video": signed / "out.mp4", "motion": tmp_path / "take.npz"}
    monkeypatch.chdir(tmp_path)
    (tmp_path / "she nods").write_text("a file that is called as the words are")
    inputs = Input.all_of({**given, "text": "she nods", "say": None})
    noise(target, finish=signature.finish(target, inputs))
    with c2pa.Reader(target) as reader:
        store = json.loads(reader.json())
    made = store["manifests"][store["active_manifest"]]
    listed = {each["title"]: each["relationship"] for each in made["ingredients"]}
    assert listed == {"photo.png": "componentOf", "out.mp4": "inputTo"} and len(store["manifests"]) == 2
    assert not any("thumbnail" in each for each in made["ingredients"])  # nobody's face by the way
    found = read_credentials(target)
    assert found.state == "unchanged" and [each["role"] for each in found.inputs] == [
        "photo",
        "video",
        "motion",
        "text",
    ]
    assert b"she nods" not in target.read_bytes()


@pytest.mark.parametrize("kind, algorithm", [("p384", "es384"), ("rsa", "ps256"), ("ed25519", "ed25519")])
def test_other_kinds_of_keys_sign_too(authority, kind, algorithm, tmp_path):
    signature, target = Signature.open(*authority.issue(kind=kind)), tmp_path / "out.m4v"
    assert signature.algorithm == algorithm
    noise(target, finish=signature.finish(target, ()))
    assert read_credentials(target, authority.folder / "authority.pem").state == "trusted"


def test_the_key_may_be_as_openssl_writes_it_and_is_never_shown(authority, tmp_path):
    cert, key = authority.issue(format=PrivateFormat.TraditionalOpenSSL)
    assert b"BEGIN EC PRIVATE KEY" in key.read_bytes()
    assert "PRIVATE" not in repr(Signature.open(cert, key))


def wrong_keys(authority: Authority, folder: Path) -> list[tuple[Path | None, Path | None, str]]:
    """Pairs that cannot sign, and what is said of them."""
    cert, key = authority.issue()
    other = authority.issue()[1]
    (folder / "letter.pem").write_text("a letter")
    (folder / "empty.key").touch()
    return [
        (cert, None, "--sign-cert goes with --sign-key"),
        (None, key, "--sign-key goes with --sign-cert"),
        (folder / "no.pem", key, "no.pem does not exist"),
        (folder / "letter.pem", key, "letter.pem holds no certificate"),
        (cert, folder / "letter.pem", "letter.pem is no private key"),
        (cert, folder / "empty.key", "empty.key is empty"),
        (cert, other, "does not belong to the first certificate"),
        (key, cert, "holds no certificate"),
        (cert, cert, "is no private key"),
        (authority.folder / "authority.pem", key, "does not belong to the first certificate"),
        (*authority.issue(days=(-9, -2)), "renew it"),
        (*authority.issue(days=(2, 9)), "is valid from"),
        (*authority.issue(usage=SERVER), "C2PA refuses the certificate"),
        (*authority.issue(kind="k1"), "of a kind that C2PA does not take"),
        (*authority.issue(password=b"secret"), "has a passphrase"),
    ]


def test_wrong_keys_are_refused_in_one_sentence_before_any_work(authority, tmp_path):
    cases = wrong_keys(authority, tmp_path)
    for cert, key, said in cases:
        with pytest.raises(BadInput) as refused:
            open_signature(cert, key)
        assert said in str(refused.value) and "\n" not in str(refused.value), refused.value
    cert, key, said = cases[6]
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(BadInput, match=said):
        AnimatePipeline(sign_cert=cert, sign_key=key)("nobody.png", output=tmp_path / "out.mp4", **SHORT)
    assert sorted(os.listdir(tmp_path)) == before


def test_a_self_signed_certificate_is_refused(authority, tmp_path):
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption

    key = tmp_path / "authority.key"
    key.write_bytes(authority.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(BadInput, match="C2PA refuses the certificate .* docs/consent.md"):
        Signature.open(authority.folder / "authority.pem", key)


def test_a_file_that_can_hold_no_manifest_is_refused_before_any_work(keys, tmp_path):
    cert, key = keys
    with pytest.raises(BadInput, match=r"out.mkv cannot be signed: only .mp4, .m4v, .mov"):
        AnimatePipeline(sign_cert=cert, sign_key=key)("demo", output=tmp_path / "out.mkv", **SHORT)
    assert not os.listdir(tmp_path)


def test_a_signing_that_fails_leaves_no_video(keys, tmp_path, monkeypatch):
    signature, target = Signature.open(*keys), tmp_path / "out.mp4"

    def broken(self):
        raise c2pa.C2paError.Signature("the card was pulled out")

    monkeypatch.setattr(Signature, "_signer", broken)
    with pytest.raises(BadInput, match="out.mp4 cannot be signed: .*pulled out"):
        noise(target, finish=signature.finish(target, ()))
    assert not os.listdir(tmp_path)


def test_without_the_package_it_is_said_what_to_install(keys, signed, monkeypatch):
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with pytest.raises(MissingAsset, match=re.escape(how_to_install("sign"))):
        Signature.open(*keys)
    found = read_credentials(signed / "out.mp4")
    assert found.state == "unknown" and how_to_install("sign") in found.reasons[0]


def test_jobs_of_a_batch_are_signed_and_the_pipeline_is_saved_without_its_key(keys, signed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cert, key = map(str, keys)
    photo = str(signed / "photo.png")
    jobs = [
        {"photo": photo, "output": "a.mp4", "sign_cert": cert, "sign_key": key, "views": "-5,5", **SHORT},
        {"photo": photo, "output": "b.mp4", "sign_cert": cert, **SHORT},
    ]
    (tmp_path / "jobs.jsonl").write_text("\n".join(map(json.dumps, jobs)))
    done = run_batch("jobs.jsonl")
    assert len(done.problems) == 1 and "line 2: --sign-cert goes with --sign-key" in done.problems[0]
    videos = [file for file in done.files if file.suffix == ".mp4"]
    assert len(videos) == 2 and all(read_credentials(file).state == "unchanged" for file in videos)
    assert key not in (tmp_path / "a.json").read_text()
    AnimatePipeline(sign_cert=cert, sign_key=key).save_pretrained(tmp_path / "saved")
    assert AnimatePipeline.from_pretrained(tmp_path / "saved").sign_key is None


def test_the_command_signs(keys, signed, tmp_path):
    cert, key = map(str, keys)
    target = tmp_path / "out.mp4"
    given = ["animate", str(signed / "photo.png"), "--motion", "demo", "--seconds", "0.08", "--size", "64"]
    cli.app([*given, "-o", str(target), "--sign-cert", cert, "--sign-key", key], standalone_mode=False)
    assert read_credentials(target).signer == "Jane Doe (Testing)"
    with pytest.raises(BadInput, match="--sign-key goes with --sign-cert"):
        cli.app([*given, "-o", str(tmp_path / "no.mp4"), "--sign-key", key], standalone_mode=False)
    assert not (tmp_path / "no.mp4").exists()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_the_chain_of_the_page_signs(tmp_path, monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "consent.md").read_text(encoding="utf-8")
    (commands,) = re.findall(r"^```sh\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    subprocess.run(["sh", "-e", "-c", commands], cwd=tmp_path, check=True, capture_output=True)
    monkeypatch.chdir(tmp_path)
    target = Path("out.mp4")
    noise(target, finish=Signature.open("chain.pem", "sign.key").finish(target, ()))
    found = read_credentials(target, "authority.pem")
    assert found.state == "trusted" and found.signer == "Jane Doe (My Studio)"
